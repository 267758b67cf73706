"""The covariates of series: which there are, categories as indicators, one value per series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.data import columns as col
from modelwright.data.columns import counted
from modelwright.data.panel import FloatArray, SeriesSchema
from modelwright.data.table import Table

Levels = Mapping[str, tuple[str, ...]]
MOST_LEVELS = 12  # of a category that have a column of their own; the others share none
OTHER = -1.0  # the code of what is beyond them
CATEGORIES = ("categorical", "boolean")
_TOLD = {"text": "texts", "id": "a name in every row", "date": "dates", "constant": "one value"}


def levels_of(table: Table, name: str) -> tuple[str, ...] | None:
    """The levels of a column of categories, the most frequent first; None for numbers.

    Raises InputError for a column that holds neither.
    """
    info = table.info.column(name, "column")
    if info.kind in CATEGORIES:
        return info.categories[:MOST_LEVELS]
    if info.kind in ("numeric", "constant"):
        return None
    raise InputError(
        f"the column {name!r} has to hold numbers or categories; it holds {_TOLD[info.kind]}."
    )


def codes_of(table: Table, name: str, levels: Sequence[str], complete: bool) -> FloatArray:
    """The place of each row's category among the levels, `[n]`; NaN where there is none.

    What is none of them is `OTHER`, or with `complete` an InputError that names it.
    """
    info = table.info.column(name, "column")
    place = {level: float(i) for i, level in enumerate(levels)}
    texts = [col.text_of(v) for v in table.frame[info.name]]
    found = np.array([np.nan if t in info.marks else place.get(t, OTHER) for t in texts])
    if complete and (found == OTHER).any():
        rows = np.flatnonzero(found == OTHER)
        raise InputError(
            f"the column {name!r} has {texts[rows[0]][:40]!r} in {counted(len(rows), 'row')}, "
            f"which training never had; known are {', '.join(map(repr, levels))}."
        )
    return found


def expanded(values: FloatArray, names: Sequence[str], levels: Levels) -> FloatArray:
    """Columns `[n, c]` with an indicator for each level in place of codes, `[n, d]`.

    >>> expanded(np.array([[3.5, 1.0], [4.0, -1.0]]), ("price", "kind"), {"kind": ("a", "b")})
    array([[3.5, 0. , 1. ],
           [4. , 0. , 0. ]])
    """
    parts = []
    for i, name in enumerate(names):
        column = values[:, i : i + 1]
        known = levels.get(name)
        parts.append(column if known is None else (column == np.arange(len(known))).astype(float))
    return np.concatenate(parts, axis=1) if parts else values[:, :0]


def carried(codes: FloatArray, none: float = OTHER) -> FloatArray:
    """Values with gaps filled by the one before, the first by the first there is; `none` for none.

    >>> carried(np.array([np.nan, 2.0, np.nan, 0.0])).tolist()
    [2.0, 2.0, 2.0, 0.0]
    """
    good = np.flatnonzero(np.isfinite(codes))
    if not len(good):
        return np.full(len(codes), float(none))
    last = np.searchsorted(good, np.arange(len(codes)), side="right") - 1
    return np.asarray(codes[good[np.maximum(last, 0)]])


def constant_within(
    columns: FloatArray, groups: Sequence[npt.NDArray[np.intp]], names: Sequence[str]
) -> tuple[str, ...]:
    """Names of the columns with one value in each series, and not the same in all."""
    if len(groups) < 2:
        return ()
    found = []
    for i, name in enumerate(names):
        seen = [np.unique(v[np.isfinite(v)]) for v in (columns[g, i] for g in groups)]
        some = [values[0] for values in seen if len(values)]
        if all(len(values) <= 1 for values in seen) and len(set(some)) > 1:
            found.append(name)
    return tuple(found)


def with_spans(schema: SeriesSchema, static: FloatArray) -> SeriesSchema:
    """The schema with mean and deviation over series of each number that a series has once."""
    spans = {
        name: (float(np.nanmean(v)), float(np.nanstd(v)) or 1.0)
        for name, v in zip(schema.static, static.T, strict=True)
        if name not in schema.levels
    }
    return replace(schema, spans=spans)


def static_values(columns: FloatArray, schema: SeriesSchema, series: str) -> FloatArray:
    """The one value of each static column in the rows of a series, `[q]`, NaN for none."""
    out = np.full(len(schema.static), np.nan)
    for i, name in enumerate(schema.static):
        values = np.unique(columns[:, i][np.isfinite(columns[:, i])])
        if len(values) > 1:
            levels = schema.levels.get(name)
            shown = [repr(_word(v, levels)) for v in values[:2]]
            raise InputError(
                f"the column {name!r} had one value per series in training; the series {series!r} "
                f"has {' and '.join(shown)}. Give one of them in all its rows."
            )
        out[i] = values[0] if len(values) else np.nan
    return out


def _word(code: float, levels: tuple[str, ...] | None) -> Any:
    if levels is None:
        return float(code)
    return levels[int(code)] if code >= 0 else "another level"


def static_block(static: FloatArray, schema: SeriesSchema) -> FloatArray:
    """Static columns `[s, q]` as inputs `[s, d]`: indicators, numbers standardised over series."""
    out = static.copy()
    for i, name in enumerate(schema.static):
        if name in schema.spans:
            mean, spread = schema.spans[name]
            out[:, i] = np.clip((static[:, i] - mean) / spread, -5, 5)
    return np.nan_to_num(expanded(out, schema.static, schema.levels))
