"""What people write to a running study: taken as rows, obeyed, or refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.record import CANDIDATE_ACTIONS, Record
from modelwright.ledger.message import Message
from modelwright.study.bounds import trouble_with
from modelwright.study.oversight import change_policy
from modelwright.study.permits import ask_for_budget

if TYPE_CHECKING:
    from modelwright.study.session import Session


def obey(session: Session, message: Message, stale: bool) -> None:
    """Writes the message's row and does what it says; one that makes no sense is ignored.

    A `stale` one was posted before this session: its stop or pause meant another.
    """
    kind = message.body.get("kind")
    trouble = trouble_with(message, session.study, session.record)
    if stale and kind in ("stop", "pause"):
        trouble = "it was posted before this session began"
    if trouble:
        session.note(*message.entry(ignored=trouble))
        if kind == "budget":
            ask_for_budget(session.record, session.note, session.study, message.body.get("add"))
        return
    session.note(*message.entry())
    session.stuck = False
    if kind == "stop":
        session.end("stopped by the user", "stopped")
    elif kind == "pause":
        session.end("paused by the user", "paused")
    elif kind == "policy":
        change_policy(session.policy, session.record, session.note, message.body)


def gives_work(record: Record, rows: Sequence[tuple[str, dict[str, Any]]]) -> bool:
    """Whether new `rows`, or what was approved meanwhile, give a finished study work."""
    approved = any(
        asked.request.action in CANDIDATE_ACTIONS and asked.state == "approved"
        for asked in record.approvals
    )
    told = any(kind == "message" and "ignored" not in body for kind, body in rows)
    extended = any(kind == "acted" and body["state"] == "done" for kind, body in rows)
    return told or approved or extended
