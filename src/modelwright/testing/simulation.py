"""The loop in memory, small enough to hold in the head: what designers are tried out with.

It follows the repeat rule of a real run: proposal i sees exactly the trials numbered up to
i - slots as finished, and the rest as pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from modelwright.core.keys import Key
from modelwright.core.problem import ONE_RUNG, Budget, Goal, Limit, Rungs
from modelwright.core.roles import Designer
from modelwright.core.trial import Evidence, Proposal, Trial
from modelwright.core.view import Brief, View, ViewBuilder
from modelwright.study.rungs import promotable

# Called with a design and a fidelity. NaN is a failed trial. One number is the first goal's score,
# a sequence has one score per goal, a mapping names them (limited metrics included).
Objective = Callable[[Any, float], float | Sequence[float] | Mapping[str, float]]


class Simulation:
    """One study played in memory, row by row; `rows` is all it rests on.

    `refuse` plays the policy: a candidate for which it is true is refused and never ordered.
    `arrival` shuffles the order in which the running trials are computed; it may change nothing,
    because the rule above decides what a proposal sees.
    """

    def __init__(
        self,
        designer: Designer,
        brief: Brief,
        objective: Objective,
        *,
        refuse: Callable[[str], bool] = lambda _: False,
        arrival: int | None = None,
    ) -> None:
        self.designer, self.brief, self.objective = designer, brief, objective
        self.refuse, self.arrival = refuse, arrival
        self.key = Key.of(brief.seed)
        self.builder = ViewBuilder(brief, Budget(trials=1_000_000))
        self.rows: list[Trial | Evidence] = []
        self.state = designer.start(brief)
        self.n_blocks = 0
        self._computed: dict[int, Evidence] = {}

    @property
    def view(self) -> View:
        """The picture of the rows so far."""
        return self.builder.view

    def add(self, row: Trial | Evidence) -> None:
        """Takes one row in."""
        self.rows.append(row)
        if isinstance(row, Trial):
            self.builder.order(row)
        else:
            self.builder.evidence(row)

    def extend(self, rows: Iterable[Trial | Evidence]) -> Simulation:
        """Takes rows in, and gives itself back."""
        for row in rows:
            self.add(row)
        return self

    def fold(self) -> Any:
        """The designer's state: every full block of searched outcomes, folded once."""
        block, seen = self.designer.block, self.view.searched
        while (self.n_blocks + 1) * block <= len(seen):
            start = self.n_blocks * block
            key = self.key.child("update", self.n_blocks)
            self.state = self.designer.update(self.state, seen[start : start + block], key)
            self.n_blocks += 1
        return self.state

    def propose(self, n: int = 1) -> Sequence[Proposal]:
        """What the designer would propose now; changes nothing but the cached state."""
        key = self.key.child("propose", self.view.n_trials, len(self.view.refused))
        return self.designer.propose(self.fold(), self.view, n, key)

    def next(self) -> tuple[Proposal, int | None] | None:
        """The next order and the trial it is promoted from; None when nothing is left to try."""
        found = promotable(self.view)
        if found is not None:
            return found[1], found[0].trial.number
        while proposals := self.propose():
            if not self.refuse(proposals[0].candidate.id):
                return proposals[0], None
            self.view.refused.add(proposals[0].candidate.id)
        return None

    def order(self, proposal: Proposal, promoted_from: int | None = None) -> Trial:
        """The proposal as the next trial."""
        number = self.view.n_trials
        fidelity, cost = self.brief.rungs.at(proposal.rung)
        trial = Trial(
            number=number,
            candidate=proposal.candidate,
            rung=proposal.rung,
            fidelity=fidelity,
            cost=cost,
            seed=self.key.child("trial", number).seed(),
            role=proposal.role,
            by=proposal.by,
            reason=proposal.reason,
            promoted_from=promoted_from,
        )
        self.add(trial)
        return trial

    def evaluate(self, trial: Trial) -> Evidence:
        """The objective's answer for a trial, as evidence."""
        goals = self.brief.goals
        scores = self.objective(self.brief.space.design(trial.candidate), trial.fidelity)
        if isinstance(scores, (int, float)):
            scores = {goals[0].metric: float(scores)}
        elif not isinstance(scores, Mapping):
            scores = {g.metric: float(s) for g, s in zip(goals, scores, strict=True)}
        due = goals if trial.scored else ()
        return Evidence(trial.number, scores).checked(tuple(g.metric for g in due))

    def finish_until(self, n_finished: int) -> None:
        """Lets trials finish, oldest first, until so many have."""
        while len(self.view.finished) < n_finished and (running := self.view.pending):
            if self.arrival is not None:
                Key.of(self.arrival).child(len(self.rows)).random().shuffle(running)  # type: ignore[arg-type]
            for trial in running:
                if trial.number not in self._computed:
                    self._computed[trial.number] = self.evaluate(trial)
            self.add(self._computed.pop(self.view.pending[0].number))

    def run(self, n: int) -> View:
        """Goes on until `n` trials are ordered, or nothing is left to try; all of them finish."""
        while self.view.n_trials < n:
            self.finish_until(self.view.n_trials - self.brief.slots + 1)
            found = self.next()
            if found is None and not self.view.pending:
                break
            if found is None:  # Perhaps the running trials open something new.
                self.finish_until(len(self.view.finished) + 1)
            else:
                self.order(*found)
        self.finish_until(n)
        return self.view


def simulate(
    designer: Designer,
    space: Any,
    objective: Objective,
    n: int,
    slots: int = 1,
    rungs: Rungs = ONE_RUNG,
    seed: int = 0,
    goals: tuple[Goal, ...] = (Goal("value"),),
    limits: tuple[Limit, ...] = (),
) -> View:
    """Plays a study of `n` trials in memory and gives its view.

    `objective(design, fidelity)` answers a score, one per goal, or a mapping of named scores; NaN
    is a failed trial. With several rungs, promotions (asynchronous successive halving) are among
    the `n` trials. Equal arguments give equal views.
    """
    brief = Brief(space, goals, limits, rungs, slots, seed)
    return Simulation(designer, brief, objective).run(n)
