"""Numbers from numbers: sums, differences, products, ratios, places within groups, and gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray, Inputs, IntArray
from modelwright.families.feature_filter import Probe, places_in, tame

MAX_ROWS = 200_000
MAX_MARKED = 30
_COMBINED = 10
_GROUPED, _GROUPS, _LEVELS = 6, 5, 1000
_MIN_GROUP = 10
_KNOTS = np.arange(1, 10) / 10
SUM, DIFFERENCE, PRODUCT, RATIO = range(4)
MEAN, DEVIATION, RANK = range(3)


@dataclass(frozen=True)
class Combine:
    """Sums, differences, products and ratios of two numbers; NaN where either is missing.

    `first`, `second` and `how` are `[m]`; a ratio is NaN where the second number is 0.

    >>> step = Combine(np.array([0, 0]), np.array([1, 1]), np.array([DIFFERENCE, RATIO]))
    >>> step.apply(Inputs.of([[1.0, 4.0], [1.0, 0.0]])).tolist()
    [[-3.0, 0.25], [1.0, nan]]
    """

    first: IntArray
    second: IntArray
    how: IntArray

    kind: ClassVar[str] = "combine"

    def apply(self, X: Inputs) -> FloatArray:
        """`[n, m]` numbers."""
        a, b = tame(X.numeric[:, self.first]), tame(X.numeric[:, self.second])
        out = a + b
        for how, made in ((DIFFERENCE, np.subtract), (PRODUCT, np.multiply), (RATIO, np.divide)):
            some = np.flatnonzero(self.how == how)
            if len(some):
                right = b[:, some]
                if how == RATIO:
                    right = np.where(right == 0, np.nan, right)
                with np.errstate(over="ignore", under="ignore"):
                    out[:, some] = made(a[:, some], right)
        return tame(out)

    def facts(self) -> dict[str, Any]:
        """Nothing but arrays is to be stored."""
        return {}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name."""
        return {"first": self.first, "second": self.second, "how": self.how}

    @classmethod
    def from_parts(
        cls, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> Combine:
        """What `arrays` describe."""
        return cls(**arrays)


@dataclass(frozen=True)
class Aggregate:
    """A number beside those of its group, the rows of the same category.

    Column i takes number `number[i]` and category `group[i]`; by `how[i]` it is the group's mean,
    the number's distance from it in standard deviations of the group, or its rank there from 0 to
    1. `means` and `deviations` `[cells]` and `knots` `[cells, 9]`, the deciles, have a cell for
    each place of the category, from `starts[i]` on. Groups of fewer than ten rows count as all.
    """

    number: IntArray
    group: IntArray
    how: IntArray
    levels: IntArray
    starts: IntArray
    means: FloatArray
    deviations: FloatArray
    knots: FloatArray

    kind: ClassVar[str] = "aggregate"

    @classmethod
    def fit(
        cls, X: Inputs, columns: Sequence[tuple[int, int, int]], w: FloatArray, seed: int
    ) -> Aggregate:
        """From (number, group, how) and training rows: of more than 200,000 some, by the seed.

        Means and deviations are weighted; ranks are not.
        """
        if len(X) > MAX_ROWS:
            rows = np.sort(np.random.default_rng(seed).choice(len(X), MAX_ROWS, replace=False))
            X, w = X.take(rows), w[rows]
        number, group, how = np.array(columns, np.int64).reshape(-1, 3).T
        levels = np.array(X.levels, np.int64)
        places = places_in(X.codes, levels)
        found = [
            _group_facts(places[:, g], int(levels[g]) + 2, tame(X.numeric[:, j]), w)
            for j, g in zip(number, group, strict=True)
        ]
        starts = np.cumsum([0, *(levels[group] + 2)])[:-1].astype(np.int64)
        means, deviations, knots = (np.concatenate(part) for part in zip(*found, strict=True))
        return cls(number, group, how, levels, starts, means, deviations, knots)

    def apply(self, X: Inputs) -> FloatArray:
        """`[n, m]` numbers; NaN where the number is missing."""
        x = tame(X.numeric[:, self.number])
        cells = places_in(X.codes, self.levels)[:, self.group] + self.starts
        out = np.where(np.isnan(x), np.nan, self.means[cells])
        some = np.flatnonzero(self.how == DEVIATION)
        if len(some):
            there = cells[:, some]
            out[:, some] = (x[:, some] - self.means[there]) / self.deviations[there]
        some = np.flatnonzero(self.how == RANK)
        if len(some):
            knots, here = self.knots[cells[:, some]], x[:, some, None]
            rank = ((here > knots).sum(axis=2) + 0.5 * (here == knots).sum(axis=2)) / len(_KNOTS)
            out[:, some] = np.where(np.isnan(x[:, some]), np.nan, rank)
        return out

    def facts(self) -> dict[str, Any]:
        """Nothing but arrays is to be stored."""
        return {}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name."""
        names = ("number", "group", "how", "levels", "starts", "means", "deviations", "knots")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_parts(
        cls, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> Aggregate:
        """What `arrays` describe."""
        return cls(**arrays)


@dataclass(frozen=True)
class Gaps:
    """How many cells of a row are missing, and a mark for each of some columns of numbers.

    >>> Gaps(np.array([1])).apply(Inputs.of([[1.0, np.nan]], [[-1]])).tolist()
    [[2.0, 1.0]]
    """

    marked: IntArray

    kind: ClassVar[str] = "gaps"

    @classmethod
    def fit(cls, X: Inputs) -> Gaps:
        """Marks the columns with most gaps, 30 at most, in 1 to 99 % of the rows."""
        share = 1 - np.isfinite(X.numeric).mean(axis=0)
        some = [j for j in np.argsort(-share, kind="stable") if 0.01 <= share[j] <= 0.99]
        return cls(np.sort(np.array(some[:MAX_MARKED], np.int64)))

    def apply(self, X: Inputs) -> FloatArray:
        """`[n, 1 + marked]`: the count, then 0 or 1."""
        gaps = ~np.isfinite(X.numeric)
        count = gaps.sum(axis=1) + (X.codes == -1).sum(axis=1)
        return np.concatenate([count[:, None], gaps[:, self.marked]], axis=1).astype(float)

    def facts(self) -> dict[str, Any]:
        """Nothing but arrays is to be stored."""
        return {}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name."""
        return {"marked": self.marked}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Gaps:
        """What `arrays` describe."""
        return cls(**arrays)


def choose_combinations(probe: Probe, limit: int, barred: Sequence[int]) -> Combine | None:
    """The combinations of the ten most telling numbers that explain most beyond them.

    Columns in `barred` are left alone.
    """
    columns = [j for j in probe.numeric if j not in barred][:_COMBINED]
    pairs = [(a, b) for i, a in enumerate(columns) for b in columns[i + 1 :]]
    told = [(a, b, how) for a, b in pairs for how in range(4)] + [(b, a, RATIO) for a, b in pairs]
    return _chosen_combinations(probe, told, limit) if told else None


def _chosen_combinations(
    probe: Probe, told: list[tuple[int, int, int]], limit: int
) -> Combine | None:
    made = Combine(*np.array(told, np.int64).T).apply(probe.X)
    chosen = probe.choose(probe.bins(made), limit)
    return Combine(*np.array([told[i] for i in chosen], np.int64).T) if chosen else None


def choose_aggregates(
    probe: Probe, limit: int, barred: Sequence[int], seed: int
) -> list[tuple[int, int, int]]:
    """The (number, group, how) of an `Aggregate` that explain most beyond number and group.

    Among the six most telling numbers not in `barred` and the five most telling categories of at
    most 1,000 levels; judged with the groups of the probe's rows.
    """
    numbers = [j for j in probe.numeric if j not in barred][:_GROUPED]
    groups = [g for g in probe.coded if probe.X.levels[g] <= _LEVELS][:_GROUPS]
    told = [(j, g, how) for j in numbers for g in groups for how in (DEVIATION, RANK, MEAN)]
    if not told:
        return []
    made = Aggregate.fit(probe.X, told, probe.weights, seed).apply(probe.X)
    return [told[i] for i in probe.choose(probe.bins(made), limit)]


def _group_facts(
    places: IntArray, size: int, x: FloatArray, w: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, deviation and deciles of the known numbers of each place, those of all for small."""
    known = ~np.isnan(x)
    places, x, w = places[known], x[known], w[known]
    if not len(x) or w.sum() <= 0:
        return np.zeros(size), np.ones(size), np.zeros((size, len(_KNOTS)))
    middle = float(np.average(x, weights=w))
    spread = float(np.sqrt(np.average((x - middle) ** 2, weights=w))) or 1.0
    counts, held = np.bincount(places, minlength=size), np.bincount(places, w, size)
    large = (counts >= _MIN_GROUP) & (held > 0)
    safe = np.where(large, held, 1.0)
    means = np.where(large, np.bincount(places, w * (x - middle), size) / safe, 0.0) + middle
    squares = np.bincount(places, w * (x - means[places]) ** 2, size) / safe
    deviations = np.where(large & (squares > 0), np.sqrt(squares), spread)
    order = np.lexsort((x, places))
    first = np.cumsum(counts) - counts
    at = first[:, None] + np.rint(np.maximum(counts - 1, 0)[:, None] * _KNOTS).astype(np.int64)
    knots = x[order][np.minimum(at, len(x) - 1)]
    knots[~large] = np.quantile(x, _KNOTS)
    return means, deviations, knots
