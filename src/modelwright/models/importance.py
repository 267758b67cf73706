"""Permutation importance out of fold: how much worse the score is without what a column tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelwright.core.keys import Key
from modelwright.data.one_column import column_of, feature_columns, with_column
from modelwright.families.base import FloatArray
from modelwright.models.association import alike_groups
from modelwright.models.held_out import Clock, HeldOut, Judge
from modelwright.stats import mean_interval

BLOCKS = 5  # parts of a single fold, where there are no other folds to tell the noise


@dataclass(frozen=True)
class Importance:
    """How much the loss grows when a column (or several alike) is shuffled: mean and 95 % interval.

    `columns` has more than one name for a group of columns that tell one another.
    """

    columns: tuple[str, ...]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Importances:
    """Single columns and groups of correlated columns, largest first.

    `n_folds` folds were shuffled `repeats` times each; with one fold the interval is over parts of
    its rows, and does not tell how another fit would differ.
    """

    single: tuple[Importance, ...]
    groups: tuple[Importance, ...]
    n_folds: int
    repeats: int
    n_rows: int


def permutation_importance(
    folds: Sequence[HeldOut],
    judge: Judge,
    key: Key,
    repeats: int = 5,
    clock: Clock | None = None,
    overlap: float = 0.0,
) -> Importances | None:
    """Importances on rows that the models did not see (Breiman 2001; Fisher et al. 2019).

    The unit of the interval is the fold (its repeats are averaged first), widened by `overlap` as
    scores over folds are. Folds that `clock` leaves no time for are not counted; None when fewer
    than two units are left, which have no interval. A column that others stand in for looks
    unimportant alone: columns that tell one another (`models.association`) are also shuffled
    together. Shuffles are random by `key`.
    """
    clock = clock or Clock(None)
    schema = judge.schema
    names = [info.name for info, _, _ in feature_columns(schema)]
    groups = alike_groups(folds[0].features, schema)
    sets = [(name,) for name in names] + list(groups)
    grown: dict[tuple[int, int], FloatArray] = {}
    for repeat in range(repeats):
        for number, fold in enumerate(folds):
            found = _sweep(fold, judge, sets, key.child(number, repeat), clock, len(folds) == 1)
            if found is None:
                break
            for block, row in enumerate(found):
                grown[number * BLOCKS + block, repeat] = row
        else:
            continue
        break
    if not grown:
        return None
    done = 1 + max(repeat for _, repeat in grown)
    units = sorted({unit for unit, _ in grown})
    if len(units) < 2:
        return None
    means = np.array([
        np.mean([row for (u, _), row in grown.items() if u == unit], axis=0) for unit in units
    ])  # fmt: skip
    n_folds = len({unit // BLOCKS for unit in units})
    told = [_told(sets[j], means[:, j], overlap if n_folds > 1 else 0.0) for j in range(len(sets))]
    single = sorted(told[: len(names)], key=lambda i: -i.mean)
    together = sorted(told[len(names) :], key=lambda i: -i.mean)
    n_rows = sum(len(fold.y) for fold in folds[:n_folds])
    return Importances(tuple(single), tuple(together), n_folds, done, n_rows)


def _told(columns: tuple[str, ...], values: FloatArray, overlap: float) -> Importance:
    interval = mean_interval(values.tolist(), overlap=overlap)
    return Importance(columns, interval.estimate, interval.low, interval.high)


def _sweep(
    fold: HeldOut,
    judge: Judge,
    sets: Sequence[tuple[str, ...]],
    key: Key,
    clock: Clock,
    alone: bool,
) -> FloatArray | None:
    """Growth of the loss `[units, sets]`: of the fold, or `alone` of parts of its rows."""
    rng = np.random.default_rng(key.seed(128))
    n = len(fold.y)
    parts = _blocks(fold, judge) if alone else [np.arange(n)]
    before = fold.predict(fold.features)
    base = [judge.loss(fold.take(rows), before[rows]) for rows in parts]
    grown = np.zeros((len(parts), len(sets)))
    for j, columns in enumerate(sets):
        if clock.over:
            return None
        order, changed = rng.permutation(n), fold.features
        for name in columns:
            values = column_of(fold.features, judge.schema, name)[order]
            changed = with_column(changed, judge.schema, name, values)
        out = fold.predict(changed)
        for i, rows in enumerate(parts):
            grown[i, j] = judge.loss(fold.take(rows), out[rows]) - base[i]
    return grown


def _blocks(fold: HeldOut, judge: Judge) -> list[npt.NDArray[np.intp]]:
    """The rows of a fold in parts with all classes (values) in proportion."""
    order = np.argsort(fold.y, kind="stable")
    n_blocks = min(BLOCKS, max(1, len(order) // 4))
    return [np.sort(order[i::n_blocks]) for i in range(n_blocks)]
