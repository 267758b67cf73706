"""What an engine worker shares: the trivial objective, the marks, the clock.

    def run(tell) -> None: ...            # does trials until tell(done) says stop
    return timed(setup, run)

`tell(n)` is called whenever n trials in all are durable (or, for engines that keep nothing, done);
it answers False when the last mark or the time limit is reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory import PeakMemory

MARKS = (100, 1_000, 10_000, 50_000)
SECONDS = 120.0


def objective(x: float) -> float:
    """The trial: x in [0, 1]."""
    return x**2


def timed(setup: Callable[[], Callable[[Callable[[int], bool]], None]]) -> dict[str, Any]:
    """The row of one engine run.

    `setup` makes everything ready for the first trial (study, pool, file) and returns the runner.
    `elapsed_s` holds the seconds at each mark reached, `ms_per_trial` the cost of one trial over
    the last tenth before the mark (what a trial costs *there*, where costs grow with the record).
    `finished` says whether the last mark was reached within the time limit.
    """
    times: list[tuple[int, float]] = []
    with PeakMemory() as memory:
        begin = time.perf_counter()
        run = setup()
        ready = time.perf_counter()

        def tell(done: int) -> bool:
            now = time.perf_counter() - ready
            times.append((done, now))
            return done < MARKS[-1] and now < SECONDS

        run(tell)
    at, cost = dict[int, float](), dict[int, float]()
    for mark in MARKS:
        end = next(((n, t) for n, t in times if n >= mark), None)
        start = next(((n, t) for n, t in times if n >= mark * 0.9), None)
        if end is not None and start is not None:
            at[mark] = round(end[1] * mark / end[0], 4)
            if end[0] > start[0]:
                cost[mark] = round(1000 * (end[1] - start[1]) / (end[0] - start[0]), 4)
    done, seconds = times[-1]
    return {
        "setup_s": round(ready - begin, 3),
        "peak_mb": round(memory.mb, 1),
        "trials": done,
        "seconds": round(seconds, 3),
        "per_second": round(done / seconds, 1),
        "elapsed_s": at,
        "ms_per_trial": cost,
        "finished": done >= MARKS[-1],
    }


def file_system(folder: Path) -> str:
    """Kind of file system under `folder`, from the longest matching mount point."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    return max((m for m in mounts if str(folder).startswith(m[0])), key=lambda m: len(m[0]))[1]
