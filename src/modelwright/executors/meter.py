"""Measures what a trial used: wall time, processor time, and its peak of memory where it can."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path

from modelwright.core.trial import Evidence


class Meter:
    """Counts from when it is made. `fill` puts the readings where the evidence has none.

    `seconds` is wall time; `cpu_seconds` is user and system time of this process and of its
    finished children. With `peak`, which only a process of the trial's own should ask for, the peak
    of resident memory is counted too, libraries and mapped files included (Linux; elsewhere it is
    left as not measured); `peak_bytes` has it after `fill`.
    """

    def __init__(self, peak: bool = False) -> None:
        self._peak = peak and _reset_peak()
        self.peak_bytes: int | None = None
        self._cpu, self._start = _cpu_seconds(), time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return time.perf_counter() - self._start

    def fill(self, evidence: Evidence) -> Evidence:
        """The evidence with the readings in those measured fields that are None."""
        self.peak_bytes = _peak_bytes() if self._peak else None
        ours = {
            "seconds": self.seconds,
            "cpu_seconds": _cpu_seconds() - self._cpu,
            "peak_bytes": self.peak_bytes,
        }
        missing = {k: v for k, v in ours.items() if getattr(evidence, k) is None}
        return replace(evidence, **missing)  # type: ignore[arg-type]


def _cpu_seconds() -> float:
    own = time.process_time()
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return own + children.ru_utime + children.ru_stime
    return own


def _reset_peak() -> bool:
    """Lets the kernel count the peak anew; getrusage would show the parent's too, from the fork."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak_bytes() -> int | None:
    with contextlib.suppress(OSError), Path("/proc/self/status").open("rb") as status:
        for line in status:
            if line.startswith(b"VmHWM"):
                return int(line.split()[1]) * 1024
    return None
