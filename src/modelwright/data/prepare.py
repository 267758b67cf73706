"""From a table and a question to arrays on disk: a part to develop on, and a sealed part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError
from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo
from modelwright.data.parts import Part, load_part, write_part
from modelwright.data.protected import Cells, Protected, cells_of, parse_protected, protected_of
from modelwright.data.read import Raw
from modelwright.data.schema import Schema, Task, encode_rows
from modelwright.data.split import Rows, folds_for, split_rows
from modelwright.data.table import Table
from modelwright.data.target import Target, read_target

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Part", "Prepared", "Question", "encode_target", "load_part", "load_prepared", "prepare"]

# Matrices of numbers above this many cells are kept in single precision.
_SINGLE_FROM = 20_000_000


@dataclass(frozen=True)
class Question:
    """What is asked of a table. Columns for group, weight and `drop` are no features.

    `group`: rows of one group stay on one side of every split. `time`: the past predicts the
    future. One of the two at most. `seal` false keeps no sealed part. `seconds` is the budget of
    the search in wall time, by which the number of folds is chosen. `protect` names columns whose
    groups are kept beside the rows (`"sex"`, `"age:25,60"`); they are features only where
    `protect_as_input` says so.
    """

    target: str
    task: Task | None = None
    positive: str | None = None
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    drop: tuple[str, ...] = ()
    seal: bool = True
    seed: int = 0
    seconds: float | None = None
    protect: tuple[str, ...] = ()
    protect_as_input: bool = False

    def __post_init__(self) -> None:
        if self.group is not None and self.time is not None:
            raise InputError("a split is by group or by time; give one of the two columns.")

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal question."""
        return {**asdict(self), "drop": list(self.drop), "protect": list(self.protect)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Question:
        """The question that `to_json` wrote."""
        known = dict(data)
        lists = {name: tuple(known.get(name, ())) for name in ("drop", "protect")}
        return cls(**{**known, **lists})


@dataclass(frozen=True)
class Prepared:
    """Where the parts lie, and what was settled. Workers are given `dev` and never `sealed`."""

    dev: Path
    sealed: Path | None
    schema: Schema
    n_dev: int
    n_sealed: int
    notes: tuple[str, ...]
    hash: str


def prepare(
    table: Table, question: Question, folder: Path, test: Raw | pd.DataFrame | None = None
) -> Prepared:
    """Splits and writes the table as arrays into `folder/dev` and `folder/sealed`.

    `test` are rows of the user's own to be the sealed part (raw, with the target). Raises
    InputError when a column of the question is missing or cannot serve. Random in `question.seed`.
    Kinds, categories and ranges come from all rows, the sealed ones included; targets do not.
    """
    target = read_target(table, question.target, question.task, question.positive)
    schema = _schema(table, question, target)
    table, target, said = _without_lonely(table, target)
    schema = replace(schema, classes=target.classes, task=target.task)
    groups = _groups(table, question.group)
    protected, cut = _protected(table, question)
    cells = cells_of(protected, table.frame)
    split = split_rows(
        target.y,
        classes=target.task != "regression",
        groups=groups,
        times=_times(table, question.time),
        seal=question.seal and test is None,
        seed=question.seed,
        folds=folds_for(len(target.y), len(schema.columns), len(target.classes), question.seconds),
    )
    weights = _weights(table, question.weight)
    dev, sealed = folder / "dev", folder / "sealed"
    notes = [*target.reasons, *said, *split.notes, *cut]
    if schema.dates and question.time is None and question.group is None:
        name = schema.dates[0].name
        notes.append(
            f"rows are split at random; if they come in time, name {name!r} as time column"
        )
    whole = encode_rows(schema, table.frame).features

    def write(where: Path, rows: Rows, parts: npt.NDArray[np.int8]) -> str:
        part = Part(
            schema, whole.take(rows), target.y[rows], rows,
            None if weights is None else weights[rows],
            None if groups is None else groups[rows],
            parts, split.repeats, split.how, "", protected, cells[rows],
        )  # fmt: skip
        return write_part(where, part)

    empty = np.empty((0, 0), dtype=np.int8)
    hashes = [write(dev, split.dev, split.parts)]
    n_sealed = len(split.sealed)
    if test is not None:
        hashes.append(_write_test(sealed, schema, test, question, notes, protected))
        n_sealed = len(load_part(sealed))
    elif n_sealed:
        hashes.append(write(sealed, split.sealed, empty))
    facts = {"n_dev": len(split.dev), "n_sealed": n_sealed, "notes": notes, "hash": digest(hashes)}
    (folder / "prepared.json").write_text(json.dumps(facts), "utf-8")
    return load_prepared(folder)


def load_prepared(folder: Path) -> Prepared:
    """What `prepare` settled, read back from its folder."""
    facts = json.loads((folder / "prepared.json").read_text("utf-8"))
    dev = folder / "dev"
    schema = Schema.from_json(json.loads((dev / "part.json").read_text("utf-8"))["schema"])
    sealed = folder / "sealed" if facts["n_sealed"] else None
    sizes = facts["n_dev"], facts["n_sealed"]
    return Prepared(dev, sealed, schema, *sizes, tuple(facts["notes"]), facts["hash"])


def _schema(table: Table, question: Question, target: Target) -> Schema:
    aside = {question.target}
    for role, name in (("group", question.group), ("weight", question.weight)):
        if name is not None:
            aside.add(table.info.column(name, f"{role} column").name)
    aside |= {table.info.column(name, "column to drop").name for name in question.drop}
    if question.target in question.drop:
        raise InputError(f"the target {question.target!r} cannot be dropped.")
    if question.time is not None:
        table.info.column(question.time, "time column")
    if not question.protect_as_input:
        named = _named(table, question)
        aside |= {table.info.column(name, "protected column").name for name in named}
    used = [
        c for c in table.info.columns if c.name not in aside and c.kind not in ("id", "constant")
    ]
    if not used:
        raise InputError(
            f"there is no column left to predict {question.target!r} from: the others are ids, "
            "constant or set aside."
        )
    names = {c.name for c in used} | {question.target}
    ignored = tuple(c.name for c in table.info.columns if c.name not in names)
    single = sum(c.kind == "numeric" for c in used) * len(table.frame) > _SINGLE_FROM
    return Schema(
        tuple(used),
        question.target,
        target.task,
        target.classes,
        ignored,
        float_bits=32 if single else 64,
        comma=table.info.comma,
        target_column=table.info.column(question.target),
    )


def _named(table: Table, question: Question) -> dict[str, tuple[float, ...]]:
    """The protected columns with their cuts."""
    known = [c.name for c in table.info.columns]
    return dict(parse_protected(text, known) for text in question.protect)


def _protected(table: Table, question: Question) -> tuple[tuple[Protected, ...], list[str]]:
    """The protected columns with their groups, and notes on how numbers were cut."""
    made: list[Protected] = []
    notes: list[str] = []
    for name, cuts in _named(table, question).items():
        if name == question.target:
            raise InputError(f"the target {name!r} cannot be protected: it is what is predicted.")
        found, note = protected_of(table.info.column(name, "protected column"), table.frame, cuts)
        made.append(found)
        notes += [note] if note else []
    return tuple(made), notes


def _without_lonely(table: Table, target: Target) -> tuple[Table, Target, list[str]]:
    """Leaves out classes with a single row: nothing can be both learned and scored on it."""
    if target.task == "regression":
        return table, target, []
    counts = np.bincount(target.y, minlength=len(target.classes))
    lonely = [i for i, n in enumerate(counts) if n < 2]
    if not lonely:
        rare = [f"{target.classes[i]!r} ({counts[i]})" for i in np.flatnonzero(counts < 10)]
        few = f"classes with fewer than 10 rows are hard to judge: {', '.join(rare[:8])}"
        return table, target, [few] if rare else []
    left = [i for i in range(len(counts)) if i not in lonely]
    if len(left) < 2:
        raise InputError(
            f"the target {target.name!r} has fewer than two classes with at least 2 rows each."
        )
    keep = ~np.isin(target.y, lonely)
    renumber = np.full(len(counts), -1, dtype=np.int32)
    renumber[left] = np.arange(len(left), dtype=np.int32)
    frame = table.frame[keep].reset_index(drop=True)
    shown = ", ".join(repr(target.classes[i]) for i in lonely[:8])
    task: Task = "binary" if len(left) == 2 else "multiclass"
    less = replace(
        target,
        task=task,
        classes=tuple(target.classes[i] for i in left),
        y=renumber[target.y[keep]],
    )
    info = replace(table.info, n_rows=len(frame))
    return Table(frame, info), less, [f"classes with a single row are dropped: {shown}"]


def _groups(table: Table, name: str | None) -> npt.NDArray[np.int64] | None:
    if name is None:
        return None
    table.info.column(name, "group column")
    found = col.distinct(table.frame[name])
    codes = found.codes.astype(np.int64)
    alone = codes < 0  # rows without a group are a group of their own each
    codes[alone] = len(found.values) + np.arange(int(alone.sum()))
    return codes


def _times(table: Table, name: str | None) -> npt.NDArray[np.float64] | None:
    if name is None:
        return None
    info = table.info.column(name, "time column")
    if info.kind not in ("date", "numeric", "id"):
        raise InputError(
            f"the time column {name!r} holds {info.kind} values; dates or numbers count."
        )
    told = replace(
        info, kind="date" if info.date_format or col.is_date(table.frame[name]) else "numeric"
    )
    values = _numbers(table.frame[name], told)
    if np.isnan(values).any():
        n = int(np.isnan(values).sum())
        raise InputError(f"the time column {name!r} is missing or unreadable in {n} rows.")
    return values


def _weights(table: Table, name: str | None) -> npt.NDArray[np.float64] | None:
    if name is None:
        return None
    info = table.info.column(name, "weight column")
    values = _numbers(table.frame[name], replace(info, kind="numeric"))
    if np.isnan(values).any():
        raise InputError(f"the weight column {name!r} has cells that are missing or no number.")
    if (values < 0).any() or not values.any():
        raise InputError(
            f"the weight column {name!r} must be positive; the least is {values.min():g}."
        )
    return values


def _numbers(column: pd.Series[Any], info: ColumnInfo) -> npt.NDArray[np.float64]:
    read = col.seconds if info.kind == "date" else col.numbers
    return read(column, info)[0]


def _write_test(
    folder: Path,
    schema: Schema,
    given: Raw | pd.DataFrame,
    question: Question,
    notes: list[str],
    protected: tuple[Protected, ...] = (),
) -> str:
    """Writes the user's test rows as the sealed part."""
    test, comma = (given.frame, given.comma) if isinstance(given, Raw) else (given, None)
    names = [str(name).strip() for name in test.columns]
    test = test.set_axis(names, axis=1)
    if schema.target not in names:
        raise InputError(f"the test rows have no target column {schema.target!r}.")
    y, known = encode_target(schema, test[schema.target], comma)
    if not known.any():
        raise InputError("no test row has a target that was seen in training.")
    test = test[known].reset_index(drop=True)
    if not known.all():
        notes.append(f"{int((~known).sum())} test rows have no known target and are dropped")
    encoded = encode_rows(schema, test, comma)
    if encoded.doubtful.any():
        n = int(encoded.doubtful.sum())
        notes.append(f"{n} test rows have a cell unlike those of training (unseen, out of range)")
    rows = np.arange(len(test))
    weights = None
    if question.weight is not None and question.weight in names:
        info = ColumnInfo(question.weight, "numeric")
        weights = col.numbers(test[question.weight], info)[0]
    empty = np.empty((0, 0), dtype=np.int8)
    cells: Cells = cells_of(protected, test, comma, schema.comma)
    part = Part(
        schema, encoded.features, y[known], rows, weights, None, empty,
        protected=protected, cells=cells,
    )  # fmt: skip
    return write_part(folder, part)


def encode_target(
    schema: Schema, column: pd.Series[Any], comma: bool | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """`y` of further rows as in training, and which rows have a target that was seen there.

    `comma` is as in `encode_rows`.
    """
    if schema.task == "regression":
        info = schema.told(schema.target_column or ColumnInfo(schema.target, "numeric"), comma)
        values, _ = col.numbers(column, info)
        return values, ~np.isnan(values)
    told = ColumnInfo(schema.target, "categorical", categories=schema.classes)
    codes, other = col.codes(column, told)
    return codes, (codes >= 0) & ~other
