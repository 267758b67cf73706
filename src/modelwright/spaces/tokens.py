"""Designs as sequences of tokens from a finite vocabulary, and back.

Parts come depth first in the order of the fields; a part with one possible value has no token.
A union and a category give one token, the label; a tuple of varying length puts `,` before each
item and `]` after the last; a number of few values is one token, another one is spelled out and
ended by `;`. What a token may be follows from the tokens before it, so that a model's output can be
masked to the grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modelwright.core.errors import SpaceError
from modelwright.spaces.category import Category
from modelwright.spaces.choice import Choice
from modelwright.spaces.nodes import Node
from modelwright.spaces.number import Number
from modelwright.spaces.product import Product, zip_
from modelwright.spaces.repeat import Repeat

FEW = 64
ITEM, STOP, END = ",", "]", ";"
SIGNS = "0123456789.e+-"
LONGEST = 40


def tokens(node: Node, value: Any) -> Iterator[str]:
    """The tokens of a value."""
    if node.size == 1:
        return
    if isinstance(node, Category):
        yield node.label(value)
    elif isinstance(node, Number):
        text = _text(node, value)
        yield from [text] if _is_short(node) else [*text, END]
    elif isinstance(node, Product):
        for part, v in zip_(node.parts, node.values(value)):
            yield from tokens(part, v)
    elif isinstance(node, Choice):
        i = node.which(value)
        if _is_labelled(node):
            yield node.labels[i]
        yield from tokens(node.alternatives[i], value)
    elif isinstance(node, Repeat):
        varying = node.low < node.high
        for v in value:
            if varying:
                yield ITEM
            yield from tokens(node.item, v)
        if varying:
            yield STOP


def from_tokens(root: Node, given: Sequence[str]) -> Any:
    """The value that `tokens` wrote; raises SpaceError at the first token out of place."""
    reader = _Reader(given)
    value = reader.value(root)
    if reader.place < len(given):
        reader.wrong("the end")
    if not root.sound(value):
        raise SpaceError("the tokens spell a design that breaks a constraint of its types.")
    return value


def vocabulary(root: Node) -> tuple[str, ...]:
    """Every token that a design of this space can have, sorted."""
    found: set[str] = set()
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen or node.size == 1:
            continue
        seen.add(id(node))
        if isinstance(node, Category):
            found.update(node.labels)
        elif isinstance(node, Number):
            short = _is_short(node)
            found.update([_text(node, v) for v in node.everything()] if short else [*SIGNS, END])
        elif isinstance(node, Product):
            stack.extend(node.parts)
        elif isinstance(node, Choice):
            found.update(node.labels if _is_labelled(node) else ())
            stack.extend(node.alternatives)
        elif isinstance(node, Repeat):
            found.update((ITEM, STOP) if node.low < node.high else ())
            stack.append(node.item)
    return tuple(sorted(found))


class _Reader:
    """Walks the grammar along a sequence; `place` is how many tokens were read."""

    def __init__(self, given: Sequence[str]) -> None:
        self.given, self.place = given, 0

    def value(self, node: Node) -> Any:
        if node.size == 1:
            return node.start
        if isinstance(node, Category):
            return node.values[self.one_of(node.labels)]
        if isinstance(node, Number):
            return self.number(node)
        if isinstance(node, Product):
            return node.make([self.value(part) for part in node.parts])
        if isinstance(node, Choice):
            i = self.one_of(node.labels) if _is_labelled(node) else 0
            return self.value(node.alternatives[i])
        assert isinstance(node, Repeat)
        return self.items(node)

    def items(self, node: Repeat) -> Any:
        if node.low == node.high:
            return tuple([self.value(node.item) for _ in range(node.low)])
        made: list[Any] = []
        while True:
            may_stop, may_go = len(made) >= node.low, len(made) < node.high
            allowed = [ITEM] * may_go + [STOP] * may_stop
            if allowed[self.one_of(allowed)] == STOP:
                return tuple(made)
            made.append(self.value(node.item))

    def number(self, node: Number) -> Any:
        start = self.place
        text = self.next()
        if not _is_short(node):
            while text[-1:] != END and self.place - start < LONGEST:
                text += self.next()
            text = text.removesuffix(END)
        try:
            value = int(text) if node.whole else float(text)
        except ValueError:
            value = None
        if value is None or not node.fits(value):
            self.place = start + 1
            self.wrong(node.expects(), text)
        return value

    def next(self) -> str:
        if self.place == len(self.given):
            raise SpaceError(f"the design is not complete after its {self.place} tokens.")
        self.place += 1
        return self.given[self.place - 1]

    def one_of(self, allowed: Sequence[str]) -> int:
        token = self.next()
        if token not in allowed:
            self.wrong("one of " + " ".join(allowed), token)
        return allowed.index(token)

    def wrong(self, expected: str, got: str | None = None) -> None:
        got = self.given[self.place] if got is None else got
        raise SpaceError(f"token {self.place}: expected {expected}; got {got!r}.")


def _is_short(node: Number) -> bool:
    return 0 < node.n <= FEW


def _is_labelled(node: Choice) -> bool:
    # Also at a depth limit, with one alternative left: one thing reads the same everywhere.
    return node.tagged or len(node.alternatives) > 1


def _text(node: Number, value: Any) -> str:
    return repr(value if node.whole else float(value) + 0.0)
