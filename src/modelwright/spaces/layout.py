"""The columns of an encoded design: what each one means and when it counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["number", "ordinal", "category", "length", "summary"]

# The code of a column whose part does not exist in a design.
INACTIVE = -1.0


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds when the code in column `column` is at least `low` and at most `high`."""

    column: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an encoded design.

    `kind`: `number` (scaled to [0, 1], on the log scale where the space says so), `ordinal`
    (place among ordered values, scaled to [0, 1]), `category` (place among `categories`, a whole
    number; 0 or 1 under one-hot), `length` (of a tuple, scaled to [0, 1]), `summary` (how often
    something stands below the point where unrolling stops, squashed to [0, 1]).
    `path` is where in the design; `categories` are the labels. `when` must hold for the part to
    exist, together with the condition of the column that it names; otherwise the code is -1.
    """

    path: str
    kind: Kind
    categories: tuple[str, ...] = ()
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a space, in order. `exact`: nothing is summarised, designs stay distinct."""

    columns: tuple[Column, ...]
    exact: bool

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Places of the columns that hold a category's index."""
        return tuple(i for i, c in enumerate(self.columns) if c.kind == "category")

    def one_hot(self) -> Layout:
        """The layout with one 0/1 column in place of each category of more than two values.

        Of two values the index itself is the one column.
        """
        columns: list[Column] = []
        first: list[int] = []
        for column in self.columns:
            first.append(len(columns))
            when = column.when
            if when is not None:
                parent = self.columns[when.column]
                if is_wide(parent):
                    place = first[when.column] + int(when.low)
                    when = Condition(place, 1.0, 1.0)
                else:
                    when = replace(when, column=first[when.column])
            if is_wide(column):
                columns += [
                    Column(f"{column.path}={label}", "category", (label,), when)
                    for label in column.categories
                ]
            else:
                columns.append(replace(column, when=when))
        return Layout(tuple(columns), self.exact)


def is_wide(column: Column) -> bool:
    """True for the columns that one-hot encoding widens."""
    return column.kind == "category" and len(column.categories) > 2
