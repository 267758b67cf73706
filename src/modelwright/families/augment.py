"""Made rows that look like those of a table: for a teacher to label and a student to learn from."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.data.schema import Features
from modelwright.families.base import FloatArray, IntArray

LEAF = 8  # rows that count as near: at least so many, fewer than twice as many
_FEW = 20  # a column of fewer different values keeps to those it has
_LEAST_ROWS = 4

Random = np.random.Generator
Mask = npt.NDArray[np.bool_]


def augment(
    features: Features, n: int, seed: int, *, swap: float = 0.5, blur: float = 4.0
) -> Features:
    """Up to `n` made rows: rows of the table that took some columns from rows near them.

    Each column is taken with the probability `swap`, at least one. A number of many values is drawn
    around the neighbour's, with the distance of the two over `blur` as its deviation, and stays
    within the column's range; whole numbers stay whole. Categories, gaps, dates and texts are taken
    as they are. A made row that equals a row of the table is left out, so fewer come back where
    columns have few values, and none for fewer than four rows. All randomness comes from `seed`.

    Source: MUNGE (Bucila, Caruana and Niculescu-Mizil, KDD 2006). Differs: rows are near when they
    share a leaf of a random projection tree with median cuts, a new one for each pass over the
    table (Dasgupta and Freund, STOC 2008), which takes n log n instead of n² steps; and only one
    of the two rows is changed.

    >>> table = Features(np.arange(40.0).reshape(20, 2), np.zeros((20, 0), int), np.zeros((20, 0)))
    >>> made = augment(table, 50, seed=0)
    >>> 40 < len(made) <= 50, bool((made.numeric.min(axis=0) >= [0, 1]).all())
    (True, True)
    """
    rng = np.random.default_rng(seed)
    rows = len(features)
    if rows < _LEAST_ROWS or n < 1:
        return features.take(slice(0, 0))
    columns = _Columns(features)
    parts = []
    for start in range(0, n, rows):
        base = rng.permutation(rows)[: n - start]
        partner = _partners(columns, rng)[base]
        parts.append(columns.mixed(base, partner, _mask(len(base), columns.width, swap, rng),
                                   blur, rng))  # fmt: skip
    made = joined(parts)
    return made.take(~np.isin(_hashes(made), _hashes(features)))


class _Columns:
    """The columns of a table as augmentation needs them: ranges, kinds and a projection."""

    def __init__(self, features: Features) -> None:
        self.features = features
        numbers = np.concatenate([features.numeric, features.dates], axis=1).astype(float)
        self.known = np.isfinite(numbers)
        self.ranks = np.where(self.known, _ranks(numbers), 0.0)
        blocks = (features.numeric.shape[1], features.codes.shape[1], features.dates.shape[1])
        self.starts = np.cumsum([0, *blocks, len(features.texts)])
        self.width = int(self.starts[-1])
        self.smooth = [j for j in range(blocks[0]) if _n_values(features.numeric[:, j]) >= _FEW]
        plain = features.numeric[:, self.smooth]
        self.whole = [bool(_whole(plain[:, i])) for i in range(len(self.smooth))]
        finite = np.where(np.isfinite(plain), plain, np.nan)
        self.low, self.high = np.nanmin(finite, axis=0), np.nanmax(finite, axis=0)

    def projection(self, rng: Random) -> FloatArray:
        """A random direction through the rows, `[n]`: categories have random places on it."""
        width = self.ranks.shape[1]
        out = self.ranks @ rng.normal(size=width) + (~self.known) @ rng.normal(size=width)
        codes = self.features.codes
        for j in range(codes.shape[1]):
            places = rng.normal(size=int(codes[:, j].max(initial=-1)) + 2)
            out += places[np.maximum(codes[:, j], -1) + 1]
        return np.asarray(out)

    def mixed(
        self, base: IntArray, partner: IntArray, taken: Mask, blur: float, rng: Random
    ) -> Features:
        """The rows `base` with the columns `taken` from the rows `partner`."""
        f = self.features
        a, b, c, d = (taken[:, i:j] for i, j in zip(self.starts, self.starts[1:], strict=False))
        numeric = np.where(a, f.numeric[partner], f.numeric[base])
        self._blur(numeric, base, partner, a, blur, rng)
        texts = {
            name: np.where(d[:, j], values[partner], values[base])
            for j, (name, values) in enumerate(f.texts.items())
        }
        codes = np.where(b, f.codes[partner], f.codes[base])
        return Features(numeric, codes, np.where(c, f.dates[partner], f.dates[base]), texts)

    def _blur(
        self,
        numeric: npt.NDArray[Any],
        base: IntArray,
        partner: IntArray,
        taken: Mask,
        blur: float,
        rng: Random,
    ) -> None:
        for i, j in enumerate(self.smooth):
            mine, theirs = self.features.numeric[base, j], self.features.numeric[partner, j]
            drawn = theirs + rng.normal(size=len(base)) * np.abs(theirs - mine) / blur
            drawn = np.clip(np.round(drawn) if self.whole[i] else drawn, self.low[i], self.high[i])
            use = taken[:, j] & np.isfinite(mine) & np.isfinite(theirs)
            numeric[use, j] = drawn[use]


def _partners(columns: _Columns, rng: Random) -> IntArray:
    """For each row another one that is near it, `[n]`."""
    n = len(columns.features)
    order = rng.permutation(n)
    for blocks in _halvings(n):
        # Each block of the order is sorted along a new direction; its halves are the next blocks.
        order = order[np.lexsort((columns.projection(rng)[order], blocks))]
    leaf = blocks
    starts = np.searchsorted(leaf, leaf)
    sizes = np.searchsorted(leaf, leaf, side="right") - starts
    step = 1 + (rng.random(n) * np.maximum(sizes - 1, 1)).astype(np.int64)
    there = starts + (np.arange(n) - starts + step) % sizes
    out = np.empty(n, np.int64)
    out[order] = order[there]
    return out


def _halvings(n: int) -> Iterator[IntArray]:
    """The block of each place in the order, level by level, down to leaves of about `LEAF`."""
    blocks = 1
    yield np.zeros(n, np.int64)
    while n // (2 * blocks) >= LEAF:
        blocks *= 2
        yield np.arange(n) * blocks // n


def _mask(n: int, width: int, swap: float, rng: Random) -> Mask:
    taken = rng.random((n, width)) < swap
    if not width:
        return taken
    one = np.arange(width) == rng.integers(0, width, n)[:, None]
    none = ~taken.any(axis=1)
    taken[none] = one[none]
    return taken


def _ranks(numbers: FloatArray) -> FloatArray:
    """Each column's ranks from -1.7 to 1.7 (deviation 1); gaps come last and are set by others."""
    n = len(numbers)
    out = np.empty_like(numbers)
    for j in range(numbers.shape[1]):
        values, places = np.unique(numbers[:, j], return_inverse=True)
        middle = np.cumsum(np.bincount(places, minlength=len(values)))
        out[:, j] = (middle[places] / n - 0.5) * 12**0.5
    return out


def _n_values(column: npt.NDArray[Any]) -> int:
    return len(np.unique(column[np.isfinite(column)]))


def _whole(column: npt.NDArray[Any]) -> bool:
    known = column[np.isfinite(column)]
    return bool((known == np.round(known)).all())


def _hashes(features: Features) -> npt.NDArray[np.uint64]:
    """64 bits for each row: equal rows have equal ones."""
    numbers = np.concatenate([features.numeric, features.dates, features.codes], axis=1)
    numbers = np.where(np.isnan(numbers), np.nan, numbers) + 0.0  # one kind of gap, one zero
    words = np.ascontiguousarray(numbers, np.float64).view(np.uint64)
    texts = [[zlib.crc32(str(t).encode()) for t in values] for values in features.texts.values()]
    if texts:
        words = np.concatenate([words, np.array(texts, np.uint64).T], axis=1)
    out = np.zeros(len(words), np.uint64)
    for j in range(words.shape[1]):
        out = (out ^ words[:, j] ^ (words[:, j] >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
        out ^= out >> np.uint64(32)
    return out


def joined(parts: Sequence[Features]) -> Features:
    """The rows of all parts, one after the other; they have the same columns."""
    return Features(
        np.concatenate([p.numeric for p in parts]),
        np.concatenate([p.codes for p in parts]),
        np.concatenate([p.dates for p in parts]),
        {name: np.concatenate([p.texts[name] for p in parts]) for name in parts[0].texts},
    )
