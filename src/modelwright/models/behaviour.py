"""Does a model behave as intended? Numbers with intervals, measured on rows it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.keys import Key
from modelwright.data.schema import Features, Schema
from modelwright.families.base import FloatArray
from modelwright.models.held_out import HeldOut, Judge
from modelwright.models.limits import BEHAVIOUR

NOISE = 0.05  # of a column's standard deviation
MOVED = 0.1  # of the answers' standard deviation: a number that moves further has flipped
BROKEN = 0.1  # of a model's gain over one constant answer
DRAWS = 3
STEPS = 9
ROUNDS = 100
MAX_COLUMNS = 60
REGION_ROWS = 30
_Z = 1.96

Noisy = tuple[float, float]  # a value and the half-width of its 95 % interval


@dataclass(frozen=True)
class Asked:
    """What is to be measured: names of `BEHAVIOUR`, and the columns that were declared.

    `monotone` has +1 or -1 by column, `invariant` the columns that may not matter.

    Raises InputError for an unknown name, and where a name needs columns that were not declared.
    """

    names: tuple[str, ...] = ()
    monotone: tuple[tuple[str, int], ...] = ()
    invariant: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in BEHAVIOUR:
                raise InputError(
                    f"no behaviour is called {name!r}.{did_you_mean(name, BEHAVIOUR)} "
                    f"Known: {', '.join(BEHAVIOUR)}."
                )
        if "monotone_violations" in self.names and not self.monotone:
            raise InputError("monotone_violations needs columns that are declared monotone.")
        if "invariance_gap" in self.names and not self.invariant:
            raise InputError("invariance_gap needs columns that are declared invariant.")


def measure_behaviour(
    predict: Callable[[Features], FloatArray],
    features: Features,
    y: npt.NDArray[Any],
    judge: Judge,
    asked: Asked,
    key: Key,
) -> dict[str, float]:
    """Scores by name, for a model and labelled rows that it was not fitted on.

    `predict` gives calibrated shares `[n, k]` or values `[n]`. For several models with rows of
    their own, and for the noise of each score, see `behaviour_of_folds`.
    """
    fold = HeldOut(predict, features, y, np.arange(len(y)))
    return behaviour_of_folds([fold], judge, asked, key)[0]


def behaviour_of_folds(
    folds: Sequence[HeldOut], judge: Judge, asked: Asked, key: Key
) -> tuple[dict[str, float], dict[str, float]]:
    """Scores by name and the half-widths of their 95 % intervals, over the rows of all folds.

    Only what is asked for is computed. Random: the noise, the shuffles and the bootstrap, in `key`.
    """
    ways: Mapping[str, Callable[[], Noisy]] = {
        "flip_rate": lambda: _flips(folds, judge, key.child("flips")),
        "monotone_violations": lambda: _violations(folds, judge, asked.monotone),
        "invariance_gap": lambda: _gap(folds, judge, asked.invariant, key.child("invariance")),
        "hardest_ratio": lambda: _hardest(folds, judge),
    }
    found = {name: ways[name]() for name in asked.names if name in ways}
    if {"missing_drop", "broken_columns"} & set(asked.names):
        drop, broken = _missing(folds, judge, key.child("missing"))
        gone = {"missing_drop": drop, "broken_columns": (float(broken), 0.0)}
        found |= {name: pair for name, pair in gone.items() if name in asked.names}
    return {n: v for n, (v, _) in found.items()}, {n: w for n, (_, w) in found.items()}


# -- each of them --------------------------------------------------------------------------------


def _flips(folds: Sequence[HeldOut], judge: Judge, key: Key) -> Noisy:
    """Answers that change when each number gets noise of a twentieth of its column's deviation."""
    moved = []
    rng = np.random.default_rng(key.seed(128))
    for fold in folds:
        numeric = np.asarray(fold.features.numeric, float)
        before = fold.predict(fold.features)
        scale = NOISE * _spread(numeric)
        for _ in range(DRAWS):
            noisy = numeric + scale * rng.normal(size=numeric.shape)
            after = fold.predict(replace(fold.features, numeric=noisy))
            moved.append(_moved(judge, before, after))
    return _share(np.concatenate(moved), sum(len(f.y) for f in folds))


def _violations(
    folds: Sequence[HeldOut], judge: Judge, declared: tuple[tuple[str, int], ...]
) -> Noisy:
    """Rows where an answer goes against a direction as its column runs through nine quantiles."""
    broken = []
    for fold in folds:
        bad = np.zeros(len(fold.y), bool)
        for name, sign in declared:
            block, j = place_of(judge.schema, name)
            values = np.asarray(getattr(fold.features, block)[:, j], float)
            grid = np.unique(np.nanquantile(values, np.linspace(0, 1, STEPS)))
            answers = [_level(fold.predict(_set(fold.features, block, j, v))) for v in grid]
            steps = sign * np.diff(np.stack(answers), axis=0)
            least = 1e-9 + 1e-6 * float(np.std(answers[0]))  # what rounding does is no violation
            bad |= (steps < -least).any(axis=0)
        broken.append(bad)
    return _share(np.concatenate(broken), 0)


def _gap(folds: Sequence[HeldOut], judge: Judge, columns: tuple[str, ...], key: Key) -> Noisy:
    """The largest change of a share, or of a value in deviations of the answers."""
    worst = 0.0
    rng = np.random.default_rng(key.seed(128))
    for fold in folds:
        before = fold.predict(fold.features)
        unit = 1.0 if before.ndim == 2 else float(np.std(before)) or 1.0
        for name in columns:
            block, j = place_of(judge.schema, name)
            for _ in range(DRAWS):
                changed = _shuffled(fold.features, block, j, rng.permutation(len(fold.y)))
                change = np.abs(fold.predict(changed) - before) / unit
                worst = max(worst, float(change.max(initial=0.0)))
    return worst, 0.0


def _missing(folds: Sequence[HeldOut], judge: Judge, key: Key) -> tuple[Noisy, int]:
    """The largest loss of score among columns that are missing everywhere, and how many break it.

    A model breaks when it does worse than one constant answer by over a tenth of what it gains on
    that answer with the column, or when it gives what is no number (which counts as that answer).
    """
    y = np.concatenate([f.y for f in folds])
    before = np.concatenate([f.predict(f.features) for f in folds])
    same = _constant(before, y)
    base, constant = judge.loss_of(y, before), judge.loss_of(y, same)
    worst, at, broken = 0.0, before, 0
    for block, j in _places(judge.schema):
        after = np.concatenate([f.predict(_set(f.features, block, j, None)) for f in folds])
        no_number = not np.isfinite(after).all()
        after = same if no_number else after
        loss = judge.loss_of(y, after)
        broken += no_number or bool(loss > constant + BROKEN * max(0.0, constant - base))
        if loss - base > worst:
            worst, at = loss - base, after
    rng = np.random.default_rng(key.seed(128))
    drops = []
    for _ in range(ROUNDS):
        rows = rng.integers(0, len(y), len(y))
        drops.append(judge.loss_of(y[rows], at[rows]) - judge.loss_of(y[rows], before[rows]))
    known = np.array([d for d in drops if np.isfinite(d)])
    return (worst, _Z * float(known.std()) if len(known) else 0.0), broken


def _hardest(folds: Sequence[HeldOut], judge: Judge) -> Noisy:
    """The region whose mean loss, less one standard error, is largest: its loss over the mean.

    Regions are quarters of a column's numbers or dates, single categories, and missing cells, of
    at least 30 rows. The loss is the log loss, or the squared error.
    """
    loss = np.concatenate([_row_losses(f.predict(f.features), f.y) for f in folds])
    overall = float(loss.mean())
    if overall <= 0:
        return 1.0, 0.0
    worst, found = overall, (1.0, 0.0)
    for block, j in _places(judge.schema):
        if block == "texts":
            continue
        values = np.concatenate([getattr(f.features, block)[:, j] for f in folds])
        for inside in _regions(values, block):
            n = int(inside.sum())
            mean, error = float(loss[inside].mean()), float(loss[inside].std()) / np.sqrt(n)
            if mean - error > worst:
                worst, found = mean - error, (mean / overall, _Z * error / overall)
    return found


# -- parts ---------------------------------------------------------------------------------------


def place_of(schema: Schema, name: str) -> tuple[str, Any]:
    """The block of `Features` that holds a column, and where in it. InputError when none does."""
    for block, j, column in _named_places(schema):
        if column == name:
            return block, j
    known = [c.name for c in schema.columns]
    raise InputError(
        f"no column that is learned from is called {name!r}.{did_you_mean(name, known)} "
        f"There are {', '.join(known[:12])}."
    )


def _named_places(schema: Schema) -> Iterator[tuple[str, Any, str]]:
    blocks = (("numeric", schema.numeric), ("dates", schema.dates), ("codes", schema.categorical))
    for block, columns in blocks:
        for j, column in enumerate(columns):
            yield block, j, column.name
    for column in schema.texts:
        yield "texts", column.name, column.name


def _places(schema: Schema) -> list[tuple[str, Any]]:
    return [(block, j) for block, j, _ in _named_places(schema)][:MAX_COLUMNS]


def _set(features: Features, block: str, j: Any, value: Any) -> Features:
    """The same rows with one value in a column; None is missing."""
    if block == "texts":
        blank = np.full(len(features), value, dtype=object)
        return replace(features, texts={**features.texts, j: blank})
    changed: Any = np.array(getattr(features, block))
    changed[:, j] = (-1 if block == "codes" else np.nan) if value is None else value
    return replace(features, **{block: changed})


def _shuffled(features: Features, block: str, j: Any, order: Any) -> Features:
    if block == "texts":
        return replace(features, texts={**features.texts, j: features.texts[j][order]})
    changed: Any = np.array(getattr(features, block))
    changed[:, j] = changed[order, j]
    return replace(features, **{block: changed})


def _level(out: FloatArray) -> FloatArray:
    """The share of the positive class, or the value."""
    return out[:, 1] if out.ndim == 2 else out


def _moved(judge: Judge, before: FloatArray, after: FloatArray) -> npt.NDArray[np.bool_]:
    if before.ndim == 2:
        return np.asarray(judge.decision.labels(before) != judge.decision.labels(after))
    return np.abs(after - before) > MOVED * (float(np.std(before)) or 1.0)


def _spread(numeric: FloatArray) -> FloatArray:
    """Standard deviation by column, 0 where nothing is known."""
    known = np.isfinite(numeric)
    n = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, numeric, 0.0)
    middle = filled.sum(axis=0) / n
    return np.asarray(np.sqrt((np.where(known, numeric - middle, 0.0) ** 2).sum(axis=0) / n))


def _share(marks: npt.NDArray[np.bool_], n_rows: int) -> Noisy:
    """A share with its half-width; with `n_rows` no share is known better than so many rows tell.

    That is the rule of three: an event not seen in n rows has a rate of up to 3/n.
    """
    n, p = max(1, len(marks)), float(marks.mean()) if len(marks) else 0.0
    effective = n_rows or n  # draws of noise on the same row are not independent
    width = _Z * float(np.sqrt(p * (1 - p) / effective))
    return p, max(width, 3.0 / n_rows) if n_rows else width


def _constant(out: FloatArray, y: npt.NDArray[Any]) -> FloatArray:
    if out.ndim == 1:
        return np.full(len(y), float(np.mean(y)))
    shares = np.bincount(y.astype(int), minlength=out.shape[1]) / len(y)
    return np.tile(shares, (len(y), 1))


def _row_losses(out: FloatArray, y: npt.NDArray[Any]) -> FloatArray:
    if out.ndim == 1:
        return np.asarray((out - y) ** 2)
    return np.asarray(-np.log(np.clip(out[np.arange(len(y)), y.astype(int)], 1e-6, 1.0)))


def _regions(values: npt.NDArray[Any], block: str) -> Iterator[npt.NDArray[np.bool_]]:
    """Masks of the regions of one column that have enough rows and are not all of them."""
    if block == "codes":
        masks = [values == code for code in np.unique(values)]
    else:
        known = np.isfinite(values)
        there = values[known] if known.any() else np.zeros(1)
        edges = np.unique(np.quantile(there, [0.25, 0.5, 0.75]))
        place = np.where(known, np.searchsorted(edges, values, side="left"), -1)
        masks = [place == p for p in np.unique(place)]
    for mask in masks:
        if REGION_ROWS <= int(mask.sum()) < len(values):
            yield mask
