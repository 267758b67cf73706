"""What every kind of model goes through when it is handed over: rulings, rows, card, head, seal."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from modelwright.core.canonical import digest, digest_file
from modelwright.core.errors import InputError, RefusedError
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.trial import Ruling
from modelwright.core.version import VERSION
from modelwright.core.view import Outcome
from modelwright.ledger import Ledger, load_or_make_key, sign_head
from modelwright.policy import rule_on
from modelwright.readers.leaderboard import fold_bounds, trivial_outcome
from modelwright.readers.runs import RunFolder
from modelwright.recipes.closing import banned, winner
from modelwright.recipes.papers import write_papers
from modelwright.recipes.placing import append, place, reasons_on, set_aside
from modelwright.recipes.recalling import check_recalls
from modelwright.study.decisions import request_for
from modelwright.study.permits import granted

ONNX = "model.onnx"


def to_ship(record: Record) -> Outcome | None:
    """The winner, where it is within the limits and the run ended in a way that ships one."""
    best = winner(record.view)
    if best is None or best.violation > 0 or record.status in ("refused", "waiting", "paused"):
        return None
    return best


def allowed(
    action: Literal["ship", "look"],
    record: Record,
    ledger: Ledger,
    policy: Policy,
    outcome: Outcome,
) -> bool:
    """Whether the policy allows it; what it refuses or asks about is a row.

    A model that is asked about is written all the same, and set aside by `hand_over`: a person
    approves bytes. A look that is asked about waits for the next time, when it may be approved.
    """
    about = {"candidate": outcome.trial.candidate.id}
    ruling = rule_on(record, policy, action, about)
    if ruling.word != last_ruling(record, action, outcome).word:
        append(ledger, record, [("ruling", {"action": action, **about, **asdict(ruling)})])
    if action == "look" and ruling.word == "ask":
        return _may_look(record, ledger, outcome, ruling.reason)
    return ruling.word != "refuse"


def last_ruling(record: Record, action: str, outcome: Outcome) -> Ruling:
    """The policy's last word in the rows on this; nothing there means that it was allowed."""
    for row in reversed(record.rulings):
        if (row["action"], row.get("candidate")) == (action, outcome.trial.candidate.id):
            return Ruling(row["word"], row["reason"])
    return Ruling("allow", "")


def _may_look(record: Record, ledger: Ledger, outcome: Outcome, reason: str) -> bool:
    """Whether a person approved this look; asks for it where nobody was asked."""
    candidate, rows = outcome.trial.candidate.id, list[tuple[str, dict[str, Any]]]()
    may = granted(record, lambda kind, body: rows.append((kind, body)), "look", candidate)
    waiting = [a.request for a in record.approvals.waiting(time.time())]
    if not may and all((r.action, r.candidate) != ("look", candidate) for r in waiting):
        subject = {
            "candidate": candidate,
            "trial": outcome.trial.number,
            "looks": len(record.looks),
        }
        told = reasons_on(record, outcome)
        rows.append(("request", request_for(record, "look", subject, reason, *told).to_json()))
    append(ledger, record, rows)
    return may


def looked_at(record: Record, outcome: Outcome) -> bool:
    """Whether the sealed part was looked at with this candidate: once is enough."""
    return any(look["candidate"] == outcome.trial.candidate.id for look in record.looks)


def note_look(record: Record, ledger: Ledger, outcome: Outcome, facts: Mapping[str, Any]) -> None:
    """Appends the row of a look at the sealed part."""
    about = {"candidate": outcome.trial.candidate.id, "number": len(record.looks) + 1}
    append(ledger, record, [("look", {**about, **facts})])


def shipped_before(record: Record, outcome: Outcome, rows: str, out: Path) -> bool:
    """Whether `out` holds this candidate already, fitted on the same rows, as the last there."""
    ships = [row for row in record.ships if row.get("folder") == out.name]
    told = (outcome.trial.candidate.id, rows)
    if record.approvals.approved("look", outcome.trial.candidate.id) is not None:
        return False  # a person allowed the look that its card still lacks
    return bool(ships) and (ships[-1]["candidate"], ships[-1]["rows"]) == told and out.exists()


def check_chosen(
    policy: Policy, record: Record, ledger: Ledger, outcome: Outcome, out: Path
) -> None:
    """Raises RefusedError where the policy, or a ban, refuses it; InputError when `out` is taken.

    What it asks about is a row, and waits once it is written.
    """
    if banned(record.view, outcome):
        raise RefusedError("not shipped: it is banned, or made of what is; 'pin' takes that back.")
    about = {"candidate": outcome.trial.candidate.id, "by": "person"}
    ruling = rule_on(record, policy, "ship", about)
    if ruling.word == "refuse":
        raise RefusedError(f"not shipped: {ruling.reason}.")
    if ruling.word != last_ruling(record, "ship", outcome).word:
        append(ledger, record, [("ruling", {"action": "ship", **about, **asdict(ruling)})])
    if out.exists() and any(out.iterdir()):
        raise InputError(f"the folder {str(out)!r} is not empty; name another with --out.")


def card_basics(record: Record, outcome: Outcome, measured: Sequence[str]) -> dict[str, Any]:
    """What the card of any model says; `measured` names scores of the evidence."""
    view, about = record.view, record.settings["problem"]["about"]
    goal, scores, candidate = view.goals[0], outcome.evidence.scores, outcome.trial.candidate
    bounds, base = fold_bounds(outcome, goal.metric), trivial_outcome(view)
    look = next((x for x in reversed(record.looks) if x["candidate"] == candidate.id), None)
    return {
        "made_by": f"modelwright {VERSION}",
        "run": record.settings["name"],
        "question": about["question"],
        "data": about["source"],
        "candidate": candidate.id,
        "design": json.loads(candidate.document),
        "reason": outcome.trial.reason,
        "metric": goal.metric,
        "score": scores[goal.metric],
        "interval": None if bounds is None else list(bounds),
        "sealed": "not measured" if look is None else look["sentence"],
        "trivial_baseline": None if base is None else base.evidence.scores[goal.metric],
        "measured": {name: scores[name] for name in measured if name in scores},
        "policy": digest(record.policy)[:16],
        "seed": record.settings["problem"]["seed"],
    }


def hand_over(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    outcome: Outcome,
    draft: Path,
    out: Path,
    rows: str,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Seals a draft, notes it, and moves it into its place: no half model is ever seen.

    The bundle's `head.json` is the signed head of the ledger, which proves where the record ended
    when the model was made; the `ship` row after it names the bundle's hash, and `more`.
    Raises WaitingError where the policy asked: the draft is set aside until a person approves it;
    RefusedError where the run, its data, the candidate or what it learnt from was recalled.
    """
    from modelwright.models import seal_bundle

    check_recalls(run, record, ledger, outcome)
    key = load_or_make_key(run.key_path)
    head = sign_head(ledger.head(record.settings["name"]), key).to_json()
    (draft / "head.json").write_text(json.dumps(head, indent=1) + "\n", "utf-8")
    write_papers(run, record, outcome, draft)
    body = {
        "candidate": outcome.trial.candidate.id, "trial": outcome.trial.number, "rows": rows,
        "bundle": seal_bundle(draft), "folder": out.name, **(more or {}),
    }  # fmt: skip
    if (draft / ONNX).exists():  # by it a teacher of another run is known to be this model
        body["onnx"] = digest_file(draft / ONNX)
    ruling = last_ruling(record, "ship", outcome)
    if ruling.word == "ask":
        raise set_aside(run, record, ledger, outcome, draft, out, body, ruling.reason)
    append(ledger, record, [("ship", body)])
    place(run, draft, out)
