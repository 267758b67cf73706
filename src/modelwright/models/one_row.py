"""One row as a model takes it, without a data frame: the way of a single quick prediction."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from modelwright.data.columns import ColumnInfo, text_of
from modelwright.data.schema import Features, Schema

_ABSENT = object()
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{6})?)?)?", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", re.ASCII)
# A name of a month depends on the machine's language here and not there.
_PLAIN = re.compile(r"(%[YmdHMS]|[^%])+")
_START = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)


class RowReader:
    """Reads single rows of a schema, a mapping from column to cell each.

    >>> schema = Schema((ColumnInfo("age", "numeric", low=20.0, high=60.0),), "y", "regression")
    >>> reader = RowReader(schema)
    >>> reader.read({"age": 31}).numeric.tolist(), reader.read({"age": 200})
    ([[31.0]], None)
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known = {c.name for c in schema.columns} | {*schema.ignored, schema.target}
        self._floats = np.dtype(f"f{schema.float_bits // 8}")
        self._numbers = [(c, *_range(c)) for c in schema.numeric]
        self._dates = [(c, *_range(c)) for c in schema.dates]
        self._codes = [
            (c, {name: i for i, name in enumerate(c.categories) if name not in c.marks})
            for c in schema.categorical
        ]

    def read(self, row: Mapping[str, Any]) -> Features | None:
        """The features of a row without trouble, equal to `data.encode_rows`; None for others.

        A cell is without trouble when it is a plain number (or its text) within the range of
        training, a known category written as in training (or the number that was written so), a
        date within that range (a time stamp without zone, or written as in training, in digits), a
        text, or missing (None) where training had gaps. What else there is, is left to
        `encode_rows`, which has words for it.
        """
        if not self._known.issuperset(row):
            return None
        numeric = np.empty((1, len(self._numbers)), self._floats)
        for j, (info, low, high) in enumerate(self._numbers):
            value = row.get(info.name, _ABSENT)
            if type(value) is str:
                value = _number(value, info)
            if (type(value) is float or type(value) is int) and low <= value <= high:
                numeric[0, j] = value
            elif _gap(info, value):
                numeric[0, j] = math.nan
            else:
                return None
        codes = np.empty((1, len(self._codes)), np.int32)
        for j, (info, places) in enumerate(self._codes):
            value = row.get(info.name, _ABSENT)
            code = places.get(value.strip() if type(value) is str else _word(value))
            if code is None and not _gap(info, value):
                return None
            codes[0, j] = -1 if code is None else code
        dates = np.empty((1, len(self._dates)))
        for j, (info, low, high) in enumerate(self._dates):
            value = row.get(info.name, _ABSENT)
            seconds = _seconds(value, info)
            if low <= seconds <= high:
                dates[0, j] = seconds
            elif _gap(info, value):
                dates[0, j] = math.nan
            else:
                return None
        texts = {}
        for info in self._schema.texts:
            value = row.get(info.name, _ABSENT)
            if type(value) is not str or not value or value in info.marks or value != value.strip():
                return None
            texts[info.name] = np.array([value, None], dtype=object)[:1]
        return Features(numeric, codes, dates, texts)


def _range(info: ColumnInfo) -> tuple[float, float]:
    if info.low is None or info.high is None:
        return -math.inf, math.inf
    return info.low, info.high


def _number(text: str, info: ColumnInfo) -> Any:
    """A text that is plainly a number, in a column written with a point; for others no cell."""
    plain = info.decimal == "." and not info.thousands and not info.affix
    known = plain and text not in info.marks and _NUMBER.fullmatch(text)
    return float(text) if known else _ABSENT


def _word(value: Any) -> str:
    """How training wrote a whole number or a truth as a category; nothing for other things."""
    return text_of(value) if type(value) in (int, bool, float) else ""


def _gap(info: ColumnInfo, value: Any) -> bool:
    return info.missing > 0 and (value is None or (type(value) is float and value != value))


def _seconds(value: Any, info: ColumnInfo) -> float:
    """Seconds since 1970 of a cell that is plainly a date, NaN for others."""
    kind = type(value)
    if kind is str:
        how = info.date_format or "ISO8601"
        try:
            if how == "ISO8601":
                plain = _ISO.fullmatch(value) is not None
                value = datetime.datetime.fromisoformat(value) if plain else None
            else:
                plain = value.isascii() and _PLAIN.fullmatch(how) is not None
                value = datetime.datetime.strptime(value, how) if plain else None
        except ValueError:
            return math.nan
    elif kind is np.datetime64:
        value = None if np.isnat(value) else value.astype("datetime64[us]").item()
    elif not isinstance(value, datetime.datetime) or value.tzinfo is not None or value != value:
        return math.nan
    return math.nan if value is None else (value - _START) / _MICROSECOND / 1e6


def row_of(schema: Schema, features: Features, row: int) -> dict[str, Any]:
    """A raw row that reads back as row number `row` of these features; missing is None."""
    out: dict[str, Any] = {}
    for j, info in enumerate(schema.numeric):
        value = float(features.numeric[row, j])
        out[info.name] = None if math.isnan(value) else value
    for j, info in enumerate(schema.categorical):
        code = int(features.codes[row, j])
        names = (*info.categories, "another value")
        out[info.name] = None if code < 0 else names[code]
    for j, info in enumerate(schema.dates):
        seconds = float(features.dates[row, j])
        stamp = None if math.isnan(seconds) else np.datetime64(round(seconds * 1e6), "us")
        out[info.name] = stamp
    for info in schema.texts:
        out[info.name] = features.texts[info.name][row]
    return out
