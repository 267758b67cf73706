"""Explanations of a real build, and questions before one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwright as mw
from modelwright.core.errors import InputError
from modelwright.policy import RulePolicy
from modelwright.readers.explained import (
    explained_lines,
    explained_sections,
    present_explanation,
    read_explanation,
)
from modelwright.readers.question_page import question_lines, question_page
from modelwright.readers.report import report_html
from modelwright.readers.runs import RunFolder
from modelwright.recipes.explaining import explain_quickly, explain_winner
from modelwright.recipes.question import Question
from modelwright.recipes.questioning import question_facts

FAST = RulePolicy("fast", families=("Linear",))


def frame(n: int = 240, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    y = np.where(x[:, 0] + 0.3 * rng.normal(size=n) > 0, "yes", "no")
    group = rng.choice(["a", "b", "c"], n)
    return pd.DataFrame({"x": x[:, 0], "z": x[:, 1], "w": x[:, 2], "group": group, "y": y})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    where = tmp_path_factory.mktemp("runs")
    return mw.build(frame(), "y", budget=3, workspace=where, policy=FAST, slots=0)


@pytest.fixture(scope="module")
def facts(built: mw.BuildResult) -> dict[str, Any]:
    found = explain_winner(built.run, built.record, seconds=60)
    assert found is not None
    return found


def test_a_full_explanation_has_all_parts_and_names_what_matters(facts: dict[str, Any]) -> None:
    assert facts["skipped"] == []
    assert facts["importance"]["single"][0]["columns"] == ["x"]
    assert facts["importance"]["single"][0]["low"] > 0
    assert facts["importance"]["n_folds"] > 1
    assert facts["dependence"][0]["column"] == "x"
    assert facts["learning"]["rows"] == sorted(facts["learning"]["rows"])
    assert facts["learning"]["sentence"]
    assert facts["groups"]["looked"] > 10
    json.dumps(facts, allow_nan=False)


def test_row_numbers_are_told_and_never_their_values(
    built: mw.BuildResult, facts: dict[str, Any]
) -> None:
    text = (built.run.path / "explanation.json").read_text("utf-8")
    data = frame()
    told = {round(float(v), 6) for v in re.findall(r"-?\d+\.\d{6,}", text)}
    inner = data["x"].sort_values().round(6).tolist()[20:-20]
    assert len(told & set(inner)) < 5
    assert all(1 <= row <= len(data) for row in facts["doubtful"]["rows"])


def test_it_is_kept_and_drawn(built: mw.BuildResult, facts: dict[str, Any]) -> None:
    assert read_explanation(built.run, facts["candidate"]) == facts
    assert read_explanation(built.run, "another") is None
    quick = explain_quickly(built.run, built.record, 2.0)
    assert quick is not None
    assert quick["full"]  # a full one is not thrown away for a quick one
    drawn = explained_sections(built.run, built.record)
    for title in ("What the model looks at", "How the answer changes", "Would more data help?",
                  "Where the model does worst", "Labels that look wrong",
                  "What the data hardly cover", "Which design choices mattered"):  # fmt: skip
        assert title in drawn
    assert drawn in report_html(built.run, built.record)
    lines = explained_lines(built.run, built.record)
    assert any("x: " in line for line in lines)
    assert any("not told, " in line and "needed" in line for line in lines)


def test_an_explanation_of_another_winner_is_not_drawn(
    built: mw.BuildResult, facts: dict[str, Any], tmp_path: Path
) -> None:
    stale = RunFolder(tmp_path)
    (tmp_path / "explanation.json").write_text(json.dumps(facts | {"candidate": "another"}))
    assert "How the answer changes" not in explained_sections(stale, built.record)
    assert "Not computed yet: importance" in explained_sections(stale, built.record)
    assert not any("x: " in line for line in explained_lines(stale, built.record))
    assert present_explanation(built.run, built.record) == facts


def test_rows_that_were_dropped_are_not_counted_and_that_is_told(
    built: mw.BuildResult, facts: dict[str, Any], tmp_path: Path
) -> None:
    assert facts["rows_dropped"] is False
    data = frame(160)
    data.loc[:3, "y"] = None
    data.loc[4:9, "y"] = np.where(data.loc[4:9, "y"] == "yes", "no", "yes")
    other = mw.build(data, "y", budget=2, workspace=tmp_path, policy=FAST, slots=0)
    found = explain_winner(other.run, other.record, seconds=30.0, full=False)
    assert found is not None
    assert found["rows_dropped"] is True
    told = "\n".join(explained_lines(other.run, other.record))
    assert "counted without the rows that were dropped" in told
    assert "the first row is 1" not in told


def test_without_time_the_parts_are_named_as_missing(built: mw.BuildResult, tmp_path: Path) -> None:
    other = mw.build(frame(120), "y", budget=2, workspace=tmp_path, policy=FAST, slots=0)
    found = explain_winner(other.run, other.record, seconds=0.0, full=False)
    assert found is not None
    assert "importance of columns" in found["skipped"]
    assert "explain" in explained_sections(other.run, other.record)


def test_a_run_without_its_data_is_refused(tmp_path: Path) -> None:
    import shutil

    other = mw.build(frame(120), "y", budget=2, workspace=tmp_path, policy=FAST, slots=0)
    shutil.rmtree(other.run.path / "data")
    with pytest.raises(InputError, match="lost its data"):
        explain_winner(other.run, other.record)
    assert explain_quickly(other.run, other.record, 1.0) is None
    assert "lost its data" in explained_sections(other.run, other.record)


def test_the_shipped_model_explains_its_answers(built: mw.BuildResult) -> None:
    rows = frame(5, seed=3).drop(columns="y")
    for told in built.model.explain(rows):
        assert told.gap < 1e-6
        assert told.parts[0][0] == "x"
    assert set(built.model.card["background"]) == {"x", "z", "w", "group"}


def points(data: pd.DataFrame, where: Path, protect: tuple[str, ...] = (), **more: Any) -> Any:
    path = where / "data.csv"
    data.to_csv(path, index=False)
    return question_facts(Question(str(path), "y", **more), "60s", protect)


def about(facts: Any, topic: str) -> list[dict[str, str]]:
    return [p for p in facts["points"] if p["topic"] == topic]


def test_an_honest_question_has_no_warning(tmp_path: Path) -> None:
    found = points(frame(1200), tmp_path)
    assert [p for p in found["points"] if p["level"] == "warning"] == []
    assert "roc_auc 0.5" in about(found, "trivial model")[0]["sentence"]
    assert about(found, "simple model")
    assert about(found, "budget")


def test_a_bad_question_is_questioned(tmp_path: Path) -> None:
    data = frame(600)
    rng = np.random.default_rng(0)
    data["y"] = np.where(data["x"] > 1.9, "yes", "no")
    data["told"] = (data["y"] == "yes") * 5 + rng.normal(size=600) * 0.1
    data["sex"] = rng.choice(["f", "m"], 600)
    data["job"] = np.where(rng.random(600) < 0.9, data["sex"] + "1", "other")
    data["when"] = pd.date_range("2024-01-01", periods=600, freq="D")[rng.permutation(600)]
    data["customer"] = rng.integers(0, 150, 600)
    data["customer"] = "c" + data["customer"].astype(str)
    found = points(data, tmp_path, ("sex",), metric="accuracy")
    levels = {(p["topic"], p["level"]) for p in found["points"]}
    assert ("metric", "warning") in levels
    assert ("imbalance", "warning") in levels
    assert ("suspicious columns", "warning") in levels
    assert ("protected columns", "warning") in levels
    assert ("time", "hint") in levels
    assert "'job'" in about(found, "protected columns")[0]["sentence"]
    assert any("--group customer" in p["sentence"] for p in about(found, "groups"))
    page, lines = question_page(found), question_lines(found)
    assert "Think again before you build" in page
    assert not re.search(r"https?://|<script", page)
    assert all(p["sentence"] in "\n".join(lines) for p in found["points"])
    assert found["points"][0]["level"] == "warning"


def test_rows_without_a_date_are_in_no_quarter(tmp_path: Path) -> None:
    data = frame(400)
    data["when"] = pd.date_range("2024-01-01", periods=400, freq="D")
    data["y"] = np.where(np.arange(400) < 200, "no", "yes")
    data.loc[350:, ["when", "y"]] = [None, "no"]  # once the last quarter was half of these
    (point,) = about(points(data, tmp_path), "time")
    assert "'yes': 0.0% of the first quarter, 100.0% of the last" in point["sentence"]
    data.loc[7:, "when"] = None
    assert about(points(data, tmp_path, metric="accuracy"), "time") == []


def test_an_unknown_protected_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column to protect"):
        points(frame(100), tmp_path, ("gender",))


def test_a_plan_names_a_leak(tmp_path: Path) -> None:
    data = frame(300)
    data["told"] = (data["y"] == "yes") * 5 + np.random.default_rng(0).normal(size=300) * 0.1
    result = mw.build(data, "y", budget=1, workspace=tmp_path, policy=FAST, slots=0)
    assert any("'told' alone orders the two classes" in note for note in result.notes)
