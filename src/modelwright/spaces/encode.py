"""Designs as rows of numbers of one fixed length, and as points of the unit cube.

A space is unrolled once into closures: every part that can exist, in every alternative, at every
place of a tuple, gets its own columns. A conditional part that a design lacks is -1 there (and 1/2
in the unit cube). Both views share the unrolling, so a unit coordinate stands for a column.

**How columns are capped.** Recursion and repetition can ask for millions of columns. A node whose
columns do not fit into what is left of `max_columns` shares it out among its parts, the narrow
ones served first; of a tuple the first items get columns; and a part whose share is under 8
columns is summarised by how often kinds of things (classes, named values) stand in it. A leaf
always keeps its column, so that a flat dataclass of any width is encoded exactly; a summary has 4
columns at least. So the number of columns comes near `max_columns` and may pass it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from modelwright.spaces.category import Category
from modelwright.spaces.choice import Choice
from modelwright.spaces.layout import INACTIVE, Column, Condition, Kind, Layout
from modelwright.spaces.nodes import Node
from modelwright.spaces.number import Number
from modelwright.spaces.product import Product, zip_
from modelwright.spaces.repeat import Repeat
from modelwright.spaces.summary import summary_columns, summary_writer

SMALLEST_SHARE = 8
SMALLEST_SUMMARY = 4

Write = Callable[[Any, list[float]], None]
Build = Callable[[Sequence[float]], Any]


class Part(NamedTuple):
    """The three ways through one unrolled node.

    `code(value, row)` writes its columns, `point(value, row)` its unit coordinates, and
    `build(point)` reads them back to a value.
    """

    code: Write
    point: Write
    build: Build


class Unroller:
    """Unrolls a tree of nodes; afterwards `layout` and `unit_columns` are complete."""

    def __init__(self, root: Node, max_columns: int) -> None:
        self.columns: list[Column] = []
        self.unit_columns: list[int] = []
        self.exact = True
        self._widths: dict[int, int] = {}
        self.part = self._part(root, "", None, max_columns)
        self.layout = Layout(tuple(self.columns), self.exact)

    def width(self, node: Node) -> int:
        """Columns of a node that is unrolled to the end."""
        known = self._widths.get(id(node))
        if known is None:
            if isinstance(node, Product):
                known = sum(map(self.width, node.parts))
            elif isinstance(node, Choice):
                own = len(node.alternatives) > 1
                known = own + sum(map(self.width, node.alternatives))
            elif isinstance(node, Repeat):
                known = (node.high > node.low) + node.high * self.width(node.item)
            else:
                known = int(node.size > 1)
            self._widths[id(node)] = known
        return known

    def _part(self, node: Node, path: str, when: Condition | None, budget: int) -> Part:
        if node.size == 1:
            only = node.start
            return Part(_nothing, _nothing, lambda point: only)
        if isinstance(node, Number):
            return self._number(node, path, when)
        if isinstance(node, Category):
            return self._category(node, path, when)
        if self.width(node) > budget and budget < SMALLEST_SHARE:
            return self._summary(node, path, when, budget)
        if isinstance(node, Product):
            return self._product(node, path, when, budget)
        if isinstance(node, Choice):
            return self._choice(node, path, when, budget)
        assert isinstance(node, Repeat)
        return self._repeat(node, path, when, budget)

    def _column(
        self, path: str, kind: Kind, when: Condition | None, categories: tuple[str, ...] = ()
    ) -> tuple[int, int]:
        """A new column with its unit coordinate: their two places."""
        self.columns.append(Column(path or "design", kind, categories, when))
        self.unit_columns.append(len(self.columns) - 1)
        return self.unit_columns[-1], len(self.unit_columns) - 1

    def _number(self, node: Number, path: str, when: Condition | None) -> Part:
        i, k = self._column(path, "number", when)
        encode, unit, at = node.code, node.unit, node.at

        def code(value: Any, row: list[float]) -> None:
            row[i] = encode(value)

        def point(value: Any, row: list[float]) -> None:
            row[k] = unit(value)

        return Part(code, point, lambda u: at(u[k]))

    def _category(self, node: Category, path: str, when: Condition | None) -> Part:
        i, k = self._column(path, "ordinal" if node.ordered else "category", when, node.labels)
        n, index, values = len(node.values), node.index, node.values
        scale = 1.0 / (n - 1) if node.ordered else 1.0

        def code(value: Any, row: list[float]) -> None:
            row[i] = index(value) * scale

        def point(value: Any, row: list[float]) -> None:
            row[k] = (index(value) + 0.5) / n

        return Part(code, point, lambda u: values[_cell(u[k], n)])

    def _product(self, node: Product, path: str, when: Condition | None, budget: int) -> Part:
        shares = self._shares(node.parts, budget)
        paths = [_inside(path, node, name) for name in node.names]
        parts = [self._part(n, p, when, s) for n, p, s in zip_(node.parts, paths, shares)]
        codes, points, builds = zip_(*parts) if parts else ((), (), ())
        take, make = node.values, node.make

        def code(value: Any, row: list[float]) -> None:
            for write, v in zip_(codes, take(value)):
                write(v, row)

        def point(value: Any, row: list[float]) -> None:
            for write, v in zip_(points, take(value)):
                write(v, row)

        return Part(code, point, lambda u: make([build(u) for build in builds]))

    def _choice(self, node: Choice, path: str, when: Condition | None, budget: int) -> Part:
        n, which = len(node.alternatives), node.which
        if n == 1:
            return self._part(node.alternatives[0], path, when, budget)
        i, k = self._column(path, "category", when, node.labels)
        parts = []
        shares = self._shares(node.alternatives, budget - 1)
        for j, (a, share) in enumerate(zip_(node.alternatives, shares)):
            inside = f"{path}<{node.labels[j]}>"
            parts.append(self._part(a, inside, Condition(i, float(j), float(j)), share))

        def code(value: Any, row: list[float]) -> None:
            j = which(value)
            row[i] = float(j)
            parts[j].code(value, row)

        def point(value: Any, row: list[float]) -> None:
            j = which(value)
            row[k] = (j + 0.5) / n
            parts[j].point(value, row)

        return Part(code, point, lambda u: parts[_cell(u[k], n)].build(u))

    def _repeat(self, node: Repeat, path: str, when: Condition | None, budget: int) -> Part:
        low, n, span = node.low, node.high - node.low + 1, max(1, node.high - node.low)
        i = k = -1
        if n > 1:
            i, k = self._column(path, "length", when)
        items: list[Part] = []
        rest: Write = _nothing
        width, left = self.width(node.item), budget - (n > 1)
        n_items = node.high
        if width * node.high > left:
            # A quarter is kept for the summary of the items without columns.
            n_items = min(node.high, max(1, (left - left // 4) // max(1, width)))
        for j in range(n_items):
            seen = Condition(i, (j + 1 - low) / span, 1.0) if j >= low else when
            share = width if n_items > 1 else left - left // 4
            items.append(self._part(node.item, f"{path}[{j}]", seen, share))
        if n_items < node.high:
            later = Condition(i, (n_items + 1 - low) / span, 1.0) if n_items >= low else when
            rest = self._rest(node.item, f"{path}[{n_items}:]", later, left // 4)
        return _repeated(low, n, span, items, rest, i, k)

    def _rest(self, item: Node, path: str, when: Condition | None, budget: int) -> Write:
        write = self._summarise(item, path, when, budget)
        return lambda values, row: write(values, row) if values else None

    def _summary(self, node: Node, path: str, when: Condition | None, budget: int) -> Part:
        write, start = self._summarise(node, path, when, budget), node.start
        return Part(lambda value, row: write((value,), row), _nothing, lambda u: start)

    def _summarise(
        self, node: Node, path: str, when: Condition | None, budget: int
    ) -> Callable[[Sequence[Any], list[float]], None]:
        self.exact = False
        names = summary_columns(node, max(SMALLEST_SUMMARY, budget))
        first = len(self.columns)
        self.columns += [Column(f"{path}#{name}", "summary", (), when) for name in names]
        return summary_writer(node, names, first)

    def _shares(self, nodes: Sequence[Node], budget: int) -> list[int]:
        """Splits columns among parts: who needs less than an even share gets all it needs."""
        widths = [self.width(n) for n in nodes]
        shares = [0] * len(nodes)
        left = budget
        for done, i in enumerate(sorted(range(len(nodes)), key=widths.__getitem__)):
            shares[i] = min(widths[i], max(0, left) // (len(nodes) - done))
            left -= shares[i]
        return shares


def _repeated(low: int, n: int, span: int, items: list[Part], rest: Write, i: int, k: int) -> Part:
    n_items = len(items)

    def code(value: Any, row: list[float]) -> None:
        if i >= 0:
            row[i] = (len(value) - low) / span
        # The shorter of the two ends the walk: items that are not there keep their -1.
        for part, v in zip(items, value):  # noqa: B905
            part.code(v, row)
        rest(value[n_items:], row)

    def point(value: Any, row: list[float]) -> None:
        if k >= 0:
            row[k] = (len(value) - low + 0.5) / n
        for part, v in zip(items, value):  # noqa: B905
            part.point(v, row)

    def build(u: Sequence[float]) -> Any:
        length = low + (_cell(u[k], n) if k >= 0 else 0)
        made = [part.build(u) for part in items[:length]]
        # Items past the last column repeat the first ones: better spread than all defaults.
        return tuple([made[j % n_items] for j in range(length)])

    return Part(code, point, build)


def _cell(u: float, n: int) -> int:
    """Which of `n` equal cells of [0, 1] holds `u`; outside is clipped."""
    return min(max(math.floor(u * n), 0), n - 1)


def _inside(path: str, node: Product, name: str) -> str:
    if node.cls is None:
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def _nothing(value: Any, row: list[float]) -> None:
    """A part that has no columns."""


def blank(layout: Layout) -> list[float]:
    """A row in which nothing exists yet."""
    return [INACTIVE] * len(layout)
