"""Amounts in words, and the goals of a run: wanted, measured, met or not or unknown."""

from __future__ import annotations

from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.explain import against, gain_interval
from modelwright.readers.fairness import read_fairness
from modelwright.readers.leaderboard import fold_bounds, trivial_outcome
from modelwright.readers.report import TRIVIAL, limit_rows
from modelwright.readers.runs import RunFolder, settings_of

MET, NOT_MET, UNKNOWN = "met", "not met", "unknown"


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(41.3), duration(300), duration(4800)
    ('41 s', '5 min', '1 h 20 min')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def ago(seconds: float) -> str:
    """How long ago something was.

    >>> ago(3), ago(4000), ago(200000)
    ('just now', '1 h 7 min ago', '2 days ago')
    """
    if seconds < 60:
        return "just now"
    return f"{duration(seconds)} ago" if seconds < 86_400 else f"{seconds / 86_400:.0f} days ago"


def amount(joules: float) -> str:
    """Energy in words.

    >>> amount(3.2), amount(7200), amount(2e6)
    ('3.2 J', '7.2 kJ', '2 MJ')
    """
    for size, unit in ((1e6, "MJ"), (1e3, "kJ")):
        if joules >= size:
            return f"{joules / size:.3g} {unit}"
    return f"{joules:.3g} J"


def goal_rows(run: RunFolder, record: Record) -> list[dict[str, Any]]:
    """A row for the metric against each yardstick, for each limit, and for fairness."""
    view = record.view
    best = None if view.champion is None else view.outcome(view.champion)
    rows = [_against(record, best, trivial_outcome(view), _plain(record))]
    yours = next((o for o in view.finished if o.trial.by == "yours" and o.ok), None)
    if yours is not None:
        rows.append(_against(record, best, yours, "your present model"))
    if best is not None:
        rows += [_limit(row) for row in limit_rows(view, best)]
    else:
        rows += [_row(str(limit), "", "not measured yet", UNKNOWN) for limit in view.limits]
    return [*rows, _fair(run, record)]


def _row(what: str, wanted: str, now: str, state: str, how: str = "") -> dict[str, Any]:
    return {"what": what, "wanted": wanted, "now": now, "state": state, "how": how}


def _plain(record: Record) -> str:
    return TRIVIAL.get(record.settings["problem"]["kind"], "the trivial baseline")


def _against(
    record: Record, best: Outcome | None, base: Outcome | None, name: str
) -> dict[str, Any]:
    view, goal = record.view, record.view.goals[0]
    better = "higher is better" if goal.direction == "maximise" else "lower is better"
    wanted = f"better than {name}"
    if best is None or base is None:
        return _row(f"{goal.metric}, {better}", wanted, "not measured yet", UNKNOWN)
    bounds = fold_bounds(best, goal.metric)
    now = f"{best.evidence.scores[goal.metric]:.4g}"
    now += f" [{bounds[0]:.4g}, {bounds[1]:.4g}]" if bounds else ""
    wanted += f", {base.evidence.scores[goal.metric]:.4g}"
    if best is base:
        return _row(f"{goal.metric}, {better}", wanted, now, NOT_MET)
    gained = gain_interval(view, best, base, max(1, view.looks))
    state = UNKNOWN if gained is None else MET if gained.low > 0 else NOT_MET
    how = against(view, best, base, name, max(1, view.looks))
    return _row(f"{goal.metric}, {better}", wanted, now, state, how)


def _limit(row: dict[str, Any]) -> dict[str, Any]:
    unknown = row["measured"] == "not measured"
    state = UNKNOWN if unknown else MET if row["met"] else NOT_MET
    ruled = f"{row['out']} designs were ruled out untrained" if row["out"] else ""
    how = "; ".join(x for x in (str(row["how"] or ""), ruled) if x)
    return _row(row["limit"], "limit", row["measured"], state, how)


def _fair(run: RunFolder, record: Record) -> dict[str, Any]:
    """Whether it is fair: only where columns are protected, and a limit says how much is enough."""
    named = settings_of(record).get("question", {}).get("protect", ())
    facts = read_fairness(run)
    if not named:
        return _row("fairness", "no column is protected", "not measured", UNKNOWN)
    wanted = f"by {', '.join(named)}"
    if facts is None:
        return _row("fairness", wanted, "not measured yet", UNKNOWN)
    chosen = next((m for m in facts["models"] if m["role"] == "chosen"), None)
    told = facts["lines"][1] if len(facts["lines"]) > 1 else ""
    if not facts["limits"] or chosen is None:
        return _row("fairness", f"{wanted}; no limit says how much", "measured", UNKNOWN, told)
    broken = chosen["broken"]
    now = f"outside of {', '.join(broken)}" if broken else "within its limits"
    return _row("fairness", wanted, now, NOT_MET if broken else MET, told)
