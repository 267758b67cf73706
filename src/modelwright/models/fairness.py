"""How differently a model treats groups of people: measures by group, and the largest gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.data.protected import LEAST_ROWS, Attribute
from modelwright.families.base import FloatArray, Task

# What is averaged over the rows of a group, in words.
MEASURES: Mapping[str, str] = {
    "selection_rate": "share of positive answers",
    "tpr": "share of positive answers among the truly positive",
    "fpr": "share of positive answers among the truly negative",
    "calibration": "mean predicted share of the positive class less its true share",
    "error": "share of wrong answers",
    "mean_error": "mean of prediction less truth",
    "mae": "mean size of the error",
}
_GAPS: Mapping[str, tuple[str, ...]] = {
    "selection_rate_gap": ("selection_rate",),
    "tpr_gap": ("tpr",),
    "fpr_gap": ("fpr",),
    "equalized_odds_gap": ("tpr", "fpr"),
    "calibration_gap": ("calibration",),
    "error_gap": ("error",),
    "mean_error_gap": ("mean_error",),
    "mae_gap": ("mae",),
}
_RATIOS: Mapping[str, str] = {"selection_rate_ratio": "selection_rate"}
_WORST: Mapping[str, str] = {"worst_group_error": "error", "worst_group_mae": "mae"}

Mask = npt.NDArray[np.bool_]
# Per measure the value of each row `[n]`, and which rows count for it `[n]`.
RowValues = Mapping[str, tuple[FloatArray, Mask]]


def row_values(
    task: Task, y: npt.NDArray[Any], out: FloatArray, labels: npt.NDArray[np.int64] | None
) -> dict[str, tuple[FloatArray, Mask]]:
    """What each measure averages, row by row; repeats are averaged first.

    `out` is `[repeats, n, k]`, NaN where a row was not validated, shares or values; `labels` is
    `[repeats, n]`, the classes answered. Two classes have all measures of classes, several have the
    error, values have theirs.
    """
    seen = ~np.isnan(out[:, :, 0])
    inside: Mask = np.asarray(seen.any(axis=0))
    times = np.maximum(1, seen.sum(axis=0))

    def mean(values: FloatArray) -> FloatArray:
        return np.asarray(np.where(seen, values, 0.0).sum(axis=0) / times)

    if task == "regression":
        error = out[:, :, 0] - y
        return {"mean_error": (mean(error), inside), "mae": (mean(np.abs(error)), inside)}
    assert labels is not None
    wrong = {"error": (mean((labels != y).astype(float)), inside)}
    if task != "binary":
        return wrong
    chosen = mean((labels == 1).astype(float))
    positive: Mask = np.asarray(y == 1)
    return {
        "selection_rate": (chosen, inside),
        "tpr": (chosen, np.logical_and(inside, positive)),
        "fpr": (chosen, np.logical_and(inside, ~positive)),
        "calibration": (mean(out[:, :, 1] - y), inside),
        **wrong,
    }


@dataclass(frozen=True)
class GroupMeans:
    """One measure over the groups of one attribute, `[n_groups]` each: rows, mean, its error.

    The mean is NaN where fewer than `LEAST_ROWS` rows count. `error` is one standard error.
    """

    n_rows: npt.NDArray[np.int64]
    mean: FloatArray
    error: FloatArray

    @property
    def known(self) -> npt.NDArray[np.intp]:
        """The groups that are not suppressed."""
        return np.flatnonzero(~np.isnan(self.mean))


def group_means(
    values: FloatArray,
    inside: Mask,
    attribute: Attribute,
    weights: FloatArray | None = None,
) -> GroupMeans:
    """The weighted mean of some row values in each group, with its standard error."""
    cells, k = attribute.cells[inside], len(attribute.names)
    w = np.ones(len(values)) if weights is None else weights
    v, w = values[inside], w[inside]
    n = np.bincount(cells, minlength=k)
    total = np.bincount(cells, w, minlength=k)
    enough = (n >= LEAST_ROWS) & (total > 0)
    sums = np.bincount(cells, w * v, minlength=k)
    mean = np.divide(sums, total, out=np.full(k, np.nan), where=enough)
    left = (w * (v - np.nan_to_num(mean)[cells])) ** 2
    spread = np.sqrt(np.bincount(cells, left, minlength=k))
    return GroupMeans(n, mean, np.divide(spread, total, out=np.full(k, np.nan), where=enough))


def gap_scores(
    values: RowValues, attributes: Iterable[Attribute], weights: FloatArray | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """The largest gap of each kind over all attributes, and its standard error, by name.

    A gap is the largest mean of a group less the smallest one's (for rates what fairlearn calls a
    difference, for `selection_rate_ratio` its ratio of the smallest to the largest);
    `equalized_odds_gap` is the larger of the gaps of true and false positive rates (Hardt et al.
    2016). `worst_group_error` and `worst_group_mae` are the largest mean error of any group. Groups
    with fewer than `LEAST_ROWS` rows do not count, and an attribute with fewer than two others
    gives no gap; a name for which there is none is left out.

    >>> cells = np.repeat([0, 1], 100)
    >>> sex = Attribute("sex", ("f", "m"), cells)
    >>> chosen = (np.arange(200) % 100 < np.where(cells == 0, 20, 50)).astype(float)
    >>> scores, _ = gap_scores({"selection_rate": (chosen, chosen >= 0)}, [sex])
    >>> round(scores["selection_rate_gap"], 6)
    0.3
    """
    scores: dict[str, float] = {}
    noise: dict[str, float] = {}
    for attribute in attributes:
        means = {m: group_means(v, at, attribute, weights) for m, (v, at) in values.items()}
        for name, found, error in _found(means):
            small = name in _RATIOS
            if name not in scores or (found < scores[name] if small else found > scores[name]):
                scores[name], noise[name] = found, error
    return scores, noise


def _found(means: Mapping[str, GroupMeans]) -> Iterable[tuple[str, float, float]]:
    """Name, value and standard error of all that one attribute tells."""
    for name, measures in _GAPS.items():
        for measure in measures:
            ends = _ends(means.get(measure))
            if ends is not None:
                group, low, high = ends
                error = float(np.hypot(group.error[low], group.error[high]))
                yield name, float(group.mean[high] - group.mean[low]), error
    for name, measure in _RATIOS.items():
        ends = _ends(means.get(measure))
        if ends is not None and ends[0].mean[ends[2]] > 0:
            group, low, high = ends
            ratio = float(group.mean[low] / group.mean[high])
            parts = group.error[low], ratio * group.error[high]
            yield name, ratio, float(np.hypot(*parts) / group.mean[high])
    for name, measure in _WORST.items():
        ends = _ends(means.get(measure), least=1)
        if ends is not None:
            yield name, float(ends[0].mean[ends[2]]), float(ends[0].error[ends[2]])


def _ends(means: GroupMeans | None, least: int = 2) -> tuple[GroupMeans, int, int] | None:
    """The groups with the smallest and the largest mean, where enough groups have one."""
    if means is None or len(means.known) < least:
        return None
    known = means.mean[means.known]
    return means, int(means.known[known.argmin()]), int(means.known[known.argmax()])


def comparable(attributes: Sequence[Attribute]) -> bool:
    """Whether any attribute has two groups that are large enough to be compared."""
    return any(
        (np.bincount(a.cells, minlength=len(a.names)) >= LEAST_ROWS).sum() > 1 for a in attributes
    )
