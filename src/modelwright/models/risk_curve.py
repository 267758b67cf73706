"""What leaving rows to a person brings: errors against the share answered, and the best threshold.

The curve of risk and coverage (El-Yaniv and Wiener 2010, jmlr.org/papers/v11/el-yaniv10a.html) of
out-of-fold predictions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from modelwright.core.problem import Limit
from modelwright.families.base import FloatArray
from modelwright.models.abstention import Abstention
from modelwright.models.conformal import Conformal, Intervals, rounded_up
from modelwright.models.crossfit import Validation, crossed_labels
from modelwright.models.metrics import Metric, score_predictions

_STEPS = 20
_MAX_ROWS = 50_000
_GRID = 200


def choose_abstention(
    validation: Validation,
    oof: FloatArray,
    metric: Metric,
    constraint: Limit | None = None,
    conformal: Conformal | None = None,
    ask: float | None = None,
) -> tuple[Abstention | None, dict[str, Any]]:
    """The rule to ship and the curve as plain facts, from finished predictions out of fold.

    `ask` is what leaving one row to a person costs, in the unit of the metric's costs (an error
    costs 1 where there are none). Values have a rule only where their intervals differ in width;
    else the rule is None and there is no curve. At most 50,000 rows are looked at.
    """
    validation, rows = validation.thinned(_MAX_ROWS)
    oof = oof[:, rows]
    every = np.flatnonzero(validation.blocks >= 0)
    y, out, w = validation.pooled(oof, every)
    weights = np.ones(len(y)) if w is None else w
    if validation.task == "regression":
        if not isinstance(conformal, Intervals) or not conformal.difficulty.at:
            return None, {}
        out, labels = out[:, 0], None
        rule = Abstention("width", difficulty=conformal.difficulty)
        risk = np.abs(y - out)
    else:
        there = ~np.isnan(oof[:, every, 0])
        labels = crossed_labels(validation, oof, metric, constraint)[:, every][there]
        rule = Abstention("cost" if metric.costs else "share", costs=metric.costs)
        risk = (labels != y).astype(float)
        if metric.costs:
            risk = np.array(metric.costs)[y.astype(int), labels]
    doubt = rule.doubt(out)
    order = np.argsort(doubt, kind="stable")
    curve = _curve(metric, y[order], out[order], None if labels is None else labels[order],
                   weights[order], doubt[order], risk[order])  # fmt: skip
    steps = tuple((point["answered"], point["doubt"]) for point in curve)
    what = {"width": "mean absolute error", "cost": "mean cost", "share": "share of errors"}
    facts: dict[str, Any] = {"risk": what[rule.kind], "metric": metric.name, "curve": curve}
    if ask is None or labels is None:
        return Abstention(rule.kind, steps, None, rule.costs, rule.difficulty), facts
    blocks = np.concatenate([validation.blocks[every][seen] for seen in there])
    threshold, told = _threshold(doubt, risk, weights, blocks, ask)
    facts["ask"] = told
    return Abstention(rule.kind, steps, threshold, rule.costs), facts


def _curve(
    metric: Metric, y: Any, out: FloatArray, labels: Any, w: FloatArray, doubt: FloatArray,
    risk: FloatArray,
) -> list[dict[str, Any]]:  # fmt: skip
    """Points from few rows answered to all; rows come in the order of their doubt."""
    total = np.cumsum(w)
    points: list[dict[str, Any]] = []
    for share in np.arange(1, _STEPS + 1) / _STEPS:
        first = int(np.searchsorted(total, share * total[-1] - 1e-9))
        # Rows of equal doubt are answered together or not at all.
        end = int(np.searchsorted(doubt, doubt[first], side="right"))
        if points and end == points[-1]["rows"]:
            continue
        given = labels[:end] if labels is not None and metric.needs == "labels" else None
        score = score_predictions(metric, y[:end], out[:end], w[:end], given)
        points.append({
            "answered": round(float(total[end - 1] / total[-1]), 5),
            "doubt": rounded_up(float(doubt[end - 1])),  # that row is answered
            "risk": float(f"{np.average(risk[:end], weights=w[:end]):.6g}"),
            "score": float(f"{score:.6g}") if math.isfinite(score) else None,
            "rows": end,
        })  # fmt: skip
    return points


def _threshold(
    doubt: FloatArray, risk: FloatArray, w: FloatArray, blocks: FloatArray, ask: float
) -> tuple[float, dict[str, Any]]:
    """The doubt above which asking is cheaper, and what it costs on blocks held out.

    Where shares mean what they say that is the cost of asking itself. The doubt that was cheapest
    on these rows is taken in its place when it is better on blocks held out by more than a standard
    error, so that a threshold is not bent by chance.
    """
    plain = np.where(doubt > ask + 1e-12, ask, risk)
    chosen = np.empty(len(doubt))
    for block in np.unique(blocks):
        inside = blocks == block
        best = _cheapest(doubt[~inside], risk[~inside], w[~inside], ask)
        chosen[inside] = np.where(doubt[inside] > best + 1e-12, ask, risk[inside])
    gain = plain - chosen
    mean = float(np.average(gain, weights=w))
    error = float(np.sqrt(np.average((gain - mean) ** 2, weights=w) / len(gain)))
    bent = mean > error
    threshold = _cheapest(doubt, risk, w, ask) if bent else ask
    kept = chosen if bent else plain
    return threshold, {
        "cost_of_asking": ask,
        "threshold": float(f"{threshold:.6g}"),
        "answered": round(float(np.average(doubt <= threshold + 1e-12, weights=w)), 5),
        "mean_cost": float(f"{np.average(kept, weights=w):.6g}"),
        "mean_cost_answering_all": float(f"{np.average(risk, weights=w):.6g}"),
        "learned": bool(bent),
    }


def _cheapest(doubt: FloatArray, risk: FloatArray, w: FloatArray, ask: float) -> float:
    grid = np.unique(np.quantile(doubt, np.linspace(0, 1, _GRID)))
    grid = np.append(-1.0, grid)  # everything is left
    order = np.argsort(doubt, kind="stable")
    answered = np.append(0.0, np.cumsum(w[order] * (risk[order] - ask)))
    ends = np.searchsorted(doubt[order], grid + 1e-12, side="right")
    return float(grid[int(np.argmin(answered[ends]))])
