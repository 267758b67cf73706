"""The sets and networks on which the coach is measured: small enough for one thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from modelwright.families.image_net import Depthwise, Double, ImageNet, Stage
from modelwright.training.lessons import Lessons
from tasks import shared

NETS = {
    "small": ImageNet((Stage(8, (Double(),), "stride"), Stage(16, (Double(),), "stride")), 8),
    "plain": ImageNet(
        (Stage(12, (Depthwise(),), "stride"), Stage(24, (Depthwise(),), "max")), 8, dropout=0.1
    ),
}


@dataclass(frozen=True)
class Set:
    """Pictures `[n, 1, height, width]` in three parts, and how long the network learns."""

    x: dict[str, Any]
    y: dict[str, Any]
    epochs: float
    net: ImageNet

    @property
    def classes(self) -> int:
        return int(max(y.max() for y in self.y.values())) + 1

    @property
    def lessons(self) -> Lessons:
        x = self.x["train"]
        shift = np.array([x.mean()], np.float32)
        scale = np.array([1 / (x.std() + 1e-6)], np.float32)
        return Lessons(x, self.y["train"], self.classes, shift, scale)


SETS = ("digits", "mnist", "fashion", "spoken")


@cache
def _raw(name: str) -> tuple[Any, Any, Any]:
    """Inputs, classes, and which of them the source set aside for the test."""
    if name == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        return (x.reshape(-1, 1, 8, 8) * 15).astype(np.uint8), y.astype(np.int64), None
    from modelwright.data.collection import read_collection

    file = {
        "mnist": "image/mnist_10k.npz",
        "fashion": "image/fashion_mnist.npz",
        "spoken": "audio/fsdd_4speakers.zip",
    }[name]
    found = read_collection(shared() / "data" / file)
    y = np.unique(found.labels, return_inverse=True)[1].astype(np.int64)
    return found.inputs, y, found.test if found.test.any() else None


def load(name: str, seed: int) -> Set:
    """Train, valid and test parts of a set; what is not set aside is drawn by the seed."""
    x, y, test = _raw(name)
    rng = np.random.default_rng(1000 + seed)
    order = rng.permutation(len(y))
    if test is None:
        n_test = round(0.3 * len(y))
        aside, rest = order[:n_test], order[n_test:]
    else:
        aside, rest = order[test[order]][:2000], order[~test[order]]
    if name == "fashion":
        rest = rest[:4000]
    n_valid = min(1000, len(rest) // 5)
    parts = {"valid": rest[:n_valid], "train": rest[n_valid:], "test": aside}
    epochs, net = {
        "digits": (15, "small"), "mnist": (4, "small"), "fashion": (6, "plain"),
        "spoken": (12, "small"),
    }[name]  # fmt: skip
    return Set({k: x[i] for k, i in parts.items()}, {k: y[i] for k, i in parts.items()},
               epochs, NETS[net])  # fmt: skip
