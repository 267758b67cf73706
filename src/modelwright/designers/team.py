"""Several designers share a study; who finds more for the same cost gets more turns."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.roles import Designer
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View

# Added to every member's account: a gain for a full run. The account itself begins at nothing.
PRIOR_GAIN, PRIOR_COST = 1.0, 1.0


@dataclass(frozen=True)
class Accounts:
    """The members' states and accounts.

    `waiting` holds each member's outcomes that do not fill a block yet. `gains` and `costs` (in
    full runs) fade with every outcome. `recent` holds the newest good outcomes.
    """

    states: tuple[Any, ...]
    waiting: tuple[tuple[Outcome, ...], ...]
    gains: tuple[float, ...]
    costs: tuple[float, ...]
    recent: tuple[Outcome, ...] = ()


@dataclass(frozen=True)
class Team:
    """Gives each turn to one of `members`, drawn by what their trials gained for their cost.

    A trial gains 1 when at most a quarter of the newest `memory` outcomes of its rung are better,
    and 1 more when none is; with several goals better means dominating. Gains and costs fade, by
    1/`memory` with each outcome. A member's share grows with the square of gain over cost, and is
    never below `floor`. All members learn from all outcomes.

    A bandit in the manner of adaptive operator selection (Fialho et al., "Analyzing Bandit-based
    Adaptive Operator Selection Mechanisms", 2010); the gain is a rank, so that it means the same at
    the start of a search and at its end.
    """

    members: tuple[Designer, ...]
    floor: float = 0.1
    memory: int = 40

    name: ClassVar[str] = "team"
    block: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.members:
            raise InputError("a team has at least one member.")
        if not 0 <= self.floor * len(self.members) <= 1 or self.memory < 1:
            raise InputError(
                f"floor is from 0 to 1 / {len(self.members)} for {len(self.members)} members and "
                f"memory at least 1; got floor {self.floor}, memory {self.memory}."
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """The members' names, numbered where two are equal."""
        found: list[str] = []
        for member in self.members:
            n = sum(label.partition("#")[0] == member.name for label in found)
            found.append(f"{member.name}#{n + 1}" if n else member.name)
        return tuple(found)

    def start(self, brief: Brief) -> Accounts:
        """All members at their start, with equal accounts."""
        n = len(self.members)
        states = tuple(member.start(brief) for member in self.members)
        return Accounts(states, ((),) * n, (0.0,) * n, (0.0,) * n)

    def update(self, state: Accounts, outcomes: Sequence[Outcome], key: Key) -> Accounts:
        """Every member learns; the one that asked for a trial is credited."""
        for i, outcome in enumerate(outcomes):
            state = self._learned(self._credited(state, outcome), outcome, key.child(i))
        return state

    def _learned(self, state: Accounts, outcome: Outcome, key: Key) -> Accounts:
        states, waiting = [], []
        for i, member in enumerate(self.members):
            held, inner = (*state.waiting[i], outcome), state.states[i]
            if len(held) == member.block:
                inner, held = member.update(inner, held, key.child(i)), ()
            states.append(inner)
            waiting.append(held)
        return replace(state, states=tuple(states), waiting=tuple(waiting))

    def _credited(self, state: Accounts, outcome: Outcome) -> Accounts:
        recent = state.recent
        label = outcome.trial.by.partition("/")[0]
        if label in self.labels:
            place, keep = self.labels.index(label), 1 - 1 / self.memory
            gains, costs = [g * keep for g in state.gains], [c * keep for c in state.costs]
            gains[place] += gain(outcome, recent)
            costs[place] += outcome.trial.cost
            state = replace(state, gains=tuple(gains), costs=tuple(costs))
        if not outcome.ok:
            return state
        return replace(state, recent=(*recent, outcome)[-self.memory :])

    def shares(self, state: Accounts) -> tuple[float, ...]:
        """The members' shares of the turns, summing to 1."""
        # The prior does not fade, so a member that was given few turns is thought average again.
        accounts = zip(state.gains, state.costs, strict=True)
        rates = [(g + PRIOR_GAIN) / (c + PRIOR_COST) for g, c in accounts]
        total = sum(rate**2 for rate in rates)
        free = 1 - self.floor * len(rates)
        return tuple(self.floor + free * rate**2 / total for rate in rates)

    def propose(self, state: Accounts, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """Turns are drawn by share; a member that has nothing leaves its turn to the others."""
        shares, rng = self.shares(state), key.child("turns").random()
        ends = list(itertools.accumulate(shares))
        turns = [0] * len(shares)
        for _ in range(n):
            turns[min(bisect.bisect(ends, rng.random()), len(ends) - 1)] += 1
        order = sorted(range(len(shares)), key=lambda i: (-turns[i], -shares[i], i))
        found: dict[str, Proposal] = {}

        def ask(i: int, wanted: int) -> None:
            # It does not see what the others just proposed, so it is asked for a few more.
            asked = wanted + len(found)
            inner = self.members[i].propose(state.states[i], view, asked, key.child("member", i))
            new = [p for p in inner if p.candidate.id not in found]
            for p in new[:wanted]:
                found[p.candidate.id] = self._signed(i, state, p)

        for i in order:
            if turns[i]:
                ask(i, turns[i])
        for i in order:
            if len(found) < n:
                ask(i, n - len(found))
        return list(found.values())

    def _signed(self, i: int, state: Accounts, proposal: Proposal) -> Proposal:
        label, member = self.labels[i], self.members[i]
        by = label if proposal.by == member.name else f"{label}/{proposal.by}"
        return replace(proposal, by=by, reason=f"{self._why(i, state)}: {proposal.reason}")

    def _why(self, i: int, state: Accounts) -> str:
        accounts = [
            f"{label} {100 * share:.0f} % (gain {gained:.2g} for cost {cost:.2g})"
            for label, share, gained, cost in zip(
                self.labels, self.shares(state), state.gains, state.costs, strict=True
            )
        ]
        return f"the turn of {self.labels[i]}, drawn by shares {', '.join(accounts)}"


def gain(outcome: Outcome, recent: Sequence[Outcome]) -> float:
    """2 when no recent outcome of its rung is better, 1 when at most a quarter is, else 0."""
    if not outcome.ok:
        return 0.0
    rivals = [o for o in recent if o.trial.rung == outcome.trial.rung]
    n_better = sum(_better(o, outcome) for o in rivals)
    return float(n_better == 0) + float(n_better <= len(rivals) / 4)


def _better(a: Outcome, b: Outcome) -> bool:
    if a.violation or b.violation:
        return (a.violation, a.loss) < (b.violation, b.loss)
    return a.dominates(b)
