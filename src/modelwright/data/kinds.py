"""What a column holds, inferred from its distinct values and said in words."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo, Distinct, Kind
from modelwright.data.date_formats import guess_date
from modelwright.data.number_formats import guess_number
from modelwright.data.values import READABLE, Values, present, quoted, sample, with_categories

if TYPE_CHECKING:
    import pandas as pd

_BOOLEANS = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"})
_ID_NAME = re.compile(
    r"(^|[^a-z])(id|uuid|guid|identifier|rownames?|rowid|row_?num(ber)?)$|^(ids?|index)$|^id[^a-z]|"
    r"^unnamed: ?\d+$",
    re.IGNORECASE,
)
_CAMEL_ID = re.compile(r"[a-z](ID|Id)$")
_LONG_KEY = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,}|[0-9a-fA-F]{16,}")


def infer(
    name: str, column: pd.Series[Any] | Distinct, *, kind: Kind | None = None, comma: bool = False
) -> ColumnInfo:
    """What the column holds; its `note` says in one sentence what was assumed, if anything.

    `kind` is the user's word and overrides the guess. `comma` says that the file elsewhere writes
    1,5 for one and a half, which decides what `1,234` means.
    """
    if col.is_date(column):
        return _with_bounds(
            ColumnInfo(name, "date"), col.seconds(column, ColumnInfo(name, "date"))[0]
        )
    if col.is_number(column) and str(column.dtype).lower() not in ("bool", "boolean"):
        return _typed_number(name, column, kind)
    found = col.distinct(column)
    if kind is None and col.is_declared(column):
        return replace(_as_told(name, found, "categorical", comma), note="")
    if kind is not None:
        return _as_told(name, found, kind, comma)
    values = present(found, col.ALWAYS_MISSING)
    codes_of_two = _two_letter_codes(found)
    if codes_of_two:
        values = present(found, ("",))
    for guess in (_constant, _boolean, guess_number, guess_date):
        info = guess(name, values, comma) if not codes_of_two else None
        if info is not None:
            return _finish(info, found)
    info = _words(name, values)
    if codes_of_two:
        info = replace(info, marks=("",), note="'NA' is read as a code here, not as missing")
    return _finish(info, found)


def _typed_number(name: str, column: pd.Series[Any], kind: Kind | None) -> ColumnInfo:
    info = ColumnInfo(name, "numeric")
    values, infinite = col.numbers(column, info)
    if kind is not None and kind != "numeric":
        return _as_told(name, col.distinct(column), kind, False)
    info = _with_bounds(info, values)
    if infinite.any():
        n = col.counted(int(infinite.sum()), "infinite value")
        info = replace(info, note=f"{n} taken as missing")
    if kind is not None:
        return info
    return _maybe_id(_constant_number(info), values)


def _as_told(name: str, found: Distinct, kind: Kind, comma: bool) -> ColumnInfo:
    values = present(found, col.ALWAYS_MISSING)
    info = None
    if kind == "numeric":
        info = guess_number(name, values, comma, needed=0.0)
    elif kind == "date":
        info = guess_date(name, values, comma)
    elif kind in ("categorical", "boolean"):
        info = with_categories(ColumnInfo(name, kind), values)
    info = info or ColumnInfo(name, kind)
    return replace(_finish(info, found), note="of this kind because the user said so")


def _finish(info: ColumnInfo, found: Distinct) -> ColumnInfo:
    """Adds the share of missing cells, the number of distinct values and the bounds."""
    marks = sorted(set(compress(found.values, col.is_missing(found.values, info))) - {""})
    if marks and info.kind != "constant":
        said = f"{quoted(marks)} means missing"
        info = replace(info, note=f"{info.note}; {said}" if info.note else said)
    if info.kind == "date":
        return _with_bounds(info, col.seconds(found, info)[0])
    if info.kind == "numeric":
        values, _ = col.numbers(found, info)
        return _maybe_id(_constant_number(_with_bounds(info, values)), values)
    gone = found.spread(col.is_missing(found.values, info), True)
    n_unique = len(present(found, info.marks).texts)
    return replace(info, missing=float(gone.mean()) if len(gone) else 0.0, n_unique=n_unique)


def _with_bounds(info: ColumnInfo, values: npt.NDArray[np.float64]) -> ColumnInfo:
    import pandas as pd

    there = values[~np.isnan(values)]
    return replace(
        info,
        missing=1.0 - len(there) / max(1, len(values)),
        n_unique=len(pd.unique(there)),  # hashed: sorting a million floats takes longer
        low=float(there.min()) if len(there) else None,
        high=float(there.max()) if len(there) else None,
    )


# -- the guesses, in order -----------------------------------------------------------------------


def _constant_number(info: ColumnInfo) -> ColumnInfo:
    if info.n_unique > 1 or 0.0 < info.missing < 1.0:
        return info
    note = "has the same value everywhere" if info.n_unique else "has no value at all"
    return replace(info, kind="constant", note=note)


def _constant(name: str, values: Values, comma: bool) -> ColumnInfo | None:
    if len(values.texts) > 1 or (values.texts and values.n_present < values.n_rows):
        return None
    note = "has the same value everywhere" if values.texts else "has no value at all"
    return ColumnInfo(name, "constant", note=note)


def _boolean(name: str, values: Values, comma: bool) -> ColumnInfo | None:
    if len(values.texts) <= 6 and {text.lower() for text in values.texts} in _BOOLEANS:
        merged: dict[str, int] = {}
        for text, count in zip(values.texts, values.counts.tolist(), strict=True):
            merged[text.lower()] = merged.get(text.lower(), 0) + count
        if len(values.texts) > 2:  # Yes, yes, NO: one writing for each
            order = sorted(merged, key=lambda t: (-merged[t], t))
            return ColumnInfo(name, "boolean", categories=tuple(order))
        return with_categories(ColumnInfo(name, "boolean"), values)
    return None


def _maybe_id(info: ColumnInfo, values: npt.NDArray[np.float64]) -> ColumnInfo:
    """Whole numbers that only name the row: all different, and a counter or called an id."""
    there = values[~np.isnan(values)]
    if info.kind != "numeric" or len(there) < 3 or (there != np.floor(there)).any():
        return info
    named = is_id_name(info.name)
    # Beyond 2**53 neighbours share a float, so that not quite all need be different.
    if named and info.n_unique >= 0.99 * len(values):
        return replace(info, kind="id", note="whole numbers, all different, called an id")
    counter = there[0] in (0.0, 1.0) and len(there) == len(values) and (np.diff(there) == 1).all()
    if len(values) >= 100 and counter:
        return replace(info, kind="id", note="counts the rows")
    if named and info.n_unique >= 0.2 * len(values):
        said = "called an id but repeats: if it names a group, split by it"
        return replace(info, note=f"{info.note}; {said}" if info.note else said)
    return info


def is_id_name(name: str) -> bool:
    """True for names such as `id`, `customer_id`, `PassengerId` and `Unnamed: 0`."""
    return bool(_ID_NAME.search(name) or _CAMEL_ID.search(name))


def _two_letter_codes(found: Distinct) -> bool:
    """`NA` among codes of two capitals (country, state) is a code."""
    if "NA" not in found.values:
        return False
    pairs = [v for v in found.values if v]
    return len(pairs) >= 10 and all(len(v) == 2 and v.isalpha() and v.isupper() for v in pairs)


def _words(name: str, values: Values) -> ColumnInfo:
    """Texts that are neither numbers nor dates: an id, running text or categories."""
    n, n_unique = values.n_present, len(values.texts)
    probe = sample(values)
    tokens = float(np.mean([len(t.split()) for t in probe.texts]))
    length = float(np.mean([len(t) for t in probe.texts]))
    all_different = n_unique >= 0.99 * n and n >= 10
    if all_different and tokens < 1.5:
        keys = np.mean([bool(_LONG_KEY.fullmatch(t)) for t in probe.texts])
        if is_id_name(name) or keys > READABLE or n >= 50:
            return ColumnInfo(name, "id", note="a different word in each row")
    if (n_unique >= 20 and length >= 50) or (n_unique >= 0.5 * n and tokens >= 3 and n >= 20):
        return ColumnInfo(name, "text", note="running text")
    return with_categories(ColumnInfo(name, "categorical"), values)
