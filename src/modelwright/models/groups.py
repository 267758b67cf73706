"""Groups of rows on which a model does worst, and regions of the data that hardly have rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.keys import Key
from modelwright.data.columns import ColumnInfo
from modelwright.data.one_column import column_of, feature_columns
from modelwright.data.schema import Features, Schema
from modelwright.models.held_out import HeldOut, Judge

MIN_ROWS, MIN_SHARE = 30, 0.01
PER_ROW = ("log_loss", "brier", "accuracy")  # means over rows: a single class has a score too
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """A group in words, its rows, and its score with an interval that allows for the many looks."""

    words: str
    n_rows: int
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class WorstGroups:
    """The groups whose score is worse than the whole's beyond chance, worst first.

    `looked` groups were looked at; the intervals hold for all of them at once (95 %).
    """

    groups: tuple[Group, ...]
    overall: float
    looked: int


def worst_groups(
    fold: HeldOut, out: npt.NDArray[Any], judge: Judge, key: Key, most: int = 6
) -> WorstGroups:
    """The worst groups by out-of-fold predictions `out` of all validated rows in `fold`.

    Groups are the categories of a column, the quarters of a number's range of ranks, and the rows
    where it is missing, with at least 30 rows and 1 % of all. Intervals are normal ones around the
    score with the standard error of 60 bootstrap rounds, random by `key`, and corrected for the
    number of groups (Bonferroni).
    """
    rng = np.random.default_rng(key.seed(128))
    overall = judge.loss(fold, out)
    least = max(MIN_ROWS, int(MIN_SHARE * len(fold.y)))
    by_row = judge.metric.name in PER_ROW or bool(judge.metric.costs)
    by_row = by_row or judge.schema.task == "regression"
    found: list[tuple[float, str, npt.NDArray[np.intp]]] = []
    for words, mask in groups_of(fold.features, judge.schema):
        rows = np.flatnonzero(mask)
        if len(rows) < least or len(rows) > len(mask) - least:
            continue
        if not by_row and len(np.unique(fold.y[rows])) < 2:
            continue  # rankings, and what sets class against class, have no score there
        found.append((judge.loss(fold.take(rows), out[rows]), words, rows))
    found.sort(key=lambda item: -item[0])
    sign = -1.0 if judge.metric.direction == "maximise" else 1.0
    z = NormalDist().inv_cdf(1 - 0.025 / max(1, len(found)))
    told = []
    for loss, words, rows in found[:most]:
        if loss <= overall:
            break
        half = z * _error(fold, out, judge, rows, rng)
        if loss - half > overall:
            low, high = sorted((sign * (loss - half), sign * (loss + half)))
            cut = max(low, judge.metric.low), min(high, judge.metric.high)
            told.append(Group(words, len(rows), sign * loss, *cut))
    return WorstGroups(tuple(told), sign * overall, len(found))


def _error(
    fold: HeldOut,
    out: npt.NDArray[Any],
    judge: Judge,
    rows: npt.NDArray[np.intp],
    rng: np.random.Generator,
) -> float:
    drawn = []
    for _ in range(60):
        some = rows[rng.integers(0, len(rows), len(rows))]
        drawn.append(judge.loss(fold.take(some), out[some]))
    return float(np.std(drawn, ddof=1))


def groups_of(features: Features, schema: Schema) -> Iterator[tuple[str, Mask]]:
    """Groups in words, with a mask of their rows `[n]`."""
    for info, block, _ in feature_columns(schema):
        if block == "texts":
            continue
        values = column_of(features, schema, info.name)
        if block == "codes":
            for code, name in enumerate(info.categories[:50]):
                yield f"{info.name} is {name!r}", values == code
            yield f"{info.name} is missing", values < 0
            continue
        there = np.isfinite(values)
        yield f"{info.name} is missing", ~there
        if not there.any():
            continue
        cuts = np.unique(np.quantile(values[there], [0.0, 0.25, 0.5, 0.75, 1.0]))
        if len(cuts) == 2 or len(np.unique(values[there][:1000])) <= 2:
            yield f"{info.name} is {shown(info, cuts[0])}", values == cuts[0]
            yield f"{info.name} is {shown(info, cuts[-1])}", values == cuts[-1]
            continue
        for i in range(len(cuts) - 1):
            low, high = cuts[i], cuts[i + 1]
            last = i == len(cuts) - 2
            inside = (values >= low) & ((values <= high) if last else (values < high))
            words = f"{info.name} from {shown(info, low)} to {shown(info, high)}"
            yield words, inside


def shown(info: ColumnInfo, value: float) -> str:
    """A number or date of a column in words."""
    if info.kind == "date":
        return str(np.datetime64(int(value), "s").astype("datetime64[D]"))
    return f"{value:.4g}"
