"""Runs one system of the peer harness on one split and scores it: a fresh process per cell.

Request: {"problem", "seed", "seconds", "script", "preset", "share"}; the script is `run_<peer>.py`
of the harness, or a file beside this one, and is told `share` of the budget's seconds.
Predictions go to `.bench/tabular/predictions/`, for paired intervals over test rows; a student that
lies beside the model is scored on the same rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tabular_data import catalogue, split
from tasks import shared
from worker import serve

HERE = Path(__file__).resolve().parent
PREDICTIONS = HERE.parent / ".bench" / "tabular" / "predictions"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
KEPT = ("version", "preset", "import_s", "fit_s", "total_s", "predict_s", "row_ms", "model_bytes",
        "work_bytes", "peak_rss_mb", "error", "info")  # fmt: skip


def cell(request: dict[str, Any]) -> dict[str, Any]:
    peers = shared() / "peers"
    script = next(p for p in (HERE / request["script"], peers / request["script"]) if p.exists())
    train, test = split(request["problem"], request["seed"])
    about = catalogue()[request["problem"]]
    task, target = about["problem_type"], about["target"]
    limit = request["seconds"] * request.get("share", 1.0)
    environment = {k: v for k, v in os.environ.items() if k not in THREADS}
    environment["PYTHONPATH"] = os.pathsep.join([str(peers), str(HERE.parent)])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, script, "--train", train, "--test", test,
                   "--target", target, "--problem", task, "--cores", str(request.get("cores", 2)),
                   "--budget", str(limit), "--seed", str(request["seed"]),
                   "--out", out, "--workdir", str(Path(folder) / "work")]  # fmt: skip
        if request.get("preset"):
            command += ["--preset", request["preset"]]
        begin = time.perf_counter()
        done = subprocess.run(
            [str(c) for c in command], env=environment, capture_output=True, text=True,
            timeout=4 * limit + 120,
        )  # fmt: skip
        wall = time.perf_counter() - begin
        if not out.exists():
            raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-400:]}")
        result = json.loads(out.read_text())
    if result.get("error"):
        raise RuntimeError(result["error"])
    sys.path.insert(0, str(peers))
    from score import read_target, score

    truth = read_target(test, target)
    found = score(result, truth)
    _keep(request, result, task)
    student = (result.get("info") or {}).pop("student", None)
    if student:
        _keep({**request, "method": request["method"] + "_student"}, student, task)
        scores = score({**result, **student}, truth)
        told = {k: v for k, v in student.items() if k not in ("pred", "proba", "classes")}
        found["student"] = {**{k: v for k, v in scores.items() if v is not None}, **told}
    return {**{k: v for k, v in found.items() if v is not None}, "wall_s": round(wall, 2),
            **{k: result.get(k) for k in KEPT if result.get(k) is not None}}  # fmt: skip


def _keep(request: dict[str, Any], result: dict[str, Any], task: str) -> None:
    PREDICTIONS.mkdir(parents=True, exist_ok=True)
    name = f"{request['bench']}-{request['problem']}-{request['seed']}-{request['method']}.npz"
    if task == "regression":
        np.savez_compressed(PREDICTIONS / name, values=np.array(result["pred"], float))
    else:
        classes = np.array([str(c) for c in result["classes"]])
        shares = np.array(result["proba"], np.float32)
        np.savez_compressed(PREDICTIONS / name, shares=shares, classes=classes)


if __name__ == "__main__":
    serve(cell, "numpy")
