"""One column of some features: where it lies, its values, and the same rows with other values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.data.columns import ColumnInfo
from modelwright.data.schema import Features, Schema


def feature_columns(schema: Schema) -> Iterator[tuple[ColumnInfo, str, int]]:
    """Each column with its block (`numeric`, `dates`, `codes`, `texts`) and its place there.

    >>> s = Schema((ColumnInfo("a", "numeric"), ColumnInfo("b", "boolean")), "y", "regression")
    >>> [(c.name, block, j) for c, block, j in feature_columns(s)]
    [('a', 'numeric', 0), ('b', 'codes', 0)]
    """
    blocks = (
        ("numeric", schema.numeric), ("dates", schema.dates), ("codes", schema.categorical),
        ("texts", schema.texts),
    )  # fmt: skip
    for block, columns in blocks:
        for j, info in enumerate(columns):
            yield info, block, j


def column_of(features: Features, schema: Schema, name: str) -> npt.NDArray[Any]:
    """The values of a column, `[n]`: numbers, codes, seconds since 1970, or texts.

    Raises KeyError for a name that is no feature.
    """
    block, j = _place(schema, name)
    if block == "texts":
        return features.texts[name]
    return np.asarray(getattr(features, block)[:, j])


def with_column(
    features: Features, schema: Schema, name: str, values: npt.NDArray[Any]
) -> Features:
    """The same rows with other values in one column; what was given is not changed."""
    block, j = _place(schema, name)
    if block == "texts":
        return replace(features, texts={**features.texts, name: values})
    changed: Any = np.array(getattr(features, block))
    changed[:, j] = values
    fields: dict[str, Any] = {block: changed}
    return replace(features, **fields)


def stacked(parts: list[Features]) -> Features:
    """The rows of several features, one after the other."""
    return Features(
        np.concatenate([p.numeric for p in parts]),
        np.concatenate([p.codes for p in parts]),
        np.concatenate([p.dates for p in parts]),
        {name: np.concatenate([p.texts[name] for p in parts]) for name in parts[0].texts},
    )


def _place(schema: Schema, name: str) -> tuple[str, int]:
    for info, block, j in feature_columns(schema):
        if info.name == name:
            return block, j
    raise KeyError(name)
