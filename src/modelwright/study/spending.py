"""What the policy says of a budget, when one in seconds and joules ends, what trials take."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

from modelwright.core.problem import Budget
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.trial import Action, Ruling
from modelwright.core.view import View
from modelwright.study.study import Study

QUICKEST = 50  # of the best trials of a rung, among which the quickest is looked for


def rule_budget(study: Study, policy: Policy, budget: Budget) -> Ruling:
    """The policy's word on a budget as a whole, on this day."""
    about = {unit: bound for unit, bound in asdict(budget).items() if bound is not None}
    about["today"] = date.today().isoformat()
    if "memory_bytes" in study.settings:
        about["memory_bytes"] = study.settings["memory_bytes"]
    return policy.rule(Action("run", about))


def end_of(study: Study, record: Record, at: float) -> float | None:
    """The study's second at which its budget ends; None without a bound in seconds or joules.

    Energy is projected from the second `at`: what runs is taken to draw the power of a busy core,
    or what finished trials drew on the average where that is more, since it was ordered; and every
    other slot from now on. What it really took replaces the guess when it ends. What the caller
    does after the last trial is no trial's energy.
    """
    view, budget = record.view, record.view.budget
    if budget.energy_joules is None:
        return budget.seconds
    spent = view.energy
    known = spent.counted + spent.uncounted_cpu * view.brief.watts
    watts = max(view.brief.watts, known / spent.trial_seconds if spent.trial_seconds else 0.0)
    since = [record.ordered_at[trial.number] for trial in view.pending]
    slots = max(study.slots, len(since))
    busy = sum(since) + (slots - len(since)) * at
    end = ((budget.energy_joules - view.joules_spent) / watts + busy) / slots + study.kept_seconds
    return end if budget.seconds is None else min(end, budget.seconds)


def out_of_time(study: Study, record: Record, at: float) -> str:
    """Why at the study's second `at` there is no time for a further trial, or nothing."""
    end, view = end_of(study, record, at), record.view
    if end is None:
        return ""
    reserve = study.kept_seconds + (study.closing.reserve(view) if study.closing else 0.0)
    spent, left = f"{end:.4g} s", end - reserve - at
    kept = f", {reserve:.1f} s of it kept for the closing steps" if reserve else ""
    if end != view.budget.seconds:
        spent = f"{view.joules_spent:,.0f} J of {view.budget.energy_joules:,.0f} J"
        kept = ", the rest kept for what runs and for the closing steps"
    if left <= 0:
        return f"budget spent: {spent}{kept}"
    if left < least_seconds(view, 0):
        return f"budget spent: {spent}{kept}; {left:.1f} s are too few for a trial"
    joules = view.budget.energy_joules
    if joules is not None and joules - view.joules_spent < _least_joules(view):
        return f"budget spent: {spent}, and the rest is too little for a trial"
    return ""


def _least_joules(view: View) -> float:
    """What the most frugal of the good trials drew."""
    best = [o.evidence for o in view.best(QUICKEST, 0) if o.trial.role == "search"]
    drawn = ((e.cpu_seconds or 0.0) * view.brief.watts if e.joules is None else e.joules
             for e in best)  # fmt: skip
    return min(drawn, default=0.0)


def least_seconds(view: View, rung: int) -> float:
    """What the quickest good trial of a rung took: with less time left none is worth a start."""
    taken = (o.evidence.seconds for o in view.best(QUICKEST, rung) if o.trial.role == "search")
    return min((seconds for seconds in taken if seconds is not None), default=0.0)


def likely_seconds(view: View, rung: int) -> float:
    """What a trial of a rung takes on the average, by those of other rungs and their cost."""
    cost = view.rungs.at(rung)[1]
    found = [
        o.evidence.seconds * cost / o.trial.cost
        for o in view.searched if o.evidence.seconds is not None and o.trial.cost
    ]  # fmt: skip
    return sum(found) / len(found) if found else 0.0
