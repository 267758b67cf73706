"""The coach beside a training step of the user's own, whose loss is in a unit nobody knows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from modelwright.training.coach import Guided  # noqa: E402
from modelwright.training.coach_rules import Guard  # noqa: E402
from modelwright.training.lessons import Lessons  # noqa: E402
from modelwright.training.plain_net import OwnStep, PlainNet  # noqa: E402
from modelwright.training.recipe import Augment, Recipe  # noqa: E402
from modelwright.training.replay import looker  # noqa: E402
from modelwright.training.trainer import Trainer  # noqa: E402

RNG = np.random.default_rng(0)
X, Y = RNG.random((64, 1, 4, 4)).astype(np.float32), np.arange(64) % 2


def guided(step: Any) -> Guided:
    torch.manual_seed(1)
    one = np.ones(1, np.float32)
    net = PlainNet(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)))
    own = OwnStep(step, net, torch.optim.SGD(net.parameters(), 1e-5))
    recipe = Recipe(batch=32, augment=Augment(shift=0.25))
    lessons = Lessons(X, Y, 2, 0 * one, one)
    trainer = Trainer(net, [recipe], lessons, 80, 1, own=own)
    return Guided(trainer, looker(trainer, X, Y), Guard())


def test_a_summed_loss_is_no_plateau_and_a_bad_first_batch_no_measure() -> None:
    calls: list[bool] = []

    def summed(module: nn.Module, batch: Any, optimizer: Any) -> Any:
        x, y = batch
        calls.append(all((one.numpy() == X).reshape(64, -1).all(1).any() for one in x))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(x), y, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss if len(calls) > 1 else math.nan

    run = guided(summed)
    for watch in run.train():
        assert watch.loss > 2 * math.log(2)  # far above a guess, by its sum
        assert watch.chance == math.inf
    # A busy machine stalls at times, which is told; nothing else is found.
    assert [row for row in run.rows if row["trigger"] != "stall"] == []
    assert run.first is not None
    assert 10 < run.first < 100
    assert not any(calls)  # pictures are augmented before a step of one's own, too


def test_a_loss_that_grows_is_still_a_divergence() -> None:
    seen: list[float] = []

    def growing(module: nn.Module, batch: Any, optimizer: Any) -> Any:
        seen.append(100 + 10 * len(seen))
        return seen[-1]

    run = guided(growing)
    for _ in run.train():
        pass
    assert {row["trigger"] for row in run.rows} == {"divergence"}
