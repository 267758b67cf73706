"""Which rows are sealed, and which train and which validate: by class, group or time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.core.keys import Key

Rows = npt.NDArray[np.intp]
How = Literal["stratified", "grouped", "time"]

SEALED_SHARE = 0.2
SEALED_MAX = 10_000
# Below this many rows a sealed part is too small to tell anything; cross-validation is repeated.
SEALED_FROM = 1000
FOLDS = 5
REPEATS = 3
# What these two reckon with.
FIT_SECONDS, CELL_SECONDS, SEARCH_SHARE, DESIGNS = 0.3, 1.2e-5, 0.7, 24
HOLDOUT_LEAST = 10_000
# From this many rows one held-out part is as telling as folds, and five times cheaper.
HOLDOUT_FROM = 100_000
HOLDOUT_MAX = 20_000
# Groups beyond this number are dealt at random: the balance comes by itself.
_GREEDY_GROUPS = 5000


def fits_for(n_rows: int, n_columns: int, n_classes: int, seconds: float) -> float:
    """How many fits on all rows a budget of that many seconds has time for: an estimate.

    >>> fits_for(1_000_000, 50, 2, 120.0) < 1 < fits_for(1000, 50, 2, 120.0)
    True
    """
    fit = FIT_SECONDS + CELL_SECONDS * n_rows * n_columns * max(1.0, n_classes / 2)
    return 2 * SEARCH_SHARE * seconds / fit


def folds_for(n_rows: int, n_columns: int, n_classes: int, seconds: float | None) -> int:
    """How many folds a budget of that many seconds allows: 5, 3, or 1 for a held-out part.

    Two dozen designs should be judged on all folds; a held-out part of fewer than 2,000 rows would
    be too rough a judge. A fit is taken to cost what it costs on the
    average over families (docs/notebook.md has the figures), on two cores; it is an estimate, made
    from the table's size alone so that the split does not depend on the machine. Without a clock
    there are 5.

    >>> folds_for(1000, 14, 2, 60.0), folds_for(40_000, 14, 2, 60.0)
    (5, 1)
    """
    if seconds is None:
        return FOLDS
    affordable = fits_for(n_rows, n_columns, n_classes, seconds) / DESIGNS
    least = 1 if n_rows >= HOLDOUT_LEAST else 3
    return next((k for k in (FOLDS, 3) if affordable >= k), least)


@dataclass(frozen=True)
class Split:
    """Rows of a table by use. `dev` and `sealed` are row numbers of the table, rising.

    `parts` is int8 `[n_folds, n_dev]`: 1 where the dev row trains in that fold, 2 where it
    validates, 0 where it does neither. Repeats follow one another: the first `n_folds / repeats`
    folds validate each dev row at most once, and so on.
    """

    how: How
    dev: Rows
    sealed: Rows
    parts: npt.NDArray[np.int8]
    repeats: int = 1
    notes: tuple[str, ...] = ()

    @property
    def folds(self) -> list[tuple[Rows, Rows]]:
        """Per fold the positions among the dev rows that train and that validate, rising."""
        return list(folds_of(self.parts))


def folds_of(parts: npt.NDArray[np.int8]) -> Iterator[tuple[Rows, Rows]]:
    """Positions that train and that validate, fold by fold."""
    for part in parts:
        yield np.flatnonzero(part == 1), np.flatnonzero(part == 2)


def split_rows(
    y: npt.NDArray[Any],
    *,
    classes: bool,
    groups: npt.NDArray[Any] | None = None,
    times: npt.NDArray[np.float64] | None = None,
    seal: bool = True,
    seed: int = 0,
    folds: int = FOLDS,
) -> Split:
    """Splits the rows of a table; equal arguments give equal splits.

    `y` is `[n]`, class codes when `classes` is true, else values, which are balanced by quantile.
    With `groups` (codes) no group is on two sides. With `times` the sealed part is the last one,
    folds train on the past of what they validate, and equal times stay together. `seal` false
    keeps all rows for development (the test rows are a file of their own). `folds` of 1 is one
    held-out part, also taken from 100,000 rows on. Random in `seed` only.
    """
    key = Key.of(seed).child("split")
    n = len(y)
    seal = seal and n >= SEALED_FROM
    n_sealed = min(SEALED_MAX, round(SEALED_SHARE * n)) if seal else 0
    strata = y.astype(np.int64) if classes else _quantiles(y)
    if times is not None:
        return _by_time(times, n_sealed, folds)
    rng = np.random.default_rng(key.seed(128))
    if groups is not None:
        codes = np.unique(groups, return_inverse=True)[1]
        return _by_group(strata, codes, n_sealed, rng, max(2, folds))
    sealed = _draw(strata, n_sealed, rng)
    dev = np.setdiff1d(np.arange(n), sealed)
    if len(dev) >= HOLDOUT_FROM or folds < 2:
        valid = _draw(strata[dev], min(HOLDOUT_MAX, round(SEALED_SHARE * len(dev))), rng)
        parts = np.ones((1, len(dev)), dtype=np.int8)
        parts[0, valid] = 2
        return Split("stratified", dev, sealed, parts, notes=_notes(sealed, 1, 1, n))
    repeats = REPEATS if n < SEALED_FROM else 1
    k = min(folds, len(dev) // 2)
    dealt = [_deal(strata[dev], k, rng) for _ in range(repeats)]
    parts = np.concatenate([_parts(fold, k) for fold in dealt])
    return Split("stratified", dev, sealed, parts, repeats, _notes(sealed, k, repeats, n))


def _quantiles(y: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Ten bins of equal size by value, fewer for few rows; ties share a bin."""
    bins = max(1, min(10, len(y) // 10))
    edges = np.unique(np.quantile(y, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, y, side="right").astype(np.int64)


def _deal(strata: npt.NDArray[Any], k: int, rng: np.random.Generator) -> Rows:
    """A fold number per row: each stratum is spread evenly, and so is the whole."""
    fold = np.empty(len(strata), dtype=np.intp)
    order = rng.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    fold[order] = np.arange(len(strata)) % k
    return rng.permutation(k)[fold]


def _draw(strata: npt.NDArray[Any], size: int, rng: np.random.Generator) -> Rows:
    """`size` rows with each stratum in proportion (largest remainders), rising.

    A stratum never gives its last row away.
    """
    levels, counts = np.unique(strata, return_counts=True)
    want = counts * size / max(1, len(strata))
    take = np.floor(want).astype(np.int64)
    rest = np.argsort(-(want - take), kind="stable")[: size - int(take.sum())]
    take[rest] += 1
    take = np.minimum(take, counts - 1)
    order = rng.permutation(len(strata))
    picked = [
        order[strata[order] == level][:t] for level, t in zip(levels, take, strict=True) if t > 0
    ]
    return np.sort(np.concatenate(picked)) if picked else np.empty(0, dtype=np.intp)


def _parts(fold: Rows, k: int) -> npt.NDArray[np.int8]:
    return np.where(fold[None, :] == np.arange(k)[:, None], 2, 1).astype(np.int8)


def _notes(sealed: Rows, k: int, repeats: int, n: int) -> tuple[str, ...]:
    said = []
    if len(sealed):
        said.append(f"{len(sealed)} of {n} rows are sealed and looked at once, at the end")
    elif n < SEALED_FROM:
        said.append(f"{n} rows are too few for a sealed part: the score is from cross-validation")
    if k == 1:
        said.append("candidates are compared on one held-out part of the rows")
    elif repeats > 1:
        said.append(f"candidates are compared by {repeats} times {k}-fold cross-validation")
    else:
        said.append(f"candidates are compared by {k}-fold cross-validation")
    return tuple(said)


# -- groups --------------------------------------------------------------------------------------


def _by_group(
    strata: npt.NDArray[np.int64],
    groups: Rows,
    n_sealed: int,
    rng: np.random.Generator,
    folds: int,
) -> Split:
    n, n_groups = len(strata), int(groups.max()) + 1
    if n_groups < 2:
        raise InputError("the group column has one group only; at least 2 are needed.")
    seal = n_sealed > 0 and n_groups >= 2 * FOLDS
    share = n_sealed / n
    sealed = np.empty(0, dtype=np.intp)
    if seal:
        side = _assign(strata, groups, np.array([1 - share, share]), rng)
        sealed = np.flatnonzero(side == 1)
    dev = np.setdiff1d(np.arange(n), sealed)
    inner = np.unique(groups[dev], return_inverse=True)[1]
    k = min(folds, int(inner.max()) + 1)
    repeats = REPEATS if n < SEALED_FROM else 1
    dealt = [_assign(strata[dev], inner, np.full(k, 1 / k), rng) for _ in range(repeats)]
    parts = np.concatenate([_parts(fold, k) for fold in dealt])
    said = list(_notes(sealed, k, repeats, n))
    said.append(f"rows of one group stay together ({n_groups} groups)")
    if n_sealed and not seal:
        said.append("there are too few groups for a sealed part")
    return Split("grouped", dev, sealed, parts, repeats, tuple(said))


def _assign(
    strata: npt.NDArray[np.int64],
    groups: Rows,
    shares: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> Rows:
    """A side per row, whole groups together; sides get their shares of rows and strata.

    Groups go, the largest first, to the side that is furthest from its share of their strata.
    """
    n_groups, n_strata = int(groups.max()) + 1, int(strata.max()) + 1
    if n_groups > _GREEDY_GROUPS:
        return _assign_at_random(groups, shares, rng)
    counts = np.zeros((n_groups, n_strata))
    np.add.at(counts, (groups, strata), 1)
    goal = shares[:, None] * counts.sum(axis=0)[None, :]
    have = np.zeros_like(goal)
    order = rng.permutation(n_groups)
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    side = np.empty(n_groups, dtype=np.intp)
    scale = np.maximum(goal, 1e-9)
    for g in order:
        before = (have / scale - 1) ** 2
        after = ((have + counts[g]) / scale - 1) ** 2
        cost = ((after - before) * scale).sum(axis=1)
        side[g] = int(np.argmin(cost))
        have[side[g]] += counts[g]
    for empty in set(range(len(shares))) - set(side.tolist()):
        sizes = np.bincount(side, minlength=len(shares))
        donor = int(np.argmax(sizes))
        side[order[side[order] == donor][-1]] = empty
    return side[groups]


def _assign_at_random(
    groups: Rows, shares: npt.NDArray[np.float64], rng: np.random.Generator
) -> Rows:
    sizes = np.bincount(groups)
    order = rng.permutation(len(sizes))
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    side = np.empty(len(sizes), dtype=np.intp)
    edges = np.cumsum(shares)[:-1] * sizes.sum()
    side[order] = np.searchsorted(edges, middle)
    return side[groups]


# -- time ----------------------------------------------------------------------------------------


def _by_time(times: npt.NDArray[np.float64], n_sealed: int, folds: int) -> Split:
    """Sealed is the end; the rest is cut into blocks, each validated by a model of those before.

    With `folds` of 1 the last fifth is validated by a model of all that came before.
    """
    order = np.argsort(times, kind="stable")
    n = len(order)
    ordered = times[order]
    cut = _boundary(ordered, n - n_sealed)
    sealed = np.sort(order[cut:])
    dev_order = order[:cut]
    dev = np.sort(dev_order)
    place = np.searchsorted(dev, dev_order)
    marks = [i / (folds + 1) for i in range(1, folds + 1)] if folds > 1 else [1 - SEALED_SHARE]
    edges = [_boundary(ordered[:cut], round(cut * mark)) for mark in marks]
    edges = sorted({e for e in edges if 0 < e < cut})
    if not edges:
        raise InputError(
            "the time column has too few different times to put a past before a future."
        )
    parts = np.zeros((len(edges), cut), dtype=np.int8)
    for i, (start, end) in enumerate(zip(edges, [*edges[1:], cut], strict=True)):
        parts[i, place[:start]] = 1
        parts[i, place[start:end]] = 2
    said = [f"{len(sealed)} of {n} rows, the latest, are sealed and looked at once, at the end"]
    if not len(sealed):
        few = f"{n} rows are too few for a sealed part: the score is from cross-validation"
        said = [few] if n < SEALED_FROM else []
    said.append(
        f"candidates train on the past and are compared on what follows, {len(edges)} times"
    )
    return Split("time", dev, sealed, parts, 1, tuple(said))


def _boundary(ordered: npt.NDArray[np.float64], cut: int) -> int:
    """The nearest cut at or before `cut` that parts no equal times, else the one after it."""
    if cut <= 0 or cut >= len(ordered):
        return cut
    left = int(np.searchsorted(ordered, ordered[cut], side="left"))
    if left > 0:
        return left
    return int(np.searchsorted(ordered, ordered[cut], side="right"))
