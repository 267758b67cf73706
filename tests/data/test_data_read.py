"""Reading: what the cells become, whatever the file looks like."""

from __future__ import annotations

import json
from pathlib import Path

import input_cases
import numpy as np
import pandas as pd
import pytest

from modelwright.core.errors import InputError
from modelwright.data import Reading, Table, TableInfo, read_raw, read_table
from modelwright.data.dialect import sniff


def plain(tmp_path: Path) -> pd.DataFrame:
    input_cases.rows().to_csv(tmp_path / "plain.csv", index=False)
    return read_table(tmp_path / "plain.csv", "y").frame


_SAME = (
    "semicolon and decimal comma", "tab", "bar", "blanks", "single quotes", "byte-order mark",
    "gzip", "old Macintosh line ends", "Windows line ends", "no line end at the end",
    "sep= line of Excel", "comment lines", "title lines", "separator at each end", "Parquet",
    "Parquet named csv", "Excel, second sheet", "NUL characters", "day before month",
)  # fmt: skip


@pytest.mark.parametrize("name", _SAME)
def test_every_dialect_gives_the_same_table(name: str, tmp_path: Path) -> None:
    case = next(c for c in input_cases.handled() if c.name == name)
    case.make(tmp_path / case.file)
    read = read_table(tmp_path / case.file, "y").frame
    pd.testing.assert_frame_equal(read, plain(tmp_path), check_dtype=False)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_letters_survive_their_encoding(encoding: str, tmp_path: Path) -> None:
    text = "stadt,wert,y\n" + "Köln,1,a\nZürich,2,b\n" * 20
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    info = read_table(tmp_path / "a.csv", "y").info
    assert info.columns[0].categories == ("Köln", "Zürich")


def test_a_few_broken_bytes_do_not_spoil_the_letters(tmp_path: Path) -> None:
    text = ("stadt,wert,y\n" + "Köln,1,a\nZürich,2,b\n" * 20).encode()
    (tmp_path / "a.csv").write_bytes(text[:-5] + b"\xff" + text[-5:])
    info = read_table(tmp_path / "a.csv", "y").info
    assert "Zürich" in info.columns[0].categories
    assert any("broken" in note for note in info.notes)


def test_what_the_user_says_of_the_file_counts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1:2:0\n" + "3:4:1\n5:6:0\n" * 10)
    how = Reading(separator=":", header=False, kinds={"column_1": "categorical"})
    info = read_table(tmp_path / "a.csv", "column_3", how).info
    assert [c.kind for c in info.columns] == ["categorical", "numeric", "numeric"]
    assert info.n_rows == 21
    with pytest.raises(InputError, match="one character"):
        Reading(separator="::")
    with pytest.raises(InputError, match="no encoding is called 'utf8000'"):
        Reading(encoding="utf8000")
    with pytest.raises(InputError, match=r"is no kind of column. Did you mean 'numeric'"):
        read_table(tmp_path / "a.csv", "column_3", Reading(kinds={"column_1": "number"}))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,2\n3,4\n", ("a", "b")),
        ("1,2\n3,4\n5,6\n", ("column_1", "column_2")),
        ("2019,2020,y\n1,2,3\n", ("2019", "2020", "y")),
        ("a,,c\n1,2,3\n4,5,6\n", ("a", "column_2", "c")),
        ("p,x\np,x\ne,x\np,y\n", ("column_1", "column_2")),
        ("#a,b\n1,2\n3,4\n", ("a", "b")),
        ('"a ""x""","b,c"\n1,2\n', ('a "x"', "b,c")),
        ('"two\nlines",b\n1,2\n3,4\n', ("two\nlines", "b")),
    ],
)
def test_headers_are_told_from_data(text: str, names: tuple[str, ...]) -> None:
    expected = ("y",) if "y\n" in text.splitlines(keepends=True)[0] else ()
    assert sniff(text, whole=True, expected=expected).names == names


def test_a_separator_inside_quotes_or_numbers_is_none() -> None:
    quoted = 'name;text\n"a, b; c";"d, e, f"\n' * 5
    assert sniff(quoted, whole=True).cutting.separator == ";"
    decimals = "a;b\n" + "1,5;2,5\n" * 5
    assert sniff(decimals, whole=True).cutting.separator == ";"
    assert sniff("a|b\n" + "x, y|1\nz|2\n" * 5, whole=True).cutting.separator == "|"
    assert sniff("a b\n" + "1 2\n3  4\n" * 5, whole=True).cutting.separator == " "


def test_backslashes_escape_quotes_only_where_they_do(tmp_path: Path) -> None:
    escaped = "a,b\n" + '"he said \\"well, no\\" to me",1\n' * 20
    (tmp_path / "a.csv").write_text(escaped)
    assert read_raw(tmp_path / "a.csv").frame.iloc[0, 0] == 'he said "well, no" to me'
    doubled = "a,b\n" + '"she wrote \\""well, no\\""",1\n"ends in \\",2\n' * 20
    (tmp_path / "b.csv").write_text(doubled)
    frame = read_raw(tmp_path / "b.csv").frame
    assert frame.iloc[:2, 0].tolist() == ['she wrote \\"well, no\\"', "ends in \\"]
    assert len(frame) == 40


def test_a_data_frame_is_read_like_its_file(tmp_path: Path) -> None:
    frame = input_cases.rows()
    direct = read_table(frame, "y")
    pd.testing.assert_frame_equal(direct.frame, plain(tmp_path), check_dtype=False)
    assert direct.info.source == {"name": "the data frame"}
    odd = frame.set_index("day").rename(columns={"a": 1, "b": " b "})
    info = read_table(odd, "y").info
    assert info.names == ("1", "b", "colour", "y")
    assert "the index of the data frame is not used" in info.notes
    with pytest.raises(InputError, match="more than one column called 'b'"):
        read_table(pd.concat([frame, frame[["b"]]], axis=1), "y")
    with pytest.raises(InputError, match="several levels"):
        read_table(pd.concat({"x": frame}, axis=1), "y")


def test_a_data_frame_is_not_changed() -> None:
    frame = input_cases.rows()
    frame.loc[0, "a"] = np.inf
    before = frame.copy()
    read_table(frame, "y")
    pd.testing.assert_frame_equal(frame, before)


def test_saved_and_opened_is_the_same_table(tmp_path: Path) -> None:
    frame = input_cases.rows()
    frame["gone"] = ""
    frame["a"] = frame["a"].where(frame.index != 3)
    frame["colour"] = frame["colour"].where(frame.index != 3, "")
    frame["comment"] = [f"this is comment number {i} of many" for i in range(len(frame))]
    table = read_table(frame, "y")
    table.save(tmp_path)
    again = Table.open(tmp_path)
    filled = [name for name in frame if name != "gone"]
    pd.testing.assert_frame_equal(again.frame[filled], table.frame[filled], check_dtype=False)
    assert again.frame["gone"].isna().all()
    assert again.info == table.info
    assert TableInfo.from_json(json.loads(json.dumps(table.info.to_json()))) == table.info


def test_facts_of_the_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,y\n" + "1,b\n2,c\n" * 10)
    source = read_raw(path).source
    assert source["name"] == "a.csv"
    assert source["bytes"] == 84
    assert len(source["sha256"]) == 64


def test_nested_parquet_columns_become_text(tmp_path: Path) -> None:
    frame = input_cases.rows()[["a", "y"]]
    frame["tags"] = [["x", str(i)] for i in range(len(frame))]
    frame.to_parquet(tmp_path / "a.parquet")
    info = read_table(tmp_path / "a.parquet", "y").info
    assert any("lists or records" in note for note in info.notes)
