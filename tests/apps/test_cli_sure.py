"""`predict` with a coverage and with a confidence."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from command_line import Built, call, shop


@pytest.fixture
def new(built: Built) -> pd.DataFrame:
    rows = shop(40, seed=1).drop(columns="bought")
    rows.to_csv(built.folder / "sure.csv", index=False)
    return rows


def test_a_coverage_adds_sets(built: Built, new: pd.DataFrame) -> None:
    answer = call(built.folder, "predict", "shop", "sure.csv", "--coverage", "0.9")
    assert answer.code == 0, answer.err
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    sets = [row["set"].split(" | ") for row in rows]
    assert len(sets) == 40
    assert all(set(found) <= {"yes", "no"} for found in sets)
    plain = list(csv.DictReader(io.StringIO(call(built.folder, "predict", "shop", "sure.csv").out)))
    assert "set" not in plain[0]
    wide = call(built.folder, "predict", "shop", "sure.csv", "--coverage", "0.99", "--json").json
    assert sum(len(row["set"]) for row in wide["rows"]) >= sum(map(len, sets))
    refused = call(built.folder, "predict", "shop", "sure.csv", "--coverage", "90")
    assert refused.code == 2
    assert "between 0 and 1" in refused.err


def test_a_confidence_of_ones_own(built: Built, new: pd.DataFrame) -> None:
    def left(*words: str) -> int:
        facts = call(built.folder, "predict", "shop", "sure.csv", "--json", *words).json
        return int(facts["left"])

    assert left() == 0
    assert left("--confidence", "0.5") <= left("--abstain") <= left("--confidence", "0.99")
    assert left("--confidence", "0.99") > left("--confidence", "0.5")
    unknown = call(built.folder, "predict", "shop", "sure.csv", "--confidence", "auto")
    assert unknown.code == 2
    assert "what it costs to ask a person" in unknown.err
    assert call(built.folder, "predict", "shop", "sure.csv", "--confidence", "high").code == 2
