"""Which intervals or sets a model ships with, and how often they held rows they never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.families.base import FloatArray
from modelwright.models.conformal import (
    RULES,
    Conformal,
    Intervals,
    Rule,
    Sets,
    effective_rows,
)
from modelwright.models.crossfit import Validation

LEVELS = (0.8, 0.9, 0.95)
_MAIN = 0.9
_MAX_ROWS = 50_000
_LEAST_ROWS = 9  # below so many nine of ten cannot be promised
_FORMS = ((False, False), (True, False), (False, True), (True, True))  # signed, scaled

Block = tuple[Conformal, npt.NDArray[Any], FloatArray, FloatArray]


@dataclass(frozen=True)
class Covered:
    """What ships, and plain facts about it: `levels` with the coverage on rows held out."""

    conformal: Conformal
    facts: dict[str, Any]


def choose_conformal(
    validation: Validation, oof: FloatArray, how: str = "stratified"
) -> Covered | None:
    """Intervals or sets for out-of-fold predictions `[repeats, n, k]` as they will be shipped.

    Of intervals, those with two sides or with a difficulty are taken when their score (Winkler
    1972: width, and 2/0.1 times what is missed) on blocks held out is better than that of plain
    ones by more than a standard error. `how` is the split; groups and time bring a warning. At most
    50,000 rows, evenly spaced, are looked at. None when there are fewer than 9 rows.
    """
    validation, rows = validation.thinned(_MAX_ROWS)
    oof = oof[:, rows]
    if int((validation.blocks >= 0).sum()) < _LEAST_ROWS:
        return None
    if validation.task != "regression":
        return _sets(validation, oof, how)
    best, least, plain = _FORMS[0], np.inf, np.zeros(0)
    for form in _FORMS:
        try:
            blocks = _crossed(validation, oof, _intervals_of(*form))
            scores = np.concatenate([_winkler(*block) for block in blocks])
        except InputError:  # too few rows for this form
            continue
        plain = plain if len(plain) else scores
        error = float(np.std(plain - scores)) / len(scores) ** 0.5
        if scores.mean() < least and (form == _FORMS[0] or plain.mean() - scores.mean() > error):
            best, least = form, float(scores.mean())
    fit = _intervals_of(*best)
    final = fit(validation, oof, None)
    assert isinstance(final, Intervals)
    measured = _measured(_crossed(validation, oof, fit), _held_interval, final.n)
    facts = {
        "kind": "intervals",
        "two_sided": final.signed,
        "scaled": bool(final.difficulty.at),
        "rows": round(final.n),
        "levels": measured,
        "sentence": _sentence(measured, "intervals", "mean width", how),
    }
    return Covered(final, facts)


def _sets(validation: Validation, oof: FloatArray, how: str) -> Covered:
    blocks = _crossed(validation, oof, _fit_sets)
    final = _fit_sets(validation, oof, None)
    n = _pooled(validation, oof, None)[3]
    rules = {rule: _measured(blocks, partial(_held_set, rule=rule), n) for rule in RULES}
    levels = rules["least"]
    facts = {
        "kind": "sets",
        "rows": round(n),
        "levels": levels,
        "rules": rules,
        "sentence": _sentence(levels, "sets", "mean size", how),
    }
    return Covered(final, facts)


Fit = Callable[[Validation, FloatArray, int | None], Conformal]


def _intervals_of(signed: bool, scaled: bool) -> Fit:
    def fit(validation: Validation, oof: FloatArray, block: int | None) -> Conformal:
        y, p, w, n = _pooled(validation, oof, block)
        values = p[:, 0]
        return Intervals.fit(values, y - values, w, n, signed=signed, scaled=scaled)

    return fit


def _fit_sets(validation: Validation, oof: FloatArray, block: int | None) -> Conformal:
    y, p, w, n = _pooled(validation, oof, block)
    return Sets.fit(y, p, w, n)


def _pooled(
    validation: Validation, oof: FloatArray, block: int | None
) -> tuple[npt.NDArray[Any], FloatArray, FloatArray | None, float]:
    """Rows outside of a block (all for None), repeats one after the other, worth `n` rows."""
    every = np.flatnonzero(validation.blocks >= 0)
    rows = every if block is None else validation.others(block)
    y, p, w = validation.pooled(oof, rows)
    return y, p, w, effective_rows(len(rows), validation.weight(rows))


def _crossed(validation: Validation, oof: FloatArray, fit: Fit) -> list[Block]:
    """Per block: what was calibrated on the others, and the block's rows."""
    out = []
    for block, rows in validation.split_blocks():
        y, p, w = validation.pooled(oof, rows)
        if len(y):
            weights = np.ones(len(y)) if w is None else w
            out.append((fit(validation, oof, block), y, p, weights))
    return out


def _winkler(fitted: Conformal, y: npt.NDArray[Any], p: FloatArray, w: FloatArray) -> FloatArray:
    assert isinstance(fitted, Intervals)
    ends = fitted.around(p[:, 0], _MAIN)
    missed = np.maximum(ends[:, 0] - y, 0) + np.maximum(y - ends[:, 1], 0)
    score = ends[:, 1] - ends[:, 0] + 2 / (1 - _MAIN) * missed
    return np.asarray(score * w / w.mean())


Held = Callable[..., tuple[FloatArray, FloatArray]]


def _held_interval(
    fitted: Conformal, y: npt.NDArray[Any], p: FloatArray, coverage: float
) -> tuple[FloatArray, FloatArray]:
    assert isinstance(fitted, Intervals)
    ends = fitted.around(p[:, 0], coverage)
    inside = (y >= ends[:, 0]) & (y <= ends[:, 1])
    return inside.astype(float), ends[:, 1] - ends[:, 0]


def _held_set(
    fitted: Conformal, y: npt.NDArray[Any], p: FloatArray, coverage: float, rule: Rule
) -> tuple[FloatArray, FloatArray]:
    assert isinstance(fitted, Sets)
    inside = fitted.inside(p, coverage, rule)
    return inside[np.arange(len(y)), y.astype(int)].astype(float), inside.sum(axis=1).astype(float)


def _measured(blocks: list[Block], held: Held, n: float) -> list[dict[str, Any]]:
    """For each coverage: the share of `n` rows that was held, its error, and the mean size."""
    out = []
    for coverage in LEVELS:
        try:
            found = [held(fitted, y, p, coverage) for fitted, y, p, _ in blocks]
        except InputError:
            continue
        inside, size = (np.concatenate([f[i] for f in found]) for i in (0, 1))
        w = np.concatenate([w for _, _, _, w in blocks])
        mean = float(np.average(inside, weights=w))
        error = (mean * (1 - mean) / max(1.0, n)) ** 0.5
        width = float(np.average(size, weights=w))
        out.append({
            "coverage": coverage, "measured": round(mean, 5), "error": round(error, 5),
            "size": float(f"{width:.6g}"),
        })  # fmt: skip
    return out


def held_share(
    conformal: Conformal | None,
    y: npt.NDArray[Any],
    out: FloatArray,
    weights: FloatArray | None = None,
) -> float | None:
    """The share of new rows that intervals or sets of 90 % coverage hold; None without any.

    `out` are finished predictions: shares `[n, k]` or values `[n]`.
    """
    if conformal is None:
        return None
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    try:
        if isinstance(conformal, Intervals):
            inside, _ = _held_interval(conformal, y, out[:, None], _MAIN)
        else:
            inside, _ = _held_set(conformal, y, out, _MAIN, "least")
    except InputError:
        return None
    return float(np.average(inside, weights=w))


def _sentence(levels: list[dict[str, Any]], what: str, size: str, how: str) -> str:
    if not levels:
        return f"there are too few rows to measure the coverage of {what}."
    at = next((x for x in levels if x["coverage"] == _MAIN), levels[0])
    told = (
        f"{what} of {at['coverage']:.0%} coverage held {at['measured']:.1%} ± {at['error']:.1%} of "
        f"rows they were not calibrated on ({size} {at['size']:.4g})."
    )
    if how == "grouped":
        told += " Rows of a group are alike, so that for a new group this may be missed."
    if how == "time":
        told += " Later rows may differ from earlier ones, so that in time this may be missed."
    return told
