"""Trains one population both ways on one thread. Request: {"problem", "seed"}."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from worker import serve

STEPS = {"mlp_64": 300, "conv_8x8_16": 120, "conv_28x28_4": 60, "wide_28x28_4": 30}


def cell(request: dict[str, Any]) -> dict[str, Any]:
    import torch

    from modelwright.training.population import train_population

    torch.set_num_threads(1)
    ops, lessons, recipes = population(request["problem"])
    steps, out = STEPS[request["problem"]], {}
    for way in (True, False):
        began = time.perf_counter()
        done = train_population(ops, recipes, lessons, steps, request["seed"], stacked=way)
        out["together" if way else "apart"] = time.perf_counter() - began - done.probe.spent
        out[f"loss_{'together' if way else 'apart'}"] = float(
            np.mean([s.loss[0] for s in done.segments])
        )
    probe = done.probe
    chosen = out["together" if probe.stacked else "apart"]
    return {
        **out, "probe": probe.spent, "stacked": probe.stacked, "chosen": chosen,
        "weights": ops.weights, "networks": len(recipes), "steps": steps,
    }  # fmt: skip


def population(name: str) -> tuple[Any, Any, list[Any]]:
    from sklearn.datasets import load_digits

    from modelwright.families.image_net import Conv, Double, ImageNet, Stage
    from modelwright.families.net_ops import Ops
    from modelwright.training.lessons import Lessons

    digits = load_digits()
    pixels = (digits.images * 15.9375).astype(np.uint8)
    y = digits.target.astype(np.int64)
    if name == "mlp_64":
        ops = Ops((64,))
        ops.linear(ops.act(ops.linear(-1, 40), "relu"), 10, name="head")
        flat = (pixels.reshape(len(y), 64) / 64 - 1).astype(np.float32)
        one = np.ones(64, np.float32)
        return ops, Lessons(flat, y, 10, 0 * one, one), rates(64)
    side, k = (8, 16) if name == "conv_8x8_16" else (28, 4)
    pixels = pixels[:, None]
    if side == 28:  # made larger: only speed is measured
        pixels = np.repeat(np.repeat(pixels, 4, axis=2), 4, axis=3)[:, :, 2:30, 2:30].copy()
    small = ImageNet((Stage(8, (Conv(),), "none"), Stage(16, (Conv(),), "max")), 8, "full",
                     pooling="mean")  # fmt: skip
    wide = ImageNet((Stage(32, (Double(),), "none"), Stage(64, (Double(),), "stride")), 32, "full",
                    pooling="mean")  # fmt: skip
    net = wide if name.startswith("wide") else small
    one = np.ones(1, np.float32)
    lessons = Lessons(pixels, y, 10, np.float32(78) * one, one / np.float32(96))
    return net.ops((1, side, side), 10), lessons, rates(k)


def rates(k: int) -> list[Any]:
    from modelwright.training.recipe import AdamW, Recipe

    return [Recipe(AdamW(float(rate))) for rate in np.geomspace(1e-3, 2e-2, k)]


if __name__ == "__main__":
    serve(cell, "torch")
