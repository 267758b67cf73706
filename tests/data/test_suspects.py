"""Suspicious columns: planted faults are found, honest tables are left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from modelwright.data import read_table, read_target
from modelwright.data.strength import binned, strength
from modelwright.data.suspects import Suspect, suspects


def doubts(frame: pd.DataFrame, target: str = "y") -> list[Suspect]:
    table = read_table(frame, target)
    return suspects(table, read_target(table, target))


def named(found: list[Suspect], kind: str) -> list[str]:
    return [s.column for s in found if s.kind == kind]


def honest(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    y = np.where(x[:, 0] + rng.normal(size=n) > 0, "yes", "no")
    return pd.DataFrame({"x": x[:, 0], "z": x[:, 1], "kind": rng.choice(list("abc"), n), "y": y})


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "iris", "diabetes", "digits"])
def test_honest_sets_raise_no_warning(name: str) -> None:
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    assert [s for s in doubts(frame, "target") if s.warning] == []


def test_an_honest_column_is_not_doubted() -> None:
    assert doubts(honest()) == []


def test_a_nearly_exact_copy_of_the_target_is_a_leak() -> None:
    frame = honest()
    rng = np.random.default_rng(1)
    frame["closed"] = (frame["y"] == "yes") * 10 + rng.normal(size=len(frame))
    found = doubts(frame)
    assert named(found, "leak") == ["closed"]
    assert found[0].warning
    assert "'closed' alone orders the two classes of 'y'" in found[0].sentence


def test_a_category_that_hardly_recurs_is_no_leak() -> None:
    frame = honest()
    frame["name"] = [f"n{i // 2}" for i in range(len(frame))]
    assert named(doubts(frame), "leak") == []


@pytest.mark.parametrize("formula", ["line", "curve", "noisy"])
def test_a_target_that_is_a_formula_of_a_column(formula: str) -> None:
    rng = np.random.default_rng(2)
    y = rng.lognormal(size=300)
    other = {"line": 3 * y + 1, "curve": np.log(y), "noisy": y + rng.normal(size=300) * 0.5}
    frame = pd.DataFrame({"gross": other[formula], "x": rng.normal(size=300), "y": y})
    found = doubts(frame)
    assert named(found, "derived") == ([] if formula == "noisy" else ["gross"])


def test_gaps_that_tell_the_target() -> None:
    frame = honest()
    rng = np.random.default_rng(3)
    frame["reason"] = np.where(frame["y"] == "yes", rng.normal(size=len(frame)), np.nan)
    frame["some"] = np.where(
        (frame["y"] == "yes") & (rng.random(400) < 0.4), 1.0 * rng.normal(size=400), np.nan
    )
    frame["random"] = np.where(rng.random(len(frame)) < 0.5, 1.0 * rng.normal(size=400), np.nan)
    found = doubts(frame)
    assert set(named(found, "missing tells")) == {"reason", "some"}
    warned = {s.column for s in found if s.warning}
    assert "reason" in warned
    assert not {"some", "random"} & warned


def test_copies_ids_constants_and_nearly_constants() -> None:
    frame = honest()
    frame["letter"] = frame["kind"].map({"a": "alpha", "b": "beta", "c": "gamma"})
    frame["x10"] = frame["x"] * 10
    frame["stamp"] = np.arange(len(frame)) * 7 + 1000
    frame["same"] = "one"
    frame["almost"] = np.where(np.arange(len(frame)) == 5, 1.0, 0.0)
    found = doubts(frame)
    assert named(found, "duplicate") == ["letter", "x10"]
    assert named(found, "id") == ["stamp"]
    assert named(found, "constant") == ["same"]
    assert named(found, "near constant") == ["almost"]
    assert not any(s.warning for s in found)


def test_strength_is_of_unseen_rows() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 600)
    everything = strength(np.arange(600), y, 2)
    assert everything.skill < 0.05
    assert everything.auc is not None
    assert abs(everything.auc - 0.5) < 0.1
    x = rng.normal(size=600)
    assert strength(binned(x), 2 * x + 1, 0).skill > 0.97
    assert strength(binned(x), rng.normal(size=600), 0).skill < 0.05
    mostly_zero = np.where(rng.random(600) < 0.97, 0.0, x)
    assert len(np.unique(binned(mostly_zero))) > 2
