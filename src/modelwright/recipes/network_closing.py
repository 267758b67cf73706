"""How a run on networks ends: the best are trained for longer, asked together, and taught on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from modelwright.core.canonical import canonical
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import Outcome, View
from modelwright.recipes.network_students import lessons, n_lessons

MARGIN = 0.015  # of the time for the final training, kept: a clock's length is not exact
OF_SPACE = ("start", "default")  # rivals that are designs of the space
START_SECONDS, BLEND_SECONDS = 2.0, 2.0  # of a final training beside training itself; of a blend
BLENDED = (2, 3, 4, 6, 8)  # of the final networks, the best so many together
SHARE, SHARE_ALONE = 0.8, 0.93  # the closing steps never hold back more of the budget than this
LOOK_SHARE = 0.1  # of the budget, at most, for answering the sealed examples
TOGETHER = 0.5  # of what one example takes alone, at most, where many are answered together


@dataclass(frozen=True)
class TrainLonger:
    """Trains the best designs of the search again from the start, `length` long in all.

    There are `rounds` of them, one in each slot: of examples that are soon learnt more networks,
    for less time each, know more together.

    With `alone` only the first design is trained, with as many threads as there are slots: where
    examples are seen a few times only, short trainings tell designs apart by luck, and to see the
    examples twice as often is worth more than a second network.

    `length` is in seconds where `timed`, and stretched to what is left of the budget; else in
    epochs each. What the best two, three... are together as one network, their answers' mean, is
    tried after it. With a
    `lesson` (a length) small designs then learn from the best of these, each beside its control,
    which does not (`network_students`); `narrow` are documents of small designs, the largest first.
    Of a budget in seconds `kept_seconds` are for what follows the last trial.
    """

    length: float
    timed: bool
    slots: int
    kept_seconds: float
    n_sealed: int = 0
    lesson: float = 0.0
    narrow: tuple[tuple[str, float], ...] = ()
    alone: bool = False
    rounds: int = 1

    @property
    def finals(self) -> int:
        """How many designs are trained for longer."""
        return 1 if self.alone else self.slots * self.rounds

    def reserve(self, view: View) -> float:
        """Seconds for the final trainings, a blend of them, a lesson, and the sealed examples."""
        if not _best_designs(view):  # first of all a model, if only a short training of one
            return START_SECONDS
        needed = self.length + self._lessons() + self._starts + self.after(view)
        share = SHARE_ALONE if self.alone else SHARE
        return min(needed, share * (view.budget.seconds or needed))

    @property
    def _starts(self) -> float:
        """Seconds for the starts of the final trainings, and for blends of several."""
        blends = sum(size <= self.finals for size in BLENDED)
        return START_SECONDS * self.rounds + BLEND_SECONDS * blends

    def _lessons(self) -> float:
        """Seconds for students and their controls."""
        if not self.lesson or not self.timed:
            return 0.0
        starts = START_SECONDS * n_lessons(self.lesson, self.timed)
        return (self.lesson + starts) * (1 if self.slots > 1 else 2)

    def after(self, view: View) -> float:
        """Seconds for the winner's answers on the sealed examples, by its measured latency."""
        best = None if view.champion is None else view.outcome(view.champion)
        scores = {} if best is None else best.evidence.scores  # latency_ms may be another device's
        alone = scores.get("latency_here_ms", scores.get("latency_ms", 0.0)) / 1000
        return min(TOGETHER * alone * self.n_sealed, LOOK_SHARE * (view.budget.seconds or 0.0))

    def propose(self, view: View) -> Sequence[Proposal]:
        """The final trainings; when they have ended, their blend; then a lesson."""
        finals = [t for t in view.trials.values() if t.role == "final"]
        if len(finals) < self.finals:
            more = self._finals(view, [t.candidate.document for t in finals])
            if more:
                return more
        ended = [o for t in finals if (o := view.outcome(t.number)) is not None]
        if len(ended) < len(finals):
            return []
        best = sorted((o for o in ended if o.ok), key=lambda outcome: outcome.rank)
        for size in (size for size in BLENDED if size <= len(best)):
            blend = self._blend(view, best[:size])
            if blend is not None:
                known = view.tried(blend.candidate.id, view.rungs.top)
                if known is None:
                    return [blend]
                if view.outcome(known) is None:
                    return []
        return list(lessons(view, self.lesson, self.timed, self.narrow, _best_designs(view)))

    def _finals(self, view: View, begun: Sequence[str]) -> list[Proposal]:
        """One for each of the best designs."""
        found = []
        known = {canonical(json.loads(text)["design"]) for text in begun}
        length = json.loads(begun[0])["length"] if begun else self._length(view)
        best = _best_designs(view)
        if self.alone:
            best.sort(key=lambda outcome: _first_tried(view, outcome))
        for place, outcome in enumerate(best, 1):
            design = json.loads(outcome.trial.candidate.document)
            if canonical(design) in known:
                continue
            ordered = {"type": "Final", "design": design, "length": length}
            if self.alone:
                ordered["threads"] = self.slots
            document = canonical(ordered)
            told = f"{length:.4g} {'s' if self.timed else 'epochs'}"
            which = "the first design" if self.alone else f"number {place} of the search"
            reason = f"{which}, trained from the start for {told}"
            candidate = Candidate(document, (outcome.trial.candidate.id,))
            if candidate.id not in view.refused:
                found.append(Proposal(candidate, reason, view.rungs.top, "final", "closing"))
            if len(found) + len(begun) == self.finals:
                break
        return found

    def _length(self, view: View) -> float:
        """What is left, where there is a clock; begun in time, as the rows tell."""
        if view.budget.seconds is None:
            return self.length
        left = view.budget.seconds - view.elapsed - self.kept_seconds - self.after(view)
        left -= self._starts + self._lessons()
        rounds = min(self.rounds, -(-len(_best_designs(view)) // self.slots))
        return round(max(1.0, left * (1 - MARGIN) / rounds), 3)

    def _blend(self, view: View, ended: Sequence[Outcome]) -> Proposal | None:
        """Finals together; where a limit on size rules that out, only as a teacher."""
        for limit in view.limits:
            if limit.metric in ("params", "macs", "size_kb") and not self.lesson:
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


def _first_tried(view: View, outcome: Outcome) -> int:
    """The number of the first trial of this design."""
    wanted = outcome.trial.candidate.id
    return min(n for n, trial in view.trials.items() if trial.candidate.id == wanted)


def _best_designs(view: View) -> list[Outcome]:
    """Outcomes of designs within the limits, each design once, full runs before lower rungs.

    A short training says little of a long one, but more than nothing.
    """
    found: dict[str, Outcome] = {}
    for rung in range(view.rungs.top, -1, -1):
        for outcome in view.best(view.n_ranked(rung), rung):
            ours = outcome.trial.role == "search" or outcome.trial.by in OF_SPACE
            ours = ours and outcome.trial.candidate.id not in view.banned
            if ours and outcome.violation == 0:
                found.setdefault(outcome.trial.candidate.id, outcome)
    return list(found.values())
