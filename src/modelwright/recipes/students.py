"""The last step of a build: small models that a teacher teaches, each beside a control.

The teacher is the model that the person named, or the winner.
A control has the same design and size and learns from the true labels alone, so that what the
teacher brought can be told. Without limits the best of them is shipped beside the winner; limits
on size or latency may make it the winner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import Outcome, View

SHARE = 0.15  # of a budget in seconds, for all students together
LEAST_SECONDS = 3.0  # below, a student would be a poor one
MOST_SECONDS = 240.0
EACH_SECONDS = 2.5  # of a worker, at least for each design with its control
EACH_CONTROLS = 4.0  # and at least as long as so many fits of it
FEW_TRIALS = 20  # a budget of fewer trials is for trying things out
CONTROL = 0.3  # of the time of a student, at most for its control
ROUNDS, LEAST_ROUNDS, LEAVES = 300, 30, 31
LEAF_KB = 0.05  # of LightGBM's text format, packed, 120 to 370 trees of 8 to 31 leaves, 2026-11-22


@dataclass(frozen=True)
class Sketch:
    """A small design, and about how large it gets; `rounds` is None where there are none.

    `seconds` of a worker are the least that it needs with its control.
    """

    design: Mapping[str, Any]
    rounds: int | None
    leaves: int = 0
    seconds: float = EACH_SECONDS

    @property
    def family(self) -> str:
        """The design's family."""
        return str(self.design["type"])

    def size_kb(self, n_models: int) -> float:
        """About the kilobytes of the exported model, for so many trees in each round."""
        return LEAF_KB * self.leaves * (self.rounds or 1) * n_models


def _boosted(leaves: int, rounds: int) -> Sketch:
    design = {
        "type": "LightGbm", "learning_rate": 0.1, "leaves": leaves, "rows": 1.0, "columns": 1.0,
    }  # fmt: skip
    return Sketch(design, rounds, leaves)


# The strongest first; what comes later is tried when there is time for it.
SKETCHES = (
    _boosted(LEAVES, ROUNDS),
    Sketch({"type": "Linear"}, None),
    _boosted(8, 100),
    Sketch({"type": "Tree"}, None, 64),
    Sketch({"type": "SmallMlp", "epochs": 16}, None, seconds=10 * EACH_SECONDS),
)
QUICK = 4  # of them are tried where no clock is read
SMALL = 2000  # rows below which many leaves bring nothing
MANY = 5000  # rows from which more rounds bring something, where values are predicted


def sketches_for(n_rows: int, values: bool = False) -> tuple[Sketch, ...]:
    """The designs in the order to try them: on few rows the plain ones come first.

    Of many rows with `values` to predict more rounds find more; with classes they find noise.

    >>> [sketch.family for sketch in sketches_for(200)]
    ['Linear', 'LightGbm', 'Tree', 'LightGbm', 'SmallMlp']
    """
    large, *plain, net = SKETCHES
    if n_rows < SMALL:
        return (*plain, large, net)
    return (_boosted(LEAVES, 2 * ROUNDS), *plain, net) if values and n_rows >= MANY else SKETCHES


@dataclass(frozen=True)
class Students:
    """Proposes controls and students once the ensemble is there.

    `families` are those a student may be of. `slots` trials run at a time, each design's control
    before its student. `n_models` is the number of classes where there are more than two, else 1.
    """

    families: tuple[str, ...]
    slots: int = 1
    n_models: int = 1
    seed: int = 0
    sketches: tuple[Sketch, ...] = SKETCHES

    def seconds(self, view: View) -> float:
        """Seconds of the budget for students; 0 where there will be none."""
        if view.budget.seconds is None or self.why_none(view):
            return 0.0
        return min(MOST_SECONDS, SHARE * view.budget.seconds)

    def why_none(self, view: View) -> str:
        """Why there are no students under this budget, or the empty string."""
        budget = view.budget
        if budget.seconds is not None and SHARE * budget.seconds < LEAST_SECONDS:
            return f"a budget of {LEAST_SECONDS / SHARE:.0f} s is needed to teach a student"
        if budget.seconds is None and (budget.trials or 0) < FEW_TRIALS:
            return f"a budget of {FEW_TRIALS} trials is needed to teach a student"
        if not self._fitting(view):
            return "no small design is within the limits or allowed"
        return ""

    def propose(self, view: View, kept: float = 0.0) -> Iterator[Proposal]:
        """What can start now of controls and students; what waits for its control is left out.

        Nothing is started that could not end with `kept` seconds of the budget left.
        """
        teacher = teacher_of(view)
        if teacher is None or self.why_none(view) or self._late(view, kept):
            return
        if any(o.trial.by == "teacher" and not o.ok for o in view.finished):
            return  # another teacher is not what was asked for
        told = teaching(view, teacher)
        for sketch in self._affordable(view):
            control = self._proposal(view, teacher, told, sketch, None)
            number = view.tried(control.candidate.id, view.rungs.top)
            if number is None:
                yield control
                continue
            done = view.outcome(number)
            if done is None or not done.ok:
                continue
            student = self._proposal(view, teacher, told, sketch, done)
            if view.tried(student.candidate.id, view.rungs.top) is None:
                yield student

    def _late(self, view: View, kept: float) -> bool:
        """True when a further control and student could not end with `kept` seconds left."""
        each, seconds = self._each(view), view.budget.seconds
        if each is None or seconds is None:
            return False
        return seconds - kept - view.elapsed < each / (1 - CONTROL)

    def waiting(self, view: View) -> bool:
        """True while a control or student runs."""
        return any(trial.role == "student" for trial in view.pending)

    def _proposal(
        self,
        view: View,
        teacher: Outcome,
        told: Mapping[str, Any],
        sketch: Sketch,
        control: Outcome | None,
    ) -> Proposal:
        metric = view.goals[0].metric
        document: dict[str, Any] = {
            "type": "Student", "design": dict(sketch.design), "teacher": dict(told),
            "teach": control is not None, "rounds": self._rounds(view, sketch), "seed": self.seed,
        }  # fmt: skip
        if control is None:
            reason = f"a {sketch.family} of a student's size on the true labels alone: the control"
        else:
            evidence = control.evidence
            folds = list(evidence.folds[metric])
            document["control"] = {"oof": evidence.artefacts["oof"], "folds": folds}
            document["seconds"] = self._left(view, control)
            reason = f"a {sketch.family} that learns from trial {teacher.trial.number}"
        candidate = Candidate(canonical(document), (teacher.trial.candidate.id,))
        return Proposal(candidate, reason, view.rungs.top, "student", "closing")

    def _fitting(self, view: View) -> list[Sketch]:
        """The sketches that are allowed and about as small as the limits want them."""
        sizes = [x.value for x in view.limits if x.metric == "size_kb" and x.op == "<="]
        most = min(sizes, default=float("inf"))
        allowed = [s for s in self.sketches if s.family in self.families]
        return [s for s in allowed if s.size_kb(self.n_models) <= most]

    def _affordable(self, view: View) -> list[Sketch]:
        """As many of them as the time allows; all of them where no clock is read."""
        fitting = self._fitting(view)
        if view.budget.seconds is None:
            return fitting[:QUICK]
        cost = EACH_CONTROLS * (_round_seconds(view) or 0.0)
        seconds = [max(s.seconds, cost * (s.rounds or 0) * s.leaves / LEAVES) for s in fitting]
        enough = sum(t <= self.seconds(view) * self.slots for t in accumulate(seconds))
        return fitting[: max(1, enough)]

    def _each(self, view: View) -> float | None:
        """Seconds for one student; None where no clock is read."""
        if view.budget.seconds is None:
            return None
        designs = len(self._affordable(view))
        together = min(self.slots, designs)
        return round(self.seconds(view) * together / designs * (1 - CONTROL), 3)

    def _left(self, view: View, control: Outcome) -> float | None:
        """Seconds for a student once its control is there, which may have taken longer."""
        each = self._each(view)
        if each is None:
            return None
        whole = each / (1 - CONTROL)
        return round(max(whole / 3, whole - (control.evidence.seconds or 0.0)), 3)

    def _rounds(self, view: View, sketch: Sketch) -> int | None:
        """The sketch's rounds, or as many as the control has time for by what was measured."""
        each = self._each(view)
        if sketch.rounds is None or each is None:
            return sketch.rounds
        cost = _round_seconds(view)
        if cost is None:
            return sketch.rounds
        possible = int(each * CONTROL / (1 - CONTROL) / cost)
        return max(LEAST_ROUNDS, min(sketch.rounds, possible))


def _round_seconds(view: View) -> float | None:
    """Seconds of one round of LightGBM in all folds, the mean over trials; None without any."""
    found = []
    for o in view.searched:
        facts = o.evidence.facts
        if o.ok and facts.get("family") == "LightGbm" and "rounds" in facts:
            rounds = float(facts["rounds"]) + 50  # and those in which nothing got better
            found.append(o.evidence.scores["fit_seconds"] * facts["n_folds"] / rounds)
    return sum(found) / len(found) if found else None


def teacher_of(view: View) -> Outcome | None:
    """The model that the person named as the teacher, if it could be scored.

    Else the person's present model when it is the champion, else the outcome with the least loss
    whose fold models may be asked, limits or not.
    """
    named = next((o for o in view.finished if o.trial.by == "teacher" and o.ok), None)
    if named is not None:
        return named
    champion = None if view.champion is None else view.outcome(view.champion)
    if champion is not None and champion.trial.by == "yours":
        return champion
    able = [
        o
        for o in view.best(view.n_ranked())
        if o.trial.role in ("search", "blend", "rival")
        and not o.trial.brought and o.trial.by != "trivial"
        and o.trial.candidate.id not in view.banned
        and "oof" in o.evidence.artefacts
        and (o.trial.role == "blend" or "model" in o.evidence.artefacts)
    ]  # fmt: skip
    return min(able, key=lambda o: (o.loss, o.trial.number), default=None)


def teaching(view: View, teacher: Outcome) -> dict[str, Any]:
    """A teacher as `evaluators.teacher.open_teacher` takes it, with its scores by fold."""
    evidence = teacher.evidence
    told: dict[str, Any] = {
        "candidate": teacher.trial.candidate.id,
        "trial": teacher.trial.number,
        "oof": evidence.artefacts["oof"],
        "folds": list(evidence.folds[view.goals[0].metric]),
    }
    document = json.loads(teacher.trial.candidate.document)
    if teacher.trial.brought:
        named = teacher.trial.by == "teacher"
        return told | {"source": document["source"], "named": named}
    if teacher.trial.role != "blend":
        own = {"model": evidence.artefacts["model"], "oof": told["oof"], "weight": 1.0}
        return told | {"members": [own]}
    weights: Mapping[str, float] = evidence.facts["weights"]
    members = [
        {"model": m.get("model"), "oof": m["oof"], "weight": weights[str(m["trial"])]}
        for m in document["members"]
        if weights.get(str(m["trial"]), 0.0) > 0
    ]
    return told | {"members": members}


def students_of(view: View) -> Sequence[Outcome]:
    """The outcomes of students and controls that have a score, best first, within limits first."""
    return [o for o in view.best(view.n_ranked()) if o.trial.role == "student"]


def best_student(view: View) -> Outcome | None:
    """The best of them within the limits: what is shipped beside the winner."""
    return next(
        (o for o in students_of(view)
         if o.violation == 0 and o.trial.candidate.id not in view.banned), None,
    )  # fmt: skip
