"""Cells of an archive: places on the logarithms of measured values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Cell = tuple[int | None, ...]


def cell_of(scores: Mapping[str, float], names: Sequence[str], per_decade: int) -> Cell:
    """One whole number for each name, `per_decade` to a factor of 10; None where not measured.

    >>> cell_of({"params": 1000.0, "macs": 0.0}, ("params", "macs"), 3)
    (9, None)
    """
    return tuple(_place(scores.get(name), per_decade) for name in names)


def _place(value: float | None, per_decade: int) -> int | None:
    if value is None or value <= 0:
        return None
    return math.floor(per_decade * math.log10(value) + 1e-9)


def range_words(at: int | None, per_decade: int) -> str:
    """The values of a place.

    >>> range_words(9, 3), range_words(None, 3)
    ('1,000 to 2,150', 'not measured')
    """
    if at is None:
        return "not measured"
    low, high = (float(f"{10 ** (end / per_decade):.3g}") for end in (at, at + 1))
    return f"{low:,g} to {high:,g}"
