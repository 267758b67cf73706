"""Designs as rows that a Gaussian process can measure distances between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.spaces.layout import Column

Matrix = npt.NDArray[np.float64]

# Where a part that does not exist stands: in the middle, so that it is at no distance from another
# that does not exist; the choice that removed it has a column of its own.
ABSENT = 0.5

# Spaces of up to so many designs are encoded whole, once (about 50 microseconds a design).
TABLE_LIMIT = 16_000


@dataclass(frozen=True)
class Table:
    """All designs of a small space, their rows and their codes, in one order."""

    designs: Sequence[Any]
    rows: Matrix
    codes: Matrix


class Encoder:
    """Turns designs of one space into rows, and points of the unit cube into nearly those rows.

    A number, an ordered category or a length is one column in [0, 1]; a category is one 0/1 column
    per value. `groups[c]` is the length scale that column `c` uses: a category's columns share one.

    Two optional methods of a design's type tell more than its fields do:

    - `features(self) -> tuple[float | tuple[float, ...], ...]`, always of one shape and scaled to
      about [0, 1], is appended to the row. A number gets a length scale of its own, a tuple one for
      all its numbers.
    - `canonical_key(self) -> str` is equal for designs that do the same in different words, of
      which only one is tried.
    """

    def __init__(self, space: Any) -> None:
        self.space = space
        self.columns = tuple(space.layout())
        start = space.default()
        self.featured = callable(getattr(start, "features", None))
        self.keyed = callable(getattr(start, "canonical_key", None))
        self.numeric = tuple(
            i for i, column in enumerate(self.columns) if column.kind in ("number", "ordinal")
        )
        groups: list[int] = []
        self._first: list[int] = []
        # Fields of one name in several alternatives never exist together and mean the same, as far
        # as one knows: they share a column, so that what is learned of one holds for the other.
        self.twins: dict[int, list[int]] = {}
        shared: dict[tuple[Any, ...], int] = {}
        for i, column in enumerate(self.columns):
            known = shared.setdefault(_meaning(column), i)
            self.twins.setdefault(known, []).append(i)
            if known == i:
                self._first.append(len(groups))
                own = max(groups, default=-1) + 1
                groups += [own] * (len(column.categories) if column.kind == "category" else 1)
            else:
                self._first.append(self._first[known])
        self.n_plain = len(groups)
        self._numbers = [
            first
            for first, c in zip(self._first, self.columns, strict=True)
            if c.kind != "category"
        ]
        # The first item that a longer tuple adds exists from one step above the shortest.
        self._step = {
            i: min((c.when.low for c in self.columns if c.when and c.when.column == i), default=1.0)
            for i, column in enumerate(self.columns)
            if column.kind == "length"
        }
        if self.featured:
            for part in start.features():
                own = max(groups, default=-1) + 1
                groups += [own] * (len(part) if isinstance(part, tuple) else 1)
        self.groups = np.array(groups, dtype=np.intp)

    @property
    def by_unit(self) -> bool:
        """True when a point of the unit cube says all about a design that its row says."""
        exact: bool = self.space.layout().exact
        return exact and not self.featured and bool(self.columns)

    @cached_property
    def table(self) -> Table | None:
        """All designs of a space that has few of them, else None."""
        if self.space.size() > TABLE_LIMIT:
            return None
        designs = list(self.space.enumerate())
        return Table(designs, self.rows(designs), self.space.encode_many(designs))

    @cached_property
    def places(self) -> npt.NDArray[np.intp]:
        """Places in a row of the columns that hold a number, each once, rising."""
        return np.unique(np.array([self._first[i] for i in self.numeric], dtype=np.intp))

    def moved(self, points: Matrix, numbers: Matrix) -> Matrix:
        """The unit points with these numbers [n, n_places] in the place of their own."""
        moved = points.copy()
        for i in self.numeric:
            # A code i / (n - 1) of a whole number lies in its own cell of the unit interval too.
            moved[:, i] = numbers[:, np.searchsorted(self.places, self._first[i])]
        return moved

    def rows(self, designs: Sequence[Any]) -> Matrix:
        """The rows of designs, [n_designs, n_columns]."""
        rows = self._wide(self.space.encode_many(designs))
        if not self.featured:
            return rows
        width = len(self.groups) - self.n_plain
        told = [_flat(design.features()) for design in designs]
        return np.hstack([rows, np.array(told, dtype=np.float64).reshape(len(rows), width)])

    def rows_of_units(self, points: Matrix) -> Matrix:
        """About the rows of the designs at these points [n, n_units]: nothing is rounded."""
        codes = np.empty_like(points)
        for i, column in enumerate(self.columns):
            code = points[:, i].copy()
            if column.kind == "category":
                n = len(column.categories)
                code = np.minimum(np.floor(code * n), n - 1)
            elif column.kind == "length":
                span = round(1.0 / self._step[i])
                code = np.minimum(np.floor(code * (span + 1)), span) / span
            if column.when is not None:
                parent = codes[:, column.when.column]
                holds = (parent >= column.when.low - 1e-9) & (parent <= column.when.high + 1e-9)
                code[~holds] = -1.0
            codes[:, i] = code
        return self._wide(codes)

    def exists(self, rows: Matrix) -> npt.NDArray[np.bool_]:
        """Which numbers exist in each row, [n, n_places]."""
        known = np.ones((len(rows), len(self.columns)), dtype=bool)
        for i, column in enumerate(self.columns):
            if column.when is not None:
                j, parent = column.when.column, self.columns[column.when.column]
                if parent.kind == "category":
                    holds = rows[:, self._first[j] + int(column.when.low)] > 0.5
                else:
                    holds = rows[:, self._first[j]] >= column.when.low - 1e-9
                known[:, i] = holds & known[:, j]
        found = np.zeros((len(rows), len(self.places)), dtype=bool)
        for i in self.numeric:
            found[:, np.searchsorted(self.places, self._first[i])] |= known[:, i]
        return found

    def key(self, design: Any) -> str:
        """Equal for designs of which only one is worth trying."""
        return str(design.canonical_key()) if self.keyed else str(self.space.dump(design))

    def _wide(self, codes: Matrix) -> Matrix:
        rows = np.zeros((len(codes), self.n_plain))
        rows[:, self._numbers] = ABSENT
        for i, column in enumerate(self.columns):
            first, code = self._first[i], codes[:, i]
            if column.kind == "category":
                seen = np.flatnonzero(code >= 0)
                rows[seen, first + code[seen].astype(np.intp)] = 1.0
            else:
                rows[code >= 0, first] = code[code >= 0]
        return rows


@lru_cache(maxsize=8)
def encoder(space: Any) -> Encoder:
    """The encoder of a space, made once."""
    return Encoder(space)


def _meaning(column: Column) -> tuple[Any, ...]:
    """Equal for columns that hold the same field of different alternatives."""
    parts = column.path.split("<")
    path = parts[0] + "".join(part.split(">", 1)[-1] for part in parts[1:])
    # At the top level of the alternative: a recursive type's places each have their own meaning.
    return (path if len(parts) == 2 else column.path, column.kind, column.categories)


def _flat(parts: Sequence[Any]) -> list[float]:
    out: list[float] = []
    for part in parts:
        out += part if isinstance(part, tuple) else (part,)
    return out
