"""Honest scores of out-of-fold predictions: what is chosen on rows is scored on other rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.problem import Limit
from modelwright.families.base import FloatArray, IntArray, Task
from modelwright.models.abstention import Abstention
from modelwright.models.calibration import NONE, Calibration, Kind, fit_calibration, kinds_for
from modelwright.models.conformal import Conformal, conformal_from_json
from modelwright.models.decision import Decision, choose_decision
from modelwright.models.group_thresholds import Equalise
from modelwright.models.metrics import Metric, score_predictions

Rows = npt.NDArray[np.intp]
_BLOCKS = 5


@dataclass(frozen=True)
class Validation:
    """Labelled rows, and which folds validate them.

    `parts` is `[n_folds, n]`, 2 where the row is validated in that fold; `per_repeat` folds make
    one repeat of cross-validation. Out-of-fold predictions are `[repeats, n, k]`, k is 1 for
    values, and NaN where a row was not validated. `cells` are the joint groups of the protected
    columns, `[n]`, where there are any.
    """

    y: npt.NDArray[Any]
    parts: npt.NDArray[np.int8]
    task: Task
    n_classes: int
    per_repeat: int
    weights: FloatArray | None = None
    cells: IntArray | None = None

    def first(self, n_folds: int) -> Validation:
        """The same with the first folds only."""
        return replace(self, parts=self.parts[:n_folds])

    @property
    def repeats(self) -> int:
        """Repeats of cross-validation, the last one perhaps unfinished."""
        return -(-len(self.parts) // self.per_repeat)

    @property
    def overlap(self) -> float:
        """Validated rows as a share of training rows, the mean over folds."""
        ratios = (self.parts == 2).sum(axis=1) / np.maximum(1, (self.parts == 1).sum(axis=1))
        return float(ratios.mean())

    @cached_property
    def folds(self) -> list[tuple[int, Rows]]:
        """Per fold its repeat and the rows it validates."""
        return [
            (f // self.per_repeat, np.flatnonzero(part == 2)) for f, part in enumerate(self.parts)
        ]

    @cached_property
    def blocks(self) -> IntArray:
        """A block number per row, `[n]`, -1 where it is never validated.

        What is chosen for the rows of a block is chosen on the other blocks. Blocks are the folds
        of the first repeat, or five parts of a single fold.
        """
        out = np.full(len(self.y), -1, np.int64)
        first = [rows for repeat, rows in self.folds if repeat == 0]
        if len(first) > 1:
            for b, rows in enumerate(first):
                out[rows] = b
        else:
            out[first[0]] = np.arange(len(first[0])) % min(_BLOCKS, max(2, len(first[0])))
        return out

    def empty(self) -> FloatArray:
        """Out-of-fold predictions with nothing filled in yet."""
        shape = (self.repeats, len(self.y), max(1, self.n_classes))
        return np.full(shape, np.nan, np.float32)

    def weight(self, rows: Any) -> FloatArray | None:
        """The weights of some rows."""
        return None if self.weights is None else np.asarray(self.weights[rows], float)

    def pooled(self, oof: FloatArray, rows: Any) -> tuple[Any, FloatArray, FloatArray | None]:
        """Labels, predictions and weights of some rows, all repeats one after the other."""
        there = [oof[r][rows] for r in range(len(oof))]
        seen = [~np.isnan(p[:, 0]) for p in there]
        y = np.concatenate([self.y[rows][s] for s in seen])
        p = np.concatenate([q[s] for q, s in zip(there, seen, strict=True)]).astype(float)
        w = self.weight(rows)
        return y, p, None if w is None else np.concatenate([w[s] for s in seen])

    def thinned(self, most: int) -> tuple[Validation, slice]:
        """At most so many rows, evenly spaced, and which ones they are."""
        rows = slice(0, None, -(-len(self.y) // most))
        if rows.step == 1:
            return self, rows
        w = None if self.weights is None else self.weights[rows]
        cells = None if self.cells is None else self.cells[rows]
        parts = self.parts[:, rows]
        return replace(self, y=self.y[rows], parts=parts, weights=w, cells=cells), rows

    def others(self, block: int) -> Rows:
        """Validated rows outside of a block."""
        return np.flatnonzero((self.blocks >= 0) & (self.blocks != block))

    def split_blocks(self) -> list[tuple[int, Rows]]:
        """Per block its number and rows."""
        return [(b, np.flatnonzero(self.blocks == b)) for b in range(int(self.blocks.max()) + 1)]


@dataclass(frozen=True)
class Finish:
    """What is done to a model's shares before they are an answer, and how sure it is.

    `conformal` gives intervals or sets, `abstention` tells the rows that are better left to a
    person; both are None where they were not worked out.
    """

    calibration: Calibration = NONE
    decision: Decision = Decision(0.5)
    conformal: Conformal | None = None
    abstention: Abstention | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        out: dict[str, Any] = {
            "calibration": self.calibration.to_json(),
            "decision": self.decision.to_json(),
        }
        for name, part in (("conformal", self.conformal), ("abstention", self.abstention)):
            if part is not None:
                out[name] = part.to_json()
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finish:
        """The finish that `to_json` wrote."""
        abstention = data.get("abstention")
        return cls(
            Calibration.from_json(data["calibration"]),
            Decision.from_json(data["decision"]),
            conformal_from_json(data.get("conformal")),
            None if abstention is None else Abstention.from_json(abstention),
        )


@dataclass(frozen=True)
class Scored:
    """Scores per metric: the mean, and per fold; and the answers that were scored.

    `shares` is `[repeats, n, k]`, calibrated (or the values), `labels` `[repeats, n]`; each answer
    comes from what was chosen on other rows.
    """

    scores: dict[str, float]
    folds: dict[str, tuple[float, ...]]
    finish: Finish
    shares: FloatArray
    labels: npt.NDArray[np.int64] | None = None


def score_oof(
    validation: Validation,
    oof: FloatArray,
    metric: Metric,
    extra: Sequence[Metric] = (),
    constraint: Limit | None = None,
    as_it_is: bool = False,
    equalise: Equalise | None = None,
) -> Scored:
    """Scores of out-of-fold predictions by fold, and the finish to ship.

    Calibration and threshold are chosen on all validated rows for shipping; the scores use those
    chosen on the other blocks. Ranking metrics see the shares as they are. `as_it_is` scores
    predictions that nobody may touch: no calibration, and the likeliest class is the answer. With
    `equalise` groups of people get thresholds of their own, chosen on other blocks like any.
    """
    metrics = {m.name: m for m in (*extra, metric)}
    if validation.task == "regression":
        return Scored(*_by_fold(validation, oof[..., 0], None, metrics), Finish(), oof)
    if as_it_is:
        plain = Finish(NONE, Decision(0.5 if oof.shape[2] == 2 else None))
        answers = np.stack([plain.decision.labels(np.nan_to_num(p)) for p in oof])
        return Scored(*_by_fold(validation, oof, None, metrics), plain, oof, answers)
    shares, calibration = calibrate(validation, oof)
    decision = _decide(validation, shares, metric, None, constraint, equalise)
    labels = crossed_labels(validation, shares, metric, constraint, equalise)
    ranks = {n: m for n, m in metrics.items() if n in ("roc_auc", "average_precision")}
    rest = {n: m for n, m in metrics.items() if n not in ranks}
    scores, folds = _by_fold(validation, shares, labels, rest)
    more = _by_fold(validation, oof, None, ranks)
    final = Finish(calibration, decision)
    return Scored({**scores, **more[0]}, {**folds, **more[1]}, final, shares, labels)


def crossed_labels(
    validation: Validation,
    shares: FloatArray,
    metric: Metric,
    constraint: Limit | None = None,
    equalise: Equalise | None = None,
) -> npt.NDArray[np.int64]:
    """Class numbers `[repeats, n]` by decisions chosen on the other blocks, -1 where there is none.

    Rows that a repeat did not validate get an answer that means nothing.
    """
    labels = np.full(shares.shape[:2], -1, np.int64)
    for block, rows in validation.split_blocks():
        chosen = _decide(validation, shares, metric, block, constraint, equalise)
        cells = None if validation.cells is None else validation.cells[rows]
        for r in range(len(shares)):
            labels[r, rows] = chosen.labels(np.nan_to_num(shares[r][rows], nan=0.5), cells)
    return labels


def calibrate(validation: Validation, oof: FloatArray) -> tuple[FloatArray, Calibration]:
    """Cross-fitted calibrated shares and the calibration to ship, or shares as they are.

    A kind is kept when its log loss, on rows it was not fitted on, is lower by more than one
    standard error of the difference; of several the best.
    """
    y, p, w = validation.pooled(oof, validation.blocks >= 0)
    raw, best, chosen = _losses(y, p), oof, NONE
    least = 0.0
    for kind in kinds_for(validation.n_classes, len(y)):
        trial = crossed_shares(validation, oof, kind)
        gain = raw - _losses(y, validation.pooled(trial, validation.blocks >= 0)[1])
        weight = np.ones(len(y)) if w is None else w
        mean = float(np.average(gain, weights=weight))
        error = float(np.sqrt(np.average((gain - mean) ** 2, weights=weight) / len(gain)))
        if mean > max(least, error):
            least, best, chosen = mean, trial, fit_calibration(kind, y, p, w)
    return best, chosen


def crossed_shares(validation: Validation, oof: FloatArray, kind: Kind) -> FloatArray:
    """Out-of-fold shares, each block calibrated by what was fitted on the others."""
    out = oof.astype(float)
    if kind == "none":
        return out
    for block, rows in validation.split_blocks():
        fitted = fit_calibration(kind, *validation.pooled(oof, validation.others(block)))
        for r in range(len(oof)):
            seen = rows[~np.isnan(oof[r, rows, 0])]
            out[r, seen] = fitted.apply(oof[r, seen].astype(float))
    return out


def _losses(y: npt.NDArray[Any], shares: FloatArray) -> FloatArray:
    p = shares[np.arange(len(y)), y.astype(int)] / shares.sum(axis=1)
    return np.asarray(-np.log(np.clip(p, 1e-15, 1)))


def _decide(
    validation: Validation,
    shares: FloatArray,
    metric: Metric,
    block: int | None,
    constraint: Limit | None,
    equalise: Equalise | None = None,
) -> Decision:
    rows = validation.blocks >= 0 if block is None else validation.others(block)
    y, p, w = validation.pooled(shares, rows)
    plain = choose_decision(metric, y, p, w, constraint)
    if equalise is None or validation.cells is None:
        return plain
    seen = [~np.isnan(q[rows][:, 0]) for q in shares]
    cells = np.concatenate([validation.cells[rows][s] for s in seen])
    return equalise.decide(plain, metric, y, p, w, cells)


def _by_fold(
    validation: Validation,
    predictions: FloatArray,
    labels: npt.NDArray[np.int64] | None,
    metrics: Mapping[str, Metric],
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    folds: dict[str, tuple[float, ...]] = {}
    for name, metric in metrics.items():
        per = []
        for repeat, rows in validation.folds:
            answers = None if labels is None else labels[repeat, rows]
            given = answers if metric.needs == "labels" else None
            part = predictions[repeat][rows].astype(float)
            per.append(
                score_predictions(metric, validation.y[rows], part, validation.weight(rows), given)
            )
        folds[name] = tuple(per)
    return {name: float(np.mean(per)) for name, per in folds.items()}, folds
