"""The models that the folds of a finished run left, each with the rows that it did not see."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.keys import Key
from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.runs import RunFolder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from modelwright.data import Features, Part, Schema
    from modelwright.executors import FileStore
    from modelwright.families.base import FloatArray
    from modelwright.models.held_out import HeldOut, Judge

MAX_FOLDS = 5


@dataclass(frozen=True)
class Subject:
    """What explanations of a run look at: its winner, its rows, and how answers are scored."""

    record: Record
    outcome: Outcome
    part: Part
    judge: Judge
    store: FileStore

    @property
    def schema(self) -> Schema:
        """The columns of the run's table."""
        return self.part.schema

    def weights(self, rows: Any) -> FloatArray | None:
        """The weights of some rows."""
        import numpy as np

        return None if self.part.weights is None else np.asarray(self.part.weights[rows], float)


def subject_of(run: RunFolder, record: Record, outcome: Outcome) -> Subject:
    """The run's data and judge, loaded. Raises FileNotFoundError when its data are gone."""
    from modelwright.data import load_part
    from modelwright.executors import FileStore
    from modelwright.models.crossfit import Finish
    from modelwright.models.held_out import Judge
    from modelwright.models.metrics import find_metric

    part = load_part(run.path / "data" / "dev")
    asked = record.settings["settings"]["arguments"]["metric"]
    metric = find_metric(asked, part.schema.task)
    finish = Finish.from_json(outcome.evidence.facts["finish"])
    judge = Judge(metric, finish.decision, part.schema)
    return Subject(record, outcome, part, judge, FileStore(run.path / "artefacts"))


def out_of_fold(done: Subject) -> tuple[npt.NDArray[np.intp], FloatArray] | None:
    """Positions of the validated rows and calibrated out-of-fold answers, the mean over repeats.

    None when they were not kept.
    """
    import numpy as np

    from modelwright.evaluators.keep import read_array
    from modelwright.models.crossfit import Finish

    name = done.outcome.evidence.artefacts.get("oof")
    if name is None or not done.store.path(name).exists():
        return None
    oof = np.asarray(read_array(name, done.store), float)
    rows = np.flatnonzero(~np.isnan(oof[:, :, 0]).all(axis=0))
    mean = np.nanmean(oof[:, rows], axis=0)
    if done.schema.task == "regression":
        return rows, mean[:, 0]
    finish = Finish.from_json(done.outcome.evidence.facts["finish"])
    return rows, finish.calibration.apply(mean)


def held_out_folds(done: Subject, folder: Path, n_rows: int, key: Key) -> list[HeldOut]:
    """The folds of the first repeat, at most five, with their models; none when those are gone.

    At most `n_rows` rows in all, the same number of each fold, are drawn by `key`. Models are
    unpacked into `folder`, which must last as long as the folds are used, and are loaded when they
    are first asked.
    """
    import numpy as np

    from modelwright.models.held_out import HeldOut
    from modelwright.models.pack import unpack_folds
    from modelwright.recipes.ship import fold_models

    kept = fold_models(done.record, done.outcome, done.store)
    if not kept:
        return []
    members = []
    for path, weight in kept:
        where = Path(tempfile.mkdtemp(dir=folder))
        members.append((unpack_folds(path, where), weight))
    part = done.part
    per_repeat = max(1, len(part.parts) // max(1, part.repeats))
    n_folds = min(MAX_FOLDS, per_repeat, *(len(found) for found, _ in members))
    folds = []
    for fold in range(n_folds):
        rows = np.flatnonzero(np.asarray(part.parts[fold]) == 2)
        if len(rows) > n_rows // n_folds:
            rng = np.random.default_rng(key.child(fold).seed(128))
            rows = np.sort(rng.choice(rows, max(1, n_rows // n_folds), replace=False))
        own = [(found[fold], weight) for found, weight in members]
        folds.append(
            HeldOut(
                _predictor(own, done), part.features.take(rows), np.asarray(part.y[rows]), rows,
                done.weights(rows),
            )
        )  # fmt: skip
    return folds


def _predictor(
    members: Sequence[tuple[Path, float]], done: Subject
) -> Callable[[Features], FloatArray]:
    from modelwright.families.inputs import inputs_of

    @lru_cache(maxsize=1)
    def loaded() -> Any:
        from modelwright.families import load_fitted
        from modelwright.models.crossfit import Finish
        from modelwright.models.model import Model

        found = tuple((load_fitted(path), weight) for path, weight in members)
        finish = Finish.from_json(done.outcome.evidence.facts["finish"])
        return Model(done.schema, found, (), finish)

    def predict(features: Features) -> FloatArray:
        out: FloatArray = loaded().combined(inputs_of(features, done.schema))
        return out

    return predict
