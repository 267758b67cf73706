"""What a student kept of its teacher: fidelity, what it lost, where, and whether it looks alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.keys import Key
from modelwright.data.prepare import Part
from modelwright.data.schema import Features
from modelwright.evaluators.teacher import Answer
from modelwright.families.base import FloatArray
from modelwright.models.crossfit import Validation
from modelwright.models.decision import choose_decision
from modelwright.models.metrics import Metric, score_predictions
from modelwright.stats import bootstrap_interval, paired_interval

ROWS, COLUMNS = 300, 60  # shuffling columns is done on that many rows and columns at most
_LEAST_ROWS = 50
_BINS, _QUARTERS = 10, 4
_DRAWS = 2_000_000  # rows drawn in all resamples together
_TINY = 1e-7

Mask = npt.NDArray[np.bool_]


def fidelity(student: FloatArray, teacher: FloatArray) -> dict[str, float]:
    """How alike two models answer, `[n, k]` each: plain numbers by name.

    Classes: `agreement` (share of rows with the same likeliest class), `correlation` of the shares
    (mean over classes) and `kl`, the mean divergence of the student's shares from the teacher's in
    nats. Values: `correlation`, and `explained`, the share of the teacher's variance.

    >>> a = np.array([[0.8, 0.2], [0.3, 0.7]])
    >>> fidelity(a, a)
    {'agreement': 1.0, 'correlation': 1.0, 'kl': 0.0}
    """
    out = {"correlation": round(_correlation(student, teacher), 6)}
    if teacher.shape[1] == 1:
        left = ((student - teacher) ** 2).mean() / max(float(teacher.var()), _TINY)
        return out | {"explained": round(1 - float(left), 6)}
    p, q = (np.clip(a / a.sum(axis=1, keepdims=True), _TINY, 1) for a in (teacher, student))
    same = float((student.argmax(axis=1) == teacher.argmax(axis=1)).mean())
    kl = float((p * np.log(p / q)).sum(axis=1).mean())
    return {"agreement": round(same, 6), **out, "kl": round(max(0.0, kl), 6)}


def _correlation(a: FloatArray, b: FloatArray) -> float:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    some = size > 0
    return float(((a * b).sum(axis=0)[some] / size[some]).mean()) if some.any() else 0.0


def difference(
    validation: Validation,
    metric: Metric,
    mine: tuple[FloatArray, Sequence[float]],
    other: tuple[FloatArray, Sequence[float]],
    key: Key,
) -> dict[str, Any]:
    """The loss of `mine` minus that of `other` (out-of-fold answers, scores by fold).

    `estimate` with `folds`, its 95 % interval paired by fold (None with one), and `rows`, one of
    resampled rows of the first repeat. Below 0 `mine` is better. The resamples are drawn by `key`.
    """
    loss = metric.goal.loss
    a, b = [[loss(score) for score in scores] for _, scores in (mine, other)]
    folds = paired_interval(a, b, overlap=validation.overlap) if len(a) > 1 else None
    rows, tables = first_repeat(validation, mine[0], other[0])
    y, w = validation.y[rows], validation.weight(rows)
    labels = [_labels(metric, y, p, w) for p in tables]

    def gap(drawn: Any) -> float:
        weights = None if w is None else w[drawn]
        scores = [
            score_predictions(
                metric, y[drawn], _flat(p[drawn]), weights, None if c is None else c[drawn]
            )
            for p, c in zip(tables, labels, strict=True)
        ]
        return loss(scores[0]) - loss(scores[1])

    rounds = max(60, min(300, _DRAWS // len(rows)))
    found = bootstrap_interval(gap, len(rows), key, rounds=rounds)
    return {
        "estimate": float(np.mean(a) - np.mean(b)),
        "folds": None if folds is None else [folds.low, folds.high],
        "rows": [found.low, found.high] if np.isfinite(found.low) else None,
    }


def first_repeat(
    validation: Validation, *tables: FloatArray
) -> tuple[npt.NDArray[np.intp], list[FloatArray]]:
    """The rows that the first repeat validates, and what each table `[repeats, n, k]` says."""
    rows = np.flatnonzero(np.all([~np.isnan(t[0, :, 0]) for t in tables], axis=0))
    return rows, [np.asarray(t[0, rows], float) for t in tables]


def calibration_error(y: npt.NDArray[Any], shares: FloatArray) -> float:
    """Expected calibration error over ten bins of equal size (Naeini et al. 2015), from 0 to 1.

    With two classes of the positive class's shares, else of the likeliest class's.
    """
    if shares.shape[1] == 2:
        sure, right = shares[:, 1], (y == 1).astype(float)
    else:
        sure, right = shares.max(axis=1), (shares.argmax(axis=1) == y).astype(float)
    order = np.argsort(sure, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    gaps = [len(part) * abs(float(sure[part].mean() - right[part].mean())) for part in parts]
    return float(sum(gaps) / len(y))


def worst_group(
    part: Part, validation: Validation, metric: Metric, mine: FloatArray, teacher: FloatArray
) -> dict[str, Any] | None:
    """The group of rows with the student's worst score, and the teacher's score on it.

    Groups are the values of categorical columns and the quarters of numeric ones, with at least 50
    rows and 2 % of all. None when there is none. The group is told by column and place, so that no
    cell's content is in it.
    """
    rows, (a, b) = first_repeat(validation, mine, teacher)
    least = max(50, len(rows) // 50)
    worst: dict[str, Any] | None = None
    y, w = validation.y[rows], validation.weight(rows)
    answers = [_labels(metric, y, p, w) for p in (a, b)]
    for name, inside in _groups(part, rows, least):
        if inside.sum() < least or (validation.n_classes and len(np.unique(y[inside])) < 2):
            continue
        weights = None if w is None else w[inside]
        score, theirs = (
            score_predictions(
                metric, y[inside], _flat(p[inside]), weights, None if c is None else c[inside]
            )
            for p, c in zip((a, b), answers, strict=True)
        )
        if worst is None or metric.better(worst["score"], score):
            worst = {"group": name, "n_rows": int(inside.sum()), "score": score, "teacher": theirs}
    return worst


def _groups(part: Part, rows: npt.NDArray[np.intp], least: int) -> Iterator[tuple[str, Mask]]:
    schema, features = part.schema, part.features
    for j, info in enumerate(schema.categorical):
        codes = features.codes[rows, j]
        found, counts = np.unique(codes, return_counts=True)
        for code in found[counts >= least]:
            told = "missing" if code < 0 else f"value {code + 1} of {len(info.categories)}"
            yield f"{info.name}: {told}", codes == code
    for j, info in enumerate(schema.numeric):
        values = np.asarray(features.numeric[rows, j], float)
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        cuts = np.unique(np.quantile(known, np.arange(1, _QUARTERS) / _QUARTERS))
        places = np.digitize(values, cuts)
        for place in range(len(cuts) + 1):
            inside = (places == place) & np.isfinite(values)
            yield f"{info.name}: part {place + 1} of {len(cuts) + 1}, rising", inside


def attribution_agreement(
    part: Part,
    rows: npt.NDArray[Any],
    student: Answer,
    teacher: Answer,
    key: Key,
    seconds: float | None = None,
) -> float | None:
    """Rank correlation, from -1 to 1, of how much the two models' answers move with each column.

    A column is shuffled among the rows (Breiman 2001) and the mean size of the change is taken; the
    shuffles are drawn by `key` and the same for both. With `seconds` the teacher is asked about as
    many rows as it answers for in that time. None with fewer than three columns, or 50 rows.
    """
    rng = np.random.default_rng(key.seed(128))
    chosen = rng.permutation(rows)[:ROWS]
    if seconds is not None:
        chosen = chosen[: _answered(teacher, part.features.take(chosen), seconds)]
        if len(chosen) < _LEAST_ROWS:
            return None
    small = part.features.take(np.sort(chosen))
    shuffled = list(_shuffles(small, rng))
    if len(shuffled) < 3:
        return None
    moved = []
    for answer in (student, teacher):
        before = answer(small)
        moved.append([float(np.abs(answer(f) - before).mean()) for f in shuffled])
    ranks = [np.argsort(np.argsort(m, kind="stable")).astype(float)[:, None] for m in moved]
    return round(_correlation(ranks[0], ranks[1]), 6)


def _answered(answer: Answer, features: Features, seconds: float) -> int:
    """How many of these rows can be answered in that time, once as they are and once by column."""
    pilot = features.take(slice(0, _LEAST_ROWS))
    answer(features.take(slice(0, 1)))  # loads what it needs
    began = time.perf_counter()
    answer(pilot)
    each = (time.perf_counter() - began) / max(1, len(pilot))
    columns = features.numeric.shape[1] + features.codes.shape[1] + features.dates.shape[1]
    return int(seconds / each / (1 + min(COLUMNS, columns + len(features.texts))))


def _shuffles(features: Features, rng: np.random.Generator) -> Iterator[Features]:
    """The rows with one column shuffled, for each of the first columns."""
    left = COLUMNS
    for name in ("numeric", "codes", "dates"):
        block = getattr(features, name)
        for j in range(min(left, block.shape[1])):
            changed = np.array(block)
            changed[:, j] = changed[rng.permutation(len(changed)), j]
            changes: Any = {name: changed}
            yield replace(features, **changes)
        left -= min(left, block.shape[1])
    for name in list(features.texts)[:left]:
        values = features.texts[name]
        texts: Mapping[str, Any] = {**features.texts, name: values[rng.permutation(len(values))]}
        yield replace(features, texts=texts)


def _labels(metric: Metric, y: Any, p: FloatArray, w: FloatArray | None) -> Any:
    if metric.needs != "labels" or p.shape[1] == 1:
        return None
    return choose_decision(metric, y, p, w).labels(p)


def _flat(p: FloatArray) -> FloatArray:
    return p[:, 0] if p.shape[1] == 1 else p
