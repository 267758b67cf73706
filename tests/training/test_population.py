"""Populations: the same networks either way, and the quicker way is taken."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from modelwright.core.errors import InputError  # noqa: E402
from modelwright.families.net_ops import Ops  # noqa: E402
from modelwright.training.lessons import Lessons  # noqa: E402
from modelwright.training.population import train_population  # noqa: E402
from modelwright.training.recipe import AdamW, Augment, Recipe  # noqa: E402


def mlp(width: int = 12) -> Ops:
    ops = Ops((16,))
    x = ops.act(ops.linear(-1, width), "relu")
    ops.linear(x, 3, name="head")
    return ops


def lessons() -> Lessons:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 16)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    one = np.ones(16, np.float32)
    return Lessons(x, y, 3, 0 * one, one)


RECIPES = [Recipe(AdamW(rate)) for rate in (1e-3, 5e-3, 2e-2)]


def test_both_ways_end_with_the_same_networks() -> None:
    found = [
        train_population(mlp(), RECIPES, lessons(), 30, seed=1, stacked=way)
        for way in (True, False)
    ]
    for one, other in zip(found[0].states, found[1].states, strict=True):
        for name in one:
            assert torch.allclose(one[name], other[name], atol=1e-4), name
    losses = [float(s.loss[0]) for s in found[0].segments]
    assert losses == pytest.approx([float(s.loss[0]) for s in found[1].segments], abs=1e-4)
    assert losses[2] < losses[0]


def test_many_tiny_networks_are_quicker_as_one() -> None:
    recipes = [Recipe(AdamW(1e-3 * (1 + i))) for i in range(32)]
    done = train_population(mlp(), recipes, lessons(), 10, seed=1)
    assert done.probe.stacked
    assert done.probe.apart > 2 * done.probe.together
    assert len(done.states) == 32


def test_what_cannot_share_a_batch_is_refused() -> None:
    with pytest.raises(InputError, match="share batch"):
        train_population(mlp(), [Recipe(), Recipe(batch=32)], lessons(), 5, seed=1)
    with pytest.raises(InputError, match="share batch"):
        train_population(mlp(), [Recipe(), Recipe(augment=Augment(mix=0.2))], lessons(), 5, seed=1)
    with pytest.raises(InputError, match="needs recipes"):
        train_population(mlp(), [], lessons(), 5, seed=1)
