"""Greedy weighted ensembles of out-of-fold predictions, with weights scored on other rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelwright.core.problem import Limit
from modelwright.families.base import FloatArray
from modelwright.models.crossfit import Scored, Validation, score_oof
from modelwright.models.decision import choose_decision
from modelwright.models.metrics import Metric, score_predictions

Weights = npt.NDArray[np.float64]
STEPS = 20
_PATIENCE = 4
_MAX_ROWS = 6000


def blend_predictions(members: Sequence[FloatArray], weights: Weights) -> FloatArray:
    """The weighted mean of the members' predictions, all of one shape; weights sum to 1."""
    out = np.zeros(members[0].shape)
    for member, weight in zip(members, weights, strict=True):
        if weight > 0:
            out += weight * member
    return out


def choose_weights(
    validation: Validation,
    oofs: Sequence[FloatArray],
    metric: Metric,
    rows: npt.NDArray[np.intp],
    steps: int = STEPS,
) -> Weights:
    """Weights `[m]` that are best for the metric on `rows`; they sum to 1, many are 0.

    Ensemble selection (Caruana et al. 2004, doi:10.1145/1015330.1015432): starting from the best
    member, the one whose addition helps most is added, again and again, with replacement.
    Differs: the score is the mean over the parts of folds in `rows`, not that of one pool; at most
    6,000 rows, evenly spaced, are looked at; and it is cut at the fewest steps that give nearly all
    of the gain.
    """
    inside = np.zeros(len(validation.y), bool)
    inside[rows[:: -(-len(rows) // _MAX_ROWS)]] = True
    folds = [(repeat, part[inside[part]]) for repeat, part in validation.folds]
    folds = [(repeat, part) for repeat, part in folds if len(part)]
    stacks = [np.stack([o[repeat][part] for o in oofs]).astype(float) for repeat, part in folds]

    def loss(sums: Sequence[FloatArray], extra: int, n: int) -> float:
        parts = [
            _score(validation, metric, part, (total + stack[extra]) / n)
            for (_, part), total, stack in zip(folds, sums, stacks, strict=True)
        ]
        return metric.goal.loss(float(np.mean(parts)))

    sums: list[FloatArray] = [np.zeros_like(stack[0]) for stack in stacks]
    order: list[int] = []
    path: list[float] = []
    for step in range(1, steps + 1):
        losses = [loss(sums, i, step) for i in range(len(oofs))]
        order.append(int(np.argmin(losses)))
        path.append(losses[order[-1]])
        sums = [total + stack[order[-1]] for total, stack in zip(sums, stacks, strict=True)]
        if step - int(np.argmin(path)) > _PATIENCE:
            break
    counts = np.bincount(order[: _enough(path)], minlength=len(oofs)).astype(float)
    return np.asarray(counts / counts.sum())


def _enough(path: Sequence[float]) -> int:
    """The fewest steps that give all but a hundredth of what the best number of steps gains."""
    gain = path[0] - min(path)
    return next(i for i, x in enumerate(path, 1) if x <= min(path) + 0.01 * gain)


def blend(
    validation: Validation,
    oofs: Sequence[FloatArray],
    metric: Metric,
    extra: Sequence[Metric] = (),
    constraint: Limit | None = None,
) -> tuple[Weights, Scored, FloatArray]:
    """Weights, honest scores and the out-of-fold predictions behind these scores.

    The weights are chosen on all validated rows. The predictions that are scored use, for the rows
    of each block, weights chosen on the other blocks, so that an ensemble that only learned the
    noise of the folds does not look better than its members.
    """
    weights = choose_weights(validation, oofs, metric, np.flatnonzero(validation.blocks >= 0))
    out = np.full(oofs[0].shape, np.nan)
    for block, rows in validation.split_blocks():
        chosen = choose_weights(validation, oofs, metric, validation.others(block))
        out[:, rows] = blend_predictions([o[:, rows] for o in oofs], chosen)
    return weights, score_oof(validation, out, metric, extra, constraint), out


def _score(
    validation: Validation, metric: Metric, rows: npt.NDArray[np.intp], predictions: FloatArray
) -> float:
    y, w = validation.y[rows], validation.weight(rows)
    if validation.task == "regression":
        return score_predictions(metric, y, predictions[:, 0], w)
    labels = None
    if metric.needs == "labels":
        labels = choose_decision(metric, y, predictions, w).labels(predictions)
    return score_predictions(metric, y, predictions, w, labels)
