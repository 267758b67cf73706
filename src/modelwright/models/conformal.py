"""Conformal prediction: intervals and sets of classes that hold the truth as often as is asked.

Calibrated on out-of-fold predictions and stored as plain numbers. Sources: split conformal
prediction and its order statistic (Lei et al. 2018, arXiv:1604.04173), residuals of folds (Barber
et al. 2021, arXiv:1905.02928), least ambiguous sets (Sadinle, Lei and Wasserman 2019,
arXiv:1609.00451), adaptive sets (Romano, Sesia and Candès 2020, arXiv:2006.02544; Angelopoulos et
al. 2021, arXiv:2009.14193). What differs: the model that ships is one fit on all rows and not the
models of the folds, so that the coverage is measured on rows held out and not proved.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.families.base import FloatArray

Labels = npt.NDArray[Any]
Rule = Literal["least", "adaptive", "by_class"]
RULES: tuple[Rule, ...] = ("least", "adaptive", "by_class")
_KEPT = 150  # of many scores so many are kept, among them a third as many of the highest
_KEPT_BY_CLASS = 60
_RANK, _PENALTY = 2, 0.02  # adaptive sets: what each label after the second costs
_EPS = 1e-9


@dataclass(frozen=True)
class Ranked:
    """Scores in rising order, each with the share of the rows at or below it.

    `n` is how many rows they stand for. Of many scores some are left out, and the next higher one
    is used in their place.

    >>> ranked = Ranked.of(np.arange(1.0, 20.0))
    >>> ranked.cut(0.9), ranked.cut(0.99)
    (18.0, None)
    """

    values: tuple[float, ...]
    shares: tuple[float, ...]
    n: float

    @classmethod
    def of(
        cls,
        scores: FloatArray,
        weights: FloatArray | None = None,
        n: float | None = None,
        kept: int = _KEPT,
    ) -> Ranked:
        """The scores `[m]`; `n` is the number of rows behind them (m when left out)."""
        w = np.ones(len(scores)) if weights is None else np.asarray(weights, float)
        order = np.argsort(scores, kind="stable")
        value, share = scores[order], np.cumsum(w[order])
        share = share / share[-1] if len(share) and share[-1] > 0 else share
        if len(value) > kept:
            tail = kept // 3
            even = np.linspace(0, len(value) - 1, kept - tail).round().astype(int)
            keep = np.unique(np.append(even, np.arange(len(value) - tail, len(value))))
            value, share = value[keep], share[keep]
        # Shares are rounded down and scores up: a coverage is never lost by writing them shortly.
        told = (
            tuple(rounded_up(x) for x in value),
            tuple(float(f"{x - 5e-8:.7f}") for x in share[:-1]),
        )
        told = told[0], (*told[1], *(1.0 for _ in share[-1:]))
        return cls(*told, float(len(scores) if n is None else n))

    def cut(self, coverage: float) -> float | None:
        """The score that a new row stays at or below with that probability; None beyond them."""
        wanted = coverage * (self.n + 1) / max(self.n, 1.0)
        at = bisect_left(self.shares, wanted - 2e-7)
        return self.values[at] if at < len(self.values) else None

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        return {"values": list(self.values), "shares": list(self.shares), "n": self.n}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Ranked:
        """The scores that `to_json` wrote."""
        return cls(tuple(data["values"]), tuple(data["shares"]), data["n"])


@dataclass(frozen=True)
class Difficulty:
    """How large errors are where the prediction is so high: straight pieces between points.

    A point is the mean prediction and the mean size of the error of an equal part of the rows.
    Without points every error is as large as any other.
    """

    at: tuple[float, ...] = ()
    size: tuple[float, ...] = ()

    @classmethod
    def fit(cls, predictions: FloatArray, errors: FloatArray, weights: FloatArray) -> Difficulty:
        """From predictions, sizes of errors and weights `[n]`; parts are drawn to the mean."""
        n_parts = min(12, len(predictions) // 50)
        middle = float(np.average(errors, weights=weights))
        if n_parts < 2 or middle <= 0:
            return cls()
        edges = np.unique(np.quantile(predictions, np.linspace(0, 1, n_parts + 1)))
        part = np.searchsorted(edges[1:-1], predictions, side="right")
        at, size = [], []
        for rows in (np.flatnonzero(part == i) for i in range(len(edges) - 1)):
            w = weights[rows]
            kept = 10 * float(weights.mean())
            level = (float(w @ errors[rows]) + kept * middle) / (float(w.sum()) + kept)
            at.append(float(predictions[rows].mean()))
            size.append(max(level, 0.05 * middle))
        if len(at) < 2:  # all predictions are one
            return cls()
        return cls(tuple(at), tuple(size))

    def of(self, predictions: FloatArray) -> FloatArray:
        """The expected size of the error at each prediction, ones without points."""
        if not self.at:
            return np.ones(len(predictions))
        return np.asarray(np.interp(predictions, self.at, self.size))


@dataclass(frozen=True)
class Intervals:
    """Intervals around values: errors below and above, in units of the difficulty.

    `signed` looks at the two sides apart, half of the misses each; else both are as wide. A
    quantile regression and skewed errors want the first.

    >>> errors = np.arange(-20.0, 21.0)
    >>> plain = Intervals.fit(np.zeros(41), errors, signed=False, scaled=False)
    >>> plain.around(np.array([5.0]), 0.8).tolist()
    [[-12.0, 22.0]]
    """

    signed: bool
    below: Ranked
    above: Ranked
    difficulty: Difficulty = Difficulty()

    @classmethod
    def fit(
        cls,
        predictions: FloatArray,
        errors: FloatArray,
        weights: FloatArray | None = None,
        n: float | None = None,
        *,
        signed: bool,
        scaled: bool,
    ) -> Intervals:
        """From out-of-fold predictions and errors (truth less prediction) `[m]` of `n` rows."""
        w = np.ones(len(errors)) if weights is None else np.asarray(weights, float)
        fitted = Difficulty.fit(predictions, np.abs(errors), w) if scaled else Difficulty()
        units = errors / fitted.of(predictions)
        if not signed:
            both = Ranked.of(np.abs(units), w, n)
            return cls(False, both, both, fitted)
        return cls(True, Ranked.of(-units, w, n), Ranked.of(units, w, n), fitted)

    @property
    def n(self) -> float:
        """How many rows it was calibrated on."""
        return self.below.n

    def around(self, values: FloatArray, coverage: float) -> FloatArray:
        """`[n, 2]`: the lower and upper end for each value. Raises InputError for too few rows."""
        asked = (1 + coverage) / 2 if self.signed else coverage
        below, above = self.below.cut(asked), self.above.cut(asked)
        if below is None or above is None:
            most = 1 / (self.n + 1)
            raise _too_few(coverage, self.n, 1 - (2 * most if self.signed else most))
        size = self.difficulty.of(values)
        low, high = values - below * size, values + above * size
        # Both ends may lie on one side of a quantile, never in the wrong order.
        return np.column_stack([np.minimum(low, high), np.maximum(low, high)])

    def to_json(self) -> dict[str, Any]:
        """Plain data that `conformal_from_json` reads back."""
        sides = {"above": self.above.to_json()} if self.signed else {}
        spread = {"at": list(self.difficulty.at), "size": list(self.difficulty.size)}
        return {"kind": "intervals", "below": self.below.to_json(), **sides, "difficulty": spread}


@dataclass(frozen=True)
class Sets:
    """Sets of classes. The likeliest class is always among them, so that no set is empty.

    `least` gives the smallest sets on average, `adaptive` larger ones where the model is unsure and
    smaller ones where it is sure, `by_class` keeps the coverage for the rows of each class alone.

    >>> shares = np.array([[0.9, 0.1], [0.6, 0.4]] * 20)
    >>> Sets.fit(np.array([0, 1] * 20), shares).labels(shares[:2], 0.9)
    [[0], [0, 1]]
    """

    least: Ranked
    adaptive: Ranked
    by_class: tuple[Ranked, ...]

    @classmethod
    def fit(
        cls,
        y: Labels,
        shares: FloatArray,
        weights: FloatArray | None = None,
        n: float | None = None,
    ) -> Sets:
        """From out-of-fold class numbers `[m]` and shares `[m, k]` of `n` rows."""
        w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
        part = 1.0 if n is None else n / len(y)
        rows, truth = np.arange(len(y)), y.astype(int)
        plain = 1 - shares[rows, truth]
        per = []
        for c in range(shares.shape[1]):
            mine = truth == c
            per.append(Ranked.of(plain[mine], w[mine], part * int(mine.sum()), _KEPT_BY_CLASS))
        adaptive = Ranked.of(_before(shares)[rows, truth], w, n)
        return cls(Ranked.of(plain, w, n), adaptive, tuple(per))

    def inside(self, shares: FloatArray, coverage: float, rule: Rule = "least") -> Labels:
        """Which classes are in the set of each row, truths `[n, k]`; InputError for too few."""
        tables = self.by_class if rule == "by_class" else (getattr(self, rule),)
        cuts = [table.cut(coverage) for table in tables]
        if any(cut is None for cut in cuts):
            few = min(table.n for table in tables)
            rows = "rows of the rarest class" if rule == "by_class" else "rows"
            raise _too_few(coverage, few, 1 - 1 / (few + 1), rows)
        scores = _before(shares) if rule == "adaptive" else 1 - shares
        out = scores <= np.array(cuts, float) + _EPS
        out[np.arange(len(out)), shares.argmax(axis=1)] = True
        return np.asarray(out)

    def labels(self, shares: FloatArray, coverage: float, rule: Rule = "least") -> list[list[int]]:
        """The class numbers in the set of each row, the likeliest first."""
        inside = self.inside(shares, coverage, rule)
        order = np.argsort(-shares, axis=1, kind="stable")
        return [[int(c) for c in row if held[c]] for row, held in zip(order, inside, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Plain data that `conformal_from_json` reads back."""
        return {
            "kind": "sets",
            "least": self.least.to_json(),
            "adaptive": self.adaptive.to_json(),
            "by_class": [r.to_json() for r in self.by_class],
        }


Conformal = Intervals | Sets


def conformal_from_json(data: Mapping[str, Any] | None) -> Conformal | None:
    """What `to_json` of intervals or sets wrote; None for None."""
    if data is None:
        return None
    if data["kind"] == "sets":
        per = tuple(Ranked.from_json(x) for x in data["by_class"])
        return Sets(Ranked.from_json(data["least"]), Ranked.from_json(data["adaptive"]), per)
    below, spread = Ranked.from_json(data["below"]), data["difficulty"]
    signed = "above" in data
    above = Ranked.from_json(data["above"]) if signed else below
    return Intervals(signed, below, above, Difficulty(tuple(spread["at"]), tuple(spread["size"])))


def check_coverage(coverage: float) -> None:
    """Refuses a coverage that is no share between 0 and 1."""
    if not (isinstance(coverage, (int, float)) and 0 < coverage < 1):
        raise InputError(f"a coverage lies between 0 and 1, such as 0.9; got {coverage!r}.")


def rounded_up(x: float) -> float:
    """The next number of seven digits that is not below `x`."""
    short = float(f"{x:.7g}")
    return short if short >= x else float(f"{x + abs(x) * 5e-7:.7g}")


def _before(shares: FloatArray) -> FloatArray:
    """The mass of the likelier classes, and a little for each rank from the third, `[n, k]`.

    The papers add a random part of the class's own mass; here there is none, so that equal rows
    have equal sets: they are a little larger.
    """
    order = np.argsort(-shares, axis=1, kind="stable")
    ranked = np.take_along_axis(shares, order, axis=1)
    extra = _PENALTY * np.maximum(0, np.arange(shares.shape[1]) + 1 - _RANK)
    mass = np.cumsum(ranked, axis=1) - ranked + extra
    out = np.empty_like(mass)
    np.put_along_axis(out, order, mass, axis=1)
    return np.asarray(out)


def _too_few(coverage: float, n: float, most: float, rows: str = "rows") -> InputError:
    known = math.floor(max(most, 0.0) * 1000) / 1000
    advice = f"ask for at most {known:g}" if known > 0 else "build with more rows"
    return InputError(
        f"a coverage of {coverage:g} cannot be promised from {math.floor(n)} {rows}; {advice}."
    )


def effective_rows(n_rows: int, weights: Sequence[float] | FloatArray | None) -> float:
    """How many equal rows weighted ones are worth (Kish 1965); `n_rows` without weights."""
    if weights is None:
        return float(n_rows)
    w = np.asarray(weights, float)
    return float(w.sum() ** 2 / max((w**2).sum(), 1e-300))
