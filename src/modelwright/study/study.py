"""A study: everything a run rests on, frozen before the first row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from modelwright.core.problem import ONE_RUNG, Budget, Problem, Rungs
from modelwright.core.record import watts_of
from modelwright.core.roles import Designer, Gate, Policy
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import Brief, View

# Limits on these are decided by a clock or a machine: such a study cannot promise to repeat.
MEASURED_METRICS = frozenset(
    {"latency_ms", "fit_seconds", "predict_seconds", "peak_mb", "energy_joules"}
)


class Closing(Protocol):
    """The steps that end a run: an ensemble, a refit. Asked when the search is over."""

    def reserve(self, view: View) -> float:
        """Seconds of the budget that the closing steps will need, judged from what was measured."""

    def after(self, view: View) -> float:
        """Seconds that the caller needs after the last step beyond what it always keeps."""

    def propose(self, view: View) -> Sequence[Proposal]:
        """The next steps to run, or none when the run is complete (or while steps are running)."""


@dataclass(frozen=True)
class Study:
    """Frozen settings of one run; the first row of its ledger.

    `name` is its id in the ledger. `rivals` are tried before anything the designer proposes: the
    baselines and the user's own model. `protocol` names all that makes evidence comparable.
    Of a budget in seconds the last `kept_seconds` are the caller's (to write what was found).
    `slots` is how many trials run at once; a repeatable run depends on it. With `in_order` False a
    proposal sees outcomes as they arrive, also where it could wait for its turn.
    """

    name: str
    problem: Problem
    space: Any
    designer: Designer
    gate: Gate
    policy: Policy
    budget: Budget
    rungs: Rungs = ONE_RUNG
    slots: int = 1
    in_order: bool = True
    rivals: tuple[Candidate, ...] = ()
    rival_names: tuple[str, ...] = ()
    closing: Closing | None = None
    kept_seconds: float = 0.0
    protocol: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def repeatable(self) -> bool:
        """True when no decision reads a clock: same seed and slots give the same rows."""
        measured = {limit.metric for limit in self.problem.limits} & MEASURED_METRICS
        budget, cost = self.budget, getattr(self.policy, "cost", None)
        unclocked = budget.seconds is None and budget.bytes is None
        unclocked = unclocked and budget.energy_joules is None
        unclocked = unclocked and getattr(cost, "least_gain_per_hour", None) is None
        unclocked = unclocked and "step_seconds" not in getattr(self.policy, "ask_above", {})
        return self.in_order and unclocked and not measured

    @property
    def brief(self) -> Brief:
        """What the designer knows before the first row."""
        p = self.problem
        watts = watts_of(p.about)
        return Brief(self.space, p.goals, p.limits, self.rungs, self.slots, p.seed, watts)

    def to_json(self, designer: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
        """Body of the first row, without its time. The caller describes the two plug-ins."""
        return {
            "name": self.name,
            "problem": self.problem.to_json(),
            "space": getattr(self.space, "hash", ""),
            "designer": dict(designer),
            "gate": type(self.gate).__name__,
            "policy": dict(policy),
            "budget": asdict(self.budget),
            "rungs": {
                "fidelities": list(self.rungs.fidelities),
                "costs": list(self.rungs.costs),
                "eta": self.rungs.eta,
            },
            "slots": self.slots,
            "rivals": [c.document for c in self.rivals],
            "repeatable": self.repeatable,
            "protocol": dict(self.protocol),
            "settings": dict(self.settings),
        }
