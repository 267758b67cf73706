"""How much energy a thousand predictions take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from modelwright.executors.energy import EnergyMeter, counters, spent_joules

BATCHES = 5
# Seconds of a batch. The counters move about once a millisecond, and the system's own account of
# processor time once in ten; a process's own is exact.
COUNTED, ESTIMATED = 0.1, 0.01
_LONGEST = 0.5


def energy_joules(call: Callable[[], object], watts: float) -> tuple[float, float, str]:
    """Joules of 1,000 calls, the noise, and how they are known (docs/limits.md).

    The median of batches, and half the distance between their quartiles; of a call that takes over
    half a second only one is counted, and the noise is half of it. Where the processor's counters
    cannot be read, `watts` of one busy core are multiplied with the processor time.
    """
    call()
    window = COUNTED if counters() else ESTIMATED
    found: list[float] = []
    how, first = "", time.perf_counter()
    while len(found) < BATCHES and (not found or time.perf_counter() - first < _LONGEST):
        meter, cpu, began, n = EnergyMeter(), time.process_time(), time.perf_counter(), 0
        while not n or time.perf_counter() - began < window:
            call()
            n += 1
        joules, how = spent_joules(meter, cpu, watts)
        found.append(1000 * joules / n)
    middle = statistics.median(found)
    if len(found) < 2:
        return middle, middle / 2, how
    low, _, high = statistics.quantiles(found, n=4)
    return middle, (high - low) / 2, how
