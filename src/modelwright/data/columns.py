"""What is known of a column, and how its raw cells become numbers, seconds or codes.

Training and prediction go through the same functions, so a cell means the same in both. Needs numpy
and pandas only, because the shipped model's loader uses it.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import numpy as np
import numpy.typing as npt

from modelwright.data.arrow_numbers import numbers_by_arrow

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["numeric", "categorical", "boolean", "date", "text", "id", "constant"]
KINDS: tuple[Kind, ...] = (
    "numeric", "categorical", "boolean", "date", "text", "id", "constant",
)  # fmt: skip
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

# Missing wherever they stand, and missing only where the column otherwise holds numbers or dates:
# "none", "-" and "unknown" are often answers in their own right.
ALWAYS_MISSING = (
    "", "?", "NA", "N/A", "n/a", "#N/A", "#NA", "NaN", "nan", "NaT", "NULL", "Null", "null", "<NA>",
    "(null)", "\\N",
)  # fmt: skip
MISSING_AMONG_NUMBERS = (
    "none", "-", "--", "---", ".", "..", "*", "na", "n.a.", "nil", "empty", "missing", "unknown",
    "not available", "not applicable", "undefined", "#value!", "#div/0!", "#ref!", "#num!", "nat",
    "nan", "null", "n/a",
)  # fmt: skip


@dataclass(frozen=True)
class ColumnInfo:
    """What a column holds and how to read its cells.

    `missing` is a share of the rows, `n_unique` counts the distinct values present. `categories`
    (categorical and boolean) are most frequent first; what is beyond them is "other". `low` and
    `high` bound numbers, and dates as seconds since 1970 in UTC. `decimal`, `thousands`, `affix`
    (a currency, percent sign or unit that is cut off) and `date_format` (as `strptime` has it, or
    `ISO8601`) say how a text is read; `marks` are the texts that mean missing.
    """

    name: str
    kind: Kind
    missing: float = 0.0
    n_unique: int = 0
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    note: str = ""
    decimal: str = "."
    thousands: str = ""
    affix: str = ""
    date_format: str = ""
    marks: tuple[str, ...] = ALWAYS_MISSING

    def to_json(self) -> dict[str, Any]:
        """Plain data; fields at their default are left out.

        >>> ColumnInfo("age", "numeric", low=1.0).to_json()
        {'name': 'age', 'kind': 'numeric', 'low': 1.0}
        """
        every = asdict(self)
        out = {f.name: every[f.name] for f in fields(self) if every[f.name] != f.default}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in out.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ColumnInfo:
        """The column that `to_json` wrote."""
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**known)


def text_of(value: Any) -> str:
    """One cell as text: whole floats without `.0`, dates in ISO, None and NaN as nothing.

    >>> [text_of(v) for v in (" a ", 2.0, True, None, float("nan"))]
    ['a', '2', 'True', '', '']
    """
    if isinstance(value, str):
        return value.strip()
    try:
        if value is None or value != value:
            return ""
    except (TypeError, ValueError):  # pandas.NA has no truth, an array has several
        return "" if type(value).__name__ == "NAType" else str(value).strip()
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return str(value).strip()


def counted(n: int, noun: str) -> str:
    """The number and the noun, in the plural unless it is one.

    >>> counted(1, "cell"), counted(2000, "cell")
    ('1 cell', '2,000 cells')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


@dataclass(frozen=True)
class Distinct:
    """A column as its distinct texts and, per row, which one it is.

    Distinct values are few where deciding is slow, so everything is decided on them.
    `codes` is -1 where the cell is null; `values` are stripped and may therefore repeat.
    """

    values: list[str]
    codes: npt.NDArray[np.intp]

    def spread(self, per_value: npt.NDArray[Any], null: Any) -> npt.NDArray[Any]:
        """One entry per row from one entry per distinct value."""
        padded = np.append(per_value, np.array([null], dtype=per_value.dtype))
        return padded[self.codes]


def distinct(column: pd.Series[Any] | Distinct) -> Distinct:
    """The distinct texts of any column, whatever its dtype; what is distinct already stays."""
    import pandas as pd

    if isinstance(column, Distinct):
        return column
    if column.dtype == object:
        # 1, 1.0 and True are one key to a hash table, and lists are none: texts are compared.
        column = pd.Series([text_of(v) for v in column], dtype=object)
    codes, uniques = pd.factorize(column)
    listed = np.asarray(uniques, dtype=object).tolist()
    if listed and isinstance(listed[0], str):
        return Distinct([v.strip() for v in listed], codes)
    return Distinct([text_of(v) for v in listed], codes)


_HEAD = 1000  # cells that tell most columns of words from columns of numbers
_GROUPED = {
    mark: re.compile(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+") for mark in (",", ".", " ", "'")
}
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2019": "'"})


def number(text: str, decimal: str = ".", thousands: str = "", affix: str = "") -> float:
    """The number a text stands for, NaN when it is none.

    >>> number("1.234,5", decimal=",", thousands="."), number("12 %", affix="%"), number("1_0")
    (1234.5, 12.0, nan)
    """
    text = text.translate(_SPACES)
    negative = text.startswith("(") and text.endswith(")")
    text = text[1:-1] if negative else text
    if affix and affix in text:
        sign = "-" if text.startswith("-") else ""
        text = text.removeprefix("-").removeprefix(affix).removesuffix(affix).strip()
        text = sign + text
    if thousands and thousands in text:
        whole, _, _ = text.lstrip("+-").partition(decimal)
        if not _GROUPED[thousands].fullmatch(whole):
            return math.nan
        text = text.replace(thousands, "")
    if decimal != ".":
        if "." in text:
            return math.nan
        text = text.replace(decimal, ".")
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan
    return -value if negative else value


def parse_numbers(values: Sequence[str], info: ColumnInfo) -> Floats:
    """One number per text, NaN where it is missing or no number. Infinities stay."""
    if is_plain(info):
        try:
            out = np.array([v or "nan" for v in values], dtype=object).astype(np.float64)
        except ValueError:
            pass
        else:
            if "_" not in "".join(values):
                return out
    rule = (info.decimal, info.thousands, info.affix)
    return np.array([number(v, *rule) for v in values], dtype=np.float64)


def plain_numbers(column: pd.Series[Any] | Distinct) -> Floats | None:
    """The numbers of a text column that holds nothing but plain numbers and empty cells.

    None where anything else is in it, or whole numbers with leading zeros, which may be codes.
    A shortcut past the distinct values for the commonest column there is.
    """
    if isinstance(column, Distinct):
        return None
    quick = numbers_by_arrow(column)
    if quick is not None:
        return quick
    if len(column) > _HEAD and plain_numbers(column.iloc[:_HEAD]) is None:
        return None
    cells = column.to_numpy(dtype=object, na_value="nan")
    try:
        cells = np.where(cells == "", "nan", cells)
        out = cells.astype(np.float64)
        joined = "".join(cells)
    except (ValueError, TypeError):
        return None
    coded = joined.isdigit() and any(c[0] == "0" and len(c) > 1 for c in cells)
    return None if "_" in joined or coded else out


def parse_dates(values: Sequence[str], date_format: str) -> Floats:
    """Seconds since 1970 in UTC per text, NaN where it is not a date of that format."""
    import pandas as pd

    parsed = pd.to_datetime(list(values), format=date_format, errors="coerce", utc=True)
    return _seconds(pd.Series(parsed))


def _seconds(stamps: pd.Series[Any]) -> Floats:
    """Seconds since 1970 in UTC of a datetime column, NaN where it is missing."""
    if getattr(stamps.dtype, "tz", None) is not None:
        stamps = stamps.dt.tz_convert("UTC").dt.tz_localize(None)
    raw = stamps.to_numpy().astype("datetime64[us]")
    out = raw.astype(np.int64).astype(np.float64) / 1e6
    out[np.isnat(raw)] = np.nan
    return out


def is_number(column: pd.Series[Any] | Distinct) -> TypeGuard[pd.Series[Any]]:
    """True for a column of numbers or booleans, nullable or not."""
    import pandas.api.types as t

    if isinstance(column, Distinct):
        return False
    return bool(t.is_numeric_dtype(column.dtype)) and not t.is_complex_dtype(column.dtype)


def is_date(column: pd.Series[Any] | Distinct) -> TypeGuard[pd.Series[Any]]:
    """True for a column of time stamps."""
    import pandas.api.types as t

    if isinstance(column, Distinct):
        return False
    return bool(t.is_datetime64_any_dtype(column.dtype))


def is_declared(column: pd.Series[Any] | Distinct) -> TypeGuard[pd.Series[Any]]:
    """True for numbers that their owner declared to be categories."""
    import pandas as pd

    if isinstance(column, Distinct) or not isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return bool(pd.api.types.is_numeric_dtype(column.dtype.categories.dtype))


def is_missing(values: Sequence[str], info: ColumnInfo) -> Mask:
    """Per text, whether it means missing in this column."""
    exact = set(info.marks)
    if info.kind not in ("numeric", "date"):
        return np.array([v in exact for v in values], dtype=bool)
    loose = set(MISSING_AMONG_NUMBERS)
    return np.array([v in exact or v.lower() in loose for v in values], dtype=bool)


def is_plain(info: ColumnInfo) -> bool:
    """True where numbers are written as programs write them."""
    return info.decimal == "." and not info.thousands and not info.affix


def _finite(values: Floats) -> tuple[Floats, Mask]:
    """The values with infinities made missing, and which those were."""
    bad = np.isinf(values)
    values[bad] = np.nan
    return values, bad


def _not_missing(values: Sequence[str], where: Mask, info: ColumnInfo) -> Mask:
    """Of the marked values those that do not mean missing."""
    out = where.copy()
    if not where.any():
        return out
    rows = np.flatnonzero(where).tolist()
    out[rows] = ~is_missing([values[i] for i in rows], info)
    return out


def numbers(column: pd.Series[Any] | Distinct, info: ColumnInfo) -> tuple[Floats, Mask]:
    """The column as floats, NaN = missing, and which cells were neither a number nor missing."""
    if is_number(column):
        out = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
        return _finite(out)
    if is_plain(info) and (direct := plain_numbers(column)) is not None:
        return _finite(direct)
    found = distinct(column)
    parsed = parse_numbers(found.values, info)
    unusable = ~np.isfinite(parsed)
    parsed[unusable] = np.nan
    bad = _not_missing(found.values, unusable, info)
    return found.spread(parsed, np.nan), found.spread(bad, False)


def infinite(column: pd.Series[Any] | Distinct, info: ColumnInfo) -> Mask:
    """Which cells of a column of numbers are infinite."""
    if is_number(column):
        out: Mask = np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan))
        return out
    found = distinct(column)
    return found.spread(np.isinf(parse_numbers(found.values, info)), False)


def absent(column: pd.Series[Any] | Distinct, info: ColumnInfo) -> Mask:
    """Which cells give no value: missing, or not readable as what the column holds."""
    if info.kind == "numeric":
        return np.isnan(numbers(column, info)[0])
    if info.kind == "date":
        return np.isnan(seconds(column, info)[0])
    found = distinct(column)
    return found.spread(is_missing(found.values, info), True)


def seconds(column: pd.Series[Any] | Distinct, info: ColumnInfo) -> tuple[Floats, Mask]:
    """The column as seconds since 1970, NaN = missing, and which cells were no date."""
    if is_date(column):
        return _seconds(column), np.zeros(len(column), dtype=bool)
    found = distinct(column)
    parsed = parse_dates(found.values, info.date_format or "ISO8601")
    bad = _not_missing(found.values, np.isnan(parsed), info)
    return found.spread(parsed, np.nan), found.spread(bad, False)


def codes(column: pd.Series[Any] | Distinct, info: ColumnInfo) -> tuple[Codes, Mask]:
    """The column as category codes: -1 = missing, `len(categories)` = other.

    The mask marks what is not among the categories.
    """
    found = distinct(column)
    exact = {name: i for i, name in enumerate(info.categories)}
    loose: dict[str, int] | None = None  # made when it is needed: slow for many categories
    other = len(info.categories)
    missing = is_missing(found.values, info)
    per = np.empty(len(found.values), dtype=np.int32)
    for i, value in enumerate(found.values):
        code = exact.get(value)
        if code is None:
            if loose is None and not missing[i]:
                every = reversed(list(enumerate(info.categories)))
                loose = {_loose(name, info.kind): i for i, name in every}
            code = -1 if loose is None or missing[i] else loose.get(_loose(value, info.kind), other)
        per[i] = code
    out = found.spread(per, np.int32(-1))
    return out, out == other


def _loose(text: str, kind: Kind) -> str:
    """What two writings of one category share: `1` and `1.0`, and for booleans the case."""
    if kind == "boolean":
        return text.lower()
    value = number(text)
    return text if math.isnan(value) else repr(value)


def texts(column: pd.Series[Any] | Distinct, info: ColumnInfo) -> npt.NDArray[np.object_]:
    """The column as stripped strings, None where missing."""
    found = distinct(column)
    per = np.array([*found.values, None], dtype=object)[:-1]
    per[is_missing(found.values, info)] = None
    return found.spread(per, None)
