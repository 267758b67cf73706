"""Several networks of one shape trained at once, or one after the other: the quicker way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.training.lessons import Lessons
from modelwright.training.recipe import Recipe
from modelwright.training.torch_net import Graph, TorchNet, stack_copies, take_copy
from modelwright.training.trainer import Segment, Trainer

WARM, TIMED = 2, 4  # steps of each way before it is timed, and by which it is
ALONE = 3  # networks that are timed by themselves; the others are taken to be as quick


@dataclass(frozen=True)
class Probe:
    """Seconds for one step of all networks: as one module, and one network after the other.

    `spent` is what finding out took.
    """

    together: float
    apart: float
    spent: float

    @property
    def stacked(self) -> bool:
        """Whether one module is quicker."""
        return self.together < self.apart


@dataclass(frozen=True)
class Trained:
    """What came of a population: weights of each network by the names of a `TorchNet` of one copy,
    the last segment of each, and the probe that chose the way."""

    states: tuple[dict[str, Tensor], ...]
    segments: tuple[Segment, ...]
    probe: Probe


def train_population(
    ops: Graph,
    recipes: Sequence[Recipe],
    lessons: Lessons,
    total: int,
    seed: int,
    stacked: bool | None = None,
) -> Trained:
    """Trains one network for each recipe, `total` steps, all on the same batches.

    The networks have the shape of `ops` and weights of their own, drawn from `seed` and their
    place. What changes no shape may differ between recipes: rate, decay, momentum, schedule,
    smoothing, clipping. Both ways are timed for a few steps and the quicker is taken, or the one
    that `stacked` says. Sums in another order round otherwise, so that the two ways give the same
    networks only up to that. Raises InputError for recipes that cannot share a batch.
    """
    _check(recipes)
    states = [drawn(ops, seed, i) for i in range(len(recipes))]
    probe = probe_population(ops, recipes, lessons, total, seed, states)
    if probe.stacked if stacked is None else stacked:
        trainer = _stacked(ops, recipes, lessons, total, seed, states)
        segment = trainer.run(total)
        kept = trainer.mean or trainer.net.state_dict()
        k = len(recipes)
        found = tuple(take_copy(kept, i, k) for i in range(k))
        return Trained(found, tuple(_of_copy(segment, i) for i in range(k)), probe)
    ended, segments = [], []
    for recipe, state in zip(recipes, states, strict=True):
        trainer = _alone(ops, recipe, lessons, total, seed, state)
        segments.append(trainer.run(total))
        kept = trainer.mean or trainer.net.state_dict()
        ended.append({name: value.detach().clone() for name, value in kept.items()})
    return Trained(tuple(ended), tuple(segments), probe)


def probe_population(
    ops: Graph,
    recipes: Sequence[Recipe],
    lessons: Lessons,
    total: int,
    seed: int,
    states: Sequence[dict[str, Tensor]],
) -> Probe:
    """Times a few steps both ways, on copies that are thrown away."""
    began = time.perf_counter()
    together = _timed(lambda: _stacked(ops, recipes, lessons, total, seed, states))
    some = range(min(ALONE, len(recipes)))
    apart = [
        _timed(lambda i=i: _alone(ops, recipes[i], lessons, total, seed, states[i])) for i in some
    ]
    each = sum(apart) / len(apart)
    return Probe(together, each * len(recipes), time.perf_counter() - began)


def _timed(make: Callable[..., Trainer]) -> float:
    """Seconds of one step."""
    trainer = make()
    trainer.total = max(trainer.total, WARM + TIMED)
    trainer.run(WARM)
    began = time.perf_counter()
    trainer.run(TIMED)
    return (time.perf_counter() - began) / TIMED


def drawn(ops: Graph, seed: int, place: int) -> dict[str, Tensor]:
    """First weights of a network of one copy, by the seed and its place among others."""
    torch.manual_seed(Key.of(seed).child("weights", place).seed(63))
    return {name: value.clone() for name, value in TorchNet(ops).state_dict().items()}


def _stacked(
    ops: Graph, recipes: Sequence[Recipe], lessons: Lessons, total: int, seed: int,
    states: Sequence[dict[str, Tensor]],
) -> Trainer:  # fmt: skip
    net = TorchNet(ops, len(recipes))
    net.load_state_dict(stack_copies(states))
    return Trainer(net, list(recipes), lessons, total, seed)


def _alone(
    ops: Graph, recipe: Recipe, lessons: Lessons, total: int, seed: int, state: dict[str, Tensor]
) -> Trainer:
    net = TorchNet(ops)
    net.load_state_dict(state)
    return Trainer(net, [recipe], lessons, total, seed)


def _of_copy(segment: Segment, i: int) -> Segment:
    return Segment(
        segment.steps, segment.loss[i : i + 1], segment.norm[i : i + 1], segment.move[i : i + 1],
        segment.bad[i : i + 1],
    )  # fmt: skip


def _check(recipes: Sequence[Recipe]) -> None:
    """Raises InputError for recipes whose networks cannot see the same batches."""

    def shared(recipe: Recipe) -> tuple[Any, ...]:
        return recipe.batch, recipe.augment, recipe.average, type(recipe.optimiser).__name__

    if not recipes:
        raise InputError("a population needs recipes: one for each network.")
    if len({shared(recipe) for recipe in recipes}) > 1:
        raise InputError(
            "networks that are trained together share batch, augmentation, averaging and kind of "
            "optimiser; train these one after the other."
        )
