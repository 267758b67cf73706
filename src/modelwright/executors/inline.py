"""The executor without processes: trials run one by one where `poll` is called."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.roles import Evaluator
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.executors.conduct import conduct
from modelwright.executors.meter import Meter
from modelwright.executors.toolbox import ToolBox


class Inline:
    """Runs trials in this process, each `poll` one whole trial, in the order of `submit`.

    It cannot interrupt (`interrupts` is False): a trial that hangs hangs the caller, and a crash
    takes the caller along. A deadline is looked at before a trial starts and at each of its
    progress messages. Memory is not measured, as the process is the caller's own.

    Evidence passes through JSON as it would from a worker, so that both give the same values.
    KeyboardInterrupt passes through `poll`; the trial then comes back as cancelled in the next one.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from modelwright.core.trial import Candidate, Trial
    >>> from modelwright.executors import EvaluatorSpec, FileStore, Inline, ToolBox
    >>> folder = Path(tempfile.mkdtemp())
    >>> tools = ToolBox(folder, FileStore(folder / "store"))
    >>> executor = Inline(EvaluatorSpec("modelwright.testing.evaluators:toy").build(), tools)
    >>> executor.submit(Trial(0, Candidate('{"x":0.25}'), 0, 1.0, 1.0, seed=0))
    >>> [evidence] = executor.poll(timeout=1)
    >>> evidence.scores
    {'loss': 0.25}
    """

    slots = 1
    interrupts = False

    def __init__(self, evaluator: Evaluator, tools: ToolBox) -> None:
        self._evaluator, self._tools = evaluator, tools
        self._queue: deque[tuple[Trial, float | None]] = deque()
        self._done: list[Progress | Evidence] = []
        self._words: dict[int, str] = {}
        self._closed = False

    def submit(self, trial: Trial, deadline: float | None = None) -> None:
        """Queues a trial. Raises InputError when its number is queued already."""
        if self._closed:
            raise ModelwrightError("this executor is closed; make a new one.")
        if any(t.number == trial.number for t, _ in self._queue):
            raise InputError(f"trial {trial.number} is submitted already.")
        self._queue.append((trial, deadline))

    def send(self, number: int, word: str) -> None:
        """Leaves a word for a queued trial, which finds it at its first progress."""
        if any(t.number == number for t, _ in self._queue):
            self._words[number] = word

    def poll(self, timeout: float = 0.0) -> Sequence[Progress | Evidence]:
        """Runs the oldest queued trial to its end and returns its messages; never waits."""
        if not self._done and self._queue:
            self._run(*self._queue.popleft())
        messages, self._done = self._done, []
        return messages

    def cancel(self, number: int) -> None:
        """Takes a queued trial out of the queue; it comes back as cancelled."""
        for trial, deadline in self._queue:
            if trial.number == number:
                self._queue.remove((trial, deadline))
                self._fail(number, "cancelled", "cancelled before it started")
                return

    def close(self) -> None:
        """Forgets what is queued."""
        self._queue.clear()
        self._done.clear()
        self._closed = True

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, trial: Trial, deadline: float | None) -> None:
        meter, words = Meter(), self._words

        def late() -> bool:
            return deadline is not None and time.monotonic() >= deadline

        if late():
            self._fail(trial.number, "timeout", "its deadline passed before it started")
            return
        tools = replace(self._tools, deadline=deadline)
        messages = conduct(
            self._evaluator, trial, tools, meter, lambda: words.pop(trial.number, None)
        )
        try:
            for message, _ in messages:
                self._done.append(message)
                if isinstance(message, Progress) and late():
                    self._fail(trial.number, "timeout", "it ran past its deadline", meter)
                    return
        except KeyboardInterrupt:
            self._fail(trial.number, "cancelled", "stopped from the keyboard", meter)
            raise
        finally:
            words.pop(trial.number, None)
            messages.close()

    def _fail(self, number: int, cause: str, message: str, meter: Meter | None = None) -> None:
        evidence = Evidence(number).failed(cause, message)
        self._done.append(meter.fill(evidence) if meter else evidence)
