"""The scikit-learn estimators: the whole suite of checks, and real use."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelwright import ModelwrightClassifier, ModelwrightRegressor
from modelwright.core.errors import NoModelError
from modelwright.recipes.rows_in import LabelledFrame

# Each fit of the suite is one trial of one family: it is the door that is checked, not the search.
SUITE = """
import json, modelwright
from sklearn.utils.estimator_checks import check_estimator

found = {}
for name in ("ModelwrightClassifier", "ModelwrightRegressor"):
    estimator = getattr(modelwright, name)(budget=1, families=("Linear",))
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    found[name] = {r["check_name"] + str(i): r["status"] for i, r in enumerate(results)}
print(json.dumps(found))
"""
QUICK: dict[str, Any] = {"budget": "1trials", "families": ("Linear",)}


@pytest.fixture(scope="module")
def cancer() -> Any:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    labels = np.where(y == 1, "benign", "malignant")
    return train_test_split(X.iloc[:, :8], labels, train_size=200, random_state=0)


def test_every_check_of_scikit_learn_passes() -> None:
    # The array API is read from the environment when SciPy is imported: hence a new process.
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SUITE], capture_output=True, text=True, env=environment, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    failed = [(n, c, s) for n, checks in found.items() for c, s in checks.items() if s != "passed"]
    assert not failed
    assert {name: len(checks) for name, checks in found.items()} == {
        "ModelwrightClassifier": 61,
        "ModelwrightRegressor": 58,
    }


def test_finds_a_good_classifier_within_twenty_trials(cancer: Any) -> None:
    X, X_new, y, y_new = cancer
    model = ModelwrightClassifier(budget="20trials", families=("KNearest",)).fit(X, y)
    assert model.score(X_new, y_new) > 0.88
    assert model.classes_.tolist() == ["benign", "malignant"]
    shares = model.predict_proba(X_new)
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares[:, 1] > 0.5).mean() == pytest.approx(
        (model.predict(X_new) == "malignant").mean()
    )
    assert len(model.leaderboard_) > 20
    assert list(model.feature_names_in_) == list(X.columns)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301  (what scikit-learn's users do)
    assert np.array_equal(again.predict_proba(X_new), shares)


def test_finds_a_good_regressor_within_twenty_trials() -> None:
    X, y = load_diabetes(return_X_y=True)
    X, X_new, y, y_new = train_test_split(X, y, train_size=200, random_state=0)
    model = ModelwrightRegressor(budget="20trials", families=("KNearest",)).fit(X, y)
    assert model.score(X_new, y_new) > 0.3
    first, same = (ModelwrightRegressor(**QUICK).fit(X, y) for _ in range(2))
    assert np.array_equal(same.predict(X_new), first.predict(X_new))


def test_works_inside_the_tools_of_scikit_learn(cancer: Any) -> None:
    X, _, y, _ = cancer
    X, y = X.iloc[:150, :3], y[:150]
    chain = make_pipeline(StandardScaler(), ModelwrightClassifier(**QUICK))
    assert cross_val_score(chain, X, y, cv=2).mean() > 0.85
    grid = GridSearchCV(ModelwrightClassifier(**QUICK), {"metric": ["roc_auc", "accuracy"]}, cv=2)
    assert grid.fit(X, y).best_params_["metric"] in ("roc_auc", "accuracy")
    assert grid.predict(X).shape == (150,)


def test_takes_frames_with_texts_gaps_and_dates() -> None:
    rng = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {
            "colour": rng.choice(["red", "green", "blue"], n),
            "size": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, n), "D"),
        }
    )
    y = (frame["colour"] == "red").to_numpy()
    model = ModelwrightClassifier(**QUICK).fit(frame, y)
    assert model.classes_.tolist() == [False, True]
    assert model.score(frame[["colour", "size", "day"]], y) > 0.99
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"size": "length"}))


def test_groups_stay_together_and_weights_count(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), 10)
    X = rng.normal(size=(200, 3)) + groups[:, None]
    model = ModelwrightRegressor(**QUICK, workspace=tmp_path)
    model.fit(X, X[:, 0], groups=groups)
    assert any("one group stay together" in note for note in model.notes_)
    assert model.run_ is not None
    assert (model.run_ / "model" / "model.json").exists()
    heavy = np.where(np.arange(200) < 100, 1000.0, 1e-3)
    y = np.where(np.arange(200) < 100, 1.0, 5.0) + 0.01 * rng.normal(size=200)
    near = ModelwrightRegressor(**QUICK).fit(rng.normal(size=(200, 2)), y, sample_weight=heavy)
    assert abs(near.predict(np.zeros((1, 2)))[0] - 1.0) < 0.2


def test_rows_that_are_alike_are_joined() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 1.0, np.nan, np.nan, 3.0], "y": [0, 1, 0, 1, 1, 1]})
    weights = np.array([1.0, 1.0, 2.0, 1.0, 1.0, 0.0])
    joined = LabelledFrame(frame, "y", {}, weights).joined()
    found = sorted(zip(joined.frame["x"].fillna(-1), joined.weights, strict=True))  # type: ignore[arg-type]
    assert found == [(-1.0, 2.0), (1.0, 3.0), (2.0, 1.0)]


def test_says_what_is_wrong(cancer: Any) -> None:
    X, _, y, _ = cancer
    with pytest.raises(ValueError, match="roc_auc"):
        ModelwrightClassifier(**QUICK, metric="roc_acu").fit(X, y)
    with pytest.raises(NoModelError, match="no model met the limits"):
        ModelwrightClassifier(**QUICK, limits=("size_kb<=0.001",)).fit(X[:100], y[:100])
    with pytest.raises(ValueError, match="groups has shape"):
        ModelwrightClassifier(**QUICK).fit(X, y, groups=[1, 2])
