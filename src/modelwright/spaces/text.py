"""Designs in words: one line for one design, and what tells two apart."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.spaces.category import Category
from modelwright.spaces.choice import Choice
from modelwright.spaces.nodes import Node
from modelwright.spaces.number import Number
from modelwright.spaces.product import Product, zip_
from modelwright.spaces.repeat import Repeat


def describe(node: Node, value: Any) -> str:
    """The value on one line; floats have four digits, equal objects in a row are counted."""
    if isinstance(node, Number):
        return str(value) if node.whole else f"{value:.4g}"
    if isinstance(node, Category):
        return node.label(value)
    if isinstance(node, Choice):
        return describe(node.alternatives[node.which(value)], value)
    if isinstance(node, Repeat):
        texts = [describe(node.item, v) for v in value]
        if not is_simple(node.item):
            counted = [(text, len(list(run))) for text, run in groupby(texts)]
            texts = [f"{n} x {text}" if n > 1 else text for text, n in counted]
        return "[" + ", ".join(texts) + "]"
    assert isinstance(node, Product)
    texts = [describe(p, v) for p, v in zip_(node.parts, node.values(value))]
    if node.cls is None:
        return "(" + ", ".join(texts) + ")"
    pairs = ", ".join(f"{name}={text}" for name, text in zip_(node.names, texts))
    return f"{node.name}({pairs})" if pairs else node.name


def is_simple(node: Node) -> bool:
    """True for what reads well on a line: leaves, unions and fixed tuples of leaves."""
    if isinstance(node, Choice):
        return all(map(is_simple, node.alternatives))
    if isinstance(node, Product):
        return not node.parts or (node.cls is None and all(map(is_simple, node.parts)))
    return not isinstance(node, Repeat) or node.size == 1


def difference(node: Node, a: Any, b: Any) -> str:
    """What changed from `a` to `b`, in words; `no difference` when they are one design."""
    return "; ".join(_changes(node, a, b, "")) or "no difference"


def _changes(node: Node, a: Any, b: Any, path: str) -> Iterator[str]:
    if canonical(node.plain(a)) == canonical(node.plain(b)):
        return
    if isinstance(node, Product):
        for name, part, x, y in zip_(node.names, node.parts, node.values(a), node.values(b)):
            inside = f"{path}[{name}]" if node.cls is None else f"{path}.{name}" if path else name
            yield from _changes(part, x, y, inside)
        return
    if isinstance(node, Choice) and node.which(a) == node.which(b):
        yield from _changes(node.alternatives[node.which(a)], a, b, path)
        return
    if isinstance(node, Repeat):
        yield from _item_changes(node, a, b, path)
        return
    before, after = describe(node, a), describe(node, b)
    if before == after:  # alike in four digits
        before, after = canonical(node.plain(a)), canonical(node.plain(b))
    yield f"{path or 'design'} {before} -> {after}"


def _item_changes(node: Repeat, a: Sequence[Any], b: Sequence[Any], path: str) -> Iterator[str]:
    old, new = ([canonical(node.item.plain(v)) for v in side] for side in (a, b))
    name = path or "items"
    if len(old) == len(new) and sorted(old) == sorted(new):
        moved = [ordinal(i) for i, (x, y) in enumerate(zip_(old, new)) if x != y]
        if len(moved) == 2:
            yield f"{name}: {moved[0]} and {moved[1]} swapped"
        else:
            yield f"{name}: order changed"
        return
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for what, i, i_end, j, j_end in matcher.get_opcodes():
        if what == "equal":
            continue
        shared = min(i_end - i, j_end - j)
        for k in range(shared):
            yield from _changes(node.item, a[i + k], b[j + k], f"{path}[{i + k}]")
        for k in range(i + shared, i_end):
            yield f"{name}: {ordinal(k)} removed"
        for k in range(j + shared, j_end):
            yield f"{name}: {describe(node.item, b[k])} added as {ordinal(k)}"


def ordinal(i: int) -> str:
    """The place of index `i` in words: 1st for 0.

    >>> [ordinal(i) for i in (0, 1, 2, 3, 10, 11, 20)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '21st']
    """
    n = i + 1
    teens = 10 <= n % 100 <= 20
    return f"{n}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"
