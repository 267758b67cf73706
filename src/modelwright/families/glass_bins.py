"""Columns cut into bins: each value, category and gap stands in one cell of its column's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray, Inputs, IntArray

_FEW = 16  # rows below which comparing with every edge beats a search per column


@dataclass(frozen=True)
class Bins:
    """A fitted cut of p numeric and q categorical columns; `apply` gives `[n, p + q]` bin numbers.

    A numeric column with k edges has k + 2 bins: below the first edge, between two (an edge belongs
    to the bin above it), from the last edge on, and one for gaps. A categorical column has one bin
    for each common category (a gap among them), and a last one for rare and unseen ones.
    """

    edges: FloatArray
    n_edges: IntArray
    lookup: IntArray
    lookup_starts: IntArray
    n_categories: IntArray

    @classmethod
    def fit(cls, X: Inputs, at_most: int, min_count: int) -> Bins:
        """Edges between values (at most `at_most` bins of about equal rows), common categories."""
        cuts = [_edges(column, at_most) for column in X.numeric.T]
        longest = max((len(c) for c in cuts), default=0)
        edges = np.full((len(cuts), longest), np.inf)
        for row, cut in zip(edges, cuts, strict=True):
            row[: len(cut)] = cut
        tables = [
            _categories(codes, levels, at_most, min_count)
            for codes, levels in zip(X.codes.T, X.levels, strict=True)
        ]
        starts = np.cumsum([0, *(len(t) for t in tables)])
        return cls(
            edges,
            np.array([len(c) for c in cuts], np.int64),
            np.concatenate([*tables, np.zeros(0, np.int64)]),
            starts.astype(np.int64),
            np.array([t.max() for t in tables], np.int64),
        )

    @property
    def sizes(self) -> IntArray:
        """How many bins each column has, `[p + q]`; the last one is for gaps or rare categories."""
        return np.concatenate([self.n_edges + 2, self.n_categories + 1])

    @property
    def n_numeric(self) -> int:
        """How many of the columns are numeric; they come first."""
        return len(self.n_edges)

    def apply(self, X: Inputs) -> IntArray:
        """The bin numbers of these rows, `[n, p + q]`."""
        p, q = self.n_numeric, len(self.n_categories)
        out = np.empty((len(X), p + q), np.int64)
        numeric = np.asarray(X.numeric, float)
        if len(X) <= _FEW:
            out[:, :p] = (numeric[:, :, None] >= self.edges).sum(axis=2)
        else:
            for j, n in enumerate(self.n_edges):
                out[:, j] = np.searchsorted(self.edges[j, :n], numeric[:, j], side="right")
        out[:, :p] = np.where(np.isfinite(numeric), out[:, :p], self.n_edges + 1)
        if q:
            last = np.diff(self.lookup_starts) - 1
            inside = np.where(X.codes < -1, last, np.minimum(X.codes + 1, last))
            out[:, p:] = self.lookup[inside + self.lookup_starts[:-1]]
        return out

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name; `from_arrays` reads it back."""
        return {f"bins.{f.name}": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Bins:
        """The bins that `arrays` describes."""
        return cls(**{f.name: arrays[f"bins.{f.name}"] for f in fields(cls)})


def _edges(column: FloatArray, at_most: int) -> FloatArray:
    """Rising edges; halfway between neighbours where there are few values."""
    values = np.sort(column[np.isfinite(column)].astype(float))
    distinct = np.unique(values)
    if len(distinct) < 2:
        return np.zeros(0)
    if len(distinct) > at_most:
        places = np.arange(1, at_most) * len(values) // at_most
        return np.unique(values[places][values[places] > values[0]])
    middle = distinct[:-1] / 2 + distinct[1:] / 2  # halves first: a sum may overflow
    out: FloatArray = np.maximum(middle, np.nextafter(distinct[:-1], np.inf))
    return out


def _categories(codes: IntArray, levels: int, at_most: int, min_count: int) -> IntArray:
    """Bin of: missing, the levels, unseen. The last bin takes the rare and the unseen."""
    places = np.where((codes < -1) | (codes >= levels), levels + 1, codes + 1)
    counts = np.bincount(places, minlength=levels + 2)
    common = np.flatnonzero(counts[:-1] >= min_count)
    if len(common) > at_most:
        common = np.sort(common[np.argsort(-counts[common], kind="stable")[:at_most]])
    table = np.full(levels + 2, len(common), np.int64)
    table[common] = np.arange(len(common))
    return table
