"""Who decided what: the rows of a study that are decisions, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from modelwright.core.canonical import canonical, digest
from modelwright.ledger.chain import Row
from modelwright.ledger.message import message_text
from modelwright.ledger.signing import verify_text

# What a message carries beside what its writer signed.
ADDED = ("inbox_id", "posted_at", "signer", "signature", "ignored", "at")


@dataclass(frozen=True)
class Decision:
    """One decision: row `n`, `at` seconds of the run, `who`, `what`, `why`.

    `signed` is the signer's public key where the signature on a person's word holds, the words
    `does not hold` where it does not, and empty where there is none.
    """

    n: int
    at: float
    who: str
    what: str
    why: str = ""
    signed: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The decision as one line."""
        signed = f" (signed by {self.signed[:16]})" if self.signed else ""
        if self.signed == "does not hold":
            signed = " (SIGNATURE DOES NOT HOLD)"
        why = f": {self.why}" if self.why else ""
        told = f"row {self.n}, {self.at:.1f} s: {self.who}{signed} {self.what}{why}"
        # What a stranger's archive says may not steer a terminal.
        return "".join(c if c.isprintable() else " " for c in told)


def decisions(rows: Iterable[Row]) -> list[Decision]:
    """The decisions among a study's rows, in their order: of people, policy, gate and shipping."""
    found, policy = [], ""
    for row in rows:
        if row.kind in ("study", "policy"):
            policy = str(row.body.get("policy", {}).get("name", "unnamed"))
        told = _TOLD.get(row.kind)
        said = None if told is None else told(row.body, policy)
        if said is not None:
            who, what, why = said
            signed = signer_of(row.study, row.body) if row.kind == "message" else ""
            found.append(Decision(row.n, float(row.body.get("at", 0)), who, what, why, signed))
    return found


def signer_of(study: str, body: Mapping[str, Any]) -> str:
    """The public key that signed a person's word, as `Decision.signed` has it."""
    if not body.get("signature"):
        return ""
    plain = {key: value for key, value in body.items() if key not in ADDED}
    text = message_text(study, canonical(plain), float(body.get("posted_at", 0)))
    signer = str(body.get("signer"))
    return signer if verify_text(text, signer, str(body["signature"])) else "does not hold"


Told = tuple[str, str, str] | None


def _study(body: Mapping[str, Any], policy: str) -> Told:
    bound = ", ".join(f"{v} {k}" for k, v in body.get("budget", {}).items() if v is not None)
    rules = digest(body.get("policy", {}))[:16]
    return "whoever started the run", f"chose policy {policy!r} ({rules}), budget {bound}", ""


def _policy(body: Mapping[str, Any], policy: str) -> Told:
    return str(body.get("by") or "a person"), f"set policy {policy!r} ({body['hash'][:16]})", ""


def _ruling(body: Mapping[str, Any], policy: str) -> Told:
    about = f" of candidate {body['candidate']}" if "candidate" in body else ""
    word = {"ask": "asked a person before", "refuse": "refused"}.get(body["word"], body["word"])
    return f"policy {policy!r}", f"{word} {body['action']!r}{about}", str(body.get("reason", ""))


def _request(body: Mapping[str, Any], policy: str) -> Told:
    subject = body.get("subject", {}).get("candidate", "")
    about = f" of candidate {subject}" if subject else ""
    return (
        f"policy {policy!r}",
        f"requested approval of {body.get('action')!r}{about}",
        str(body.get("reason", "")),
    )


def _message(body: Mapping[str, Any], policy: str) -> Told:
    about = body.get("candidate") or body.get("request") or body.get("do") or ""
    ignored = f" (ignored: {body['ignored']})" if "ignored" in body else ""
    what = f"said {body.get('kind')!r} {str(about)[:16]}".rstrip() + ignored
    return str(body.get("by") or "a person"), what, str(body.get("reason", ""))


def _acted(body: Mapping[str, Any], policy: str) -> Told:
    about = str(body.get("request", ""))[:16]
    return "the run", f"acted on request {about}: {body.get('state')}", str(body.get("reason", ""))


def _verdict(body: Mapping[str, Any], policy: str) -> Told:
    if body["word"] not in ("promote", "ask"):
        return None
    doubts = "".join(f"; doubt: {doubt}" for doubt in body.get("doubts", ()))
    return "the gate", f"said {body['word']} of trial {body['trial']}", body["reason"] + doubts


def _look(body: Mapping[str, Any], policy: str) -> Told:
    about = body.get("candidate", "")
    return "the run", f"looked at the sealed part with candidate {about}", body.get("sentence", "")


def _ship(body: Mapping[str, Any], policy: str) -> Told:
    bundle = str(body.get("bundle", ""))[:16]
    return "the run", f"shipped candidate {body['candidate']} (model {bundle})", ""


def _end(body: Mapping[str, Any], policy: str) -> Told:
    return "the run", f"ended, {body['status']}", str(body["reason"])


_TOLD: Mapping[str, Callable[[Mapping[str, Any], str], Told]] = {
    "study": _study, "policy": _policy, "ruling": _ruling, "request": _request, "message": _message,
    "acted": _acted, "verdict": _verdict, "look": _look, "ship": _ship, "end": _end,
}  # fmt: skip
KINDS = tuple(_TOLD)  # of rows that may be decisions
