"""Texts as numbers of words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelwright.core.errors import InputError
from modelwright.data.array_part import load_arrays, prepare_arrays
from modelwright.data.collection import front_of
from modelwright.data.texts import TextFront, read_texts, read_texts_to_answer, text_column
from modelwright.recipes.plan import kind_of
from modelwright.recipes.question import Question


def reviews(path: Path, n: int = 60) -> Path:
    words = (["a dull, slow film", "bad"], ["a warm and clever film", "good"])
    rows = ["text,mood"]
    rows += [f'"{words[i % 2][0]} number {i}",{words[i % 2][1]}' for i in range(n)]
    path.write_text("\n".join(rows))
    return path


def test_a_table_of_texts_is_found_and_read(tmp_path: Path) -> None:
    path = reviews(tmp_path / "reviews.csv")
    assert text_column(path, "mood") == "text"
    assert kind_of(Question(str(path), "mood")) == "network"
    assert kind_of(Question(str(path), "mood", costs={"bad>good": 2.0})) == "table"
    assert kind_of(Question(str(path), "mood", kind="table")) == "table"
    found = read_texts(path, "mood")
    assert found.inputs.shape == (60, 4, 7)
    assert isinstance(found.front, TextFront)
    assert {"film", "dull", "warm"} <= set(found.front.words)
    assert found.inputs.max() < found.front.ids
    again = front_of(found.front.to_json())
    assert again == found.front
    assert np.array_equal(again.read(b"a dull, slow film number 0", "x"), found.inputs[0])
    part = load_arrays(prepare_arrays(found, tmp_path / "parts").dev)
    assert part.ids == found.front.ids
    assert part.scale.tolist() == [1.0] * 4


def test_other_tables_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,y\n" + "one long text here,2,1\n" * 9)
    assert text_column(tmp_path / "a.csv", "y") is None  # another column to learn from
    (tmp_path / "b.csv").write_text("a,y\n" + "x,1\n" * 9)
    assert text_column(tmp_path / "b.csv", "y") is None  # no long texts
    assert text_column(tmp_path / "none.csv", "y") is None


def test_new_words_are_told_from_nothing_and_long_texts_are_cut() -> None:
    front = TextFront.of(["one two three four"] * 3)
    found = front.numbers("one new")
    assert found[0].tolist() == [found[0, 0], 1, 0, 0]
    assert found[1, 1] > 0
    assert front.numbers("one " * 99).shape == (4, 4)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    path = reviews(tmp_path / "reviews.csv")
    with pytest.raises(InputError, match="no column 'moods'"):
        read_texts(path, "moods")
    rows = [f"a film with a long name and number {i}," for i in range(6)]
    (tmp_path / "blank.csv").write_text("\n".join(["film,mood", *rows]))
    with pytest.raises(InputError, match="no row with 'mood' to learn from"):
        read_texts(tmp_path / "blank.csv", "mood")
    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    assert read_texts_to_answer(tmp_path / "lines.txt") == ["one", "two"]
    assert read_texts_to_answer(path)[1] == "a warm and clever film number 1"
