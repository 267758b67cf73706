"""Series with one answer each, as rows of a table: put on one grid, then told in features.

A long table has a row per series and moment; wide arrays have a series per row. What turns them
into features is settled on the series of training, without their targets, and ships with the model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.data.columns import counted
from modelwright.data.kernels import Kernels, held
from modelwright.data.schema import Encoded, Features, Flag, Schema, encode_rows
from modelwright.data.series_statistics import statistics

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.floating[Any]]
Whole = npt.NDArray[np.int64]
FILE = "series.json"
MAX_STEPS = 1024  # of a series; longer ones are told by means of neighbouring steps
MAX_CELLS = 20_000_000  # of all series on their grid
# Of kernels: one for each series; fewer where convolving would take minutes.
FEATURES, LEAST_FEATURES = 504, 168
_WORK = 400_000_000  # cells that all kernels together may look at: some ten seconds of one core


@dataclass(frozen=True)
class Recordings:
    """Series on one grid: `grids` `[n, c, t]`, of each as many steps as `lengths` `[n]` says.

    `gaps` `[n, c]` is the share of steps for which no value came. `static` has the columns with
    one value per series, `flags` what was doubtful about a series.
    """

    names: tuple[str, ...]
    grids: Floats
    lengths: Whole
    gaps: Floats
    static: Mapping[str, npt.NDArray[Any]]
    flags: tuple[Flag, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Where values are told: every `step` (seconds, or units) from the first time of a series on.

    `blocks` neighbouring steps make one, of which there are `width` at most.
    """

    step: float
    blocks: int
    width: int

    @classmethod
    def of(cls, spans: Floats, step: float, n_channels: int) -> Grid:
        """The grid for series that span so much time each."""
        steps = spans / step + 1
        room = max(8, min(MAX_STEPS, MAX_CELLS // (len(spans) * n_channels)))
        blocks = max(1, int(np.ceil(np.quantile(steps, 0.9) / room)))
        return cls(step, blocks, max(1, min(room, int(np.ceil(steps.max() / blocks)))))

    def laid(self, times: Floats, values: Floats) -> Floats:
        """Values `[m, c]` at rising times on the grid, `[c, t]`; NaN where a channel has none."""
        n = round(float(times[-1] - times[0]) / self.step) + 1
        n = min(n, self.width * self.blocks)
        at = times[0] + self.step * np.arange(n)
        out = np.full((values.shape[1], n), np.nan)
        for line, column in zip(out, values.T, strict=True):
            good = np.isfinite(column)
            if good.any():
                line[:] = np.interp(at, times[good], column[good])
        if self.blocks == 1:
            return out
        starts = np.arange(0, n, self.blocks)
        return np.asarray(np.add.reduceat(out, starts, axis=1) / np.diff([*starts, n]))


@dataclass(frozen=True)
class SeriesFront:
    """Makes one row of features of each series, while learning and when the model answers.

    `schema` reads the rows of a long table; it has no columns where series come as arrays.
    `channels` are the columns that change within a series (`name = level` for categories),
    `static` those that do not; `means` and `scales` are of the channels.
    """

    schema: Schema
    series: str
    time: str
    channels: tuple[str, ...]
    static: tuple[str, ...]
    grid: Grid
    means: tuple[float, ...]
    scales: tuple[float, ...]
    kernels: Kernels

    def encoded(self, schema: Schema, rows: Any, comma: bool | None = None) -> Encoded:
        """The features of each series in these rows, as `schema` has them.

        `rows` are those of a long table in any order, or an array `[n, time]` or
        `[n, time, channels]`. Raises InputError for a column that is missing.
        """
        found = self.recorded(rows, comma)
        features = encode_rows(schema, self.frame(found)).features
        return Encoded(features, found.flags, found.notes, found.names)

    def recorded(self, rows: Any, comma: bool | None = None) -> Recordings:
        """The series on their grid."""
        if isinstance(rows, np.ndarray):
            return laid_arrays(rows, self.grid, self.channels, self.means)
        if not self.schema.columns:
            raise InputError(
                "this model takes series as an array [n, time] or [n, time, channels], or an .npz "
                "file with such an x."
            )
        return laid_rows(self, encode_rows(self.schema, rows, comma))

    def frame(self, found: Recordings) -> pd.DataFrame:
        """One row of features per series."""
        import pandas as pd

        told, names = statistics(found.grids, found.lengths, self.channels)
        answers = self.kernels.shares(self._even(found.grids), found.lengths)
        n_kernels, n_thresholds = self.kernels.thresholds.shape
        names += [f"{name}: steps without a value" for name in self.channels]
        names += [f"kernel {k + 1}.{q + 1}" for k in range(n_kernels) for q in range(n_thresholds)]
        made = np.concatenate([told, found.gaps, answers], axis=1)
        frame = pd.DataFrame(made, columns=names)
        named = {*self.static, *self.schema.ignored, self.schema.target}
        frame["all steps" if "steps" in named else "steps"] = found.lengths.astype(float)
        return pd.concat([frame, pd.DataFrame(dict(found.static))], axis=1)

    def with_kernels(self, found: Recordings, seed: int) -> SeriesFront:
        """The same with kernels drawn for these series."""
        most = min(FEATURES, len(found.names), 2 * _WORK // found.grids.size)
        n = max(LEAST_FEATURES, most)
        kernels = Kernels.draw(self._even(found.grids), found.lengths, n, seed)
        return SeriesFront(**{**self.__dict__, "kernels": kernels})

    def _even(self, grids: Floats) -> npt.NDArray[np.float32]:
        mean, scale = np.array(self.means)[:, None], np.array(self.scales)[:, None]
        even: npt.NDArray[np.float32] = ((grids - mean) / scale).astype(np.float32)
        return even

    def save(self, folder: Path) -> None:
        """Writes `series.json` into the folder."""
        told = {**self.__dict__, "schema": self.schema.to_json(), "grid": asdict(self.grid),
                "kernels": self.kernels.to_json()}  # fmt: skip
        (folder / FILE).write_text(json.dumps(told), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> SeriesFront | None:
        """What `save` wrote into the folder; None where nothing is."""
        if not (folder / FILE).exists():
            return None
        told = json.loads((folder / FILE).read_text("utf-8"))
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
        plain["schema"] = Schema.from_json(told["schema"])
        plain |= {"grid": Grid(**told["grid"]), "kernels": Kernels.from_json(told["kernels"])}
        return cls(**plain)


# -- long tables -----------------------------------------------------------------------------------


def laid_rows(front: SeriesFront, rows: Encoded) -> Recordings:
    """The series of the rows of a long table, in the order in which they first come."""
    schema, features = front.schema, rows.features
    names, codes = named(features, front.series)
    times = times_of(schema, features, front.time)
    values = channel_values(schema, features, front.channels)
    laid, gaps, n_twice = [], [], 0
    for group in groups_of(codes, times):
        at, own, twice = _once(times[group], values[group])
        n_twice += twice
        line = front.grid.laid(at, own)
        filled = np.where(np.isfinite(line), line, np.array(front.means)[:, None])
        laid.append(filled)
        n_steps = min(round(np.ptp(at) / front.grid.step) + 1, front.grid.width * front.grid.blocks)
        gaps.append(1 - np.minimum(np.isfinite(own).sum(axis=0) / n_steps, 1))
    notes = list(rows.notes)
    if n_twice:
        notes.append(f"{counted(n_twice, 'row')} of a time that came before: their mean is taken")
    grids, lengths = padded(laid, front.grid.width)
    flags = tuple(_of_series(f, codes) for f in rows.flags if f.trouble != "missing")
    static = {name: _first(schema, features, name, codes) for name in front.static}
    return Recordings(names, grids, lengths, np.array(gaps), static, flags, tuple(notes))


def named(features: Features, series: str) -> tuple[tuple[str, ...], Whole]:
    """The names of the series in the order in which they first come, and which each row is of."""
    texts = features.texts[series]
    empty = np.array([not text for text in texts])
    if empty.any():
        raise InputError(
            f"the series column {series!r} is empty in {counted(int(empty.sum()), 'row')}."
        )
    names, first, codes = np.unique(texts.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return tuple(str(name) for name in names[order]), place[codes]


def times_of(schema: Schema, features: Features, time: str) -> Floats:
    """The times of rows in seconds, or as numbers. Raises InputError for one that is missing."""
    dates = [c.name for c in schema.dates]
    if time in dates:
        times = features.dates[:, dates.index(time)]
    else:
        times = features.numeric[:, [c.name for c in schema.numeric].index(time)]
    gone = int((~np.isfinite(times)).sum())
    if gone:
        raise InputError(
            f"the time column {time!r} has no readable time in {counted(gone, 'row')}."
        )
    return np.asarray(times, float)


def channel_values(schema: Schema, features: Features, channels: Sequence[str]) -> Floats:
    """Columns that change within a series, `[n, c]`; a category is 1 where it is that level."""
    made: dict[str, Floats] = {}
    for j, info in enumerate(schema.numeric):
        made[info.name] = np.asarray(features.numeric[:, j], float)
    for j, info in enumerate(schema.categorical):
        codes = features.codes[:, j]
        for code, level in enumerate(info.categories):
            made[f"{info.name} = {level}"] = np.where(codes < 0, np.nan, codes == code)
    return np.stack([made[name] for name in channels], axis=1)


def groups_of(codes: Whole, times: Floats) -> Iterator[npt.NDArray[np.intp]]:
    """The rows of each series, by its number, in the order of time."""
    order = np.lexsort((times, codes))
    yield from np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _once(times: Floats, values: Floats) -> tuple[Floats, Floats, int]:
    """Times without repeats, the mean of what came at each, and how many repeats there were."""
    at, place = np.unique(times, return_inverse=True)
    if len(at) == len(times):
        return times, values, 0
    sums, counts = np.zeros((len(at), values.shape[1])), np.zeros((len(at), values.shape[1]))
    np.add.at(sums, place, np.nan_to_num(values))
    np.add.at(counts, place, np.isfinite(values))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return at, means, len(times) - len(at)


def _first(schema: Schema, features: Features, name: str, codes: Whole) -> npt.NDArray[Any]:
    """The first value of each series in a column: a number, or a category as text."""
    blocks = [c.name for c in schema.numeric], [c.name for c in schema.categorical]
    if name in blocks[0]:
        values = np.asarray(features.numeric[:, blocks[0].index(name)], object)
        there = np.array([v == v for v in values])
        none: Any = np.nan
    else:
        j = blocks[1].index(name)
        levels = np.array([*schema.categorical[j].categories, "another value", None], object)
        found = features.codes[:, j]
        values, there, none = levels[found], found >= 0, None
    out = np.full(codes.max() + 1, none, object)
    rows = np.flatnonzero(there)[::-1]
    out[codes[rows]] = values[rows]
    return out.astype(float) if name in blocks[0] else out


def _of_series(flag: Flag, codes: Whole) -> Flag:
    """A flag about rows as one about their series, with the first cell of each."""
    series, first = np.unique(codes[flag.rows], return_index=True)
    return Flag(flag.column, flag.trouble, series, flag.cells[first], flag.words)


# -- arrays ----------------------------------------------------------------------------------------


def laid_arrays(
    x: npt.NDArray[Any], grid: Grid, channels: Sequence[str], means: Sequence[float]
) -> Recordings:
    """The series of an array `[n, time]` or `[n, time, channels]`; NaN at the end is no time."""
    x = as_channels(x)
    if x.shape[2] != len(channels):
        raise InputError(f"the model takes {counted(len(channels), 'channel')}; got {x.shape[2]}.")
    laid, gaps = [], []
    for values in x:
        seen = np.flatnonzero(np.isfinite(values).any(axis=1))
        own = values[: seen[-1] + 1] if len(seen) else values[:1]
        line = grid.laid(np.arange(len(own), dtype=float), own)
        laid.append(np.where(np.isfinite(line), line, np.array(means)[:, None]))
        gaps.append(1 - np.isfinite(own).mean(axis=0))
    grids, lengths = padded(laid, grid.width)
    names = tuple(str(i + 1) for i in range(len(x)))
    return Recordings(names, grids, lengths, np.array(gaps), {})


def as_channels(x: npt.NDArray[Any]) -> Floats:
    """Series as `[n, time, channels]` of floats. Raises InputError for another shape."""
    if x.ndim not in (2, 3) or x.dtype.kind not in "fiub" or not x.size:
        raise InputError(
            f"series are numbers [n, time] or [n, time, channels]; got {x.dtype} {x.shape}."
        )
    return np.asarray(x.reshape(*x.shape[:2], -1), float)


def padded(laid: Sequence[Floats], width: int) -> tuple[Floats, Whole]:
    """Series `[c, t]` as one array of that width, the last value going on; and their lengths."""
    lengths = np.array([line.shape[1] for line in laid], np.int64)
    out = np.zeros((len(laid), laid[0].shape[0], width))
    for place, line in zip(out, laid, strict=True):
        place[:, : line.shape[1]] = line
    return held(out, lengths), lengths
