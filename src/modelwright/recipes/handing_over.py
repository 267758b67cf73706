"""What every kind of model goes through when it is handed over: rulings, rows, card, head, seal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError, RefusedError, WaitingError
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.trial import Action
from modelwright.core.version import VERSION
from modelwright.core.view import Outcome
from modelwright.ledger import Ledger, load_or_make_key, sign_head
from modelwright.readers.leaderboard import fold_bounds, trivial_outcome
from modelwright.readers.runs import RunFolder
from modelwright.recipes.closing import winner
from modelwright.recipes.papers import sign_papers, write_papers


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
    """Whether the policy allows it; what it refuses or asks about is a row."""
    about = {"candidate": outcome.trial.candidate.id}
    ruling = policy.rule(Action(action, about), record.view)
    if ruling.word != "allow":
        append(ledger, record, [("ruling", {"action": action, **about, **asdict(ruling)})])
    return ruling.word == "allow"


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
    return bool(ships) and (ships[-1]["candidate"], ships[-1]["rows"]) == told and out.exists()


def check_chosen(policy: Policy, record: Record, outcome: Outcome, out: Path) -> None:
    """Raises what the policy says of shipping a candidate, and InputError when `out` is taken."""
    about = {"candidate": outcome.trial.candidate.id, "by": "person"}
    ruling = policy.rule(Action("ship", about), record.view)
    if ruling.word == "refuse":
        raise RefusedError(f"not shipped: {ruling.reason}.")
    if ruling.word == "ask":
        raise WaitingError(f"not shipped: {ruling.reason}.")
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
        "policy": digest(record.settings["policy"])[:16],
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
    """Signs and seals a draft, notes it, and moves it into its place: no half model is ever seen.

    The bundle's `head.json` is the signed head of the ledger, which proves where the record ended
    when the model was made; the `ship` row after it names the bundle's hash, and `more`.
    """
    from modelwright.models import seal_bundle

    key = load_or_make_key(run.key_path)
    head = sign_head(ledger.head(record.settings["name"]), key).to_json()
    (draft / "head.json").write_text(json.dumps(head, indent=1) + "\n", "utf-8")
    write_papers(run, record, outcome, draft)
    body = {
        "candidate": outcome.trial.candidate.id, "trial": outcome.trial.number, "rows": rows,
        "bundle": seal_bundle(draft), "folder": out.name, **(more or {}),
    }  # fmt: skip
    sign_papers(run, draft, out.name)
    append(ledger, record, [("ship", body)])
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(draft, out)


def append(ledger: Ledger, record: Record, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Appends rows when no loop runs, synced to the disk, under the study's lock."""
    stamped = [(kind, {**body, "at": round(record.view.elapsed, 4)}) for kind, body in rows]
    with ledger.writer(record.settings["name"]) as writer:
        writer.append(stamped, durable=True)
    for kind, body in stamped:
        record.absorb(kind, body)
