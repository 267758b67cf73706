"""Measures several designs without training them, and lets the most promising one be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.problem import ZERO_COST
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import Outcome, View
from modelwright.designers.around import Around
from modelwright.stats.proxies import MIN_PAIRS, Proxy, ensemble, judged

FIRST_SECONDS = 1.0  # what a measurement is thought to take before one was made
ENOUGH = 40  # designs that were measured and trained: if no proxy was useful by then, none is


@dataclass(frozen=True)
class ZeroCost(Around):
    """Puts a zero-cost rung before the first training of what `then` proposes.

    At first designs go straight on; from the eighth result on those that were trained are measured
    (trials of role `zero_cost`, which cost nothing of a budget in trials). A proxy among `measures`
    is kept as long as its rank correlation with the results of the first rung is shown, see
    `stats.proxies.judged`. While one is kept, `each` designs (fewer, where time is short) are
    measured for one that is trained: the first by the kept proxies' ensemble among the newest
    2 `each` measured and not trained, limits on measured values before it. While none is kept
    designs go straight on, and once `ENOUGH` designs tell that none is useful, nothing more is
    measured.

    With a budget in seconds the measurements take at most `share` of the time of the trainings.
    Without `measures` (where the evaluator has no zero-cost rung) it is `then`. Designs that others
    propose, a portfolio or a person, are never held back.

    Discards the worst by proxies whose use is checked, as Abdelfattah et al. (2021,
    arXiv:2101.08134) warm up a search; what differs: the check, and that results decide the sign.

    >>> from modelwright.designers import Evolution
    >>> ZeroCost(Evolution(), ("params", "synflow")).each
    4
    """

    measures: tuple[str, ...] = ()
    each: int = 4
    share: float = 0.05

    name: ClassVar[str] = "zero_cost"

    def __post_init__(self) -> None:
        if self.each < 1 or not 0 < self.share < 1:
            raise InputError(f"each is at least 1 and share between 0 and 1; got {self}.")

    def propose(self, state: Any, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """Measurements, or the first of the measured, or what `then` proposes."""
        proxies = judged(view, self.measures)
        kept = [proxy for proxy in proxies if proxy.kept]
        given_up = not kept and any(proxy.n >= ENOUGH for proxy in proxies)
        trained = [o.trial.candidate for o in view.searched if o.ok and o.trial.rung == 0]
        enough = bool(self.measures) and len(trained) >= MIN_PAIRS
        measure = enough and not given_up and self._affordable(view)
        out = view.refused | view.banned
        unmeasured = [c for c in trained if view.tried(c.id, ZERO_COST) is None and c.id not in out]
        if measure and unmeasured:
            reason = "to see whether what is measured without training tells what training found"
            return [_order(candidate, reason, self.name) for candidate in unmeasured[:n]]
        waiting = self._waiting(view) if kept else []
        # What was passed over is not trained for want of others: a new one has to be among them.
        if waiting and _since_last(view) >= (self.each if measure else 1):
            return [_first(waiting, kept, view)]
        found = self.then.propose(state, view, n, key)
        if not kept or not measure:
            return found
        new = _unmeasured(found, view)
        if not new:  # `then` does not know that these are waiting: what else has it?
            more = n + 2 * self.each + view.slots
            new = _unmeasured(self.then.propose(state, view, more, key), view)
        if not new:  # a small space: all that is left was measured
            return [_first(waiting, kept, view)] if waiting else found
        return [_order(p.candidate, p.reason, p.by) for p in new[:n]]

    def _affordable(self, view: View) -> bool:
        """Whether one more measurement keeps to the share; without a clock it always does."""
        if view.budget.seconds is None:
            return True
        taken = [o.evidence.seconds or 0.0 for o in view.measured]
        running = sum(trial.rung == ZERO_COST for trial in view.pending)
        each = median(taken) if taken else FIRST_SECONDS
        trained = sum(o.evidence.seconds or 0.0 for o in view.searched)
        return sum(taken) + (running + 1) * each <= self.share * trained

    def _waiting(self, view: View) -> list[Outcome]:
        """The newest measured designs that may be trained."""
        out = view.refused | view.banned
        found = [
            o
            for o in view.measured
            if not o.failed
            and view.tried(o.trial.candidate.id) is None
            and o.trial.candidate.id not in out
        ]
        return found[-2 * self.each :]


def _order(candidate: Candidate, reason: str, by: str) -> Proposal:
    return Proposal(candidate, reason, ZERO_COST, "zero_cost", by)


def _unmeasured(found: Sequence[Proposal], view: View) -> list[Proposal]:
    return [p for p in found if view.tried(p.candidate.id, ZERO_COST) is None]


def _since_last(view: View) -> int:
    """Measurements ordered since a measured design was let through."""
    count = 0
    for number in range(view.n_trials - 1, -1, -1):
        trial = view.trial(number)
        measured = view.tried(trial.candidate.id, ZERO_COST)
        if measured is None:
            continue
        trained = view.tried(trial.candidate.id)
        if measured == number:
            count += trained is None or trained > number
        elif trained == number and measured < number:
            break
    return count


def _first(waiting: Sequence[Outcome], kept: Sequence[Proxy], view: View) -> Proposal:
    """The first by the ensemble of those nearest to the limits, as a proposal to train it."""
    values = ensemble(kept, [o.evidence.scores for o in waiting])
    best = min(range(len(waiting)), key=lambda i: (_outside(waiting[i], view), -values[i], i))
    trial = waiting[best].trial
    told = ", ".join(f"{p.name} {p.weight:+.2f}" for p in kept)
    reason = f"first of {len(waiting)} measured without training, by {told}; {trial.reason}"
    return Proposal(trial.candidate, reason, by=trial.by)


def _outside(outcome: Outcome, view: View) -> float:
    """How far a design is outside of limits on what was measured of it."""
    evidence = outcome.evidence
    known = tuple(limit for limit in view.limits if limit.metric in evidence.scores)
    return sum(
        limit.violation(evidence.scores[limit.metric], evidence.noise.get(limit.metric, 0.0))
        / max(abs(limit.value), 1e-12)
        for limit in known
    )
