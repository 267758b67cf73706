"""The step of a time series: from time stamps to whole positions on a regular grid, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError

Unit = Literal["second", "weekday", "month", "number"]
FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

DAY = 86400.0
_JITTER = 0.1  # of a step: a time that far from the grid is moved to it (summer time, late clocks)
_WEEKDAYS = 10  # days without a weekend from which on a series is one of working days
_MONTH = 30.4375 * DAY
_ZERO_DAY = np.datetime64("1970-01-01")
_NAMES = {60.0: "minute", 3600.0: "hour", DAY: "day", 7 * DAY: "week"}
_MONTHS = {1: "month", 3: "quarter", 6: "half-year", 12: "year"}
_UNITS = {"second": "second", "weekday": "working day", "month": "month", "number": "unit"}


@dataclass(frozen=True)
class Step:
    """A regular grid of times. Position 0 is `anchor`; times are seconds since 1970, or numbers.

    `size` counts seconds, working days (Monday to Friday), calendar months, or plain units. A month
    is anchored in whole months since 1970; `day` of the month (0 is its last) and `clock`, seconds
    of the day, say where in it the times lie.

    >>> months = Step("month", 1.0)
    >>> months.times(np.array([0, 1, 13])).astype("datetime64[s]").astype(str).tolist()
    ['1970-01-01T00:00:00', '1970-02-01T00:00:00', '1971-02-01T00:00:00']
    """

    unit: Unit
    size: float
    anchor: float = 0.0
    day: int = 1
    clock: float = 0.0

    @property
    def words(self) -> str:
        """The step in words: `hour`, `15 minutes`, `quarter`."""
        if self.unit == "month":
            return _MONTHS.get(int(self.size), f"{self.size:g} months")
        if self.unit == "second":
            for size in sorted(_NAMES, reverse=True):
                if self.size % size == 0:
                    n = self.size / size
                    return _NAMES[size] if n == 1 else f"{n:g} {_NAMES[size]}s"
        return _UNITS[self.unit] if self.size == 1 else f"{self.size:g} {_UNITS[self.unit]}s"

    def positions(self, times: FloatArray) -> FloatArray:
        """Where these times lie on the grid, `[n]`; whole numbers where they lie on it."""
        if self.unit in ("second", "number"):
            return (times - self.anchor) / self.size
        if self.unit == "weekday":
            days = np.busday_count(_ZERO_DAY, _days(times - self.clock))
            return np.asarray(days - self.anchor, float)
        months = (_months(times) - self.anchor) / self.size
        off = (
            times - Step("month", 1.0, 0.0, self.day, self.clock).seconds(_months(times))
        ) / _MONTH
        return np.asarray(months + off / self.size, float)

    def times(self, positions: Any) -> Any:
        """The times at whole positions: `datetime64[us]`, or plain numbers."""
        n = np.asarray(positions, float)
        if self.unit == "number":
            return self.anchor + n * self.size
        return (self.seconds(n) * 1e6).round().astype("int64").astype("datetime64[us]")

    def seconds(self, positions: Any) -> FloatArray:
        """The times at whole positions in seconds since 1970 (or plain numbers)."""
        n = np.asarray(positions, float)
        if self.unit in ("second", "number"):
            return np.asarray(self.anchor + n * self.size)
        if self.unit == "weekday":
            days = np.busday_offset(_ZERO_DAY, (n + self.anchor).astype(int), roll="forward")
            return np.asarray(days.astype(int) * DAY + self.clock)
        months = (self.anchor + n * self.size).astype(int)
        first = months.astype("datetime64[M]").astype("datetime64[D]").astype(int)
        last = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(int) - first
        day = last if self.day == 0 else np.minimum(self.day, last)
        return np.asarray((first + day - 1) * DAY + self.clock)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `Step(**data)`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Step:
        """The step that `to_json` wrote."""
        return cls(**data)


def find_step(times: list[FloatArray], numbers: bool, name: str) -> Step:
    """The step on whose grid the times of all series lie; each array is sorted, without repeats.

    `numbers` tells that times are plain numbers. The step is the most frequent difference; months
    go by the calendar. Raises InputError, with the first place, where times fit no such grid.
    """
    gaps = np.concatenate([np.diff(t) for t in times])
    if not len(gaps):
        raise InputError(f"the column {name!r} has one time only; a forecast needs a history.")
    every = np.unique(np.concatenate(times))
    step = _numbers(gaps, every) if numbers else _calendar(gaps, every, times)
    positions = step.positions(every)
    off = np.abs(positions - np.round(positions)) > _JITTER
    if off.any():
        where = int(np.flatnonzero(off)[0])
        shown = _shown(every[where], numbers)
        raise InputError(
            f"the times in {name!r} are not regular: most are one {step.words} apart, but "
            f"{shown} does not fit; {int(off.sum())} of {len(every)} do not. Give one row per step."
        )
    return step


def _numbers(gaps: FloatArray, every: FloatArray) -> Step:
    return Step("number", _most_frequent(gaps), float(every[0]))


def _calendar(gaps: FloatArray, every: FloatArray, times: list[FloatArray]) -> Step:
    usual = _most_frequent(gaps)
    if usual >= 27.9 * DAY and (found := _monthly(every, times)) is not None:
        return found
    clock = float(every[0] % DAY)
    if usual == DAY and (every % DAY == clock).all():
        days = (_days(every).astype(int) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
        if days.max() < 5 and np.ptp(_days(every).astype(int)) >= _WEEKDAYS:
            anchor = float(np.busday_count(_ZERO_DAY, _days(every[:1]))[0])
            return Step("weekday", 1.0, anchor, clock=clock)
    return Step("second", usual, float(every[0]))


def _monthly(every: FloatArray, times: list[FloatArray]) -> Step | None:
    """The step in months, where all times lie on one day of the month, or on its last."""
    days = _days(every)
    months = _months(every)
    day = days.astype(int) - months.astype("datetime64[M]").astype("datetime64[D]").astype(int) + 1
    ends = (days + 1).astype("datetime64[M]").astype(int) > months
    clock = every - days.astype(int) * DAY
    if np.ptp(clock) > 3600 or not (ends.all() or np.ptp(day) == 0):
        return None
    size = _most_frequent(np.concatenate([np.diff(_months(t)) for t in times]).astype(float))
    which = 0 if ends.all() and np.ptp(day) > 0 else int(day[0])
    return Step("month", size, float(months[0]), which, float(clock[0]))


def _most_frequent(values: FloatArray) -> float:
    found, counts = np.unique(np.round(values, 6), return_counts=True)
    return float(found[np.argmax(counts)])


def _days(times: FloatArray) -> npt.NDArray[np.datetime64]:
    return np.asarray(np.floor(times / DAY).astype("int64").astype("datetime64[D]"))


def _months(times: FloatArray) -> IntArray:
    return np.asarray(_days(times).astype("datetime64[M]").astype("int64"))


def _shown(time: float, numbers: bool) -> str:
    return f"{time:g}" if numbers else shown_time(np.datetime64(round(time * 1e6), "us"))


def shown_time(time: Any) -> str:
    """A time as people write it: `2026-11-22`, with hours where there are some, or a number."""
    if not isinstance(time, np.datetime64):
        return f"{float(time):.12g}"
    text = str(time.astype("datetime64[s]")).replace("T", " ")
    return text.removesuffix(" 00:00:00")
