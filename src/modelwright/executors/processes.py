"""The executor that can kill: each trial runs in a worker process of its own process group."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Sequence

from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.executors.bounds import Bounds
from modelwright.executors.child import Order
from modelwright.executors.crew import Crew
from modelwright.executors.frames import MAX_MESSAGE, encode
from modelwright.executors.machine import memory_bytes as machine_bytes
from modelwright.executors.toolbox import EvaluatorSpec, ToolBox

# Of the machine's memory, for all workers together where no bound is given: the rest is the
# supervisor's and the system's.
_SHARE = 0.9


class Processes:
    """Runs up to `slots` trials at a time, each in a worker process that can be killed.

    Workers are started at once and in the background, import `preload` and build the evaluator
    before their first trial, and play one trial after another. A worker is replaced when it was
    killed or crashed, or when a trial left processes running or memory filled behind it; `spares`
    workers wait ready beside the `slots`, so that the next trial need not wait for imports.

    `memory_bytes` bounds each worker with all that its trial starts, libraries included and mapped
    files not (default: an equal share of 90 % of the machine). `trial_seconds` bounds each trial,
    beside the deadlines of `submit`. `hang_seconds` bounds the silence between two messages of a
    trial. A trial over a bound is killed with its whole process group and all its descendants, and
    comes back as failed evidence: `timeout`, `memory`, `hang`; one that dies comes back as `crash`
    with the signal's name and the end of its output as trace. Memory is looked at every 50 ms;
    a single request far over the bound is refused, which the objective sees as MemoryError.

    What trials print goes nowhere but to that trace; stdin is empty. Their global generators
    (`random`, `numpy.random`) start from the trial's seed.

    Errors: InputError from `submit` or `poll` when the evaluator cannot be built in a worker;
    ModelwrightError when workers that once worked cannot be started any more.

    Workers die with this process, however it ends: on Linux by the kernel, with their whole group.
    A process that a trial put in a session of its own ends with the trial too, except when its
    worker crashes or this process is killed by `kill -9`. On macOS a thread in the worker ends it,
    which a long call into C can delay; there memory counts mapped files, and nothing but the look
    every 50 ms bounds it. Other systems are refused.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from modelwright.core.trial import Candidate, Trial
    >>> from modelwright.executors import EvaluatorSpec, FileStore, Processes, ToolBox
    >>> folder = Path(tempfile.mkdtemp())
    >>> tools = ToolBox(folder, FileStore(folder / "store"))
    >>> spec = EvaluatorSpec("modelwright.testing.evaluators:toy")
    >>> with Processes(spec, tools, slots=1) as executor:
    ...     executor.submit(Trial(0, Candidate('{"x":0.5,"do":"segfault"}'), 0, 1.0, 1.0, seed=0))
    ...     [evidence] = executor.poll(timeout=60)
    >>> evidence.failure.cause, evidence.failure.kind
    ('crash', 'SIGSEGV')
    """

    interrupts = True

    def __init__(
        self,
        spec: EvaluatorSpec,
        tools: ToolBox,
        slots: int = 2,
        memory_bytes: int | None = None,
        trial_seconds: float | None = None,
        preload: Sequence[str] = ("numpy",),
        hang_seconds: float | None = None,
        spares: int = 0,
    ) -> None:
        if os.name != "posix":
            raise InputError("worker processes need Linux or macOS; use the inline executor here.")
        bounds = {"slots": slots, "memory_bytes": memory_bytes, "trial_seconds": trial_seconds,
                  "hang_seconds": hang_seconds}  # fmt: skip
        for name, bound in bounds.items():
            if bound is not None and not bound > 0:
                raise InputError(f"{name} must be positive; got {bound!r}.")
        if spares < 0:
            raise InputError(f"spares is 0 or more; got {spares!r}.")
        self.slots = slots
        share = int(_SHARE * machine_bytes() / slots)
        most = share if memory_bytes is None else memory_bytes
        tools.store.sweep()
        hello = {
            "entry": spec.entry,
            "arguments": spec.arguments,
            "path": [str(folder) for folder in sys.path],
            "preload": list(preload),
            "data": str(tools.data.absolute()),
            "store": str(tools.store.root),
            "threads": tools.threads,
            "memory_bytes": most,
        }
        self._crew = Crew(hello, Bounds(most, trial_seconds, hang_seconds), slots, spares)
        self._flying: set[int] = set()
        self._finalizer = weakref.finalize(self, self._crew.close)

    def submit(self, trial: Trial, deadline: float | None = None) -> None:
        """Queues a trial; `deadline` is a time of `time.monotonic()`, past which it is killed.

        Raises InputError when its number is running already, or its document is over 32 MiB.
        """
        self._check_open()
        if self._crew.error is not None:
            raise self._crew.error
        if trial.number in self._flying:
            raise InputError(f"trial {trial.number} is submitted already.")
        text = encode("trial", {**trial.to_json(), "deadline": deadline})
        if len(text) > MAX_MESSAGE:
            raise InputError(f"trial {trial.number} has {len(text)} bytes, over {MAX_MESSAGE}.")
        self._flying.add(trial.number)
        self._crew.submit(Order(trial.number, text, deadline))

    def send(self, number: int, word: str) -> None:
        """Sends a word to a trial: the value of its evaluator's next `yield`. Never waits."""
        self._crew.send(number, word)

    def poll(self, timeout: float = 0.0) -> Sequence[Progress | Evidence]:
        """Messages that arrived, in order; waits up to `timeout` seconds for the first."""
        self._check_open()
        messages = self._crew.poll(timeout)
        self._flying.difference_update(m.trial for m in messages if isinstance(m, Evidence))
        return messages

    def cancel(self, number: int) -> None:
        """Kills a trial, or takes it out of the queue; it comes back as cancelled.

        A trial that just finished comes back with what it measured. An unknown number is no error.
        """
        self._crew.cancel(number)

    def close(self) -> None:
        """Kills all workers and waits until they are gone; may be called again."""
        self._finalizer()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._finalizer.alive:
            raise ModelwrightError("this executor is closed; make a new one.")
