"""From the raw columns of a schema to numbers and codes, as ONNX nodes; and rows to feed them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.data.columns import ColumnInfo, number
from modelwright.data.protected import Protected
from modelwright.data.schema import Features, Schema
from modelwright.families.onnx_graph import ML, Graph

NO_DATE = -(1 << 63)  # an integer has no NaN: the least one is a date that is missing
OTHER = "\x00another value"  # what no category is called
_DAY, _ERA = 86400, 146097  # seconds of a day, days of 400 years
_SHIFT = (
    800 * _ERA
)  # makes the days of the last 320,000 years positive, so that division rounds down


def add_inputs(graph: Graph, schema: Schema) -> tuple[str, str]:
    """The names of `numeric` and `codes`, as `families.inputs.inputs_of` makes them.

    One input `[n]` per column, by its name: numbers as float64 (NaN missing), categories, booleans
    and texts as strings ("" missing), dates as int64 seconds since 1970 UTC (`NO_DATE` missing).
    """
    numbers = [graph.input(c.name, "double") for c in schema.numeric]
    words = [graph.input(c.name, "string") for c in schema.categorical]
    dates = [graph.input(c.name, "int64") for c in schema.dates]
    graph.texts = {c.name: graph.input(c.name, "string") for c in schema.texts}
    every = (numbers + words + dates + list(graph.texts.values()))[0]
    parts = [_numbers(graph, numbers, schema)] if numbers else []
    if dates:
        parts.append(_kept(graph, _dates(graph, _stacked(graph, dates)), schema))
    numeric = graph.concat(parts) if parts else _nothing(graph, every, "double")
    if not words:
        return numeric, _nothing(graph, every, "int64")
    coded = [_code(graph, x, c) for x, c in zip(words, schema.categorical, strict=True)]
    return numeric, _stacked(graph, coded)


def feed(schema: Schema, features: Features) -> dict[str, npt.NDArray[Any]]:
    """The inputs of such a graph for rows that are read already."""
    out: dict[str, npt.NDArray[Any]] = {}
    for j, info in enumerate(schema.numeric):
        out[info.name] = features.numeric[:, j].astype(np.float64)
    for j, info in enumerate(schema.categorical):
        names = np.array([*info.categories, OTHER, ""], dtype=object)
        out[info.name] = names[features.codes[:, j]]
    for j, info in enumerate(schema.dates):
        known = np.isfinite(features.dates[:, j])
        seconds = np.where(known, features.dates[:, j], 0).astype(np.int64)
        out[info.name] = np.where(known, seconds, NO_DATE)
    for info in schema.texts:
        values = features.texts[info.name]
        out[info.name] = np.array([v or "" for v in values], dtype=object)
    return out


def blank(columns: Sequence[ColumnInfo], n_rows: int) -> dict[str, npt.NDArray[Any]]:
    """Inputs `[n_rows]` that say nothing, for columns of numbers and of categories."""
    return {
        c.name: np.full(n_rows, np.nan) if c.kind == "numeric" else np.full(n_rows, "", object)
        for c in columns
    }


def add_cells(graph: Graph, protected: Sequence[Protected], schema: Schema) -> str:
    """The numbers of joint groups `[n]`, as `data.protected.joint_cells` has them.

    A protected column that is none of the schema's becomes an input of its own.
    """
    known = {c.name for c in schema.columns}
    total = ""
    for one in protected:
        kind: Any = "double" if one.numeric else "string"
        name = one.column.name
        raw = name if name in known else graph.input(name, kind)
        cell = _cell(graph, raw, one)
        if total:
            total = graph.node("Mul", total, graph.constant(np.int64(len(one.names))))
        total = graph.node("Add", total, cell) if total else cell
    return total


def _cell(graph: Graph, x: str, protected: Protected) -> str:
    """The group number `[n]` of a protected column's cells."""
    gone = graph.constant(np.int64(len(protected.names) - 1))
    if not protected.numeric:
        codes = _code(graph, x, protected.column)
        missing = graph.node("Less", codes, graph.constant(np.int64(0)))
        return graph.where(missing, gone, codes)
    wide = graph.node("Unsqueeze", x, graph.constant([1]))
    over = graph.node("GreaterOrEqual", wide, graph.constant(np.array([protected.cuts])))
    place = graph.summed(graph.cast(over, "int64"))
    odd = graph.node("Or", graph.node("IsNaN", x), graph.node("IsInf", x))
    return graph.where(odd, gone, place)


def _stacked(graph: Graph, columns: list[str]) -> str:
    one = graph.constant([1])
    return graph.concat([graph.node("Unsqueeze", c, one) for c in columns])


def _nothing(graph: Graph, like: str, kind: Any) -> str:
    """`[n, 0]`."""
    none = graph.repeated(np.zeros((1, 0)), like)
    return none if kind == "double" else graph.cast(none, kind)


def _numbers(graph: Graph, columns: list[str], schema: Schema) -> str:
    x = _kept(graph, _stacked(graph, columns), schema)
    return graph.where(graph.node("IsInf", x), graph.constant(np.float64(np.nan)), x)


def _kept(graph: Graph, x: str, schema: Schema) -> str:
    """The numbers in the precision in which the table was kept in training."""
    return graph.cast(graph.cast(x, "float"), "double") if schema.float_bits == 32 else x


def _code(graph: Graph, x: str, info: ColumnInfo) -> str:
    """Texts `[n]` to codes: as in training, -1 where missing, the number of categories if new."""
    places: dict[str, int] = {name: i for i, name in enumerate(info.categories)}
    for mark in info.marks:
        places.setdefault(mark, -1)
    for i, name in enumerate(info.categories):  # other writings of the same category
        for writing in _writings(name, info):
            places.setdefault(writing, i)
    return graph.node(
        "LabelEncoder",
        x,
        domain=ML,
        keys_strings=list(places),
        values_int64s=list(places.values()),
        default_int64=len(info.categories),
    )


def _writings(name: str, info: ColumnInfo) -> list[str]:
    if info.kind == "boolean":
        return [name.lower(), name.upper(), name.capitalize()]
    value = number(name)
    if not np.isfinite(value):
        return []
    return [repr(value), *([str(int(value))] if value.is_integer() else [])]


def _dates(graph: Graph, seconds: str) -> str:
    """Seconds `[n, d]` to the numbers of each date, side by side."""
    known = graph.node("Not", graph.node("Equal", seconds, graph.constant(np.int64(NO_DATE))))
    seconds = graph.where(known, seconds, graph.constant(np.int64(0)))
    at = _Whole(graph)
    shifted = at.plus(seconds, _SHIFT * _DAY)
    days = at.over(shifted, _DAY)
    month, day, of_year = _civil(at, days)
    weekday = at.modulo(at.plus(days, 3 + 7 - _SHIFT % 7), 7)  # 1 January 1970 was a Thursday
    fraction = graph.node("Div", graph.cast(seconds, "double"), graph.constant(np.float64(_DAY)))
    month_after, _, _ = _civil(at, at.plus(days, 1))
    parts = [
        fraction,
        *(graph.cast(p, "double") for p in (
            month, day, weekday, at.over(at.modulo(shifted, _DAY), 3600), of_year,
            graph.node("GreaterOrEqual", weekday, graph.constant(np.int64(5))),
            graph.node("Not", graph.node("Equal", month, month_after)),
        )),
    ]  # fmt: skip
    two = graph.constant([2])
    wide = graph.node("Concat", *(graph.node("Unsqueeze", p, two) for p in parts), axis=2)
    gone = graph.constant(np.float64(np.nan))
    wide = graph.where(graph.node("Unsqueeze", known, two), wide, gone)
    return graph.node("Reshape", wide, graph.constant(np.array([0, -1])))


def _civil(at: _Whole, days: str) -> tuple[str, str, str]:
    """Month, day of the month and day of the year of shifted days.

    Years begin in March here, so that the leap day is the last (Hinnant 2021, "chrono-compatible
    low-level date algorithms"; day of the year added).
    """
    graph = at.graph
    of_era = at.modulo(at.plus(days, 719468), _ERA)
    year = of_era
    for n, sign in ((1460, -1), (36524, 1), (146096, -1)):
        year = graph.node("Add", year, at.times(at.over(of_era, n), sign))
    year = at.over(year, 365)
    before = graph.node("Add", at.times(year, 365), at.over(year, 4))
    before = graph.node("Sub", before, at.over(year, 100))
    since = graph.node("Sub", of_era, before)  # days since 1 March
    fifth = at.over(at.plus(at.times(since, 5), 2), 153)
    start = at.over(at.plus(at.times(fifth, 153), 2), 5)
    day = at.plus(graph.node("Sub", since, start), 1)
    late = graph.node("Less", fifth, graph.constant(np.int64(10)))  # March to December
    month = graph.where(late, at.plus(fifth, 3), at.plus(fifth, -9))
    fourth, hundredth = at.modulo(year, 4), at.modulo(year, 100)
    zero = graph.constant(np.int64(0))
    leap = graph.node("Not", graph.node("Equal", hundredth, zero))
    leap = graph.node("Or", leap, graph.node("Equal", year, zero))  # years run from 0 to 399
    leap = graph.node("And", leap, graph.node("Equal", fourth, zero))
    spring = graph.node("Add", at.plus(since, 60), graph.cast(leap, "int64"))
    return month, day, graph.where(late, spring, at.plus(since, -305))


class _Whole:
    """Arithmetic of int64 tensors with numbers; division is of what is positive."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def plus(self, x: str, n: int) -> str:
        return self.graph.node("Add", x, self.graph.constant(np.int64(n)))

    def times(self, x: str, n: int) -> str:
        return self.graph.node("Mul", x, self.graph.constant(np.int64(n)))

    def over(self, x: str, n: int) -> str:
        return self.graph.node("Div", x, self.graph.constant(np.int64(n)))

    def modulo(self, x: str, n: int) -> str:
        return self.graph.node("Mod", x, self.graph.constant(np.int64(n)))
