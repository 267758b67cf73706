"""Objectives that a worker process can import."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval


@dataclass(frozen=True)
class Point:
    x: Annotated[float, Interval(ge=0, le=9)] = 1.0


@dataclass(frozen=True)
class Pole:
    north: bool = True


Place = Point | Pole


def square(point: Point) -> float:
    return point.x**2


def warmth(place: Place) -> float:
    return place.x if isinstance(place, Point) else 0.0


def at(point: Point, epochs: float) -> float:
    return point.x * epochs


def seeded(point: Point, *, seed: int) -> float:
    return point.x + seed


def growing(point: Point, epochs: float) -> Iterator[tuple[float, float]]:
    for step in range(int(epochs)):
        yield step, point.x / (step + 1)
