"""How a run on networks ends: the best designs are trained for longer, then asked together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from modelwright.core.canonical import canonical
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import Outcome, View

MARGIN = 0.02  # of the time for the final training, kept: a clock's length is not exact
START_SECONDS = 2.0  # of a final training or a blend, beside training itself
LOOK_SHARE = 0.1  # of the budget, at most, for answering the sealed examples


@dataclass(frozen=True)
class TrainLonger:
    """Trains the best designs of the search again from the start, `length` long, one in each slot.

    `length` is in seconds where `timed`, and stretched to what is left of the budget; else in
    epochs. What they are together as one network, their answers' mean, is tried after it. Of a
    budget in seconds `kept_seconds` are for what follows the last trial.
    """

    length: float
    timed: bool
    slots: int
    kept_seconds: float
    n_sealed: int = 0

    def reserve(self, view: View) -> float:
        """Seconds for the final trainings, a blend of them, and the sealed examples."""
        return self.length + START_SECONDS + self.after(view)

    def after(self, view: View) -> float:
        """Seconds for the winner's answers on the sealed examples, by its measured latency."""
        best = None if view.champion is None else view.outcome(view.champion)
        each = 0.0 if best is None else best.evidence.scores.get("latency_ms", 0.0) / 1000
        return min(each * self.n_sealed, LOOK_SHARE * (view.budget.seconds or 0.0))

    def propose(self, view: View) -> Sequence[Proposal]:
        """The final trainings; when they have ended, the blend of those that are within limits."""
        finals = [t for t in view.trials.values() if t.role == "final"]
        if len(finals) < self.slots:
            return self._finals(view, [t.candidate.document for t in finals])
        ended = [o for t in finals if (o := view.outcome(t.number)) is not None]
        if len(ended) < len(finals):
            return []
        blend = self._blend(view, [o for o in ended if o.ok])
        done = blend is None or view.tried(blend.candidate.id, view.rungs.top) is not None
        return [] if blend is None or done else [blend]

    def _finals(self, view: View, begun: Sequence[str]) -> list[Proposal]:
        """One for each of the best designs, as many as there are slots."""
        found = []
        known = {canonical(json.loads(text)["design"]) for text in begun}
        length = json.loads(begun[0])["length"] if begun else self._length(view)
        for place, outcome in enumerate(_best_designs(view), 1):
            design = json.loads(outcome.trial.candidate.document)
            if canonical(design) in known:
                continue
            document = canonical({"type": "Final", "design": design, "length": length})
            told = f"{length:.4g} {'s' if self.timed else 'epochs'}"
            reason = f"number {place} of the search, trained from the start for {told}"
            candidate = Candidate(document, (outcome.trial.candidate.id,))
            if candidate.id not in view.refused:
                found.append(Proposal(candidate, reason, view.rungs.top, "final", "closing"))
            if len(found) + len(begun) == self.slots:
                break
        return found

    def _length(self, view: View) -> float:
        """What is left, where there is a clock; begun in time, as the rows tell."""
        if view.budget.seconds is None:
            return self.length
        left = view.budget.seconds - view.elapsed - self.kept_seconds - self.after(view)
        left -= START_SECONDS
        return round(max(1.0, left * (1 - MARGIN)), 3)

    def _blend(self, view: View, ended: Sequence[Outcome]) -> Proposal | None:
        """The finals together, where a limit on size or time does not rule it out beforehand."""
        if len(ended) < 2:
            return None
        for limit in view.limits:
            if limit.metric in ("params", "macs", "size_kb"):
                total = sum(o.evidence.scores.get(limit.metric, 0.0) for o in ended)
                if limit.violation(total) > 0:
                    return None
        members = [
            {
                "trial": o.trial.number,
                "document": o.trial.candidate.document,
                "shares": o.evidence.artefacts["shares"],
                "model": o.evidence.artefacts["model"],
                "fit_seconds": o.evidence.scores["fit_seconds"],
            }
            for o in ended
        ]
        document = canonical({"type": "Blend", "members": members})
        parents = tuple(o.trial.candidate.id for o in ended)
        reason = f"the mean of the answers of {len(ended)} networks, as one"
        candidate = Candidate(document, parents)
        if candidate.id in view.refused:
            return None
        return Proposal(candidate, reason, view.rungs.top, "blend", "closing")


def _best_designs(view: View) -> list[Outcome]:
    """Outcomes of the search within the limits, each design once, full runs before lower rungs.

    A short training says little of a long one, but more than nothing.
    """
    found: dict[str, Outcome] = {}
    for rung in range(view.rungs.top, -1, -1):
        for outcome in view.best(view.n_ranked(rung), rung):
            if outcome.trial.role == "search" and outcome.violation == 0:
                found.setdefault(outcome.trial.candidate.id, outcome)
    return list(found.values())
