"""Cells to numbers, seconds and codes; kinds of columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo
from modelwright.data.kinds import infer, is_id_name


def kind_of(cells: list[Any], name: str = "x", comma: bool = False) -> ColumnInfo:
    return infer(name, pd.Series(cells), comma=comma)


@pytest.mark.parametrize(
    ("text", "how", "value"),
    [
        ("1.5", {}, 1.5),
        ("-1e3", {}, -1000.0),
        ("1,234.5", {"thousands": ","}, 1234.5),
        ("1.234,5", {"decimal": ",", "thousands": "."}, 1234.5),
        ("1 234", {"thousands": " "}, 1234.0),
        ("1\u00a0234", {"thousands": " "}, 1234.0),
        ("1’234", {"thousands": "'"}, 1234.0),
        ("12,34", {"thousands": ","}, math.nan),
        ("1.5", {"decimal": ","}, math.nan),
        ("$5", {"affix": "$"}, 5.0),
        ("-$5", {"affix": "$"}, -5.0),
        ("5 €", {"affix": "€"}, 5.0),
        ("(12)", {}, -12.0),
        ("\u22123", {}, -3.0),
        ("1_000", {}, math.nan),
        ("five", {}, math.nan),
    ],
)
def test_a_number_is_read_as_it_was_written(text: str, how: dict[str, str], value: float) -> None:
    assert col.number(text, **how) == pytest.approx(value, nan_ok=True)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.floats(-1e12, 1e12), min_size=12, max_size=40))
def test_numbers_survive_text_in_every_style(values: list[float]) -> None:
    rounded = [round(v, 2) for v in values]
    styles = {
        False: [f"{v:,.2f}" for v in rounded],
        True: [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in rounded],
    }
    for comma, texts in styles.items():
        info = kind_of(texts, comma=comma)
        assert info.kind in ("numeric", "constant")
        if info.kind == "numeric":
            read, bad = col.numbers(pd.Series(texts), info)
            np.testing.assert_array_equal(read, np.array([float(f"{v:.2f}") for v in rounded]))
            assert not bad.any()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "3"] * 5, "numeric"),
        (["0", "1"] * 8, "numeric"),
        (["yes", "no"] * 8, "boolean"),
        (["True", "False", ""] * 8, "boolean"),
        ([True, False] * 8, "boolean"),
        (["red", "green", "blue"] * 5, "categorical"),
        (["x"] * 15, "constant"),
        ([""] * 15, "constant"),
        (["x", ""] * 8, "categorical"),
        (["2024-01-01", "2024-02-29"] * 8, "date"),
        (["2024-01-01T10:00:00Z", "2024-02-29 11:30"] * 8, "date"),
        (["31/12/2023", "01/02/2024"] * 8, "date"),
        (["Jan 5, 2024", "Feb 6, 2024"] * 8, "date"),
        (["25-39", "40-59"] * 8, "categorical"),
        (["007", "123"] * 8, "categorical"),
        ([f"{i:08x}-aaaa-bbbb-cccc-{i:012x}" for i in range(20)], "id"),
        ([f"user{i}@example.org" for i in range(60)], "id"),
        ([f"the weather of day {i} was rather fine" for i in range(30)], "text"),
        ([f"name {i}" for i in range(30)], "categorical"),
        (["5 kg", "7 kg", "12 kg"] * 5, "numeric"),
        (["V1", "V2", "V3"] * 5, "categorical"),
        (["12%", "5%", "100%"] * 5, "numeric"),
        (["US", "NA", "DE", "FR", "GB", "IT", "ES", "PT", "NL", "BE", "AT"] * 2, "categorical"),
    ],
)
def test_kinds_are_inferred(cells: list[Any], kind: str) -> None:
    assert kind_of(cells).kind == kind


def test_whole_numbers_that_name_rows_are_ids_and_others_are_not() -> None:
    order = np.random.default_rng(0).permutation(1000)[:50].tolist()
    assert kind_of(order, "customer_id").kind == "id"
    assert kind_of(order, "income").kind == "numeric"
    assert kind_of(list(range(200)), "x").kind == "id"
    assert kind_of(list(range(1950, 2060)), "year").kind == "numeric"
    assert "group" in kind_of([1, 1, 2, 3, 4, 5], "patient_id").note
    assert [is_id_name(n) for n in ("PassengerId", "id", "fluid", "valid", "Unnamed: 0")] == [
        True, True, False, False, True,
    ]  # fmt: skip


def test_a_few_words_among_numbers_are_missing_and_said() -> None:
    info = kind_of([str(i) for i in range(5, 62)] + ["about ten", "?"])
    assert info.kind == "numeric"
    assert "'about ten'" in info.note
    assert "'?' means missing" in info.note
    assert info.missing == pytest.approx(2 / 59)
    assert kind_of([str(i) for i in range(20)] + ["low", "high"] * 5).kind == "categorical"


def test_a_mark_is_missing_only_where_it_makes_sense() -> None:
    assert kind_of(["none", "full", "half"] * 5).categories == ("full", "half", "none")
    assert kind_of(["none", "1", "2"] * 5).kind == "numeric"
    codes = kind_of(["US", "NA", "DE", "FR", "GB", "IT", "ES", "PT", "NL", "BE", "AT"] * 2)
    assert "NA" in codes.categories
    assert codes.missing == 0


def test_day_and_month_that_cannot_be_told_apart_are_said() -> None:
    assert "cannot be told apart" in kind_of(["01/02/2024", "03/04/2024"] * 8).note
    sure = kind_of(["01/02/2024", "25/04/2024"] * 8)
    assert sure.date_format == "%d/%m/%Y"
    assert "told apart" not in sure.note


@pytest.mark.parametrize("cells", [["1.234", "12.345"] * 6, ["1,234", "12,345"] * 6])
def test_an_ambiguous_mark_is_decided_by_the_rest_of_the_file(cells: list[str]) -> None:
    point, comma = kind_of(cells), kind_of(cells, comma=True)
    assert {point.low, comma.low} == {1.234, 1234.0}
    assert (comma.low == 1234.0) == ("." in cells[0])


def test_typed_columns_keep_their_type() -> None:
    assert kind_of([1.5, None, math.inf, 2.5]).note == "1 infinite value taken as missing"
    stamps = pd.Series([pd.Timestamp("2024-01-01"), pd.NaT])
    info = infer("when", stamps)
    assert (info.kind, info.low, info.missing) == ("date", 1704067200.0, 0.5)
    zoned = stamps.dt.tz_localize("Europe/Paris")
    assert col.seconds(zoned, info)[0][0] == 1704067200.0 - 3600
    assert infer("c", pd.Series([3, 1, 3], dtype="category")).categories == ("3", "1")
    nullable = pd.Series([1, None, 3], dtype="Int64")
    np.testing.assert_array_equal(col.numbers(nullable, info)[0], [1, math.nan, 3])


def test_the_users_word_on_a_kind_counts() -> None:
    codes = infer("c", pd.Series(["1", "2", "1"]), kind="categorical")
    assert (codes.kind, codes.categories) == ("categorical", ("1", "2"))
    assert infer("c", pd.Series([1, 2, 1]), kind="categorical").categories == ("1", "2")
    assert infer("n", pd.Series(["1", "x", "y"]), kind="numeric").kind == "numeric"


def test_rare_categories_beyond_the_limit_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwright.data.values.MAX_CATEGORIES", 3)
    column = pd.Series(["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"] * 2 + ["e"])
    info = infer("x", column)
    assert info.categories == ("a", "b", "c")
    codes, other = col.codes(column, info)
    assert codes.tolist() == [0] * 5 + [1] * 4 + [2] * 3 + [3] * 3
    assert other.sum() == 3


def test_categories_match_across_types() -> None:
    info = kind_of(["1", "2", "x"] * 5)
    codes, other = col.codes(pd.Series([1.0, 2.0, 3.0]), info)
    assert codes.tolist() == [0, 1, 3]
    assert other.tolist() == [False, False, True]
    flag = kind_of(["Yes", "No"] * 5)
    assert col.codes(pd.Series(["YES", "no", "", "maybe"]), flag)[0].tolist() == [1, 0, -1, 2]


def test_a_column_survives_json() -> None:
    info = kind_of(["$1,200", "$5", "?"] * 5)
    assert info == ColumnInfo.from_json(info.to_json())


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "", "2.5", "-1e3", "nan", "inf"],
        ["007", "012", "100"],  # codes
        ["007", "", "100"],
        ["0.5", "01.5"],
        [" 1", "2 ", "+3"],
        ["1_000", "2"],
        ["1,5", "2"],
        ["", "", ""],
        ["5", None, "6"],
    ],
)
def test_the_quick_way_to_numbers_tells_what_the_slow_way_tells(cells: list[str | None]) -> None:
    quick = col.plain_numbers(pd.Series(cells, dtype="str"))
    slow = col.plain_numbers(pd.Series(cells, dtype=object).fillna("").astype(object))
    assert (quick is None) == (slow is None)
    if quick is not None and slow is not None:
        assert np.array_equal(quick, slow, equal_nan=True)
