"""What is asked of people: making a request, taking a decision, and checking it before acting.

The same checks run when a decision is taken from the inbox and again just before what it approves
is done: between the two a key may be revoked, the policy changed, a file exchanged, time pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from modelwright.core.approvals import ABOUT_DESIGNS, ABOUT_REQUESTS, TALKS, Asked, Request
from modelwright.core.canonical import digest
from modelwright.core.record import Record
from modelwright.ledger import Message
from modelwright.ledger.own_key import own_public_key
from modelwright.policy.roster import Roster

SIGNED = (*ABOUT_REQUESTS, *ABOUT_DESIGNS, "read")  # words that people sign
DAYS = 7.0  # a request lapses after so many, where the policy does not say
MOST_WAITING = 8  # designs that wait for a person at a time: then no further one is proposed

Bytes = Callable[[Request], str]  # why what is there is not what was asked about, or nothing


def request_for(
    record: Record,
    action: str,
    subject: Mapping[str, Any],
    reason: str,
    reasons_for: Sequence[str] = (),
    doubts: Sequence[str] = (),
    cost: str = "",
    owner: str | None = None,
) -> Request:
    """The request to a person for this action; `owner` asks (default: the account's own key)."""
    now, days = time.time(), record.policy.get("expires_days") or DAYS
    return Request(
        record.settings["name"], action, dict(subject), policy_hash(record), reason,
        tuple(reasons_for), tuple(doubts), cost, owner or own_public_key(), round(now, 3),
        round(now + 86_400 * days, 3),
    )  # fmt: skip


def changed_by(record: Record, candidate: str, space: Any) -> str | None:
    """The key of the person who edited a proposal into this design; None where nobody did.

    Designs are compared, not texts: blanks or a default left out make no other design.
    """
    edits = (a.decision for a in record.approvals if a.state == "changed")
    same = (e for e in edits if space.candidate(space.load(e["document"])).id == candidate)
    return next((str(e["signer"]) for e in same), None)


def policy_hash(record: Record) -> str:
    """The hash of the rules that the study goes by now."""
    return digest(record.policy)


def roster_of(record: Record) -> Roster | None:
    """The people of the policy; None where it names nobody, and the account's owner decides."""
    people = record.policy.get("roster")
    return Roster.from_json(people) if people else None


def trouble_with_decision(
    message: Message, record: Record, same_bytes: Bytes | None = None, now: float | None = None
) -> str:
    """Why a person's signed word does not count, or nothing."""
    body, now = message.body, time.time() if now is None else now
    if body["kind"] in ABOUT_REQUESTS:
        asked = record.approvals.get(str(body.get("request")))
        if asked is None:
            return "there is no such request in this run"
        if asked.state != "waiting":
            return f"the request was decided before: {asked.state}"
        owner = asked.request.owner
    else:
        asked, owner = None, own_public_key()
    if asked is not None and not str(body.get("reason", "")).strip():
        return "it gives no reason"
    roster = roster_of(record)
    if roster is not None or asked is not None:
        if not message.signature_holds:
            return "its signature does not hold: forged, or not signed"
        trouble = _who(body["kind"], message.signer, owner, roster, now)
        if trouble:
            return trouble
    return "" if asked is None else _standing(asked, body, record, same_bytes, now)


def trouble_before_acting(
    asked: Asked, record: Record, same_bytes: Bytes | None = None, now: float | None = None
) -> str:
    """Why what was approved may not be done after all, or nothing; all is checked anew."""
    now = time.time() if now is None else now
    taken = asked.decision
    if asked.state != "approved":
        return f"it is {asked.state}, not approved"
    if not _message_of(taken, asked.request.study).signature_holds:
        return "the signature of the approval does not hold"
    roster = roster_of(record)
    trouble = _who("approve", taken["signer"], asked.request.owner, roster, now)
    return trouble or _standing(asked, taken, record, same_bytes, now)


def _message_of(row: Mapping[str, Any], study: str) -> Message:
    """The message that a row was taken from."""
    extra = ("inbox_id", "posted_at", "signer", "signature", "at")
    body = {name: value for name, value in row.items() if name not in extra}
    return Message(
        row["inbox_id"], study, body, row["posted_at"], row.get("signer", ""),
        row.get("signature", ""),
    )  # fmt: skip


def _who(kind: str, signer: str, owner: str, roster: Roster | None, now: float) -> str:
    """Whether this key may say this word. Without a roster only the owner's own key may."""
    if roster is None:
        mine = signer == owner
        return "" if mine else f"the key {signer[:16]} is not that of the run's owner"
    if kind in ("answer", "read", *ABOUT_DESIGNS):
        person = roster.person(signer)
        role = "approver" if person is None else person.roles[0]  # anybody who is still in it
        return roster.trouble_with(signer, role, now)
    if kind != "ask" and signer == owner:
        return "who proposes never approves: this is the key of who asks"
    if kind == "ask" and not roster.trouble_with(signer, "auditor", now):
        return ""
    return roster.trouble_with(signer, "approver", now)


def _standing(
    asked: Asked, body: Mapping[str, Any], record: Record, same_bytes: Bytes | None, now: float
) -> str:
    """Whether the request still stands: the same policy, in time, the same bytes."""
    request = asked.request
    if body.get("policy") != request.policy:
        return "it was signed under another policy than the one that asked"
    if policy_hash(record) != request.policy:
        return "the policy was changed since this was asked: it has to be asked again"
    if now >= request.expires and body["kind"] not in TALKS:
        return f"the request expired {_utc(request.expires)}"
    if body["kind"] == "change" and request.action != "evaluate":
        return "only a design that waits to be tried can be changed"
    last_day = record.policy.get("expires")
    if body["kind"] == "approve" and last_day and date.fromtimestamp(now).isoformat() > last_day:
        return f"the policy expired on {last_day}"
    if same_bytes is not None and body["kind"] == "approve":
        return same_bytes(request)
    return ""


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
