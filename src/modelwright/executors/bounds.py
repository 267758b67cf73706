"""What one worker may take, and whether it took more."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from modelwright.executors.child import Child
from modelwright.executors.tree import descendants, private_bytes, shared_once

START_SECONDS = 300.0  # a worker that is not ready by then is given up
MAX_PROCESSES = 500  # that one trial may run at a time; more is a fork bomb


@dataclass(frozen=True)
class Bounds:
    """What one worker, with all that its trial starts, may take; None is no bound."""

    memory_bytes: int
    trial_seconds: float | None = None
    hang_seconds: float | None = None

    def end(self, child: Child) -> float:
        """When the child's trial has to end, in `time.monotonic()`; infinite without a bound."""
        order, seconds = child.order, self.trial_seconds
        if order is None:
            return inf
        ends = [order.deadline, None if seconds is None else child.since + seconds]
        return min([end for end in ends if end is not None], default=inf)

    def passed(self, child: Child, now: float) -> tuple[str, str] | None:
        """Cause and sentence when the child is over a bound. Notes its memory's peak."""
        if child.state == "starting" and now - child.since > START_SECONDS:
            return "timeout", f"it was not ready after {START_SECONDS:g} s"
        if now >= self.end(child):
            seconds = self.trial_seconds
            if seconds is not None and now >= child.since + seconds:
                return "timeout", f"it ran longer than {seconds:g} s"
            return "timeout", "it ran past its deadline"
        silent, most = now - child.last_sign, self.hang_seconds
        if child.order is not None and most is not None and silent > most:
            return "hang", f"no sign of life for {most:g} s"
        return self._overweight(child)

    def _overweight(self, child: Child) -> tuple[str, str] | None:
        pids = [child.pid, *descendants(child.pid)]
        used, most = private_bytes(pids), self.memory_bytes
        if used > most and len(pids) > 1:
            used = shared_once(pids)
        child.peak_bytes = max(child.peak_bytes, used)
        if used > most:
            what = f"it used {used / 1e6:,.0f} MB of memory, more than {most / 1e6:,.0f} MB"
            return "memory", what
        if len(pids) > MAX_PROCESSES:
            return "crash", f"it ran more than {MAX_PROCESSES} processes"
        return None
