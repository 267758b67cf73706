"""Series with one answer each, read for a build on tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError
from modelwright.recipes.question import Question

if TYPE_CHECKING:
    from modelwright.data import Table
    from modelwright.data.labelled_series import Labelled


def check_labelled(question: Question) -> None:
    """Refuses what a row of features cannot be asked."""
    for name in ("baseline", "teacher", "protect"):
        if getattr(question, name):
            raise InputError(f"--{name} goes with rows of a table, not with series; leave it out.")


def read_series(question: Question, frame: Any, folder: Path) -> tuple[Table, Any, tuple[str, ...]]:
    """A table with a row of features per series, test rows if any, and the features' names.

    How series become features is left in `folder` as `series.json`, to be shipped.
    """
    from modelwright.data import Table, read_table
    from modelwright.data.target import MAX_CODES
    from modelwright.data.text_file import Reading

    if question.series is None:
        found, about = _wide(question), None
        test = found.test
    else:
        long = _long(question, frame, folder)
        found, about = _labelled(question, long), long.info
        test = None if question.test is None else _test(question, found, folder)
    folder.mkdir(parents=True, exist_ok=True)
    found.front.save(folder)
    made = [name for name in found.made if found.frame[name].nunique() > 1]
    plain = found.frame.drop(columns=[name for name in found.made if name not in made])
    kinds = dict.fromkeys(made, "numeric")
    said = [] if about is None else [n for n in about.notes if "left out" not in n]
    if found.codes and question.task != "regression":
        kinds[question.target] = "categorical"
        if question.task is None and plain[question.target].nunique() > MAX_CODES:
            told = "are codes of classes; say --task regression if they are quantities"
            said.append(f"the whole numbers in {question.target!r} {told}")
    table = read_table(plain, question.target, Reading(kinds=kinds))
    source = {"name": Path(question.data).name} if about is None else about.source
    table = Table(table.frame, replace(table.info, notes=(*said, *found.notes), source=source))
    table.save(folder)
    return table, test, tuple(made)


def _beside(question: Question) -> list[str]:
    return [name for name in (question.group, question.weight) if name is not None]


def _long(question: Question, frame: Any, folder: Path) -> Table:
    from modelwright.data import Table, read_limited, read_table

    if frame is not None:
        return frame if isinstance(frame, Table) else read_table(frame)
    read_limited(Path(question.data), folder / "rows")
    return Table.open(folder / "rows")


def _labelled(question: Question, table: Table) -> Labelled:
    from modelwright.data.labelled_series import read_labelled

    assert question.series is not None
    return read_labelled(
        table, question.series, question.target, question.time, _beside(question), question.drop,
        question.seed,
    )  # fmt: skip


def _test(question: Question, found: Labelled, folder: Path) -> Any:
    from modelwright.data import read_rows_limited
    from modelwright.data.labelled_series import labelled_rows

    assert question.test is not None
    raw = read_rows_limited(question.test, folder / "test", (question.target,))
    return replace(raw, frame=labelled_rows(found.front, raw, question.target, _beside(question)))


def _wide(question: Question) -> Labelled:
    from modelwright.data.labelled_series import read_wide

    for name in ("group", "weight", "time", "test", "drop"):
        if getattr(question, name):
            raise InputError(
                f"--{name} names a column or file of a long table; {Path(question.data).name} has "
                "arrays (x_test and y_test are its test series)."
            )
    return read_wide(Path(question.data), question.target, question.seed)
