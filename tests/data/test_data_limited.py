"""Reading in a child process: the same table, and limits that hold."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import input_cases
import pandas as pd
import psutil
import pytest

from modelwright.core.errors import InputError
from modelwright.data import Table, encode_rows, read_limited, read_rows_limited, read_table
from modelwright.data.prepare import Question, prepare


def bomb(path: Path) -> None:
    """A small gzip file of 150 MB of rows."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b,y\n")
        for _ in range(30):
            file.write((b"1,2.5," + b"x" * 93 + b"\n") * 50_000)


def test_the_child_reads_the_same_table(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    input_cases.rows().to_csv(path, index=False)
    info = read_limited(path, tmp_path / "copy", "y")
    direct = read_table(path, "y")
    assert info == direct.info
    pd.testing.assert_frame_equal(Table.open(tmp_path / "copy").frame, direct.frame)


def test_rows_for_a_model_are_read_in_the_child(tmp_path: Path) -> None:
    frame = input_cases.rows()
    frame.to_csv(tmp_path / "data.csv", index=False)
    frame.head(3).drop(columns="y").to_csv(tmp_path / "new.csv", index=False, sep=";", decimal=",")
    table = read_table(tmp_path / "data.csv", "y")
    schema = prepare(table, Question("y"), tmp_path / "arrays").schema
    names = tuple(c.name for c in schema.columns)
    raw = read_rows_limited(tmp_path / "new.csv", tmp_path / "copy", names)
    encoded = encode_rows(schema, raw.frame, raw.comma)
    assert encoded.features.numeric[:, 0].tolist() == frame["a"].head(3).tolist()
    assert not encoded.doubtful.any()


def test_what_is_refused_comes_back_as_the_same_sentence(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    input_cases.rows().to_csv(path, index=False)
    with pytest.raises(InputError) as here:
        read_table(path, "colour ful")
    with pytest.raises(InputError) as there:
        read_limited(path, tmp_path / "copy", "colour ful")
    assert str(here.value) == str(there.value)


def test_too_much_memory_is_an_input_error(tmp_path: Path) -> None:
    bomb(tmp_path / "bomb.csv.gz")
    with pytest.raises(InputError, match=r"needs more than the 0.45 GB of memory"):
        read_limited(
            tmp_path / "bomb.csv.gz", tmp_path / "copy", "y", memory_bytes=int(0.45 * 2**30)
        )


def test_too_much_time_kills_the_child(tmp_path: Path) -> None:
    bomb(tmp_path / "bomb.csv.gz")
    begin = time.monotonic()
    with pytest.raises(InputError, match="not read within 1 s"):
        read_limited(tmp_path / "bomb.csv.gz", tmp_path / "copy", "y", seconds=1)
    assert time.monotonic() - begin < 5
    children = psutil.Process().children(recursive=True)
    assert not [c for c in children if "read_child" in " ".join(c.cmdline())]


def test_a_module_beside_the_data_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pandas.py").write_text("raise SystemExit('imported')")
    input_cases.rows().to_csv(tmp_path / "data.csv", index=False)
    monkeypatch.chdir(tmp_path)
    assert read_limited("data.csv", tmp_path / "copy", "y").n_rows == 60
