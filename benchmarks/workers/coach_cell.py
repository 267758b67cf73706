"""One training with or without the coach, from a start that is tuned, ten times off, or noisy.

python benchmarks/workers/coach_cell.py digits     # how TUNED was found
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any

import numpy as np
import torch

from coach_sets import Set, load
from modelwright.training.coach import Guided
from modelwright.training.coach_rules import Rules
from modelwright.training.recipe import AdamW, Recipe
from modelwright.training.replay import looker
from modelwright.training.torch_net import TorchNet
from modelwright.training.trainer import Trainer, steps_for
from worker import serve

GRID = (0.01, 0.03, 0.1, 0.3)
# The rate of GRID with the best mean accuracy on the validation examples of seeds 100 and 101.
TUNED = {"digits": 0.03, "mnist": 0.03, "fashion": 0.03, "spoken": 0.03}
START = {"tuned": 1.0, "x10": 10.0, "/10": 0.1, "noise": 1.0}
NOISE = 0.3  # share of the labels that are wrong, in training and validation


def trainer(data: Set, rate: float, seed: int) -> Trainer:
    torch.manual_seed(seed)
    recipe, lessons = Recipe(AdamW(rate)), data.lessons
    total = steps_for(len(lessons.y), recipe.batch, data.epochs)
    net = TorchNet(data.net.ops(lessons.x.shape[1:], data.classes))
    return Trainer(net, [recipe], lessons, total, seed)


def accuracy(one: Trainer, data: Set, part: str) -> float:
    return float((one.answers(data.x[part])[0].argmax(axis=1) == data.y[part]).mean())


def spoil(data: Set, seed: int) -> None:
    """Wrong labels in training and validation; the test part stays clean."""
    rng = np.random.default_rng(2000 + seed)
    for part in ("train", "valid"):
        y = data.y[part]
        wrong = (y + rng.integers(1, data.classes, len(y))) % data.classes
        data.y[part] = np.where(rng.random(len(y)) < NOISE, wrong, y)


def cell(request: dict[str, Any]) -> dict[str, Any]:
    """Test accuracy, seconds, and what the coach did."""
    torch.set_num_threads(1)
    name, start = request["problem"].split(" ")
    seed = request["seed"]
    data = load(name, seed)
    if start == "noise":
        spoil(data, seed)
    one = trainer(data, TUNED[name] * START[start], seed)
    planned, began = one.total, time.perf_counter()
    rows: list[dict[str, Any]] = []
    spent = 0
    if request["coach"]:
        run = Guided(one, looker(one, data.x["valid"], data.y["valid"]), Rules())
        for _ in run.train():
            pass
        rows, spent = run.rows, run.spent
    else:
        while one.step < one.total:
            one.run(-(-one.total // 8))
            one.answers(data.x["valid"])
    kept = Counter(r["trigger"] for r in rows if r["kept"])
    undone = Counter(r["trigger"] for r in rows if r["verdict"] in ("neutral", "hurt"))
    factor = next((r["action"]["value"] for r in rows if r["action"]["kind"] == "find_rate"), None)
    return {"accuracy": accuracy(one, data, "test"), "train_s": time.perf_counter() - began,
            "planned": planned, "spent": spent, "kept": dict(kept), "undone": dict(undone),
            "rate_factor": factor, "verdicts": dict(Counter(r["verdict"] for r in rows)),
            "slow": sum(r["trigger"] == "stall" for r in rows)}  # fmt: skip


def tune(name: str) -> None:
    """Prints the validation accuracy of each rate of the grid."""
    torch.set_num_threads(1)
    for rate in GRID:
        found = []
        for seed in (100, 101):
            data = load(name, seed)
            one = trainer(data, rate, seed)
            one.run(one.total)
            found.append(accuracy(one, data, "valid"))
        print(name, rate, round(float(np.mean(found)), 4), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        tune(sys.argv[1])
    else:
        serve(cell, "torch", "numpy")
