"""A read-only, indexed picture of one study's rows up to a point.

Readers, designers and gates get a `View` and nothing else. Only `study` and the ledger's readers
build one, row by row, through `ViewBuilder`; each row costs O(log n).
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelwright.core.problem import ONE_RUNG, Budget, Goal, Limit, Rungs
from modelwright.core.trial import WATTS_PER_CORE, Evidence, Trial, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished trial as a strategy sees it.

    `losses` has one number per goal, smaller is better; it is empty when the trial failed.
    `violation` sums how far measured values are outside the limits, each as a share of its limit;
    0 when all are met, infinite when a limited value was not measured.
    """

    trial: Trial
    evidence: Evidence
    losses: tuple[float, ...]
    violation: float

    @property
    def ok(self) -> bool:
        """True when the trial has scores for all goals (where none is due, it is False)."""
        return bool(self.losses)

    @property
    def failed(self) -> bool:
        """True when the trial ended with a failure."""
        return self.evidence.failure is not None

    @property
    def loss(self) -> float:
        """Loss on the first goal; infinite when the trial failed."""
        return self.losses[0] if self.losses else float("inf")

    @property
    def rank(self) -> tuple[float, float, int]:
        """Sorts outcomes, best first: within limits before outside, then by loss, then by age."""
        return (self.violation if self.ok else float("inf"), self.loss, self.trial.number)

    @property
    def overlap(self) -> float:
        """Validation rows of a fold as a share of its training rows, as its intervals need it.

        From the evidence's facts; without them as for one round of k folds.
        """
        n = max((len(parts) for parts in self.evidence.folds.values()), default=0)
        return float(self.evidence.facts.get("overlap", 1 / max(1, n - 1)))

    def dominates(self, other: Outcome) -> bool:
        """True when no goal is worse and one is better (both within limits)."""
        pairs = list(zip(self.losses, other.losses, strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@dataclass(frozen=True, slots=True)
class Brief:
    """What a designer knows before the first row: the space and the question.

    `seed` is the study's; sequences that run over many proposals (Sobol points) start from it.
    `watts` is the power of one busy core, where energy is not counted.
    """

    space: Any
    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...] = ()
    rungs: Rungs = ONE_RUNG
    slots: int = 1
    seed: int = 0
    watts: float = WATTS_PER_CORE


@dataclass(slots=True)
class Energy:
    """Sums over finished trials: joules that were counted (`accelerator` of them by a graphics
    card), processor seconds of those whose processor was not, wall time; how many trials left no
    figure (they were killed), and how long these had a slot; and how many worked on a card that
    nothing counted."""

    counted: float = 0.0
    accelerator: float = 0.0
    uncounted_cpu: float = 0.0
    slot_seconds: float = 0.0
    cpu_seconds: float = 0.0
    trial_seconds: float = 0.0
    unknown: int = 0
    cards_unmeasured: int = 0

    def add(self, evidence: Evidence) -> None:
        """Takes in what one trial took."""
        card = float(evidence.facts.get("accelerator_joules", 0.0) or 0.0)
        self.accelerator += card
        self.cards_unmeasured += "accelerator" in evidence.facts
        self.counted += card + (evidence.joules or 0.0)
        self.cpu_seconds += evidence.cpu_seconds or 0.0
        if evidence.joules is None and evidence.cpu_seconds is None:
            self.unknown += 1
            return
        self.trial_seconds += evidence.seconds or 0.0
        if evidence.joules is None:
            self.uncounted_cpu += evidence.cpu_seconds or 0.0


class View:
    """One study's trials by status, rank and Pareto front, its champion and what is left to spend.

    Everything is computed from rows. Sequences handed out are live and must not be changed.
    """

    def __init__(self, brief: Brief, budget: Budget | None = None) -> None:
        self.brief = brief
        self.space: Any = brief.space
        self.goals, self.limits, self.rungs = brief.goals, brief.limits, brief.rungs
        self.slots = brief.slots
        self.budget = budget or Budget(trials=1)
        self.n_rows = 0
        self.elapsed = 0.0
        self.champion: int | None = None
        self.refused: set[str] = set()
        self.banned: set[str] = set()
        self.pinned: str | None = None  # the candidate that a person wants shipped
        self.preferred: dict[str, int] = {}  # candidates, and how many neighbours are to be tried
        self.verdicts: dict[int, Verdict] = {}
        self.improvements: list[tuple[float, Outcome]] = []  # second of the study, new champion
        self.generations: dict[str, int] = {}  # length of a candidate's longest line of parents
        self.energy = Energy()
        self.looks = 0  # comparisons on the same examples: what intervals are corrected for
        self._trials: dict[int, Trial] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._finished: list[Outcome] = []
        self._searched: list[Outcome] = []
        self._measured: list[Outcome] = []
        self._pending: dict[int, Trial] = {}
        self._ranked: dict[int, list[tuple[tuple[float, float, int], int]]] = {}
        self._front: list[Outcome] = []
        self._seen: dict[tuple[str, int], int] = {}
        self._open: dict[int, list[tuple[tuple[float, float, int], int]]] = {}
        self._spent_trials = 0
        self._spent_runs = 0.0
        self._bytes = 0

    # -- trials ------------------------------------------------------------------------------

    @property
    def n_trials(self) -> int:
        """Trials ordered so far, of any role."""
        return len(self._trials)

    def trial(self, number: int) -> Trial:
        """The order of that number. Raises KeyError when there is none."""
        return self._trials[number]

    def outcome(self, number: int) -> Outcome | None:
        """The outcome of that trial, or None while it runs."""
        return self._outcomes.get(number)

    @property
    def trials(self) -> Mapping[int, Trial]:
        """All orders by number."""
        return self._trials

    @property
    def finished(self) -> Sequence[Outcome]:
        """Outcomes of any role, good and failed, in the order they are seen."""
        return self._finished

    @property
    def searched(self) -> Sequence[Outcome]:
        """Outcomes of the designer's own trials (role `search`), in the order they are seen."""
        return self._searched

    @property
    def measured(self) -> Sequence[Outcome]:
        """Outcomes of the zero-cost rung, where nothing is trained, in the order they are seen."""
        return self._measured

    @property
    def done(self) -> tuple[int, int]:
        """How many trials finished and how many of them failed, the zero-cost rung left out."""
        failed = sum(o.failed for o in self._finished if o.trial.role != "zero_cost")
        return len(self._finished) - len(self._measured), failed

    @property
    def pending(self) -> Sequence[Trial]:
        """Orders without an outcome yet, oldest first."""
        return list(self._pending.values())

    def tried(self, candidate_id: str, rung: int = 0) -> int | None:
        """The trial that has this candidate at this rung (running or finished), or None."""
        return self._seen.get((candidate_id, rung))

    # -- rank --------------------------------------------------------------------------------

    def best(self, k: int = 1, rung: int | None = None) -> list[Outcome]:
        """The `k` best good outcomes at a rung (default: the full one), best first."""
        rung = self.rungs.top if rung is None else rung
        return [self._outcomes[n] for _, n in self._ranked.get(rung, [])[:k]]

    def n_ranked(self, rung: int | None = None) -> int:
        """How many good outcomes a rung has (default: the full one)."""
        return len(self._ranked.get(self.rungs.top if rung is None else rung, []))

    def best_open(self, rung: int) -> tuple[Outcome, int] | None:
        """The best good outcome at a rung that may be promoted, and its rank there from 0.

        Left out are those that were promoted, are banned, or were tried at the next rung already.
        """
        for entry in self._open.get(rung, ()):
            outcome = self._outcomes[entry[1]]
            name = outcome.trial.candidate.id
            if name not in self.banned and self.tried(name, rung + 1) is None:
                return outcome, bisect.bisect_left(self._ranked[rung], entry)
        return None

    @property
    def front(self) -> Sequence[Outcome]:
        """Outcomes at the full rung, within the limits, that no other dominates."""
        return self._front

    # -- budget ------------------------------------------------------------------------------

    @property
    def trials_spent(self) -> int:
        """Search trials ordered, the running ones included."""
        return self._spent_trials

    @property
    def full_runs_spent(self) -> float:
        """Declared cost of the search trials ordered, in full runs."""
        return self._spent_runs

    @property
    def bytes_spent(self) -> int:
        """Bytes of artefacts that trials left."""
        return self._bytes

    @property
    def joules_spent(self) -> float:
        """Energy of all finished trials: counted where it was, else estimated."""
        unmeasured = self.energy.uncounted_cpu + self.energy.slot_seconds
        return self.energy.counted + unmeasured * self.brief.watts

    @property
    def share_spent(self) -> float:
        """The largest spent share among the bounds of the budget, from 0; over 1 when overrun."""
        b, shares = self.budget, [0.0]
        if b.seconds is not None:
            shares.append(self.elapsed / b.seconds)
        if b.trials is not None:
            shares.append(self._spent_trials / b.trials)
        if b.full_runs is not None:
            shares.append(self._spent_runs / b.full_runs)
        if b.bytes is not None:
            shares.append(self._bytes / b.bytes)
        if b.energy_joules is not None:
            shares.append(self.joules_spent / b.energy_joules)
        return max(shares)

    def extended(self, add: Budget, lift: bool) -> Budget:
        """The budget with `add` on top, counted from what was spent where there was no bound.

        With `lift` (the old budget ended the search) bounds that `add` does not name are dropped:
        who adds trials to a run that used up its minutes wants the trials.
        """
        spent = {"seconds": self.elapsed, "trials": self._spent_trials,
                 "full_runs": self._spent_runs, "bytes": self._bytes,
                 "energy_joules": self.joules_spent}  # fmt: skip
        bounds: dict[str, Any] = {}
        for unit, done in spent.items():
            old, more = getattr(self.budget, unit), getattr(add, unit)
            if more is None:
                bounds[unit] = None if lift else old
            else:
                bounds[unit] = (done if old is None else old) + more
        return Budget(**bounds)

    def losses_of(self, evidence: Evidence) -> tuple[float, ...]:
        """One loss per goal, or empty when the evidence has no usable scores."""
        if not evidence.ok or any(g.metric not in evidence.scores for g in self.goals):
            return ()
        return tuple(g.loss(evidence.scores[g.metric]) for g in self.goals)

    def violation_of(self, evidence: Evidence) -> float:
        """Sum of the limits' violations, each as a share of its limit's size."""
        total = 0.0
        for limit in self.limits:
            score = evidence.scores.get(limit.metric, float("nan"))
            over = limit.violation(score, evidence.noise.get(limit.metric, 0.0))
            total += over / max(abs(limit.value), 1e-12)
        return total

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self._finished)


class ViewBuilder:
    """The one writer of a view: feeds it orders and outcomes as rows arrive."""

    def __init__(self, brief: Brief, budget: Budget | None = None) -> None:
        self.view = View(brief, budget)

    def order(self, trial: Trial) -> None:
        """A trial was ordered. Orders come by rising number."""
        v = self.view
        v._trials[trial.number] = trial
        v._pending[trial.number] = trial
        parents = (v.generations.get(parent, 0) for parent in trial.candidate.parents)
        line = max(parents, default=-1) + 1
        v.generations[trial.candidate.id] = max(line, v.generations.get(trial.candidate.id, 0))
        v._seen.setdefault((trial.candidate.id, trial.rung), trial.number)
        if trial.promoted_from is not None:
            self._close(trial.promoted_from)
        if trial.role == "search":
            v._spent_trials += 1
            v._spent_runs += trial.cost

    def evidence(self, evidence: Evidence) -> Outcome:
        """A trial finished; a second outcome of the same trial is ignored."""
        v = self.view
        known = v._outcomes.get(evidence.trial)
        if known is not None:
            return known
        trial = v._trials[evidence.trial]
        losses = v.losses_of(evidence)
        outcome = Outcome(trial, evidence, losses, v.violation_of(evidence) if losses else 0.0)
        v._outcomes[trial.number] = outcome
        v._pending.pop(trial.number, None)
        v._finished.append(outcome)
        v.energy.add(evidence)
        v._bytes += int(evidence.facts.get("artefact_bytes", 0) or 0)
        if trial.role == "search":
            v._searched.append(outcome)
        if trial.role == "zero_cost":
            v._measured.append(outcome)
        if outcome.ok and trial.scored:
            ranked = v._ranked.setdefault(trial.rung, [])
            entry = (outcome.rank, trial.number)
            bisect.insort(ranked, entry)
            if trial.rung < v.rungs.top:
                bisect.insort(v._open.setdefault(trial.rung, []), entry)
            if trial.rung == v.rungs.top and outcome.violation == 0:
                self._join_front(outcome)
        return outcome

    def verdict(self, verdict: Verdict) -> None:
        """A gate spoke; a promotion makes the trial the champion."""
        self.view.verdicts[verdict.trial] = verdict
        self.view.looks += self.view._trials[verdict.trial].role != "zero_cost"
        if verdict.word == "promote":
            self.promote(verdict.trial)

    def promote(self, number: int) -> None:
        """Makes a finished trial the champion."""
        self.view.champion = number
        self.view.improvements.append((self.view.elapsed, self.view._outcomes[number]))

    def _close(self, number: int) -> None:
        outcome = self.view._outcomes[number]
        waiting = self.view._open[outcome.trial.rung]
        del waiting[bisect.bisect_left(waiting, (outcome.rank, number))]

    def _join_front(self, outcome: Outcome) -> None:
        front = self.view._front
        if any(o.dominates(outcome) or o.losses == outcome.losses for o in front):
            return
        front[:] = [o for o in front if not outcome.dominates(o)] + [outcome]
