"""What a session may still do: whether the search is over, and whether a message can be obeyed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from modelwright.core.errors import InputError
from modelwright.core.problem import Budget
from modelwright.core.record import Record
from modelwright.core.trial import Action, Ruling
from modelwright.core.view import View
from modelwright.study.study import Study

WORDS = ("stop", "pause", "budget", "ban", "enqueue", "coach")  # what people may write to the inbox
QUICKEST = 50  # of the best trials of a rung, among which the quickest is looked for
HOPELESS = 10  # that many first trials, all failed, end the run: something is wrong with the task


def rule_budget(study: Study, budget: Budget) -> Ruling:
    """The policy's word on a budget as a whole."""
    about = {unit: bound for unit, bound in asdict(budget).items() if bound is not None}
    return study.policy.rule(Action("run", about))


def trouble_with(body: Mapping[str, Any], study: Study, record: Record) -> str:
    """Why a message cannot be obeyed, or nothing: one bad message must not stop a study."""
    kind = body.get("kind")
    try:
        if kind == "budget":
            add = Budget(**body["add"])
            ruling = rule_budget(study, record.view.extended(add, lift=False))
            return "" if ruling.word == "allow" else ruling.reason
        if kind == "enqueue":
            study.space.load(body["document"])
        elif kind == "ban":
            return "" if isinstance(body["candidate"], str) else "a candidate's id is a text"
        elif kind == "coach":
            return _trouble_with_order(body, record)
    except (InputError, KeyError, TypeError) as error:
        return f"it cannot be read: {error}"
    return "" if kind in WORDS else f"known words are {', '.join(WORDS)}"


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


def why_over(study: Study, record: Record, at: float, told: bool) -> str:
    """Why no further search trial may start, or the empty string.

    `at` is the study's clock in seconds, read only where the budget is in seconds. `told` means
    that the caller runs the trials and judges failures itself.
    """
    view, budget = record.view, record.view.budget
    if budget.trials is not None and view.trials_spent >= budget.trials:
        return f"budget spent: {budget.trials} trials"
    cheapest = min(study.rungs.costs)
    if budget.full_runs is not None and view.full_runs_spent + cheapest > budget.full_runs + 1e-9:
        return f"budget spent: {budget.full_runs:g} full runs"
    if budget.bytes is not None and view.bytes_spent >= budget.bytes:
        return f"budget spent: {budget.bytes / 1e6:g} MB of artefacts"
    if budget.seconds is not None:
        reserve = study.kept_seconds + (study.closing.reserve(view) if study.closing else 0.0)
        kept = f", {reserve:.1f} s of it kept for the closing steps" if reserve else ""
        left = budget.seconds - reserve - at
        if left <= 0:
            return f"budget spent: {budget.seconds:.4g} s{kept}"
        if left < least_seconds(view, 0):
            return (
                f"budget spent: {budget.seconds:.4g} s{kept}; {left:.1f} s are too few for a trial"
            )
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


def least_seconds(view: View, rung: int) -> float:
    """What the quickest good trial of a rung took: with less time left none is worth a start."""
    taken = (o.evidence.seconds for o in view.best(QUICKEST, rung) if o.trial.role == "search")
    return min((seconds for seconds in taken if seconds is not None), default=0.0)
