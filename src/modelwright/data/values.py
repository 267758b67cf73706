"""The distinct values of a column, which every guess about it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from modelwright.data.columns import ColumnInfo, Distinct, Mask

MAX_CATEGORIES = 10_000
# Below this share of readable cells a column of numbers or dates is taken for categories.
READABLE = 0.95


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


def sample(values: Values, size: int = 2000) -> Values:
    """Some of the values, evenly spread, where there are many."""
    if len(values.texts) <= size:
        return values
    step = len(values.texts) // size
    return Values(values.texts[::step], values.counts[::step], values.n_rows)


def quoted(texts: Sequence[str]) -> str:
    """The first few texts in quotes."""
    return ", ".join(repr(t[:40]) for t in texts[:5])


def with_categories(info: ColumnInfo, values: Values) -> ColumnInfo:
    """Adds the categories, most frequent first; beyond the limit they become "other"."""
    ranked = sorted(range(len(values.texts)), key=lambda i: (-values.counts[i], values.texts[i]))
    kept = tuple(values.texts[i] for i in ranked[:MAX_CATEGORIES])
    note = ""
    if len(ranked) > len(kept):
        note = f"the {len(ranked) - len(kept)} rarest of {len(ranked)} categories are one, 'other'"
    elif len(kept) > 100:
        note = f"{len(kept)} categories"
    return replace(info, categories=kept, note=note)
