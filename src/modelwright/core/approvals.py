"""What was asked of people, and what they decided: requests, folded from rows and messages.

A request is a row: what would be done, byte for byte, why, for how much, until when. A decision is
a message that names the request's hash and the policy's. What was decided is done once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from modelwright.core.canonical import digest

# waiting: for a person. approved: to be done. done: was done. rejected, changed: by a person.
# void: approved, and then not done, since a check just before failed, or a newer one replaced it.
State = Literal["waiting", "approved", "done", "rejected", "changed", "void"]
DECIDES: Mapping[str, State] = {"approve": "approved", "reject": "rejected", "change": "changed"}
TALKS = ("ask", "answer")
ABOUT_REQUESTS = (*DECIDES, *TALKS)
ABOUT_DESIGNS = ("pin", "ban", "prefer")
NEIGHBOURS = 4  # designs tried around one that a person prefers


@dataclass(frozen=True)
class Request:
    """One question to a person: may this be done?

    `subject` is plain data that fixes what will run or ship (files by their hash). `policy` is the
    hash of the rules that asked. `owner` is the public key of who asks. `asked_at` and `expires`
    are in seconds since 1970.
    """

    study: str
    action: str
    subject: Mapping[str, Any]
    policy: str
    reason: str
    reasons_for: tuple[str, ...]
    doubts: tuple[str, ...]
    cost: str
    owner: str
    asked_at: float
    expires: float

    @cached_property
    def hash(self) -> str:
        """What a decision is bound to: SHA-256 of all that was asked."""
        return digest(self.to_json())

    @property
    def id(self) -> str:
        """The beginning of the hash, 12 characters: what people type."""
        return self.hash[:12]

    @property
    def candidate(self) -> str:
        """The candidate it is about, or the empty string."""
        return str(self.subject.get("candidate", ""))

    def to_json(self) -> dict[str, Any]:
        """Plain data: the body of the `request` row, without its time."""
        lists = {"reasons_for": list(self.reasons_for), "doubts": list(self.doubts)}
        return asdict(self) | {"subject": dict(self.subject)} | lists

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        """The request that `to_json` wrote; unknown keys are ignored."""
        plain: dict[str, Any] = {name: data[name] for name in cls.__dataclass_fields__}
        for name in ("reasons_for", "doubts"):
            plain[name] = tuple(plain[name])
        return cls(**plain)


@dataclass
class Asked:
    """A request and what came of it; `talk` holds questions back and their answers."""

    request: Request
    state: State = "waiting"
    decision: Mapping[str, Any] = field(default_factory=dict)
    talk: list[Mapping[str, Any]] = field(default_factory=list)
    why: str = ""

    def pending(self, now: float) -> bool:
        """Whether a person's word on it would still count."""
        return self.state == "waiting" and now < self.request.expires


class Approvals:
    """The requests of a study by hash, oldest first. Only `Record` feeds it."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}

    def __iter__(self) -> Iterator[Asked]:
        return iter(self._asked.values())

    def __getitem__(self, hash: str) -> Asked:
        return self._asked[hash]

    def get(self, hash: str) -> Asked | None:
        """The request of that hash."""
        return self._asked.get(hash)

    def waiting(self, now: float) -> list[Asked]:
        """Those that a person can still decide."""
        return [asked for asked in self if asked.pending(now)]

    def approved(self, action: str, candidate: str = "") -> Asked | None:
        """The approved request for this, not acted on yet."""
        for asked in self:
            request = asked.request
            if asked.state == "approved" and (request.action, request.candidate) == (
                action,
                candidate,
            ):
                return asked
        return None

    def request(self, body: Mapping[str, Any]) -> None:
        """A `request` row."""
        request = Request.from_json(body)
        self._asked[request.hash] = Asked(request)

    def message(self, body: Mapping[str, Any]) -> Asked | None:
        """A decision that was taken (and not ignored); the request it is about."""
        asked = self._asked.get(str(body.get("request")))
        if asked is None or body.get("kind") not in ABOUT_REQUESTS:
            return None
        if body["kind"] in TALKS:
            asked.talk.append(body)
        else:
            asked.state, asked.decision = DECIDES[body["kind"]], body
        return asked

    def acted(self, body: Mapping[str, Any]) -> None:
        """An `acted` row: what was approved was done, or a check just before forbade it."""
        asked = self._asked[body["request"]]
        asked.state, asked.why = body["state"], body["reason"]
