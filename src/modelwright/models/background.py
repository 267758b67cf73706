"""What "not knowing a column" means to an explanation: plain marginals, never a training row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.keys import Key
from modelwright.data.columns import ColumnInfo
from modelwright.data.one_column import column_of, feature_columns
from modelwright.data.schema import Features, Schema

QUANTILES, WIDE = 16, 200
MAX_ROWS = 20_000


def background_of(features: Features, schema: Schema) -> dict[str, Any]:
    """Per column 16 quantiles (8 in wide tables) or the shares of its categories, and its gaps.

    Plain data for a model's card. Columns are described one by one: rows cannot be put together
    again. The outer 3 % of a column's values are left out. Texts have no entry.
    """
    n_points = QUANTILES if len(schema.columns) <= WIDE else QUANTILES // 2
    small = features.take(slice(None, None, max(1, -(-len(features) // MAX_ROWS))))
    out: dict[str, Any] = {}
    for info, block, _ in feature_columns(schema):
        if block == "texts":
            continue
        values = column_of(small, schema, info.name)
        if block == "codes":
            counts = np.bincount(values[values >= 0], minlength=len(info.categories) + 1)
            shares = counts[: len(info.categories) + 1] / max(1, len(values))
            out[info.name] = {"shares": [round(float(s), 4) for s in shares]}
            continue
        there = values[np.isfinite(values)]
        if not len(there):
            continue
        places = (np.arange(n_points) + 0.5) / n_points
        found = np.quantile(there, places, method="inverted_cdf")
        missing = 1 - len(there) / len(values)
        out[info.name] = {"values": [float(f"{v:.6g}") for v in found],
                          "missing": round(missing, 4)}  # fmt: skip
    return out


def background_rows(schema: Schema, known: Mapping[str, Any], n: int = 32) -> Features:
    """`n` made-up rows with the marginals of `background_of`, columns independent of one another.

    The same for equal arguments. A column without an entry (an older model) takes evenly spaced
    values of its range, or its three most frequent categories; texts are missing.
    """
    blocks: dict[str, list[npt.NDArray[Any]]] = {"numeric": [], "codes": [], "dates": []}
    texts: dict[str, npt.NDArray[np.object_]] = {}
    for info, block, _ in feature_columns(schema):
        rng = np.random.default_rng(Key.of(0).child("background", info.name).seed(128))
        order = (rng.permutation(n) + 0.5) / n
        if block == "texts":
            texts[info.name] = np.full(n, None, dtype=object)
        elif block == "codes":
            blocks[block].append(_codes(info, known.get(info.name), order))
        else:
            blocks[block].append(_values(info, known.get(info.name), order))
    made = {
        name: np.column_stack(columns) if columns else np.empty((n, 0))
        for name, columns in blocks.items()
    }
    return Features(made["numeric"], made["codes"].astype(np.int32), made["dates"], texts)


def _codes(
    info: ColumnInfo, known: Mapping[str, Any] | None, order: npt.NDArray[np.float64]
) -> npt.NDArray[Any]:
    if known is None:
        few = min(3, len(info.categories))
        shares = np.full(few, 1 / max(1, few))
    else:
        shares = np.array(known["shares"])
    codes = np.searchsorted(np.cumsum(shares), order)
    return np.where(codes < len(shares), codes, -1)


def _values(
    info: ColumnInfo, known: Mapping[str, Any] | None, order: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    if known is None:
        low, high = info.low or 0.0, info.high or 0.0
        return np.asarray(low + (high - low) * order)
    values, missing = np.array(known["values"]), float(known["missing"])
    inside = np.clip(order / max(1e-9, 1 - missing), 0, 1 - 1e-9)
    return np.where(order < 1 - missing, values[(inside * len(values)).astype(int)], np.nan)
