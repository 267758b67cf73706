from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.core.errors import InputError
from modelwright.data import read_table
from modelwright.data.origins import plan_origins, sealed_lengths
from modelwright.data.panel import Panel, SeriesSchema, load_panel
from modelwright.data.season import find_season
from modelwright.data.series import Asked, assemble, grouped, read_panel, rows_of
from modelwright.data.steps import Step, find_step


def panel_of(frame: pd.DataFrame, horizon: int = 4, **more: Any) -> tuple[Panel, list[str]]:
    return read_panel(read_table(frame), Asked("t", "y", horizon, **more))


def daily(n: int = 80, start: str = "2024-01-01") -> pd.DataFrame:
    y = np.sin(np.arange(n) * 2 * np.pi / 7) + 0.01 * np.arange(n)
    return pd.DataFrame({"t": pd.date_range(start, periods=n, freq="D"), "y": y})


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("h", "hour"), ("15min", "15 minutes"), ("D", "day"), ("B", "working day"), ("W", "week"),
        ("MS", "month"), ("ME", "month"), ("QE", "quarter"), ("YE", "year"), ("YS", "year"),
    ],
)  # fmt: skip
def test_every_step_is_found_and_leads_back_to_its_times(rule: str, words: str) -> None:
    stamps = pd.date_range("2021-01-31 06:00", periods=60, freq=rule)
    seconds = stamps.to_numpy().astype("datetime64[us]").astype(float) / 1e6
    step = find_step([seconds], False, "t")
    assert step.words == words
    places = step.positions(seconds)
    assert (places == places[0] + np.arange(60)).all()
    assert (step.seconds(places) == seconds).all()
    assert Step.from_json(step.to_json()) == step


def test_times_that_are_plain_numbers_are_a_grid_too() -> None:
    step = find_step([np.arange(1900.0, 1960.0, 2)], True, "t")
    assert (step.unit, step.size) == ("number", 2.0)
    assert step.times(30) == 1960.0


def test_gaps_are_filled_marked_and_told() -> None:
    frame = daily().drop(index=[10, 11, 30])
    frame.loc[20, "y"] = np.nan
    panel, notes = panel_of(frame)
    assert len(panel.y[0]) == 80
    assert np.flatnonzero(~panel.seen[0]).tolist() == [10, 11, 20, 30]
    assert panel.y[0][[11, 20]].tolist() == panel.y[0][[9, 19]].tolist()  # nothing of the future
    assert "3 steps without a row: filled with the value before, never scored" in notes
    assert "1 row without a target: filled with the value before, never scored" in notes


def test_order_of_rows_does_not_matter() -> None:
    panel, _ = panel_of(daily())
    mixed, _ = panel_of(daily().sample(frac=1, random_state=0))
    assert panel.hash == mixed.hash


def test_a_time_that_comes_twice_is_refused_in_a_sentence() -> None:
    frame = pd.concat([daily(), daily().iloc[[5]]])
    with pytest.raises(InputError, match=r"2024-01-06 comes twice .* --series"):
        panel_of(frame)


def test_irregular_times_are_refused_with_the_first_place() -> None:
    stamps = daily()["t"].to_numpy().copy()
    stamps[9] += np.timedelta64(9, "h")
    frame = daily().assign(t=stamps)
    with pytest.raises(InputError, match="not regular: most are one day apart, but 2024-01-10 09"):
        panel_of(frame)


def test_summer_time_is_no_irregularity() -> None:
    stamps = pd.date_range("2024-03-01", periods=60, freq="D", tz="Europe/Vienna")
    frame = daily(60).assign(t=stamps.tz_convert("UTC").tz_localize(None))
    panel, notes = panel_of(frame)
    assert len(panel.y[0]) == 60
    assert any("moved to the nearest whole step" in note for note in notes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": "abc"}, "the target 'y' has to hold numbers; it has 'abc'"),
        ({"t": "soon"}, "the time column 't' has to hold dates or numbers"),
    ],
)
def test_columns_that_cannot_serve_are_named(change: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        panel_of(daily().assign(**change))


def test_too_short_a_history_says_what_is_needed() -> None:
    with pytest.raises(InputError, match="forecast of 30 steps needs a history of at least 38"):
        panel_of(daily(20), horizon=30)


def test_several_series_and_their_columns() -> None:
    frames = [
        daily(60 + 10 * i, f"2024-01-0{i + 1}").assign(id=name, promo=i, temp=float(i))
        for i, name in enumerate("abc")
    ]
    frame = pd.concat(frames)
    frame["temp"] += np.arange(len(frame)) % 9
    ahead = pd.DataFrame({
        "t": pd.date_range(frame["t"].max() + pd.Timedelta(days=1), periods=4), "id": "c",
        "promo": 1, "temp": 5.0,
    })  # fmt: skip
    frame = pd.concat([frame, ahead], ignore_index=True)
    panel, notes = panel_of(frame, series="id", known=("promo",))
    assert panel.names == ("a", "b", "c")
    assert panel.lengths.tolist() == [60, 70, 80]
    assert panel.starts.tolist() == [0, 1, 2]
    assert [k.shape for k in panel.known] == [(60, 1), (70, 1), (84, 1)]
    assert panel.past[0].shape == (60, 1)
    assert "3 series of 60 to 80 steps" in notes


def test_a_panel_comes_back_from_its_files(tmp_path: Path) -> None:
    panel, _ = panel_of(daily())
    panel.save(tmp_path)
    assert load_panel(tmp_path).hash == panel.hash


def test_the_season_is_the_one_that_shows() -> None:
    rng = np.random.default_rng(0)
    hours = np.arange(24 * 7 * 8)
    day = np.sin(2 * np.pi * hours / 24)
    week = 2.0 * (hours // 24 % 7 >= 5)
    noise = 0.3 * rng.normal(size=len(hours))
    step = Step("second", 3600.0)
    assert find_season([day + noise], step)[0] == 24
    assert find_season([day + week + noise], step)[0] == 168
    assert find_season([np.cumsum(noise)], step)[0] == 1
    hidden = np.sin(2 * np.pi * hours / 37) + noise
    assert abs(find_season([hidden], Step("number", 1.0))[0] - 37) <= 1


def test_windows_lie_before_the_sealed_end_and_their_fits_before_them() -> None:
    panel, _ = panel_of(daily(200), horizon=10)
    lengths = sealed_lengths(panel)
    assert lengths is not None
    assert lengths.tolist() == [190]
    dev = panel.cut(lengths.tolist())
    origins = plan_origins(dev)
    cuts = origins.lengths[:, 0]
    assert (np.diff(cuts) >= 10).all()
    assert cuts[-1] == 180
    for fold in range(origins.n_folds):
        assert origins.first_of(fold)[0] == cuts[origins.folds == fold].min()


def test_a_short_series_has_windows_that_overlap() -> None:
    panel, _ = panel_of(daily(40), horizon=12)
    origins = plan_origins(panel)
    assert 2 <= len(origins.folds) <= 4
    assert origins.lengths.min() >= 8


def shops() -> pd.DataFrame:
    parts = []
    for i, (kind, area) in enumerate([("mall", 100.0), ("street", 300.0), ("mall", 200.0)]):
        day = pd.date_range("2024-01-01", periods=40)
        promo = [("none", "half", "", "double")[t % 4] for t in range(40)]
        parts.append(pd.DataFrame({
            "day": day, "shop": f"s{i}", "y": np.arange(40.0), "promo": promo, "kind": kind,
            "area": area, "open": np.arange(40) % 7 > 0,
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_categories_become_indicators_and_what_never_changes_stands_once() -> None:
    asked = Asked("day", "y", 4, "shop", ("promo",))
    panel, notes = read_panel(read_table(shops()), asked)
    schema = panel.schema
    assert (schema.past, schema.known, schema.static) == (("open",), ("promo",), ("kind", "area"))
    assert "one value per series: 'kind', 'area'" in notes
    promo = [schema.levels["promo"][i] for i in panel.known[0].argmax(axis=1)]
    assert promo[:5] == ["none", "half", "half", "double", "none"]  # an empty one is carried on
    kinds = [schema.levels["kind"][i] for i in panel.static[:, :2].argmax(axis=1)]
    assert kinds == ["mall", "street", "mall"]
    assert panel.static[:, 2] == pytest.approx([-1.2247, 1.2247, 0.0], abs=1e-3)
    assert schema.numbers(schema.static).tolist() == [False, False, True]
    assert SeriesSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"promo": "third"}, "'promo' has 'third' in 28 rows, which training never had; known are"),
        ({"kind": "street"}, "'kind' had one value per series in training; the series 's0' has"),
        ({"area": "wide"}, "'area' has to hold numbers; it has 'wide'"),
    ],
)
def test_a_bad_value_of_a_covariate_is_told_in_a_sentence(
    change: dict[str, str], words: str
) -> None:
    schema = read_panel(read_table(shops()), Asked("day", "y", 4, "shop", ("promo",)))[0].schema
    table = shops().astype({"area": object})
    for name, value in change.items():
        table.loc[3:30, name] = value

    def read() -> None:
        rows = rows_of(read_table(table), schema)
        assemble(rows, grouped(rows, "shop"), schema)

    with pytest.raises(InputError, match=words):
        read()


def test_a_known_column_of_texts_is_refused() -> None:
    rng = np.random.default_rng(0)
    words = [" ".join(rng.choice(["a", "be", "sea", "day"], 9)) + str(i) for i in range(120)]
    with pytest.raises(InputError, match="'promo' has to hold numbers or categories; it holds"):
        read_panel(
            read_table(shops().assign(promo=words)), Asked("day", "y", 4, "shop", ("promo",))
        )
