"""The model a student learns from: its out-of-fold answers, and what its fold models say."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modelwright.core.errors import InputError
from modelwright.core.roles import ArtefactStore, Tools
from modelwright.data.schema import Features
from modelwright.evaluators.keep import read_array
from modelwright.evaluators.rival import as_predictions, predict_of
from modelwright.evaluators.table import TableData
from modelwright.families import load_fitted
from modelwright.families.base import FloatArray
from modelwright.families.inputs import inputs_of
from modelwright.models.ensemble import choose_weights
from modelwright.models.one_row import row_of
from modelwright.models.pack import unpack_folds

if TYPE_CHECKING:
    from modelwright.evaluators.fit_and_score import FitAndScore

Answer = Callable[[Features], FloatArray]
_AT_ONCE = 20_000
SCRATCH = "scratch"
_LEAST_WEIGHT = 0.5


@dataclass(frozen=True)
class Teacher:
    """What is known of a teacher.

    `oof` is `[repeats, n, k]` with its out-of-fold answers, NaN where a row was not validated.
    `fold(f)` is a function of features, `[m, k]`, made of models that saw no row which fold f
    validates; None when there is nothing to ask, as with a file of predictions.
    """

    oof: FloatArray
    fold: Callable[[int], Answer] | None


@contextmanager
def open_teacher(
    evaluator: FitAndScore, table: TableData, told: Mapping[str, Any], tools: Tools
) -> Iterator[Teacher]:
    """The teacher of a document, open while its files are unpacked.

    `told` is `{"oof", "members": [{"model", "oof", "weight"}]}` for a model of this run, where
    `model` names the packed models of all folds, or `{"oof", "source", "named"}` for the person's
    own; it is `named` when the person asked for it as the teacher.
    Raises InputError when the models of over half of the weight were not kept.
    """
    oof = np.asarray(read_array(str(told["oof"]), tools.store), float)
    if oof.shape != table.validation.empty().shape:
        raise InputError("the teacher was validated on other rows than this table's.")
    if "source" in told:
        predict = predict_of(str(told["source"]))
        yield Teacher(oof, None if predict is None else lambda _: _by_rows(predict, table))
        return
    scratch = Path(tools.data).parent / SCRATCH  # the run clears it: a killed trial could not
    scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        members = list(_unpacked(told["members"], tools.store, Path(folder), len(table.part.parts)))
        if sum(weight for _, weight, _ in members) < _LEAST_WEIGHT:
            raise InputError("the fold models of the teacher were not kept: nothing can be asked.")
        yield Teacher(oof, lambda fold: _of_fold(evaluator, table, members, fold, tools.store))


Member = tuple[Sequence[Path], float, str]


def _unpacked(
    members: Sequence[Mapping[str, Any]], store: ArtefactStore, folder: Path, n_folds: int
) -> Iterator[Member]:
    """The folders of the fold models of each member that has all of them; weights sum to 1."""
    total = sum(float(m["weight"]) for m in members)
    for i, member in enumerate(members):
        if not member["weight"] or member.get("model") is None:
            continue
        path = store.path(member["model"])
        if not path.exists():
            continue
        where = folder / f"member{i}"
        where.mkdir()
        folds = unpack_folds(path, where)
        if len(folds) >= n_folds:
            yield folds, float(member["weight"]) / total, str(member["oof"])


def _of_fold(
    evaluator: FitAndScore,
    table: TableData,
    members: Sequence[Member],
    fold: int,
    store: ArtefactStore,
) -> Answer:
    """The weighted mean of the members' models of that fold."""
    weights = _weights(evaluator, table, members, fold, store)
    used = [(load_fitted(m[0][fold]), w) for m, w in zip(members, weights, strict=True) if w > 0]

    def answer(features: Features) -> FloatArray:
        parts = []
        for start in range(0, len(features), _AT_ONCE):
            X = inputs_of(features.take(slice(start, start + _AT_ONCE)), table.part.schema)
            outs = [weight * _two_d(fitted.predict(X)) for fitted, weight in used]
            parts.append(np.sum(outs, axis=0))
        k = max(1, table.examples.n_classes)
        return np.concatenate(parts) if parts else np.zeros((0, k))

    return answer


def _weights(
    evaluator: FitAndScore,
    table: TableData,
    members: Sequence[Member],
    fold: int,
    store: ArtefactStore,
) -> Sequence[float]:
    """Weights that were not chosen on the rows of the fold; there is no choice for one member."""
    total = sum(weight for _, weight, _ in members)
    plain = [weight / total for _, weight, _ in members]
    validation = table.validation
    if len(members) == 1 or len(validation.parts) == 1:
        return plain
    others = (validation.blocks >= 0) & (validation.parts[fold] != 2)
    oofs = [np.asarray(read_array(name, store), float) for _, _, name in members]
    chosen = choose_weights(validation, oofs, evaluator.metric, np.flatnonzero(others))
    return [float(w) for w in chosen]


def _by_rows(predict: Callable[[pd.DataFrame], Any], table: TableData) -> Answer:
    """The person's own model over made rows, as raw as the prepared columns allow."""
    schema = table.part.schema

    def answer(features: Features) -> FloatArray:
        frame = pd.DataFrame([row_of(schema, features, i) for i in range(len(features))])
        return as_predictions(predict(frame), schema, len(features))

    return answer


def _two_d(out: FloatArray) -> FloatArray:
    return out if out.ndim == 2 else out[:, None]
