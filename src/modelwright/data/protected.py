"""Declared protected columns: how their cells become groups, and the groups of a table's rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.data.columns import ColumnInfo
from modelwright.data.schema import Features, Schema, encode_rows

if TYPE_CHECKING:
    import pandas as pd

Cells = npt.NDArray[np.int16]
LEAST_ROWS = 50  # of a group that counts: a mean over fewer says little, and too much of few
FEW_VALUES = 6  # a column of numbers with at most so many different ones: each is a group
PARTS = 3  # else it is cut into so many groups of about as many rows
OTHER, GONE = "another value", "missing"


@dataclass(frozen=True)
class Protected:
    """A protected column and its groups.

    Categories are groups as they are; a cell that is none of them is in the last but one. Numbers
    are cut at `cuts`, `[k]` rising; a number on a cut belongs above. A missing cell is in the last
    group. `names` says each group in words.

    >>> age = Protected(ColumnInfo("age", "numeric"), (25.0, 60.0))
    >>> age.names
    ('under 25', '25 to under 60', '60 and over', 'missing')
    """

    column: ColumnInfo
    cuts: tuple[float, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether its groups are of numbers."""
        return self.column.kind == "numeric"

    @property
    def names(self) -> tuple[str, ...]:
        """The groups in words, in the order of their numbers."""
        if not self.numeric:
            return (*self.column.categories, OTHER, GONE)
        if self.values:
            return (*self.values, GONE)
        told = [f"{cut:g}" for cut in self.cuts]
        between = [f"{a} to under {b}" for a, b in pairwise(told)]
        return (f"under {told[0]}", *between, f"{told[-1]} and over", GONE)

    def cells(self, features: Features) -> Cells:
        """The number of each row's group, `[n]`; `features` hold this column alone."""
        if not self.numeric:
            codes = features.codes[:, 0]
            return np.where(codes < 0, len(self.names) - 1, codes).astype(np.int16)
        values = features.numeric[:, 0]
        place = np.searchsorted(np.array(self.cuts), values, side="right")
        return np.where(np.isfinite(values), place, len(self.names) - 1).astype(np.int16)

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        column, cuts = self.column.to_json(), list(self.cuts)
        return {"column": column, "cuts": cuts, "values": list(self.values)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Protected:
        """What `to_json` wrote."""
        column = ColumnInfo.from_json(data["column"])
        return cls(column, tuple(data["cuts"]), tuple(data["values"]))


def parse_protected(text: str, known: Sequence[str] = ()) -> tuple[str, tuple[float, ...]]:
    """The column and the cuts of `"sex"` or `"age:25,60"`; a name that is `known` is taken whole.

    Raises InputError for cuts that do not rise.

    >>> parse_protected("age:25,60")
    ('age', (25.0, 60.0))
    """
    name, colon, tail = text.rpartition(":")
    if text in known or not colon:
        return text.strip(), ()
    try:
        cuts = tuple(float(cut) for cut in tail.split(","))
    except ValueError:
        return text.strip(), ()  # the colon is part of the name
    if not name.strip() or list(cuts) != sorted(set(cuts)) or not np.isfinite(cuts).all():
        raise InputError(
            f"a protected column is COLUMN, or COLUMN:CUT,CUT with rising numbers; got {text!r}."
        )
    return name.strip(), cuts


def protected_of(
    info: ColumnInfo, frame: pd.DataFrame, cuts: Sequence[float] = ()
) -> tuple[Protected, str]:
    """The groups of a column of a table, and a note that says how numbers were cut.

    Without `cuts` numbers with at most six different values are groups as they are, others are cut
    into three groups of about as many rows. Raises InputError for a column without groups.
    """
    if info.kind not in ("numeric", "categorical", "boolean"):
        raise InputError(
            f"the protected column {info.name!r} holds {info.kind} values, which make no groups; "
            "protect a column of categories or of numbers."
        )
    if info.kind != "numeric":
        if cuts:
            raise InputError(f"{info.name!r} holds categories, which have no cuts; leave them out.")
        return Protected(info), ""
    values = _features((info,), frame).numeric[:, 0]
    there = np.unique(values[np.isfinite(values)])
    if not cuts and len(there) <= FEW_VALUES:
        middles = tuple(float(x) for x in (there[:-1] + there[1:]) / 2)
        return Protected(info, middles, tuple(f"{x:g}" for x in there)), ""
    if not cuts:
        levels = np.arange(1, PARTS) / PARTS
        found = np.quantile(values[np.isfinite(values)], levels, method="nearest")
        cuts = sorted({float(x) for x in found})
    made = Protected(info, tuple(float(x) for x in cuts))
    said = ", ".join(made.names[:-1])
    return made, f"the protected column {info.name!r} is cut into: {said}"


def cells_of(
    protected: Sequence[Protected], rows: Any, comma: bool | None = None, like: bool | None = None
) -> Cells:
    """The group numbers of raw rows, `[n, n_protected]`.

    `comma` tells how their file writes decimals, `like` how the training file did. InputError when
    a column did not come.
    """
    parts = [p.cells(_features((p.column,), rows, comma, like)) for p in protected]
    return np.stack(parts, axis=1) if parts else np.zeros((len(rows), 0), np.int16)


def _features(
    columns: tuple[ColumnInfo, ...], rows: Any, comma: bool | None = None, like: bool | None = None
) -> Features:
    return encode_rows(Schema(columns, "", "regression", comma=like), rows, comma).features


@dataclass(frozen=True)
class Attribute:
    """What rows are grouped by: a protected column, or two of them together.

    `cells` is `[n]`, the number of each row's group in `names`.
    """

    words: str
    names: tuple[str, ...]
    cells: npt.NDArray[np.int64]


def attributes_of(protected: Sequence[Protected], cells: Cells) -> Iterator[Attribute]:
    """Each protected column, then each pair of them; `cells` is `[n, n_protected]`."""
    for j, one in enumerate(protected):
        yield Attribute(one.column.name, one.names, cells[:, j].astype(np.int64))
    for (i, a), (j, b) in combinations(enumerate(protected), 2):
        names = tuple(f"{x}, {y}" for x in a.names for y in b.names)
        both = cells[:, i].astype(np.int64) * len(b.names) + cells[:, j]
        yield Attribute(f"{a.column.name} and {b.column.name}", names, both)


def joint_cells(protected: Sequence[Protected], cells: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """One number `[n]` for the groups of all protected columns together, `joint_count` of them."""
    out = np.zeros(len(cells), np.int64)
    for j, one in enumerate(protected):
        out = out * len(one.names) + cells[:, j]
    return out


def joint_names(protected: Sequence[Protected]) -> list[str]:
    """The words of each number that `joint_cells` gives."""
    out = [""]
    for one in protected:
        out = [f"{a}, {b}" if a else b for a in out for b in one.names]
    return out
