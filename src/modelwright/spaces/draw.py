"""Designs as pictures: an ASCII tree, and an SVG that needs nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.spaces.choice import Choice
from modelwright.spaces.nodes import Node
from modelwright.spaces.product import Product, zip_
from modelwright.spaces.repeat import Repeat
from modelwright.spaces.text import describe, is_simple

# Pixels; text is monospaced so that its width is known without a font.
LETTER, LINE, PAD, GAP_X, GAP_Y = 7.3, 17, 8, 46, 12
MAX_LETTERS = 60


@dataclass(frozen=True)
class Box:
    """A part to draw: a title, lines for its simple fields, and named boxes inside it."""

    title: str
    lines: tuple[str, ...] = ()
    inside: tuple[tuple[str, Box], ...] = field(default=())


def boxes(node: Node, value: Any) -> Box:
    """The parts of a design, as both drawings show them; equal items in a row are one box."""
    while isinstance(node, Choice):
        node = node.alternatives[node.which(value)]
    if isinstance(node, Product):
        lines: list[str] = []
        inside: list[tuple[str, Box]] = []
        for name, part, v in zip_(node.names, node.parts, node.values(value)):
            found = list(_parts(part, v, name))
            inside += found
            if not found:
                lines.append(f"{name}: {describe(part, v)}")
        return Box(node.name, tuple(lines), tuple(inside))
    if isinstance(node, Repeat):
        found = list(_parts(node, value, ""))
        if found:
            return Box(f"{len(value)} items", (), tuple(found))
    return Box(describe(node, value))


def _parts(node: Node, value: Any, name: str) -> Iterator[tuple[str, Box]]:
    """The boxes of a field; none when it is simple enough for a line."""
    while isinstance(node, Choice):
        node = node.alternatives[node.which(value)]
    if isinstance(node, Product) and not is_simple(node):
        yield name, boxes(node, value)
    elif isinstance(node, Repeat) and not is_simple(node.item):
        i = 0
        texts = [canonical(node.item.plain(v)) for v in value]
        while i < len(value):
            n = 1
            while i + n < len(value) and texts[i + n] == texts[i]:
                n += 1
            span = f"{i}" if n == 1 else f"{i}..{i + n - 1}"
            yield f"{name}[{span}]", boxes(node.item, value[i])
            i += n


def draw(node: Node, value: Any) -> str:
    """The design as a tree of ASCII lines."""
    return "\n".join(_lines(boxes(node, value), ""))


def _lines(box: Box, name: str) -> Iterator[str]:
    yield f"{name}: {box.title}" if name else box.title
    below: list[list[str]] = [[line] for line in box.lines]
    below += [list(_lines(inner, label)) for label, inner in box.inside]
    for i, block in enumerate(below):
        last = i == len(below) - 1
        yield ("`-- " if last else "|-- ") + block[0]
        for line in block[1:]:
            yield ("    " if last else "|   ") + line


def draw_svg(node: Node, value: Any) -> str:
    """The design as a self-contained SVG document: boxes from left to right, joined by lines."""
    root = boxes(node, value)
    columns: list[float] = []
    _measure(root, 0, columns)
    starts = [PAD + sum(w + GAP_X for w in columns[:i]) for i in range(len(columns))]
    out: list[str] = []
    height, _ = _place(root, "", 0, PAD, starts, out)
    width = starts[-1] + columns[-1] + PAD
    about = escape(_cut(describe(node, value), 300))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="ui-monospace,Menlo,Consolas,monospace" font-size="12">'
        f"<title>{about}</title>{''.join(out)}</svg>"
    )


def _cut(text: str, n: int = MAX_LETTERS) -> str:
    return text if len(text) <= n else text[: n - 3] + "..."


def _width(box: Box) -> float:
    return max(len(_cut(t)) for t in (box.title, *box.lines)) * LETTER + 2 * PAD


def _measure(box: Box, depth: int, columns: list[float]) -> None:
    if depth == len(columns):
        columns.append(0.0)
    columns[depth] = max(columns[depth], _width(box))
    for name, inner in box.inside:
        # The name of a part stands over its box and may be wider than it.
        _measure(inner, depth + 1, columns)
        columns[depth + 1] = max(columns[depth + 1], len(_cut(name)) * LETTER)


def _place(
    box: Box, name: str, depth: int, top: float, starts: list[float], out: list[str]
) -> tuple[float, float]:
    """Draws a box, its name over it, at `starts[depth]`; gives its lower end and middle height."""
    head = LINE if name else 0
    own = LINE * (1 + len(box.lines)) + PAD
    below, middles = top, []
    for label, inner in box.inside:
        below, there = _place(inner, label, depth + 1, below, starts, out)
        middles.append(there)
    bottom = max(top + head + own + GAP_Y, below)
    y = top + (bottom - top - GAP_Y - own + head) / 2
    x, w = starts[depth], _width(box)
    if name:
        out.append(_text(x, y - 5, name, "#666"))
    middle = y + own / 2
    for there in middles:
        out.append(
            f'<path d="M{x + w:.0f} {middle:.0f}C{x + w + GAP_X / 2:.0f} {middle:.0f} '
            f"{starts[depth + 1] - GAP_X / 2:.0f} {there:.0f} "
            f'{starts[depth + 1]:.0f} {there:.0f}" fill="none" stroke="#999"/>'
        )
    hue = int(hashlib.sha256(box.title.encode()).hexdigest()[:4], 16) % 360
    out.append(
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{w:.0f}" height="{own:.0f}" rx="5" '
        f'fill="hsl({hue},55%,94%)" stroke="hsl({hue},35%,55%)"/>'
    )
    out.append(_text(x + PAD, y + LINE - 3, box.title, "#111", ' font-weight="bold"'))
    for i, line in enumerate(box.lines):
        out.append(_text(x + PAD, y + LINE * (i + 2) - 3, line, "#333"))
    return bottom, middle


def _text(x: float, y: float, text: str, colour: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}"{more}>{escape(_cut(text))}</text>'
