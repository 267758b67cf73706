"""A request as people see it: rendered by our code from the bytes that a decision is bound to.

The same text is shown by the command line, by a page, and on another machine from a file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelwright.core.approvals import DECIDES, TALKS, Asked, Request
from modelwright.core.canonical import digest
from modelwright.core.errors import InputError
from modelwright.ledger.message import Message
from modelwright.readers.design_words import design_words

ASKS, ANSWER = "modelwright.request/1", "modelwright.answer/1"
DOES = {
    "run": "start the run", "evaluate": "try a design", "promote": "make it the champion",
    "look": "look at the sealed rows", "ship": "ship a model", "budget": "spend more",
    "policy": "change the policy",
}  # fmt: skip


def request_parts(asked: Asked) -> dict[str, Any]:
    """A request for a person to decide on: what, why, for and against, cost, time, fingerprints."""
    request = asked.request
    return {
        "id": request.id,
        "does": plain(DOES.get(request.action, request.action)),
        "why": plain(request.reason),
        "what": [plain(line) for line in _subject(request)],
        "for": [plain(line) for line in request.reasons_for],
        "doubts": [plain(line) for line in request.doubts],
        "cost": plain(request.cost),
        "talk": [
            {"kind": plain(t["kind"]), "by": plain(t.get("by", "")), "reason": plain(t["reason"])}
            for t in asked.talk
        ],
        "asked": _utc(request.asked_at),
        "until": _utc(request.expires),
        "bound": f"request {request.hash[:16]}, policy {request.policy[:16]}",
    }


def request_lines(asked: Asked) -> list[str]:
    """The same as lines of text."""
    told = request_parts(asked)
    lines = [f"{told['id']}: {told['does']}?", f"  why: {told['why']}"]
    lines += [f"  what: {line}" for line in told["what"]]
    lines += [f"  for: {line}" for line in told["for"]]
    lines += [f"  to doubt: {line}" for line in told["doubts"]]
    if told["cost"]:
        lines.append(f"  cost: {told['cost']}")
    lines += [f"  {t['kind']} ({t['by']}): {t['reason']}" for t in told["talk"]]
    lines.append(f"  asked {told['asked']}, stands until {told['until']}")
    lines.append(f"  bound to: {told['bound']}")
    return lines


def request_json(asked: Asked) -> dict[str, Any]:
    """The same as plain data, with the request itself."""
    return {
        "id": asked.request.id,
        "hash": asked.request.hash,
        "state": asked.state,
        "request": asked.request.to_json(),
        "talk": [dict(talk) for talk in asked.talk],
        "lines": request_lines(asked),
    }


def request_file(asked: Asked, policy: Mapping[str, Any]) -> dict[str, Any]:
    """What a detached file holds: the request, what was said about it, and the policy's rules."""
    talk = [{k: t.get(k, "") for k in ("kind", "by", "reason")} for t in asked.talk]
    return {
        "schema": ASKS, "request": asked.request.to_json(), "talk": talk, "policy": dict(policy),
    }  # fmt: skip


def read_request(path: str | Path) -> Asked:
    """The request in a detached file; its policy is checked against the hash it is bound to."""
    data = _read(path, ASKS)
    try:
        asked = Asked(Request.from_json(data["request"]), talk=list(data["talk"]))
        if digest(data["policy"]) != asked.request.policy:
            raise InputError(f"{str(path)!r}: its policy is not the one that the request names.")
        request_lines(asked)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{str(path)!r} is no whole request: {error}.") from None
    return asked


def answer_request(asked: Asked, kind: str, reason: str, by: str, key: Any) -> dict[str, Any]:
    """A signed decision on a request, as plain data for a file; needs no run and no ledger."""
    if kind not in (*DECIDES, *TALKS) or kind == "change":
        raise InputError("a detached answer is approve, reject, ask or answer.")
    if not reason.strip():
        raise InputError("say why, with --reason: it stays in the record.")
    request, now = asked.request, time.time()
    body = {
        "kind": kind, "reason": reason, "by": by, "request": request.hash, "policy": request.policy
    }  # fmt: skip
    message = Message.signed(request.study, body, now, key)
    return {
        "schema": ANSWER, "study": request.study, "body": body, "posted_at": now,
        "signer": message.signer, "signature": message.signature,
    }  # fmt: skip


def answer_of(path: str | Path) -> dict[str, Any]:
    """The answer in a file. Raises InputError where it is none; whether it counts is not said."""
    data = _read(path, ANSWER)
    kinds = {"study": str, "body": dict, "posted_at": (int, float), "signer": str, "signature": str}
    for name, kind in kinds.items():
        if not isinstance(data.get(name), kind):  # type: ignore[arg-type]
            raise InputError(f"{str(path)!r} is no whole answer: {name} is missing or odd.")
    if not {"kind", "request", "policy"} <= set(data["body"]):
        raise InputError(f"{str(path)!r} is no whole answer: its body says too little.")
    return data


def plain(text: Any) -> str:
    """Text without control characters, so that nothing in it can move a cursor or fake a line.

    >>> plain("ok\\x1b[2J\\nfor: sure")
    'ok [2J for: sure'
    """
    return "".join(c if c.isprintable() else " " for c in str(text))


def _subject(request: Request) -> list[str]:
    subject = request.subject
    lines = []
    if "document" in subject:
        words = design_words(json.loads(subject["document"]))
        lines.append(f"design {request.candidate}, as {subject['role']}: {words}")
    elif request.candidate:
        lines.append(f"candidate {request.candidate}, trial {subject.get('trial')}")
    if request.action == "ship":
        row = subject["row"]
        lines.append(str(subject["described"]))
        lines.append(f"fitted on: {row['rows']}; written to {subject['out']}")
        lines.append(f"all its files, by the hash of their list: {row['bundle']}")
    if request.action == "budget":
        added = ", ".join(f"{v:g} {k}" for k, v in subject["add"].items() if v is not None)
        lines.append(f"on top of the budget: {added}")
    if request.action == "policy":
        lines.append(f"rules {subject['hash']}: {design_words(subject['policy'])}")
    if request.action == "run":
        lines.append(f"study {subject['study'][:16]}, budget {subject['budget']}")
    return lines


def _read(path: str | Path, schema: str) -> dict[str, Any]:
    try:
        data = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise InputError(f"{str(path)!r} is no JSON file.") from None
    if not isinstance(data, dict) or data.get("schema") != schema:
        raise InputError(f"{str(path)!r} is no {schema.split('.')[1].split('/')[0]} of this tool.")
    return data


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
