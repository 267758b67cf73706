"""Reasons to doubt a score, computed from rows: few rows, many looks, shift, worst group, seeds."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.leaderboard import fold_bounds

FEW_ROWS = 1000  # below which a sealed part would be too small, and scores are from folds alone
MANY_LOOKS = 20  # comparisons of which one in twenty looks better by luck at 95 %
HARD = 2.0  # times the mean loss in the hardest region
UNSTEADY = 0.5  # of the distance to the trivial baseline, between the best and the worst fold


def reasons_to_doubt(record: Record, outcome: Outcome) -> list[str]:
    """Sentences on one scored outcome, what was not measured in the last."""
    found, unknown = [], []
    for name, told in (
        ("few rows", _few_rows(record)),
        ("many looks", _many_looks(record, outcome)),
        ("shift", _shift(record, outcome)),
        ("worst group", _worst_group(record, outcome)),
        ("unstable seeds", _unsteady(record, outcome)),
    ):
        if told is None:
            unknown.append(name)
        elif told:
            found.append(f"{name}: {told}")
    return [*found, f"not measured: {', '.join(unknown)}"] if unknown else found


def _few_rows(record: Record) -> str | None:
    n = record.settings["problem"]["about"].get("n_dev")
    if n is None:
        return None
    return f"{n} for learning and choosing" if n < FEW_ROWS else ""


def _many_looks(record: Record, outcome: Outcome) -> str:
    verdict = record.view.verdicts.get(outcome.trial.number)
    looks = int(verdict.numbers.get("looks", 0)) if verdict is not None else 0
    looks = max(looks, record.view.looks if record.view.champion == outcome.trial.number else 0)
    if looks <= MANY_LOOKS:
        return ""
    return f"the best of {looks} comparisons; intervals are corrected for that, the score is not"


def _shift(record: Record, outcome: Outcome) -> str | None:
    """Whether the sealed part, whose rows no trial saw, says something else than validation."""
    about = outcome.trial.candidate.id
    look = next((x for x in reversed(record.looks) if x["candidate"] == about), None)
    metric = record.view.goals[0].metric
    bounds = fold_bounds(outcome, metric)
    if look is None or look.get("metric") != metric:
        return None
    score, own = look["score"], look.get("interval")
    low, high = bounds or (outcome.evidence.scores[metric],) * 2
    apart = score < low or score > high if own is None else own[1] < low or own[0] > high
    return f"the sealed part scores {score:.4g}, outside of validation's interval" if apart else ""


def _worst_group(record: Record, outcome: Outcome) -> str | None:
    ratio = outcome.evidence.scores.get("hardest_ratio")
    gaps = [
        x for x in record.view.limits
        if x.metric.endswith("_gap") and x.metric != "invariance_gap"
    ]  # fmt: skip
    for limit in gaps:
        score = outcome.evidence.scores.get(limit.metric)
        if score is not None and limit.violation(
            score, outcome.evidence.noise.get(limit.metric, 0)
        ):
            return f"{limit.metric} {score:.3g} between groups, beyond its limit"
    if ratio is None:
        return "" if gaps else None
    return f"its loss in the hardest region is {ratio:.3g} times the mean" if ratio > HARD else ""


def _unsteady(record: Record, outcome: Outcome) -> str | None:
    """How far folds are apart: each is another seed and other training rows."""
    goal = record.view.goals[0]
    folds = outcome.evidence.folds.get(goal.metric, ())
    if len(folds) < 2:
        return None
    return "; ".join(_spread(record, folds, outcome))


def _spread(record: Record, folds: tuple[float, ...], outcome: Outcome) -> Iterator[str]:
    goal, low, high = record.view.goals[0], min(folds), max(folds)
    base = next((o for o in record.view.finished if o.trial.by == "trivial" and o.ok), None)
    if base is None or base is outcome:
        return
    gained = abs(goal.loss(base.evidence.scores[goal.metric]) - outcome.loss)
    if high - low > UNSTEADY * gained:
        yield f"{len(folds)} fits on other folds score from {low:.4g} to {high:.4g}"
