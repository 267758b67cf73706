"""Steps of one training as they are and compiled, in turns. Request: {"problem", "seed"}."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

from worker import serve

# In this process, and nothing kept from an earlier cell: what a user's first training would pay.
os.environ |= {"TORCHINDUCTOR_COMPILE_THREADS": "1", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
DESIGNS = {"default": 0, "wide": 1, "residual": 4, "mobile": 7}
SIDE, EXAMPLES, BATCH, ROUNDS, STEPS = 32, 1024, 64, 6, 5


def cell(request: dict[str, Any]) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    plain, compiled = (trainer(request) for _ in range(2))
    compiled.net.watch = torch.compile(compiled.net.watch)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        first = {"plain": taken(plain, 1), "compiled": taken(compiled, 1)}
        each: dict[str, list[float]] = {"plain": [], "compiled": []}
        for _ in range(ROUNDS):
            each["plain"].append(taken(plain, STEPS) / STEPS)
            each["compiled"].append(taken(compiled, STEPS) / STEPS)
    step = {way: min(times) for way, times in each.items()}
    pairs = zip(plain.net.parameters(), compiled.net.parameters(), strict=True)
    apart = max(float((a - b).detach().abs().max()) for a, b in pairs)
    return {
        **step, "cost": first["compiled"] - first["plain"], "narrow": plain.narrow,
        "weights": plain.net.ops.weights, "apart": apart,
    }  # fmt: skip


def taken(trainer: Any, steps: int) -> float:
    """Processor seconds of these steps, of compilers that they start too."""
    began = os.times()
    trainer.run(steps)
    return sum(os.times()[:4]) - sum(began[:4])


def trainer(request: dict[str, Any]) -> Any:
    import torch

    from modelwright.recipes.network_portfolio import designs
    from modelwright.training.lessons import Lessons
    from modelwright.training.recipe import AdamW, Recipe
    from modelwright.training.speed import narrow_pays
    from modelwright.training.torch_net import TorchNet
    from modelwright.training.trainer import Trainer

    rng, one = np.random.default_rng(request["seed"]), np.ones(3, np.float32)
    x = rng.integers(0, 256, (EXAMPLES, 3, SIDE, SIDE)).astype(np.uint8)
    lessons = Lessons(x, rng.integers(0, 10, EXAMPLES), 10, 128 * one, one / np.float32(64))
    design: Any = designs()[DESIGNS[request["problem"]]].network
    torch.manual_seed(request["seed"])
    net = TorchNet(design.ops((3, SIDE, SIDE), 10))
    recipes = [Recipe(AdamW(1e-3), batch=BATCH)]
    return Trainer(net, recipes, lessons, 1000, request["seed"], narrow=narrow_pays())


if __name__ == "__main__":
    serve(cell, "torch")
