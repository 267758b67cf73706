"""Fits a small design on what a teacher says, or as a control on the true labels alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.data.schema import Features
from modelwright.evaluators import student_facts as facts
from modelwright.evaluators.fair import values_of
from modelwright.evaluators.keep import read_array
from modelwright.evaluators.table import TableData
from modelwright.evaluators.teacher import Answer, Teacher, open_teacher
from modelwright.families.augment import augment, joined
from modelwright.families.base import Examples, Family, Fitted, FloatArray
from modelwright.families.inputs import inputs_of
from modelwright.families.pipeline import fit_design
from modelwright.families.soft import soft_examples, together
from modelwright.models.crossfit import Validation, score_oof
from modelwright.models.fairness import RowValues
from modelwright.models.metrics import score_predictions

if TYPE_CHECKING:
    from modelwright.evaluators.fit_and_score import FitAndScore

MAX_BYTES = 64_000_000  # of made rows for one fold
_WEIGHTS = (0.3, 0.1)  # of a made row: for classes, for values (docs/notebook.md, 2026-11-22)
_PILOT = 500  # made rows that tell how long more of them take
_ATTRIBUTION = 0.1  # of a student's seconds, for how much its teacher's columns matter
_CUTS = (0.125, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Plan:
    """What a `Student` document asks for.

    `design` is the student's, with at most `rounds` of boosting. With `teach` it learns, beside the
    true labels, what `teacher` (see `open_teacher`) says of `made` made rows for each real one, at
    most `max_rows`. A made row weighs `weight` as much as a real one; None is 0.3 for classes and
    0.1 for values. With `seconds` there are only as many as fit into that time, by the speed of a
    few; else no clock is read. Without `teach` it is a control: the true labels alone. `control`
    (`{"oof", "folds"}`) is what a student is compared with. All randomness is from `seed`.
    """

    design: Mapping[str, Any]
    teacher: Mapping[str, Any]
    teach: bool = True
    rounds: int | None = None
    made: float = 10.0
    weight: float | None = None
    max_rows: int = 100_000
    seconds: float | None = None
    seed: int = 0
    control: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Plan:
        """The plan of a document of type `Student`. Raises InputError for what is none."""
        told = {k: v for k, v in document.items() if k != "type"}
        try:
            return cls(**told)
        except TypeError as error:
            raise InputError(f"a Student document is not complete: {error}.") from None


def score_student(
    evaluator: FitAndScore,
    table: TableData,
    document: Mapping[str, Any],
    trial: Trial,
    tools: Tools,
) -> Iterator[Progress | Evidence]:
    """Progress after each fold, then the evidence of a `Student` (see `Plan`).

    For each fold it learns from the fold's training rows and from rows made of them, which are
    labelled by models that saw no row which the fold validates. The teacher's out-of-fold answers
    for the training rows are no labels: most of them come from models that did see these rows, and
    a student that learned from them looked better than it was (docs/notebook.md, 2026-11-22).
    Beside what every trial has, facts `student` tells what was kept of the teacher (docs/json.md).
    """
    plan = Plan.of(document)
    design = evaluator.design(json.dumps(dict(plan.design)))
    with open_teacher(evaluator, table, plan.teacher, tools) as teacher:
        one = len(table.validation.parts) == 1  # very many rows: a share of them, as for any trial
        school = School(plan, design, table, teacher, min(1.0, trial.fidelity) if one else 1.0)
        for fold in range(len(table.validation.parts)):
            school.add(fold, tools.threads)
            # The pilot before the first fold and the facts after the last take time, too.
            done = (fold + 2) / (len(table.validation.parts) + 2)
            yield Progress(trial.number, float(fold + 1), message=f"fold {fold + 1}", done=done)
        school.cut(evaluator)
        evidence = evaluator.evidence(school, trial, tools, _taught_by(evaluator, school))
        about = _about(evaluator, school, evidence, tools)
    about |= {"teach": plan.teach, "n_made": school.n_made, "per_fold": school.per_fold}
    if plan.teach and "source" in plan.teacher:  # the person's own model was fitted elsewhere
        about["teacher_may_have_seen_rows"] = True
        about["teacher_named"] = bool(plan.teacher.get("named"))
    yield replace(evidence, facts={**evidence.facts, "student": about})


class School:
    """The fits of a student, fold by fold."""

    def __init__(
        self, plan: Plan, design: Family, table: TableData, teacher: Teacher, share: float = 1.0
    ) -> None:
        self.plan, self.design, self.table, self.teacher = plan, design, table, teacher
        self.share = share  # of a fold's training rows
        self.validation: Validation = table.validation
        self.seconds: list[float] = []
        self.n_train = self.n_made = 0
        self.per_fold: int | None = None  # made rows; None: as many as the plan says
        self._models: list[Fitted] = []
        self._thousand = 0.0

    def add(self, fold: int, threads: int) -> None:
        """Fits on one fold's lesson."""
        rows = self.table.training_rows(fold, self.share, self.plan.seed)
        if self.per_fold is None:
            self.per_fold = self._affordable(fold, rows, threads)
        lesson = self._lesson(fold, rows)
        began = time.perf_counter()
        self._models.append(self._fit(lesson, fold, threads))
        self.seconds.append(time.perf_counter() - began)
        self.n_train = self.n_train or len(rows)

    def _fit(
        self, lesson: Examples, number: int, threads: int, rounds: int | None = None
    ) -> Fitted:
        seed = Key.of(self.plan.seed).child("student", number).seed(31)
        rounds = rounds or self.plan.rounds
        return fit_design(self.design, lesson, threads=threads, seed=seed, rounds=rounds)

    def _lesson(self, fold: int, rows: Any) -> Examples:
        real = self.table.examples.take(rows)
        if not self.plan.teach:
            return real
        made, labels = self.made(fold, rows, 1.0)
        self.n_made = self.n_made or len(made)
        return self._joined(real, made, labels)

    def _affordable(self, fold: int, rows: Any, threads: int) -> int:
        """How many made rows each fold gets: those of the plan, or what there is time for."""
        plan = self.plan
        planned = _count(plan, self.table.part.features.take(rows)) if plan.teach else 0
        if plan.seconds is None or planned <= _PILOT or self.teacher.fold is None:
            return planned
        began = time.perf_counter()
        made, labels = self.made(fold, rows, _PILOT / planned)
        labelled = time.perf_counter()
        self._fit(self._joined(self.table.examples.take(rows), made, labels), fold, threads)
        fixed = time.perf_counter() - labelled
        copies = 1.5 if self.validation.n_classes else 1.0  # a row for each class it may be of
        each = (labelled - began) / _PILOT + copies * fixed / len(rows)
        # A final fit on all rows comes on top of the folds.
        left = (plan.seconds - (labelled - began) - fixed) / (len(self.validation.parts) + 1)
        return int(min(planned, max(_PILOT, (left - fixed) / max(each, 1e-9))))

    def made(self, fold: int, rows: Any, share: float) -> tuple[Features, FloatArray]:
        """Rows made of the fold's training rows, and what its teacher says of them.

        `share` is the part of the planned number.
        """
        plan, ask = self.plan, self.teacher.fold
        base = self.table.part.features.take(rows)
        planned = _count(plan, base) if self.per_fold is None else self.per_fold
        seed = Key.of(plan.seed).child("made", fold).seed(128)
        made = augment(base, 0 if ask is None else round(share * planned), seed)
        if ask is None or not len(made):
            return made, np.zeros((0, max(1, self.validation.n_classes)))
        return made, ask(fold)(made)

    def _joined(self, real: Examples, made: Features, labels: FloatArray) -> Examples:
        """Real rows with the true labels, then made ones with the teacher's."""
        regression = real.task == "regression"
        share = _WEIGHTS[regression] if self.plan.weight is None else self.plan.weight
        X = inputs_of(made, self.table.part.schema)
        if not len(made):
            return real
        weights = np.full(len(made), share * real.weight.mean())
        said = labels[:, 0] if regression else labels
        return together(real, soft_examples(real, X, said, weights))

    def cut(self, evaluator: FitAndScore) -> None:
        """Cuts boosted models at the number of rounds with the best mean score over the folds."""
        most = max((m.rounds or 0 for m in self._models), default=0)
        if most < 2:
            return
        metric, validation = evaluator.metric, self.validation

        def loss(rounds: int) -> float:
            parts = []
            for model, (_, held) in zip(self._models, validation.folds, strict=True):
                out = model.with_rounds(rounds).predict(self.table.examples.X.take(held))
                score = score_predictions(metric, validation.y[held], out, validation.weight(held))
                parts.append(metric.goal.loss(score))
            return float(np.mean(parts))

        tried = sorted({max(1, round(most * share)) for share in _CUTS})
        best = min(tried, key=loss)
        self._models = [m.with_rounds(best) for m in self._models]

    def predictions(self) -> FloatArray:
        """Out-of-fold predictions `[repeats, n, k]`."""
        out = self.validation.empty()
        seconds, n = 0.0, 0
        for model, (repeat, held) in zip(self._models, self.validation.folds, strict=True):
            rows = self.table.examples.X.take(held)
            began = time.perf_counter()
            said = model.predict(rows)
            seconds, n = seconds + time.perf_counter() - began, n + len(held)
            out[repeat, held] = said if said.ndim == 2 else said[:, None]
        self._thousand = 1000 * seconds / max(1, n)
        return out

    def thousand_rows(self) -> float:
        """Seconds that one fold's model took to answer a thousand rows, when it was asked last."""
        return self._thousand

    def models(self) -> list[Fitted]:
        """The models fold by fold."""
        return self._models

    def on_all(self, examples: Examples, rounds: int | None, threads: int) -> Fitted:
        """The student fitted on all rows; the teachers of the folds share the made ones."""
        if not self.plan.teach:
            return self._fit(examples, -1, threads, rounds)
        n_folds = len(self.validation.parts)
        parts = [
            self.made(f, self.table.training_rows(f, 1.0, self.plan.seed), 1 / n_folds)
            for f in range(n_folds)
        ]
        made, labels = joined([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        return self._fit(self._joined(examples, made, labels), -1, threads, rounds)


def refit_student(
    evaluator: FitAndScore,
    table: TableData,
    document: Mapping[str, Any],
    told: Mapping[str, Any],
    examples: Examples,
    tools: Tools,
) -> Fitted:
    """The model of a `Student` document fitted on all rows of `examples`, to be shipped.

    `told` are the facts of its trial: rounds and the number of made rows are taken from there.
    """
    plan = Plan.of(document)
    design = evaluator.design(json.dumps(dict(plan.design)))
    with open_teacher(evaluator, table, plan.teacher, tools) as teacher:
        school = School(plan, design, table, teacher)
        school.per_fold = told.get("student", {}).get("per_fold")
        return school.on_all(examples, told.get("rounds"), tools.threads)


def _taught_by(evaluator: FitAndScore, school: School) -> RowValues | None:
    """What the teacher answers for groups of people, by its out-of-fold answers; None for none."""
    if not school.plan.teach or school.table.part.cells is None:
        return None
    scored = score_oof(
        school.validation, school.teacher.oof, evaluator.metric, (), evaluator.constraint
    )
    return values_of(scored, school.validation)


def _about(
    evaluator: FitAndScore, school: School, evidence: Evidence, tools: Tools
) -> dict[str, Any]:
    """The facts about teacher and control."""
    table, plan, metric = school.table, school.plan, evaluator.metric
    validation, teacher = table.validation, school.teacher
    mine = (np.asarray(read_array(evidence.artefacts["oof"], tools.store), float),
            evidence.folds[metric.name])  # fmt: skip
    key = Key.of(plan.seed).child("facts")
    rows, (a, b) = facts.first_repeat(validation, mine[0], teacher.oof)
    out: dict[str, Any] = {"fidelity": facts.fidelity(a, b)}
    theirs = (teacher.oof, plan.teacher["folds"])
    out["lost"] = facts.difference(validation, metric, mine, theirs, key.child("lost"))
    if plan.control is not None:
        other = np.asarray(read_array(plan.control["oof"], tools.store), float)
        found = facts.difference(
            validation, metric, (other, plan.control["folds"]), mine, key.child("gain")
        )
        out["gain"] = found
    if validation.n_classes:
        y = validation.y[rows]
        out["ece"] = round(facts.calibration_error(y, a), 6)
        out["teacher_ece"] = round(facts.calibration_error(y, b), 6)
    out["worst_group"] = facts.worst_group(table.part, validation, metric, mine[0], teacher.oof)
    if plan.teach and teacher.fold is not None:
        held = validation.folds[0][1]
        model = _answer(school.models()[0], table)
        told = (model, teacher.fold(0), key.child("attribution"))
        seconds = None if plan.seconds is None else _ATTRIBUTION * plan.seconds
        out["attribution"] = facts.attribution_agreement(table.part, held, *told, seconds)
    return out


def _answer(fitted: Fitted, table: TableData) -> Answer:
    def answer(features: Features) -> FloatArray:
        out = fitted.predict(inputs_of(features, table.part.schema))
        return out if out.ndim == 2 else out[:, None]

    return answer


def _count(plan: Plan, base: Features) -> int:
    """How many rows are made: bounded by number and by bytes."""
    width = base.numeric.shape[1] + base.dates.shape[1] + base.codes.shape[1]
    bytes_each = 8 * max(1, width) + 100 * len(base.texts)
    return int(min(plan.made * len(base), plan.max_rows, MAX_BYTES // bytes_each))
