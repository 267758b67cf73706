"""What made columns are worth: judged on a few training rows against what is already known.

A quick additive model of the columns as they are (means in bins, fitted in turns: Hastie and
Tibshirani 1990) is subtracted from the target. A candidate is worth the share of the rest that its
own bins explain on rows they were not fitted on. Candidates are taken one by one, the best first,
each from what the earlier ones left, while they are better than random columns are by luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.families.base import Examples, FloatArray, Inputs, IntArray

MAX_ROWS = 5000
MAX_NUMERIC = 200
MAX_CODED = 50
MAX_CLASSES = 10
_EFFECTS = 12
_JUDGED = 3
_SHRINK = 10.0
_RANDOM = 24
_HUGE = 1e100


def targets_of(examples: Examples) -> FloatArray:
    """What encodings are means of, `[n, c]`: the values, or 0/1 for the positive class, or for
    each of the 10 most frequent classes."""
    if examples.task == "regression":
        return np.asarray(np.clip(examples.y.astype(float), -_HUGE, _HUGE)[:, None])
    if examples.task == "binary":
        return np.asarray(examples.y == 1, float)[:, None]
    shares = np.bincount(examples.y.astype(np.int64), minlength=examples.n_classes)
    classes = [c for c in np.argsort(-shares, kind="stable")[:MAX_CLASSES] if shares[c]]
    return np.stack([(examples.y == c).astype(float) for c in classes], axis=1)


def places_in(codes: npt.NDArray[Any], levels: IntArray) -> IntArray:
    """Codes `[n, q]` as places: 0 is missing, then the levels, then whatever was never seen."""
    outside = (codes < -1) | (codes >= levels)
    return np.where(outside, levels + 1, codes.astype(np.int64) + 1)


def tame(values: FloatArray) -> FloatArray:
    """In double precision, NaN where it was not finite, and small enough to be squared."""
    found = values.astype(float)
    return np.clip(np.where(np.isfinite(found), found, np.nan), -_HUGE, _HUGE)


@dataclass
class Probe:
    """At most 5,000 rows of the training examples, with what is not yet explained there.

    `rest` `[m, c]` shrinks as candidates are taken. `numeric` and `coded` are the columns that the
    additive model found most telling, best first. Rows, columns of wide tables (200 numbers and 50
    categories at most are looked at) and halves are drawn by the seed.
    """

    rows: IntArray
    X: Inputs
    rest: FloatArray
    weights: FloatArray
    half: npt.NDArray[np.bool_]
    n_bins: int
    floor: float
    numeric: list[int]
    coded: list[int]

    @classmethod
    def of(cls, examples: Examples, seed: int) -> Probe:
        """Draws rows and fits the additive model."""
        rng = np.random.default_rng(seed)
        n = len(examples.y)
        rows = np.sort(rng.choice(n, MAX_ROWS, replace=False)) if n > MAX_ROWS else np.arange(n)
        few = examples.take(rows)
        T, w = targets_of(few)[:, :_JUDGED], few.weight
        if few.task == "regression":  # a few wild values must not decide
            low, high = np.quantile(T, [0.01, 0.99])
            T = np.clip(T, low, high)
        total = w.sum()
        w = w / total if total > 0 else np.full(len(w), 1 / len(w))
        half = rng.permutation(len(rows)) % 2 == 0
        n_bins = int(np.clip(len(rows) // 40, 3, 16))
        probe = cls(rows, few.X, T - w @ T, w, half, n_bins, 0.0, [], [])
        probe._subtract_known(rng)
        noise = probe.worth([rng.integers(0, n_bins, len(rows)) for _ in range(_RANDOM)])
        probe.floor = max(1e-3, float(np.mean(noise)) + 3 * float(np.std(noise)))
        return probe

    def _subtract_known(self, rng: np.random.Generator) -> None:
        p, q = self.X.numeric.shape[1], len(self.X.levels)
        some = np.sort(rng.permutation(p)[:MAX_NUMERIC])
        few = np.sort(rng.permutation(q)[:MAX_CODED])
        numbers = dict(zip(map(int, some), self.bins(self.X.numeric[:, some]), strict=True))
        codes = {int(j): self.place(int(j)) for j in few}
        columns = [("n", j) for j in numbers] + [("c", j) for j in codes]
        worth = dict(zip(columns, self.worth([*numbers.values(), *codes.values()]), strict=True))
        best = sorted(columns, key=lambda k: -worth[k])
        self.numeric = [j for kind, j in best if kind == "n"]
        self.coded = [j for kind, j in best if kind == "c"]
        known = [numbers[j] for j in self.numeric[:_EFFECTS]]
        known += [codes[j] for j in self.coded[:_EFFECTS]]
        effects = [np.zeros_like(self.rest) for _ in known]
        for _ in range(2):
            for i, bins in enumerate(known):
                self.rest = self.rest + effects[i]
                effects[i] = self._means(bins)
                self.rest = self.rest - effects[i]

    def place(self, column: int) -> IntArray:
        """The places of a column's categories in these rows, `[m]`."""
        levels = np.array(self.X.levels[column : column + 1], np.int64)
        return places_in(self.X.codes[:, column : column + 1], levels)[:, 0]

    def bins(self, columns: FloatArray) -> list[IntArray]:
        """The quantile bin of each value, `[m]` for each column; gaps have a bin of their own."""
        V = tame(columns)
        gaps = np.isnan(V)
        shares = np.linspace(0, 1, self.n_bins + 1)[1:-1]
        whole = np.flatnonzero(~gaps.any(axis=0))
        edges = dict(zip(whole, np.quantile(V[:, whole], shares, axis=0).T, strict=True))
        found: list[IntArray] = []
        for j, (v, missing) in enumerate(zip(V.T, gaps.T, strict=True)):
            out = np.full(len(v), self.n_bins, np.int64)
            known = v[~missing]
            if len(known):
                cuts = edges[j] if j in edges else np.quantile(known, shares)
                out[~missing] = np.searchsorted(cuts, known, side="left")
            found.append(out)
        return found

    def worth(self, candidates: Sequence[IntArray]) -> list[float]:
        """Share of the rest that the means in each candidate's bins explain on the other half."""
        before = float(self.weights @ (self.rest**2).sum(axis=1))
        if before <= 0:
            return [0.0] * len(candidates)
        pulls = [self.weights * r for r in self.rest.T]
        return [self._explained(bins, pulls) / before for bins in candidates]

    def _explained(self, bins: IntArray, pulls: Sequence[FloatArray]) -> float:
        """How much smaller the squares of one half are about the means of the other, both ways.

        Sum of w (r - m)^2 is sum of w r^2 - 2 m sum of w r + m^2 sum of w, in each bin.
        """
        size = int(bins.max(initial=0)) + 1
        place = bins + size * self.half
        held = np.bincount(place, self.weights, 2 * size).reshape(2, size)
        sums = np.stack([np.bincount(place, p, 2 * size).reshape(2, size) for p in pulls])
        means = (sums / (held + _SHRINK / len(bins)))[:, ::-1]
        return float((2 * means * sums - means**2 * held).sum())

    def choose(self, candidates: Sequence[IntArray], limit: int) -> list[int]:
        """Which candidates, given as bins, to take: at most `limit`, the best first."""
        chosen: list[int] = []
        left = list(range(len(candidates)))
        while left and len(chosen) < limit:
            worth = self.worth([candidates[i] for i in left])
            best = int(np.argmax(worth))
            if worth[best] <= self.floor:
                break
            # What is worthless now will not become worth much: do not ask it again.
            winner = left[best]
            left = [i for i, v in zip(left, worth, strict=True) if v > 0 and i != winner]
            chosen.append(winner)
            bins = candidates[winner]
            self.rest = self.rest - self._means(bins)
        return chosen

    def _means(self, bins: IntArray) -> FloatArray:
        """The mean of the rest in each row's bin, `[m, c]`, drawn towards 0 as by ten rows."""
        held = np.bincount(bins, self.weights) + _SHRINK / len(bins)
        columns = [np.bincount(bins, self.weights * r) / held for r in self.rest.T]
        return np.stack(columns, axis=1)[bins]


def useful(made: FloatArray, numeric: FloatArray) -> npt.NDArray[np.bool_]:
    """Which made columns `[m, k]` say something new: not constant, and not nearly (a correlation
    over 0.999) one of the first 500 numeric columns or an earlier made one."""
    A, B = _standard(made), _standard(numeric[:, :500])
    keep: npt.NDArray[np.bool_] = np.abs(A).max(axis=0, initial=0) > 0
    near = np.abs(A.T @ A) > 0.999
    if B.shape[1]:
        keep &= (np.abs(A.T @ B) <= 0.999).all(axis=1)
    for j in range(A.shape[1]):
        if keep[j] and (near[j, :j] & keep[:j]).any():
            keep[j] = False
    return keep


def _standard(values: FloatArray) -> FloatArray:
    """Columns of mean 0 and length 1, gaps at the mean; zeros where constant."""
    v = tame(values)
    known = ~np.isnan(v)
    counts = np.maximum(known.sum(axis=0), 1)
    scale = np.maximum(np.abs(np.where(known, v, 0)).max(axis=0, initial=0), 1e-300)
    v = np.where(known, v / scale, 0)
    centred = np.where(known, v - v.sum(axis=0) / counts, 0)
    lengths = np.sqrt((centred**2).sum(axis=0))
    # Gaps themselves say something: a column that is constant where known is none if it has some.
    flat = lengths <= 1e-12
    gaps = np.where(flat & ~known.all(axis=0) & known.any(axis=0), 1.0, 0.0)
    marks = np.where(known, 1.0, 0.0) - known.mean(axis=0)
    centred = np.where(gaps > 0, marks, centred)
    lengths = np.where(gaps > 0, np.sqrt((marks**2).sum(axis=0)), lengths)
    return np.where(lengths > 1e-12, centred / np.maximum(lengths, 1e-12), 0.0)
