"""What every executor must keep: `check_executor` plays good, bad and murderous trials on it.

>>> from modelwright.executors import Inline
>>> check_executor(lambda spec, tools: Inline(spec.build(), tools))
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.roles import Executor
from modelwright.core.trial import Candidate, Evidence, Progress, Trial
from modelwright.executors import EvaluatorSpec, FileStore, ToolBox

__all__ = ["KILLING", "LIVING", "MAKING", "Make", "Play", "check_executor", "ended", "toy_trial"]

Make = Callable[[EvaluatorSpec, ToolBox], Executor]

PATIENCE = 60.0  # Seconds for what should take one: a busy machine fails no check.
KILL_SECONDS = 2.0  # From a deadline or a cancel to the evidence.

TOY = EvaluatorSpec("modelwright.testing.evaluators:toy")


def check_executor(make: Make) -> None:
    """Runs every check on the executors that `make(spec, tools)` gives.

    `spec` is the toy evaluator's (`testing.evaluators`). Executors that cannot interrupt are spared
    the trials that would end or hold their process. Raises AssertionError with what was seen. Takes
    seconds, or up to half a minute with processes on a busy machine.
    """
    with tempfile.TemporaryDirectory() as folder:
        tools = ToolBox(Path(folder), FileStore(Path(folder) / "store"))
        executor = make(TOY, tools)
        try:
            play = Play(executor)
            for check in (*LIVING, *(KILLING if executor.interrupts else ())):
                check(play)
        finally:
            executor.close()
        for look in MAKING:
            look(make, tools)


def toy_trial(number: int, **document: Any) -> Trial:
    """A trial of the toy evaluator; `do` names a behaviour."""
    text = json.dumps({"x": 0.5, **document})
    return Trial(number, Candidate(text), rung=0, fidelity=1.0, cost=1.0, seed=number)


class Play:
    """An executor and the next free trial number."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.number = 0

    def submit(self, deadline: float | None = None, **document: Any) -> int:
        """Submits a toy trial and returns its number; `deadline` is in seconds from now."""
        self.number += 1
        end = None if deadline is None else time.monotonic() + deadline
        self.executor.submit(toy_trial(self.number, **document), end)
        return self.number

    def until(self, done: Callable[[list[Progress | Evidence]], bool]) -> list[Progress | Evidence]:
        """All messages until `done` says enough. Raises AssertionError when patience ends."""
        messages: list[Progress | Evidence] = []
        end = time.monotonic() + PATIENCE
        while not done(messages):
            assert time.monotonic() < end, f"{PATIENCE:g} s passed; only this came: {messages}"
            messages += self.executor.poll(0.2)
        return messages

    def evidence(self, *numbers: int) -> list[Evidence]:
        """The evidence of these trials in their order; no other may come."""
        messages = self.until(
            lambda seen: sum(isinstance(m, Evidence) for m in seen) >= len(numbers)
        )
        found = {m.trial: m for m in messages if isinstance(m, Evidence)}
        assert set(found) == set(numbers), f"asked for trials {numbers}, got {sorted(found)}"
        return [found[number] for number in numbers]

    def fails(self, cause: str, words: str = "", **document: Any) -> Evidence:
        """Runs a trial that must come back as failed by that cause."""
        [evidence] = self.evidence(self.submit(**document))
        _assert_failed(evidence, cause, words)
        return evidence

    def works(self) -> None:
        """The executor still runs good trials, in all its slots."""
        numbers = [self.submit(x=0.25) for _ in range(self.executor.slots)]
        for evidence in self.evidence(*numbers):
            assert evidence.scores == {"loss": 0.25}, f"after that, a good trial gave {evidence}"

    def pid(self) -> int:
        """The process named in the next progress message."""
        messages = self.until(lambda seen: any(isinstance(m, Progress) for m in seen))
        assert len(messages) == 1, f"expected one progress message, got {messages}"
        assert isinstance(messages[0], Progress)
        return int(messages[0].message)


def ended(pid: int, seconds: float = PATIENCE) -> bool:
    """True when the process is gone, or only waits to be reaped, within that time."""
    import psutil

    end = time.monotonic() + seconds
    while True:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.01)


def _assert_failed(evidence: Evidence, cause: str, words: str = "") -> None:
    failure = evidence.failure
    assert failure is not None, f"expected a failure by {cause}, got {evidence}"
    assert failure.cause == cause, f"expected the cause {cause}, got {failure}"
    assert words in f"{failure.kind} {failure.message}", f"expected {words!r} in {failure}"
    assert evidence.scores == {}, f"failed evidence has no scores; got {evidence}"


# -- checks that any executor can stand ---------------------------------------------------------


def _shape(play: Play) -> None:
    """It is an executor, and has nothing to say before it was asked."""
    assert isinstance(play.executor, Executor), "some method of an executor is missing"
    assert play.executor.slots >= 1, f"slots must be 1 or more, got {play.executor.slots}"
    assert list(play.executor.poll(0.0)) == [], "messages came before any trial"


def _once(play: Play) -> None:
    """More trials than slots: each comes back exactly once, with its scores and its time."""
    numbers = [play.submit(x=i / 8) for i in range(3 * play.executor.slots + 5)]
    for i, evidence in enumerate(play.evidence(*numbers)):
        assert evidence.ok, f"a good trial failed: {evidence}"
        assert evidence.scores == {"loss": i / 8}, f"expected loss {i / 8}, got {evidence.scores}"
        assert evidence.seconds is not None, "seconds were not measured"
    assert list(play.executor.poll(0.05)) == [], "more came back than was submitted"


def _failing(play: Play) -> None:
    """Whatever an evaluator raises or hands over is a record, and the next trial runs."""
    raised = play.fails("error", "the objective divides by zero", do="raise")
    assert raised.failure is not None
    assert raised.failure.kind == "ZeroDivisionError", f"the class is missing: {raised.failure}"
    assert "evaluators.py" in raised.failure.trace, f"the trace is missing: {raised.failure}"
    play.fails("error", "enough", do="quit")
    play.fails("error", "without evidence", do="nothing")
    play.fails("error", "message of trial", do="other")
    play.fails("bad_score", "not plain data", do="junk", part="scores")
    play.fails("error", "not plain data", do="junk", part="facts")
    play.fails("error", "artefact store", do="huge")
    play.fails("error", "not kept", do="lost")
    play.works()


def _passing(play: Play) -> None:
    """NaN passes (the loop refuses it), a second evidence does not; artefacts are weighed."""
    nan, twice, artefact = (
        play.submit(do="nan"),
        play.submit(do="twice"),
        play.submit(do="artefact", bytes=1234),
    )
    first, second, third = play.evidence(nan, twice, artefact)
    assert first.scores["loss"] != first.scores["loss"], f"NaN did not pass: {first}"
    assert second.scores == {"loss": 0.5}, f"the first evidence counts; got {second}"
    assert third.facts == {"artefact_bytes": 1234}, f"expected 1234 bytes, got {third.facts}"
    assert list(play.executor.poll(0.05)) == [], "a trial came back twice"


def _progress(play: Play) -> None:
    """Progress comes in order and before the evidence; a word is heard."""
    number = play.submit(do="progress", n=5)
    messages = play.until(lambda seen: any(isinstance(m, Evidence) for m in seen))
    steps = [m.step for m in messages if isinstance(m, Progress)]
    assert steps == [0, 1, 2, 3, 4], f"expected five steps in order, got {steps}"
    assert isinstance(messages[-1], Evidence), "progress came after the evidence"
    number = play.submit(do="progress", n=10_000, pause=0.005)
    play.executor.send(number, "stop")
    play.executor.send(number + 100, "stop")
    [evidence] = play.evidence(number)
    assert evidence.facts["steps"] < 10_000, "the trial did not hear the word"


def _waiting(play: Play) -> None:
    """A trial that waits can be cancelled, runs out of time, and cannot be submitted twice."""
    held = [play.submit(do="progress", n=20, pause=0.01) for _ in range(play.executor.slots)]
    waiting = play.submit()
    try:
        play.executor.submit(toy_trial(waiting))
    except InputError:
        pass
    else:
        raise AssertionError("a number that waits was taken a second time")
    play.executor.cancel(waiting)
    play.executor.cancel(waiting)
    play.executor.cancel(waiting + 100)
    late = play.submit(deadline=-1.0)
    *good, cancelled, timed_out = play.evidence(*held, waiting, late)
    assert all(evidence.ok for evidence in good), f"the others were hurt: {good}"
    _assert_failed(cancelled, "cancelled")
    _assert_failed(timed_out, "timeout", "deadline")
    play.works()


# -- checks for executors that can kill ---------------------------------------------------------


def _late(play: Play) -> None:
    """A deadline kills trials that ignore signals, or hold the interpreter's lock."""
    play.works()
    for behaviour in ("stubborn", "spin"):
        number = play.submit(deadline=0.5, do=behaviour)
        start = time.monotonic()
        pid = play.pid()
        [evidence] = play.evidence(number)
        over = time.monotonic() - start - 0.5
        _assert_failed(evidence, "timeout", "deadline")
        assert over < KILL_SECONDS, f"{behaviour}: it took {over:.2f} s after the deadline"
        assert ended(pid, KILL_SECONDS), f"{behaviour}: its process is still there"
    play.works()


def _cancelled(play: Play) -> None:
    """A running trial can be cancelled, even when it ignores signals."""
    number = play.submit(do="stubborn")
    pid = play.pid()
    start = time.monotonic()
    play.executor.cancel(number)
    [evidence] = play.evidence(number)
    took = time.monotonic() - start
    _assert_failed(evidence, "cancelled")
    assert took < KILL_SECONDS, f"cancelling took {took:.2f} s"
    assert ended(pid, KILL_SECONDS), "the process of a cancelled trial is still there"
    play.works()


def _crashing(play: Play) -> None:
    """A process that dies is a failed record which names how."""
    play.fails("crash", "SIGSEGV", do="segfault")
    play.fails("crash", "SIGABRT", do="abort")
    play.fails("crash", "status 3", do="exit", code=3)
    play.fails("crash", "status 0", do="exit", code=0)
    play.fails("crash", do="shut")
    play.fails("crash", "status 3", do="orphan")
    number = play.submit(do="sleep")
    os.kill(play.pid(), signal.SIGKILL)
    [evidence] = play.evidence(number)
    _assert_failed(evidence, "crash", "SIGKILL")
    play.works()


def _mixed(play: Play) -> None:
    """Duplicates, copies of the process, garbage and floods of text harm nobody."""
    numbers = [
        play.submit(do=behaviour) for behaviour in ("fork", "twice", "print", "fork", "score")
    ]
    for evidence in play.evidence(*numbers):
        assert evidence.ok, f"expected a good trial, got {evidence}"
    play.evidence(play.submit(do="garbage"))
    other = json.dumps({"evidence": {"trial": play.number + 50, "scores": {"loss": 0.0}}})
    junk = json.dumps({"evidence": {"trial": play.number + 2, "scores": [1.0]}})
    for text in (other, junk, "[" * 100_000):
        message = len(text).to_bytes(4, "big").decode("latin-1") + text
        play.evidence(play.submit(do="garbage", text=message))
    play.works()
    assert list(play.executor.poll(0.05)) == [], "a message came from nowhere"


def _families(play: Play) -> None:
    """What a trial starts ends with it, in whatever session, killed or finished."""
    for stay in (True, False):
        number = play.submit(do="children", n=4, stay=stay)
        messages = play.until(lambda seen: sum(isinstance(m, Progress) for m in seen) == 4)
        pids = [int(m.message) for m in messages if isinstance(m, Progress)]
        if stay:
            play.executor.cancel(number)
        if not any(isinstance(m, Evidence) for m in messages):
            play.evidence(number)
        left = [pid for pid in pids if not ended(pid, 5.0)]
        assert not left, f"{len(left)} of 4 processes outlived their trial (stay={stay})"
    play.works()


# -- checks that make their own executor --------------------------------------------------------


def _closing(make: Make, tools: ToolBox) -> None:
    """Closing ends what runs, may be repeated, and nothing is taken afterwards."""
    executor = make(TOY, tools)
    pid = None
    if executor.interrupts:
        play = Play(executor)
        play.submit(do="stubborn")
        pid = play.pid()
        play.submit(do="stubborn")
    executor.close()
    executor.close()
    assert pid is None or ended(pid, KILL_SECONDS), "a process outlived its executor"
    try:
        executor.submit(toy_trial(0))
    except ModelwrightError:
        return
    raise AssertionError("a closed executor took a trial")


LIVING: tuple[Callable[[Play], None], ...] = (
    _shape, _once, _failing, _passing, _progress, _waiting,
)  # fmt: skip
KILLING: tuple[Callable[[Play], None], ...] = (
    _late, _cancelled, _crashing, _mixed, _families,
)  # fmt: skip
MAKING: tuple[Callable[[Make, ToolBox], None], ...] = (_closing,)
