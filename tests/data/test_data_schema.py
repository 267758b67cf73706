"""Raw rows at prediction time: the same arrays as in training, and a word on every doubt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import InputError
from modelwright.data import (
    ColumnInfo,
    Features,
    Question,
    Schema,
    encode_rows,
    prepare,
    read_raw,
    read_table,
)


def frame(n: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": rng.normal(3e4, 5e3, n).round(2),
            "city": rng.choice(["Rome", "Oslo", "Bonn"], n),
            "member": rng.choice(["yes", "no"], n),
            "since": pd.date_range("2020-01-01", periods=n).strftime("%d.%m.%Y"),
            "note": [f"client {i} wrote a letter about {i % 7} things" for i in range(n)],
            "y": rng.choice(["bad", "good"], n),
        }
    )


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    table = read_table(frame(), "y")
    return prepare(table, Question("y"), tmp_path_factory.mktemp("prepared")).schema


def same(a: Features, b: Features) -> None:
    np.testing.assert_array_equal(a.numeric, b.numeric)
    np.testing.assert_array_equal(a.codes, b.codes)
    np.testing.assert_array_equal(a.dates, b.dates)
    assert a.texts.keys() == b.texts.keys()
    for name in a.texts:
        assert a.texts[name].tolist() == b.texts[name].tolist()


def test_blocks_follow_the_kinds(schema: Schema) -> None:
    assert [c.name for c in schema.numeric] == ["age", "income"]
    assert [c.name for c in schema.categorical] == ["city", "member"]
    assert [c.name for c in schema.dates] == ["since"]
    assert [c.name for c in schema.texts] == ["note"]


def test_texts_typed_rows_and_the_clean_table_give_equal_arrays(schema: Schema) -> None:
    raw = frame()
    typed = raw.assign(since=pd.to_datetime(raw["since"], format="%d.%m.%Y"))
    expected = encode_rows(schema, raw).features
    same(encode_rows(schema, raw.astype(str)).features, expected)
    same(encode_rows(schema, typed).features, expected)
    same(encode_rows(schema, read_table(raw, "y").frame).features, expected)
    records: Any = raw.to_dict("records")
    same(encode_rows(schema, records).features, expected)


def test_training_rows_have_no_problems(schema: Schema) -> None:
    encoded = encode_rows(schema, frame())
    assert not encoded.doubtful.any()
    assert encoded.notes == ()


def test_the_order_of_columns_and_rows_does_not_matter(schema: Schema) -> None:
    raw = frame()
    turned = raw[list(raw.columns[::-1])]
    same(encode_rows(schema, turned).features, encode_rows(schema, raw).features)
    some = encode_rows(schema, raw.iloc[[5, 2]]).features
    same(some, encode_rows(schema, raw).features.take(np.array([5, 2])))


@pytest.mark.parametrize(
    ("column", "cell", "word"),
    [
        ("city", "Paris", "city: 'Paris' was not seen in training"),
        ("age", "400", "age: '400' is outside the 18 to 78 of training"),
        ("age", "old", "age: 'old' is no number and counts as missing"),
        ("age", "", "age: is missing, which it never was in training"),
        ("age", float("inf"), "no number"),
        ("since", "soon", "since: 'soon' is no date"),
        ("since", "01.01.2031", "outside the 2020-01-01 to 2020-03-20"),
        ("member", "perhaps", "was not seen"),
    ],
)
def test_a_doubtful_cell_is_flagged_in_its_row_only(
    schema: Schema, column: str, cell: Any, word: str
) -> None:
    rows = frame().astype(object)
    rows.loc[7, column] = cell
    encoded = encode_rows(schema, rows)
    problems = encoded.problems()
    assert len(problems[7]) == 1
    assert word in problems[7][0]
    assert encoded.doubtful.tolist() == [i == 7 for i in range(len(rows))]


def test_a_missing_or_renamed_column_is_an_error_that_names_it(schema: Schema) -> None:
    with pytest.raises(InputError, match="'age', which did not come"):
        encode_rows(schema, frame().drop(columns="age"))
    with pytest.raises(InputError, match="Is it now called 'Income'"):
        encode_rows(schema, frame().rename(columns={"income": "Income"}))
    twice = pd.concat([frame(), frame()[["age"]]], axis=1)
    with pytest.raises(InputError, match="'age' came more than once"):
        encode_rows(schema, twice)


def test_further_columns_are_said_and_blanks_around_names_are_cut(schema: Schema) -> None:
    encoded = encode_rows(schema, frame().assign(shoe=42).rename(columns={"age": " age "}))
    assert encoded.notes == ("not looked at: 'shoe', which the model does not know",)


def test_a_schema_survives_json(schema: Schema) -> None:
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    with pytest.raises(InputError, match="format 99"):
        Schema.from_json({**schema.to_json(), "format": 99})


def test_no_rows_give_empty_arrays(schema: Schema) -> None:
    assert encode_rows(schema, frame().iloc[:0]).features.numeric.shape == (0, 2)


def test_points_and_commas_of_another_file_are_read_as_it_means_them(tmp_path: Path) -> None:
    """A German file against a schema from an English one: no number changes its size silently."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.uniform(1000, 9000, 40).round(3), "b": rng.normal(size=40)})
    rows["n"] = rng.integers(0, 9000, 40)
    rows["y"] = rng.integers(0, 2, 40)
    rows.to_csv(tmp_path / "en.csv", index=False)
    rows.to_csv(tmp_path / "de.csv", index=False, sep=";", decimal=",")
    for train, other in (("en", "de"), ("de", "en")):
        table = read_table(tmp_path / f"{train}.csv", "y")
        schema = prepare(table, Question("y"), tmp_path / train).schema
        raw = read_raw(tmp_path / f"{other}.csv", expected=["a", "b", "n"])
        encoded = encode_rows(schema, raw.frame, raw.comma)
        np.testing.assert_allclose(encoded.features.numeric, rows[["a", "b", "n"]].to_numpy())
        assert not encoded.doubtful.any()
        assert "decimals are written with" in encoded.notes[0]
        # A whole number's column meets a fraction: read as the new file means it, and flagged.
        rows.assign(n=12345.678).to_csv(tmp_path / "more.csv", index=False)
        raw = read_raw(tmp_path / "more.csv", expected=["a", "b", "n"])
        odd = encode_rows(schema, raw.frame, raw.comma)
        assert set(odd.features.numeric[:, 2]) == {12345.678}
        assert odd.doubtful.all()


_CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.binary(max_size=4), st.just(pd.NA), st.dates(), st.lists(st.integers(), max_size=2),
)  # fmt: skip


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.lists(st.tuples(_CELLS, _CELLS, _CELLS, _CELLS), min_size=1, max_size=6))
def test_any_cell_gives_an_array_or_a_flag(rows: list[tuple[Any, ...]]) -> None:
    schema = Schema(
        (
            ColumnInfo("n", "numeric", low=0.0, high=1.0),
            ColumnInfo("c", "categorical", categories=("a", "b")),
            ColumnInfo("d", "date", low=0.0, high=1e9),
            ColumnInfo("t", "text"),
        ),
        "y",
        "regression",
    )
    encoded = encode_rows(schema, [dict(zip("ncdt", row, strict=True)) for row in rows])
    numeric, codes = encoded.features.numeric[:, 0], encoded.features.codes[:, 0]
    assert not np.isinf(numeric).any()
    assert set(codes.tolist()) <= {-1, 0, 1, 2}
    # What is not plainly inside the training range or a known category says so.
    odd = ~((numeric >= 0) & (numeric <= 1)) & ~((numeric >= -0.1) & (numeric <= 1.1))
    assert not (odd & ~encoded.doubtful).any()
    assert not ((codes == 2) & ~encoded.doubtful).any()
