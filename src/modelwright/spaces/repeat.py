"""Repetition: a tuple of bounded length whose items are of one kind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any

from modelwright.spaces.nodes import Node, product_of, refuse, sum_of


def _size(item: float, low: int, high: int) -> float:
    if item == 1:
        return high - low + 1
    size: float = 0
    for n in range(low, high + 1):
        size = sum_of((size, product_of([item] * n)))
        if math.isinf(size):
            break
    return size


class Repeat(Node):
    """Tuples of `low` to `high` items; one site is the tuple: insert, remove, double, swap."""

    __slots__ = ("high", "item", "low")

    def __init__(self, item: Node, low: int, high: int) -> None:
        self.item, self.low, self.high = item, low, high
        self.size = _size(item.size, low, high)
        self.n_sites = 0 if self.size == 1 else None
        self.constrained, self.recursive = item.constrained and high > 0, item.recursive
        self.start = (item.start,) * low

    def _moves(self, n: int) -> list[str]:
        moves = []
        if n < self.high:
            moves += ["insert", "double"] if n else ["insert"]
        if n > self.low:
            moves.append("remove")
        if n > 1 and self.item.size > 1:
            moves.append("swap")
        return moves

    def sample(self, rng: Random) -> Any:
        n = self.low + int(rng.random() * (self.high - self.low + 1))
        return tuple([self.item.sample(rng) for _ in range(n)])

    def fits(self, value: Any) -> bool:
        if type(value) is not tuple or not self.low <= len(value) <= self.high:
            return False
        return all(map(self.item.fits, value))

    def sites(self, value: Any) -> int:
        return bool(self._moves(len(value))) + sum([self.item.sites(v) for v in value])

    def sound(self, value: Any) -> bool:
        return not self.constrained or all(map(self.item.sound, value))

    def mend(self, value: Any, rng: Random) -> Any:
        if not self.constrained:
            return value
        return tuple([self.item.mend(v, rng) for v in value])

    def change(self, value: Any, site: int, rng: Random, large: bool) -> Any:
        moves = self._moves(len(value))
        if moves:
            if site == 0:
                return self._moved(value, rng.choice(moves), rng)
            site -= 1
        for i, v in enumerate(value):
            n = self.item.sites(v)
            if site < n:
                if large and rng.random() < 0.5:
                    return (*value[:i], self.item.sample(rng), *value[i + 1 :])
                return (*value[:i], self.item.change(v, site, rng, large), *value[i + 1 :])
            site -= n
        raise IndexError(site)

    def _moved(self, value: tuple[Any, ...], move: str, rng: Random) -> tuple[Any, ...]:
        n = len(value)
        if move == "insert":
            i = rng.randrange(n + 1)
            return (*value[:i], self.item.sample(rng), *value[i:])
        i = rng.randrange(n)
        if move == "double":
            return (*value[: i + 1], *value[i:])
        if move == "remove":
            return (*value[:i], *value[i + 1 :])
        j = rng.randrange(n - 1)
        j += j >= i
        new = list(value)
        new[i], new[j] = new[j], new[i]
        return tuple(new)

    def cross(self, a: Any, b: Any, rng: Random) -> Any:
        if len(a) != len(b) and rng.random() < 0.5:
            # One-point crossover of two lengths: the head of one, the tail of the other.
            i, j = rng.randint(0, len(a)), rng.randint(0, len(b))
            child: tuple[Any, ...] = (*a[:i], *b[j:])
            if self.low <= len(child) <= self.high:
                return child
        if rng.random() < 0.5:
            a, b = b, a
        both = min(len(a), len(b))
        head = [self.item.cross(a[i], b[i], rng) for i in range(both)]
        return (*head, *a[both:])

    def around(self, value: Any) -> Iterator[Any]:
        n = len(value)
        for i in range(n):
            for near in self.item.around(value[i]):
                yield (*value[:i], near, *value[i + 1 :])
        if n > self.low:
            for i in range(n):
                yield (*value[:i], *value[i + 1 :])
        if n < self.high:
            for i in range(n + 1):
                yield (*value[:i], self.item.start, *value[i:])
            for i in range(n):
                yield (*value[: i + 1], *value[i:])
        for i in range(n - 1):
            yield (*value[:i], value[i + 1], value[i], *value[i + 2 :])

    def plain(self, value: Any) -> Any:
        return [self.item.plain(v) for v in value]

    def read(self, data: Any, path: str) -> Any:
        if not isinstance(data, list) or not self.low <= len(data) <= self.high:
            refuse(path, self.expects(), data)
        return tuple([self.item.read(v, f"{path}[{i}]") for i, v in enumerate(data)])

    def everything(self) -> Iterator[Any]:
        for n in range(self.low, self.high + 1):
            yield from self._lists(n)

    def _lists(self, n: int) -> Iterator[tuple[Any, ...]]:
        if n == 0:
            yield ()
            return
        for head in self.item.everything():
            for tail in self._lists(n - 1):
                yield (head, *tail)

    def expects(self) -> str:
        span = f"{self.low}" if self.low == self.high else f"{self.low} to {self.high}"
        return f"a list of {span} items"
