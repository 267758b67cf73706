"""What the rules in force say of a running study: their change, what a step tells, who reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.trial import Action, Proposal, Ruling
from modelwright.policy import RulePolicy
from modelwright.study.decisions import request_for, trouble_before_acting
from modelwright.study.permits import Note
from modelwright.study.spending import likely_seconds
from modelwright.study.study import Study


def step_facts(study: Study, policy: Policy, record: Record, proposal: Proposal) -> dict[str, Any]:
    """What the policy is told of a step before it is ordered.

    What it would take is only computed where the policy asks by it: by the trials of its rung, and
    of a closing step by what all of them together are expected to take.
    """
    view = record.seen
    about = {
        "candidate": proposal.candidate.id, "role": proposal.role,
        "document": proposal.candidate.document,
        "generation": max(
            (view.generations.get(parent, 0) + 1 for parent in proposal.candidate.parents),
            default=0,
        ),
    }  # fmt: skip
    if "step_seconds" in getattr(policy, "ask_above", {}):
        closing = study.closing if record.phase == "closing" else None
        likely = likely_seconds(view, proposal.rung) if closing is None else closing.reserve(view)
        about["step_seconds"] = likely
    return about


def why_paused(policy: Policy, record: Record) -> str:
    """Why the run waits for somebody to read, or nothing."""
    cap, n = getattr(policy, "max_unread", None), len(record.unread)
    if cap is None or n < cap:
        return ""
    return f"{n} decisions nobody has read: pausing ('modelwright policy unread' shows them)"


def rule_change(policy: Policy, body: Mapping[str, Any]) -> Ruling:
    """The old policy's word on a new one. Where it names people, one of them has to agree."""
    new = RulePolicy.from_json(body["policy"])
    today = date.today().isoformat()
    if new.expires is not None and new.expires < today:
        return Ruling("refuse", f"policy {new.name!r} expired on {new.expires}")
    ruling = policy.rule(Action("policy", {"hash": new.hash, "today": today}))
    if ruling.word == "allow" and getattr(policy, "roster", None):
        people = policy.roster.people  # type: ignore[attr-defined]
        return Ruling("ask", "one of its people has to agree") if people else ruling
    return ruling


def change_policy(policy: Policy, record: Record, note: Note, body: Mapping[str, Any]) -> None:
    """Sets the policy of a message, or asks a person whether to; what was asked about is a row."""
    ruling = rule_change(policy, body)
    new = RulePolicy.from_json(body["policy"])
    if ruling.word == "allow":
        note("policy", {"policy": new.to_json(), "hash": new.hash, "by": str(body.get("by", ""))})
        return
    note("ruling", {"action": "policy", **asdict(ruling)})
    subject = {"policy": new.to_json(), "hash": new.hash}
    reason = f"{ruling.reason}: {new.name!r} instead of {record.policy.get('name', '')!r}"
    note("request", request_for(record, "policy", subject, reason).to_json())


def set_approved(record: Record, note: Note) -> None:
    """Sets a policy that a person approved, once, where the approval still holds."""
    while (asked := record.approvals.approved("policy")) is not None:
        trouble = trouble_before_acting(asked, record)
        state, reason = ("void", trouble) if trouble else ("done", "set")
        note("acted", {"request": asked.request.hash, "state": state, "reason": reason})
        if not trouble:
            told = {
                "policy": asked.request.subject["policy"],
                "hash": asked.request.subject["hash"],
            }
            note("policy", {**told, "by": f"request {asked.request.id}"})
