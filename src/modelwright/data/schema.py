"""The schema a model carries, and how raw rows become its arrays without a silent wrong number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, did_you_mean
from modelwright.data import columns as col
from modelwright.data.columns import Codes, ColumnInfo, Floats, Mask

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["binary", "multiclass", "regression"]
Trouble = Literal["unseen", "range", "unreadable", "missing"]
FORMAT = 1


@dataclass(frozen=True)
class Features:
    """What a model is given: four blocks of columns over the same rows.

    `numeric` [n_rows, n_numeric] and `dates` [n_rows, n_dates] (seconds since 1970) are floats with
    NaN where missing; `codes` [n_rows, n_categorical] are int32, -1 where missing and the number of
    known categories where the value is another one; `texts` has one object array of str or None
    per text column. Columns stand in the order of the schema's blocks of the same name.
    """

    numeric: npt.NDArray[Any]
    codes: Codes
    dates: Floats
    texts: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numeric)

    def take(self, rows: npt.NDArray[Any] | slice) -> Features:
        """The same columns over some of the rows (indices, a mask or a slice)."""
        return Features(
            self.numeric[rows],
            self.codes[rows],
            self.dates[rows],
            {name: values[rows] for name, values in self.texts.items()},
        )


@dataclass(frozen=True)
class Schema:
    """The columns a model needs, in order, and what it answers.

    `classes` are the labels in the order of the class codes; in a binary task the second one is the
    positive class. `ignored` are columns that may come along and are not looked at. A number
    further than `margin` of the range seen in training outside of it is flagged. `comma` is how the
    training file wrote decimals (True 1,5, False 1.5, None unknown). `target_column` says how the
    target's own cells are read.
    """

    columns: tuple[ColumnInfo, ...]
    target: str
    task: Task
    classes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    margin: float = 0.1
    float_bits: int = 64
    comma: bool | None = None
    target_column: ColumnInfo | None = None

    def _block(self, *kinds: str) -> tuple[ColumnInfo, ...]:
        return tuple(c for c in self.columns if c.kind in kinds)

    @property
    def numeric(self) -> tuple[ColumnInfo, ...]:
        """Columns of `Features.numeric`, in order."""
        return self._block("numeric")

    @property
    def categorical(self) -> tuple[ColumnInfo, ...]:
        """Columns of `Features.codes`, in order: categorical and boolean."""
        return self._block("categorical", "boolean")

    @property
    def dates(self) -> tuple[ColumnInfo, ...]:
        """Columns of `Features.dates`, in order."""
        return self._block("date")

    @property
    def texts(self) -> tuple[ColumnInfo, ...]:
        """Columns of `Features.texts`, in order."""
        return self._block("text")

    @property
    def positive(self) -> str | None:
        """The positive label of a binary task."""
        return self.classes[1] if self.task == "binary" else None

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal schema."""
        return {
            "format": FORMAT,
            "columns": [c.to_json() for c in self.columns],
            "target": self.target,
            "task": self.task,
            "classes": list(self.classes),
            "ignored": list(self.ignored),
            "margin": self.margin,
            "float_bits": self.float_bits,
            "comma": self.comma,
            "target_column": self.target_column and self.target_column.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        """The schema that `to_json` wrote. Raises InputError for a format this version lacks."""
        if data.get("format") != FORMAT:
            raise InputError(
                f"the schema has format {data.get('format')!r} and this version reads {FORMAT}; "
                "install the version that wrote it."
            )
        return cls(
            columns=tuple(ColumnInfo.from_json(c) for c in data["columns"]),
            target=data["target"],
            task=data["task"],
            classes=tuple(data["classes"]),
            ignored=tuple(data["ignored"]),
            margin=data["margin"],
            float_bits=data["float_bits"],
            comma=data.get("comma"),
            target_column=ColumnInfo.from_json(own) if (own := data.get("target_column")) else None,
        )

    def told(self, info: ColumnInfo, comma: bool | None) -> ColumnInfo:
        """The column as a file writes it whose decimals are with a comma, a point, or unknown."""
        if not self.differs(comma) or info.kind != "numeric":
            return info
        decimal, thousands = (",", ".") if comma else (".", ",")
        return replace(info, decimal=decimal, thousands=thousands)

    def differs(self, comma: bool | None) -> bool:
        """True when a file is known to write decimals in another way than the training file."""
        return comma is not None and comma != bool(self.comma)


@dataclass(frozen=True)
class Flag:
    """One kind of trouble in one column: the rows it touches (rising), and what stood in each."""

    column: str
    trouble: Trouble
    rows: npt.NDArray[np.intp]
    cells: npt.NDArray[np.object_]
    words: str

    def sentences(self) -> list[str]:
        """What to say of each row, as many as `rows`."""
        return [f"{self.column}: {cell}{self.words}" for cell in self.cells]


@dataclass(frozen=True)
class Encoded:
    """Rows as a model takes them, with what was doubtful about each.

    `notes` are about the whole (columns that were ignored), `flags` about rows. `names` are of the
    series that the rows stand for, where they do.
    """

    features: Features
    flags: tuple[Flag, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def problems(self) -> list[list[str]]:
        """Per row the sentences about it; an empty list where nothing is doubtful."""
        out: list[list[str]] = [[] for _ in range(len(self.features))]
        for flag in self.flags:
            for row, sentence in zip(flag.rows, flag.sentences(), strict=True):
                out[row].append(sentence)
        return out

    @property
    def doubtful(self) -> Mask:
        """Which rows have a flag, [n_rows]."""
        out = np.zeros(len(self.features), dtype=bool)
        for flag in self.flags:
            out[flag.rows] = True
        return out


def encode_rows(
    schema: Schema, rows: pd.DataFrame | Sequence[Mapping[str, Any]], comma: bool | None = None
) -> Encoded:
    """Raw rows as the arrays of `schema`, each cell read as it was in training.

    `rows` is a data frame (texts or typed) or a list of mappings; the order of its columns does not
    matter. Flagged per row: a category that training had not, a number beyond the range of
    training, a cell that is no number or date (taken as missing), a missing cell in a column that
    never lacked one. `comma` says how the source of the rows writes decimals, where it is a text
    file; numbers are then read as that file means them. Raises InputError when a needed column is
    missing or stands there twice.

    >>> s = Schema((ColumnInfo("age", "numeric", low=20.0, high=60.0),), "y", "regression")
    >>> e = encode_rows(s, [{"age": "31"}, {"age": "200"}, {"age": "old"}])
    >>> e.features.numeric.tolist(), e.problems()[1]
    ([[31.0], [200.0], [nan]], ["age: '200' is outside the 20 to 60 of training"])
    """
    import pandas as pd

    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame.from_records(list(rows))
    names = [str(name).strip() for name in frame.columns]
    _check_names(schema, names)
    place = {name: i for i, name in enumerate(names)}
    flags: list[Flag] = []

    def read(info: ColumnInfo) -> Any:
        values, found = _read(
            schema.told(info, comma), frame.iloc[:, place[info.name]], schema.margin
        )
        flags.extend(found)
        return values

    shape = len(frame)
    floats = np.dtype(f"f{schema.float_bits // 8}")
    features = Features(
        _matrix((read(c) for c in schema.numeric), shape, len(schema.numeric), floats),
        _matrix((read(c) for c in schema.categorical), shape, len(schema.categorical), np.int32),
        _matrix((read(c) for c in schema.dates), shape, len(schema.dates), np.float64),
        {c.name: read(c) for c in schema.texts},
    )
    known = {c.name for c in schema.columns} | set(schema.ignored) | {schema.target}
    extra = [name for name in names if name not in known]
    notes = [f"not looked at: {_some(extra)}, which the model does not know"] if extra else []
    if schema.differs(comma):
        marks = ("a comma", "a point") if comma else ("a point", "a comma")
        notes.append(f"decimals are written with {marks[0]} here and with {marks[1]} in training")
    return Encoded(features, tuple(flags), tuple(notes))


def _matrix(
    parts: Iterable[npt.NDArray[Any]], n_rows: int, n_columns: int, dtype: npt.DTypeLike
) -> npt.NDArray[Any]:
    out = np.empty((n_rows, n_columns), dtype=dtype)
    for i, part in enumerate(parts):
        out[:, i] = part
    return out


def _check_names(schema: Schema, names: Sequence[str]) -> None:
    twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(f"each column may stand there once; {_some(twice)} came more than once.")
    missing = [c.name for c in schema.columns if c.name not in set(names)]
    if not missing:
        return
    wanted = {c.name for c in schema.columns}
    spare = [n for n in names if n not in wanted]
    hint = did_you_mean(missing[0], spare).replace("Did you mean", "Is it now called")
    many = "columns" if len(missing) > 1 else "column"
    raise InputError(f"the model needs the {many} {_some(missing)}, which did not come.{hint}")


def _some(names: Sequence[str], limit: int = 5) -> str:
    """The first few names in quotes, and how many more there are."""
    shown = ", ".join(repr(n) for n in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _read(
    info: ColumnInfo, column: pd.Series[Any], margin: float
) -> tuple[npt.NDArray[Any], list[Flag]]:
    values: npt.NDArray[Any]
    if info.kind == "text":
        values = col.texts(column, info)
        return values, []
    if info.kind in ("categorical", "boolean"):
        values, unseen = col.codes(column, info)
        flags = _flag(info, "unseen", unseen, column, " was not seen in training")
        return values, [*flags, *_gaps(info, values < 0)]
    if info.kind == "date":
        values, bad = col.seconds(column, info)
        flags = _flag(info, "unreadable", bad, column, " is no date and counts as missing")
    else:
        values, bad = col.numbers(column, info)
        flags = _flag(info, "unreadable", bad, column, " is no number and counts as missing")
    low, high = (_shown(info, x) for x in (info.low, info.high))
    words = f" is outside the {low} to {high} of training"
    beyond = _flag(info, "range", _beyond(info, values, margin), column, words)
    return values, [*flags, *beyond, *_gaps(info, np.isnan(values) & ~bad)]


def _beyond(info: ColumnInfo, values: Floats, margin: float) -> Mask:
    if info.low is None or info.high is None:
        return np.zeros(len(values), dtype=bool)
    room = margin * (info.high - info.low)
    return (values < info.low - room) | (values > info.high + room)


def _shown(info: ColumnInfo, value: float | None) -> str:
    if value is None:
        return "?"
    if info.kind != "date":
        return f"{value:.6g}"
    return str(np.datetime64(int(value), "s")).removesuffix("T00:00:00")


def _flag(
    info: ColumnInfo, trouble: Trouble, where: Mask, column: pd.Series[Any], words: str
) -> list[Flag]:
    rows = np.flatnonzero(where)
    if not len(rows):
        return []
    found = col.distinct(column.iloc[rows])
    shown = np.array([*(repr(v[:80]) for v in found.values), "nothing"], dtype=object)
    return [Flag(info.name, trouble, rows, shown[found.codes], words)]


def _gaps(info: ColumnInfo, missing: Mask) -> list[Flag]:
    if info.missing > 0 or not missing.any():
        return []
    rows = np.flatnonzero(missing)
    empty = np.full(len(rows), "", dtype=object)
    return [Flag(info.name, "missing", rows, empty, "is missing, which it never was in training")]
