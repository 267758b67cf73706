from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.linear_model import LogisticRegression

from modelwright.families import load_fitted
from modelwright.families.base import Examples, Family, Inputs
from modelwright.families.lightgbm import LightGbm
from modelwright.families.linear import Linear
from modelwright.families.mitigated import Mixture, Reduced, Reweighed, reweighed
from modelwright.families.onnx_graph import predict_by_onnx
from modelwright.families.pipeline import fit_design

SMALL = LightGbm(learning_rate=0.2, leaves=8)


def people(n: int = 1500) -> Examples:
    """A group that is not an input, and a column that tells most of it."""
    rng = np.random.default_rng(11)
    group = rng.integers(0, 2, n)
    merit, proxy = rng.normal(size=n), group + rng.normal(0, 0.4, n)
    y = (merit + 1.2 * group + rng.normal(0, 0.7, n) > 0.6).astype(np.int64)
    X = Inputs.of(np.column_stack([merit, proxy]))
    return Examples(X, y, "binary", 2, groups=group[:, None])


def test_reweighed_rows_have_labels_that_no_group_tells() -> None:
    toy = people()
    assert toy.groups is not None
    w, group = reweighed(toy, 1.0).weight, toy.groups[:, 0]
    shares = [np.average(toy.y[group == g], weights=w[group == g]) for g in (0, 1)]
    assert shares == pytest.approx([toy.y.mean()] * 2)
    assert w.sum() == pytest.approx(len(w))


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # of fairlearn
def test_reduced_closes_the_gap_as_fairlearn_does() -> None:
    toy = people()
    assert toy.groups is not None
    group = toy.groups[:, 0]
    theirs = ExponentiatedGradient(LogisticRegression(), DemographicParity(), max_iter=5)
    theirs.fit(toy.X.numeric, toy.y, sensitive_features=group)

    def told(labels: np.ndarray) -> tuple[float, float]:
        gap = demographic_parity_difference(toy.y, labels, sensitive_features=group)
        return float(gap), float((labels == toy.y).mean())

    gaps = {}
    designs: dict[str, Family] = {"plain": Linear(), "ours": Reduced(Linear())}
    for name, design in designs.items():
        fitted = fit_design(design, toy)
        gaps[name] = told((fitted.predict(toy.X)[:, 1] >= 0.5).astype(int))
    gaps["theirs"] = told(theirs.predict(toy.X.numeric, random_state=0))
    assert gaps["ours"][0] < gaps["plain"][0] / 2
    assert gaps["ours"][0] < gaps["theirs"][0] + 0.05
    assert gaps["ours"][1] > gaps["theirs"][1] - 0.03  # and it does not pay more accuracy for it
    odds = fit_design(Reduced(Linear(), "equalized_odds"), toy).predict(toy.X)[:, 1] >= 0.5
    plain = fit_design(Linear(), toy).predict(toy.X)[:, 1] >= 0.5
    left, before = (
        equalized_odds_difference(toy.y, labels, sensitive_features=group)
        for labels in (odds, plain)
    )
    assert left < before / 2


def test_a_mixture_travels_is_cut_and_is_written_as_onnx(tmp_path: Path) -> None:
    toy = people(400)
    fitted = fit_design(Reduced(SMALL, fits=4), toy, rounds=12)
    again = fit_design(Reduced(SMALL, fits=4), toy, rounds=12)
    out = fitted.predict(toy.X)
    assert np.array_equal(out, again.predict(toy.X))
    assert isinstance(fitted, Mixture)
    assert fitted.rounds == 12
    assert fitted.with_rounds(5).rounds == 5
    tmp_path.joinpath("m").mkdir()
    fitted.export(tmp_path / "m")
    assert np.array_equal(load_fitted(tmp_path / "m").predict(toy.X), out)
    assert predict_by_onnx(fitted, toy.X) == pytest.approx(out, abs=1e-9)


def test_without_groups_they_are_the_plain_design() -> None:
    toy = people(300)
    bare = Examples(toy.X, toy.y, "binary", 2)
    plain = SMALL.fit(bare, rounds=5).predict(toy.X)
    for design in (Reweighed(SMALL), Reduced(SMALL)):
        assert np.array_equal(design.fit(bare, rounds=5).predict(toy.X), plain)


def test_numbers_make_groups_with_large_errors_heavier() -> None:
    rng = np.random.default_rng(5)
    group = (np.arange(600) % 6 == 0).astype(int)  # a sixth, for which the line goes down
    x = rng.normal(size=600)
    toy = Examples(Inputs.of(x[:, None]), np.where(group == 0, x, -x), "regression",
                   groups=group[:, None])  # fmt: skip

    def worst(design: Linear | Reduced) -> float:
        error = np.abs(fit_design(design, toy).predict(toy.X) - toy.y)
        return float(error[group == 1].mean())

    assert worst(Reduced(Linear(), strength=0.3)) < 0.8 * worst(Linear())
