"""From a table in long form to regular series, with every assumption said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.data import columns as col
from modelwright.data.columns import counted
from modelwright.data.panel import Panel, SeriesSchema
from modelwright.data.season import find_season, periods_with
from modelwright.data.series_columns import (
    CATEGORIES,
    OTHER,
    carried,
    codes_of,
    constant_within,
    expanded,
    levels_of,
    static_block,
    static_values,
    with_spans,
)
from modelwright.data.steps import Step, find_step, shown_time
from modelwright.data.table import Table

FloatArray = npt.NDArray[np.floating[Any]]
ONE = "series"  # what a single series is called
MAX_SERIES = 20_000
LEAST = 8  # rows that a window of validation leaves for fitting, at least
_LONGEST_GAP = 50  # times the rows: a grid with more steps than that is a mistake in the times


@dataclass(frozen=True)
class Asked:
    """The columns that a question names; `known` are those whose future is known."""

    time: str | None
    target: str
    horizon: int
    series: str | None = None
    known: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """A table as arrays: times in seconds (or numbers), names of series, target and columns.

    `columns` are the past, known and static ones of a schema, categories as codes.
    """

    times: FloatArray
    numbers: bool
    names: npt.NDArray[np.object_]
    target: FloatArray
    columns: FloatArray
    what: str


def time_column(table: Table, asked: Asked) -> str:
    """The column of times: the one named, or the only one that holds dates."""
    if asked.time is not None:
        return table.info.column(asked.time, "time column").name
    dates = [c.name for c in table.info.columns if c.kind == "date"]
    if len(dates) == 1:
        return dates[0]
    told = f"dates are in {', '.join(map(repr, dates))}" if dates else "no column holds dates"
    raise InputError(f"name the column of times with --time COLUMN; {told}.")


def read_panel(table: Table, asked: Asked) -> tuple[Panel, list[str]]:
    """The series of a table, and one sentence for each assumption.

    Rows after the last target are kept as the known future where columns are declared known.
    Raises InputError for times that are not regular or come twice, for series that are too short,
    and for columns that cannot serve.
    """
    time = time_column(table, asked)
    blank, notes = _covariates(table, asked, time)
    rows = rows_of(table, blank)
    groups = grouped(rows, asked.series)
    step = find_step([rows.times[g] for g in groups.values()], rows.numbers, time)
    blank, rows = _told_apart(replace(blank, step=step), rows, groups)
    notes = [*_told(blank), *notes]
    panel, said = assemble(rows, groups, blank)
    notes += [f"the step is one {step.words}, taken from {time!r}", *said]
    panel, said = _long_enough(panel)
    notes += said
    season, words = find_season(panel.y, step)
    periods = periods_with(season, step, int(panel.lengths.max()))
    schema = replace(panel.schema, season=season, periods=periods)
    return replace(panel, schema=schema), [*notes, words]


def rows_of(table: Table, schema: SeriesSchema) -> Rows:
    """The columns of a table as arrays: past, known and static ones, categories as codes.

    Raises InputError for what is missing, is no number, or is a category that training never had.
    """
    time, target, series = schema.time, schema.target, schema.series
    info = table.info.column(time, "time column")
    numbers = info.kind != "date"
    if not numbers:
        times = table.frame[time].to_numpy().astype("datetime64[us]")
        seconds = np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)
    else:
        seconds = _numbers(table, time, "the time column", "dates or numbers")
    if np.isnan(seconds).any():
        n = int(np.isnan(seconds).sum())
        raise InputError(
            f"the time column {time!r} has no readable time in {counted(n, 'row')}; "
            "write dates as 2026-11-22 or 2026-11-22 13:00."
        )
    y = _numbers(table, target, "the target", "numbers")
    names = np.full(len(seconds), ONE, object)
    if series is not None:
        column = table.frame[table.info.column(series, "series column").name]
        names = np.array([col.text_of(v) for v in column], object)
        if (names == "").any():
            n = int((names == "").sum())
            raise InputError(f"the series column {series!r} is empty in {counted(n, 'row')}.")
    found = [
        codes_of(table, name, schema.levels[name], name in schema.full)
        if name in schema.levels
        else _numbers(table, name, "the column", "numbers")
        for name in (*schema.past, *schema.known, *schema.static)
    ]
    block = np.stack(found, axis=1) if found else np.zeros((len(y), 0))
    return Rows(seconds, numbers, names, y, block, str(table.info.source.get("name", "the table")))


def _numbers(table: Table, name: str, role: str, wanted: str) -> FloatArray:
    info = table.info.column(name, role.removeprefix("the "))
    column = table.frame[info.name]
    if info.kind == "date":
        raise InputError(f"{role} {name!r} has to hold {wanted}; it holds dates.")
    values, bad = col.numbers(column, replace(info, kind="numeric"))
    if bad.any():
        cell = col.text_of(column.iloc[int(np.flatnonzero(bad)[0])])
        raise InputError(f"{role} {name!r} has to hold {wanted}; it has {cell[:40]!r}.")
    return np.asarray(values, float)


def _covariates(table: Table, asked: Asked, time: str) -> tuple[SeriesSchema, list[str]]:
    """A schema of the columns known in the past and ahead, and what is said of the others."""
    known = tuple(table.info.column(name, "known column").name for name in asked.known)
    taken = {time, asked.target, asked.series, *known, *asked.drop}
    rest = [c for c in table.info.columns if c.name not in taken]
    past = tuple(c.name for c in rest if c.kind in ("numeric", *CATEGORIES))
    found = {name: levels_of(table, name) for name in (*past, *known)}
    levels = {name: kinds for name, kinds in found.items() if kinds is not None}
    full = [n for n, kinds in levels.items() if table.info.column(n, "").n_unique <= len(kinds)]
    notes = []
    if left := [repr(c.name) for c in rest if c.name not in past]:
        notes.append(f"left out, being no numbers and no categories: {', '.join(left[:8])}")
    for name in levels:
        if name not in full:
            notes.append(f"{name!r}: its {len(levels[name])} most frequent categories are used")
    blank = SeriesSchema(
        Step("number", 1.0), time, asked.target, asked.horizon, 1, (), asked.series, past, known,
        levels=levels, full=tuple(full),
    )  # fmt: skip
    return blank, notes


def _told(schema: SeriesSchema) -> list[str]:
    """What is said of the columns beside the target, by what is known of their future."""
    told = {
        "known ahead": schema.known,
        "one value per series": schema.static,
        "known only up to the present (name others with --known)": schema.past,
    }
    return [
        f"{words}: {', '.join(map(repr, names[:8]))}{' and more' if len(names) > 8 else ''}"
        for words, names in told.items()
        if names
    ]


def _told_apart(
    schema: SeriesSchema, rows: Rows, groups: dict[str, npt.NDArray[np.intp]]
) -> tuple[SeriesSchema, Rows]:
    """With the past columns that never change within a series as static ones."""
    every = (*schema.past, *schema.known)
    static = constant_within(rows.columns, list(groups.values()), schema.past)
    past = tuple(n for n in schema.past if n not in static)
    order = [every.index(n) for n in (*past, *schema.known, *static)]
    columns = rows.columns[:, order]
    found = replace(schema, past=past, static=static)
    first = len(past) + len(schema.known)
    each = [static_values(columns[g, first:], found, name) for name, g in groups.items()]
    return with_spans(found, np.array(each)), replace(rows, columns=columns)


def grouped(rows: Rows, series: str | None) -> dict[str, npt.NDArray[np.intp]]:
    """Rows of each series in order of time. Raises InputError for a time that comes twice."""
    names, codes = np.unique(rows.names.astype(str), return_inverse=True)
    if len(names) > MAX_SERIES:
        raise InputError(
            f"the column {series!r} names {len(names):,} series; at most {MAX_SERIES:,} can be "
            "forecast together."
        )
    order = np.lexsort((rows.times, codes))
    twice = (np.diff(codes[order]) == 0) & (np.diff(rows.times[order]) == 0)
    if twice.any():
        row = order[np.flatnonzero(twice)[0]]
        stamp = rows.times[row]
        shown = shown_time(stamp if rows.numbers else np.datetime64(round(stamp * 1e6), "us"))
        where = f"of series {rows.names[row]!r} " if series is not None else ""
        hint = "add them up" if series is not None else "name the column of series with --series"
        raise InputError(
            f"the time {shown} {where}comes twice in {rows.what} ({int(twice.sum())} times do); "
            f"there is one value per step: {hint}, or drop the rows."
        )
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    return {str(names[codes[g[0]]]): g for g in np.split(order, cuts)}


def assemble(
    rows: Rows, groups: dict[str, npt.NDArray[np.intp]], schema: SeriesSchema
) -> tuple[Panel, list[str]]:
    """The panel of some rows on the grid of a schema's step, and what was filled in."""
    parts: list[tuple[Any, ...]] = []
    n_gaps = n_missing = n_moved = n_empty = 0
    for name, group in groups.items():
        exact = schema.step.positions(rows.times[group])
        places = np.round(exact).astype(np.int64)
        n_moved += int((np.abs(exact - places) > 1e-6).sum())
        _check_places(places, exact, rows, group, schema)
        filled = _fill(places, rows.target[group], rows.columns[group], schema)
        if filled is None:
            n_empty += 1
            continue
        part, gaps, missing = filled
        n_gaps, n_missing = n_gaps + gaps, n_missing + missing
        own = rows.columns[group, len(schema.past) + len(schema.known) :]
        parts.append((name, *part, static_values(own, schema, name)))
    if not parts:
        raise InputError(f"the target {schema.target!r} has no value in any row.")
    names, starts, y, seen, past, known, static = zip(*parts, strict=True)
    block = static_block(np.array(static), schema)
    panel = Panel(schema, names, np.array(starts, np.int64), y, seen, past, known, block)
    notes, how = [], "filled with the value before, never scored"
    if n_gaps:
        notes.append(f"{counted(n_gaps, 'step')} without a row: {how}")
    if n_missing:
        notes.append(f"{counted(n_missing, 'row')} without a target: {how}")
    if n_moved:
        notes.append(f"{counted(n_moved, 'time')} moved to the nearest whole step")
    if n_empty:
        notes.append(f"{n_empty} series without any value of the target left out")
    if len(panel) > 1:
        notes.append(
            f"{len(panel)} series of {panel.lengths.min():,} to {panel.lengths.max():,} steps"
        )
    return panel, notes


def _check_places(
    places: Any, exact: FloatArray, rows: Rows, group: Any, schema: SeriesSchema
) -> None:
    off = np.abs(exact - places) > 0.1
    if off.any():
        stamp = rows.times[group][np.flatnonzero(off)[0]]
        shown = shown_time(stamp if rows.numbers else np.datetime64(round(stamp * 1e6), "us"))
        raise InputError(
            f"the time {shown} in {schema.time!r} does not lie on steps of one {schema.step.words}."
        )
    if len(places) > 1 and (np.diff(places) == 0).any():
        raise InputError(f"two rows of {schema.time!r} fall on the same {schema.step.words}.")
    if places[-1] - places[0] > max(1000, _LONGEST_GAP * len(places)):
        raise InputError(
            f"the times in {schema.time!r} span {places[-1] - places[0]:,} steps of one "
            f"{schema.step.words} with {len(places):,} rows: give rows without such gaps."
        )


def _fill(
    places: Any, target: FloatArray, columns: FloatArray, schema: SeriesSchema
) -> tuple[tuple[Any, ...], int, int] | None:
    """One series on the grid: start, y, seen, past, known; and how much was filled in.

    It begins with the first target and ends with the last; known columns may go on after it.
    """
    there = np.flatnonzero(np.isfinite(target))
    if not len(there):
        return None
    begin, end = int(places[there[0]]), int(places[there[-1]]) + 1
    last = max(end, int(places[-1]) + 1)
    kept = places >= begin
    at, block = places[kept] - begin, columns[kept]
    y = np.full(end - begin, np.nan)
    inside = at < len(y)
    y[at[inside]] = target[kept][inside]
    seen = np.isfinite(y)
    n_gaps = len(y) - int(inside.sum())
    grid = np.full((last - begin, block.shape[1]), np.nan)
    grid[at] = block
    p, k = len(schema.past), len(schema.known)
    past = _block(grid[: len(y), :p], schema.past, schema)
    known = _block(grid[: None if k else len(y), p : p + k], schema.known, schema)
    missing = int((~seen).sum()) - n_gaps
    # What came later is not used: a window of the past would know of it.
    return (begin, carried(y), seen, past, known), n_gaps, missing


def _block(grid: FloatArray, names: Sequence[str], schema: SeriesSchema) -> FloatArray:
    """Covariates with gaps filled, categories as indicators; of numbers known ahead by lines."""

    def whole(name: str, column: FloatArray) -> FloatArray:
        if name in schema.known and name not in schema.levels:
            return filled(column)
        return carried(column, OTHER if name in schema.levels else 0.0)

    columns = [whole(name, column) for name, column in zip(names, grid.T, strict=True)]
    block = np.stack(columns, axis=1) if columns else grid
    return expanded(block, names, schema.levels)


def filled(y: FloatArray) -> FloatArray:
    """The values with gaps filled by straight lines, the ends by the nearest; zeros for none.

    >>> filled(np.array([np.nan, 1.0, np.nan, 3.0])).tolist()
    [1.0, 1.0, 2.0, 3.0]
    """
    good = np.isfinite(y)
    if good.all():
        return np.asarray(y, float)
    if not good.any():
        return np.zeros(len(y))
    rows = np.arange(len(y))
    return np.asarray(np.interp(rows, rows[good], y[good]))


def _long_enough(panel: Panel) -> tuple[Panel, list[str]]:
    """Without the series that are too short to learn anything from."""
    horizon = panel.schema.horizon
    longest, needed = int(panel.lengths.max()), horizon + LEAST
    if longest < needed:
        raise InputError(
            f"a forecast of {horizon} steps needs a history of at least {needed}; the longest "
            f"series has {longest}. Give a smaller --horizon, or more rows."
        )
    short = panel.lengths < LEAST
    if not short.any():
        return panel, []
    kept = np.flatnonzero(~short)
    notes = [f"{int(short.sum())} series of fewer than {LEAST} steps left out"]
    return panel.cells(kept.tolist(), panel.lengths[kept].tolist()), notes
