"""Designs that learn with an eye on groups of people: reweighed, trained under a constraint, or
decided by a threshold for each group. Which groups is declared (`Examples.groups`), not searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from modelwright.data.protected import LEAST_ROWS
from modelwright.families.base import (
    Examples,
    Fitted,
    FloatArray,
    Inputs,
    read_fitted,
    write_fitted,
)
from modelwright.families.feature_work import FeatureWork
from modelwright.families.lightgbm import LightGbm
from modelwright.families.linear import Linear
from modelwright.spaces import Log

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph

MITIGATED = ("Reweighed", "Reduced", "Thresholded")
_STEP = 5.0  # of the multipliers' logarithms, for a gap of 1
_HEAVIEST = 20.0  # a row's weight grows at most so many times

Constraint = Literal["selection_rate", "tpr", "equalized_odds"]


@dataclass(frozen=True)
class _Around:
    """What these have in common: a plain design inside, fitted on rows that may be changed."""

    design: LightGbm | Linear = LightGbm()

    contains_rows: ClassVar[bool] = False
    keeps_monotone: ClassVar[bool] = True

    @property
    def features(self) -> FeatureWork:
        """The feature work of the design inside."""
        return self.design.features

    def learns_from(self, examples: Examples) -> Examples:
        """What the design inside is fitted on."""
        return examples

    def fit(
        self,
        examples: Examples,
        *,
        threads: int = 1,
        seed: int = 0,
        validation: Examples | None = None,
        rounds: int | None = None,
    ) -> Fitted:
        """The design inside, fitted on what it learns from."""
        how: dict[str, Any] = {"threads": threads, "seed": seed, "rounds": rounds}
        return self.design.fit(self.learns_from(examples), validation=validation, **how)

    @staticmethod
    def load(folder: Path) -> Fitted:
        """What was fitted is a model of the design inside, and loaded as that."""
        return _load_inner(folder)


@dataclass(frozen=True)
class Reweighed(_Around):
    """A design fitted on rows whose weights make group and label independent.

    Reweighing (Kamiran and Calders 2012, "Data preprocessing techniques for classification without
    discrimination"): a row weighs P(group) P(label) / P(group, label), over the joint groups of all
    protected columns and at most 20 times. `strength` below 1 goes part of the way (a power, which
    the paper has not). Where numbers are predicted, every joint group weighs the same in total.
    Without groups it is the plain design.

    >>> rows = Inputs.of([[0.0]] * 4)
    >>> women = np.array([[0], [0], [0], [1]])
    >>> toy = Examples(rows, np.array([1, 0, 0, 1]), "binary", 2, groups=women)
    >>> reweighed(toy, 1.0).weight.round(2).tolist()
    [1.5, 0.75, 0.75, 0.5]
    """

    strength: Annotated[float, Interval(ge=0.25, le=1.0)] = 1.0

    name: ClassVar[str] = "Reweighed"

    def learns_from(self, examples: Examples) -> Examples:
        """The reweighed rows."""
        return reweighed(examples, self.strength)


@dataclass(frozen=True)
class Thresholded(_Around):
    """A design whose answers are decided by a threshold of its own for each joint group.

    It is fitted as the design inside; the thresholds are chosen with the decision, on out-of-fold
    predictions (`models.group_thresholds`), so that the rate of `aim` differs by at most `gap`.
    """

    aim: Literal["selection_rate", "tpr", "fpr"] = "selection_rate"
    gap: Annotated[float, Interval(ge=0.0, le=0.2)] = 0.0

    name: ClassVar[str] = "Thresholded"


@dataclass(frozen=True)
class Reduced(_Around):
    """A design trained `fits` times under multipliers that push groups together, then averaged.

    The exponentiated gradient reduction (Agarwal, Beygelzimer, Dudik, Langford and Wallach 2018, "A
    reductions approach to fair classification", algorithm 1): each fit is of labels and weights
    that a multiplier for each group's constraint has changed, and multipliers grow where the last
    fit broke theirs. `constraint` is what is to be alike, in each protected column and each pair of
    them; `strength` bounds the sum of the multipliers (B in the paper). What differs: a few fits
    with a large step, of which the later half is kept; and the shares of these are averaged to one
    model, where the paper draws one of them at random for each answer. So nothing is guaranteed:
    the gaps are measured like those of any candidate. With several classes, or values, groups with
    a larger loss than the mean are made heavier instead (after Diana et al. 2021, "Minimax group
    fairness"). Without groups it is the plain design.
    """

    constraint: Constraint = "selection_rate"
    fits: Annotated[int, Interval(ge=4, le=12)] = 6
    strength: Annotated[float, Log(0.1, 10.0)] = 1.0

    name: ClassVar[str] = "Reduced"

    def fit(
        self,
        examples: Examples,
        *,
        threads: int = 1,
        seed: int = 0,
        validation: Examples | None = None,
        rounds: int | None = None,
    ) -> Fitted:
        """The mean of the later half of the fits; the first one finds the rounds of all."""
        how: dict[str, Any] = {"threads": threads, "seed": seed}
        first = self.design.fit(examples, validation=validation, rounds=rounds, **how)
        parts = list(group_masks(examples))
        if not parts:
            return first
        binary = examples.task == "binary"
        game = _Rates(examples, parts, self) if binary else _Losses(examples, parts, self)
        found = [first]
        for _ in range(self.fits - 1):
            game.blame(found[-1].predict(examples.X))
            found.append(self.design.fit(game.changed(), rounds=first.rounds, **how))
        kept = found[self.fits // 2 :]
        return Mixture(tuple(kept), tuple([1 / len(kept)] * len(kept)))

    @staticmethod
    def load(folder: Path) -> Fitted:
        """The mixture that `export` wrote, or the plain model of rows without groups."""
        from modelwright.families import load_fitted

        facts, _ = read_fitted(folder)
        if facts["family"] != "Reduced":
            return _load_inner(folder)
        parts = [load_fitted(folder / f"part{i}") for i in range(len(facts["weights"]))]
        return Mixture(tuple(parts), tuple(facts["weights"]))


@dataclass(frozen=True)
class Mixture:
    """The weighted mean of fitted models; the weights sum to 1."""

    parts: tuple[Fitted, ...]
    weights: tuple[float, ...]

    @property
    def rounds(self) -> int | None:
        """The rounds of boosting of each part."""
        return self.parts[0].rounds

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values."""
        found = [w * part.predict(X) for part, w in zip(self.parts, self.weights, strict=True)]
        return np.asarray(np.sum(found, axis=0))

    def with_rounds(self, rounds: int) -> Fitted:
        """The same with every part cut after that many rounds."""
        return replace(self, parts=tuple(part.with_rounds(rounds) for part in self.parts))

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The parts as ONNX nodes and their mean; NotExpressibleError where one has no form."""
        from modelwright.families.onnx_graph import Expressible, NotExpressibleError

        total = ""
        for part, weight in zip(self.parts, self.weights, strict=True):
            if not isinstance(part, Expressible):
                raise NotExpressibleError(f"{type(part).__name__} has no form in ONNX.")
            one = part.add_to(graph, numeric, codes)
            one = graph.node("Mul", one, graph.constant(np.float64(weight)))
            total = graph.node("Add", total, one) if total else one
        return total

    def export(self, folder: Path) -> None:
        """Writes each part's own files into a folder of its own."""
        write_fitted(folder, "Reduced", {"weights": list(self.weights)}, {})
        for i, part in enumerate(self.parts):
            (folder / f"part{i}").mkdir()
            part.export(folder / f"part{i}")


def reweighed(examples: Examples, strength: float) -> Examples:
    """The examples with the weights of `Reweighed`; as they are without groups."""
    if examples.groups is None or not examples.groups.shape[1]:
        return examples
    _, cell = np.unique(examples.groups, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    k = max(1, examples.n_classes)
    label = examples.y.astype(int) if examples.n_classes else np.zeros(len(cell), int)
    w = examples.weight
    both = np.bincount(cell * k + label, w, minlength=(cell.max() + 1) * k).reshape(-1, k)
    expected = both.sum(axis=1, keepdims=True) * both.sum(axis=0) / both.sum()
    if not examples.n_classes:
        expected = np.full_like(both, both.sum() / len(both))
    factor = np.divide(expected, both, out=np.ones_like(both), where=both > 0)
    factor = np.minimum(factor, _HEAVIEST) ** strength
    return replace(examples, weights=w * factor[cell, label])


def group_masks(examples: Examples) -> Iterator[npt.NDArray[np.bool_]]:
    """The rows `[n]` of each group of each attribute that has at least 50, two to an attribute."""
    for cells in () if examples.groups is None else examples.groups.T:
        there, counts = np.unique(cells, return_counts=True)
        large = there[counts >= LEAST_ROWS]
        if len(large) > 1:
            yield from (cells == g for g in large)


class _Rates:
    """Multipliers for the rates of groups, two classes: the player against the learner."""

    def __init__(
        self, examples: Examples, parts: list[npt.NDArray[np.bool_]], design: Reduced
    ) -> None:
        self.examples, self.strength = examples, design.strength
        y, w = examples.y, examples.weight
        wheres = {
            "selection_rate": [np.ones(len(y), bool)],
            "tpr": [y == 1],
            "equalized_odds": [y == 1, y == 0],
        }[design.constraint]
        rows = [_apart(part & where, where, w) for part in parts for where in wheres]
        # Each row of it, times answers of 0 and 1, is a group's rate less that of all, [m, n].
        self.moments = np.array([r for r in rows if r is not None]).reshape(-1, len(y))
        self.logs = np.zeros((2, len(self.moments)))

    def blame(self, out: FloatArray) -> None:
        """Raises the multipliers of what these shares `[n, 2]` break."""
        gap = self.moments @ (out[:, 1] >= 0.5)
        self.logs += _STEP * np.stack([gap, -gap])

    def changed(self) -> Examples:
        """The examples that a learner is to fit next."""
        force = np.exp(self.logs)
        up, down = self.strength * force / (1 + force.sum())
        w = self.examples.weight
        cost = w / w.sum() * (1 - 2 * self.examples.y) + (up - down) @ self.moments
        weights = np.maximum(np.abs(cost) * w.sum(), 1e-9)
        return replace(self.examples, y=(cost < 0).astype(self.examples.y.dtype), weights=weights)


class _Losses:
    """Weights for groups by their loss: several classes, or values."""

    def __init__(
        self, examples: Examples, parts: list[npt.NDArray[np.bool_]], design: Reduced
    ) -> None:
        self.examples, self.parts, self.strength = examples, parts, design.strength
        self.logs = np.zeros(len(parts))

    def blame(self, out: FloatArray) -> None:
        """Makes groups heavier whose loss is above the mean."""
        y, w = self.examples.y, self.examples.weight
        loss = np.abs(out - y) if out.ndim == 1 else 1.0 - out[np.arange(len(y)), y.astype(int)]
        whole = max(float(np.average(loss, weights=w)), 1e-12)
        for i, part in enumerate(self.parts):
            self.logs[i] += self.strength * (np.average(loss[part], weights=w[part]) / whole - 1)

    def changed(self) -> Examples:
        """The examples that a learner is to fit next."""
        logs = sum(
            (part * log for part, log in zip(self.parts, self.logs, strict=True)),
            start=np.zeros(len(self.examples.y)),
        )
        factor = np.exp(np.clip(logs, -np.log(_HEAVIEST), np.log(_HEAVIEST)))
        return replace(self.examples, weights=self.examples.weight * factor)


def _apart(
    inside: npt.NDArray[np.bool_], where: npt.NDArray[np.bool_], w: FloatArray
) -> FloatArray | None:
    if inside.sum() < LEAST_ROWS or not w[inside].sum() > 0:
        return None
    return np.asarray(w * inside / w[inside].sum() - w * where / w[where].sum())


def _load_inner(folder: Path) -> Fitted:
    from modelwright.families import load_fitted

    return load_fitted(folder)
