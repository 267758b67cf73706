"""A design as a sequence of decisions, each among few options: what a policy over tokens chooses.

The order is that of `spaces.tokens`: depth first, fields in their order, a union and a category as
one token, "one more or stop" before each item of a tuple of varying length. What differs: a number
of more than `DIGIT` values is two tokens, digits to the base `DIGIT` of its place in its (log)
range, and lies anywhere in that cell, because spelled-out numbers cannot be masked to the numbers
that are in range. So every sequence of options that are offered is a design of the right shape.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.spaces.category import Category
from modelwright.spaces.choice import Choice
from modelwright.spaces.nodes import Node
from modelwright.spaces.number import Number
from modelwright.spaces.product import Product
from modelwright.spaces.repeat import Repeat
from modelwright.spaces.tokens import ITEM, STOP

DIGIT = 8
CELLS = DIGIT * DIGIT
MAX_SPOTS = (
    512  # Beyond, equal parts share one spot wherever they stand, so that tables stay small.
)
MAX_LENGTHS = 32  # Questions "one more?" of a tuple with a place of their own.
MAX_STEPS = 128  # Decisions of a design that a policy learns; later ones are drawn as in a sample.

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


class Spot:
    """A node at one place of the design: the numbers of its decisions, and its parts' spots."""

    __slots__ = ("asks", "node", "parts", "values")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.asks: list[int] = []
        self.parts: list[Spot] = []
        self.values: tuple[Any, ...] = ()


class Places:
    """The places of a space where something is decided, numbered breadth first.

    `words` are the texts of all options. `options` [n_places, n_widest] holds each place's options
    as places in `words`, filled up with len(words); `offered` tells which are real. `leaning`, of
    the same shape, is added to logits so that a uniform policy draws lengths as `Space.sample`.

    >>> from modelwright.testing.zoo import zoo
    >>> space = zoo()["tiny"]
    >>> places = Places(space.root)
    >>> places.words, places.read(space.default())
    (('a', 'b', 'c', 'false', 'true'), [(0, 0), (1, 0)])
    """

    def __init__(self, root: Node) -> None:
        self._labels: list[Sequence[str]] = []
        self._more: dict[int, float] = {}
        self._shared: dict[int, Spot] = {}
        self._n_spots = 0
        self._waiting: deque[Spot] = deque()
        self.root = self._spot(root)
        while self._waiting:
            self._expand(self._waiting.popleft())
        self.words = tuple(sorted({word for labels in self._labels for word in labels}))
        number = {word: i for i, word in enumerate(self.words)}
        widest = max(map(len, self._labels), default=1)
        shape = (max(1, len(self._labels)), widest)
        self.options: Ints = np.full(shape, len(self.words), dtype=np.intp)
        for i, labels in enumerate(self._labels):
            self.options[i, : len(labels)] = [number[word] for word in labels]
        self.offered = self.options < len(self.words)
        self.leaning: Floats = np.zeros(shape)
        for i, more in self._more.items():
            self.leaning[i, 0] = np.log(more)

    def __len__(self) -> int:
        return len(self._labels)

    def _spot(self, node: Node) -> Spot:
        if node.size == 1:
            return Spot(node)
        many = self._n_spots >= MAX_SPOTS
        if many and id(node) in self._shared:
            return self._shared[id(node)]
        spot = Spot(node)
        if many:
            self._shared[id(node)] = spot
        self._n_spots += 1
        self._waiting.append(spot)
        return spot

    def _ask(self, labels: Sequence[str]) -> int:
        self._labels.append(labels)
        return len(self._labels) - 1

    def _expand(self, spot: Spot) -> None:
        node = spot.node
        if isinstance(node, Category):
            spot.values = node.values
            spot.asks = [self._ask(node.labels)]
        elif isinstance(node, Number):
            if 0 < node.n <= DIGIT:
                spot.values = tuple(node.everything())
                spot.asks = [self._ask([repr(v) for v in spot.values])]
            else:
                digits = [[f"{name} {i}" for i in range(DIGIT)] for name in ("high", "low")]
                spot.asks = [self._ask(labels) for labels in digits]
        elif isinstance(node, Choice):
            if len(node.alternatives) > 1:
                spot.asks = [self._ask(node.labels)]
            spot.parts = [self._spot(part) for part in node.alternatives]
        elif isinstance(node, Product):
            spot.parts = [self._spot(part) for part in node.parts]
        elif isinstance(node, Repeat):
            for length in range(node.low, min(node.high, node.low + MAX_LENGTHS)):
                spot.asks.append(self._ask((ITEM, STOP)))
                self._more[spot.asks[-1]] = node.high - length
            spot.parts = [self._spot(node.item) for _ in range(node.high)]

    # -- from a design to decisions and back ---------------------------------------------------

    def read(self, design: Any) -> list[tuple[int, int]]:
        """The first `MAX_STEPS` decisions of a design: (place, option)."""
        found = []
        for step in self._read(self.root, design):
            found.append(step)
            if len(found) == MAX_STEPS:
                break
        return found

    def _read(self, spot: Spot, value: Any) -> Iterator[tuple[int, int]]:
        node, asks = spot.node, spot.asks
        if node.size == 1:
            return
        if isinstance(node, Category):
            yield asks[0], node.index(value)
        elif isinstance(node, Number):
            if spot.values:
                yield asks[0], spot.values.index(value)
            else:
                cell = min(max(int(node.unit(value) * CELLS), 0), CELLS - 1)
                yield asks[0], cell // DIGIT
                yield asks[1], cell % DIGIT
        elif isinstance(node, Choice):
            i = node.which(value)
            if asks:
                yield asks[0], i
            yield from self._read(spot.parts[i], value)
        elif isinstance(node, Product):
            for part, v in zip(spot.parts, node.values(value), strict=True):
                yield from self._read(part, v)
        elif isinstance(node, Repeat):
            for i in range(len(value) + 1):
                if node.low <= i < node.high:
                    yield _length(spot, i - node.low), int(i == len(value))
                if i < len(value):
                    yield from self._read(spot.parts[i], value[i])

    def write(self, rng: Random) -> Generator[int, int, Any]:
        """Makes a design: yields the place of each decision, is sent an option, returns the design.

        It may break a constraint of its types: `Space.repair` mends that.
        """
        return self._write(self.root, rng)

    def _write(self, spot: Spot, rng: Random) -> Generator[int, int, Any]:
        node, asks = spot.node, spot.asks
        if node.size == 1:
            return node.start
        if isinstance(node, Number) and not spot.values:
            high = yield asks[0]
            low = yield asks[1]
            return node.at((high * DIGIT + low + rng.random()) / CELLS)
        if spot.values:
            return spot.values[(yield asks[0])]
        if isinstance(node, Choice):
            i = (yield asks[0]) if asks else 0
            return (yield from self._write(spot.parts[i], rng))
        made = []
        if isinstance(node, Product):
            for part in spot.parts:
                made.append((yield from self._write(part, rng)))
            return node.make(made)
        assert isinstance(node, Repeat)
        for i, part in enumerate(spot.parts):
            if i >= node.low and (yield _length(spot, i - node.low)):
                break
            made.append((yield from self._write(part, rng)))
        return tuple(made)


def _length(spot: Spot, i: int) -> int:
    return spot.asks[min(i, len(spot.asks) - 1)]
