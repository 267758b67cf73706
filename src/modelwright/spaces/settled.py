"""Parts that are not searched: they hold any of their values and stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.spaces.category import Category
from modelwright.spaces.nodes import Node


class Settled(Category):
    """A leaf whose values are all taken and none is tried: to a search it has one, its start.

    Designs that come from elsewhere with another value are designs of the space; operators keep it.
    """

    __slots__ = ("inner",)

    def __init__(self, inner: Node, start: Any) -> None:
        super().__init__((start,), (inner.plain(start),))
        self.inner = inner

    def index(self, value: Any) -> int:
        return 0

    def label(self, value: Any) -> str:
        """The text of a value of this node."""
        word = self.inner.plain(value)
        return word if isinstance(word, str) else canonical(word)

    def fits(self, value: Any) -> bool:
        return self.inner.fits(value)

    def change(self, value: Any, site: int, rng: Random, large: bool) -> Any:
        return value

    def around(self, value: Any) -> Iterator[Any]:
        return iter(())

    def plain(self, value: Any) -> Any:
        return self.inner.plain(value)

    def read(self, data: Any, path: str) -> Any:
        return self.inner.read(data, path)

    def expects(self) -> str:
        return self.inner.expects()
