"""Partial dependence: how the answer changes with one column, and how much rows differ in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelwright.data.columns import ColumnInfo
from modelwright.data.one_column import column_of, feature_columns, stacked, with_column
from modelwright.data.schema import Features
from modelwright.families.base import FloatArray
from modelwright.models.held_out import Clock, HeldOut, Judge

POINTS, ROWS, MAX_CLASSES = 15, 160, 5


@dataclass(frozen=True)
class Dependence:
    """The mean answer `[k, points]` at each value of a column, the others as they are.

    `labels` says per curve whose share it is (`""` for a number). `low` and `high` bound, for the
    first curve, the middle four fifths of the rows' own curves, each moved to a common mean: where
    they are far apart the column's effect depends on others. `values` are numbers, or the names of
    categories.
    """

    column: str
    kind: str
    values: tuple[float | str, ...]
    labels: tuple[str, ...]
    curves: tuple[tuple[float, ...], ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n_rows: int


def partial_dependence(
    folds: Sequence[HeldOut], judge: Judge, names: Sequence[str], clock: Clock | None = None
) -> list[Dependence]:
    """Partial dependence (Friedman 2001) with the spread of single rows (Goldstein et al. 2015).

    Each fold's model answers for its own held-out rows, at most 160 in all; values are quantiles of
    a column or its most frequent categories, at most 15. Texts are left out, and so are the columns
    that `clock` leaves no time for.
    """
    clock = clock or Clock(None)
    kinds = {info.name: (info, block) for info, block, _ in feature_columns(judge.schema)}
    share = max(1, ROWS // len(folds))
    small = [fold.take(np.arange(len(fold.y))[:: -(-len(fold.y) // share)]) for fold in folds]
    found = []
    for name in names:
        if clock.over:
            break
        info, block = kinds[name]
        if block != "texts" and (made := _one(small, judge, info, block)) is not None:
            found.append(made)
    return found


def _one(folds: Sequence[HeldOut], judge: Judge, info: ColumnInfo, block: str) -> Dependence | None:
    columns = [column_of(fold.features, judge.schema, info.name) for fold in folds]
    grid = _grid(np.concatenate(columns), block)
    if len(grid) < 2:
        return None
    curves = np.concatenate([_rows_curves(fold, judge, info.name, grid) for fold in folds])
    labels, chosen = _labels(judge)
    mean = curves[:, :, chosen].mean(axis=0)  # [points, chosen]
    first = curves[:, :, chosen[0]]
    own = first - first.mean(axis=1, keepdims=True) + first.mean()
    low, high = np.quantile(own, [0.1, 0.9], axis=0)
    values: tuple[float | str, ...] = tuple(float(v) for v in grid)
    if block == "codes":
        names = (*info.categories, "another")
        values = tuple(names[int(v)] for v in grid)
    return Dependence(
        info.name, "category" if block == "codes" else "date" if block == "dates" else "number",
        values, labels, tuple(tuple(row) for row in mean.T.tolist()), tuple(low.tolist()),
        tuple(high.tolist()), len(curves),
    )  # fmt: skip


def _labels(judge: Judge) -> tuple[tuple[str, ...], list[int]]:
    schema = judge.schema
    if schema.task == "regression":
        return ("",), [0]
    if schema.task == "binary":
        return (schema.classes[1],), [1]
    chosen = list(range(min(MAX_CLASSES, len(schema.classes))))
    return tuple(schema.classes[c] for c in chosen), chosen


def _grid(values: FloatArray, block: str) -> FloatArray:
    if block == "codes":
        codes, counts = np.unique(values[values >= 0], return_counts=True)
        return np.asarray(np.sort(codes[np.argsort(-counts, kind="stable")][:POINTS]), float)
    there = values[np.isfinite(values)]
    if not len(there):
        return np.zeros(0)
    return np.unique(np.quantile(there, np.linspace(0.02, 0.98, POINTS)))


def _rows_curves(fold: HeldOut, judge: Judge, name: str, grid: FloatArray) -> FloatArray:
    """The answers `[rows, points, k]` of a fold's rows at each value; one call of the model."""
    n = len(fold.y)
    parts: list[Features] = [
        with_column(fold.features, judge.schema, name, np.full(n, value)) for value in grid
    ]
    out = fold.predict(stacked(parts))
    return out.reshape(len(grid), n, -1).transpose(1, 0, 2)
