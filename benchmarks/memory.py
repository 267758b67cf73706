"""Peak resident memory of a process and all its descendants, sampled from outside."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from pathlib import Path

PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20 if hasattr(os, "sysconf") else 0.0


def tree_rss_mb(root: int) -> float:
    """Sum of resident memory over `root` and its descendants (pages they share count for each)."""
    children, resident = defaultdict[int, list[int]](list), dict[int, float]()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            resident[int(entry.name)] = int((entry / "statm").read_text().split()[1]) * PAGE_MB
        except (OSError, IndexError):  # gone between the listing and the reading
            continue
        children[parent].append(int(entry.name))
    total, queue = 0.0, [root]
    while queue:
        process = queue.pop()
        total += resident.get(process, 0.0)
        queue += children[process]
    return total


class PeakMemory:
    """Context in which this process's tree is sampled every `every` seconds; `mb` is the peak.

    A sample reads all of /proc (about 5 ms), so one a half second costs a timing under 1 %.
    """

    def __init__(self, every: float = 0.5) -> None:
        self.mb, self._every, self._end = 0.0, every, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _sample(self) -> None:
        self.mb = max(self.mb, tree_rss_mb(os.getpid()))

    def _watch(self) -> None:
        while not self._end.wait(self._every):
            self._sample()

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._sample()
