"""The worker's side: `python -m modelwright.executors.worker SOCKET LIFELINE SUPERVISOR`.

Started by `Processes` and by nobody else. It reads a hello, builds the evaluator once, says that it
is ready, and then plays one trial after the other.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import random
import socket
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError
from modelwright.core.roles import Evaluator
from modelwright.core.trial import Evidence, Trial
from modelwright.executors.conduct import conduct, failed_by
from modelwright.executors.frames import Unpacker, decode, encode, pack
from modelwright.executors.guard import guard, limit_memory
from modelwright.executors.meter import Gauge, Meter
from modelwright.executors.store import FileStore
from modelwright.executors.toolbox import EvaluatorSpec, ToolBox
from modelwright.executors.tree import descendants, private_bytes


class Channel:
    """The worker's end of the socket to its supervisor. The supervisor's end gone, it exits."""

    def __init__(self, file: int) -> None:
        self._socket = socket.socket(fileno=file)
        self._unpacker = Unpacker()
        self._read: deque[tuple[str, Any]] = deque()

    def receive(self) -> tuple[str, Any]:
        """Kind and body of the next message; waits for it."""
        while not self._read:
            self._feed(0)
        return self._read.popleft()

    def word(self, number: int) -> str | None:
        """The newest word for that trial, or None; never waits."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._feed(socket.MSG_DONTWAIT)
        word = None
        while self._read and self._read[0][0] == "word":
            _, body = self._read.popleft()
            word = body["word"] if body["trial"] == number else word
        return word

    def send(self, *texts: bytes) -> None:
        """Sends messages, together."""
        try:
            self._socket.sendall(b"".join(pack(text) for text in texts))
        except OSError:
            os._exit(1)

    def _feed(self, flags: int) -> None:
        data = self._socket.recv(1 << 16, flags)
        if not data:
            os._exit(0)
        self._read.extend(decode(text) for text in self._unpacker.feed(data))


class Worker:
    """One evaluator, its tools, and the trials that come."""

    def __init__(self, channel: Channel, hello: Mapping[str, Any], evaluator: Evaluator) -> None:
        self._channel, self._evaluator = channel, evaluator
        self._tools = ToolBox(
            Path(hello["data"]), FileStore(Path(hello["store"])), hello["threads"]
        )
        self._pid, self._gauge = os.getpid(), Gauge()
        self._first_children = set(descendants(self._pid))
        used = private_bytes([self._pid])
        self._halfway = used + (hello["memory_bytes"] - used) // 2

    def serve(self) -> None:
        """Plays trials until the supervisor goes."""
        while True:
            kind, body = self._channel.receive()
            if kind == "trial":  # a word for a trial that is over is dropped
                self._play(Trial.from_json(body), body["deadline"])

    def _play(self, trial: Trial, deadline: float | None) -> None:
        _seed(trial.seed)
        number, meter = trial.number, Meter(self._gauge)
        tools = replace(self._tools, deadline=deadline)
        for message, text in conduct(
            self._evaluator, trial, tools, meter, lambda: self._channel.word(number)
        ):
            if os.getpid() != self._pid:  # the trial forked, and this is the copy
                os._exit(0)
            reason = self._tired(message) if isinstance(message, Evidence) else None
            self._channel.send(*([encode("tired", reason)] if reason else []), text)

    def _tired(self, evidence: Evidence) -> str | None:
        """Why this process should not play another trial, or None.

        A trial's children end with it, and what one trial leaves in memory must not be counted
        against the next.
        """
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:  # nobody waits for these any more
                pass
            if set(descendants(self._pid)) - self._first_children:
                return "the trial left processes running"
        except ChildProcessError:
            pass
        if (evidence.peak_bytes or 0) > self._halfway:
            gc.collect()
            if private_bytes([self._pid]) > self._halfway:
                return "the trial left memory filled"
        return None


def main(file: int, lifeline: int, supervisor: int) -> None:
    """Becomes a worker; returns never."""
    guard(lifeline, supervisor)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    channel = Channel(file)
    _, hello = channel.receive()
    sys.path[:] = hello["path"]
    try:
        evaluator = _prepare(hello)
    # A worker that cannot start says why; the supervisor raises it as one clear error.
    except BaseException as error:
        failure = failed_by(error, 0).failure
        assert failure is not None
        body = {"kind": failure.kind, "message": failure.message, "trace": failure.trace}
        channel.send(encode("broken", {**body, "input": isinstance(error, InputError)}))
        os._exit(1)
    worker = Worker(channel, hello, evaluator)
    channel.send(encode("ready", {}))
    worker.serve()


def _prepare(hello: Mapping[str, Any]) -> Evaluator:
    for module in hello["preload"]:
        with contextlib.suppress(ModuleNotFoundError):  # preloading only saves time
            importlib.import_module(module)
    evaluator = EvaluatorSpec(hello["entry"], hello["arguments"]).build()
    limit_memory(hello["memory_bytes"])
    return evaluator


def _seed(seed: int) -> None:
    """Global generators start each trial alike, whatever the worker played before."""
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
