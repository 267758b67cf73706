"""What a type is compiled to: a tree of nodes, each of which knows the values it holds.

Five kinds exist, one file each: `Number`, `Category` (leaves), `Product` (a dataclass or a fixed
tuple), `Choice` (a union) and `Repeat` (a bounded tuple). Recursive types are unrolled to their
depth limit when compiled, so that the nodes form a finite graph without cycles.

Operators that are called thousands of times a second are methods of the nodes. What is called for a
reader (schema, text, drawing) is a function elsewhere, with one case for each kind.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, NoReturn

from modelwright.core.errors import SpaceError

BEYOND_COUNTING = 10**300


class Node(ABC):
    """A set of values with the operators on them.

    `size` counts the values, constraints aside (infinite for floats). `n_sites` is the number of
    elementary parts that can change, or None when it depends on the value. `constrained` says that
    a type somewhere below has a `valid` method. `start` is the default value; it is valid.
    `recursive` says that values can hold values of the same type.

    Values handed to an operator belong to the node; only `fits` and `read` take anything.
    What `change`, `cross` and `around` give has the right shape but may break a constraint: the
    caller asks `sound`. What `sample` and `mend` give is valid.
    """

    __slots__ = ("constrained", "n_sites", "recursive", "size", "start")

    size: float
    n_sites: int | None
    constrained: bool
    recursive: bool
    start: Any

    @abstractmethod
    def sample(self, rng: Random) -> Any:
        """A value drawn uniformly, level by level."""

    @abstractmethod
    def fits(self, value: Any) -> bool:
        """True for the values of this node that keep all constraints."""

    @abstractmethod
    def change(self, value: Any, site: int, rng: Random, large: bool) -> Any:
        """The value with elementary part number `site` (below `sites(value)`) made different."""

    @abstractmethod
    def cross(self, a: Any, b: Any, rng: Random) -> Any:
        """A value with parts of both."""

    @abstractmethod
    def around(self, value: Any) -> Iterator[Any]:
        """Values at one elementary change, in a fixed order; may repeat itself."""

    @abstractmethod
    def plain(self, value: Any) -> Any:
        """The value as plain JSON data."""

    @abstractmethod
    def read(self, data: Any, path: str) -> Any:
        """The value that `plain` wrote; raises SpaceError naming the path."""

    @abstractmethod
    def everything(self) -> Iterator[Any]:
        """All values of the right shape that nested types hold valid; never ends for floats."""

    @abstractmethod
    def expects(self) -> str:
        """What belongs here, in words, for an error message."""

    def sites(self, value: Any) -> int:
        """How many elementary parts of this value can change."""
        return self.n_sites or 0

    def sound(self, value: Any) -> bool:
        """True when a value of the right shape keeps all constraints."""
        return True

    def mend(self, value: Any, rng: Random) -> Any:
        """A valid value near one of the right shape, moving towards the default where it must."""
        return value


def counted(n: float) -> float:
    """A number of values as a size: past any use it is infinite, so that floats can hold it."""
    return n if n <= BEYOND_COUNTING else math.inf


def product_of(sizes: Iterable[float]) -> float:
    """The size of a product, exact in whole numbers."""
    total: float = 1
    for size in sizes:
        if math.isinf(size):
            return math.inf
        total = counted(total * size)
        if math.isinf(total):
            return math.inf
    return total


def sum_of(sizes: Iterable[float]) -> float:
    """The size of a choice, exact in whole numbers."""
    listed = list(sizes)
    return math.inf if math.inf in listed else counted(sum(listed))


def refuse(path: str, expected: str, got: Any, hint: str = "") -> NoReturn:
    """Raises the one form of error for a document that does not fit."""
    shown = repr(got)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    raise SpaceError(f"{path or 'the design'}: expected {expected}; got {shown}.{hint}")
