from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.data import read_table
from modelwright.data.panel import Panel
from modelwright.data.series import Asked, read_panel
from modelwright.evaluators.forecast_windows import _one
from modelwright.families.series_all import SERIES, load_forecaster, series_family
from modelwright.families.series_base import Forecaster, fourier
from modelwright.families.series_naive import Drift, SeasonalNaive
from modelwright.families.series_smoothing import Ets, season_of
from modelwright.families.series_states import Form, fit_form

SMALL: dict[str, dict[str, Any]] = {
    "BoostedLags": {"rows": 10, "leaves": 8}, "LagNet": {"steps": 100, "width": 16},
    "LagLinear": {"scope": "each"},
}  # fmt: skip
HORIZON = 14


def panel(n_series: int = 3, n: int = 220, noise: float = 0.1) -> Panel:
    rng = np.random.default_rng(0)
    t = np.arange(n)
    parts = []
    for i in range(n_series):
        wave = np.sin(2 * np.pi * (t + i) / 7) * (1 + i)
        y = 20 * (1 + i) + 0.05 * t + wave + noise * rng.normal(size=n)
        days = pd.date_range("2024-01-01", periods=n)
        parts.append(pd.DataFrame({"t": days, "id": str(i), "y": y, "x": rng.normal(size=n)}))
    table = read_table(pd.concat(parts, ignore_index=True))
    return read_panel(table, Asked("t", "y", HORIZON, "id"))[0]


def fitted(name: str, on: Panel, **how: Any) -> Forecaster:
    return series_family(name)(**SMALL.get(name, {})).fit(on, **how)


def error(forecaster: Forecaster, whole: Panel) -> float:
    cuts = (whole.lengths - HORIZON).tolist()
    past = whole.cells(list(range(len(whole))), cuts)
    truth = np.stack([y[-HORIZON:] for y in whole.y])
    off = np.abs(forecaster.forecast(past).centre - truth).mean(axis=1)
    return float((off / past.scales()).mean())


@pytest.mark.parametrize("name", SERIES)
def test_each_family_learns_what_is_there_to_learn(name: str) -> None:
    whole = panel()
    past = whole.cut((whole.lengths - HORIZON).tolist())
    # A wave of a week on a line: its own season, moved by the line, is near it.
    bound = {"SeasonalNaive": 2.0, "Theta": 1.6}.get(name, 1.3)
    assert error(fitted(name, past), whole) < bound


@pytest.mark.parametrize("name", SERIES)
def test_each_family_comes_back_from_its_files_and_repeats(name: str, tmp_path: Path) -> None:
    past = panel()
    one = fitted(name, past, seed=3)
    one.export(tmp_path)
    paths = one.forecast(past)
    again = load_forecaster(tmp_path).forecast(past)
    assert np.allclose(paths.centre, again.centre, rtol=1e-6)
    assert np.allclose(paths.width, again.width, rtol=1e-5)
    assert (fitted(name, past, seed=3).forecast(past).centre == paths.centre).all()
    assert paths.centre.shape == (3, HORIZON)
    assert (paths.width > 0).all()


@pytest.mark.parametrize("name", SERIES)
def test_each_family_answers_short_new_and_constant_histories(name: str) -> None:
    one = fitted(name, panel())
    short = panel(2, 30)
    cells = short.cells([0, 1, 0], [9, 30, 12])
    flat = Panel(
        cells.schema, ("new", "1", "0"), cells.starts, (np.full(9, 5.0), *cells.y[1:]),
        cells.seen, cells.past, cells.known, cells.static,
    )  # fmt: skip
    paths = one.forecast(flat)
    assert np.isfinite(paths.centre).all()
    assert paths.centre[0] == pytest.approx(5.0, abs=2.0)


@pytest.mark.parametrize("name", SERIES)
def test_each_family_fits_on_a_handful_of_rows(name: str) -> None:
    tiny = panel(1, 24)
    paths = fitted(name, tiny).forecast(tiny)
    assert np.isfinite(paths.centre).all()


@pytest.mark.parametrize("name", SERIES)
def test_what_comes_after_an_origin_changes_no_forecast(name: str) -> None:
    whole = panel()
    one = fitted(name, whole.cut((whole.lengths - 40).tolist()))
    cuts = [150] * len(whole)
    there = whole.cells([0, 1, 2], cuts)
    changed = Panel(
        whole.schema, whole.names, whole.starts,
        tuple(np.concatenate([y[:150], y[150:] + 99]) for y in whole.y), whole.seen,
        tuple(np.concatenate([p[:150], p[150:] + 99]) for p in whole.past), whole.known,
        whole.static,
    ).cells([0, 1, 2], cuts)  # fmt: skip
    assert (one.forecast(there).centre == one.forecast(changed).centre).all()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("BoostedLags", {"rows": 10, "leaves": 8, "lags": 4, "learning_rate": 0.3}),
        ("LagLinear", {}),
        ("LagLinear", {"way": "recursive", "log": True}),
        ("LagNet", {"steps": 100, "width": 16, "layers": 1}),
    ],
)
def test_known_numbers_and_categories_are_used_by_those_that_learn(
    name: str, how: dict[str, Any], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    n = 250
    kinds, effect = np.array(["none", "half", "double"]), np.array([0.0, -4.0, 6.0])
    which, price = rng.choice(3, n + HORIZON), rng.random(n + HORIZON)
    every = 20 + effect[which] + 3 * price + 0.1 * rng.normal(size=n + HORIZON)
    days = pd.date_range("2024-01-01", periods=n + HORIZON)
    frame = pd.DataFrame({"t": days, "y": every, "promo": kinds[which], "price": price})
    frame.loc[n:, "y"] = np.nan
    known, _ = read_panel(read_table(frame), Asked("t", "y", HORIZON, None, ("promo", "price")))
    one = series_family(name)(**how).fit(known, seed=1)
    found = one.forecast(known).centre[0]
    assert np.abs(found - every[n:]).mean() < 1.2
    one.export(tmp_path)
    assert (load_forecaster(tmp_path).forecast(known).centre[0] == found).all()


@pytest.mark.parametrize("name", ["BoostedLags", "LagNet"])
def test_a_kind_of_series_tells_what_its_past_does_not(name: str) -> None:
    rng = np.random.default_rng(0)
    parts, n, jump = [], 8, 6
    for i in range(40):  # noise around 0, until the last steps
        y = 1.5 * rng.normal(size=n + jump)
        y[n:] += (-1) ** i * 3.0
        kind = "shrinking" if i % 2 else "growing"
        parts.append(pd.DataFrame({"t": range(n + jump), "id": f"s{i:02d}", "y": y, "kind": kind}))
    panel, notes = read_panel(read_table(pd.concat(parts)), Asked("t", "y", jump, "id"))
    assert "one value per series: 'kind'" in notes
    how: dict[str, Any] = {"rows": 10, "lags": 4, "leaves": 8, "learning_rate": 0.3}
    if name == "LagNet":
        how = {"covariates": True, "steps": 200, "width": 16, "learning_rate": 0.01}
    past = panel.cells(list(range(30)), [n + jump] * 30)
    new = panel.cells(list(range(30, 40)), [n] * 10)
    centre = series_family(name)(**how).fit(past, seed=0).forecast(new).centre.mean(axis=1)
    assert centre[::2].min() > centre[1::2].max() + 0.5


def test_the_seasonal_naive_repeats_the_last_season() -> None:
    one = panel(1, 100)
    found = SeasonalNaive().fit(one).forecast(one).centre[0]
    assert found.tolist() == [*one.y[0][-7:], *one.y[0][-7:]]


def test_a_drift_without_season_is_a_line() -> None:
    frame = pd.DataFrame({"t": range(50), "y": np.arange(50.0)})
    line, _ = read_panel(read_table(frame), Asked("t", "y", 3))
    found = Drift().fit(line).forecast(line).centre[0]
    assert found == pytest.approx([50.0, 51.0, 52.0])


def test_smoothing_finds_the_form_of_a_series() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(144)
    grown = np.exp(0.01 * t + 0.2 * np.sin(2 * np.pi * t / 12) + 0.01 * rng.normal(size=144))
    frame = pd.DataFrame({"t": pd.date_range("2000-01-01", periods=144, freq="MS"), "y": grown})
    months, _ = read_panel(read_table(frame), Asked("t", "y", 24))
    assert months.schema.season == 12
    ahead = np.arange(144, 168)
    want = np.exp(0.01 * ahead + 0.2 * np.sin(2 * np.pi * ahead / 12))
    found = Ets().fit(months).forecast(months).centre[0]
    assert np.abs(found / want - 1).max() < 0.06


def test_the_criterion_prefers_the_form_that_made_the_series() -> None:
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=(4, 300)), axis=1) + 100
    plain, _ = fit_form(walk, Form("none", 1, False), 5)
    seasonal, _ = fit_form(walk, Form("none", 12, False), 5)
    assert (plain < seasonal).all()


def test_a_season_is_taken_out_whole() -> None:
    wave = np.sin(2 * np.pi * np.arange(12) / 12)
    y = np.tile(wave, 8)[None] + 3.0
    assert season_of(y, 12)[0] == pytest.approx(wave - wave.mean(), abs=1e-9)


def test_waves_are_counted_once() -> None:
    assert fourier(np.arange(5), (24.0, 168.0), 8).shape == (5, 2 * (8 + 8 - 1))
    assert math.isclose(float(fourier(np.array([6]), (24.0,), 1)[0, 0]), 1.0)


@pytest.mark.parametrize("log", [False, True])
def test_columns_known_ahead_of_which_the_future_is_not_given(log: bool) -> None:
    rng = np.random.default_rng(0)
    promo = (rng.random(120) < 0.3).astype(float)
    y = 20 * np.exp(0.5 * promo) * (1 + 0.05 * rng.random(120))
    days = pd.date_range("2024-01-01", periods=120)
    table = read_table(pd.DataFrame({"t": days, "y": y, "promo": promo}))
    whole = read_panel(table, Asked("t", "y", HORIZON, known=("promo",)))[0]
    family: Any = series_family("LagLinear")
    model = family(log=log).fit(whole)
    found = model.forecast(_one(whole))
    assert np.isfinite(found.centre).all()
    on = promo[-HORIZON:] == 1
    assert found.centre[0, on].mean() > 1.3 * found.centre[0, ~on].mean()
    wider = found.width[0, on].mean() / found.width[0, ~on].mean()
    assert wider == pytest.approx(math.exp(0.5) if log else 1.0, rel=0.1)
