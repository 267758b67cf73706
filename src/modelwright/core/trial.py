"""What is tried and what came of it: from Candidate to Trial, Evidence and Verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from modelwright.core.canonical import digest_text

# Watts of one busy core, where nothing counts energy and nobody says better: assumed. Processors of
# desktops and servers are sold for 65 to 350 W with 8 to 56 cores, laptops for 15 to 28 W with 4.
WATTS_PER_CORE = 10.0

# search: proposed by the designer. rival: a baseline or the user's own model. blend, refit,
# student, final: the closing steps of a run (an ensemble of earlier trials; the chosen candidate on
# more rows; a small design that learns from a teacher, or its control that does not; one of the
# best designs, trained for longer). zero_cost: a design is measured as it is, without training.
Role = Literal["search", "rival", "blend", "refit", "student", "final", "zero_cost"]


@dataclass(frozen=True)
class Candidate:
    """A design and the candidates it came from; two with equal canonical JSON are one candidate.

    `document` is the canonical JSON of the design. `design` is the value itself where this process
    has it, else None: readers and workers decode the document with their space.
    """

    document: str
    parents: tuple[str, ...] = ()
    design: Any = field(default=None, compare=False, repr=False)

    @cached_property
    def id(self) -> str:
        """Hash of the document, 16 hexadecimal characters."""
        return digest_text(self.document)[:16]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate that a designer wants to see tried at a rung, and its computed reason.

    `checkpoint` names an artefact of an earlier trial that it begins from, where there is one.
    """

    candidate: Candidate
    reason: str
    rung: int = 0
    role: Role = "search"
    by: str = ""
    checkpoint: str | None = None


@dataclass(frozen=True)
class Trial:
    """An order: this candidate at this rung with this seed. `number` counts from 0 in the study."""

    number: int
    candidate: Candidate
    rung: int
    fidelity: float
    cost: float
    seed: int
    role: Role = "search"
    by: str = ""
    reason: str = ""
    checkpoint: str | None = None
    promoted_from: int | None = None

    @property
    def brought(self) -> bool:
        """True for a model that the person brought: it is measured, and never shipped."""
        return self.by in ("yours", "teacher")

    @property
    def scored(self) -> bool:
        """False where no goal is measured: the winner fitted again, a design not trained."""
        return self.role not in ("refit", "zero_cost")

    def to_json(self) -> dict[str, Any]:
        """Plain data; the design travels as its document."""
        return {
            "number": self.number,
            "document": self.candidate.document,
            "parents": list(self.candidate.parents),
            "rung": self.rung,
            "fidelity": self.fidelity,
            "cost": self.cost,
            "seed": self.seed,
            "role": self.role,
            "by": self.by,
            "reason": self.reason,
            "checkpoint": self.checkpoint,
            "promoted_from": self.promoted_from,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        """The trial that `to_json` wrote; unknown keys are ignored (older readers, newer rows)."""
        candidate = Candidate(data["document"], tuple(data["parents"]))
        names = (
            "number", "rung", "fidelity", "cost", "seed", "role", "by", "reason", "checkpoint",
            "promoted_from",
        )  # fmt: skip
        return cls(candidate=candidate, **{name: data[name] for name in names})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial has no scores.

    `cause`: `error` (it raised), `timeout`, `memory`, `crash` (its process died), `hang` (no sign
    of life), `cancelled` (stopped from outside), `bad_score` (NaN, infinite or not a number),
    `interrupted` (the supervisor died).
    """

    cause: str
    message: str
    kind: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Progress:
    """A message from a running trial; `step` counts in the objective's unit.

    `done` is the share of the trial's work that is behind it, where the trial knows: a study with a
    budget in seconds drops a trial that would end too late.
    """

    trial: int
    step: float
    scores: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    done: float | None = None


@dataclass(frozen=True)
class Evidence:
    """What was measured in one trial. Only evidence of equal `protocol` may be compared.

    `scores` has one number per metric (mean over folds where there are folds), in the units of
    docs/limits.md. `folds` has the parts the mean was made of, in a fixed order, for paired
    comparison. `noise` is the half-width of a measured value (95 %). `artefacts` maps a name to the
    hash of a file in the run's store. `facts` is further plain data a reader may show.
    `seconds`, `cpu_seconds`, `peak_bytes` and `joules` are measured and never decide in a study
    whose budget is in trials. Failed trials have a `failure` and no scores.
    """

    trial: int
    scores: Mapping[str, float] = field(default_factory=dict)
    folds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[tuple[float, float], ...] = ()
    artefacts: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    protocol: str = ""
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    joules: float | None = None
    joules_method: str = "not measured"

    @property
    def ok(self) -> bool:
        """True when the trial finished with usable scores."""
        return self.failure is None

    def checked(self, metrics: tuple[str, ...] = ()) -> Evidence:
        """Itself, or a failed copy when a score is NaN, infinite, a boolean or missing."""
        if self.failure is not None:
            return self
        for name in metrics:
            if name not in self.scores:
                return self.failed("bad_score", f"the trial returned no score named {name!r}")
        for name, score in self.scores.items():
            if not _finite(score):
                return self.failed("bad_score", f"{name} must be a finite number; got {score!r}")
        for name, parts in (*self.folds.items(), ("noise", tuple(self.noise.values()))):
            if not all(map(_finite, parts)):
                return self.failed("bad_score", f"{name} has a part that is not finite: {parts}")
        if all(_finite(x) and _finite(y) for x, y in self.curve):
            return self
        # A curve is only shown: a step that diverged does not spoil a trial that recovered.
        return replace(self, curve=tuple(p for p in self.curve if all(map(_finite, p))))

    def failed(self, cause: str, message: str, kind: str = "", trace: str = "") -> Evidence:
        """The same trial as failed: no scores, what was spent is kept."""
        failure = Failure(cause, message, kind, trace)
        return replace(self, scores={}, folds={}, noise={}, failure=failure)

    def to_json(self) -> dict[str, Any]:
        """Plain data; fields at their default are left out."""
        out: dict[str, Any] = {"trial": self.trial}
        for name in _EVIDENCE_FIELDS:
            value: Any = getattr(self, name)
            if value is None or (not isinstance(value, (int, float)) and not value):
                continue
            out[name] = asdict(value) if isinstance(value, Failure) else value
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        """The evidence that `to_json` wrote."""
        known = {name: data[name] for name in _EVIDENCE_FIELDS if name in data}
        if "failure" in known:
            known["failure"] = Failure(**known["failure"])
        if "folds" in known:
            known["folds"] = {name: tuple(v) for name, v in known["folds"].items()}
        if "curve" in known:
            known["curve"] = tuple((float(a), float(b)) for a, b in known["curve"])
        return cls(trial=data["trial"], **known)


def _finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the floats
        return False


_EVIDENCE_FIELDS = (
    "scores", "folds", "noise", "curve", "artefacts", "facts", "failure", "protocol", "seconds",
    "cpu_seconds", "peak_bytes", "joules", "joules_method",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's word on a challenger: `promote`, `hold`, `reject` or `ask`, with its numbers."""

    trial: int
    word: Literal["promote", "hold", "reject", "ask"]
    reason: str
    champion: int | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruling:
    """A policy's word on an action: `allow`, `ask` or `refuse`, with the reason."""

    word: Literal["allow", "ask", "refuse"]
    reason: str


@dataclass(frozen=True)
class Action:
    """What the policy rules on: its `kind` (`run`, `evaluate`, `ship`, `look`) and details."""

    kind: str
    about: Mapping[str, Any] = field(default_factory=dict)
