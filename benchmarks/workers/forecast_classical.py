"""Seasonal naive, ETS and theta, fitted anew at each origin; the last two by statsmodels.

ETS is the form with the smallest corrected AIC (of many series: additive errors, damped trend,
additive season); its season is that of the catalogue, by STL where it is longer than 60 steps, and
at most 1,000 rows (500 of many series) are used, as fits of longer histories take minutes.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from scipy.stats import norm

from series_data import LEVELS, Floats, filled, load, scored
from worker import serve

MOST, FEW, MANY, LONG = 1000, 500, 10, 60
Z = norm.ppf(LEVELS)


def naive(y: Floats, m: int, horizon: int, many: bool) -> Floats:
    m = m if len(y) > m else 1
    centre = y[len(y) - m + np.arange(horizon) % m]
    spread = np.std(y[m:] - y[:-m]) * np.sqrt(1 + np.arange(horizon) // m)
    return centre[:, None] + spread[:, None] * Z


def ets(y: Floats, m: int, horizon: int, many: bool) -> Floats:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    y = y[-max(FEW if many else MOST, 4 * m if m > LONG else 0) :]
    cycle = np.zeros(horizon)
    if m > LONG and len(y) >= 2 * m:
        y, cycle = without_season(y, m, horizon)
        m = 1
    seasonal = m > 1 and len(y) >= 2 * m + 2
    positive = bool((y > 0).all())
    seasons = [None] if not seasonal else ["add"] if many or not positive else ["add", "mul"]
    best, score = None, np.inf
    for season in seasons:
        for trend, damped in ((None, False), ("add", False), ("add", True)):
            if many and not damped:
                continue
            error = "mul" if season == "mul" else "add"
            try:
                found = ETSModel(
                    y, error=error, trend=trend, damped_trend=damped, seasonal=season,
                    seasonal_periods=m if season else None,
                ).fit(disp=False, maxiter=200)  # fmt: skip
            except (ValueError, np.linalg.LinAlgError):
                continue
            if found.aicc < score:
                best, score = found, found.aicc
    paths = best.simulate(horizon, anchor="end", repetitions=300, random_state=0)
    out = np.quantile(np.asarray(paths).reshape(horizon, -1), LEVELS, axis=1).T
    out += np.asarray(best.forecast(horizon))[:, None] - out[:, 4:5]
    return out + cycle[:, None]


def theta(y: Floats, m: int, horizon: int, many: bool) -> Floats:
    from statsmodels.tsa.forecasting.theta import ThetaModel

    cycle = np.zeros(horizon)
    if m > LONG and len(y) >= 2 * m:
        y, cycle = without_season(y, m, horizon)
        m = 1
    seasonal = m > 1 and len(y) >= 2 * m + 2
    method = "multiplicative" if (y > 0).all() else "additive"
    model = ThetaModel(
        y, period=m if seasonal else 1, deseasonalize=seasonal, use_test=False, method=method
    )
    found = model.fit()
    centre = np.asarray(found.forecast(horizon))
    # Its intervals are normal: one pair of bounds, which takes a second, tells them all.
    bounds = np.asarray(found.prediction_intervals(horizon, alpha=0.2))
    out = centre[:, None] + (bounds[:, 1] - centre)[:, None] * Z / Z[-1]
    return out + cycle[:, None]


def without_season(y: Floats, m: int, horizon: int) -> tuple[Floats, Floats]:
    """The series without its season by STL, and the season's last turn carried on."""
    from statsmodels.tsa.seasonal import STL

    season = np.asarray(STL(y, period=m, robust=False).fit().seasonal)
    return y - season, season[len(y) - m + np.arange(horizon) % m]


WAYS = {"naive": naive, "ets": ets, "theta": theta}


def cell(request: dict[str, Any]) -> dict[str, Any]:
    task, way = load(request["problem"]), WAYS[request["way"]]
    out, begin = [], time.perf_counter()
    warnings.simplefilter("ignore")
    for window in range(task.windows):
        groups = task.history(window).groupby("series", sort=False)
        many = len(groups) > MANY
        out.append({
            str(name): way(filled(rows["y"].to_numpy(float)), task.season, task.horizon, many)
            for name, rows in groups
        })  # fmt: skip
    return {**scored(task, out), "fit_s": round(time.perf_counter() - begin, 2)}


if __name__ == "__main__":
    serve(cell, "statsmodels", "numpy", "scipy")
