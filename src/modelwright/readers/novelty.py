"""How new the designs of a run are: far from those it was given, and from those it tried before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.stats.design_distance import nearest

MOST_PAIRS = 3000  # of designs compared, about a quarter of a second; later ones are not measured


def with_novelty(
    rows: Sequence[Mapping[str, Any]], designer: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Rows of the leaderboard with `novelty` and `novelty_seen`, in their order.

    The distance (`stats.design_distance`) from the nearest design of the portfolio that the search
    was given, as the `designer` in the run's first row has it, and from the nearest other design of
    an earlier trial. None for what is no design of the search (ensembles, the person's model),
    where there is nothing to compare with, and beyond `MOST_PAIRS` comparisons.
    """
    known = _portfolio(designer)
    first: dict[str, int] = {}
    designs: dict[int, str] = {}
    for row in sorted(rows, key=lambda r: r["trial"]):
        design = _design(row)
        if design is not None:
            designs[row["trial"]] = design
            first.setdefault(design, row["trial"])
    left, out = MOST_PAIRS, []
    for row in rows:
        design = designs.get(row["trial"])
        told: dict[str, float | None] = {"novelty": None, "novelty_seen": None}
        if design is not None and left > 0:
            earlier = [d for d, trial in first.items() if trial < first[design]]
            left -= len(known) + len(earlier)
            if left >= 0:
                told = {
                    "novelty": nearest(design, known),
                    "novelty_seen": nearest(design, earlier),
                }
        out.append({**row, **told})
    return out


def _portfolio(designer: Mapping[str, Any]) -> list[str]:
    """The documents that a designer, or one that it wraps, was given."""
    found = list(designer.get("documents", ()))
    for value in designer.values():
        if isinstance(value, Mapping):
            found += _portfolio(value)
    return [canonical(json.loads(text)) for text in found]


def _design(row: Mapping[str, Any]) -> str | None:
    """What was searched, or trained for longer; None for ensembles and models from outside."""
    if row["role"] == "search":
        return canonical(row["design"])
    return canonical(row["design"]["design"]) if row["role"] in ("final", "student") else None
