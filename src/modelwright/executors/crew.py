"""The worker processes of one executor: started, fed, heard, watched and killed.

The caller's thread speaks with the workers itself, in `poll`, so that a message crosses no other
thread. A second thread looks after them every `LOOK` seconds while anything runs, whatever the
caller does meanwhile, and sleeps when nothing does. One lock makes the two take turns.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.trial import Evidence, Progress
from modelwright.executors.bounds import Bounds
from modelwright.executors.child import Child, Order
from modelwright.executors.frames import to_message
from modelwright.executors.tree import kernel_kills

LOOK = 0.05  # seconds between two looks at memory, bounds and the dying
_MAX_STARTS = 3  # failed starts in a row, none ready, before the executor gives up
_MAX_BACKLOG = 50_000  # messages that nobody fetched; beyond, workers wait
_REAP_SECONDS = 5.0
# What reading a message may raise: a trial can write anything to any file of its process.
_NO_MESSAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Crew:
    """Worker processes, `slots` of them at work at a time and `spares` waiting.

    One caller's thread at a time may use it. `error`, once set, says why no worker will be started
    any more; `poll` raises it when all that was said is fetched.
    """

    def __init__(
        self, hello: Mapping[str, Any], bounds: Bounds, slots: int, spares: int = 0
    ) -> None:
        self._ringer = -1
        self._hello, self._bounds = hello, bounds
        self._slots, self._workers = slots, slots + spares
        self._said: list[Progress | Evidence] = []
        self.error: Exception | None = None
        self._orders: dict[int, Order] = {}
        self._children: list[Child] = []
        self._dying: list[tuple[Child, float]] = []
        self._failed_starts, self._was_ready, self._start_at = 0, False, 0.0
        self._kernel_kills = kernel_kills()
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = os.pipe()  # wakes the caller from its poll
        os.set_blocking(self._bell, False)
        os.set_blocking(self._ringer, False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._lock, self._kick = threading.RLock(), threading.Event()
        self._next_look, self._busy, self._over = 0.0, False, False
        self._owner = os.getpid()
        self._thread = threading.Thread(target=self._run, name="modelwright crew", daemon=True)
        self._thread.start()

    # -- the caller's side -------------------------------------------------------------------

    def submit(self, order: Order) -> None:
        """Hands the order to an idle worker, or queues it."""
        with self._lock:
            self._orders[order.number] = order
            self._hand_out()

    def poll(self, timeout: float) -> Sequence[Progress | Evidence]:
        """What workers said since; waits up to `timeout` seconds for it. May raise `error`."""
        end = time.monotonic() + timeout
        while True:
            events = [] if self._said else self._selector.select(max(0.0, end - time.monotonic()))
            with self._lock:
                self._heed(events)
                if self._said:
                    said, self._said = self._said, []
                    return said
            if self.error is not None:
                self.close()
                raise self.error
            if time.monotonic() >= end:
                return []

    def cancel(self, number: int) -> None:
        """Kills the trial of that number, or takes it out of the queue."""
        with self._lock:
            if self._orders.pop(number, None) is not None:
                self._fail(number, "cancelled", "cancelled before it started")
            for child in self._at_work():
                if child.order is not None and child.order.number == number:
                    self._kill(child, "cancelled", "cancelled while it ran")

    def send(self, number: int, word: str) -> None:
        """Passes a word on to the trial of that number, or leaves it with its order."""
        with self._lock:
            if number in self._orders:
                self._orders[number].word = word
            for child in self._at_work():
                if child.order is not None and child.order.number == number:
                    child.say(word)
                    self._watch(child)

    def close(self) -> None:
        """Kills all workers and ends the thread; in a forked copy of the process does nothing."""
        if os.getpid() != self._owner:
            return
        self._over = True
        self._kick.set()
        if threading.current_thread() is not self._thread:  # the garbage collector may come there
            self._thread.join(2 * _REAP_SECONDS)
            self._shut()

    def _shut(self) -> None:
        if self._ringer >= 0:
            self._selector.close()
            os.close(self._bell)
            os.close(self._ringer)
            self._ringer = -1

    __del__ = _shut

    # -- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._over:
                with self._lock:
                    self._heed(self._selector.select(0))
                    pause = self._look()
                    if self._said:
                        self._ring()
                self._kick.wait(pause)
                self._kick.clear()
        # Whatever broke here must reach the caller, who would else wait for ever.
        except Exception as error:
            self.error = error
        with self._lock:
            self._leave()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it rings already
            os.write(self._ringer, b"!")

    def _heed(self, events: Sequence[tuple[selectors.SelectorKey, int]]) -> None:
        for key, mask in events:
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._bell, 1 << 16)
            elif key.data.state != "gone":  # the other thread may have been faster
                if mask & selectors.EVENT_WRITE:
                    key.data.flush()
                    self._watch(key.data)
                if mask & selectors.EVENT_READ:
                    self._hear(key.data)
        if events:
            self._hand_out()

    def _hand_out(self) -> None:
        """Gives waiting orders to idle workers, as many as there are slots."""
        if not self._orders:
            return
        idle = [child for child in self._children if child.state == "idle"]
        free = self._slots - sum(child.state == "busy" for child in self._children)
        for child in idle[: max(0, free)]:
            order = self._next_order()
            if order is None:
                return
            child.take(order)
            self._watch(child)
            self._busy = True
            if self._bounds.end(child) < self._next_look or self._next_look == inf:
                self._hurry()

    def _next_order(self) -> Order | None:
        while self._orders:
            order = self._orders.pop(next(iter(self._orders)))
            if order.deadline is None or time.monotonic() < order.deadline:
                return order
            self._fail(order.number, "timeout", _TOO_LATE)
        return None

    def _hurry(self) -> None:
        """Lets the thread look now: there is something to start, to reap or to end."""
        self._next_look = 0.0
        self._kick.set()

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
        self._hurry()
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

    def _look(self) -> float | None:
        """Does what is due, and returns the seconds until the next look; None: when kicked."""
        now = time.monotonic()
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
        if len(self._children) + len(self._dying) < self._workers and now >= self._start_at:
            self._start()
        self._hand_out()
        busy, self._busy = self._busy, False
        if self._dying:
            self._next_look = now + LOOK / 10
        elif self._at_work() or busy or self._orders or len(self._children) < self._workers:
            self._next_look = min([now + LOOK, *(self._bounds.end(c) for c in self._at_work())])
        else:
            self._next_look = inf
            return None
        return max(0.0, self._next_look - time.monotonic())

    def _look_after(self, child: Child, now: float) -> None:
        child.trim()
        if child.ended():  # the channel may be held open by a copy of the process
            self._lost(child)
            return
        if self._backlogged():  # its signs of life may wait there
            child.last_sign = now
        passed, starting = self._bounds.passed(child, now), child.state == "starting"
        if passed is not None:
            self._kill(child, *passed)
            if starting:
                self._start_failed(f"while a worker started, {passed[1]}")

    # -- birth and death ---------------------------------------------------------------------

    def _start(self) -> None:
        while len(self._children) + len(self._dying) < self._workers:
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
        self._hurry()
        if self._failed_starts >= _MAX_STARTS and all(
            c.state == "starting" for c in self._children
        ):
            error = ModelwrightError if self._was_ready else InputError
            self._give_up(error(f"worker processes cannot be started; the last one: {why}"))

    def _give_up(self, error: Exception) -> None:
        self.error, self._over = error, True
        self._kick.set()

    def _kill(self, child: Child, cause: str, message: str) -> None:
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
        self._hurry()

    def _fail(self, number: int, cause: str, message: str) -> None:
        self._said.append(Evidence(number).failed(cause, message))

    def _at_work(self) -> list[Child]:
        return [child for child in self._children if child.state != "idle"]

    def _backlogged(self) -> bool:
        """True while so much is waiting to be fetched that workers have to wait too."""
        return len(self._said) > _MAX_BACKLOG

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
        self._ring()


_TOO_LATE = "its deadline passed before a worker was free"
