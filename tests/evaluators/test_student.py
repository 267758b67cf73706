from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.core.canonical import canonical
from modelwright.core.errors import InputError
from modelwright.core.trial import Candidate, Evidence, Trial
from modelwright.data import Question, prepare, read_table
from modelwright.evaluators import student_facts
from modelwright.evaluators.fit_and_score import FitAndScore, load
from modelwright.executors import FileStore, ToolBox
from modelwright.families import load_fitted
from modelwright.models.metrics import METRICS
from modelwright.models.pack import unpack
from modelwright.testing.evaluator import run_trial

TREE = {"type": "Tree", "leaves": 24}


class Place:
    """A prepared table, its evaluator, and a teacher that was tried on it."""

    def __init__(self, frame: pd.DataFrame, folder: Path, teacher: Mapping[str, Any]) -> None:
        target = frame.columns[-1]
        question = Question(target, seal=False)
        prepared = prepare(read_table(frame, target=target), question, folder)
        self.tools = ToolBox(prepared.dev, FileStore(folder / "store"))
        self.evaluator: FitAndScore = load(prepared.schema.task)
        self.metric = self.evaluator.metric
        self.taught_by = self.run(teacher)
        made = self.taught_by.artefacts
        self.told = {
            "oof": made["oof"],
            "folds": list(self.taught_by.folds[self.metric.name]),
            "members": [{"model": made["model"], "oof": made["oof"], "weight": 1.0}],
        }

    def run(self, document: Mapping[str, Any]) -> Evidence:
        trial = Trial(0, Candidate(canonical(document)), 0, 1.0, 1.0, seed=5)
        return run_trial(self.evaluator, trial, self.tools)[1]

    def document(self, **more: Any) -> dict[str, Any]:
        return {"type": "Student", "design": TREE, "teacher": self.told, "made": 4.0} | more

    def student(self, **more: Any) -> Evidence:
        return self.run(self.document(**more))


def waves(n: int = 450, noise: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (n, 3))
    town = rng.choice(["Ulm", "Bonn"], n)
    y = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + (town == "Ulm") + rng.normal(0, noise, n)
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "town": town, "y": y})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    teacher = {"type": "LightGbm", "leaves": 8}
    return Place(waves(), tmp_path_factory.mktemp("waves"), teacher)


def test_a_student_is_nearer_to_its_teacher_and_to_the_truth_than_its_control(place: Place) -> None:
    control = place.student(teach=False)
    compared = {"oof": control.artefacts["oof"], "folds": list(control.folds["rmse"])}
    student = place.student(control=compared)
    mine, plain = student.facts["student"], control.facts["student"]
    assert mine["fidelity"]["explained"] > plain["fidelity"]["explained"]
    assert student.scores["rmse"] < control.scores["rmse"]
    assert mine["gain"]["estimate"] == pytest.approx(
        control.scores["rmse"] - student.scores["rmse"]
    )
    lost = student.scores["rmse"] - place.taught_by.scores["rmse"]
    assert mine["lost"]["estimate"] == pytest.approx(lost)
    assert mine["lost"]["rows"][0] <= mine["lost"]["rows"][1]
    assert mine["n_made"] > 0 == plain["n_made"]
    assert mine["attribution"] is not None
    assert {"latency_ms", "size_kb", "r2"} <= set(student.scores)


def test_equal_documents_give_equal_students(place: Place) -> None:
    one, two = (place.student(made=1.0) for _ in range(2))
    assert one.artefacts == two.artefacts
    assert one.artefacts != place.student(made=1.0, seed=1).artefacts


def test_noise_is_not_learned_through_the_teacher(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(240, 3)), columns=["a", "b", "c"])
    frame["y"] = np.where(rng.random(240) < 0.5, "yes", "no")
    # A teacher that knows its rows by heart hands on whatever a fold should not see.
    place = Place(frame, tmp_path, {"type": "Forest", "trees": 50, "min_leaf": 1})
    assert abs(place.student().scores["roc_auc"] - 0.5) < 0.08


def test_the_final_fit_has_the_rounds_and_the_lesson_of_its_trial(
    place: Place, tmp_path: Path
) -> None:
    small = {"type": "LightGbm", "leaves": 4, "learning_rate": 0.3}
    document = place.document(design=small, rounds=16)
    trial = place.run(document)
    member = {"document": canonical(document), "weight": 1.0, "facts": dict(trial.facts)}
    refit = place.run({"type": "Refit", "rows": "all", "members": [member]})
    assert refit.facts["members"][0]["family"] == "LightGbm"
    name = refit.facts["members"][0]["artefact"]
    fitted = load_fitted(unpack(place.tools.store.path(name), tmp_path / "m"))
    assert fitted.rounds == trial.facts["rounds"] <= 16


def test_a_teacher_without_its_fold_models_is_refused(place: Place) -> None:
    oof = place.told["oof"]
    gone = {"oof": oof, "folds": [], "members": [{"model": None, "oof": oof, "weight": 1.0}]}
    trial = Trial(0, Candidate(canonical(place.document(teacher=gone))), 0, 1.0, 1.0, seed=5)
    with pytest.raises(InputError, match="fold models of the teacher were not kept"):
        list(place.evaluator.evaluate(trial, place.tools))


def test_time_bounds_the_made_rows(place: Place) -> None:
    hurried = place.student(made=400.0, max_rows=10**6, seconds=0.001).facts["student"]
    assert hurried["per_fold"] <= 500 < 400 * 300


def test_declared_directions_are_kept_by_the_student(tmp_path: Path) -> None:
    data = waves(200)
    place = Place(data, tmp_path, {"type": "LightGbm", "leaves": 4})
    place.evaluator = load("regression", monotone=[("a", 1)])
    found = place.student(made=1.0)
    folder = unpack(place.tools.store.path(found.artefacts["model"]), tmp_path / "m")
    fitted = load_fitted(folder / "fold0")
    from modelwright.families.base import Inputs

    grid = np.zeros((40, 3))
    grid[:, 0] = np.linspace(-2, 2, 40)
    out = fitted.predict(Inputs(grid, np.zeros((40, 1), np.int32), (3,)))
    assert np.diff(out).min() >= 0


def test_fidelity_and_calibration_have_their_known_values() -> None:
    sure, doubt = np.array([[1.0, 0.0], [0.0, 1.0]]), np.full((2, 2), 0.5)
    assert student_facts.fidelity(doubt, sure)["kl"] == pytest.approx(np.log(2), abs=1e-4)
    assert student_facts.fidelity(sure[:, ::-1], sure)["agreement"] == 0
    values = np.arange(4.0)[:, None]
    assert student_facts.fidelity(values, values)["explained"] == 1
    y = np.repeat([0, 1], [50, 50])
    half = np.full((100, 2), 0.5)
    assert student_facts.calibration_error(np.tile([0, 1], 50), half) == pytest.approx(0.0)
    sure_but_wrong = np.tile([0.0, 1.0], (100, 1))
    assert student_facts.calibration_error(y, sure_but_wrong) == pytest.approx(0.5)


def test_the_worst_group_is_found(place: Place) -> None:
    from modelwright.evaluators.table import load_table

    data = load_table(place.tools.data)
    rows = np.asarray(data.part.features.codes[:, 0]) == 1
    truth = np.tile(np.asarray(data.examples.y)[None, :, None], (data.validation.repeats, 1, 1))
    wrong = truth.astype(float)
    wrong[:, rows] += 9.0
    found = student_facts.worst_group(data.part, data.validation, METRICS["rmse"], wrong, truth)
    assert found is not None
    assert found["group"] == "town: value 2 of 2"
    assert found["score"] == pytest.approx(9.0)
    assert found["teacher"] == pytest.approx(0.0)
    assert "Ulm" not in json.dumps(found)
