"""The trivial objective over a frozen dataclass, importable by worker processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from throughput import objective


@dataclass(frozen=True)
class Point:
    x: Annotated[float, Interval(ge=0, le=1)]


def square(point: Point) -> float:
    return objective(point.x)
