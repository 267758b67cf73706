"""What a run's models do to groups of people, with intervals: written as `fairness.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.models.limits import BEHAVIOUR, FAIRNESS
from modelwright.readers.fairness import FAIRNESS_FILE, fairness_lines
from modelwright.readers.leaderboard import described
from modelwright.readers.runs import RunFolder, settings_of
from modelwright.recipes.closing import winner
from modelwright.recipes.students import best_student, students_of
from modelwright.stats import paired_interval

if TYPE_CHECKING:
    from modelwright.data import Part
    from modelwright.models.fairness import RowValues

SCHEMA = "modelwright.fairness/1"
FAIR_SECONDS = 3.0  # of a budget in seconds, kept for measuring by group
GENERATIONS = 5  # of the winner's line of parents, so many steps back


def write_fairness(run: RunFolder, record: Record) -> dict[str, Any] | None:
    """Measures the winner, the best plain model, the person's own, teachers and students by group.

    What comes back is written as `fairness.json` into the run's folder; docs/fairness.md says what
    is in it. None without protected columns, or before any model of our own was scored. Random in
    the study's seed (the resamples).
    """
    question = settings_of(record).get("question", {})
    best = winner(record.view)
    if not question.get("protect") or best is None:
        return None
    if not (run.path / "data" / "dev" / "part.json").exists():
        raise InputError(f"the run {run.name} has lost its data folder; build it again.")
    facts = _Measured(run, record).facts(best)
    facts["lines"] = fairness_lines(facts)
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
    (run.path / FAIRNESS_FILE).write_text(text + "\n", "utf-8")
    return facts


@dataclass(frozen=True)
class _Measured:
    """The rows of a run, and its models' answers for them."""

    run: RunFolder
    record: Record

    def facts(self, best: Outcome) -> dict[str, Any]:
        """All that is written, but the sentences."""
        from modelwright.data.protected import LEAST_ROWS

        view = self.record.view
        plain, student = best_plain(self.record), _student(self.record)
        yours = next((o for o in view.finished if o.trial.by == "yours" and o.ok), None)
        told = [("chosen", best), ("plain", plain), ("yours", yours), ("student", student)]
        models, seen = [], set()
        for role, outcome in told:
            if outcome is not None and outcome.trial.number not in seen and self._kept(outcome):
                seen.add(outcome.trial.number)
                models.append(self._model(role, outcome))
        question = settings_of(self.record)["question"]
        return {
            "schema": SCHEMA,
            "least_rows": LEAST_ROWS,
            "protected": [
                {"column": p.column.name, "groups": list(p.names)} for p in self.part.protected
            ],
            "as_input": bool(question.get("protect_as_input")),
            "metric": view.goals[0].metric,
            "limits": [str(x) for x in view.limits if x.metric in FAIRNESS],
            "models": models,
            "price": None if plain is None else self._price(best, plain),
            "inherited": [
                self._inherited(word, child, parent)
                for word, child, parent in self._pairs(best, student, yours)
                if self._kept(child) and self._kept(parent)
            ],
        }

    @cached_property
    def part(self) -> Part:
        """The development rows."""
        from modelwright.data import load_part

        return load_part(self.run.path / "data" / "dev")

    @cached_property
    def _groups(self) -> tuple[Any, ...]:
        """Attributes, weights and resamples."""
        import numpy as np

        from modelwright.data.protected import attributes_of
        from modelwright.models.fairness_intervals import Resamples

        cells = np.asarray(self.part.cells)
        weights = None if self.part.weights is None else np.asarray(self.part.weights, float)
        key = Key.of(self.record.settings["problem"]["seed"]).child("fairness")
        attributes = tuple(attributes_of(self.part.protected, cells))
        return attributes, weights, Resamples.of(len(self.part), weights, key)

    def _kept(self, outcome: Outcome) -> bool:
        from modelwright.executors import FileStore

        name = outcome.evidence.artefacts.get("oof")
        return name is not None and FileStore(self.run.path / "artefacts").path(name).exists()

    def _values(self, outcome: Outcome) -> RowValues:
        """What the measures average, from the kept out-of-fold answers, scored as in the trial."""
        import numpy as np

        from modelwright.evaluators.fair import equalise_in, values_of
        from modelwright.evaluators.keep import read_array
        from modelwright.evaluators.table import validation_of
        from modelwright.executors import FileStore
        from modelwright.models.crossfit import score_oof
        from modelwright.models.decision import parse_constraint
        from modelwright.models.metrics import find_metric

        told = self.record.settings["settings"]["arguments"]
        store = FileStore(self.run.path / "artefacts")
        oof = np.asarray(read_array(outcome.evidence.artefacts["oof"], store), float)
        validation = validation_of(self.part)
        metric = find_metric(told["metric"], self.part.schema.task)
        asked = told.get("constraint")
        constraint = None if asked is None else parse_constraint(asked)
        document = json.loads(outcome.trial.candidate.document)
        equalise = equalise_in(document, self.part)
        as_it_is = outcome.trial.brought
        scored = score_oof(validation, oof, metric, (), constraint, as_it_is, equalise)
        return values_of(scored, validation)

    def _model(self, role: str, outcome: Outcome) -> dict[str, Any]:
        from modelwright.models.fairness_intervals import group_report

        attributes, weights, resamples = self._groups
        found = group_report(self._values(outcome), attributes, weights, resamples)
        limits = [x for x in self.record.view.limits if x.metric in FAIRNESS]
        evidence = outcome.evidence
        return {
            "role": role,
            **_named(outcome),
            "score": evidence.scores.get(self.record.view.goals[0].metric),
            "broken": [
                str(x)
                for x in limits
                if x.metric not in evidence.scores
                or x.violation(evidence.scores[x.metric], evidence.noise.get(x.metric, 0.0)) > 0
            ],
            **found,
        }

    def _price(self, best: Outcome, plain: Outcome) -> dict[str, Any]:
        """What the chosen model loses beside the best plain one, by metric, paired by fold."""
        out: dict[str, Any] = {"chosen": best.trial.number, "plain": plain.trial.number}
        goal = self.record.view.goals[0].metric
        for name in dict.fromkeys((goal, "accuracy")):
            mine, theirs = (o.evidence.folds.get(name, ()) for o in (best, plain))
            if not mine or len(mine) != len(theirs):
                continue
            found = None
            if len(mine) > 1:
                found = paired_interval(mine, theirs, overlap=best.overlap)
            change = sum(mine) / len(mine) - sum(theirs) / len(theirs)
            bounds = [None, None] if found is None else [found.low, found.high]
            out[name] = [round(x, 6) if x is not None else None for x in (change, *bounds)]
        return out

    def _pairs(
        self, best: Outcome, student: Outcome | None, yours: Outcome | None
    ) -> Iterator[tuple[str, Outcome, Outcome]]:
        """Who took over from whom: teacher to student, yours to ours, parent to child."""
        view = self.record.view
        for taught in dict.fromkeys(o.trial.number for o in (student, best) if o is not None):
            child = view.outcome(taught)
            document = json.loads(child.trial.candidate.document) if child else {}
            if child is not None and document.get("type") == "Student" and document["teach"]:
                teacher = view.outcome(int(document["teacher"]["trial"]))
                if teacher is not None:
                    yield "teacher to student", child, teacher
        if yours is not None and yours is not best:
            yield "yours to ours", best, yours
        child = best
        for _ in range(GENERATIONS if best.trial.role == "search" else 0):
            number = next(
                (view.tried(p, view.rungs.top) for p in child.trial.candidate.parents), None
            )
            parent = None if number is None else view.outcome(number)
            if parent is None or not parent.ok:
                return
            yield "generation to generation", child, parent
            child = parent

    def _inherited(self, word: str, child: Outcome, parent: Outcome) -> dict[str, Any]:
        """How much more of each measure the child has than its parent, on the same rows."""
        from modelwright.models.fairness_intervals import group_report

        attributes, weights, resamples = self._groups
        mine, theirs = self._values(child), self._values(parent)
        found = group_report(mine, attributes, weights, resamples, theirs)
        behaviour = {
            name: [parent.evidence.scores[name], child.evidence.scores[name]]
            for name in BEHAVIOUR
            if name in child.evidence.scores and name in parent.evidence.scores
        }
        return {
            "how": word, "from": _named(parent), "to": _named(child), "gaps": found["gaps"],
            "groups": found["groups"], "behaviour": behaviour,
        }  # fmt: skip


def best_plain(record: Record) -> Outcome | None:
    """The best model that nothing was done to for groups' sake, limits or not."""
    view = record.view
    ours = [
        o
        for o in view.best(view.n_ranked())
        if o.trial.role in ("search", "blend") and not o.trial.brought and not _mitigated(o)
    ]
    return min(ours, key=lambda o: (o.loss, o.trial.number), default=None)


def _student(record: Record) -> Outcome | None:
    """The best student, or the best that was taught where none is within the limits."""
    taught = (
        o
        for o in students_of(record.view)
        if o.evidence.facts.get("student", {}).get("teach") and not o.trial.brought
    )
    return best_student(record.view) or next(taught, None)


def _mitigated(outcome: Outcome) -> bool:
    from modelwright.families.mitigated import MITIGATED

    return any(f'"type":"{name}"' in outcome.trial.candidate.document.replace("\\", "")
               for name in MITIGATED)  # fmt: skip


def _named(outcome: Outcome) -> dict[str, Any]:
    return {
        "trial": outcome.trial.number,
        "candidate": outcome.trial.candidate.id,
        "words": described(outcome),
    }
