"""Whether a column of texts holds numbers, and how it writes them."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import compress

import numpy as np

from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo, Mask
from modelwright.data.values import READABLE, Values, quoted, sample, with_categories

_CURRENCIES = "$€£¥₹%"


def guess_number(
    name: str, values: Values, comma: bool, needed: float = READABLE
) -> ColumnInfo | None:
    """The column as numbers, when at least `needed` of its cells are; None otherwise."""
    probe = sample(values)
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
            with_categories(ColumnInfo(name, "categorical"), values),
            note="digits with leading zeros are read as codes",
        )
    return replace(best, note=_number_note(best, values, unread & ~gone))


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
        said.append(f"{col.counted(rows, 'cell')} missing, being no number: {quoted(bad)}")
    return "; ".join(said)
