"""CatBoost's symmetric trees as flat arrays, read from its own JSON: for single rows and for ONNX.

Every split asks whether one column is above a border. Columns are the numbers, and per category
feature tables from its code to a number: 1 for one value and 0 for others (CatBoost's one-hot
splits), or CatBoost's statistic of the answers met with that value (its CTRs).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray, Inputs, IntArray
from modelwright.families.onnx_graph import NotExpressibleError

_ALL = (1 << 64) - 1
_NOWHERE = str(_ALL)  # the mark of an empty place in CatBoost's tables
_MAX_CODES = 50_000
_CTRS = ("Borders", "Counter")


@dataclass(frozen=True)
class Oblivious:
    """Trees of equal depth; `raw` gives `[n, k]` sums.

    `high` `[p]` tells which numbers count as very large where missing (else very small). `tables`
    has for each further column its category feature and a value per code from -1 on, the last for
    every other code. `column`, `border` `[trees, depth]` are the splits, the first the lowest bit
    of the leaf; `start` `[trees]` is where a tree's leaves begin in `leaf` `[leaves, k]`.
    """

    high: npt.NDArray[np.bool_]
    tables: tuple[tuple[int, npt.NDArray[np.float32]], ...]
    column: IntArray
    border: npt.NDArray[np.float32]
    start: IntArray
    leaf: FloatArray
    scale: float
    bias: FloatArray

    def raw(self, X: Inputs) -> FloatArray:
        """Summed leaves `[n, k]`, before any link function."""
        n, p = len(X), len(self.high)
        Z = np.empty((n, p + len(self.tables)), np.float32)
        Z[:, :p] = np.clip(X.numeric, -3e38, 3e38)
        if np.isnan(X.numeric).any():
            edge = np.where(self.high, np.float32(np.inf), np.float32(-np.inf))
            Z[:, :p] = np.where(np.isnan(Z[:, :p]), edge, Z[:, :p])
        for j, (feature, values) in enumerate(self.tables):
            place = X.codes[:, feature].astype(np.int64) + 1
            last = len(values) - 1
            Z[:, p + j] = values[np.where((place < 0) | (place > last), last, place)]
        above = Z[:, self.column] > self.border
        which = above @ (1 << np.arange(self.column.shape[1])) + self.start
        total = self.leaf[which].sum(axis=1)
        return np.asarray(self.scale * total + self.bias)


def read_oblivious(model: Any, rounds: int) -> Oblivious:
    """The first `rounds` trees of a CatBoost model.

    Raises NotExpressibleError when it has other than symmetric trees, or statistics of several
    features together.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        facts = json.loads(path.read_text("utf-8"))
    if "oblivious_trees" not in facts:
        raise NotExpressibleError("CatBoost's trees are not symmetric, and only those are written.")
    about = facts["features_info"]
    floats: Sequence[Mapping[str, Any]] = about.get("float_features", [])
    splits, tables = _splits(about, floats, facts.get("ctr_data", {}))
    trees = facts["oblivious_trees"][:rounds]
    scale, bias = facts["scale_and_bias"]
    k = len(bias)
    asked = [t["splits"] or [] for t in trees]
    depth = max(1, *map(len, asked))
    column = np.zeros((len(trees), depth), np.int64)
    border = np.full((len(trees), depth), np.inf, np.float32)  # nothing is above: no bit
    for i, path_down in enumerate(asked):
        for bit, split in enumerate(path_down):
            column[i, bit], border[i, bit] = splits[split["split_index"]]
    sizes = [len(t["leaf_values"]) // k for t in trees]
    leaf = np.concatenate([np.array(t["leaf_values"], float).reshape(-1, k) for t in trees])
    high = np.array([f["nan_value_treatment"] == "AsTrue" for f in floats], bool)
    start = np.cumsum([0, *sizes[:-1]])
    return Oblivious(
        high, tuple(tables), column, border, start, leaf, float(scale), np.array(bias, float)
    )


def _splits(
    about: Mapping[str, Any], floats: Sequence[Mapping[str, Any]], data: Mapping[str, Any]
) -> tuple[list[tuple[int, float]], list[tuple[int, npt.NDArray[np.float32]]]]:
    """Column and border of every split in CatBoost's order, and the tables behind columns."""
    splits = [(j, border) for j, f in enumerate(floats) for border in f["borders"] or []]
    tables: list[tuple[int, npt.NDArray[np.float32]]] = []
    for f in about.get("categorical_features", []):
        for value in f.get("values", []):
            splits.append((len(floats) + len(tables), 0.5))
            tables.append((f["feature_index"], _one_hot(int(value))))
    for ctr in about.get("ctrs") or []:
        elements = ctr["elements"]
        single = len(elements) == 1 and "cat_feature_index" in elements[0]
        if not single or ctr["ctr_type"] not in _CTRS:
            raise NotExpressibleError(
                "CatBoost counted answers for several features together, which is not written."
            )
        column = len(floats) + len(tables)
        splits += [(column, border) for border in ctr["borders"]]
        values = _statistic(ctr, data[ctr["identifier"]])
        tables.append((elements[0]["cat_feature_index"], values))
    return splits, tables


def _one_hot(value: int) -> npt.NDArray[np.float32]:
    for code, found in _hashes():
        if found == value:
            out = np.zeros(code + 3, np.float32)
            out[code + 1] = 1.0
            return out
    raise NotExpressibleError("CatBoost split on a category that no code stands for.")


def _statistic(ctr: Mapping[str, Any], stored: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """The statistic of every code from -1 on, and last of a category that was never met."""
    width = int(stored["hash_stride"])
    rows = np.array(stored["hash_map"], dtype=object).reshape(-1, width)
    counts = {int(r[0]): r[1:].astype(float) for r in rows if r[0] != _NOWHERE}
    found: dict[int, npt.NDArray[np.float64]] = {}
    for code, value in _hashes():
        inner = (_SPREAD * value) & _ALL
        there = counts.get((_SPREAD * inner) & _ALL)
        if there is not None:
            found[code] = there
            if len(found) == len(counts):
                break
    if len(found) < len(counts):
        raise NotExpressibleError("CatBoost counted a category that no code stands for.")
    per = np.zeros((max(found, default=-1) + 3, width - 1))
    for code, there in found.items():
        per[code + 1] = there
    if ctr["ctr_type"] == "Counter":
        good, total = per[:, 0], np.full(len(per), float(stored["counter_denominator"]))
    else:
        good, total = per[:, ctr["target_border_idx"] + 1 :].sum(axis=1), per.sum(axis=1)
    f4 = np.float32
    share = (good.astype(f4) + f4(ctr["prior_numerator"])) / (
        total.astype(f4) + f4(ctr["prior_denomerator"])
    )
    return np.asarray((share + f4(ctr["shift"])) * f4(ctr["scale"]), f4)


_SPREAD = 0x4906BA494954CB65  # how CatBoost mixes the hashes of a combination of features
_K2, _K3 = 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
_MUL = 0x9DDFEA08EB382D69


def _hashes() -> Iterator[tuple[int, int]]:
    """Codes from -1 on, each with CatBoost's hash of its name as a signed 32-bit number."""
    for code in range(-1, _MAX_CODES):
        low = city_hash(str(code).encode()) & 0xFFFFFFFF
        yield code, low - (1 << 32) if low >= 1 << 31 else low


def city_hash(name: bytes) -> int:
    """CityHash64 (version 1.0, Pike and Alakuijala 2011) of 1 to 8 bytes, which CatBoost uses.

    >>> city_hash(b"0") & 0xFFFFFFFF
    2856682258
    """
    n = len(name)
    if n < 4:
        y = name[0] + (name[n >> 1] << 8)
        z = n + (name[-1] << 2)
        mixed = ((y * _K2) ^ (z * _K3)) & _ALL
        return ((mixed ^ (mixed >> 47)) * _K2) & _ALL
    first, last = (int.from_bytes(part, "little") for part in (name[:4], name[-4:]))
    first = n + (first << 3)
    a = ((first ^ last) * _MUL) & _ALL
    a ^= a >> 47
    b = ((last ^ a) * _MUL) & _ALL
    b ^= b >> 47
    return (b * _MUL) & _ALL
