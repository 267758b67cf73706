"""Counts that stand for parts of a design too deep or too far back for columns of their own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from modelwright.spaces.category import Category
from modelwright.spaces.choice import Choice
from modelwright.spaces.nodes import Node
from modelwright.spaces.number import Number
from modelwright.spaces.product import Product, zip_
from modelwright.spaces.repeat import Repeat

# A count of this many is coded 1; the code grows with log(1 + count).
FULL = 100


def summary_columns(node: Node, n: int) -> list[str]:
    """At most `n` names: `parts` (all of them), then kinds of things, outer ones first."""
    names = ["parts"]
    level: list[Node] = [node]
    seen: set[int] = set()
    while level and len(names) < n:
        inner: list[Node] = []
        for part in level:
            if id(part) in seen:
                continue
            seen.add(id(part))
            found, below = _names(part)
            names += [name for name in found if name not in names]
            inner += below
        level = inner
    return names[:n]


def summary_writer(
    node: Node, names: Sequence[str], first: int
) -> Callable[[Sequence[Any], list[float]], None]:
    """A function that writes the counts over some values of a node, from column `first` on."""
    places = {name: first + i for i, name in enumerate(names)}

    def write(values: Sequence[Any], row: list[float]) -> None:
        counts: Counter[str] = Counter()
        for value in values:
            tally(node, value, counts)
        for name, place in places.items():
            row[place] = min(1.0, math.log1p(counts[name]) / math.log1p(FULL))

    return write


def tally(node: Node, value: Any, counts: Counter[str]) -> None:
    """Adds the kinds of things in a value to `counts`."""
    if isinstance(node, Product):
        counts["parts"] += 1
        counts[node.name] += 1
        for part, v in zip_(node.parts, node.values(value)):
            tally(part, v, counts)
    elif isinstance(node, Choice):
        tally(node.alternatives[node.which(value)], value, counts)
    elif isinstance(node, Repeat):
        for v in value:
            tally(node.item, v, counts)
    elif isinstance(node, Category):
        counts["parts"] += 1
        counts["=" + node.label(value)] += 1
    elif isinstance(node, Number):
        counts["parts"] += 1


def _names(node: Node) -> tuple[list[str], list[Node]]:
    if isinstance(node, Product):
        return ([node.name] if node.cls else []), list(node.parts)
    if isinstance(node, Choice):
        return [], list(node.alternatives)
    if isinstance(node, Repeat):
        return [], [node.item]
    return (["=" + label for label in node.labels] if isinstance(node, Category) else []), []
