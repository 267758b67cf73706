"""One row as a model takes it, without a data frame: the way of a single quick prediction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from modelwright.data.columns import ColumnInfo
from modelwright.data.schema import Features, Schema

_ABSENT = object()


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
        self._codes = [
            (c, {name: i for i, name in enumerate(c.categories) if name not in c.marks})
            for c in schema.categorical
        ]

    def read(self, row: Mapping[str, Any]) -> Features | None:
        """The features of a row without trouble, equal to `data.encode_rows`; None for others.

        A cell is without trouble when it is a plain number within the range of training, a known
        category written as in training, a text, or missing (None) where training had gaps. What
        else there is, dates among it, is left to `encode_rows`, which has words for it.
        """
        if self._schema.dates or not self._known.issuperset(row):
            return None
        numeric = np.empty((1, len(self._numbers)), self._floats)
        for j, (info, low, high) in enumerate(self._numbers):
            value = row.get(info.name, _ABSENT)
            kind = type(value)
            if (kind is float or kind is int) and low <= value <= high:
                numeric[0, j] = value
            elif _gap(info, value):
                numeric[0, j] = math.nan
            else:
                return None
        codes = np.empty((1, len(self._codes)), np.int32)
        for j, (info, places) in enumerate(self._codes):
            value = row.get(info.name, _ABSENT)
            code = places.get(value) if type(value) is str else None
            if code is None and not _gap(info, value):
                return None
            codes[0, j] = -1 if code is None else code
        texts = {}
        for info in self._schema.texts:
            value = row.get(info.name, _ABSENT)
            if type(value) is not str or not value or value in info.marks or value != value.strip():
                return None
            texts[info.name] = np.array([value, None], dtype=object)[:1]
        return Features(numeric, codes, np.empty((1, 0)), texts)


def _range(info: ColumnInfo) -> tuple[float, float]:
    if info.low is None or info.high is None:
        return -math.inf, math.inf
    return info.low, info.high


def _gap(info: ColumnInfo, value: Any) -> bool:
    return info.missing > 0 and (value is None or (type(value) is float and value != value))


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
