"""What a session may still do: whether the search is over, and whether a message can be obeyed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from modelwright.core.approvals import ABOUT_DESIGNS
from modelwright.core.errors import InputError
from modelwright.core.problem import Budget
from modelwright.core.record import Record
from modelwright.core.view import View
from modelwright.ledger import Message
from modelwright.policy import in_force
from modelwright.policy.terms import Cost
from modelwright.study.decisions import SIGNED, trouble_with_decision
from modelwright.study.oversight import rule_change
from modelwright.study.spending import least_seconds, out_of_time, rule_budget
from modelwright.study.study import Study
from modelwright.study.worth import not_worth

# What people may write to the inbox.
WORDS = ("stop", "pause", "budget", "enqueue", "coach", "policy", *SIGNED)
HOPELESS = 10  # that many first trials, all failed, end the run: something is wrong with the task


def trouble_with(message: Message, study: Study, record: Record) -> str:
    """Why a message cannot be obeyed, or nothing: one bad message must not stop a study."""
    body = message.body
    kind = body.get("kind")
    try:
        if kind == "budget":
            wanted = record.wanted(Budget(**body["add"]))
            ruling = rule_budget(study, in_force(record, study.policy), wanted)
            return "" if ruling.word == "allow" else ruling.reason
        if kind == "enqueue":
            study.space.load(body["document"])
        elif kind in SIGNED:
            if kind == "change":
                study.space.load(body["document"])
            return trouble_with_design(body, record) or trouble_with_decision(message, record)
        elif kind == "policy":
            ruling = rule_change(in_force(record, study.policy), body)
            return ruling.reason if ruling.word == "refuse" else ""
        elif kind == "coach":
            return _trouble_with_order(body, record)
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
        return f"it cannot be read: {error}"
    return "" if kind in WORDS else f"known words are {', '.join(WORDS)}"


def trouble_with_design(body: Mapping[str, Any], record: Record) -> str:
    """Why a word on a design means none of this run, or nothing; a ban may come before a trial."""
    kind = body["kind"]
    if kind in ABOUT_DESIGNS and not isinstance(body["candidate"], str):
        return "a candidate's id is a text"
    if kind in ("pin", "prefer"):
        known = any(t.candidate.id == body["candidate"] for t in record.view.trials.values())
        return "" if known else f"no trial has the candidate {body['candidate']}"
    if kind == "read" and not set(body["promotions"]) <= set(record.unread):
        return f"promotions to be read are {sorted(record.unread)}"
    return ""


def _trouble_with_order(body: Mapping[str, Any], record: Record) -> str:
    """Why an order to a coach cannot be passed on; what it means is for the training to judge."""
    running = [trial.number for trial in record.view.pending]
    if body["do"] == "set" and not (body["what"] and body["value"] is not None):
        return "nothing is said that could be set"
    if not isinstance(body["by"], str):
        return "it does not say who asks"
    if body["trial"] is not None and body["trial"] not in running:
        return f"trial {body['trial']} does not run; {_listed(running)}"
    if body["do"] == "set" and not running:
        return "nothing runs that could be set"
    return ""


def _listed(running: list[int]) -> str:
    return f"{', '.join(map(str, running))} do" if running else "nothing does"


def why_over(study: Study, record: Record, at: float, told: bool, cost: Cost | None = None) -> str:
    """Why no further search trial may start, or the empty string.

    `at` is the study's clock in seconds, read only where the budget is in seconds or joules.
    `told` means that the caller runs the trials and judges failures itself. `cost` has what an hour
    must bring, where a policy says so.
    """
    view, budget = record.view, record.view.budget
    if cost is not None and cost.least_gain_per_hour is not None:
        reason = not_worth(view, cost.least_gain_per_hour)
        if reason:
            return reason
    if budget.trials is not None and view.trials_spent >= budget.trials:
        return f"budget spent: {budget.trials} trials"
    cheapest = min(study.rungs.costs)
    if budget.full_runs is not None and view.full_runs_spent + cheapest > budget.full_runs + 1e-9:
        return f"budget spent: {budget.full_runs:g} full runs"
    if budget.bytes is not None and view.bytes_spent >= budget.bytes:
        return f"budget spent: {budget.bytes / 1e6:g} MB of artefacts"
    if (reason := out_of_time(study, record, at)) != "":
        return reason
    first = record.seen.searched[:HOPELESS]
    if len(first) == HOPELESS and not any(outcome.ok for outcome in first) and not told:
        failure = first[-1].evidence.failure
        return f"the first {HOPELESS} trials all failed: {failure.message if failure else ''}"
    return ""


def affordable(study: Study, view: View, rung: int, deadline: float | None) -> bool:
    """Whether a promotion to that rung fits into what is left of full runs, and of time.

    `deadline` is when running trials are stopped, in `time.monotonic()`.
    """
    bound = view.budget.full_runs
    if bound is not None and view.full_runs_spent + study.rungs.costs[rung] > bound + 1e-9:
        return False
    return deadline is None or time.monotonic() + least_seconds(view, rung) <= deadline
