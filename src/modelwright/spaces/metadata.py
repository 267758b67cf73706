"""The words a space adds to annotated-types: `Log`, `Ordered`, `Depth`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelwright.core.errors import SpaceError


@dataclass(frozen=True, slots=True)
class Log:
    """A number between `low` and `high`, both reachable, whose ratio matters, not its distance.

    Sampling, steps and encoding then work on the logarithm: `Annotated[float, Log(1e-5, 1e-1)]`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (0 < self.low <= self.high and math.isfinite(self.high)):
            raise SpaceError(
                f"Log(low, high) needs 0 < low <= high; got Log({self.low}, {self.high})."
            )


@dataclass(frozen=True, slots=True)
class Ordered:
    """The values of a `Literal` or an `Enum` stand in an order; nearby ones are alike.

    `Annotated[Literal["small", "medium", "large"], Ordered()]`.
    """


@dataclass(frozen=True, slots=True)
class Depth:
    """At most `limit` values of recursive types inside one another, from here on.

    It overrides the space's `max_depth` where the recursion begins and can only tighten it inside:
    `Annotated[Cell, Depth(3)]`.
    """

    limit: int

    def __post_init__(self) -> None:
        if isinstance(self.limit, bool) or self.limit < 0:
            raise SpaceError(
                f"Depth(limit) needs a whole number from 0; got Depth({self.limit!r})."
            )
