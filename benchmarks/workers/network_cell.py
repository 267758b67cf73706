"""One build, one random search, or one long training of the default network; scored on the test.

Request: {"problem", "seed", "seconds", "method"}. Which test answers were right goes to
`.bench/networks/right/`, for paired differences.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import environments
from network_sets import question
from worker import serve

HERE = Path(__file__).resolve().parent
THREADS = (1, 2)  # the quicker one is taken


def cell(request: dict[str, Any]) -> dict[str, Any]:
    asked = question(request["problem"], request["seed"])
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ways = {"modelwright": built, "random": built, "default": trained, "optuna": by_optuna}
        work = ways[request["method"]]
        labels, y, facts = work(request, asked, Path(folder), began)
    right = (labels == y).astype(int)
    keep = environments.ROOT / "networks" / "right"
    keep.mkdir(parents=True, exist_ok=True)
    name = "-".join(str(request[k]) for k in ("method", "problem", "seed", "seconds"))
    (keep / f"{name}.json").write_text(json.dumps(right.tolist()))
    return {"accuracy": float(right.mean()), "n_test": len(y), **facts}


def built(
    request: dict[str, Any], asked: dict[str, Any], folder: Path, began: float
) -> tuple[Any, Any, dict[str, Any]]:
    from modelwright.data.array_part import load_arrays
    from modelwright.designers import designer_json, make_designer
    from modelwright.recipes.automl import plan_build, play
    from modelwright.recipes.question import Question

    fields = {"target": "", **asked, "data": str(asked["data"]), "seed": request["seed"]}
    seconds = f"{request['seconds']}s"
    plan = plan_build(Question(**fields), budget=seconds, workspace=folder, began=began)
    if request["method"] == "random":
        study = replace(plan.study, designer=make_designer("random"))
        description = study.to_json(designer_json(study.designer), study.policy.to_json())
        plan = replace(plan, study=study, description=description)
    result = play(plan)
    wall = time.monotonic() - began
    part = load_arrays(result.run.path / "data" / "sealed")
    if result.best is None:
        raise RuntimeError(result.sentence)
    scores = result.best.evidence.scores
    view = result.record.view
    kinds = {role: sum(o.trial.role == role and o.ok for o in view.finished)
             for role in ("search", "final", "blend", "student")}  # fmt: skip
    labels = result.model.shares(np.asarray(part.inputs)).argmax(axis=1)
    told = {
        "wall": wall, "params": scores["params"], "latency_ms": scores["latency_ms"],
        "size_kb": scores["size_kb"], "sentence": result.sentence, "trials": kinds,
        "failed": sum(o.failed for o in view.finished), "valid": scores["accuracy"],
        "students": result.to_json()["students"],
    }  # fmt: skip
    return labels, np.asarray(part.y), told


def trained(
    request: dict[str, Any], asked: dict[str, Any], folder: Path, began: float
) -> tuple[Any, Any, dict[str, Any]]:
    """The default design on all examples that may be learned from, for the whole time."""
    import torch

    from modelwright.data.array_part import load_arrays
    from modelwright.evaluators.lesson import MOST_EPOCHS, Lesson
    from modelwright.evaluators.network_evidence import as_shipped
    from modelwright.evaluators.train_network import new_trainer, weights_of
    from modelwright.families.network_design import default_design, ops_for
    from modelwright.recipes.automl import plan_build
    from modelwright.recipes.question import Question

    fields = {"target": "", **asked, "data": str(asked["data"]), "seed": request["seed"]}
    plan = plan_build(Question(**fields), budget="10s", workspace=folder, began=began)
    part = load_arrays(plan.dev)
    part = replace(part, train=np.sort(np.concatenate([part.train, part.valid])))
    design = default_design(part.kind)
    ops = ops_for(design, part)
    trainer = new_trainer(design, ops, part, MOST_EPOCHS, request["seed"], 1)
    tried = new_trainer(design, ops, part, MOST_EPOCHS, request["seed"], 1)
    threads = min(THREADS, key=lambda n: _seconds(tried, n))
    torch.set_num_threads(threads)
    setup = time.monotonic() - began
    lesson = Lesson(trainer, part, True, request["seconds"] - setup, time.perf_counter())
    for _ in lesson.run(0):
        pass
    wall = time.monotonic() - began
    test = load_arrays(plan.run.path / "data" / "sealed")
    shares = trainer.answers(part.inputs[part.valid])[0]
    shipped, _, _ = as_shipped(ops, weights_of(trainer), part, shares)
    labels = trainer.answers(np.asarray(test.inputs))[0].argmax(axis=1)
    told = {"wall": wall, "threads": threads, "epochs": trainer.step / trainer.per_epoch, **shipped}
    return labels, np.asarray(test.y), told


def by_optuna(
    request: dict[str, Any], asked: dict[str, Any], folder: Path, began: float
) -> tuple[Any, Any, dict[str, Any]]:
    """Optuna and a trainer written by hand, in an environment of their own, on the same arrays."""
    from modelwright.data.array_part import load_arrays
    from modelwright.recipes.automl import plan_build
    from modelwright.recipes.question import Question

    fields = {"target": "", **asked, "data": str(asked["data"]), "seed": request["seed"]}
    plan = plan_build(Question(**fields), budget="10s", workspace=folder, began=began)
    sealed, out = plan.run.path / "data" / "sealed", folder / "out.json"
    left = request["seconds"] - (time.monotonic() - began)
    command = [environments.python("optuna"), HERE / "run_optuna_network.py", plan.dev, sealed,
               left, request["seed"], load_arrays(plan.dev).ids, out]  # fmt: skip
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    wall = time.monotonic() - began
    if not out.exists():
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-400:]}")
    facts = json.loads(out.read_text())
    labels, y = np.array(facts.pop("labels")), np.asarray(load_arrays(sealed).y)
    return labels, y, {"wall": wall, **facts}


def _seconds(trainer: Any, threads: int) -> float:
    """What a few steps take with so many threads."""
    import torch

    torch.set_num_threads(threads)
    trainer.run(2)
    began = time.perf_counter()
    trainer.run(6)
    return time.perf_counter() - began


if __name__ == "__main__":
    serve(cell)
