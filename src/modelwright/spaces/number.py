"""Bounded ints and floats, on a linear or a logarithmic scale, free or on a grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random
from typing import Any

from modelwright.core.errors import SpaceError
from modelwright.spaces.nodes import Node, refuse

# A small mutation moves a number by a normal step of this share of its (log) range; neighbours
# stand at these shares, besides the next grid point.
SMALL_STEP = 0.15
NEAR_STEPS = (-0.2, -0.05, 0.05, 0.2)
MAX_GRID = 100_000


def _same(x: float) -> float:
    return x


class Number(Node):
    """Numbers in [low, high]; `grid` holds the allowed floats when they are multiples of a step.

    On the unit scale every grid value owns a cell (equal for linear scales), and free floats run
    from 0 at `low` to 1 at `high`. Free floats are rounded to ten significant digits where the
    range is wide enough, so that documents stay readable and unit round trips are exact.
    """

    __slots__ = (
        "_edge", "_fine", "_first", "_origin", "_reach", "_scale", "_span", "_step", "grid",
        "high", "log", "low", "multiple", "n", "whole",
    )  # fmt: skip

    def __init__(
        self,
        whole: bool,
        low: float,
        high: float,
        log: bool,
        multiple: float | None = None,
    ) -> None:
        """Raises SpaceError when no number is in range or the grid of floats is too fine."""
        self.whole, self.log, self.multiple = whole, log, multiple
        self.grid: tuple[float, ...] = ()
        self.n = 0
        if whole:
            step = int(multiple or 1)
            first, last = math.ceil(low / step) * step, math.floor(high / step) * step
            self.n = (last - first) // step + 1
            self._step, self._first = float(step), float(first)
            low, high = int(first), int(last)
        elif multiple:
            unit = Decimal(repr(multiple))
            lowest = math.ceil(Decimal(repr(low)) / unit)
            self.n = math.floor(Decimal(repr(high)) / unit) - lowest + 1
            if self.n > MAX_GRID:
                raise SpaceError(f"a grid of {self.n} floats is too fine; leave MultipleOf away.")
            self.grid = tuple(float(unit * (lowest + i)) for i in range(self.n))
            if self.grid:
                low, high = self.grid[0], self.grid[-1]
            self._step, self._first = float(multiple), low
        if high < low or (self.n < 1 and (whole or multiple)):
            raise SpaceError("the range holds no number")
        self.low, self.high = low, high
        self.size = self.n or (1 if low == high else math.inf)
        self.n_sites = int(self.size > 1)
        self.constrained = self.recursive = False
        self._prepare()
        self.start = self.at(0.5)

    def _prepare(self) -> None:
        f: Callable[[float], float] = math.log if self.log else _same
        half = self._step / 2 if self.n else 0.0
        self._scale = f
        self._edge = f(self.low - half)
        self._span = (f(self.high + half) - self._edge) or 1.0
        self._origin = f(self.low)
        self._reach = (f(self.high) - self._origin) or 1.0
        top = max(abs(self.low), abs(self.high))
        self._fine = not self.n and self.high - self.low > 1e-3 * top

    def unit(self, value: Any) -> float:
        """Where the value (or its cell's middle) stands between 0 and 1."""
        return (self._scale(value) - self._edge) / self._span

    def code(self, value: Any) -> float:
        """The value scaled so that `low` is 0 and `high` is 1."""
        return (self._scale(value) - self._origin) / self._reach

    def at(self, u: float) -> Any:
        """The value at `u` in [0, 1]; outside it is clipped."""
        x = self._edge + u * self._span
        if self.log:
            x = math.exp(x)
        if self.n:
            # Linear cells are half-open from below; round() would favour even neighbours.
            i = int((x - self._first) / self._step + 0.5) if x > self._first else 0
            return self._point(i if i < self.n else self.n - 1)
        if self._fine:
            x = float(f"{x:.10g}")
        return min(max(x, self.low), self.high)

    def _point(self, i: int) -> Any:
        return int(self._first) + i * int(self._step) if self.whole else self.grid[i]

    def _index(self, value: Any) -> int:
        steps: float = (value - self._first) / self._step
        return round(steps)

    def sample(self, rng: Random) -> Any:
        return self.at(rng.random())

    def fits(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        if not self.low <= value <= self.high:
            return False
        if self.whole:
            return (value - int(self._first)) % int(self._step) == 0
        return not self.grid or self.grid[self._index(value)] == value

    def change(self, value: Any, site: int, rng: Random, large: bool) -> Any:
        for _ in range(4):
            u = rng.random() if large else self.unit(value) + rng.gauss(0.0, SMALL_STEP)
            u = -u if u < 0 else 2 - u if u > 1 else u
            new = self.at(u)
            if new != value:
                return new
            if self.n:
                break
        if not self.n:
            return self.high if value == self.low else self.low
        i = self._index(value)
        return self._point(rng.choice([j for j in (i - 1, i + 1) if 0 <= j < self.n]))

    def cross(self, a: Any, b: Any, rng: Random) -> Any:
        r = rng.random()
        if r < 0.75 or a == b:
            return a if r < 0.375 else b
        ua, ub = self.unit(a), self.unit(b)
        return self.at(ua + rng.random() * (ub - ua))

    def around(self, value: Any) -> Iterator[Any]:
        if self.size == 1:
            return
        if self.n:
            i = self._index(value)
            for j in (i - 1, i + 1):
                if 0 <= j < self.n:
                    yield self._point(j)
        u = self.unit(value)
        for step in NEAR_STEPS:
            new = self.at(min(max(u + step, 0.0), 1.0))
            if new != value:
                yield new

    def plain(self, value: Any) -> Any:
        # Adding 0.0 turns -0.0 into 0.0: one value, one document.
        return value if self.whole else float(value) + 0.0

    def read(self, data: Any, path: str) -> Any:
        value = data
        if self.whole and isinstance(data, float) and data.is_integer():
            value = int(data)
        if not self.fits(value):
            refuse(path, self.expects(), data)
        return value if self.whole else float(value) + 0.0

    def everything(self) -> Iterator[Any]:
        if not self.n and self.low < self.high:
            raise SpaceError("a space with free floats cannot be listed; give them a MultipleOf.")
        return iter([self.low]) if not self.n else (self._point(i) for i in range(self.n))

    def expects(self) -> str:
        word = "a whole number" if self.whole else "a number"
        multiple = f", a multiple of {self.multiple:g}" if self.multiple else ""
        low, high = (f"{x}" if self.whole else f"{x:.10g}" for x in (self.low, self.high))
        return f"{word} from {low} to {high}{multiple}"
