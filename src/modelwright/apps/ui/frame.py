"""What is on every page of a run: name, tabs, state, what is spent of what, the record's chain."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from modelwright.apps.inspecting import status_of
from modelwright.apps.ui.commands import command, word_command
from modelwright.apps.ui.measures import amount, duration
from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.ledger.chain import Verification
from modelwright.readers.energy import cost_account, cost_words, energy_account, energy_words
from modelwright.readers.runs import RunFolder, settings_of

TABS = ("models", "decisions", "lineage", "fairness", "energy", "data", "audit")
STATES = {
    "new": "being prepared", "running": "running", "paused": "paused", "stopped": "stopped",
    "finished": "finished", "refused": "refused by the policy", "waiting": "waiting for a decision",
    "killed": "interrupted: its process is gone", "unreadable": "cannot be read",
}  # fmt: skip
Shown = dict[str, Any]


def frame(run: RunFolder, record: Record, page: str, checked: Verification | None = None) -> Shown:
    """What every page of a run has: its name, the tabs, and what is always visible."""
    target = str(settings_of(record).get("question", {}).get("target", ""))
    return {
        "run": run.name,
        "target": target or run.name,
        "about": about_words(record),
        "page": page,
        "tabs": TABS,
    } | status(run, record, checked)


def status(run: RunFolder, record: Record, checked: Verification | None = None) -> Shown:
    """`_status.html`: the state in a word, what is spent of what, what waits, the chain."""
    view, state = record.view, status_of(run, record)
    waiting = len(record.approvals.waiting(time.time()))
    word = STATES[state]
    if state == "running" and record.phase == "closing":
        word = "finishing"
    told = {
        "run": run.name,
        "state": state,
        "word": word,
        "reason": record.reason,
        "meters": _meters(record),
        "waiting": waiting,
        "unread": len(record.unread),
        "chain": _chain(checked),
        "rows": view.n_rows,
        "can_stop": state == "running",
        "can_extend": state == "finished",
        "can_resume": state in ("paused", "stopped", "killed", "waiting"),
        "commands": {word: word_command(word, run.name) for word in ("stop", "pause", "resume")}
        | {"extend": command("resume", run.name, "--add-budget", "5m")},
    }
    return {"status": told}


def _meters(record: Record) -> list[Shown]:
    """Time, trials, money and energy: each with words, and a share where there is a limit."""
    view, budget = record.view, record.view.budget
    joules, money = energy_account(record), cost_account(record)
    rows = [_meter("time", view.elapsed, budget.seconds, duration, "")]
    if budget.trials is not None:
        rows.append(_meter("trials", view.trials_spent, budget.trials, "{:.0f}".format, ""))
    else:
        rows.append({"name": "trials", "text": f"{view.done[0]}, {view.done[1]} failed",
                     "share": None, "how": ""})  # fmt: skip
    if money["money"] is None:
        rows.append({"name": "money", "text": "not counted", "share": None,
                     "how": "no price per hour was told"})  # fmt: skip
    else:
        row = _meter("money", money["money"], money["limit_money"], "{:.2g}".format, "")
        rows.append(row | {"text": f"{row['text']} {money['currency']}", "how": cost_words(money)})
    rows.append(_meter("energy", joules["joules"], joules["limit_joules"], amount,
                       energy_words(joules)))  # fmt: skip
    return rows


def _meter(
    name: str, used: float, limit: float | None, words: Callable[[float], str], how: str
) -> Shown:
    share = None if limit is None else min(1.0, used / limit)
    of = "" if limit is None else f" of {words(limit)}"
    return {"name": name, "text": f"{words(used)}{of}", "share": share, "how": how}


def _chain(checked: Verification | None) -> Shown:
    if checked is None:
        return {"state": "unknown", "text": "record: being checked"}
    if checked.ok:
        return {"state": "good", "text": f"record whole up to row {checked.n_rows - 1}"}
    where = "" if checked.first_bad_row is None else f" at row {checked.first_bad_row}"
    return {"state": "bad", "text": f"RECORD BROKEN{where}"}


def champion_of(record: Record) -> Outcome | None:
    """The best so far."""
    number = record.view.champion
    return None if number is None else record.view.outcome(number)


def about_words(record: Record) -> str:
    """Task, file and rows of a run on one line."""
    about: Mapping[str, Any] = settings_of(record)
    name = str(about.get("source", {}).get("name") or "")
    rows = f"{about['n_rows']:,} rows" if "n_rows" in about else ""
    return " · ".join(x for x in (str(about.get("task", "")), name, rows) if x)
