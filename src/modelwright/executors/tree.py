"""A process and everything below it: its memory, and its end.

Linux reads `/proc` and may use what only Linux has; elsewhere psutil answers, slower, and mapped
files count as memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Living processes below `pid`, in any session; empty when it is gone."""
    if not _has_proc():
        return _psutil_descendants(pid)
    found, todo = [], [pid]
    while todo:
        children = _children(todo.pop())
        todo += children
        found += children
    return [p for p in found if not is_zombie(p)]


def private_bytes(pids: Iterable[int]) -> int:
    """Resident bytes of processes without mapped files, which are the page cache's.

    Pages that forked processes share count once for each; `shared_once` tells better, slower.
    """
    if not _has_proc():
        return _psutil_bytes(pids)
    return sum(_kilobytes(f"/proc/{p}/status", (b"RssAnon:", b"RssShmem:")) for p in pids) * 1024


def shared_once(pids: Iterable[int]) -> int:
    """As `private_bytes`, with pages that several processes share counted once."""
    pids = list(pids)
    if not _has_proc():
        return _psutil_bytes(pids)
    names = (b"Pss_Anon:", b"Pss_Shmem:")
    return sum(_kilobytes(f"/proc/{p}/smaps_rollup", names) for p in pids) * 1024


def kill_tree(pid: int) -> None:
    """Ends the leader of a group, its group, and all that it started, also in other sessions.

    The group is stopped first, which no fork escapes. Orphans of killed processes fall to the
    leader (it is their reaper, see `guard`), so that looking again finds them: they are killed
    group by group until only the stopped group is left. What is not there any more is no error.
    """
    _send_group(pid, signal.SIGSTOP)
    for _ in range(20):
        groups = {_group(p) for p in descendants(pid)} - {pid, 0}
        for group in groups:
            _send_group(group, signal.SIGKILL)
        if not groups:
            break
        time.sleep(0.001)  # let the killed become zombies
    _send_group(pid, signal.SIGKILL)


def freeze(pid: int) -> None:
    """Stops a process, so that it says nothing more."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGSTOP)


def is_zombie(pid: int) -> bool:
    """True when the process has ended, reaped or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return stat[stat.rfind(b")") + 2 :][:1] in b"ZX"


def kernel_kills() -> int:
    """Processes that the kernel killed for want of memory since boot; 0 where it does not tell."""
    with contextlib.suppress(OSError), Path("/proc/vmstat").open("rb") as file:
        for line in file:
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _send_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _children(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(p) for p in (task / "children").read_bytes().split()]
    return found


def _kilobytes(path: str, names: tuple[bytes, ...]) -> int:
    total = 0
    with contextlib.suppress(OSError), Path(path).open("rb") as file:
        for line in file:
            if line.startswith(names):
                total += int(line.split()[1])
    return total


@cache
def _has_proc() -> bool:
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _psutil_descendants(pid: int) -> list[int]:
    import psutil

    try:
        below = psutil.Process(pid).children(recursive=True)
        return [p.pid for p in below if p.status() != psutil.STATUS_ZOMBIE]
    except psutil.Error:
        return []


def _psutil_bytes(pids: Iterable[int]) -> int:
    import psutil

    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total
