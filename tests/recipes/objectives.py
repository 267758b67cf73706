"""Objectives that worker processes can import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval


@dataclass(frozen=True)
class Point:
    x: Annotated[float, Interval(ge=-2, le=2)]
    y: Annotated[float, Interval(ge=-2, le=2)] = 0.0


def bowl(point: Point) -> float:
    return (point.x - 1) ** 2 + point.y**2


def two_goals(point: Point) -> tuple[float, float]:
    return point.x**2, (point.x - 1) ** 2
