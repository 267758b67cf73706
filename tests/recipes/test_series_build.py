from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwright as mw
from modelwright.apps import using
from modelwright.core.errors import InputError, TamperedError
from modelwright.models.series import SeriesModel
from modelwright.policy import RulePolicy
from modelwright.readers.report import report_html
from modelwright.recipes.automl import resume_build

FAST = RulePolicy("fast", families=("LagLinear", "Theta", "Harmonic", "Drift"))
HORIZON = 6


def frame(n: int = 120, n_series: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    t, parts = np.arange(n), []
    for i in range(n_series):
        y = 10 + i + 0.05 * t + 2 * np.sin(2 * np.pi * t / 12) + 0.2 * rng.normal(size=n)
        month = pd.date_range("2010-01-01", periods=n, freq="MS")
        parts.append(pd.DataFrame({"month": month, "shop": f"s{i}", "sales": y}))
    return pd.concat(parts, ignore_index=True)


def build(data: Any, where: Path, **more: Any) -> mw.BuildResult:
    options: dict[str, Any] = {
        "budget": 6, "workspace": where, "policy": FAST, "slots": 2, "horizon": HORIZON,
        "time": "month", "series": "shop",
    }  # fmt: skip
    return mw.build(data, "sales", **(options | more))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    return build(frame(), tmp_path_factory.mktemp("runs"))


def test_a_build_ships_a_forecaster_that_forecasts(built: mw.BuildResult) -> None:
    assert built.exit_code == 0
    assert built.shipped is not None
    assert built.shipped.rows == "all rows"
    assert isinstance(built.model, SeriesModel)
    found = built.model.predict()
    assert list(found.columns) == ["time", "series", "prediction", "low", "high"]
    assert len(found) == 2 * HORIZON
    assert found["time"].iloc[0] == "2020-01-01"
    t = np.arange(120, 126)
    want = np.concatenate([10 + i + 0.05 * t + 2 * np.sin(2 * np.pi * t / 12) for i in range(2)])
    assert np.abs(found["prediction"] - want).mean() < 0.5
    assert (found["low"] <= found["prediction"]).all()
    assert (found["prediction"] <= found["high"]).all()
    board = built.leaderboard()
    trivial = next(r["score"] for r in board if r["by"] == "trivial")
    assert built.best is not None
    assert built.best.evidence.scores["mase"] < trivial
    assert {"mase", "wql", "smape", "rmse", "mae"} <= set(board[0]["scores"])


def test_the_sealed_end_is_looked_at_once_by_models_that_did_not_see_it(
    built: mw.BuildResult,
) -> None:
    (look,) = built.record.looks
    assert look["metric"] == "mase"
    assert look["n_rows"] == 2 * HORIZON
    assert "sealed last 6 steps of 2 series" in look["sentence"]
    about = built.record.settings["problem"]["about"]
    assert about["n_sealed"] == 2 * HORIZON


def test_a_longer_history_is_forecast_from_its_end(built: mw.BuildResult) -> None:
    model = built.model
    longer = frame(125)
    found = model.predict(longer)
    assert found["time"].iloc[0] == "2020-06-01"
    one = model.predict(longer[longer["shop"] == "s1"])
    rest = found[found["series"] == "s1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, rest)
    same = model.predict(frame())
    pd.testing.assert_frame_equal(same, model.predict())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="sales"), "no target called 'sales'"),
        (lambda f: f.drop(columns="month"), "no time column called 'month'"),
        (lambda f: f.assign(month=f["month"] + pd.Timedelta(days=9)), "does not lie on steps"),
        (lambda f: f.assign(month=range(len(f))), "were dates in training"),
    ],
)
def test_a_history_that_does_not_fit_is_refused(
    built: mw.BuildResult, change: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        built.model.predict(change(frame()))


def test_the_command_writes_the_forecast(built: mw.BuildResult, tmp_path: Path) -> None:
    history, out = tmp_path / "h.csv", tmp_path / "f.csv"
    frame().to_csv(history, index=False)
    folder = str(built.run.path)
    assert using.predict(folder, str(history), str(out), False, False, "", False) == 0
    written = pd.read_csv(out)
    assert np.allclose(written["prediction"], built.model.predict()["prediction"])
    assert using.predict(folder, None, str(out), False, False, "", False) == 0
    assert len(pd.read_csv(out)) == 2 * HORIZON


def test_a_person_may_ship_another_candidate(built: mw.BuildResult, tmp_path: Path) -> None:
    assert built.best is not None
    other = next(
        r for r in built.leaderboard()
        if r["role"] == "search" and r["candidate"] != built.best.trial.candidate.id
    )  # fmt: skip
    out = tmp_path / "other"
    assert using.ship(str(built.run.path), other["candidate"], str(out), "", False) == 0
    model = mw.load_model(out)
    assert model.card["candidate"] == other["candidate"]
    assert np.isfinite(model.predict()["prediction"]).all()


def test_the_report_shows_forecasts_and_nothing_of_tables(built: mw.BuildResult) -> None:
    html = report_html(built.run, built.record)
    assert "Error by step ahead" in html
    assert html.count("forecast of s") >= 4  # the next steps, and the sealed ones beside what came
    assert "it is lower in" in html
    assert "95 % intervals held" in html
    assert "What the model looks at" not in html
    facts = json.loads((built.run.path / "forecasts.json").read_text("utf-8"))
    assert len(facts["by_step"]) == HORIZON
    assert facts["sealed"]
    want = built.model.predict()
    first = want[want["series"] == facts["ahead"][0]["series"]]
    assert np.allclose(facts["ahead"][0]["low"], first["low"])
    assert facts["past"][0]["came"] == frame().query("shop == @facts['past'][0]['series']")[
        "sales"
    ].round(6).tolist()[-HORIZON:]  # fmt: skip


def test_equal_seeds_give_equal_rows(built: mw.BuildResult, tmp_path: Path) -> None:
    again = build(frame(), tmp_path)

    def told(result: mw.BuildResult) -> list[tuple[Any, ...]]:
        return [
            (o.trial.number, o.trial.candidate.document, o.losses)
            for o in result.record.seen.finished
            if o.trial.role in ("search", "rival")
        ]

    assert told(again) == told(built)
    assert again.best is not None
    assert built.best is not None
    assert again.best.losses == built.best.losses
    pd.testing.assert_frame_equal(again.model.predict(), built.model.predict())


def test_a_finished_run_goes_on_with_more_budget(tmp_path: Path) -> None:
    first = build(frame(60, 1), tmp_path, budget=3, series=None, slots=0)
    before = len(first.record.view.searched)
    more = resume_build(first.run, mw.Budget(trials=2))
    assert len(more.record.view.searched) == before + 2
    assert more.exit_code == 0
    assert list(more.model.predict().columns) == ["time", "prediction", "low", "high"]


def test_a_killed_run_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    data = tmp_path / "shops.csv"
    frame().to_csv(data, index=False)
    code = (
        "import sys, modelwright as mw\n"
        "from modelwright.policy import RulePolicy\n"
        "if __name__ == '__main__':\n"
        "    fast = RulePolicy('fast', families=('LagLinear', 'Theta', 'Harmonic', 'Drift'))\n"
        f"    mw.build({str(data)!r}, 'sales', time='month', series='shop', horizon={HORIZON},\n"
        "        budget=12, slots=2, policy=fast, workspace=sys.argv[1], name='r')\n"
    )
    script = tmp_path / "go.py"
    script.write_text(code, "utf-8")
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    child = subprocess.Popen([sys.executable, str(script), str(tmp_path / "w")], env=here)
    run = tmp_path / "w" / "r"
    late = time.monotonic() + 40
    while len(list((run / "artefacts").rglob("*.npy"))) < 4 and time.monotonic() < late:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    from modelwright.readers.runs import RunFolder

    ended = resume_build(RunFolder(run))
    whole = mw.build(
        str(data), "sales", time="month", series="shop", horizon=HORIZON, budget=12, slots=2,
        policy=FAST, workspace=tmp_path / "w2", name="r",
    )  # fmt: skip

    def told(result: mw.BuildResult) -> list[tuple[Any, ...]]:
        return sorted((o.trial.number, o.losses) for o in result.record.view.finished)

    assert told(ended) == told(whole)
    assert ended.exit_code == 0


def test_columns_known_ahead_go_with_the_question_and_the_history(tmp_path: Path) -> None:
    data = frame(80, 1).assign(promo=lambda f: (f.index % 5 == 0) * 1.0)
    data["sales"] += 4 * data["promo"]
    data["sales"] = data["sales"].where(data.index < 80 - HORIZON)
    result = build(data, tmp_path, budget=4, series=None, slots=0, known=["promo"], drop=["shop"])
    assert len(result.model.predict()) == HORIZON
    assert result.model.schema.known == ("promo",)
    told = result.model.predict(data)
    pd.testing.assert_frame_equal(told, result.model.predict())
    with pytest.raises(InputError, match="need the columns promo, and 6 rows of them are missing"):
        result.model.predict(data[data["sales"].notna()])


def test_a_changed_bundle_is_not_loaded(tmp_path: Path) -> None:
    result = build(frame(60), tmp_path, budget=2, slots=0)
    assert result.shipped is not None
    path = result.shipped.path / "history" / "panel.safetensors"
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    with pytest.raises(TamperedError, match=r"panel\.safetensors was changed"):
        mw.load_model(result.shipped.path)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"horizon": 0}, "a horizon is a number of steps from 1; got 0"),
        ({"metric": "auc"}, "unknown metric 'auc' for a forecast"),
        ({"group": "shop", "time": None}, "--group does not go with a forecast"),
        ({"time": "mont"}, "no time column called 'mont'.* Did you mean 'month'"),
        ({"series": None}, "comes twice .* --series"),
        ({"series": "shops"}, "no series column called 'shops'"),
        ({"known": ["promo"]}, "no known column called 'promo'"),
        ({"limits": ["auc>=1"]}, "names the unknown metric"),
        ({"horizon": 200}, "needs a history of at least 208; the longest series has 60"),
        ({"horizon": None}, "same in all rows of a series.* give --horizon"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(
    tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        build(frame(60), tmp_path, **more)
    assert not list(tmp_path.glob("*/ledger.sqlite"))


def test_a_limit_that_nothing_meets_is_told(tmp_path: Path) -> None:
    result = build(frame(60), tmp_path, budget=2, slots=0, limits=["size_kb<=0.001"])
    assert result.exit_code == 3
    assert "no model met the limits" in result.sentence
