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
from modelwright.data.prepare import Part, load_part
from modelwright.data.schema import Features
from modelwright.evaluators import student_facts as facts
from modelwright.evaluators.keep import read_array
from modelwright.evaluators.table import TableData
from modelwright.evaluators.teacher import Answer, Teacher, open_teacher
from modelwright.families.augment import augment, joined
from modelwright.families.base import Examples, Family, Fitted, FloatArray
from modelwright.families.inputs import inputs_of
from modelwright.families.pipeline import fit_design
from modelwright.families.soft import mixed_labels, soft_examples
from modelwright.models.crossfit import Validation
from modelwright.models.metrics import score_predictions

if TYPE_CHECKING:
    from modelwright.evaluators.fit_and_score import FitAndScore

MAX_BYTES = 64_000_000  # of made rows for one fold
_CUTS = (0.125, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Plan:
    """What a `Student` document asks for.

    `design` is the student's, with at most `rounds` of boosting. With `teach` it learns from
    `teacher` (see `open_teacher`): `soft` is the teacher's part in the labels of real rows, and
    `augment` how many made rows there are for each real one, at most `max_rows`, of which a share
    `solo` differs in one column only. Without, it is a control: the true labels alone.
    `control` (`{"oof", "folds"}`) is what it is compared with. All randomness is from `seed`.
    """

    design: Mapping[str, Any]
    teacher: Mapping[str, Any]
    teach: bool = True
    rounds: int | None = None
    augment: float = 10.0
    soft: float = 0.5
    solo: float = 0.0
    max_rows: int = 100_000
    seed: int = 0
    control: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.soft <= 1 or not 0 <= self.solo <= 1 or self.augment < 0:
            raise InputError(
                f"a student's soft and solo are shares and augment is not below 0; got "
                f"{self.soft}, {self.solo} and {self.augment}."
            )

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

    For each fold it learns from the fold's training rows and from rows made of them; these are
    labelled by models that saw no row which the fold validates. The labels of the training rows
    themselves are the teacher's out-of-fold answers, as in stacking. Beside what every trial has,
    facts `student` tells what was kept of the teacher (docs/json.md).
    """
    plan = Plan.of(document)
    design = evaluator.design(json.dumps(dict(plan.design)))
    with open_teacher(evaluator, table, plan.teacher, tools) as teacher:
        school = School(plan, design, table, teacher)
        for fold in range(len(table.validation.parts)):
            school.add(fold, tools.threads)
            yield Progress(trial.number, float(fold + 1), message=f"fold {fold + 1}")
        school.cut(evaluator)
        evidence = evaluator.evidence(school, trial, tools)
        about = _about(evaluator, school, evidence, tools)
    about |= {"teach": plan.teach, "n_made": school.n_made}
    yield replace(evidence, facts={**evidence.facts, "student": about})


class School:
    """The fits of a student, fold by fold."""

    def __init__(self, plan: Plan, design: Family, table: TableData, teacher: Teacher) -> None:
        self.plan, self.design, self.table, self.teacher = plan, design, table, teacher
        self.validation: Validation = table.validation
        self.seconds: list[float] = []
        self.n_train = self.n_made = 0
        self._models: list[Fitted] = []

    def add(self, fold: int, threads: int) -> None:
        """Fits on one fold's lesson."""
        rows = self.table.training_rows(fold, 1.0, self.plan.seed)
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
        return self._joined(real, self.teacher.labels(rows), made, labels)

    def made(self, fold: int, rows: Any, share: float) -> tuple[Features, FloatArray]:
        """Rows made of the fold's training rows, and what its teacher says of them.

        `share` is the part of the planned number.
        """
        plan, part = self.plan, self.table.part
        base = part.features.take(rows)
        n = 0 if self.teacher.fold is None else round(share * _count(plan, base))
        seed = Key.of(plan.seed).child("made", fold).seed(128)
        made = augment(base, n, seed, solo=plan.solo)
        if not len(made) or self.teacher.fold is None:
            return made, np.zeros((0, max(1, self.validation.n_classes)))
        return made, self.teacher.fold(fold)(made)

    def _joined(
        self, real: Examples, told: FloatArray, made: Features, labels: FloatArray
    ) -> Examples:
        """Real rows with mixed labels, then made ones with the teacher's, all of like weight."""
        known = ~np.isnan(told[:, 0])
        answers = _as_labels(real, np.where(known[:, None], told, 0.0))
        shape = known if real.task == "regression" else known[:, None]
        hard = mixed_labels(real, answers, 0.0)
        mixed = np.where(shape, mixed_labels(real, answers, self.plan.soft), hard)
        weight = real.weight
        everything = np.concatenate([mixed, _as_labels(real, labels)])
        weights = np.concatenate([weight, np.full(len(made), weight.mean())])
        X = real.X.joined(inputs_of(made, self.table.part.schema))
        return soft_examples(real, X, everything, weights)

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
        for model, (repeat, held) in zip(self._models, self.validation.folds, strict=True):
            said = model.predict(self.table.examples.X.take(held))
            out[repeat, held] = said if said.ndim == 2 else said[:, None]
        return out

    def models(self) -> list[Fitted]:
        """The models fold by fold."""
        return self._models

    def on_all(
        self, sealed: Part | None, examples: Examples, rounds: int | None, threads: int
    ) -> Fitted:
        """The student fitted on all rows: `examples` are the development rows, then `sealed`.

        Every fold's teacher labels its part of the made rows; sealed rows, which no fold model has
        seen, have the mean answer of all.
        """
        if not self.plan.teach:
            return self._fit(examples, -1, threads, rounds)
        n, n_folds = len(self.table.part), len(self.validation.parts)
        parts = [
            self.made(f, self.table.training_rows(f, 1.0, self.plan.seed), 1 / n_folds)
            for f in range(n_folds)
        ]
        told = [self.teacher.labels(slice(0, n))]
        if sealed is not None:
            told.append(self._outside(sealed, told[0].shape[1]))
        made, labels = joined([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        lesson = self._joined(examples, np.concatenate(told), made, labels)
        return self._fit(lesson, -1, threads, rounds)

    def _outside(self, sealed: Part, width: int) -> FloatArray:
        ask = self.teacher.fold
        if ask is None:
            return np.full((len(sealed), width), np.nan)
        folds = range(len(self.validation.parts))
        return np.asarray(np.mean([ask(f)(sealed.features) for f in folds], axis=0))


def refit_student(
    evaluator: FitAndScore,
    table: TableData,
    document: Mapping[str, Any],
    rounds: int | None,
    examples: Examples,
    tools: Tools,
) -> Fitted:
    """The model of a `Student` document fitted on all rows of `examples`, to be shipped."""
    plan = Plan.of(document)
    design = evaluator.design(json.dumps(dict(plan.design)))
    longer = len(examples.y) > len(table.part)
    sealed = load_part(evaluator.sealed) if longer and evaluator.sealed is not None else None
    with open_teacher(evaluator, table, plan.teacher, tools) as teacher:
        school = School(plan, design, table, teacher)
        return school.on_all(sealed, examples, rounds, tools.threads)


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
    if teacher.fold is not None:
        held = validation.folds[0][1]
        model = _answer(school.models()[0], table)
        told = (model, teacher.fold(0), key.child("attribution"))
        out["attribution"] = facts.attribution_agreement(table.part, held, *told)
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
    return int(min(plan.augment * len(base), plan.max_rows, MAX_BYTES // bytes_each))


def _as_labels(examples: Examples, out: FloatArray) -> FloatArray:
    return out[:, 0] if examples.task == "regression" else out
