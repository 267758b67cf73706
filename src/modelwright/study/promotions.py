"""Between a gate's verdict and a champion: a new best that the policy asks a person about."""

from __future__ import annotations

import time
from dataclasses import replace

from modelwright.core.approvals import Asked
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.trial import Action, Verdict
from modelwright.core.view import Outcome
from modelwright.study.decisions import request_for, trouble_before_acting
from modelwright.study.permits import Note

ACTION = "promote"


def as_ruled(policy: Policy, record: Record, outcome: Outcome, verdict: Verdict) -> Verdict:
    """The gate's verdict, or `ask` or `hold` where the policy is against a new champion.

    Baselines and what a person brought are no matter of it. While one waits, only a better one is
    asked about.
    """
    if verdict.word != "promote" or outcome.trial.role == "rival":
        return verdict
    about = {"candidate": outcome.trial.candidate.id, "trial": outcome.trial.number}
    ruling = policy.rule(Action(ACTION, about), record.seen)
    if ruling.word == "allow":
        return verdict
    if ruling.word == "refuse":
        return replace(verdict, word="hold", reason=f"{verdict.reason}; {ruling.reason}")
    for asked in promotions(record):
        known = record.view.outcome(asked.request.subject["trial"])
        if known is not None and _place(known) <= _place(outcome):
            reason = f"{verdict.reason}; trial {known.trial.number}, as good, waits for a person"
            return replace(verdict, word="hold", reason=reason)
    return replace(verdict, word="ask", reason=f"{verdict.reason}; {ruling.reason}")


def ask_to_promote(record: Record, note: Note, outcome: Outcome, verdict: Verdict) -> None:
    """Asks a person for what `as_ruled` says `ask` of, in the place of what waited before."""
    older = promotions(record)
    trial = outcome.trial
    subject = {
        "candidate": trial.candidate.id, "trial": trial.number, "role": trial.role,
        "document": trial.candidate.document,
    }  # fmt: skip
    request = request_for(record, ACTION, subject, verdict.reason, (), verdict.doubts)
    for asked in older:
        why = f"replaced by request {request.id}"
        note("acted", {"request": asked.request.hash, "state": "void", "reason": why})
    note("request", request.to_json())


def promote_approved(record: Record, note: Note) -> None:
    """Makes the champion what a person approved, where that holds and nothing is better by now."""
    for asked in [a for a in record.approvals if a.state == "approved"]:
        if asked.request.action == ACTION:
            trouble = trouble_before_acting(asked, record) or _outdone(record, asked)
            state, reason = ("void", trouble) if trouble else ("done", "promoted")
            note("acted", {"request": asked.request.hash, "state": state, "reason": reason})


def promotions(record: Record) -> list[Asked]:
    """The promotions that wait for a person: at most one."""
    return [a for a in record.approvals.waiting(time.time()) if a.request.action == ACTION]


def why_waiting(record: Record) -> str:
    """Why a run whose search is over waits for a person before anything ships, or nothing."""
    trials = [str(asked.request.subject["trial"]) for asked in promotions(record)]
    return f"the promotion of trial {trials[0]} waits for a person" if trials else ""


def _outdone(record: Record, asked: Asked) -> str:
    view, number = record.view, asked.request.subject["trial"]
    champion = None if view.champion is None else view.outcome(view.champion)
    challenger = view.outcome(number)
    assert challenger is not None, "what was asked about had been judged"
    if champion is None or _place(challenger) < _place(champion):
        return ""
    return f"trial {champion.trial.number}, the champion, is better by now"


def _place(outcome: Outcome) -> tuple[float, float]:
    return outcome.violation, outcome.loss
