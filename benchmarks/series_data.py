"""The forecasting sets: read, cut at rolling origins, and scored the same way for everybody.

The last `windows` horizons of each set are the test: forecasts of each start from all that came
before it.  MASE is scaled by the seasonal naive's error in that history, with the season that the
catalogue names; the weighted quantile loss is over the levels 0.1 to 0.9, pooled over windows and
series.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import shared

Floats = NDArray[np.float64]
LEVELS = tuple(round(0.1 * i, 1) for i in range(1, 10))
# Rolling origins of each set: as many as leave enough to learn from.
WINDOWS = {
    "airline_passengers": 2, "monthly_sunspots": 3, "melbourne_min_temp": 2, "seattle_weather": 3,
    "global_temperature": 5, "co2_mauna_loa": 4, "ett_h1": 8, "beijing_pm25": 10,
    "m4_hourly_120": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A set: `frame` has the columns time, series, y and covariates, in order of time."""

    name: str
    frame: pd.DataFrame
    horizon: int
    season: int
    windows: int
    covariates: tuple[str, ...]

    def history(self, window: int) -> pd.DataFrame:
        """The rows before a window (0 is the first), of all series."""
        back = self.horizon * (self.windows - window)
        rows = self.frame.groupby("series", sort=False, group_keys=False).cumcount(ascending=False)
        return self.frame[rows >= back]

    def truth(self, window: int) -> dict[str, Floats]:
        """What came in a window, per series; NaN where nothing was measured."""
        begin = self.horizon * (self.windows - window)
        out = {}
        for name, rows in self.frame.groupby("series", sort=False):
            y = rows["y"].to_numpy(float)
            out[str(name)] = y[len(y) - begin : len(y) - begin + self.horizon]
        return out


def load(name: str) -> Task:
    """The set of that name in the catalogue."""
    listed = json.loads((shared() / "data" / "catalog.json").read_text())["datasets"]
    about = next(d for d in listed if d["name"] == name)
    covariates: list[str] = []
    if "train" in about:
        frame = _wide(shared() / "data" / about["train"], shared() / "data" / about["test"])
    else:
        raw = _read(shared() / "data" / about["path"])
        if name == "global_temperature":
            raw = raw[raw["Source"] == "gcag"].sort_values(about["time_column"])
        y = raw[about["target"]].astype(float)
        if name == "co2_mauna_loa":
            y = y.mask(y < 0)
        time = pd.to_datetime(raw[about["time_column"]])
        frame = pd.DataFrame({"time": time, "series": "one", "y": y})
        if name in ("ett_h1", "beijing_pm25", "seattle_weather"):
            taken = {about["time_column"], about["target"]}
            covariates = [c for c in raw.select_dtypes("number") if c not in taken]
            frame[covariates] = raw[covariates]
        frame = frame[frame["y"].notna().cummax()]  # a series begins with its first value
    return Task(
        name, frame.reset_index(drop=True), about["horizon"], about["season"], WINDOWS[name],
        tuple(covariates),
    )  # fmt: skip


def _read(path: Any) -> pd.DataFrame:
    """A file by its header, also where rows have a field more than it (the Mauna Loa file has)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)
        return pd.read_csv(path, index_col=False)


def _wide(train: Any, test: Any) -> pd.DataFrame:
    """Series as rows of two files, put one after the other, on hours of no particular date."""
    parts = []
    before, after = (pd.read_csv(p, index_col=0) for p in (train, test))
    for name in before.index:
        y = np.concatenate([before.loc[name].dropna(), after.loc[name].dropna()])
        time = pd.date_range("2020-01-01", periods=len(y), freq="h")
        parts.append(pd.DataFrame({"time": time, "series": name, "y": y}))
    return pd.concat(parts)


def filled(y: Floats) -> Floats:
    """Gaps filled by straight lines, as every peer needs it."""
    good = np.isfinite(y)
    return np.interp(np.arange(len(y)), np.flatnonzero(good), y[good])


def scored(task: Task, forecasts: Sequence[dict[str, Floats]]) -> dict[str, float]:
    """MASE and weighted quantile loss of forecasts `[horizon, 9 levels]` per window and series."""
    errors, loss, size, inside = [], 0.0, 0.0, []
    for window, found in enumerate(forecasts):
        history = {str(n): rows["y"].to_numpy() for n, rows in
                   task.history(window).groupby("series", sort=False)}  # fmt: skip
        for name, y in task.truth(window).items():
            q, seen = found[name], np.isfinite(y)
            past = filled(history[name].astype(float))
            m = task.season if len(past) > task.season else 1
            scale = np.abs(past[m:] - past[:-m]).mean()
            errors.append(np.abs(y - q[:, 4])[seen].mean() / scale)
            off = y[seen, None] - q[seen]
            levels = np.array(LEVELS)
            loss += 2 * np.maximum(levels * off, (levels - 1) * off).mean(axis=1).sum()
            size += np.abs(y[seen]).sum()
            inside.append(((y >= q[:, 0]) & (y <= q[:, 8]))[seen].mean())
    return {
        "mase": float(np.mean(errors)), "wql": float(loss / size),
        "coverage80": float(np.mean(inside)), "windows": len(forecasts),
    }  # fmt: skip
