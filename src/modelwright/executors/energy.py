"""The processor's own energy counters, where the system lets one read them (Linux: RAPL)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
COUNTED = ("package", "dram")  # cores and cache are parts of a package, and would count twice
MEASURED = "measured: the processor's energy counters (RAPL), shared out by processor time"


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter of microjoules, and where it starts again from 0."""

    path: Path
    largest: int

    def read(self) -> int:
        """Microjoules. Raises OSError or ValueError where it cannot be read."""
        return int(self.path.read_text("ascii"))


@cache
def counters(folder: Path = POWERCAP) -> tuple[Counter, ...]:
    """The counters of packages and memory that this user may read; none on most rented machines.

    Since 2020 Linux lets only the administrator read them (CVE-2020-8694) unless told otherwise.
    """
    found = []
    for zone in sorted(folder.glob("*-rapl:*")):
        try:
            name = (zone / "name").read_text("ascii")
            largest = int((zone / "max_energy_range_uj").read_text("ascii"))
            counter = Counter(zone / "energy_uj", largest)
            counter.read()
        except (OSError, ValueError):
            continue
        if name.startswith(COUNTED):
            found.append(counter)
    return tuple(found)


class EnergyMeter:
    """Counts joules from when it is made, for the processor time that its owner says was its own.

    A counter tells of a whole package. Of what it counted a process gets the share that its
    processor time has in the processor time of all processes meanwhile (`/proc/stat`): what an idle
    machine would have used is paid by who kept it busy.
    """

    def __init__(self, folder: Path = POWERCAP, stat: Path = Path("/proc/stat")) -> None:
        self._counters, self._stat = counters(folder), stat
        self._start = self._read()

    def joules(self, cpu_seconds: float) -> float | None:
        """Joules since the start for so much processor time; None where nothing counts."""
        end = self._read()
        if self._start is None or end is None:
            return None
        spent = 0
        for counter, a, b in zip(self._counters, self._start[0], end[0], strict=True):
            spent += b - a if b >= a else b - a + counter.largest
        busy = max(end[1] - self._start[1], cpu_seconds)
        return spent / 1e6 * (cpu_seconds / busy if busy > 0 else 0.0)

    def _read(self) -> tuple[list[int], float] | None:
        if not self._counters:
            return None
        try:
            return [counter.read() for counter in self._counters], _busy_seconds(self._stat)
        except (OSError, ValueError):
            return None


def _busy_seconds(stat: Path) -> float:
    """Processor seconds of all processes since the machine started."""
    user, nice, system = stat.read_text("ascii").split(None, 4)[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def spent_joules(meter: EnergyMeter, cpu_began: float, watts: float) -> tuple[float, str]:
    """Joules of this process since `cpu_began` (`time.process_time()`), and how they are known.

    Where nothing counts: processor seconds times `watts`, the power of one busy core.
    """
    cpu = time.process_time() - cpu_began
    counted = meter.joules(cpu)
    if counted is not None:
        return counted, MEASURED
    return cpu * watts, f"estimated: processor seconds times {watts:g} W for a busy core"
