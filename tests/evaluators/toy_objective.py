"""Objectives that a worker process can import."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    x: float = 1.0


def square(point: Point) -> float:
    return point.x**2


def at(point: Point, epochs: float) -> float:
    return point.x * epochs


def seeded(point: Point, *, seed: int) -> float:
    return point.x + seed


def growing(point: Point, epochs: float) -> Iterator[tuple[float, float]]:
    for step in range(int(epochs)):
        yield step, point.x / (step + 1)
