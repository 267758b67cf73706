from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as theirs

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.data.columns import ColumnInfo
from modelwright.data.protected import (
    Attribute,
    Protected,
    attributes_of,
    cells_of,
    joint_cells,
    parse_protected,
    protected_of,
)
from modelwright.models.decision import Decision
from modelwright.models.fairness import gap_scores, row_values
from modelwright.models.fairness_intervals import Resamples, group_report
from modelwright.models.group_thresholds import Equalise, GroupThresholds
from modelwright.models.metrics import METRICS, score_predictions


def answers(n: int = 1200, seed: int = 3) -> dict[str, np.ndarray]:
    """Three groups, of which the last has few rows; shares that favour the first."""
    rng = np.random.default_rng(seed)
    group = np.concatenate([rng.integers(0, 2, n - 20), np.full(20, 2)])
    y = (rng.random(n) < np.where(group == 0, 0.6, 0.35)).astype(np.int64)
    p = np.clip(0.25 + 0.4 * y + 0.1 * (group == 0) + rng.normal(0, 0.15, n), 0.01, 0.99)
    return {"group": group, "y": y, "p": p, "w": rng.uniform(0.5, 2.0, n)}


@pytest.mark.parametrize("weighted", [False, True])
def test_gaps_are_those_of_fairlearn(weighted: bool) -> None:
    a = answers()
    y, group, labels = a["y"], a["group"], (a["p"] >= 0.5).astype(np.int64)
    w = a["w"] if weighted else None
    shares = np.column_stack([1 - a["p"], a["p"]])[None]
    sex = Attribute("sex", ("f", "m", "x"), group)
    scores, noise = gap_scores(row_values("binary", y, shares, labels[None]), [sex], w)

    large = group < 2  # the third has 20 rows and is suppressed
    told: dict[str, Any] = {
        "y_true": y[large],
        "y_pred": labels[large],
        "sensitive_features": group[large],
    }
    told |= {"sample_weight": None if w is None else w[large]}
    expected = {
        "selection_rate_gap": theirs.demographic_parity_difference(**told),
        "selection_rate_ratio": theirs.demographic_parity_ratio(**told),
        "equalized_odds_gap": theirs.equalized_odds_difference(**told),
        "tpr_gap": theirs.equal_opportunity_difference(**told),
    }
    assert {n: scores[n] for n in expected} == pytest.approx(expected, abs=1e-12)
    drawn = []  # the standard error, against a plain bootstrap
    rng = np.random.default_rng(0)
    for _ in range(200):
        rows = rng.integers(0, len(y), len(y))
        rates = [
            np.average(labels[rows][m], weights=None if w is None else w[rows][m])
            for m in (group[rows] == 0, group[rows] == 1)
        ]
        drawn.append(rates[0] - rates[1])
    assert noise["selection_rate_gap"] == pytest.approx(np.std(drawn), rel=0.15)


def test_values_have_gaps_of_errors_and_repeats_count_once() -> None:
    cells = np.repeat([0, 1], 60)
    y = np.zeros(120)
    out = np.where(cells == 0, 1.0, -3.0) * np.ones((2, 120))
    out[1, ::2] = np.nan
    found, _ = gap_scores(
        row_values("regression", y, out[:, :, None], None), [Attribute("a", ("p", "q"), cells)]
    )
    assert found == {"mean_error_gap": 4.0, "mae_gap": 2.0, "worst_group_mae": 3.0}


def test_groups_of_numbers_are_cut_and_pairs_are_attributes() -> None:
    frame = pd.DataFrame({"age": ["18", "25", "70", ""], "sex": ["f", "m", "f", "d"]})
    age, note = protected_of(ColumnInfo("age", "numeric"), frame, (25.0, 60.0))
    sex = Protected(ColumnInfo("sex", "categorical", categories=("f", "m")))
    assert "under 25, 25 to under 60, 60 and over" in note
    cells = cells_of((age, sex), frame)
    assert cells.tolist() == [[0, 0], [1, 1], [2, 0], [3, 2]]
    words = [a.words for a in attributes_of((age, sex), cells)]
    assert words == ["age", "sex", "age and sex"]
    pair = list(attributes_of((age, sex), cells))[2]
    assert pair.names[pair.cells[1]] == "25 to under 60, m"
    assert parse_protected("a:b") == ("a:b", ())
    with pytest.raises(InputError, match="rising numbers"):
        parse_protected("age:60,25")


def test_thresholds_per_group_equalise_what_they_aim_at() -> None:
    a = answers(4000)
    y, shares = a["y"], np.column_stack([1 - a["p"], a["p"]])
    names = ("f", "m", "x")
    sex = Protected(ColumnInfo("sex", "categorical", categories=names))
    cells = joint_cells((sex,), a["group"][:, None])
    metric = METRICS["accuracy"]
    plain = Decision(0.5)
    groups = Attribute("sex", sex.names, cells)

    def gaps(decision: Decision) -> dict[str, float]:
        labels = decision.labels(shares, cells)[None]
        return gap_scores(row_values("binary", y, shares[None], labels), [groups])[0]

    parity = Equalise((sex,)).decide(plain, metric, y, shares, None, cells)
    assert gaps(plain)["selection_rate_gap"] > 0.2
    assert gaps(parity)["selection_rate_gap"] < 0.005
    half = Equalise((sex,), gap=0.1).decide(plain, metric, y, shares, None, cells)
    assert gaps(half)["selection_rate_gap"] == pytest.approx(0.1, abs=0.005)
    chance = Equalise((sex,), "tpr").decide(plain, metric, y, shares, None, cells)
    assert gaps(chance)["tpr_gap"] < 0.005 < gaps(plain)["tpr_gap"]
    right = [score_predictions(metric, y, shares, None, d.labels(shares, cells))
             for d in (parity, half, plain)]  # fmt: skip
    assert right[0] < right[1] < right[2]
    assert parity.groups is not None
    assert parity.groups.thresholds[2] == 0.5  # 20 rows are too few for one of their own
    assert Decision.from_json(parity.to_json()) == parity
    assert isinstance(parity.groups, GroupThresholds)


def test_intervals_hold_the_estimate_and_differences_are_paired() -> None:
    a = answers()
    group = Attribute("sex", ("f", "m", "x"), a["group"])
    shares = np.column_stack([1 - a["p"], a["p"]])[None]
    one = row_values("binary", a["y"], shares, (a["p"] >= 0.5).astype(np.int64)[None])
    labels = (a["p"] >= np.where(a["group"] == 1, 0.6, 0.5)).astype(np.int64)
    two = row_values("binary", a["y"], shares, labels[None])
    drawn = Resamples.of(len(a["y"]), None, Key.of(1))
    found = group_report(one, [group], None, drawn)
    assert found["suppressed"] == ["sex: x"]
    estimate, low, high = found["gaps"]["selection_rate_gap"]
    assert low < estimate < high
    change = group_report(two, [group], None, drawn, one)["groups"]
    assert change[0]["selection_rate"] == [0.0, 0.0, 0.0]  # the first group's answers are the same
    assert change[1]["selection_rate"][2] < 0
