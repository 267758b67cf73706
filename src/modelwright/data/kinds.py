"""What a column holds, inferred from its distinct values and said in words."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo, Distinct, Kind, Mask

if TYPE_CHECKING:
    import pandas as pd

MAX_CATEGORIES = 10_000
# Below this share of readable cells a column of numbers or dates is taken for categories.
READABLE = 0.95
_BOOLEANS = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"})
_CURRENCIES = "$€£¥₹%"
_DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y",
    "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d.%m.%y", "%d %b %Y", "%d %B %Y",
    "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y", "%b-%Y", "%b %Y", "%B %Y",
    "%Y-%m", "%Y/%m",
)  # fmt: skip
_TIME_FORMATS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d:?(\d\d)?))?)?")
_ID_NAME = re.compile(
    r"(^|[^a-z])(id|uuid|guid|identifier|rownames?|rowid|row_?num(ber)?)$|^(ids?|index)$|^id[^a-z]|"
    r"^unnamed: ?\d+$",
    re.IGNORECASE,
)
_CAMEL_ID = re.compile(r"[a-z](ID|Id)$")
_LONG_KEY = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,}|[0-9a-fA-F]{16,}")


@dataclass(frozen=True)
class Values:
    """The distinct texts that are present in a column, with how often each stands there."""

    texts: tuple[str, ...]
    counts: npt.NDArray[np.intp]
    n_rows: int

    @property
    def n_present(self) -> int:
        """Rows that are not missing."""
        return int(self.counts.sum())

    def share(self, where: Mask) -> float:
        """Share of the present rows whose value is marked."""
        return float(self.counts[where].sum() / max(1, self.n_present))


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
    for guess in (_constant, _boolean, _number, _date):
        info = guess(name, values, comma) if not codes_of_two else None
        if info is not None:
            return _finish(info, found)
    info = _words(name, values)
    if codes_of_two:
        info = replace(info, marks=("",), note="'NA' is read as a code here, not as missing")
    return _finish(info, found)


def present(found: Distinct, marks: Sequence[str]) -> Values:
    """The distinct values that are not among the missing marks, equal texts merged."""
    gone = set(marks)
    rows = np.bincount(found.codes[found.codes >= 0], minlength=len(found.values))
    merged: dict[str, int] = {}
    for text, count in zip(found.values, rows.tolist(), strict=True):
        if text not in gone:
            merged[text] = merged.get(text, 0) + count
    counts = np.array(list(merged.values()), dtype=np.intp)
    return Values(tuple(merged), counts, len(found.codes))


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
        info = _number(name, values, comma, needed=0.0)
    elif kind == "date":
        info = _date(name, values, comma)
    elif kind in ("categorical", "boolean"):
        info = _categories(ColumnInfo(name, kind), values)
    info = info or ColumnInfo(name, kind)
    return replace(_finish(info, found), note="of this kind because the user said so")


def _finish(info: ColumnInfo, found: Distinct) -> ColumnInfo:
    """Adds the share of missing cells, the number of distinct values and the bounds."""
    marks = sorted(set(compress(found.values, col.is_missing(found.values, info))) - {""})
    if marks and info.kind != "constant":
        said = f"{_quoted(marks)} means missing"
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
    there = values[~np.isnan(values)]
    return replace(
        info,
        missing=1.0 - len(there) / max(1, len(values)),
        n_unique=len(np.unique(there)),
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
        return _categories(ColumnInfo(name, "boolean"), values)
    return None


def _number(name: str, values: Values, comma: bool, needed: float = READABLE) -> ColumnInfo | None:
    probe = _sample(values)
    loose = ColumnInfo(name, "numeric")
    if needed and all(not any(c.isdigit() for c in t) for t in probe.texts):
        return None
    best, best_share = loose, -1.0
    for info in _number_formats(name, probe, comma):
        share = _readable(info, probe)
        if share > best_share + 1e-9:
            best, best_share = info, share
        if best_share == 1.0:
            break
    if best_share < needed * 0.9 or best_share <= 0:
        return None
    unread = ~np.isfinite(col.parse_numbers(values.texts, best))
    gone = unread.copy()
    gone[unread] = col.is_missing(list(compress(values.texts, unread)), best)
    rest = Values(values.texts, np.where(gone, 0, values.counts), values.n_rows)
    if rest.n_present == 0 or rest.share(unread & ~gone) > 1 - needed + 1e-12:
        return None
    if _leading_zeros(values) and needed:
        return replace(
            _categories(ColumnInfo(name, "categorical"), values),
            note="digits with leading zeros are read as codes",
        )
    return replace(best, note=_number_note(best, values, unread & ~gone))


def _sample(values: Values, size: int = 2000) -> Values:
    if len(values.texts) <= size:
        return values
    step = len(values.texts) // size
    return Values(values.texts[::step], values.counts[::step], values.n_rows)


def _readable(info: ColumnInfo, values: Values) -> float:
    ok = np.isfinite(col.parse_numbers(values.texts, info))
    gone = col.is_missing(values.texts, info)
    left = Values(values.texts, np.where(gone, 0, values.counts), values.n_rows)
    return left.share(ok)


def _number_formats(name: str, probe: Values, comma: bool) -> list[ColumnInfo]:
    """Ways to read the texts as numbers, likeliest first; the first best one wins a tie."""
    tidy = ColumnInfo(name, "numeric")
    if not comma and _readable(tidy, probe) == 1.0:
        return [tidy]
    affix = _affix(probe)
    tokens = [t for t in probe.texts if any(c.isdigit() for c in t)]
    plain = ColumnInfo(name, "numeric", affix=affix)
    dotted = replace(plain, thousands=",")
    commas = replace(plain, decimal=",")
    grouped = replace(plain, decimal=",", thousands=".")
    spaced = [replace(plain, thousands=" "), replace(commas, thousands=" ")]
    quoted = [replace(plain, thousands="'"), replace(commas, thousands="'")]
    if not any(c in t for t in tokens for c in ", '\u00a0\u202f\u2009\u2019"):
        return [grouped, plain] if comma and any("." in t for t in tokens) else [plain]
    in_threes = all(re.fullmatch(r"[^,]*\d{1,3}(,\d{3})+\D*", t) for t in tokens if "," in t)
    swap = comma or not in_threes
    return [plain, *([commas, grouped, dotted] if swap else [dotted, commas, grouped]),
            *spaced, *quoted]  # fmt: skip


def _affix(probe: Values) -> str:
    """A currency sign, percent sign or unit that most of the values carry."""
    counts: dict[str, int] = {}
    for text, count in zip(probe.texts, probe.counts.tolist(), strict=True):
        edge = re.sub(r"^-?[\d.,'\s]+|[\d.,'\s]+$|^-|^\(|\)$", "", text.lstrip("-")).strip()
        if edge and (edge in _CURRENCIES or re.fullmatch(r"[^\W\d_]{1,4}", edge)):
            ok = edge in _CURRENCIES or text.endswith(edge)
            counts[edge] = counts.get(edge, 0) + (count if ok else 0)
    if not counts:
        return ""
    edge = max(counts, key=lambda e: counts[e])
    needed = 0.02 if edge in _CURRENCIES else READABLE
    return edge if edge.lower() != "e" and counts[edge] >= needed * probe.n_present else ""


def _leading_zeros(values: Values) -> bool:
    """Digits of one width with leading zeros: post codes, not quantities."""
    if not all(t.isdigit() for t in values.texts):
        return False
    widths = {len(t) for t in values.texts}
    return len(widths) == 1 and 1 not in widths and any(t.startswith("0") for t in values.texts)


def _number_note(info: ColumnInfo, values: Values, unread: Mask) -> str:
    said = []
    if info.affix:
        said.append(f"{info.affix!r} is cut off")
    if info.decimal == ",":
        said.append("the comma is the decimal mark")
    if info.thousands:
        said.append(f"{info.thousands!r} separates thousands")
    if unread.any():
        bad = [t for t, u in zip(values.texts, unread, strict=True) if u][:3]
        rows = int(values.counts[unread].sum())
        said.append(f"{col.counted(rows, 'cell')} missing, being no number: {_quoted(bad)}")
    return "; ".join(said)


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(repr(t[:40]) for t in texts[:5])


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


def _date(name: str, values: Values, comma: bool) -> ColumnInfo | None:
    info = ColumnInfo(name, "date")
    gone = col.is_missing(values.texts, info)
    texts = [t for t, g in zip(values.texts, gone, strict=True) if not g]
    step = max(1, len(texts) // 60)
    probe = texts[::step]
    digits = sum(any(c.isdigit() for c in t) and 6 <= len(t) <= 35 for t in probe)
    if not probe or digits < READABLE * len(probe):
        return None
    fits = [f for f in _formats_for(probe, comma) if _fits(f, probe)]
    weights = values.counts[~gone]
    best, best_share = "", 0.0
    for fmt in fits:
        read = ~np.isnan(col.parse_dates(texts, fmt))
        share = float(weights[read].sum() / max(1, weights.sum()))
        if share > best_share:
            best, best_share = fmt, share
    if best_share < READABLE:
        return None
    return replace(info, date_format=best, note=_date_note(best, fits, best_share))


def _formats_for(probe: Sequence[str], comma: bool) -> list[str]:
    if sum(bool(_ISO.fullmatch(t)) for t in probe) >= READABLE * len(probe):
        return ["ISO8601"]
    every = [day + time for time in _TIME_FORMATS for day in _DATE_FORMATS]
    every += [f.replace(" %H", "T%H") for f in every if " %H" in f]
    if not comma:  # 03/04/2020: the month first where points are the decimal mark
        every.sort(key=lambda f: f.startswith("%d/"))
    return every


def _fits(fmt: str, probe: Sequence[str]) -> bool:
    if fmt == "ISO8601":
        return True
    misses = 0
    for text in probe:
        try:
            datetime.datetime.strptime(text, fmt)
        except ValueError:
            misses += 1
            if misses > (1 - READABLE) * len(probe):
                return False
    return True


def _date_note(fmt: str, fits: Sequence[str], share: float) -> str:
    said = [] if fmt == "ISO8601" else [f"dates are read as {fmt}"]
    swapped = [f for f in fits if f != fmt and sorted(f) == sorted(fmt)]
    if swapped:
        said.append(f"day and month cannot be told apart: {swapped[0]} fits as well")
    if share < 1:
        said.append("cells that are no date are missing")
    return "; ".join(said)


def _two_letter_codes(found: Distinct) -> bool:
    """`NA` among codes of two capitals (country, state) is a code."""
    if "NA" not in found.values:
        return False
    pairs = [v for v in found.values if v]
    return len(pairs) >= 10 and all(len(v) == 2 and v.isalpha() and v.isupper() for v in pairs)


def _words(name: str, values: Values) -> ColumnInfo:
    """Texts that are neither numbers nor dates: an id, running text or categories."""
    n, n_unique = values.n_present, len(values.texts)
    probe = _sample(values)
    tokens = float(np.mean([len(t.split()) for t in probe.texts]))
    length = float(np.mean([len(t) for t in probe.texts]))
    all_different = n_unique >= 0.99 * n and n >= 10
    if all_different and tokens < 1.5:
        keys = np.mean([bool(_LONG_KEY.fullmatch(t)) for t in probe.texts])
        if is_id_name(name) or keys > READABLE or n >= 50:
            return ColumnInfo(name, "id", note="a different word in each row")
    if (n_unique >= 20 and length >= 50) or (n_unique >= 0.5 * n and tokens >= 3 and n >= 20):
        return ColumnInfo(name, "text", note="running text")
    return _categories(ColumnInfo(name, "categorical"), values)


def _categories(info: ColumnInfo, values: Values) -> ColumnInfo:
    """Adds the categories, most frequent first; beyond the limit they become "other"."""
    ranked = sorted(range(len(values.texts)), key=lambda i: (-values.counts[i], values.texts[i]))
    kept = tuple(values.texts[i] for i in ranked[:MAX_CATEGORIES])
    note = ""
    if len(ranked) > len(kept):
        note = f"the {len(ranked) - len(kept)} rarest of {len(ranked)} categories are one, 'other'"
    elif len(kept) > 100:
        note = f"{len(kept)} categories"
    return replace(info, categories=kept, note=note)
