"""A plain LightGBM: one model for all series and steps, default settings, three quantiles.

Rows are origins and steps ahead; features the last lags and seasons less the last season's mean,
that mean's spread and the step. Levels between 0.1, 0.5 and 0.9 are read off a normal curve.
"""

from __future__ import annotations

import time
from typing import Any

import lightgbm
import numpy as np
from scipy.stats import norm

from series_data import LEVELS, Floats, filled, load, scored
from worker import serve

LAGS, ROWS, ROUNDS = 24, 60_000, 200
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
    task, out, begin = load(request["problem"]), [], time.perf_counter()
    h, m = task.horizon, task.season
    for window in range(task.windows):
        rng = np.random.default_rng(request["seed"])
        groups = {str(n): filled(r["y"].to_numpy(float)) for n, r in
                  task.history(window).groupby("series", sort=False)}  # fmt: skip
        xs, ys = [], []
        for y in groups.values():
            n = ROWS // len(groups)
            ahead = rng.integers(1, h + 1, n)
            first = min(2 * m, len(y) // 3)
            at = first + (rng.random(n) * (len(y) - ahead - first + 1)).astype(int)
            X, level, scale = features(y, m, at, ahead)
            xs.append(X)
            ys.append((y[at + ahead - 1] - level) / scale)
        X, target = np.concatenate(xs), np.concatenate(ys)
        models = [
            lightgbm.train(
                {"objective": "quantile", "alpha": a, "verbosity": -1, "seed": request["seed"],
                 "num_threads": 2},
                lightgbm.Dataset(X, target), ROUNDS,
            )
            for a in (0.1, 0.5, 0.9)
        ]  # fmt: skip
        found = {}
        for name, y in groups.items():
            steps = np.arange(1, h + 1)
            X, level, scale = features(y, m, np.full(h, len(y)), steps)
            low, mid, high = (level + scale * model.predict(X) for model in models)
            width = np.where(Z < 0, (mid - np.minimum(low, mid))[:, None],
                             (np.maximum(high, mid) - mid)[:, None])  # fmt: skip
            found[name] = mid[:, None] + width * Z
        out.append(found)
    return {**scored(task, out), "fit_s": round(time.perf_counter() - begin, 2)}


if __name__ == "__main__":
    serve(cell, "lightgbm", "numpy")
