"""The leaderboard: one plain row per trial, best first."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelwright.core.cells import safe_cell
from modelwright.core.view import Outcome, View
from modelwright.stats import mean_interval


def leaderboard(view: View, top: int | None = None) -> list[dict[str, Any]]:
    """Rows best first, failed trials last; see docs/json.md for the fields. `top` cuts the list.

    `low` and `high` bound the mean score over folds (95 %, corrected for shared training rows).
    """
    n_good = sum(view.n_ranked(rung) for rung in range(view.rungs.top + 1))
    every = n_good + view.n_trials
    return leaderboard_page(view, 0, every if top is None else min(top, n_good))[0]


def leaderboard_page(view: View, start: int, n: int) -> tuple[list[dict[str, Any]], int]:
    """`n` rows from place `start` (from 0) on, the failed ones last, and how many there are."""
    listed: list[Outcome] = []
    first, last = start, start + n  # places in what is left
    for rung in range(view.rungs.top, -1, -1):
        listed += view.best(max(0, last), rung)[max(0, first) :]
        first, last = first - view.n_ranked(rung), last - view.n_ranked(rung)
    failed = [o for o in view.finished if o.failed and o.trial.scored]
    listed += failed[max(0, first) : max(0, last)]
    rows = [_row(outcome, view) for outcome in listed]
    for place, row in enumerate(rows, start + 1):
        row["place"] = place
    return rows, start - first + len(failed)


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


def trivial_outcome(view: View) -> Outcome | None:
    """The outcome of the model that looks at no column, once it has one."""
    return next((o for o in view.finished if o.trial.by == "trivial" and o.ok), None)


def ruled_out(view: View) -> Counter[str]:
    """How many designs each limit refused before they were trained."""
    failures = (outcome.evidence.failure for outcome in view.finished)
    return Counter(f.kind for f in failures if f is not None and f.cause == "limit")


def fold_bounds(outcome: Outcome, metric: str) -> tuple[float, float] | None:
    """The 95 % interval of a score over its folds, or None with fewer than two folds.

    It is cut at the ends of the metric's range.
    """
    folds = outcome.evidence.folds.get(metric, ())
    if len(folds) < 2:
        return None
    interval = mean_interval(folds, overlap=outcome.overlap)
    low, high = outcome.evidence.facts.get("range", (None, None))
    return (
        interval.low if low is None else max(low, interval.low),
        interval.high if high is None else min(high, interval.high),
    )


def family_of(document: str) -> str:
    """The family a design names first (its `type`), or the empty string."""
    return next(_types(json.loads(document)), "")


def described(outcome: Outcome) -> str:
    """The family of an outcome in words; of an ensemble its members, the heaviest first."""
    if outcome.trial.by == "yours":
        return "your model"
    if outcome.trial.by == "teacher":
        return "your teacher"
    words = outcome.evidence.facts.get("words")
    if words:
        return str(words)
    family = family_of(outcome.trial.candidate.document) or outcome.trial.role
    if outcome.trial.role == "student":
        document = json.loads(outcome.trial.candidate.document)
        word = "student of trial" if document["teach"] else "control for students of trial"
        return f"{document['design'].get('type', 'network')}, {word} {document['teacher']['trial']}"
    weights: Mapping[str, float] = outcome.evidence.facts.get("weights", {})
    if outcome.trial.role != "blend" or not weights:
        return family
    members = json.loads(outcome.trial.candidate.document)["members"]
    families = {str(m["trial"]): family_of(m["document"]) for m in members}
    heavy = sorted((-weight, families[trial]) for trial, weight in weights.items() if weight > 0)
    told = ", ".join(f"{name} {-weight:.2g}" for weight, name in heavy[:4])
    more = f" and {len(heavy) - 4} more" if len(heavy) > 4 else ""
    return f"ensemble of {told}{more}"


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
    "champion", "role", "by", "seconds", "novelty", "novelty_seen", "failure", "reason",
)  # fmt: skip


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV text, without the nested fields."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: safe_cell(row.get(name)) for name in COLUMNS} for row in rows)
    return out.getvalue()
