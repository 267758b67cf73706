"""Weighted ensembles of out-of-fold predictions, with weights scored on other rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelwright.core.problem import Limit
from modelwright.families.base import FloatArray, IntArray
from modelwright.models.crossfit import Scored, Validation, score_oof
from modelwright.models.decision import choose_decision
from modelwright.models.group_thresholds import Equalise
from modelwright.models.metrics import Metric, score_predictions

Weights = npt.NDArray[np.float64]
STEPS = 25
_PATIENCE = 4
_MAX_ROWS = 6000
_BAGS = 16
_LEAST = 0.03  # a member that would weigh less costs more time than it brings
_FAR = 2.0  # standard errors
_TINY = 1e-6  # a share of 0 costs no more than this one


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
    """Weights `[m]` that are good for the metric on `rows`; they sum to 1, many are 0.

    Bagged ensemble selection (Caruana et al. 2004, doi:10.1145/1015330.1015432): in each of 16
    bags, half of the members, drawn once and for all, are added greedily with replacement, starting
    from the best; the bags' weights are averaged and those under 0.03 dropped. What differs: the
    loss is one of rows (log loss for classes, what the metric makes models minimise for values),
    which is less easily fooled by a few rows than a ranking is, and quick; a bag is cut at the
    fewest steps that give nearly all of its gain; where bags are worse than one run over all
    members by two standard errors, that run is taken; at most 6,000 rows, evenly spaced, are looked
    at. A metric of the user's own is taken as it is, once over all members.
    """
    if len(oofs) == 1:
        return np.ones(1)
    few = rows[:: -(-len(rows) // _MAX_ROWS)]
    if metric.code:
        return _normal(_by_metric(validation, oofs, metric, few, steps))
    task = _RowLoss.of(validation, oofs, metric, few)
    m = len(oofs)
    plain = task.greedy(np.arange(m), steps)
    if m <= 3:
        return _normal(plain)
    rng = np.random.default_rng(0)
    total: Weights = np.zeros(m)
    for _ in range(_BAGS):
        total += task.greedy(np.sort(rng.choice(m, -(-m // 2), replace=False)), steps)
    bagged = _normal(total)
    return _normal(plain) if task.far_behind(bagged, plain) else bagged


def _normal(weights: Weights) -> Weights:
    weights = weights / weights.sum()
    weights = np.where(weights < _LEAST, 0.0, weights)
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True)
class _RowLoss:
    """What mixtures cost: `cost` of `[..., n]` row by row, and each member's part `[m, n]` of one.

    For classes the part is the share of the true class, for values the value. `weights` sum to 1.
    """

    cost: Callable[[FloatArray], FloatArray]
    parts: FloatArray
    weights: FloatArray

    @classmethod
    def of(
        cls,
        validation: Validation,
        oofs: Sequence[FloatArray],
        metric: Metric,
        rows: npt.NDArray[np.intp],
    ) -> _RowLoss:
        """The loss that stands for a metric."""
        y, _, w = validation.pooled(oofs[0], rows)
        pooled = [validation.pooled(oof, rows)[1] for oof in oofs]
        weights = np.ones(len(y)) / len(y) if w is None else w / w.sum()
        if validation.task != "regression":
            every, truth = np.arange(len(y)), y.astype(int)
            shares = np.stack([p[every, truth] for p in pooled])
            return cls(lambda mix: -np.log(np.maximum(mix, _TINY)), shares, weights)
        values = np.stack([p[:, 0] for p in pooled])
        if metric.name == "rmsle":
            goal = np.log1p(np.maximum(y, 0))
            return cls(lambda mix: (np.log1p(np.maximum(mix, 0)) - goal) ** 2, values, weights)
        if metric.loss == "squared":
            return cls(lambda mix: (mix - y) ** 2, values, weights)
        if metric.name in ("mape", "smape"):
            weights = weights / np.where(y == 0, np.abs(y).mean() or 1.0, np.abs(y))
        up = metric.quantile
        return cls(lambda mix: np.maximum(up * (y - mix), (up - 1) * (y - mix)), values, weights)

    def greedy(self, library: IntArray, steps: int) -> Weights:
        """Weights of one greedy run over some of the members, `[m]`, summing to 1."""
        parts, order, path = self.parts[library], [], []
        total = np.zeros(parts.shape[1])
        for step in range(1, steps + 1):
            losses = self.cost((total + parts) / step) @ self.weights
            order.append(int(np.argmin(losses)))
            path.append(float(losses[order[-1]]))
            total = total + parts[order[-1]]
            if step - int(np.argmin(path)) > _PATIENCE:
                break
        order = order[: _enough(path)]
        return np.bincount(library[order], minlength=len(self.parts)) / len(order)

    def far_behind(self, a: Weights, b: Weights) -> bool:
        """Whether mixture `a` is worse than `b` by far more than these rows' chance explains.

        That is so where a few members are so good that bags without them only dilute the rest.
        """
        gap = self.cost(a @ self.parts) - self.cost(b @ self.parts)
        mean = float(gap @ self.weights / self.weights.sum())
        error = float(gap.std()) / len(gap) ** 0.5
        return bool(mean > _FAR * error)


def _enough(path: Sequence[float]) -> int:
    """The fewest steps that give all but a hundredth of what the best number of steps gains."""
    gain = path[0] - min(path)
    return next(i for i, x in enumerate(path, 1) if x <= min(path) + 0.01 * gain)


def _by_metric(
    validation: Validation,
    oofs: Sequence[FloatArray],
    metric: Metric,
    rows: npt.NDArray[np.intp],
    steps: int,
) -> Weights:
    """One greedy run by the metric itself, its mean over the parts of folds in `rows`."""
    inside = np.zeros(len(validation.y), bool)
    inside[rows] = True
    folds = [(repeat, part[inside[part]]) for repeat, part in validation.folds]
    folds = [(repeat, part) for repeat, part in folds if len(part)]
    stacks = [np.stack([o[repeat][part] for o in oofs]).astype(float) for repeat, part in folds]
    sums: list[FloatArray] = [np.zeros_like(stack[0]) for stack in stacks]
    order: list[int] = []
    path: list[float] = []
    for step in range(1, steps + 1):
        losses = []
        for i in range(len(oofs)):
            found = [
                _score(validation, metric, part, (total + stack[i]) / step)
                for (_, part), total, stack in zip(folds, sums, stacks, strict=True)
            ]
            losses.append(metric.goal.loss(float(np.mean(found))))
        order.append(int(np.argmin(losses)))
        path.append(losses[order[-1]])
        sums = [total + stack[order[-1]] for total, stack in zip(sums, stacks, strict=True)]
        if step - int(np.argmin(path)) > _PATIENCE:
            break
    counts = np.bincount(order[: _enough(path)], minlength=len(oofs)).astype(float)
    return np.asarray(counts / counts.sum())


def blend(
    validation: Validation,
    oofs: Sequence[FloatArray],
    metric: Metric,
    extra: Sequence[Metric] = (),
    constraint: Limit | None = None,
    equalise: Equalise | None = None,
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
    scored = score_oof(validation, out, metric, extra, constraint, equalise=equalise)
    return weights, scored, out


def gain_over_picking(
    validation: Validation, oofs: Sequence[FloatArray], blended: FloatArray, metric: Metric
) -> float:
    """How much less loss a blend has than the best member, both chosen on the same other rows.

    The best of many members owes part of its score to the rows that made it the best; `blended`,
    whose weights come from other blocks, does not. Here, for each block, the member that is best on
    the other blocks stands against the blend. The mean over blocks, in the metric's unit; above 0
    the blend is better.
    """
    gains = []
    for block, rows in validation.split_blocks():
        others = validation.others(block)
        losses = [_pooled_loss(validation, oof, metric, others) for oof in oofs]
        picked = oofs[int(np.argmin(losses))]
        mine = _pooled_loss(validation, blended, metric, rows)
        gains.append(_pooled_loss(validation, picked, metric, rows) - mine)
    return float(np.mean(gains))


def _pooled_loss(
    validation: Validation, oof: FloatArray, metric: Metric, rows: npt.NDArray[np.intp]
) -> float:
    losses = [
        metric.goal.loss(_score(validation, metric, rows[seen], oof[r][rows[seen]].astype(float)))
        for r in range(len(oof))
        if (seen := ~np.isnan(oof[r][rows, 0])).any()
    ]
    return float(np.mean(losses))


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
