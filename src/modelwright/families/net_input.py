"""What a net sees of a table: scaled numbers, 0/1 columns, and rows of an embedding table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.families.base import Inputs, IntArray
from modelwright.families.matrix import Matrix, Scaling

Singles = npt.NDArray[np.float32]
LARGE = 12  # categories of a column beyond which it is embedded
_MIN_COUNT = 5


@dataclass(frozen=True)
class NetInput:
    """A fitted preparation; `apply` gives a matrix and rows of an embedding table.

    Numbers and columns of at most 12 categories go through `Matrix`. A larger column (`large`)
    gives one row number per value: categories with at least five training rows have a row of their
    own, missing ones too if there are as many, all others share the column's first.

    >>> X = Inputs.of([[1.0], [2.0], [4.0]], [[0], [1], [1]])
    >>> dense, rows = NetInput.fit(X).apply(X)
    >>> dense.shape, dense.dtype.name, rows.shape
    ((3, 1), 'float32', (3, 0))
    """

    matrix: Matrix
    small: IntArray
    large: IntArray
    table: IntArray
    starts: IntArray
    n_rows: int

    @classmethod
    def fit(cls, X: Inputs, scaling: Scaling = "robust") -> NetInput:
        """Learns scales and lookups from training rows."""
        is_large = np.array(X.levels, np.int64) > LARGE
        small, large = np.flatnonzero(~is_large), np.flatnonzero(is_large)
        tables: list[IntArray] = []
        n_rows = 0
        for j in large:
            counts = np.bincount(_places(X.codes[:, j], X.levels[j]), minlength=X.levels[j] + 2)
            common = np.flatnonzero(counts[:-1] >= _MIN_COUNT)
            table = np.full(X.levels[j] + 2, n_rows, np.int64)
            table[common] = n_rows + 1 + np.arange(len(common))
            n_rows += 1 + len(common)
            tables.append(table)
        starts = np.concatenate([[0], np.cumsum([len(t) for t in tables])]).astype(np.int64)
        table = np.concatenate([*tables, np.zeros(0, np.int64)])
        matrix = Matrix.fit(_only(X, small), scaling)
        return cls(matrix, small, large, table, starts, n_rows)

    @property
    def n_numbers(self) -> int:
        """How many columns of the matrix are scaled numbers; they come first."""
        return len(self.matrix.kept)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to look at."""
        return self.matrix.width == 0 and len(self.large) == 0

    def apply(self, X: Inputs) -> tuple[Singles, IntArray]:
        """The matrix `[n, width]` and the rows of the table `[n, n_large]`."""
        dense = self.matrix.apply(_only(X, self.small)).astype(np.float32)
        if not len(self.large):
            return dense, np.zeros((len(X), 0), np.int64)
        levels = np.diff(self.starts) - 2
        return dense, self.table[_places(X.codes[:, self.large], levels) + self.starts[:-1]]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name."""
        mine = {f"input.{n}": getattr(self, n) for n in ("small", "large", "table", "starts")}
        return {**self.matrix.arrays(), **mine}

    def facts(self) -> dict[str, Any]:
        """The plain part of what must be stored."""
        return {**self.matrix.facts(), "n_rows": self.n_rows}

    @classmethod
    def from_arrays(
        cls, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> NetInput:
        """The preparation that `arrays` and `facts` describe."""
        mine = {k.removeprefix("input."): v for k, v in arrays.items() if k.startswith("input.")}
        return cls(Matrix.from_arrays(facts, arrays), n_rows=facts["n_rows"], **mine)


def _only(X: Inputs, columns: IntArray) -> Inputs:
    """The same rows with some of the category columns."""
    if len(columns) == len(X.levels):
        return X
    return Inputs(X.numeric, X.codes[:, columns], tuple(X.levels[j] for j in columns))


def _places(codes: IntArray, levels: Any) -> IntArray:
    """Where a code stands in a lookup: missing first, then the levels, then what was never seen."""
    return np.where((codes < -1) | (codes >= levels), levels + 1, codes + 1).astype(np.int64)
