"""Blocks of a user's own, in a module that worker processes can import."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Len
from torch import Tensor, nn

from modelwright.spaces import Ordered
from modelwright.training.recipe import Augment, Recipe


def rings(n: int = 160) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pictures of 6 x 6 in which a bar lies or stands: told apart by a line of training."""
    rng = np.random.default_rng(0)
    x, y = rng.random((n, 1, 6, 6)).astype(np.float32) / 4, np.arange(n) % 2
    for i in range(n):
        at = int(rng.integers(6))
        x[(i, 0, at) if y[i] else (i, 0, slice(None), at)] += 1
    return x, np.array(["stands", "lies"])[y]


@dataclass(frozen=True)
class Conv:
    width: Annotated[Literal[4, 8], Ordered()] = 4

    def build(self) -> list[nn.Module]:
        return [nn.Conv2d(4, self.width, 3, padding=1), nn.ReLU()]


@dataclass(frozen=True)
class Dense:
    width: Annotated[Literal[8, 16], Ordered()] = 16

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, self.width), nn.ReLU())


@dataclass(frozen=True)
class Row:
    """Whatever order, nothing fits by itself: 4 channels and 12 features are wanted."""

    blocks: Annotated[tuple[Conv | Dense, ...], Len(1, 3)]
    recipe: Recipe = Recipe(batch=32)


@dataclass(frozen=True)
class Words:
    """For ids; what its recipe blends cannot be."""

    width: Annotated[Literal[2, 4], Ordered()] = 4
    recipe: Recipe = Recipe(batch=32, augment=Augment(mix=0.5))

    def build(self) -> nn.Module:
        return nn.Embedding(9, self.width)


class Mine(nn.Module):
    """A network of the user's own, which fits as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(36, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.two(torch.relu(self.one(x.view(len(x), -1))))
        return out


@dataclass(frozen=True)
class Trouble:
    """One way in four works."""

    way: Literal["fine", "raises", "wrong shape", "no batch"] = "fine"
    width: Annotated[Literal[4, 8], Ordered()] = 4

    def build(self, out: int) -> nn.Module:
        if self.way == "raises":
            raise ValueError("the hidden reason")
        if self.way == "wrong shape":
            return nn.Sequential(nn.Flatten(), nn.Linear(36, 7))
        if self.way == "no batch":
            return nn.Sequential(nn.Flatten(), nn.Linear(36, out), nn.Flatten(0))
        return nn.Sequential(nn.Flatten(), nn.Linear(36, self.width), nn.Linear(self.width, out))


@dataclass(frozen=True)
class Broken:
    """No choice works."""

    width: Literal[1, 2, 3] = 1

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, self.width, 9))


def hinge(module: nn.Module, batch: tuple[Tensor, Tensor], optimizer: torch.optim.Optimizer) -> Any:
    """A training step with a loss that the built-in trainer does not have."""
    x, y = batch
    optimizer.zero_grad()
    loss = nn.functional.multi_margin_loss(module(x), y)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss


def dies_once(module: nn.Module, batch: Any, optimizer: torch.optim.Optimizer) -> Any:
    """The same, but the whole process is killed after some steps, the first time."""
    steps = Path(os.environ["OWN_STEPS"])
    n = len(steps.read_text()) if steps.exists() else 0
    steps.write_text("." * (n + 1))
    if n == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return hinge(module, batch, optimizer)
