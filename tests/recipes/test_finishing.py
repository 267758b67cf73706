"""What a shipped model tells of its own sureness: intervals, sets, whom to ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwright as mw
from modelwright.core.errors import InputError
from modelwright.models import load_model
from modelwright.policy import RulePolicy
from modelwright.readers.report import report_html

FAST = RulePolicy("fast", families=("Linear",))


def rows(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    pay = 3 * x + (0.1 + x) * rng.normal(size=n)
    bad = np.where(x + 0.4 * rng.normal(size=n) > 0.6, "yes", "no")
    return pd.DataFrame({"x": x, "pay": pay, "bad": bad})


def build(where: Path, target: str, **more: Any) -> mw.BuildResult:
    other = {"pay": "bad", "bad": "pay"}[target]
    data = rows(400).drop(columns=other)
    result = mw.build(data, target, budget=1, workspace=where, policy=FAST, slots=0, **more)
    assert result.exit_code == 0, result.sentence
    return result


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    return build(tmp_path_factory.mktemp("numbers"), "pay")


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    costs = {"yes>no": 5.0, "no>yes": 1.0, "ask": 0.4}
    return build(tmp_path_factory.mktemp("classes"), "bad", costs=costs)


def test_intervals_hold_new_rows(numbers: mw.BuildResult) -> None:
    new = rows(3000, seed=1)
    ends = numbers.model.predict_interval(new, coverage=0.9)
    assert ends.shape == (3000, 2)
    held = (new["pay"] >= ends[:, 0]) & (new["pay"] <= ends[:, 1])
    assert held.mean() == pytest.approx(0.9, abs=0.04)
    wider = numbers.model.predict_interval(new, coverage=0.95)
    assert (wider[:, 1] - wider[:, 0] > ends[:, 1] - ends[:, 0]).all()
    one = numbers.model.predict_interval({"x": 0.5}, coverage=0.9)
    assert one.shape == (1, 2)
    told = numbers.model.card["coverage"]
    assert told["kind"] == "intervals"
    assert abs(told["levels"][1]["measured"] - 0.9) < 0.04
    with pytest.raises(InputError, match="ask for at most"):
        numbers.model.predict_interval(new, coverage=0.9999)
    with pytest.raises(InputError, match="between 0 and 1"):
        numbers.model.predict_interval(new, coverage=90)
    with pytest.raises(InputError, match="ask a model of numbers for intervals"):
        numbers.model.predict_set(new)


def test_sets_hold_new_rows(classes: mw.BuildResult) -> None:
    new = rows(3000, seed=1)
    for rule in ("least", "adaptive", "by_class"):
        sets = classes.model.predict_set(new, coverage=0.9, rule=rule)
        held = [label in found for label, found in zip(new["bad"], sets, strict=True)]
        assert np.mean(held) > 0.86
        assert all(found for found in sets)
    likeliest = classes.model.classes[classes.model.predict_proba(new).argmax(axis=1)]
    assert [found[0] for found in sets] == likeliest.tolist()
    with pytest.raises(InputError, match="a rule is least, adaptive, by_class"):
        classes.model.predict_set(new, rule="all")
    with pytest.raises(InputError, match="ask a model of classes for sets"):
        classes.model.predict_interval(new)


def test_the_cost_of_asking_decides_whom_to_ask(classes: mw.BuildResult) -> None:
    new, model = rows(3000, seed=1), classes.model
    told = model.card["abstention"]["ask"]
    answers = model.answer(new, "auto", coverage=0.9)
    assert 1 - answers.left.mean() == pytest.approx(told["answered"], abs=0.1)
    table = {("yes", "no"): 5.0, ("no", "yes"): 1.0}
    cost = [
        0.4 if left else table.get((true, said), 0.0)
        for true, said, left in zip(new["bad"], answers.values, answers.left, strict=True)
    ]
    everyone = [table.get(p, 0.0) for p in zip(new["bad"], answers.values, strict=True)]
    assert np.mean(cost) < np.mean(everyone) - 0.05
    assert answers.sets is not None
    assert answers.intervals is None
    low, high = model.card["threshold"]["low"], model.card["threshold"]["high"]
    assert low <= model.card["threshold"]["value"] <= high


def test_values_are_left_where_they_are_unsure(numbers: mw.BuildResult) -> None:
    new = rows(2000, seed=1)
    answers = numbers.model.answer(new, 0.7, coverage=0.9)
    assert answers.left.mean() == pytest.approx(0.3, abs=0.1)
    wide = answers.intervals[:, 1] - answers.intervals[:, 0]
    assert wide[answers.left].min() >= wide[~answers.left].max() - 1e-9
    with pytest.raises(InputError, match="what it costs to ask a person"):
        numbers.model.answer(new, "auto")


def test_ledger_and_report_tell_the_same(classes: mw.BuildResult, numbers: mw.BuildResult) -> None:
    facts = classes.record.ships[-1]["sure"]
    assert facts["coverage"] == json.loads(json.dumps(classes.model.card["coverage"]))
    for result, titles in (
        (classes, ("Sets of classes", "Leaving rows to a person", "The decision threshold")),
        (numbers, ("Intervals", "Leaving rows to a person")),
    ):
        text = report_html(result.run, result.record)
        assert all(f"<h2>{title}</h2>" in text for title in titles)


def test_the_look_at_sealed_rows_tells_how_many_were_held(tmp_path: Path) -> None:
    rows(300, seed=2).drop(columns="bad").to_csv(tmp_path / "test.csv", index=False)
    look = build(tmp_path, "pay", test=str(tmp_path / "test.csv")).record.looks[-1]
    assert look["held"] == pytest.approx(0.9, abs=0.06)
    assert f"90 % coverage held {look['held']:.1%} of them" in look["sentence"]


def test_what_asking_costs_goes_with_the_costs_of_errors(tmp_path: Path) -> None:
    data = rows(60).drop(columns="pay")
    with pytest.raises(InputError, match="goes with the costs of errors"):
        mw.build(data, "bad", budget=1, workspace=tmp_path, policy=FAST, costs={"ask": 1.0})


def test_a_model_of_an_earlier_version_says_that_it_cannot() -> None:
    fixture = Path(__file__).parents[1] / "models" / "fixtures" / "format1"
    model = load_model(fixture / "model")
    row = json.loads((fixture / "answers.json").read_text("utf-8"))["rows"][0]
    with pytest.raises(InputError, match="without calibrated intervals or sets"):
        model.predict_set(row)
