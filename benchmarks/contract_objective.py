"""The objectives of contract.py, importable by worker processes."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval


@dataclass(frozen=True)
class Point:
    x: Annotated[float, Interval(ge=-1, le=1)]
    y: Annotated[float, Interval(ge=-1, le=1)]


def short(point: Point) -> float:
    time.sleep(0.004 + 0.01 * abs(point.x))
    return point.x**2 + point.y**2


def deaf(point: Point) -> float:
    """Ignores every signal that can be ignored, and never ends."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1)


def greedy(point: Point) -> float:
    """Allocates without end."""
    held = []
    while True:
        held.append(bytearray(50_000_000))
