"""What a worker does to itself before anything else: die with its supervisor, and take little.

All of it works on Linux. macOS has neither a signal on the parent's death nor a score for the
kernel's choice of whom to kill: there a thread waits for the end of the lifeline, and one long call
into C that holds the interpreter's lock delays it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import fcntl
import os
import resource
import signal
import sys
import threading
from pathlib import Path

from modelwright.executors.tree import private_bytes

# CatBoost asked for 1.1 GB and touched 20 MB, loaded and fitted with 2 threads (1.2.10, x86-64).
_UNTOUCHED = 2 << 30

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def guard(lifeline: int, supervisor: int) -> None:
    """Ties this process to its supervisor. Called once, before any other thread exists.

    `lifeline` is the reading end of a pipe whose writing end only the supervisor holds.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides, not the keyboard
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans of a trial stay below this process
        try:
            _kill_the_group_at_the_end_of(lifeline)
        except OSError:  # an emulated kernel
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_wait_for_the_end, args=(lifeline,), daemon=True).start()
    if os.getppid() != supervisor:  # it died before the ties held
        os._exit(1)
    with contextlib.suppress(OSError):  # the kernel, out of memory, takes a worker first
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    faulthandler.enable()


def limit_memory(limit: int) -> None:
    """Makes an allocation far beyond `limit` bytes raise MemoryError at once (Linux).

    RLIMIT_DATA counts writable private pages when they are asked for, not when they are touched;
    RLIMIT_AS would count mapped data and what libraries only reserve, too. Libraries ask for more
    than they touch, so that much is allowed on top of the limit and of what is untouched already.
    What is really used the supervisor watches: it sees at once what grows, and this guard is for
    what would be there between two looks.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, ValueError):
        promised = _promised_bytes()
        untouched = max(0, promised - private_bytes([os.getpid()]))
        most = limit + untouched + _UNTOUCHED
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        if hard == resource.RLIM_INFINITY or most <= hard:
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _kill_the_group_at_the_end_of(lifeline: int) -> None:
    """Lets the kernel send SIGKILL to this whole group when the supervisor's end is closed.

    The usual signal on the parent's death is not used beside it: it reaches this process alone,
    comes first when the supervisor has threads, and with this process the order to kill the group
    would be gone, while children of the trial live on.
    """
    if sys.platform == "linux":  # these names exist nowhere else
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)


def _wait_for_the_end(lifeline: int) -> None:
    with contextlib.suppress(OSError):
        os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _promised_bytes() -> int:
    with Path("/proc/self/status").open("rb") as status:
        for line in status:
            if line.startswith(b"VmData:"):
                return int(line.split()[1]) * 1024
    raise OSError("no VmData")
