"""One worker process as its supervisor sees it: started, spoken to, heard, killed, reaped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

from modelwright.core.secrets import without_secrets
from modelwright.executors.frames import Unpacker, decode, encode, pack
from modelwright.executors.tree import freeze, kill_tree

# Every library that starts threads reads one of these when it is loaded.
_THREAD_SETTINGS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS", "LOKY_MAX_CPU_COUNT",
)  # fmt: skip

_MAX_LOG = 1 << 20
_TAIL = 4000

# A copy of this process, made by a bare fork, must not keep its workers alive when it dies.
_LIFELINES: set[int] = set()


def _let_go() -> None:
    for lifeline in _LIFELINES:
        os.close(lifeline)
    _LIFELINES.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)

State = Literal["starting", "idle", "busy", "gone"]


@dataclass
class Order:
    """A trial on its way: its message, its bounds (`time.monotonic()`), a word left for it."""

    number: int
    text: bytes
    deadline: float | None = None
    word: str | None = None


class Child:
    """A worker process. Nothing here waits, except `end` for at most `patience` seconds.

    What the worker and its trials print goes to a file without a name, which is cut when it grows
    large; `tail` has the end of it. Raises OSError when the process cannot be started.
    """

    def __init__(self, hello: Mapping[str, Any]) -> None:
        self.state: State = "starting"
        self.order: Order | None = None
        self.tired = ""
        self.since = self.last_sign = time.monotonic()
        self.peak_bytes = 0
        self._log: IO[bytes] = tempfile.TemporaryFile("ab", buffering=0)  # noqa: SIM115
        self.socket, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        _LIFELINES.add(self._lifeline)
        self._unpacker, self._outbox = Unpacker(), bytearray()
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-P", "-m", "modelwright.executors.worker",
                    str(theirs.fileno()), str(lifeline), str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,
                env=_environment(hello["threads"]),
            )  # fmt: skip
        except OSError:
            self._close()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        self.socket.setblocking(False)
        self.send(encode("hello", hello))

    @property
    def pid(self) -> int:
        """The process, also the name of its group and session."""
        return self._process.pid

    def take(self, order: Order) -> None:
        """Gives the idle worker a trial."""
        self.order, self.state = order, "busy"
        self.since = self.last_sign = time.monotonic()
        self.peak_bytes = 0
        self._trim(0)  # what the log has belongs to this trial
        self.send(order.text)
        if order.word is not None:
            self.say(order.word)

    def say(self, word: str) -> None:
        """Sends a word to the trial that runs."""
        assert self.order is not None
        self.send(encode("word", {"trial": self.order.number, "word": word}))

    def send(self, text: bytes) -> None:
        """Sends a message, or keeps what the socket does not take for `flush`."""
        self._outbox += pack(text)
        self.flush()

    def flush(self) -> None:
        """Sends what is kept, as far as the socket takes it."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._outbox:
                del self._outbox[: self.socket.send(self._outbox)]

    @property
    def stuck(self) -> bool:
        """True while something waits for `flush`."""
        return bool(self._outbox)

    def hear(self) -> Sequence[tuple[str, Any]] | None:
        """Messages that arrived, as kind and body; None when there will be no more.

        Raises ValueError when the worker sent what is no message.
        """
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self.last_sign = time.monotonic()
        return [decode(text) for text in self._unpacker.feed(data)]

    def freeze(self) -> None:
        """Stops the process before it is killed, so that `hear` comes to an end."""
        freeze(self.pid)

    def kill(self) -> None:
        """Ends the process, its group and all that it started; `reaped` tells when it is done."""
        self.state = "gone"
        kill_tree(self.pid)
        self._close()

    def end(self, patience: float = 0.05) -> tuple[str, str, str]:
        """Why a process ended that closed its channel: name of the end, sentence, last output.

        One that is still alive after `patience` seconds is killed, with its group.
        """
        alive = not self.ended(patience)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # before reaping: the group's name is still ours
        tail = self.tail()
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        if alive or code is None:
            return "closed", "its process closed the channel to the supervisor", tail
        if code >= 0:
            return f"exit {code}", f"its process ended itself with exit status {code}", tail
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return name, f"its process was ended by {name}", tail
        return f"signal {-code}", f"its process was ended by signal {-code}", tail

    def ended(self, seconds: float = 0.0) -> bool:
        """True when the process ends in time. It is not reaped, where the system lets us look."""
        end = time.monotonic() + seconds
        while True:
            ended = _is_over(self.pid) if hasattr(os, "waitid") else self.reaped()
            if ended or time.monotonic() >= end:
                return ended
            time.sleep(0.001)

    def reaped(self) -> bool:
        """True when a killed process is gone; takes it off the system's table."""
        return self._process.poll() is not None

    def tail(self) -> str:
        """The end of what the worker printed."""
        with contextlib.suppress(OSError, ValueError):
            size = os.fstat(self._log.fileno()).st_size
            text = _read(self._log, max(0, size - _TAIL))
            return text.decode(errors="replace").strip()
        return ""

    def trim(self) -> None:
        """Cuts a log that grew too large; its end is lost, and what comes is kept."""
        self._trim(_MAX_LOG)

    def _trim(self, most: int) -> None:
        if os.fstat(self._log.fileno()).st_size > most:
            os.ftruncate(self._log.fileno(), 0)

    def _close(self) -> None:
        self.socket.close()
        self._log.close()
        if self._lifeline in _LIFELINES:
            _LIFELINES.remove(self._lifeline)
            os.close(self._lifeline)


def _is_over(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody else in this process reaps all children
        return True


def _read(log: IO[bytes], start: int) -> bytes:
    return os.pread(log.fileno(), _TAIL, start)


def _environment(threads: int) -> dict[str, str]:
    environment = without_secrets(os.environ)
    environment.update(dict.fromkeys(_THREAD_SETTINGS, str(threads)))
    # Sets of texts are walked in an order that depends on this: the same in every worker.
    environment.setdefault("PYTHONHASHSEED", "0")
    return environment
