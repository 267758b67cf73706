"""Evaluators to test with: a toy whose candidates say themselves how they behave.

A candidate is a document such as `{"x": 0.3}`, scored `loss = x`, or `{"x": 0.3, "do": "raise"}`
with one of `BEHAVIOURS`. Some end their process, fill its memory or fight being killed: run those
in worker processes only.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from modelwright.core.roles import Evaluator, Tools
from modelwright.core.trial import Evidence, Progress, Trial

Messages = Generator[Progress | Evidence, Any, None]


@dataclass(frozen=True)
class Toy:
    """Scores `loss = x`, or does what the candidate's document says under `do`."""

    def protocol(self) -> Mapping[str, Any]:
        """Plain data naming the toy."""
        return {"code": "toy 1", "data": "none", "metric": "loss"}

    def evaluate(self, trial: Trial, tools: Tools) -> Messages:
        """Plays the behaviour that the document names."""
        document = json.loads(trial.candidate.document)
        return BEHAVIOURS[document.get("do", "score")](trial, document, tools)


def toy() -> Evaluator:
    """A toy evaluator.

    >>> sorted(toy().protocol())
    ['code', 'data', 'metric']
    """
    return Toy()


def broken(how: str = "raise") -> Evaluator:
    """An evaluator that cannot be made: it raises, or ends the process (`how="exit"`)."""
    if how == "exit":
        os._exit(7)
    raise ValueError("no such table: rows.npy")


def _score(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    yield Evidence(trial.number, {"loss": document["x"]})


def _raise(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    raise ZeroDivisionError("the objective divides by zero")


def _nan(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    yield Evidence(trial.number, {"loss": float("nan")})


def _progress(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """`n` progress messages; told to stop, it ends early and says at which step."""
    step = 0
    for step in range(document.get("n", 3)):
        word = yield Progress(trial.number, step, {"loss": document["x"] + step})
        time.sleep(document.get("pause", 0.0))
        if word == "stop":
            break
    yield Evidence(trial.number, {"loss": document["x"]}, facts={"steps": step + 1})


def _sleep(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    yield Progress(trial.number, 0, message=str(os.getpid()))
    time.sleep(document.get("seconds", 60.0))
    yield Evidence(trial.number, {"loss": document["x"]})


def _stubborn(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Ignores every signal that can be ignored, and every exception."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    yield Progress(trial.number, 0, message=str(os.getpid()))
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


def _spin(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Holds the interpreter's lock in one long call into C, so that no other thread runs."""
    yield Progress(trial.number, 0, message=str(os.getpid()))
    ctypes.PyDLL(None).sleep(60)
    yield Evidence(trial.number, {"loss": document["x"]})


def _allocate(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Takes memory without end, as far as `upto` bytes."""
    taken, block = [], 8 << 20
    for _ in range(document.get("upto", 1 << 40) // block):
        taken.append(b"x" * block)
    yield Evidence(trial.number, {"loss": document["x"]}, facts={"bytes": len(taken) * block})


def _children(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Starts sleeping processes, some in sessions of their own; stays, or leaves them behind."""
    for detached in [False, True] * (document.get("n", 4) // 2):
        child = subprocess.Popen(
            [sys.executable, "-S", "-c", "import time; time.sleep(120)"], start_new_session=detached
        )
        yield Progress(trial.number, 0, message=str(child.pid))
    if document.get("stay", True):
        time.sleep(60)
    yield Evidence(trial.number, {"loss": document["x"]})


def _hungry(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Takes no memory itself: `n` children take `bytes` each."""
    code = f"import time; taken = b'x' * {document['bytes']}; time.sleep(60)"
    for _ in range(document["n"]):
        subprocess.Popen([sys.executable, "-S", "-c", code])
    time.sleep(60)
    yield Evidence(trial.number, {"loss": document["x"]})


def _shared(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Takes `bytes`, and forks `n` children that share them for half a second."""
    taken = b"x" * document["bytes"]
    children = []
    for _ in range(document["n"]):
        child = os.fork()
        if child == 0:
            time.sleep(0.5)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    yield Evidence(trial.number, {"loss": document["x"]}, facts={"bytes": len(taken)})


def _leak(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Leaves `bytes` in memory for good."""
    _LEAKED.append(b"x" * document["bytes"])
    yield Evidence(trial.number, {"loss": document["x"]})


_LEAKED: list[bytes] = []


def _map(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Reads all of a mapped file of the data folder."""
    with (tools.data / document["file"]).open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        total = sum(pages[i] for i in range(0, len(pages), mmap.PAGESIZE))
        time.sleep(0.2)
    yield Evidence(trial.number, {"loss": document["x"]}, facts={"total": total})


def _load(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    importlib.import_module(document["module"])
    yield Evidence(trial.number, {"loss": document["x"]})


def _array(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    import numpy as np

    ones = np.ones(document["bytes"] // 8)
    yield Evidence(trial.number, {"loss": float(ones[-1])})


def _fill(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Keeps an artefact where the system takes only 100 kB for a file, as on a full disk."""
    import resource

    bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, bounds[1]))
    try:
        tools.store.put(b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bounds)
    yield Evidence(trial.number, {"loss": document["x"]})


def _orphan(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Dies while a forked copy lives on, with all its open files."""
    if os.fork() == 0:
        time.sleep(60)
    os._exit(3)


def _bomb(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Doubles its processes, `times` times, as fast as it can."""
    for _ in range(document["times"]):
        os.fork()
    time.sleep(60)
    yield Evidence(trial.number, {"loss": document["x"]})


def _fork(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Returns twice: a forked child goes on as if it were the worker."""
    os.fork()
    yield Evidence(trial.number, {"loss": document["x"]})


def _segfault(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    ctypes.string_at(0)
    yield Evidence(trial.number, {"loss": document["x"]})


def _exit(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    os._exit(document.get("code", 3))


def _quit(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    sys.exit("enough")


def _abort(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    os.abort()


def _print(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Writes `bytes` to stdout and to stderr, and reads stdin, which is empty."""
    line = "flood " * 170 + "\n"
    for _ in range(document.get("bytes", 1 << 20) // len(line)):
        sys.stdout.write(line)
        os.write(2, line.encode())
    read = sys.stdin.read() if document.get("read", True) else ""
    yield Evidence(trial.number, {"loss": document["x"]}, facts={"read": read})


def _nothing(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    yield Progress(trial.number, 1)


def _twice(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    yield Evidence(trial.number, {"loss": document["x"]})
    yield Evidence(trial.number, {"loss": document["x"] + 1})


def _other(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    yield Evidence(trial.number + 1, {"loss": document["x"]})


def _junk(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Evidence that is no plain data, in the part that `part` names."""
    parts: dict[str, Any] = {"scores": {"loss": 1.0}, document["part"]: {"loss": object()}}
    yield Evidence(trial.number, **parts)


def _huge(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    yield Evidence(trial.number, {"loss": document["x"]}, facts={"text": "x" * (40 << 20)})


def _garbage(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Writes to every open file, whatever it is."""
    for file in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(file, document.get("text", "\xff\xff\xff\xff garbage").encode("latin-1"))
    yield Evidence(trial.number, {"loss": document["x"]})


def _shut(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Closes every open file."""
    os.closerange(3, 64)
    yield Evidence(trial.number, {"loss": document["x"]})


def _artefact(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    name = tools.store.put(b"x" * document.get("bytes", 1000), ".bin")
    yield Evidence(trial.number, {"loss": document["x"]}, artefacts={"model": name})


def _lost(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    yield Evidence(trial.number, {"loss": document["x"]}, artefacts={"model": "0" * 64})


def _random(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    """Uses the global generator, as careless objectives do."""
    import random

    yield Evidence(trial.number, {"loss": random.random()})


def _threads(trial: Trial, document: Mapping[str, Any], tools: Tools) -> Messages:
    facts = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    yield Evidence(trial.number, {"loss": tools.threads}, facts=facts)


BEHAVIOURS: Mapping[str, Callable[[Trial, Mapping[str, Any], Tools], Messages]] = {
    "score": _score, "raise": _raise, "nan": _nan, "progress": _progress, "sleep": _sleep,
    "stubborn": _stubborn, "spin": _spin, "allocate": _allocate, "children": _children,
    "fork": _fork, "segfault": _segfault, "exit": _exit, "quit": _quit, "abort": _abort,
    "print": _print, "nothing": _nothing, "twice": _twice, "other": _other, "junk": _junk,
    "huge": _huge, "garbage": _garbage, "shut": _shut, "artefact": _artefact, "lost": _lost,
    "random": _random, "threads": _threads, "hungry": _hungry, "shared": _shared, "leak": _leak,
    "map": _map, "load": _load, "array": _array, "fill": _fill, "bomb": _bomb, "orphan": _orphan,
}  # fmt: skip
