"""The thread that owns the worker processes: starts them, feeds them, watches them, kills them.

One thread does all of it, so that nothing is shared: the executor puts commands in one queue and
takes messages from another. It is awake every `LOOK` seconds while anything runs, whatever the
caller does meanwhile, and sleeps when nothing does.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from queue import SimpleQueue
from typing import Any

from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.trial import Evidence, Progress
from modelwright.executors.child import Bounds, Child, Order
from modelwright.executors.frames import to_message
from modelwright.executors.tree import descendants, kernel_kills, private_bytes, shared_once

LOOK = 0.05  # seconds between two looks at memory, bounds and the dying
START_SECONDS = 300.0  # a worker that is not ready by then is given up
MAX_PROCESSES = 500  # that one trial may run at a time; more is a fork bomb
_MAX_STARTS = 3  # failed starts in a row, none ready, before the executor gives up
_MAX_BACKLOG = 50_000  # messages that nobody fetched; beyond, workers wait
_REAP_SECONDS = 5.0
# What reading a message may raise: a trial can write anything to any file of its process.
_NO_MESSAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Crew:
    """Worker processes and the thread that runs them. `messages` has what they said, or an error.

    An exception in `messages` is the last thing in it: no worker can be started, or this is broken.
    """

    def __init__(self, hello: Mapping[str, Any], bounds: Bounds, slots: int) -> None:
        self.messages: SimpleQueue[Progress | Evidence | Exception] = SimpleQueue()
        self._hello, self._bounds, self._slots = hello, bounds, slots
        self._said: list[Progress | Evidence] = []
        self._commands: deque[tuple[Any, ...]] = deque()
        self._orders: dict[int, Order] = {}
        self._children: list[Child] = []
        self._dying: list[tuple[Child, float]] = []
        self._failed_starts, self._was_ready, self._start_at = 0, False, 0.0
        self._look_at, self._kernel_kills = 0.0, kernel_kills()
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._ringer, False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._owner, self._door = os.getpid(), threading.Lock()
        self._over = False
        self._error: Exception | None = None
        # Workers die with the thread that started them: it must live as long as they may.
        self._thread = threading.Thread(target=self._run, name="modelwright crew", daemon=True)
        self._thread.start()

    def tell(self, *command: Any) -> None:
        """Queues a command: ("submit", order), ("cancel", number), ("word", number, word)."""
        self._commands.append(command)
        with self._door, contextlib.suppress(BlockingIOError):  # full: it rings already
            if self._ringer >= 0:
                os.write(self._ringer, b"!")

    def close(self) -> None:
        """Kills all workers and ends the thread; in a forked copy of the process does nothing."""
        if os.getpid() != self._owner or not self._thread.is_alive():
            return
        self.tell("close")
        if threading.current_thread() is self._thread:  # the garbage collector may come from there
            return
        self._thread.join(2 * _REAP_SECONDS)

    # -- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._over:
                self._turn()
        # Whatever broke here must reach the caller, who would else wait for ever.
        except Exception as error:
            self._error = error
        try:
            self._leave()
        finally:
            self._deliver()
            if self._error is not None:
                self.messages.put(self._error)

    def _turn(self) -> None:
        for key, events in self._selector.select(self._pause()):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._bell, 1 << 16)
            elif key.data.state != "gone":
                if events & selectors.EVENT_WRITE:
                    key.data.flush()
                    self._watch(key.data)
                if events & selectors.EVENT_READ:
                    self._hear(key.data)
        while self._commands:
            self._obey(*self._commands.popleft())
        if self._backlogged():
            time.sleep(LOOK / 10)
        now = time.monotonic()
        if now >= self._look_at:
            self._look(now)
        self._hand_out(now)
        self._deliver()  # last: first the workers have something to do, then the caller

    def _deliver(self) -> None:
        for message in self._said:
            self.messages.put(message)
        self._said.clear()

    def _pause(self) -> float | None:
        if self._look_at == inf:
            return None
        return max(0.0, self._look_at - time.monotonic())

    def _obey(self, verb: str, *about: Any) -> None:
        if verb == "submit":
            self._orders[about[0].number] = about[0]
        elif verb == "cancel":
            self._cancel(about[0])
        elif verb == "word":
            self._pass_on(*about)
        else:
            self._over = True

    def _cancel(self, number: int) -> None:
        if self._orders.pop(number, None) is not None:
            self._fail(number, "cancelled", "cancelled before it started")
        for child in self._at_work():
            if child.order is not None and child.order.number == number:
                self._kill(child, "cancelled", "cancelled while it ran")

    def _pass_on(self, number: int, word: str) -> None:
        if number in self._orders:
            self._orders[number].word = word
        for child in self._at_work():
            if child.order is not None and child.order.number == number:
                child.say(word)
                self._watch(child)

    def _hand_out(self, now: float) -> None:
        for child in self._children:
            if not self._orders:
                return
            if child.state == "idle":
                order = self._orders.pop(next(iter(self._orders)))
                if order.deadline is not None and now >= order.deadline:
                    self._fail(order.number, "timeout", _TOO_LATE)
                    continue
                child.take(order)
                self._watch(child)
                self._look_at = min(self._look_at, now + LOOK, self._ends(child))

    # -- what workers say --------------------------------------------------------------------

    def _hear(self, child: Child) -> None:
        if self._backlogged():
            return
        try:
            heard = child.hear()
            for kind, body in heard or ():
                self._take(child, kind, body)
        except _NO_MESSAGE as error:
            self._kill(child, "crash", f"its process broke the protocol ({error})")
            return
        if heard is None:
            self._lost(child)

    def _take(self, child: Child, kind: str, body: Any) -> None:
        number = child.order.number if child.order else None
        if kind == "ready" and child.state == "starting":
            child.state, self._was_ready, self._failed_starts = "idle", True, 0
        elif kind == "broken" and child.state == "starting":
            self._broken(child, body)
        elif kind == "tired":
            child.tired = str(body)
        elif kind in ("progress", "evidence") and body["trial"] == number:
            message = to_message(kind, body)
            if isinstance(message, Evidence):
                self._finish(child, message)
            else:
                self._said.append(message)
        # Anything else is a copy of what was said already, and is dropped.

    def _finish(self, child: Child, evidence: Evidence) -> None:
        if evidence.peak_bytes is not None and child.peak_bytes > evidence.peak_bytes:
            evidence = replace(evidence, peak_bytes=child.peak_bytes)  # with the trial's children
        child.order, child.state = None, "idle"
        self._said.append(evidence)
        if child.tired:
            self._retire(child)

    def _lost(self, child: Child) -> None:
        """A worker ended, or closed its channel, which is as good."""
        self._hear_out(child)
        if child.state == "gone":
            return
        order, started = child.order, child.state != "starting"
        seconds = time.monotonic() - child.since
        self._unwatch(child)
        kills, self._kernel_kills = self._kernel_kills, kernel_kills()
        name, sentence, tail = child.end()
        self._dying.append((child, time.monotonic()))
        self._look_at = 0.0
        if not started:
            self._start_failed(f"{sentence}: {tail}" if tail else sentence)
        if order is not None:
            starved = name == "SIGKILL" and self._kernel_kills > kills
            cause = "memory" if starved else "crash"
            sentence += ", by the kernel for want of memory" if starved else ""
            evidence = Evidence(order.number, seconds=seconds, peak_bytes=child.peak_bytes or None)
            self._said.append(evidence.failed(cause, sentence, name, tail))

    def _broken(self, child: Child, body: Mapping[str, Any]) -> None:
        message, kind = str(body["message"]), str(body["kind"])
        self._retire(child)
        if self._was_ready:
            self._start_failed(f"{kind}: {message}")
        elif body["input"]:
            self._give_up(InputError(message))
        else:
            self._give_up(
                InputError(
                    f"the evaluator {self._hello['entry']!r} cannot be made in a worker process: "
                    f"{kind}: {message}\n{body['trace']}".rstrip()
                )
            )

    # -- looking after them ------------------------------------------------------------------

    def _look(self, now: float) -> None:
        self._look_at = inf
        for child in list(self._children):
            self._look_after(child, now)
        late = [o for o in self._orders.values() if o.deadline is not None and now >= o.deadline]
        for order in late:
            del self._orders[order.number]
            self._fail(order.number, "timeout", _TOO_LATE)
        if self._at_work():
            self._kernel_kills = kernel_kills()
        self._dying = [
            (c, t) for c, t in self._dying if not (c.reaped() or now > t + _REAP_SECONDS)
        ]
        if len(self._children) + len(self._dying) < self._slots and now >= self._start_at:
            self._start()
        if self._dying:
            self._look_at = now + LOOK / 10
        elif self._at_work() or len(self._children) < self._slots:
            self._look_at = min([now + LOOK, *(self._ends(c) for c in self._at_work())])

    def _look_after(self, child: Child, now: float) -> None:
        child.trim()
        if child.ended():  # the channel may be held open by a copy of the process
            self._lost(child)
            return
        order, bounds = child.order, self._bounds
        if child.state == "starting" and now - child.since > START_SECONDS:
            self._kill(child)
            self._start_failed(f"a worker was not ready after {START_SECONDS:g} s")
        elif order is not None and now >= self._ends(child):
            bound = bounds.trial_seconds
            if bound is not None and now >= child.since + bound:
                self._kill(child, "timeout", f"it ran longer than {bound:g} s")
            else:
                self._kill(child, "timeout", "it ran past its deadline")
        elif (
            order is not None
            and bounds.hang_seconds is not None
            and not self._backlogged()
            and now - child.last_sign > bounds.hang_seconds
        ):
            self._kill(child, "hang", f"no sign of life for {bounds.hang_seconds:g} s")
        else:
            self._weigh(child)

    def _weigh(self, child: Child) -> None:
        pids = [child.pid, *descendants(child.pid)]
        used, most = private_bytes(pids), self._bounds.memory_bytes
        if used > most and len(pids) > 1:
            used = shared_once(pids)
        child.peak_bytes = max(child.peak_bytes, used)
        if used > most:
            what = f"it used {used / 1e6:,.0f} MB of memory, more than {most / 1e6:,.0f} MB"
        elif len(pids) > MAX_PROCESSES:
            what = f"it ran more than {MAX_PROCESSES} processes"
        else:
            return
        starting = child.state == "starting"
        self._kill(child, "memory" if used > most else "crash", what)
        if starting:
            self._start_failed(f"while a worker started, {what}")

    def _ends(self, child: Child) -> float:
        """When the child's trial has to end."""
        order, seconds = child.order, self._bounds.trial_seconds
        if order is None:
            return inf
        ends = [order.deadline, None if seconds is None else child.since + seconds]
        return min([end for end in ends if end is not None], default=inf)

    # -- birth and death ---------------------------------------------------------------------

    def _start(self) -> None:
        while len(self._children) + len(self._dying) < self._slots:
            try:
                child = Child(self._hello)
            except OSError as error:
                self._start_failed(f"a worker process cannot be started: {error}")
                return
            self._children.append(child)
            self._selector.register(child.socket, selectors.EVENT_READ, child)
            self._watch(child)

    def _start_failed(self, why: str) -> None:
        self._failed_starts += 1
        self._start_at = time.monotonic() + min(30.0, 0.1 * 2**self._failed_starts)
        self._look_at = 0.0
        if self._failed_starts >= _MAX_STARTS and all(
            c.state == "starting" for c in self._children
        ):
            error = ModelwrightError if self._was_ready else InputError
            self._give_up(error(f"worker processes cannot be started; the last one: {why}"))

    def _give_up(self, error: Exception) -> None:
        self._error, self._over = error, True

    def _kill(self, child: Child, cause: str = "", message: str = "") -> None:
        """Ends a worker; what its trial said before is taken first, as it may be its evidence."""
        child.freeze()
        self._hear_out(child)
        if child.state == "gone":
            return
        order, child.order = child.order, None
        seconds = time.monotonic() - child.since
        tail = child.tail()
        self._retire(child)
        if order is not None:
            evidence = Evidence(order.number, seconds=seconds, peak_bytes=child.peak_bytes or None)
            self._said.append(evidence.failed(cause, message, trace=tail))

    def _hear_out(self, child: Child) -> None:
        """Takes what a worker said that says nothing more."""
        with contextlib.suppress(*_NO_MESSAGE):
            while heard := child.hear():
                for kind, body in heard:
                    self._take(child, kind, body)

    def _retire(self, child: Child) -> None:
        self._unwatch(child)
        child.kill()
        self._dying.append((child, time.monotonic()))
        self._look_at = 0.0

    def _fail(self, number: int, cause: str, message: str) -> None:
        self._said.append(Evidence(number).failed(cause, message))

    def _at_work(self) -> list[Child]:
        return [child for child in self._children if child.state != "idle"]

    def _backlogged(self) -> bool:
        """True while so much is waiting to be fetched that workers have to wait too."""
        return self.messages.qsize() > _MAX_BACKLOG

    def _watch(self, child: Child) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.stuck else 0)
        if self._selector.get_key(child.socket).events != events:
            self._selector.modify(child.socket, events, child)

    def _unwatch(self, child: Child) -> None:
        self._selector.unregister(child.socket)
        self._children.remove(child)

    def _leave(self) -> None:
        for child in self._children:
            child.kill()
            self._dying.append((child, 0.0))
        end = time.monotonic() + _REAP_SECONDS
        while not all(child.reaped() for child, _ in self._dying) and time.monotonic() < end:
            time.sleep(0.002)
        self._selector.close()
        with self._door:  # a number of a closed file may be another file's by now
            os.close(self._bell)
            os.close(self._ringer)
            self._ringer = -1


_TOO_LATE = "its deadline passed before a worker was free"
