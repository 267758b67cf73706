"""Categories as numbers: means of the target, shares of rows, pairs; and rare levels merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray, Inputs, IntArray
from modelwright.families.feature_filter import Probe, places_in

MAX_CELLS = 100_000
FOLDS = 5
_CROSSED = 10

Pair = tuple[int, int]


@dataclass(frozen=True)
class Lookup:
    """Numbers looked up by a category, or by a pair of them.

    `first` and `second` `[m]` are code columns, `second` -1 where there is none. `levels` `[q]`
    are those of all code columns. The cells of column i stand in `values` `[cells, k]` from
    `starts[i]` on: for each place (missing, the levels, never seen) of the first, those of the
    second.
    """

    first: IntArray
    second: IntArray
    levels: IntArray
    starts: IntArray
    values: FloatArray

    kind: ClassVar[str] = "lookup"

    def apply(self, X: Inputs) -> FloatArray:
        """`[n, m * k]` numbers."""
        keys = self.keys(X) + self.starts
        width = len(self.first) * self.values.shape[1]
        return np.asarray(self.values[keys].reshape(len(X), width))

    def keys(self, X: Inputs) -> IntArray:
        """The cell of each row in each column, `[n, m]`, counted from the column's own start."""
        return _keys(X, self.levels, self.first, self.second)

    def facts(self) -> dict[str, Any]:
        """Nothing but arrays is to be stored."""
        return {}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name."""
        names = ("first", "second", "levels", "starts", "values")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Lookup:
        """What `arrays` describe."""
        return cls(**arrays)


def fit_targets(
    X: Inputs, columns: Sequence[Pair], T: FloatArray, w: FloatArray, smoothing: float, seed: int
) -> tuple[Lookup, FloatArray]:
    """Means of the target per category (Micci-Barreca 2001), and those for the training rows.

    A mean counts `smoothing` rows of the mean over all. A training row's number comes from the
    four fifths of the rows that it is not in, by folds drawn from the seed, so that no row sees its
    own answer; the mean over all is one for all folds, so that no fold can be told by it. Weights
    count relative to their mean.
    """
    lookup, keys, sizes = _empty(X, columns)
    w = w / w.mean() if w.mean() > 0 else np.ones(len(w))
    prior = w @ T / w.sum()
    fold = np.random.default_rng(seed).permutation(len(X)) % FOLDS
    blocks, out = [], np.empty((len(X), len(columns), T.shape[1]))
    for i, size in enumerate(sizes):
        sums, held = _sums(keys[:, i], size, T - prior, w)
        blocks.append(prior + sums / (held + smoothing)[:, None])
        for f in range(FOLDS):
            part = np.flatnonzero(fold == f)
            key = keys[part, i]
            own, mine = _sums(key, size, T[part] - prior, w[part])
            left = np.maximum(held - mine, 0)[key]
            out[part, i] = prior + (sums - own)[key] / (left + smoothing)[:, None]
    lookup = _filled(lookup, blocks)
    return lookup, out.reshape(len(X), len(columns) * T.shape[1])


def fit_shares(X: Inputs, columns: Sequence[Pair], w: FloatArray) -> Lookup:
    """The share of the training rows' weight that each category has."""
    lookup, keys, sizes = _empty(X, columns)
    total = max(float(w.sum()), 1e-300)
    blocks = [(np.bincount(keys[:, i], w, size) / total)[:, None] for i, size in enumerate(sizes)]
    return _filled(lookup, blocks)


def choose_crosses(probe: Probe, limit: int) -> list[Pair]:
    """The pairs of categories that explain most beyond what each says alone.

    Among the ten columns that tell most, pairs of at most 100,000 cells.
    """
    columns = sorted(probe.coded[:_CROSSED])
    pairs, candidates = [], []
    for i, a in enumerate(columns):
        for b in columns[i + 1 :]:
            if (probe.X.levels[a] + 2) * (probe.X.levels[b] + 2) <= MAX_CELLS:
                key = probe.place(a) * (probe.X.levels[b] + 2) + probe.place(b)
                pairs.append((a, b))
                candidates.append(np.unique(key, return_inverse=True)[1])
    return [pairs[i] for i in probe.choose(candidates, limit)]


@dataclass(frozen=True)
class Recode:
    """Which code columns stay, with levels of few training rows as one.

    `table` has the new code of each place of the columns `kept`, end to end from `starts`;
    `levels` are those before, `new_levels` those of the kept columns after.
    """

    kept: IntArray
    levels: IntArray
    starts: IntArray
    table: IntArray
    new_levels: tuple[int, ...]

    @classmethod
    def fit(cls, X: Inputs, kept: Sequence[int], rare: int) -> Recode | None:
        """Merges levels with fewer than `rare` rows; None where nothing would change."""
        levels = np.array(X.levels, np.int64)
        tables, new_levels, changed = [], [], len(kept) < len(levels)
        places = places_in(X.codes, levels)
        for j in kept:
            counts = np.bincount(places[:, j], minlength=levels[j] + 2)[1 : levels[j] + 1]
            common = (counts >= rare) | (rare < 2)
            table = np.arange(-1, levels[j] + 1)
            if (~common).sum() > 1:  # one rare level alone is as good as "the others"
                changed = True
                n = int(common.sum())
                table[1:] = n
                table[1 : levels[j] + 1][common] = np.arange(n)
            tables.append(table)
            new_levels.append(int(table[1 : levels[j] + 1].max(initial=-1)) + 1)
        if not changed:
            return None
        starts = np.cumsum([0, *(len(t) for t in tables)])[:-1].astype(np.int64)
        flat = np.concatenate([*tables, np.zeros(0, np.int64)]).astype(np.int64)
        return cls(np.array(kept, np.int64), levels, starts, flat, tuple(new_levels))

    def apply(self, X: Inputs) -> npt.NDArray[np.int32]:
        """The new codes, `[n, kept]`."""
        places = places_in(X.codes, self.levels)[:, self.kept]
        out: npt.NDArray[np.int32] = self.table[places + self.starts].astype(np.int32)
        return out

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name."""
        found = {name: getattr(self, name) for name in ("kept", "levels", "starts", "table")}
        return {**found, "new_levels": np.array(self.new_levels, np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Recode:
        """What `arrays` describe."""
        new_levels = tuple(int(n) for n in arrays["new_levels"])
        return cls(arrays["kept"], arrays["levels"], arrays["starts"], arrays["table"], new_levels)


def _keys(X: Inputs, levels: IntArray, first: IntArray, second: IntArray) -> IntArray:
    places = places_in(X.codes, levels)
    keys = places[:, first]
    two = np.flatnonzero(second >= 0)
    if len(two):
        b = second[two]
        keys[:, two] = keys[:, two] * (levels[b] + 2) + places[:, b]
    return keys


def _empty(X: Inputs, columns: Sequence[Pair]) -> tuple[Lookup, IntArray, IntArray]:
    """A lookup without values, the cell of each training row, and how many cells there are."""
    levels = np.array(X.levels, np.int64)
    first, second = np.array(columns, np.int64).reshape(-1, 2).T
    sizes = (levels[first] + 2) * np.where(second >= 0, levels[second] + 2, 1)
    starts = np.cumsum([0, *sizes])[:-1].astype(np.int64)
    lookup = Lookup(first, second, levels, starts, np.zeros((0, 1)))
    return lookup, lookup.keys(X), sizes


def _filled(lookup: Lookup, blocks: Sequence[FloatArray]) -> Lookup:
    values = np.concatenate(blocks)
    return Lookup(lookup.first, lookup.second, lookup.levels, lookup.starts, values)


def _sums(keys: IntArray, size: int, T: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted sums `[size, c]` and weights `[size]` per key."""
    sums: FloatArray = np.stack([np.bincount(keys, w * t, size) for t in T.T], axis=1)
    held: FloatArray = np.asarray(np.bincount(keys, w, size), float)
    return sums, held
