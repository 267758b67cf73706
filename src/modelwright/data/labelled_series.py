"""From series with one answer each to a table with a row per series, and every assumption said."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, did_you_mean
from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo, counted
from modelwright.data.kernels import Kernels
from modelwright.data.read import Raw
from modelwright.data.schema import Features, Schema, encode_rows
from modelwright.data.series import Asked, time_column
from modelwright.data.series_columns import CATEGORIES, MOST_LEVELS
from modelwright.data.series_front import (
    Floats,
    Grid,
    Recordings,
    SeriesFront,
    Whole,
    as_channels,
    channel_values,
    groups_of,
    named,
    times_of,
)
from modelwright.data.table import Table
from modelwright.data.target import are_codes

if TYPE_CHECKING:
    import pandas as pd

LEAST = 10  # series to learn from
NO_KERNELS = Kernels(*(np.zeros((0, 1), np.int64),) * 4, np.zeros((0, 2), np.float32))


@dataclass(frozen=True)
class Labelled:
    """Series as a table: how they are told, a row of features and answers each, what was assumed.

    `made` names the columns that are features of values over time; `test` are rows that the source
    itself set aside. `codes` says that the whole numbers of the target are codes of classes.
    """

    front: SeriesFront
    frame: pd.DataFrame
    made: tuple[str, ...]
    notes: tuple[str, ...]
    test: pd.DataFrame | None = None
    codes: bool = False


def read_labelled(
    table: Table,
    series: str,
    target: str,
    time: str | None = None,
    beside: Sequence[str] = (),
    drop: Sequence[str] = (),
    seed: int = 0,
) -> Labelled:
    """The series of a long table; `beside` are columns that go along once per series, unlooked at.

    Raises InputError where a target, or a column beside, changes within a series. Kernels are drawn
    by the seed.
    """
    time = time_column(table, Asked(time, target, 0))
    for name, role in ((series, "series column"), (target, "target")):
        table.info.column(name, role)
    keys = [target, *beside]
    schema, left_out = _schema(table, series, time, target, (*beside, *drop))
    rows = encode_rows(schema, table.frame)
    names, codes = named(rows.features, series)
    times = times_of(schema, rows.features, time)
    own = {name: _once_each(table.frame[name], codes, names, name, name == target) for name in keys}
    if len(names) < LEAST:
        raise InputError(
            f"{series!r} names {len(names)} series; at least "
            f"{LEAST} are needed, each with one {target!r}."
        )
    channels, static = _told_apart(schema, rows.features, codes, (series, time))
    values = channel_values(schema, rows.features, channels)
    grid, notes = _grid(list(groups_of(codes, times)), times, len(channels), time)
    front = SeriesFront(schema, series, time, channels, static, grid, *_spread(values), NO_KERNELS)
    found = front.recorded(table.frame)
    front = front.with_kernels(found, seed)
    frame = front.frame(found)
    kept = np.array([col.text_of(value) != "" for value in own[target]])
    made = tuple(str(n) for n in frame.columns if n not in static)
    for name, column in own.items():
        frame[name] = column
    notes = [
        f"{len(table.frame):,} rows are {len(names):,} series of {series!r}, told apart as wholes: "
        "one row of the table, one answer and one side of every split for each",
        _lengths(found, grid, channels), *notes, *left_out, *found.notes,
        *([f"one value per series: {', '.join(map(repr, static))}"] if static else []),
        *([f"{int((~kept).sum())} series without a target left out"] * (not kept.all())),
        _told(made),
    ]  # fmt: skip
    numeric = table.info.column(target).kind == "numeric"
    coded = numeric and are_codes(np.array(own[target][kept], float))
    frame = frame[kept].reset_index(drop=True)
    return Labelled(front, frame, made, tuple(notes), codes=coded)


def labelled_rows(front: SeriesFront, raw: Raw, target: str, beside: Sequence[str] = ()) -> Any:
    """Further series with their targets as the table that `read_labelled` made of the first."""
    if target not in raw.frame.columns:
        raise InputError(f"the test rows have no target column {target!r}.")
    found = front.recorded(raw.frame, raw.comma)
    frame = front.frame(found)
    _, codes = named(encode_rows(front.schema, raw.frame, raw.comma).features, front.series)
    for name in (target, *(b for b in beside if b in raw.frame.columns)):
        frame[name] = _once_each(raw.frame[name], codes, found.names, name, name == target)
    return frame


def read_wide(path: Path, target: str = "y", seed: int = 0) -> Labelled:
    """The series of an `.npz` file: `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test`.

    `x` is `[n, time]` or `[n, time, channels]`, with NaN where a series has ended or has no value.
    """
    arrays = wide_arrays(path)
    train = ("x", "y") if "x" in arrays else ("x_train", "y_train")
    for name in train:
        if name not in arrays:
            raise InputError(
                f"{path.name} needs arrays x and y, or x_train and y_train; it has "
                f"{', '.join(sorted(arrays))}.{did_you_mean(name, arrays)}"
            )
    x, y = _pair(path, arrays, *train, LEAST)
    channels = tuple(f"channel {i + 1}" for i in range(x.shape[2])) if x.shape[2] > 1 else ("x",)
    spans = np.array([max(0, _last(values)) for values in x], float)
    schema = Schema((), target, "regression")
    values = x.reshape(-1, x.shape[2])
    front = SeriesFront(schema, "", "", channels, (), Grid.of(spans, 1.0, x.shape[2]),
                        *_spread(values), NO_KERNELS)  # fmt: skip
    found = front.recorded(x)
    front = front.with_kernels(found, seed)
    frame = front.frame(found)
    made = tuple(map(str, frame.columns))
    notes = (_lengths(found, front.grid, channels), _told(made))
    test = None
    if {"x_test", "y_test"} <= set(arrays):
        more, answers = _pair(path, arrays, "x_test", "y_test", 1)
        test = front.frame(front.recorded(more))
        test[target] = _plain(answers)
    frame[target] = _plain(y)
    return Labelled(front, frame, made, notes, test, codes=y.dtype.kind in "iu")


def wide_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an `.npz` file. Raises InputError for what is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path.name} cannot be read as arrays: {error}.") from None


def wide_inputs(path: Path) -> npt.NDArray[Any]:
    """The series `x` of an `.npz` file, to be answered."""
    arrays = wide_arrays(path)
    found = next((arrays[name] for name in ("x", "x_test") if name in arrays), None)
    if found is None:
        raise InputError(f"{path.name} needs an array x; it has {', '.join(sorted(arrays))}.")
    return found


# -- parts -----------------------------------------------------------------------------------------


def _schema(
    table: Table, series: str, time: str, target: str, aside: Sequence[str]
) -> tuple[Schema, list[str]]:
    """How rows are read: numbers and categories, the time, and the name of the series as text."""
    aside = [table.info.column(name, "column").name for name in aside]
    ignored = {target, *aside}
    used: list[ColumnInfo] = [ColumnInfo(series, "text")]
    left = []
    for info in table.info.columns:
        if info.name == time:
            used.append(info if info.kind == "date" else replace(info, kind="numeric"))
        elif info.name == series or info.name in ignored:
            continue
        elif info.kind == "numeric":
            used.append(info)
        elif info.kind in CATEGORIES:
            used.append(replace(info, categories=info.categories[:MOST_LEVELS]))
        elif info.kind != "constant":
            left.append(info.name)
    schema = Schema(tuple(used), target, "regression", ignored=(*aside, *left),
                    comma=table.info.comma)  # fmt: skip
    shown = ", ".join(map(repr, left[:8]))
    return schema, [f"left out, being no numbers and no categories: {shown}"] if left else []


def _told_apart(
    schema: Schema, features: Features, codes: Whole, keys: tuple[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Channels, of columns with more than one value in some series, and the other columns."""
    blocks = [*zip(schema.numeric, features.numeric.T, strict=True),
              *zip(schema.categorical, features.codes.T, strict=True)]  # fmt: skip
    channels, static = [], []
    for info, column in blocks:
        if info.name in keys:
            continue
        values = np.asarray(column, float)
        there = np.isfinite(values) & ((values >= 0) | (info.kind == "numeric"))
        low, high = np.full(codes.max() + 1, np.inf), np.full(codes.max() + 1, -np.inf)
        np.minimum.at(low, codes[there], values[there])
        np.maximum.at(high, codes[there], values[there])
        if not (high > low).any():
            static.append(info.name)
        elif info.kind == "numeric":
            channels.append(info.name)
        else:
            channels += [f"{info.name} = {level}" for level in info.categories]
    if not channels:
        raise InputError(
            f"no column of numbers changes within a series of {keys[0]!r}; without values over "
            "time this is a table: leave --series out."
        )
    return tuple(channels), tuple(static)


def _once_each(
    column: Any, codes: Whole, names: Sequence[str], name: str, of_target: bool
) -> npt.NDArray[np.object_]:
    """The one value of each series, None for none. Raises InputError for a series with several."""
    values = column.to_numpy(object)
    texts = col.texts(column, ColumnInfo(name, "text"))
    there = np.array([text is not None for text in texts], bool)
    out = np.full(len(names), None, object)
    rows = np.flatnonzero(there)[::-1]
    out[codes[rows]] = values[rows]
    first = np.full(len(names), "", object)
    first[codes[rows]] = texts[rows]
    other = np.flatnonzero(there & (texts != first[codes]))
    if len(other):
        row = other[0]
        hint = " To forecast it instead, give --horizon." if of_target else ""
        raise InputError(
            f"{name!r} has to be the same in all rows of a series; the series "
            f"{names[codes[row]]!r} has {first[codes[row]]!r} and {texts[row]!r}.{hint}"
        )
    return out


def _grid(
    groups: Sequence[Any], times: Floats, n_channels: int, time: str
) -> tuple[Grid, list[str]]:
    """The grid of some series, its step the median difference; and what is said of it."""
    spans = np.array([times[g[-1]] - times[g[0]] for g in groups])
    gaps = np.concatenate([np.diff(times[g]) for g in groups])
    gaps = gaps[gaps > 0]
    if not len(gaps):
        raise InputError(
            f"every series has one time in {time!r} only; values over time are needed."
        )
    step = float(np.median(gaps))
    off = np.abs(gaps / step - np.round(gaps / step)) > 0.1
    skipped = int(np.maximum(np.round(gaps / step) - 1, 0).sum())
    notes = []
    if off.mean() > 0.01:
        notes.append(f"times in {time!r} are not regular: values are read off straight lines")
    elif skipped:
        notes.append(f"{counted(skipped, 'step')} without a row: filled by straight lines")
    grid = Grid.of(spans, step, n_channels)
    cut = int((spans / step + 1 > 1.5 + grid.width * grid.blocks).sum())
    if cut:
        most = grid.width * grid.blocks
        notes.append(f"{cut} series longer than {most:,} steps: what is later is not used")
    return grid, notes


def _lengths(found: Recordings, grid: Grid, channels: Sequence[str]) -> str:
    low, high = int(found.lengths.min()), int(found.lengths.max())
    many = f"{low:,} to {high:,}" if low < high else f"{high:,}"
    blocks = f" (each the mean of {grid.blocks})" if grid.blocks > 1 else ""
    shown = ", ".join(map(repr, channels[:6])) + (" and more" if len(channels) > 6 else "")
    return f"{many} steps{blocks} a series, {counted(len(channels), 'channel')}: {shown}"


def _told(made: Sequence[str]) -> str:
    n = sum(name.startswith("kernel ") for name in made)
    return (
        f"each is told by {len(made) - n:,} statistics and {n:,} answers of convolution kernels "
        "that are drawn, not learned"
    )


def _pair(
    path: Path, arrays: Mapping[str, npt.NDArray[Any]], inputs: str, answers: str, least: int
) -> tuple[Floats, npt.NDArray[Any]]:
    """Series and an answer for each of them. Raises InputError for fewer than `least`."""
    x, y = as_channels(arrays[inputs]), arrays[answers].reshape(-1)
    if len(x) != len(y) or len(x) < least:
        raise InputError(
            f"there is one answer for each of at least {least} series; {path.name} has {len(x):,} "
            f"series in {inputs} and {len(y):,} answers in {answers}."
        )
    return x, y


def _spread(values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, the latter 1 where nothing changes."""
    means, scales = [], []
    for column in values.T:
        good = column[np.isfinite(column)]
        means.append(float(good.mean()) if len(good) else 0.0)
        scales.append(float(good.std()) or 1.0 if len(good) else 1.0)
    return tuple(means), tuple(scales)


def _last(values: Floats) -> int:
    seen = np.flatnonzero(np.isfinite(values).any(axis=1))
    return int(seen[-1]) if len(seen) else 0


def _plain(y: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Answers as a column of a table: numbers as they are, all else as text."""
    return y if y.dtype.kind == "f" else np.array([str(v) for v in y], object)
