"""Bootstrap intervals of what is measured by group, and of what one model takes from another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwright.core.keys import Key
from modelwright.data.protected import LEAST_ROWS, Attribute
from modelwright.families.base import FloatArray
from modelwright.models.fairness import RowValues, gap_scores, group_means

ROUNDS, MAX_ROWS = 200, 50_000  # of more rows so many, evenly spaced, are drawn from


@dataclass(frozen=True)
class Resamples:
    """How often each row was drawn in each round, `[rounds, n]`, times the row's weight.

    The same draws serve every measure and every model, so that differences are paired.
    """

    counts: FloatArray
    rows: slice

    @classmethod
    def of(cls, n_rows: int, weights: FloatArray | None, key: Key) -> Resamples:
        """200 rounds, random by `key`."""
        rows = slice(0, None, -(-n_rows // MAX_ROWS))
        n = len(range(n_rows)[rows])
        rng = np.random.default_rng(key.seed(128))
        drawn = [np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(ROUNDS)]
        counts = np.array(drawn, np.float32)
        if weights is not None:
            counts *= np.asarray(weights[rows], np.float32)
        return cls(counts, rows)

    def means(self, values: FloatArray, inside: Any, masks: FloatArray) -> FloatArray:
        """Means of values in each of some groups (`masks` `[n, g]`) by round, `[rounds, g]`."""
        there = masks * inside[self.rows, None]
        total = self.counts @ there
        sums = self.counts @ (there * np.asarray(values[self.rows], np.float32)[:, None])
        gone = np.full(sums.shape, np.nan)
        return np.asarray(np.divide(sums, total, out=gone, where=total > 0))


def group_report(
    values: RowValues,
    attributes: Sequence[Attribute],
    weights: FloatArray | None,
    resamples: Resamples,
    other: RowValues | None = None,
) -> dict[str, Any]:
    """Plain data: `groups` by attribute, and `gaps`, each number as `[estimate, low, high]`.

    With `other`, every number is that of `values` less that of `other` on the same rows. Intervals
    hold 95 %, by the percentile bootstrap (Efron 1979); those of a gap, which is a largest
    difference, lean upwards where groups are small. Groups with fewer than 50 rows are left out and
    named under `suppressed`.
    """
    out: dict[str, Any] = {"groups": [], "suppressed": []}
    draws: dict[str, list[FloatArray]] = {}
    for attribute in attributes:
        some = next(iter(values.values()))[1]
        sizes = np.bincount(attribute.cells[some], minlength=len(attribute.names))
        large = np.flatnonzero(sizes >= LEAST_ROWS)
        small = np.flatnonzero((sizes > 0) & (sizes < LEAST_ROWS))
        out["suppressed"] += [f"{attribute.words}: {attribute.names[g]}" for g in small]
        masks = (attribute.cells[resamples.rows, None] == large).astype(np.float32)
        told: list[dict[str, Any]] = [
            {"attribute": attribute.words, "group": attribute.names[g], "n_rows": int(sizes[g])}
            for g in large
        ]
        for name, (value, inside) in values.items():
            found = group_means(value, inside, attribute, weights).mean[large]
            drawn = resamples.means(value, inside, masks)
            drawn[:, np.isnan(found)] = np.nan
            if other is not None:
                theirs, there = other[name]
                found = found - group_means(theirs, there, attribute, weights).mean[large]
                drawn = drawn - resamples.means(theirs, there, masks)
            for i, group in enumerate(told):
                if np.isfinite(found[i]):
                    group[name] = _interval(float(found[i]), drawn[:, i])
            if other is None:
                draws.setdefault(name, []).append(drawn)
        out["groups"] += told
    mine = gap_scores(values, attributes, weights)[0]
    if other is None:
        out["gaps"] = {n: _interval(x, _drawn_gap(n, draws)) for n, x in mine.items()}
    else:
        theirs_too = gap_scores(other, attributes, weights)[0]
        out["gaps"] = {n: x - theirs_too[n] for n, x in mine.items() if n in theirs_too}
    return out


def _drawn_gap(name: str, draws: Mapping[str, Sequence[FloatArray]]) -> FloatArray:
    """A gap in each round, from the means of the groups in it."""
    measures = {
        "equalized_odds_gap": ("tpr", "fpr"), "selection_rate_ratio": ("selection_rate",),
        "worst_group_error": ("error",), "worst_group_mae": ("mae",),
    }.get(name, (name.removesuffix("_gap"),))  # fmt: skip
    parts = []
    for means in (m for measure in measures for m in draws[measure]):
        known = means[:, ~np.isnan(means).all(axis=0)]
        if not known.shape[1]:
            continue
        low, high = np.nanmin(known, axis=1), np.nanmax(known, axis=1)
        if name == "selection_rate_ratio":
            parts.append(np.divide(low, high, out=np.ones_like(low), where=high > 0))
        else:
            parts.append(high if name.startswith("worst") else high - low)
    worst = np.min(parts, axis=0) if name == "selection_rate_ratio" else np.max(parts, axis=0)
    return np.asarray(worst)


def _interval(estimate: float, drawn: FloatArray) -> list[float]:
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, (0.025, 0.975)) if len(known) else (estimate, estimate)
    bounds = estimate, min(float(low), estimate), max(float(high), estimate)
    return [round(float(x), 6) for x in bounds]
