"""TabICL through its real library, with weights that were drawn and never trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwright as mw
from modelwright.core.errors import InputError
from modelwright.families import load_fitted, searched
from modelwright.families.base import Examples, Inputs
from modelwright.families.tabicl import WEIGHTS, TabIcl
from modelwright.policy import RulePolicy
from modelwright.recipes.automl import plan_build
from modelwright.recipes.question import Question
from modelwright.testing import family as suite

SMALL: dict[str, Any] = {
    "embed_dim": 16, "col_num_blocks": 1, "col_nhead": 2, "col_num_inds": 8, "row_num_blocks": 1,
    "row_nhead": 2, "row_num_cls": 2, "icl_num_blocks": 1, "icl_nhead": 2, "zero_init": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch, tabicl = pytest.importorskip("torch"), pytest.importorskip("tabicl._model.tabicl")
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    for kind, classes in (("classifier", 10), ("regressor", 0)):
        config = {**SMALL, "max_classes": classes}
        model = tabicl.TabICL(**config)
        state = {"config": config, "state_dict": model.state_dict()}
        torch.save(state, folder / f"tabicl-{kind}-drawn.ckpt")
    return folder


@pytest.fixture
def named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(WEIGHTS, str(weights))
    return weights


def rows(n: int = 60) -> Inputs:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(n, 3))
    numbers[0, 0] = np.nan
    return Inputs.of(numbers, rng.integers(-1, 3, size=(n, 1)))


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_a_model_comes_back_as_it_was(named: Path, tmp_path: Path, n_classes: int) -> None:
    X = rows()
    y = np.arange(60) % n_classes if n_classes else X.numeric[:, 1] * 3 + 7
    task: Any = {0: "regression", 2: "binary", 3: "multiclass"}[n_classes]
    fitted = TabIcl(members=2).fit(Examples(X, y, task, n_classes), seed=3)
    out = fitted.predict(X)
    assert out.shape == ((60, n_classes) if n_classes else (60,))
    assert np.isfinite(out).all()
    if n_classes:
        assert np.allclose(out.sum(axis=1), 1, atol=1e-5)
    fitted.export(tmp_path / "m")
    assert np.array_equal(load_fitted(tmp_path / "m").predict(X), out)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_quantile_can_be_asked_for(named: Path) -> None:
    X = rows()
    asked = [
        Examples(X, X.numeric[:, 1], "regression", loss="quantile", quantile=q) for q in (0.1, 0.9)
    ]
    low, high = (TabIcl(members=1).fit(e).predict(X) for e in asked)
    assert (low <= high).all()


UNTRAINED = ("weights_matter", "beats_the_constant", "answers_alike_as_onnx")


@pytest.mark.parametrize(
    "check", [c for c in suite.CHECKS if c.__name__ not in UNTRAINED], ids=lambda c: c.__name__
)
def test_suite(named: Path, check: Any) -> None:
    check(lambda: TabIcl(members=1))


def test_other_weights_are_refused(
    named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = rows()
    TabIcl(members=1).fit(Examples(X, np.arange(60) % 2, "binary", 2)).export(tmp_path / "m")
    other = tmp_path / "tabicl-classifier-other.ckpt"
    other.write_bytes(b"other")
    monkeypatch.setenv(WEIGHTS, str(tmp_path))
    with pytest.raises(InputError, match="other weights"):
        load_fitted(tmp_path / "m").predict(X)


def test_a_search_tries_it_where_weights_are_named(named: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame(rows(80).numeric, columns=["a", "b", "c"])
    frame["y"] = np.where(frame["b"] > 0, "yes", "no")
    policy = RulePolicy(families=("TabIcl",))
    built = mw.build(
        frame, "y", budget="2trials", workspace=tmp_path, policy=policy, slots=0, student=False
    )
    assert built.shipped is not None
    model = built.model
    assert set(model.predict(frame.drop(columns="y"))) <= {"yes", "no"}
    assert model.contains_rows
    assert model.card["licences"] in ({"TabIcl": "BSD-3-Clause"}, {})


def test_bounds_and_missing_weights_are_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Examples(rows(), np.arange(60) % 2, "binary", 2)
    monkeypatch.delenv(WEIGHTS, raising=False)
    assert "TabIcl" not in searched()
    with pytest.raises(InputError, match="name their folder"):
        TabIcl().fit(toy)
    monkeypatch.setenv(WEIGHTS, str(tmp_path))
    assert "TabIcl" in searched()
    with pytest.raises(InputError, match="there is no tabicl-classifier"):
        TabIcl().fit(toy)
    wide = Examples(Inputs.of(np.zeros((60, 201))), np.arange(60) % 2, "binary", 2)
    with pytest.raises(InputError, match="up to 20000 rows of 200 columns"):
        TabIcl().fit(wide)


def test_a_table_too_large_for_it_says_so(named: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 201)))
    frame.columns = pd.Index([f"c{i}" for i in range(201)])
    frame["y"] = np.arange(60) % 2
    plan = plan_build(Question("<DataFrame>", "y"), frame, budget="60s", workspace=tmp_path)
    assert any("TabIcl takes up to 20000 rows" in note for note in plan.notes)
    assert "TabIcl" not in plan.arguments["families"]
