"""Between a ruling and an order: what is held back, asked about, and goes ahead once approved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.problem import Budget
from modelwright.core.record import Record
from modelwright.core.trial import Candidate, Proposal, Ruling
from modelwright.core.view import View
from modelwright.policy import in_force
from modelwright.study.decisions import changed_by, request_for, trouble_before_acting
from modelwright.study.spending import rule_budget
from modelwright.study.study import Study

Note = Callable[[str, dict[str, Any]], None]  # queues a row and lets the record know it


def granted(record: Record, note: Note, action: str, candidate: str = "") -> bool:
    """Whether a person approved this and the approval still holds; it is used up by asking."""
    asked = record.approvals.approved(action, candidate)
    if asked is None:
        return False
    trouble = trouble_before_acting(asked, record)
    state, reason = ("void", trouble) if trouble else ("done", "went ahead")
    note("acted", {"request": asked.request.hash, "state": state, "reason": reason})
    return not trouble


def held_plan(record: Record, note: Note, ruling: Ruling, budget: str) -> bool:
    """Whether the run as a whole may not begin; rows say why, and a person is asked once."""
    if ruling.word == "allow" or (ruling.word == "ask" and granted(record, note, "run")):
        return False
    note("ruling", {"action": "run", **asdict(ruling)})
    waiting = [asked.request.action for asked in record.approvals.waiting(time.time())]
    if ruling.word == "ask" and "run" not in waiting:
        subject = {"study": digest(record.settings), "budget": budget}
        request = request_for(record, "run", subject, ruling.reason, cost=f"at most {budget}")
        note("request", request.to_json())
    return True


def ask_for_budget(record: Record, note: Note, study: Study, add: Any) -> None:
    """Asks a person for more budget where the policy asks about it; once for the same."""
    try:
        more = Budget(**add)
        ruling = rule_budget(study, in_force(record, study.policy), record.wanted(more))
    except (TypeError, InputError):
        return  # it made no sense, which its row says
    subject = {"add": asdict(more)}
    waiting = (a.request.subject for a in record.approvals.waiting(time.time()))
    if ruling.word == "ask" and subject not in waiting:
        request = request_for(record, "budget", subject, ruling.reason, cost=str(more))
        note("request", request.to_json())


def held(
    record: Record, note: Note, action: str, proposal: Proposal, ruling: Ruling, space: Any
) -> bool:
    """Whether a step may not be taken; rows say why, and a person is asked where that is due."""
    candidate = proposal.candidate
    if ruling.word == "allow":
        return False
    if ruling.word == "ask" and granted(record, note, action, candidate.id):
        return False
    if candidate.id in record.view.refused:
        return True
    about = {"candidate": candidate.id, "role": proposal.role}
    note("ruling", {"action": action, **about, **asdict(ruling)})
    if ruling.word == "ask":
        subject = {**about, "document": candidate.document, "rung": proposal.rung}
        cost = f"{record.view.rungs.at(proposal.rung)[1]:g} full runs"
        owner = changed_by(record, candidate.id, space) if action == "evaluate" else None
        request = request_for(
            record, action, subject, ruling.reason, (proposal.reason,), cost=cost, owner=owner
        )
        note("request", request.to_json())
    return True


def beside_preferred(seen: View, space: Any, key: Key) -> Proposal | None:
    """A design beside one that a person prefers, while some are due. Random: the change."""
    for parent in [name for name, left in seen.preferred.items() if left > 0]:
        known = (t.candidate for t in seen.trials.values() if t.candidate.id == parent)
        found = next(known, None)
        if found is not None:
            candidate = space.candidate(space.mutate(space.load(found.document), key), (parent,))
            return Proposal(candidate, f"beside {parent}, which a person prefers", by="preferred")
    return None


def next_rival(study: Study, seen: View) -> Proposal | None:
    """The first baseline, or model of the person's, that was not measured yet."""
    top = study.rungs.top
    for i, rival in enumerate(study.rivals):
        if seen.tried(rival.id, top) is None and rival.id not in seen.refused:
            name = study.rival_names[i] if study.rival_names else "baseline"
            return Proposal(rival, f"{name}: what every candidate has to beat", top, "rival", name)
    return None


def next_in_line(record: Record, note: Note, space: Any) -> Candidate | None:
    """The first design in line that can be tried; those that cannot are dropped, with a row."""
    seen = record.seen
    while record.enqueued:
        document = record.enqueued[0]
        candidate: Candidate = space.candidate(space.load(document))
        tried = seen.tried(candidate.id)
        if tried is None and candidate.id not in seen.banned | seen.refused:
            return candidate
        why = "banned or refused" if tried is None else f"tried as trial {tried}"
        note("dropped", {"document": document, "reason": why})
    return None


def n_waiting(record: Record) -> int:
    """How many designs wait for a person."""
    return sum(a.request.action == "evaluate" for a in record.approvals.waiting(time.time()))


def why_nothing_left(record: Record, tries: int) -> str:
    """Why the designer has no proposal that may be tried; `tries` were tried or refused, if any."""
    if n := n_waiting(record):
        return f"{n} decisions wait, and nothing else is left to do"
    refused = next((r["reason"] for r in reversed(record.rulings)), "")
    if refused and not record.view.trials_spent:
        return str(refused)
    if tries:
        return f"the designer proposed {tries} times in a row what was tried or refused"
    return "nothing left to try: every design of the space was tried"
