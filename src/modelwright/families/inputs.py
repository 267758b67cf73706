"""From the typed columns of a table to the numbers and codes that families take."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from modelwright.data.schema import Features, Schema
from modelwright.families.base import FloatArray, Inputs

TOKENS = 64
_WORD = re.compile(r"\w+")
_DAY = 86400.0


def inputs_of(features: Features, schema: Schema) -> Inputs:
    """The features of a schema as `Inputs`; nothing is learned, each row stands for itself.

    A date gives five numbers: days since 1970, month, day of the month, day of the week (Monday is
    0) and hour. A text gives its length, its number of words and 64 hashed word counts on a log
    scale (kept thin: word order and meaning are not looked at).
    """
    blocks = [features.numeric]
    blocks += [_date(features.dates[:, j]) for j in range(features.dates.shape[1])]
    blocks += [_text(features.texts[c.name]) for c in schema.texts]
    numeric = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
    # "Another one" is a level like any other: rare values may share it in training.
    levels = tuple(len(c.categories) + 1 for c in schema.categorical)
    return Inputs(numeric, features.codes, levels)


def places_of(schema: Schema) -> dict[str, tuple[str, range]]:
    """Where each column of a schema is found in its inputs: `numeric` or `codes`, and which.

    >>> from modelwright.data.columns import ColumnInfo
    >>> s = Schema((ColumnInfo("age", "numeric"), ColumnInfo("born", "date")), "y", "regression")
    >>> places_of(s)
    {'age': ('numeric', range(0, 1)), 'born': ('numeric', range(1, 6))}
    """
    out = {c.name: ("codes", range(j, j + 1)) for j, c in enumerate(schema.categorical)}
    start = 0
    wide = ((schema.numeric, 1), (schema.dates, 5), (schema.texts, TOKENS + 2))
    for columns, width in wide:
        for info in columns:
            out[info.name] = ("numeric", range(start, start + width))
            start += width
    return out


def _date(seconds: FloatArray) -> FloatArray:
    known = np.isfinite(seconds)
    stamps = np.where(known, seconds, 0).astype("datetime64[s]")
    days = stamps.astype("datetime64[D]")
    months = stamps.astype("datetime64[M]")
    number = days.astype(np.int64)
    out = np.stack(
        [
            np.where(known, seconds, 0) / _DAY,
            months.astype(np.int64) % 12 + 1,
            (days - months).astype(np.int64) + 1,
            (number + 3) % 7,  # 1 January 1970 was a Thursday
            (stamps - days).astype(np.int64) // 3600,
        ],
        axis=1,
    ).astype(float)
    out[~known] = np.nan
    return out


def _text(values: Iterable[str | None]) -> FloatArray:
    rows = list(values)
    out: npt.NDArray[np.float64] = np.zeros((len(rows), TOKENS + 2))
    for row, value in zip(out, rows, strict=True):
        if value is None:
            row[:2] = np.nan
            continue
        words = _WORD.findall(value.lower())
        row[:2] = len(value), len(words)
        for word in words:
            row[2 + zlib.crc32(word.encode()) % TOKENS] += 1
    out[:, 2:] = np.log1p(out[:, 2:])
    return out
