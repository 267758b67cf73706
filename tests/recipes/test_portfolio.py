"""The learned order of designs: of this space, every family once, short for few rows."""

from __future__ import annotations

import json

import pytest

from modelwright.families import SEARCHED, table_model
from modelwright.recipes.portfolio import FEW, NETS, known, portfolio
from modelwright.spaces import Space


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_each_family_is_tried_and_costs_are_known(task: str) -> None:
    space = Space(table_model(SEARCHED))
    listed = portfolio(space, SEARCHED, task, 10_000)
    documents = [document for document, _ in listed]
    assert {json.loads(d)["type"] for d in documents} == set(SEARCHED)
    assert len(set(documents)) == len(documents)
    assert all(cost > 0 for _, cost in listed)
    assert all(space.dump(space.load(d)) == d for d in documents)


def test_few_rows_get_a_short_list_and_still_every_family() -> None:
    space = Space(table_model(SEARCHED))
    listed = portfolio(space, SEARCHED, "regression", 200)
    assert len(listed) < len(portfolio(space, SEARCHED, "regression", 5000))
    assert {json.loads(d)["type"] for d, _ in listed} == set(SEARCHED)
    assert len(listed) <= FEW + len(SEARCHED)


def test_families_that_are_not_allowed_are_left_out() -> None:
    space = Space(table_model(["Linear", "Forest"]))
    listed = portfolio(space, ["Linear", "Forest"], "binary", 5000)
    assert {json.loads(d)["type"] for d, _ in listed} == {"Linear", "Forest"}


def test_the_list_says_when_and_on_what_it_was_learned() -> None:
    assert known()["date"].startswith("20")
    assert len(known()["sets"]) >= 10


def test_with_many_classes_nets_come_right_after_the_first() -> None:
    space = Space(table_model(SEARCHED))
    few, many = (portfolio(space, SEARCHED, "multiclass", 20_000, n) for n in (3, 26))
    types = [json.loads(text)["type"] for text, _ in many]
    nets = sum(kind in NETS for kind in types)
    assert types[0] == "LightGbm"
    assert set(types[1 : 1 + nets]) == set(NETS)
    assert sorted(text for text, _ in many) == sorted(text for text, _ in few)
    assert dict(many)[many[1][0]] < dict(few)[many[1][0]]  # beside boosting, which got dearer
