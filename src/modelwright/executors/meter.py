"""Measures what a trial used: wall time, processor time; peak memory and energy where it can."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace

from modelwright.core.trial import Evidence
from modelwright.executors.accelerator import CardMeter
from modelwright.executors.energy import MEASURED, EnergyMeter

try:
    import resource
except ImportError:  # Windows: children are not counted
    resource = None  # type: ignore[assignment]


class Gauge:
    """Reads this process's own peak of resident memory (Linux; elsewhere it reads None).

    The files stay open, as opening them would cost more than all else that is measured.
    """

    def __init__(self) -> None:
        self._files: tuple[int, int] | None = None
        with contextlib.suppress(OSError):
            status = os.open("/proc/self/status", os.O_RDONLY)
            self._files = (os.open("/proc/self/clear_refs", os.O_WRONLY), status)

    def reset(self) -> None:
        """Starts a new peak. (getrusage has no such thing, and begins with the parent's peak.)"""
        if self._files is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._files[0], b"5", 0)

    def peak_bytes(self) -> int | None:
        """The peak since the last reset, libraries and mapped files included."""
        if self._files is None:
            return None
        try:
            _, _, found = os.pread(self._files[1], 4096, 0).partition(b"VmHWM:")
            return int(found.split(None, 1)[0]) * 1024
        except (OSError, IndexError, ValueError):  # a trial may have closed the file
            return None


class Meter:
    """Counts from when it is made. `fill` puts the readings where the evidence has none.

    `seconds` is wall time; `cpu_seconds` is user and system time of this process and of its
    finished children; `peak_bytes` is the gauge's, or stays not measured without one: only a
    process of the trial's own can tell. `joules` stay not measured where no counter can be read:
    readers estimate them from the processor time, and say so. What a graphics card took is in the
    facts (`accelerator.py`).
    """

    def __init__(self, gauge: Gauge | None = None) -> None:
        self._gauge = gauge
        if gauge is not None:
            gauge.reset()
        self._energy, self._cards = EnergyMeter(), CardMeter()
        self._cpu, self._start = _cpu_seconds(), time.perf_counter()

    def fill(self, evidence: Evidence) -> Evidence:
        """The evidence with the readings in those measured fields that are None."""
        seconds, cpu, peak = evidence.seconds, evidence.cpu_seconds, evidence.peak_bytes
        if seconds is None:
            seconds = time.perf_counter() - self._start
        if cpu is None:
            cpu = _cpu_seconds() - self._cpu
        if peak is None and self._gauge is not None:
            peak = self._gauge.peak_bytes()
        out = replace(evidence, seconds=seconds, cpu_seconds=cpu, peak_bytes=peak)
        if cards := self._cards.facts():
            out = replace(out, facts={**out.facts, **cards})
        joules = self._energy.joules(cpu) if evidence.joules is None else None
        return out if joules is None else replace(out, joules=joules, joules_method=MEASURED)


def _cpu_seconds() -> float:
    seconds = time.process_time()
    if resource is not None:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds += children.ru_utime + children.ru_stime
    return seconds
