"""How a run on a table ends: an ensemble of its best trials, then the winner fitted on all rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import Outcome, View
from modelwright.recipes.students import Students, best_student

MEMBERS = 16  # trials offered to an ensemble, at most
PER_FAMILY = 4  # and of each family
LIKELY, LOOKED_AT = 5, 30  # members for which time is kept, among so many of the best trials
REFIT = 2.0  # times the expected seconds of a student's fit on all rows are kept for it
SHARE = 0.4  # the closing steps never hold back more of the budget than this
SHIPPED_KB = 15_000.0  # a second: 2.3 s over budget with 31 MB of LightGBM, 2026-11-22
START_SECONDS = 3.0  # an ensemble, calibration, and the way to a worker and back


@dataclass(frozen=True)
class BlendAndRefit:
    """Proposes an ensemble of the best trials, then fits of the winner's members on all rows.

    A fit on all rows has `growth` times the rows of one fold's fit; `slots` members are fitted at a
    time. Of a budget in seconds `kept_seconds` are for what follows the last trial.
    `max_members` bounds the trials offered to the ensemble. The look at the sealed part needs no
    fit: the models of the folds are kept. With `students` small models learn from the best trial,
    or from the model named as their teacher; where there are limits, also from an ensemble that
    takes no notice of them.
    """

    growth: float = 1.6
    slots: int = 1
    kept_seconds: float = 0.0
    students: Students | None = None
    blend: bool = True
    max_members: int = MEMBERS
    n_sealed: int = 0

    def reserve(self, view: View) -> float:
        """Seconds for an ensemble and a refit of its likely members, from measured fits."""
        best = self._likely(view)
        if not best:  # first of all a model, if only that of a fold
            return START_SECONDS
        fits = self.growth * sum(o.evidence.scores.get("fit_seconds", 0.0) for o in best)
        needed = START_SECONDS + fits / min(self.slots, max(1, len(best)))
        needed += self.after(view) + (self.students.seconds(view) if self.students else 0.0)
        return min(needed, SHARE * (view.budget.seconds or needed))

    def after(self, view: View) -> float:
        """Seconds for reading and writing the winner, by its size, beside what any model takes; and
        for what all its folds' models answer to the sealed rows."""
        best = winner(view)
        if best is None:
            return 0.0
        scores, n_folds = best.evidence.scores, int(best.evidence.facts.get("n_folds", 1))
        look = scores.get("predict_seconds", 0.0) / 1000 * self.n_sealed * n_folds
        needed = scores.get("size_kb", 0.0) / SHIPPED_KB + look
        return min(needed, SHARE * (view.budget.seconds or 0.0))

    def _kept(self, view: View) -> float:
        """Seconds that no lesson may use: shipping, and the best student's fit on all rows.

        One fold's fit has two thirds of the rows; no further design gains what that costs.
        """
        best = best_student(view)
        fit = 0.0 if best is None else best.evidence.scores.get("fit_seconds", 0.0)
        return self.kept_seconds + self.after(view) + REFIT * self.growth * fit

    def _likely(self, view: View) -> list[Outcome]:
        """The best trials that an ensemble may be made of: the first three, and other families'."""
        found: list[Outcome] = []
        families: set[str] = set()
        for o in view.best(LOOKED_AT):
            family = str(o.evidence.facts.get("family", ""))
            if o.trial.role == "search" and (len(found) < 3 or family not in families):
                found.append(o)
                families.add(family)
        return found[:LIKELY]

    def propose(self, view: View) -> Sequence[Proposal]:
        """The steps that can start now; none when all are done, or the next waits for one."""
        for blend in self._blends(view):
            if blend.candidate.id in view.refused:
                continue
            known = view.tried(blend.candidate.id, view.rungs.top)
            if known is None:
                return [blend]
            if view.outcome(known) is None:
                return []
        taught = self.students.propose(view, self._kept(view)) if self.students else ()
        lessons = [lesson for lesson in taught if lesson.candidate.id not in view.refused]
        learning = self.students is not None and self.students.waiting(view)
        if view.limits and (lessons or learning):
            return lessons  # one of them may be the winner
        best = best_student(view)
        beside = [] if lessons or learning or best is None else self._refits(view, best)
        refits = self._refits(view, winner(view))
        first = 0 if learning or self.slots == 1 else 1  # one slot for lessons, others for refits
        return [*lessons[:first], *beside, *refits, *lessons[first:]]

    def _refits(self, view: View, outcome: Outcome | None) -> list[Proposal]:
        """The fits on all rows of an outcome within the limits."""
        if outcome is None or outcome.violation > 0:
            return []
        reason = f"fits a member of trial {outcome.trial.number} on all rows, to be shipped"
        return [
            Proposal(refit, reason, view.rungs.top, "refit", "closing")
            for refit in refits_of(outcome)
            if view.tried(refit.id, view.rungs.top) is None and refit.id not in view.refused
        ]

    def _blends(self, view: View) -> list[Proposal]:
        """The ensemble within the limits, and the one that students learn from."""
        found = [self._blend(view, within=True)]
        if view.limits and self.students is not None and not self.students.why_none(view):
            found.append(self._blend(view, within=False))
        return [blend for blend in found if blend is not None]

    def _blend(self, view: View, within: bool) -> Proposal | None:
        fit = self._offered(view, within)
        if not self.blend or len(fit) < 2:
            return None
        members = [_member(outcome) for outcome in fit]
        document = canonical({"type": "Blend", "members": members})
        reason = f"an ensemble of up to {len(fit)} of the best trials, weighted on their folds"
        parents = tuple(o.trial.candidate.id for o in fit)
        return Proposal(Candidate(document, parents), reason, view.rungs.top, "blend", "closing")

    def _offered(self, view: View, within: bool) -> list[Outcome]:
        """The best trials (`within` the limits), a few of each family.

        An ensemble lives on difference. Many near copies of one good design would only offer more
        of the same noise.
        """
        found: list[Outcome] = []
        count: Counter[str] = Counter()
        ranked = view.best(view.n_ranked())
        for o in ranked if within else sorted(ranked, key=lambda o: (o.loss, o.trial.number)):
            usable = o.trial.role in ("search", "rival") and not o.trial.brought
            usable = usable and not banned(view, o)
            if usable and (o.violation == 0 or not within) and "oof" in o.evidence.artefacts:
                family = str(o.evidence.facts.get("family", ""))
                count[family] += 1
                if count[family] <= PER_FAMILY:
                    found.append(o)
            if len(found) == self.max_members:
                break
        return found


def _member(outcome: Outcome) -> dict[str, Any]:
    noise = outcome.evidence.noise.get("energy_joules")
    return {
        "trial": outcome.trial.number,
        "seed": outcome.trial.seed,
        "document": outcome.trial.candidate.document,
        "oof": outcome.evidence.artefacts["oof"],
        "model": outcome.evidence.artefacts.get("model"),
        "facts": dict(outcome.evidence.facts),
        "latency_ms": outcome.evidence.scores.get("latency_ms"),
        "size_kb": outcome.evidence.scores.get("size_kb"),
        "fit_seconds": outcome.evidence.scores.get("fit_seconds"),
        "predict_seconds": outcome.evidence.scores.get("predict_seconds"),
        "energy_joules": outcome.evidence.scores.get("energy_joules"),
        **({} if noise is None else {"energy_noise": noise}),
    }


def winner(view: View) -> Outcome | None:
    """The outcome to ship: the champion, or the best of our own when the champion is the person's.

    A person's word goes first: of designs within the limits the one that is pinned, and never one
    that is banned. It may be outside the limits, when nothing was within them.
    """
    ours = (o for o in view.best(view.n_ranked())
            if not o.trial.brought and not banned(view, o))  # fmt: skip
    if view.pinned is not None:
        within = (o for o in view.best(view.n_ranked()) if o.violation == 0)
        pinned = next((o for o in within if o.trial.candidate.id == view.pinned), None)
        if pinned is not None and not pinned.trial.brought:
            return pinned
    champion = None if view.champion is None else view.outcome(view.champion)
    if champion is not None and not champion.trial.brought and not banned(view, champion):
        return champion
    return next(ours, None)


def banned(view: View, outcome: Outcome) -> bool:
    """Whether a person banned it, or a design that was offered to this ensemble."""
    candidate = outcome.trial.candidate
    parts = candidate.parents if outcome.trial.role == "blend" else ()
    return not view.banned.isdisjoint({candidate.id, *parts})


def members_of(outcome: Outcome) -> list[dict[str, Any]]:
    """What an outcome is made of: `document`, `seed`, `weight` and `facts` of each member."""
    if outcome.trial.role != "blend":
        trial = outcome.trial
        plain = {"document": trial.candidate.document, "seed": trial.seed, "weight": 1.0}
        return [plain | {"facts": dict(outcome.evidence.facts)}]
    weights: Mapping[str, float] = outcome.evidence.facts["weights"]
    offered = json.loads(outcome.trial.candidate.document)["members"]
    return [
        {k: m[k] for k in ("document", "seed", "facts")} | {"weight": weights[str(m["trial"])]}
        for m in offered
        if weights.get(str(m["trial"]), 0.0) > 0
    ]


def refits_of(outcome: Outcome) -> list[Candidate]:
    """The candidates of the closing fits: one for each member, on all rows, by falling weight."""
    members = sorted(members_of(outcome), key=lambda m: -float(m["weight"]))
    return [refit_of(outcome, member) for member in members]


def refit_of(outcome: Outcome, member: Mapping[str, Any]) -> Candidate:
    """The candidate of one member's fit on all rows."""
    document = canonical({"type": "Refit", "rows": "all", "members": [{**member, "weight": 1.0}]})
    return Candidate(document, (outcome.trial.candidate.id,))
