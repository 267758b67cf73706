"""Whether a column of texts holds dates, and how it writes them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo
from modelwright.data.values import READABLE, Values

_DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y",
    "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d.%m.%y", "%d %b %Y", "%d %B %Y",
    "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y", "%b-%Y", "%b %Y", "%B %Y",
    "%Y-%m", "%Y/%m",
)  # fmt: skip
_TIME_FORMATS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d:?(\d\d)?))?)?")


def guess_date(name: str, values: Values, comma: bool) -> ColumnInfo | None:
    """The column as dates of the format that reads most cells; None when none reads enough."""
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
