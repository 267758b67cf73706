from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwright as mw
from modelwright.apps.inspecting import write_report
from modelwright.core.errors import InputError
from modelwright.core.problem import Budget, Goal
from modelwright.core.view import Brief, View
from modelwright.models import load_model, verify_bundle
from modelwright.policy import RulePolicy
from modelwright.recipes.automl import plan_build
from modelwright.recipes.closing import BlendAndRefit
from modelwright.recipes.question import Question
from modelwright.recipes.students import Students

FAST = RulePolicy("fast", families=("KNearest", "Tree"))  # what fits in a blink


def frame(n: int = 1000) -> pd.DataFrame:
    """From 1,000 rows a trial is 5 fits; below it is 15."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    y = np.where(x[:, 0] + 0.5 * x[:, 1] + 0.6 * rng.normal(size=n) > 0, "yes", "no")
    return pd.DataFrame({"x": x[:, 0], "z": x[:, 1], "w": x[:, 2], "y": y})


def build(where: Path, **more: Any) -> mw.BuildResult:
    options: dict[str, Any] = {"budget": 20, "workspace": where, "policy": FAST, "slots": 0}
    return mw.build(frame(), "y", **(options | more))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    return build(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def taught(built: mw.BuildResult, tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    """A build whose students learn from the model that another one shipped."""
    return build(tmp_path_factory.mktemp("taught"), teacher=mine(built))


def mine(built: mw.BuildResult) -> str:
    return str(built.run.path / "model" / "model.onnx")


def test_the_best_student_lies_beside_the_winner(built: mw.BuildResult) -> None:
    assert built.shipped is not None
    assert built.student is not None
    assert built.student.path.name == "student"
    assert built.student.candidate != built.shipped.candidate
    assert verify_bundle(built.student.path) == []
    rows = frame().drop(columns="y")
    hits = np.mean(load_model(built.student.path).predict(rows) == frame()["y"])
    assert hits > 0.75


def test_each_student_has_a_control_that_came_before(built: mw.BuildResult) -> None:
    told = [
        json.loads(o.trial.candidate.document)
        for o in built.record.view.finished
        if o.trial.role == "student"
    ]
    assert [d["teach"] for d in told].count(True) == [d["teach"] for d in told].count(False) > 0
    for i, document in enumerate(told):
        if document["teach"]:
            assert any(d["design"] == document["design"] and not d["teach"] for d in told[:i])


def test_without_limits_a_student_never_replaces_the_winner(built: mw.BuildResult) -> None:
    for outcome in built.record.view.finished:
        if outcome.trial.role == "student":
            assert built.record.view.verdicts[outcome.trial.number].word == "hold"


def test_the_facts_of_students_are_in_json_and_report(built: mw.BuildResult) -> None:
    facts = built.to_json()
    assert facts["student"] == str(built.student and built.student.path)
    row = facts["students"][0]
    told = (Path(__file__).parents[2] / "docs" / "json.md").read_text("utf-8")
    table = told.split("## `modelwright.student/1`")[1].split("\n## ")[0]
    assert set(row) == set(re.findall(r"^\| `(\w+)` \|", table, re.M))
    assert row["lost"]["estimate"] == pytest.approx(row["teacher_score"] - row["score"])
    assert row["gain"]["estimate"] == pytest.approx(row["score"] - row["control_score"])
    assert 0 < row["kept"] < 1.2
    write_report(built.run, built.record)
    text = built.report().read_text("utf-8")
    assert "<h2>Students</h2>" in text
    assert "fidelity to the teacher" in text


def test_nobody_is_taught_where_nobody_wants_it(tmp_path: Path) -> None:
    for wanted in (True, False):
        question = Question("<DataFrame>", "y", student=wanted)
        plan = plan_build(question, frame(), budget="60s", workspace=tmp_path, policy=FAST)
        assert isinstance(plan.study.closing, BlendAndRefit)
        assert (plan.study.closing.students is not None) == wanted


def test_a_student_may_be_what_meets_the_limits(tmp_path: Path) -> None:
    result = build(tmp_path, limits=["size_kb<=1000"])
    roles = [o.trial.role for o in result.record.view.finished]
    assert "student" in roles
    assert roles.index("student") < roles.index("refit")
    assert result.exit_code == 0


def test_a_model_of_the_person_teaches_where_it_is_named(
    built: mw.BuildResult, taught: mw.BuildResult
) -> None:
    view = taught.record.view
    teacher = next(o for o in view.finished if o.trial.by == "teacher")
    assert view.verdicts[teacher.trial.number].word == "hold"
    told = [
        (o, json.loads(o.trial.candidate.document))
        for o in view.finished
        if o.trial.role == "student"
    ]
    assert {document["teacher"]["source"] for _, document in told} == {mine(built)}
    lessons = [o for o, document in told if document["teach"]]
    assert lessons
    assert all(o.evidence.facts["student"]["teacher_may_have_seen_rows"] for o in lessons)
    assert taught.shipped is not None
    assert taught.shipped.candidate != teacher.trial.candidate.id
    assert taught.student is not None


def test_a_student_of_a_named_teacher_may_win_and_its_doubt_is_told(
    built: mw.BuildResult, tmp_path: Path
) -> None:
    view = build(tmp_path, teacher=mine(built), limits=["size_kb<=1000"]).record.view
    told = [
        view.verdicts[o.trial.number]
        for o in view.finished
        if o.evidence.facts.get("student", {}).get("teacher_may_have_seen_rows")
    ]
    assert told
    assert all(verdict.word != "hold" for verdict in told)
    assert all("may have seen" in verdict.doubts[0] for verdict in told)


def test_a_file_of_predictions_cannot_teach(tmp_path: Path) -> None:
    table = frame(120)
    table.insert(0, "id", [f"r{i}" for i in range(len(table))])
    told = pd.DataFrame({"id": table["id"], "no": 0.4, "yes": 0.6})
    told.to_csv(tmp_path / "mine.csv", index=False)
    question = Question("<DataFrame>", "y", teacher=str(tmp_path / "mine.csv"))
    with pytest.raises(InputError, match="a model that can be asked"):
        plan_build(question, table, budget="60s", workspace=tmp_path / "runs", policy=FAST)


def test_what_a_teacher_may_have_seen_is_told(
    built: mw.BuildResult, taught: mw.BuildResult
) -> None:
    assert taught.to_json()["students"][0]["teacher_may_have_seen_rows"]
    assert not built.to_json()["students"][0]["teacher_may_have_seen_rows"]
    write_report(taught.run, taught.record)
    assert "may have seen the rows" in taught.report().read_text("utf-8")


@pytest.mark.parametrize(
    ("more", "words"),
    [({"student": False}, "--no-student"), ({"baseline": "mine.onnx"}, "leave --baseline out")],
)
def test_a_teacher_without_sense_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Question("a.csv", "y", teacher="mine.onnx", **more)


def test_a_short_budget_teaches_nobody_and_says_why() -> None:
    view = View(Brief(None, (Goal("rmse", "minimise"),)), Budget(seconds=10))
    students = Students(("Linear",))
    assert "a budget of 20 s" in students.why_none(view)
    assert students.seconds(view) == 0
    assert students.seconds(View(view.brief, Budget(seconds=100))) == pytest.approx(15)
    assert "no small design" in Students(()).why_none(View(view.brief, Budget(seconds=100)))
