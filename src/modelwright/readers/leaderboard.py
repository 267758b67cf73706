"""The leaderboard: one plain row per trial, best first."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelwright.core.view import Outcome, View
from modelwright.stats import mean_interval


def leaderboard(view: View) -> list[dict[str, Any]]:
    """Rows best first, failed trials last; see docs/json.md for the fields.

    `low` and `high` bound the mean score over folds (95 %, corrected for shared training rows).
    """
    rows = []
    for rung in range(view.rungs.top, -1, -1):
        rows += [_row(outcome, view) for outcome in view.best(view.n_ranked(rung), rung)]
    rows += [_row(o, view) for o in view.finished if not o.ok and o.trial.role != "refit"]
    for place, row in enumerate(rows, 1):
        row["place"] = place
    return rows


def _row(outcome: Outcome, view: View) -> dict[str, Any]:
    trial, evidence = outcome.trial, outcome.evidence
    goal = view.goals[0].metric
    bounds = fold_bounds(outcome, goal)
    return {
        "place": 0,
        "candidate": trial.candidate.id,
        "trial": trial.number,
        "family": family_of(trial.candidate.document),
        "metric": goal,
        "score": evidence.scores.get(goal),
        "low": None if bounds is None else bounds[0],
        "high": None if bounds is None else bounds[1],
        "within_limits": outcome.ok and outcome.violation == 0,
        "champion": view.champion == trial.number,
        "rung": trial.rung,
        "role": trial.role,
        "by": trial.by,
        "scores": dict(evidence.scores),
        "seconds": evidence.seconds,
        "failure": None if evidence.failure is None else evidence.failure.cause,
        "reason": trial.reason,
        "design": json.loads(trial.candidate.document),
    }


def fold_bounds(outcome: Outcome, metric: str) -> tuple[float, float] | None:
    """The 95 % interval of a score over its folds, or None with fewer than two folds."""
    folds = outcome.evidence.folds.get(metric, ())
    if len(folds) < 2:
        return None
    interval = mean_interval(folds, overlap=1 / max(1, len(folds) - 1))
    return interval.low, interval.high


def family_of(document: str) -> str:
    """The family a design names first (its `type`), or the empty string."""
    return next(_types(json.loads(document)), "")


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str):
            yield value["type"]
        for part in value.values():
            yield from _types(part)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            yield from _types(part)


COLUMNS = (
    "place", "candidate", "trial", "family", "metric", "score", "low", "high", "within_limits",
    "champion", "role", "by", "seconds", "failure", "reason",
)  # fmt: skip


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV text, without the nested fields."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
