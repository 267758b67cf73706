"""From shares to answers: a threshold chosen for a metric, for costs, or under a constraint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.problem import Limit
from modelwright.families.base import FloatArray
from modelwright.models.group_thresholds import GroupThresholds
from modelwright.models.metrics import Metric, score_predictions

Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class Decision:
    """How shares `[n, k]` become class numbers `[n]`.

    With two classes the second is answered from `threshold` on. With `costs`
    `[true class][answer]` and more classes, the answer of least expected cost. Else the likeliest.
    `groups` gives groups of people a threshold of their own where it is told who is in which.

    >>> Decision(0.3).labels(np.array([[0.6, 0.4], [0.8, 0.2]])).tolist()
    [1, 0]
    """

    threshold: float | None = None
    costs: tuple[tuple[float, ...], ...] = ()
    groups: GroupThresholds | None = None

    def labels(self, shares: FloatArray, cells: Labels | None = None) -> Labels:
        """The class answered for each row; `cells` `[n]` are the numbers of their joint groups."""
        if self.groups is not None and cells is not None:
            return (shares[:, 1] >= self.groups.of(cells)).astype(np.int64)
        if shares.shape[1] == 2 and self.threshold is not None:
            return (shares[:, 1] >= self.threshold).astype(np.int64)
        if self.costs:
            return np.asarray((shares @ np.array(self.costs)).argmin(axis=1))
        return np.asarray(shares.argmax(axis=1))

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        own = {} if self.groups is None else {"groups": self.groups.to_json()}
        return {"threshold": self.threshold, "costs": [list(row) for row in self.costs], **own}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Decision:
        """The decision that `to_json` wrote."""
        groups = GroupThresholds.from_json(data.get("groups"))
        return cls(data["threshold"], tuple(tuple(row) for row in data["costs"]), groups)


@dataclass(frozen=True)
class Counts:
    """Weights of true and false answers, `[m]`: one entry per threshold."""

    tp: FloatArray
    fp: FloatArray
    fn: FloatArray
    tn: FloatArray

    def score(
        self, name: str, costs: tuple[tuple[float, ...], ...] = (), level: float = 1.0
    ) -> FloatArray:
        """The metric of that name at each threshold; `level` is the beta of `f_beta`."""
        tp, fp, fn, tn = self.tp, self.fp, self.fn, self.tn
        total = tp + fp + fn + tn
        found, left = _over(tp, tp + fn), _over(tn, tn + fp)
        if name == "costs":
            (a, b), (c, d) = costs
            return np.asarray((a * tn + b * fp + c * fn + d * tp) / total)
        if name == "mcc":
            under = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
            return _over(tp * tn - fp * fn, np.sqrt(np.maximum(under, 0)))
        if name in ("kappa", "qwk"):  # with two classes they are one
            chance = ((tp + fn) * (tp + fp) + (tn + fp) * (tn + fn)) / total**2
            return _over((tp + tn) / total - chance, 1 - chance)
        if name == "f_beta":
            return _over((1 + level**2) * tp, (1 + level**2) * tp + level**2 * fn + fp)
        f1 = _over(2 * tp, 2 * tp + fp + fn)
        known: Mapping[str, FloatArray] = {
            "accuracy": (tp + tn) / total,
            "balanced_accuracy": (found + left) / 2,
            "f1": f1,
            "macro_f1": (f1 + _over(2 * tn, 2 * tn + fp + fn)) / 2,
            "precision": _over(tp, tp + fp),
            "sensitivity": found,
            "specificity": left,
        }
        return known[name]


COUNTED = ("accuracy", "balanced_accuracy", "f1", "macro_f1", "mcc", "precision", "sensitivity",
           "specificity", "kappa", "qwk", "costs")  # fmt: skip


def parse_constraint(text: str) -> Limit:
    """A bound on a metric that a threshold decides, such as `sensitivity>=0.95`.

    Raises InputError for another metric.
    """
    limit = Limit.parse(text)
    if limit.metric not in COUNTED[:-1]:
        raise InputError(
            f"a constraint bounds {', '.join(COUNTED[:-1])}; got {text!r}."
            f"{did_you_mean(limit.metric, COUNTED[:-1])}"
        )
    return limit


def choose_decision(
    metric: Metric,
    y: Labels,
    shares: FloatArray,
    weights: FloatArray | None = None,
    constraint: Limit | None = None,
) -> Decision:
    """The decision that is best on these rows.

    Two classes: the threshold with the best score among those that keep the constraint (when none
    does, the one nearest to keeping it); for metrics that no threshold is tuned for, one half, or
    under a constraint the threshold with the best balanced accuracy. Of equally good ones that
    nearest one half. More classes: by costs where there are any; for metrics that answers are tuned
    for, the best of a few ways to weigh the classes; else the likeliest class.
    """
    if shares.shape[1] != 2:
        return _weighed(metric, y, shares, weights)
    if not metric.tuned and constraint is None:
        return Decision(0.5)
    thresholds, counts = _counts(y, shares[:, 1], weights)
    plain = metric.name.partition("@")[0]
    counted = metric.tuned and plain in (*COUNTED, "f_beta")
    name = plain if counted else "balanced_accuracy"
    score = counts.score(name, metric.costs, metric.level)
    score = score if metric.direction == "maximise" or name == "balanced_accuracy" else -score
    if constraint is not None:
        bounded = counts.score(constraint.metric)
        over = constraint.value - bounded if constraint.op == ">=" else bounded - constraint.value
        outside = np.maximum(over, 0)
        score = np.where(outside <= outside.min() + 1e-12, score, -np.inf)
    best = np.flatnonzero(score >= score.max() - 1e-12)
    return Decision(float(thresholds[best[np.argmin(np.abs(thresholds[best] - 0.5))]]))


def decision_interval(
    metric: Metric,
    y: Labels,
    shares: FloatArray,
    weights: FloatArray | None = None,
    constraint: Limit | None = None,
    *,
    seed: int = 0,
    rounds: int | None = None,
) -> tuple[float, float]:
    """The 95 % interval of the threshold for two classes: it is chosen again on rows drawn anew.

    Bootstrap (Efron 1979) with `rounds` draws (100, of many rows 40) from `seed`. Where the
    interval is wide, the score hardly depends on the threshold, or there are few rows.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(rounds or (100 if len(y) <= 10_000 else 40)):
        rows = rng.integers(0, len(y), len(y))
        w = None if weights is None else weights[rows]
        chosen = choose_decision(metric, y[rows], shares[rows], w, constraint)
        found.append(0.5 if chosen.threshold is None else chosen.threshold)
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def _weighed(metric: Metric, y: Labels, shares: FloatArray, weights: FloatArray | None) -> Decision:
    """The best decision among several classes, of those that costs can express.

    Balanced accuracy is highest when each share is divided by how often its class occurs; F1 and
    the correlations want something between that and the likeliest class. Quadratic kappa wants
    answers near the middle of what is likely.
    """
    if metric.costs or not metric.tuned:
        return Decision(None, metric.costs)
    k = shares.shape[1]
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    often = np.maximum(np.bincount(y.astype(int), w, minlength=k) / w.sum(), 1e-9)
    tables = [(1 - np.eye(k)) / often[:, None] ** power for power in (0.25, 0.5, 0.75, 1.0)]
    if metric.name == "qwk":
        place = np.arange(k)
        tables = [((place[:, None] - place[None, :]) / (k - 1.0)) ** 2]
    best = Decision(None)
    top = score_predictions(metric, y, shares, weights, best.labels(shares))
    for table in tables:
        rows = tuple(tuple(float(f"{x:.6g}") for x in row) for row in table)
        trial = Decision(None, rows)
        score = score_predictions(metric, y, shares, weights, trial.labels(shares))
        if metric.better(score, top):
            best, top = trial, score
    return best


def _counts(y: Labels, p: FloatArray, weights: FloatArray | None) -> tuple[FloatArray, Counts]:
    """Every threshold that tells the rows apart differently, and what it counts."""
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    order = np.argsort(-p, kind="stable")
    p, positive, w = p[order], y[order] == 1, w[order]
    ends = np.append(np.flatnonzero(np.diff(p) < 0), len(p) - 1)
    tp = np.append(0.0, np.cumsum(w * positive)[ends])
    fp = np.append(0.0, np.cumsum(w * ~positive)[ends])
    edges = p[ends]
    between = np.append((edges[:-1] + edges[1:]) / 2, 0.0)
    thresholds = np.append((edges[0] + 1) / 2 + 1e-9, between)
    return thresholds, Counts(tp, fp, tp[-1] - tp, fp[-1] - fp)


def _over(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.divide(a, b, out=np.zeros_like(a), where=b > 0))
