"""Files that must be refused in one sentence, read with a note, or at least break nothing."""

from __future__ import annotations

import time
from pathlib import Path

import input_cases
import pytest
from input_cases import Case

from modelwright.core.errors import InputError
from modelwright.data import Question, prepare, read_table


def build(case: Case, folder: Path) -> tuple[str, ...]:
    """Reads and prepares the case's file; all that is said about it."""
    path = folder / case.file
    case.make(path)
    table = read_table(path, case.target)
    question = Question(case.target, **case.options)
    return (*table.info.notes, *prepare(table, question, folder / "arrays").notes)


@pytest.mark.parametrize("case", input_cases.refused(), ids=lambda c: c.name)
def test_what_cannot_serve_is_refused_in_one_sentence(case: Case, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        build(case, tmp_path)
    message = str(caught.value)
    assert case.word in message
    assert "\n" not in message
    assert len(message) < 500
    assert message.endswith((".", "?"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("case", input_cases.handled(), ids=lambda c: c.name)
def test_what_is_odd_is_read_and_said(case: Case, tmp_path: Path) -> None:
    begin = time.process_time()
    notes = build(case, tmp_path)
    assert time.process_time() - begin < 10  # 3,000 columns take 4 s
    assert any(case.word in note for note in notes)
    assert all("\n" not in note and len(note) < 400 for note in notes)


@pytest.mark.parametrize("number", range(60))
def test_a_harmed_file_gives_a_table_or_a_sentence(number: int, tmp_path: Path) -> None:
    _, body, target, _ = input_cases.fuzzed_one(number, seed=11)
    path = tmp_path / "fuzzed.csv"
    path.write_bytes(body)
    refused, n_dev = "", 0
    try:
        table = read_table(path, target)
        n_dev = prepare(table, Question(target), tmp_path / "arrays").n_dev
    except InputError as error:
        refused = str(error)
    assert "\n" not in refused
    assert n_dev >= 8 or refused
