"""A plain LightGBM: one model for all series and steps, default settings, three quantiles.

Rows are origins and steps ahead; features the last lags and seasons less the last season's mean,
that mean's spread and the step.  Fitted once, before the first window.  Levels between 0.1, 0.5
and 0.9 are read off a normal curve.
"""

from __future__ import annotations

import time
from typing import Any

import lightgbm
import numpy as np
from scipy.stats import norm

from series_data import LEVELS, Floats, Task, filled, load, scored
from worker import serve

LAGS, ROWS, ROUNDS = 24, 40_000, 200
Z = norm.ppf(LEVELS) / norm.ppf(0.9)


def features(y: Floats, m: int, at: Any, ahead: Any) -> tuple[Floats, Floats, Floats]:
    """Features `[n, d]`, level and scale of some origins and steps ahead of one series."""
    m = m if len(y) > 2 * m else 1
    span = m if m > 1 else 12
    total = np.concatenate([[0.0], np.cumsum(y)])
    begin = np.maximum(0, at - span)
    level = (total[at] - total[begin]) / (at - begin)
    scale = np.full(len(at), y.std() + 1e-9)
    columns = [ahead.astype(float), (ahead + at) % m * 1.0]
    for i in range(LAGS):
        columns.append((y[np.maximum(0, at - 1 - i)] - level) / scale)
    for k in range(2):
        back = at + ahead - 1 - m * (np.ceil(ahead / m).astype(int) + k)
        columns.append(np.where(back >= 0, (y[np.maximum(back, 0)] - level) / scale, np.nan))
    return np.stack(columns, axis=1), level, scale


def cell(request: dict[str, Any]) -> dict[str, Any]:
    task, begin = load(request["problem"]), time.perf_counter()
    m = task.season
    models = fitted(groups_of(task, 0), m, task.horizon, request["seed"])
    seconds, out = time.perf_counter() - begin, []
    for window in range(task.windows):
        found = {}
        for name, y in groups_of(task, window).items():
            steps = np.arange(1, task.horizon + 1)
            X, level, scale = features(y, m, np.full(task.horizon, len(y)), steps)
            low, mid, high = (level + scale * model.predict(X) for model in models)
            down, up = mid - np.minimum(low, mid), np.maximum(high, mid) - mid
            found[name] = mid[:, None] + np.where(Z < 0, down[:, None], up[:, None]) * Z
        out.append(found)
    return {**scored(task, out), "fit_s": round(seconds, 2)}


def groups_of(task: Task, window: int) -> dict[str, Floats]:
    """The series before a window, gaps filled."""
    groups = task.history(window).groupby("series", sort=False)
    return {str(name): filled(rows["y"].to_numpy(float)) for name, rows in groups}


def fitted(groups: dict[str, Floats], m: int, horizon: int, seed: int) -> list[Any]:
    """Models of the quantiles 0.1, 0.5 and 0.9."""
    rng, xs, ys = np.random.default_rng(seed), [], []
    for y in groups.values():
        n = ROWS // len(groups)
        ahead = rng.integers(1, horizon + 1, n)
        first = min(2 * m, len(y) // 3)
        at = first + (rng.random(n) * (len(y) - ahead - first + 1)).astype(int)
        X, level, scale = features(y, m, at, ahead)
        xs.append(X)
        ys.append((y[at + ahead - 1] - level) / scale)
    X, target = np.concatenate(xs), np.concatenate(ys)
    settings = {"objective": "quantile", "verbosity": -1, "seed": seed, "num_threads": 1}
    return [
        lightgbm.train({**settings, "alpha": a}, lightgbm.Dataset(X, target), ROUNDS)
        for a in (0.1, 0.5, 0.9)
    ]


if __name__ == "__main__":
    serve(cell, "lightgbm", "numpy")
