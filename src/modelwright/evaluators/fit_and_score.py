"""Fits a design on the folds of a table and scores it: what `modelwright build` evaluates.

The documents it knows, by their `type`: a family's name (role `search` or `rival`), `Blend`,
`Refit`, `Student`, and `Rival` for the person's present model.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.problem import Limit
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.evaluators import closing, rival, student
from modelwright.evaluators.behave import asked_of, measure, predict_of_fitted
from modelwright.evaluators.energy import energy_joules
from modelwright.evaluators.fair import equalise_of, fair_scores
from modelwright.evaluators.keep import keep_array, keep_folds
from modelwright.evaluators.latency import measure as timed
from modelwright.evaluators.latency import one_prediction
from modelwright.evaluators.table import Monotone, TableData, load_table
from modelwright.families import FAMILIES, SEARCHED, family, table_model
from modelwright.families.base import Family, Fitted, FloatArray, Task
from modelwright.families.pipeline import fit_design
from modelwright.models.behaviour import Asked
from modelwright.models.crossfit import Validation, score_oof
from modelwright.models.decision import parse_constraint
from modelwright.models.fairness import RowValues
from modelwright.models.metrics import METRICS, STANDARD, Metric, find_metric
from modelwright.spaces import Space

CODE = 2  # raise it when scores of equal designs change


def load(
    task: Task,
    metric: str | Mapping[str, Any] | None = None,
    families: Sequence[str] = SEARCHED,
    constraint: str | None = None,
    sealed: str | None = None,
    path: str | None = None,
    behaviour: Mapping[str, Any] | None = None,
    monotone: Sequence[tuple[str, int]] = (),
    watts: float | None = None,
) -> FitAndScore:
    """The evaluator from plain data: a worker's entry point.

    `sealed` is the folder of the sealed part, read only by a `Refit` on all rows. `path` is put on
    the path of imports, for a metric or model of the user's own. `behaviour` has the `names` to
    measure and the columns declared `monotone` and `invariant` (see `behave.asked_of`). `monotone`
    has the columns with +1 or -1 that every model is to keep to. With `watts`, the power of one
    busy core, `energy_joules` is measured too.
    """
    if path is not None and path not in sys.path:
        sys.path.append(path)
    return FitAndScore(
        task,
        find_metric(metric, task),
        Space(table_model(families)),
        None if constraint is None else parse_constraint(constraint),
        None if sealed is None else Path(sealed),
        asked_of(behaviour),
        tuple((str(name), int(sign)) for name, sign in monotone),
        watts,
    )


@dataclass(frozen=True)
class FitAndScore:
    """An evaluator over the prepared table in `tools.data`.

    A trial's fidelity is the share of the work of a full run: fewer folds, and with one fold left
    fewer training rows. Evidence has the metric (scores and folds), the task's standard metrics,
    `fit_seconds` (median of one fit), `predict_seconds` (of a thousand rows), `latency_ms` (with
    noise) and `size_kb`; artefacts `oof` (float32 `[repeats, n, k]`, NaN where not validated) and
    `model` (those of all folds, packed) at the full rung; facts `family`, `n_folds`, `n_train`,
    `rounds` (of boosting), `finish` (the calibration and decision to ship) and `contains_rows`.
    Behaviour that is `asked` for is among the scores, with noise, and so are gaps between groups
    where the table has protected columns.

    A boosted model watches the validation rows to know when to stop, but no fold is scored at its
    own best round: all use the median of the folds' best.
    """

    task: Task
    metric: Metric
    space: Space
    constraint: Limit | None = None
    sealed: Path | None = None
    asked: Asked = Asked()
    monotone: Monotone = ()
    watts: float | None = None

    def protocol(self) -> Mapping[str, Any]:
        """Metric, constraint and version of this code; the data is named by who prepared it."""
        constraint = None if self.constraint is None else str(self.constraint)
        return {
            "kind": "fit_and_score",
            "metric": self.metric.identity(),
            "constraint": constraint,
            "code": CODE,
        }

    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Progress | Evidence]:
        """Progress after each fold (or member), then the evidence."""
        table = load_table(Path(tools.data), self.metric.loss, self.metric.quantile, self.monotone)
        document = json.loads(trial.candidate.document)
        kind = document.get("type", "")
        if kind == "Blend":
            yield closing.blend_members(self, table, document, trial, tools)
        elif kind == "Refit":
            yield from closing.refit_members(self, table, document, trial, tools)
        elif kind == "Rival":
            yield rival.score_rival(self, table, document, trial, tools)
        elif kind == "Student":
            yield from student.score_student(self, table, document, trial, tools)
        else:
            yield from self._fit_folds(table, self.design(trial.candidate.document), trial, tools)

    def design(self, document: str) -> Family:
        """The design of a document: of the space, or of a family outside of it (`Dummy`)."""
        found = json.loads(document)
        name = found.pop("type", None)
        if name in FAMILIES:
            design: Family = Space(family(name)).load(json.dumps(found))
            return design
        if name is not None:
            raise InputError(f"no family is called {name!r}; known: {', '.join(FAMILIES)}.")
        inside: Family = self.space.load(document)
        return inside

    @property
    def extra(self) -> list[Metric]:
        """The metrics that are scored beside the one that was asked for."""
        names = STANDARD[self.task]
        if self.constraint is not None and self.constraint.metric in METRICS:
            names = (*names, self.constraint.metric)
        return [METRICS[name] for name in names if name != self.metric.name]

    def _fit_folds(
        self, table: TableData, design: Family, trial: Trial, tools: Tools
    ) -> Iterator[Progress | Evidence]:
        validation, share = at_fidelity(table.validation, trial.fidelity)
        fits = Fits(design, table, validation)
        for fold in range(len(validation.parts)):
            fits.add(fold, share, trial.seed, tools.threads)
            done = (fold + 1) / len(validation.parts)
            yield Progress(trial.number, float(fold + 1), message=f"fold {fold + 1}", done=done)
        yield self.evidence(fits, trial, tools)

    def evidence(
        self, fits: FoldFits, trial: Trial, tools: Tools, teacher: RowValues | None = None
    ) -> Evidence:
        """The evidence of a design that was fitted on folds; groups are compared with `teacher`."""
        oof, models = fits.predictions(), fits.models()
        # A fold whose training rows have one class gives a constant: it stands for no other.
        first = next((m for m in models if m.rounds is not None), models[0])
        equalise = equalise_of(fits.design, fits.table.part)
        scored = score_oof(
            fits.validation, oof, self.metric, self.extra, self.constraint, equalise=equalise
        )
        full = trial.cost >= 1  # the top rung, whatever share of the rows it is
        kept, size = keep_folds(models if full else models[:1], tools.store)
        call = one_prediction(first, fits.table.part)
        median, noise = timed(call)
        predicts = [predict_of_fitted(fitted, fits.table) for fitted in models]
        behaves, noises = measure(
            self.asked, self.metric, fits.table, fits.validation, predicts, scored.finish
        )
        gaps, doubts = fair_scores(fits.table, fits.validation, scored, teacher)
        scores = {
            **scored.scores,
            **behaves,
            **gaps,
            "fit_seconds": float(np.median(fits.seconds)),
            "predict_seconds": fits.thousand_rows(),
            "latency_ms": median,
            "size_kb": size / 1000,
        }
        artefacts = {"oof": keep_array(oof, tools.store)} if full else {}
        if kept is not None and full:
            artefacts["model"] = kept
        facts = {
            "family": type(fits.design).__name__,
            "n_folds": len(fits.validation.parts),
            "n_train": fits.n_train,
            "overlap": fits.validation.overlap,
            "range": self.metric.range,
            "contains_rows": type(fits.design).contains_rows,
            "finish": scored.finish.to_json(),
        }
        if first.rounds is not None:
            facts["rounds"] = first.rounds
        noises = {**noises, **doubts, "latency_ms": noise}
        if self.watts is not None:
            joules, noises["energy_joules"], how = energy_joules(call, self.watts)
            scores["energy_joules"], facts["how"] = joules, {"energy_joules": how}
        return Evidence(
            trial.number,
            scores,
            scored.folds,
            noises,
            artefacts=artefacts,
            facts=facts,
        )


class FoldFits(Protocol):
    """A design fitted fold by fold: its out-of-fold predictions, its models, what they took."""

    design: Family
    table: TableData
    validation: Validation
    seconds: list[float]
    n_train: int

    def predictions(self) -> FloatArray: ...  # noqa: D102
    def thousand_rows(self) -> float: ...  # noqa: D102
    def models(self) -> list[Fitted]: ...  # noqa: D102


class Fits:
    """The fits of one design, fold by fold."""

    def __init__(self, design: Family, table: TableData, validation: Validation) -> None:
        self.design, self.table, self.validation = design, table, validation
        self.seconds: list[float] = []
        self.n_train = 0
        self._oof = validation.empty()
        self._answered = [0.0, 0.0]  # seconds, rows
        self._waiting: list[tuple[int, Fitted]] = []
        self._models: dict[int, Fitted] = {}

    def add(self, fold: int, share: float, seed: int, threads: int) -> None:
        """Fits on one fold's training rows, or a share of them."""
        held = self.validation.folds[fold][1]
        rows = self.table.training_rows(fold, share, seed)
        examples = self.table.examples
        began = time.perf_counter()
        fitted = fit_design(
            self.design,
            examples.take(rows),
            threads=threads,
            seed=Key.of(seed).child("fit", fold).seed(31),
            validation=examples.take(held),
        )
        self.seconds.append(time.perf_counter() - began)
        self.n_train = self.n_train or len(rows)
        if fitted.rounds is None:  # nothing to wait for: predict now and let it go
            self._fill(fold, fitted)
        else:
            self._waiting.append((fold, fitted))

    def predictions(self) -> FloatArray:
        """Out-of-fold predictions `[repeats, n, k]`, boosted models at their common rounds."""
        if self._waiting:
            rounds = int(np.median([fitted.rounds for _, fitted in self._waiting]))
            for fold, fitted in self._waiting:
                self._fill(fold, fitted.with_rounds(rounds))
            self._waiting = []
        return self._oof

    def thousand_rows(self) -> float:
        """Seconds that one fold's model took to answer a thousand rows."""
        return 1000 * self._answered[0] / max(1.0, self._answered[1])

    def models(self) -> list[Fitted]:
        """The models fold by fold, at the common rounds."""
        self.predictions()
        return [self._models[fold] for fold in sorted(self._models)]

    def _fill(self, fold: int, fitted: Fitted) -> None:
        self._models[fold] = fitted
        repeat, held = self.validation.folds[fold]
        rows = self.table.examples.X.take(held)
        began = time.perf_counter()
        out = fitted.predict(rows)
        self._answered[0] += time.perf_counter() - began
        self._answered[1] += len(held)
        self._oof[repeat, held] = out if out.ndim == 2 else out[:, None]


def at_fidelity(validation: Validation, fidelity: float) -> tuple[Validation, float]:
    """The folds to run, and the share of their training rows: together `fidelity` of the work."""
    n = len(validation.parts)
    if fidelity >= 1:
        return validation, 1.0
    n_folds = max(1, round(fidelity * n))
    return validation.first(n_folds), min(1.0, fidelity * n / n_folds)
