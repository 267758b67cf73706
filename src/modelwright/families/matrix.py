"""From features to one matrix of numbers without gaps, fitted on the training rows only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray, Inputs, IntArray

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph

Scaling = Literal["plain", "standard", "robust", "quantile"]
MAX_LEVELS = 64
_QUANTILES = 129
_HUGE = 1e100  # its square is still a number


@dataclass(frozen=True)
class Matrix:
    """A fitted preparation; `apply` gives `[n, width]` of finite float64.

    Numbers: gaps take the training median, and a column that had gaps adds a 0/1 column telling
    where. Scaling is `plain` (none), `standard` (mean 0, deviation 1), `robust` (median 0, quartile
    range 1, softly squeezed into ±3, as in Holzmüller et al. 2024, arXiv:2407.04491) or `quantile`
    (ranks to a normal curve). Constant columns vanish. Categories: one 0/1 column for each with at
    least `min_count` training rows, at most 64 of a column; the others share one, and so does what
    was never seen; missing is a category of its own.
    """

    scaling: Scaling
    kept: IntArray
    fill: FloatArray
    gaps: IntArray
    centre: FloatArray
    scale: FloatArray
    knots: FloatArray
    table: IntArray
    starts: IntArray
    n_hot: int

    @classmethod
    def fit(cls, X: Inputs, scaling: Scaling = "standard", min_count: int = 5) -> Matrix:
        """Learns medians, scales and category tables from training rows."""
        numeric = np.where(np.isfinite(X.numeric), X.numeric, np.nan).astype(float)
        numeric = np.clip(numeric, -_HUGE, _HUGE)
        known = ~np.isnan(numeric)
        some = np.flatnonzero(known.any(axis=0))
        low, high = np.nanmin(numeric[:, some], axis=0), np.nanmax(numeric[:, some], axis=0)
        kept = some[high > low]
        seen = numeric[:, kept]
        gaps = np.flatnonzero(~known.all(axis=0) & known.any(axis=0))
        fill = np.nanmedian(seen, axis=0) if len(kept) else np.zeros(0)
        centre, scale, knots = _scales(seen, scaling)
        table, starts, n_hot = _tables(X, min_count)
        return cls(scaling, kept, fill, gaps, centre, scale, knots, table, starts, n_hot)

    @property
    def width(self) -> int:
        """How many columns `apply` gives."""
        return len(self.kept) + len(self.gaps) + self.n_hot

    def apply(self, X: Inputs) -> FloatArray:
        """The matrix of these rows, `[n, width]`: scaled numbers, gap marks, categories."""
        numeric = X.numeric[:, self.kept].astype(float)
        finite = np.isfinite(numeric)
        if not finite.all():
            numeric = np.where(finite, numeric, self.fill)
        numeric = np.clip(numeric, -_HUGE, _HUGE)
        n, p, g = len(X), len(self.kept), len(self.gaps)
        out = np.zeros((n, self.width))
        out[:, :p] = self._scaled(numeric)
        if g:
            out[:, p : p + g] = ~np.isfinite(X.numeric[:, self.gaps])
        if self.n_hot:
            lengths = np.diff(self.starts)
            inside = np.where(X.codes < -1, lengths - 1, np.minimum(X.codes + 1, lengths - 1))
            hot = self.table[inside + self.starts[:-1]]
            rows, columns = np.nonzero(hot >= 0)
            out[rows, p + g + hot[rows, columns]] = 1.0
        return out

    def _scaled(self, numeric: FloatArray) -> FloatArray:
        if self.scaling == "plain":
            return numeric
        if self.scaling == "quantile":
            from scipy.special import ndtri

            ranks = np.linspace(0, 1, self.knots.shape[0]) if len(self.knots) else np.zeros(0)
            out = np.empty_like(numeric)
            for j in range(numeric.shape[1]):
                up = np.interp(numeric[:, j], self.knots[:, j], ranks)
                # Equal knots: the mean of both directions puts ties in the middle of their ranks.
                down = 1 - np.interp(-numeric[:, j], -self.knots[::-1, j], ranks)
                out[:, j] = ndtri(np.clip((up + down) / 2, 1e-3, 1 - 1e-3))
            return out
        z = (numeric - self.centre) / self.scale
        return z / np.sqrt(1 + (z / 3) ** 2) if self.scaling == "robust" else z

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The same as ONNX nodes: the name of a float64 tensor `[n, width]`."""
        from modelwright.families.onnx_matrix import add_matrix

        return add_matrix(self, graph, numeric, codes)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name; `from_arrays` reads it back."""
        names = ("kept", "fill", "gaps", "centre", "scale", "knots", "table", "starts")
        return {f"matrix.{name}": getattr(self, name) for name in names}

    def facts(self) -> dict[str, Any]:
        """The plain part of what must be stored."""
        return {"scaling": self.scaling, "n_hot": self.n_hot}

    @classmethod
    def from_arrays(
        cls, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> Matrix:
        """The matrix that `arrays` and `facts` describe."""
        named = {k.removeprefix("matrix."): v for k, v in arrays.items() if k.startswith("matrix.")}
        return cls(scaling=facts["scaling"], n_hot=facts["n_hot"], **named)


def _scales(seen: FloatArray, scaling: Scaling) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centre, scale and quantile knots of columns with gaps; only what the scaling needs is set."""
    none = np.zeros(0)
    if scaling == "standard" and seen.shape[1]:
        scale = np.nanstd(seen, axis=0)
        return np.nanmean(seen, axis=0), np.where(scale > 0, scale, 1.0), none.reshape(0, 0)
    if scaling == "robust" and seen.shape[1]:
        q1, q2, q3 = np.nanquantile(seen, [0.25, 0.5, 0.75], axis=0)
        full = np.nanmax(seen, axis=0) - np.nanmin(seen, axis=0)
        return q2, np.where(q3 > q1, q3 - q1, full / 2), none.reshape(0, 0)
    if scaling == "quantile" and seen.shape[1]:
        return none, none, np.nanquantile(seen, np.linspace(0, 1, _QUANTILES), axis=0)
    return none, none, none.reshape(0, 0)


def _tables(X: Inputs, min_count: int) -> tuple[IntArray, IntArray, int]:
    """One lookup per column, end to end: missing, the levels, unseen -> output column or -1."""
    tables: list[IntArray] = []
    used = 0
    for j, levels in enumerate(X.levels):
        codes = X.codes[:, j]
        places = np.where((codes < -1) | (codes >= levels), levels + 1, codes + 1)
        counts = np.bincount(places, minlength=levels + 2)
        common = np.flatnonzero(counts[:-1] >= min_count)
        if len(common) > MAX_LEVELS:
            common = np.sort(common[np.argsort(-counts[common], kind="stable")[:MAX_LEVELS]])
        table = np.full(levels + 2, -1, np.int64)
        rest = counts.sum() - counts[common].sum()
        if len(common) + (rest > 0) < 2:  # constant, or nothing but rare: no column at all
            common = common[:0]
        elif rest:  # the rare ones share a column
            table[:] = used
            used += 1
        table[common] = used + np.arange(len(common))
        used += len(common)
        tables.append(table)
    starts = np.concatenate([[0], np.cumsum([len(t) for t in tables])]).astype(np.int64)
    return np.concatenate([*tables, np.zeros(0, np.int64)]), starts, used
