"""From the typed columns of a table to the numbers, codes and texts that are learned from."""

from __future__ import annotations

import numpy as np

from modelwright.data.schema import Features, Schema
from modelwright.families.base import FloatArray, Inputs

DATE_PARTS = 8
_DAY = 86400.0


def inputs_of(features: Features, schema: Schema) -> Inputs:
    """The features of a schema as `Inputs`; nothing is learned, each row stands for itself.

    A date gives eight numbers: days since 1970, month, day of the month, day of the week (Monday
    is 0), hour, day of the year, and 0 or 1 for the weekend and for the last day of a month. Texts
    are passed on as they are.
    """
    numeric = features.numeric
    if schema.dates:
        dates = [_date(features.dates[:, j]) for j in range(features.dates.shape[1])]
        # In the precision of the numbers: single for a large table (a day then counts to minutes).
        numeric = np.concatenate([numeric, *(d.astype(numeric.dtype) for d in dates)], axis=1)
    # "Another one" is a level like any other: rare values may share it in training.
    levels = tuple(len(c.categories) + 1 for c in schema.categorical)
    texts = tuple(features.texts[c.name] for c in schema.texts)
    return Inputs(numeric, features.codes, levels, texts)


def places_of(schema: Schema) -> dict[str, tuple[str, range]]:
    """Where each column of a schema is found in its inputs: `numeric`, `codes` or `texts`, which.

    >>> from modelwright.data.columns import ColumnInfo
    >>> s = Schema((ColumnInfo("age", "numeric"), ColumnInfo("born", "date")), "y", "regression")
    >>> places_of(s)
    {'age': ('numeric', range(0, 1)), 'born': ('numeric', range(1, 9))}
    """
    out = {c.name: ("codes", range(j, j + 1)) for j, c in enumerate(schema.categorical)}
    out |= {c.name: ("texts", range(j, j + 1)) for j, c in enumerate(schema.texts)}
    start = 0
    for columns, width in ((schema.numeric, 1), (schema.dates, DATE_PARTS)):
        for info in columns:
            out[info.name] = ("numeric", range(start, start + width))
            start += width
    return out


def _date(seconds: FloatArray) -> FloatArray:
    known = np.isfinite(seconds)
    stamps = np.where(known, seconds, 0).astype("datetime64[s]")
    days = stamps.astype("datetime64[D]")
    months, years = stamps.astype("datetime64[M]"), stamps.astype("datetime64[Y]")
    weekday = (days.astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday
    out = np.stack(
        [
            np.where(known, seconds, 0) / _DAY,
            months.astype(np.int64) % 12 + 1,
            (days - months).astype(np.int64) + 1,
            weekday,
            (stamps - days).astype(np.int64) // 3600,
            (days - years).astype(np.int64) + 1,
            weekday >= 5,
            (days + 1).astype("datetime64[M]") != months,
        ],
        axis=1,
    ).astype(float)
    out[~known] = np.nan
    return out
