"""When running trials would end, by what they told of their progress: for budgets in seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from modelwright.core.trial import Evidence, Progress, Trial

START = 3.0  # seconds before a trial's first word that may be for loading libraries
SLACK = 0.15  # a projection is off by that share of what is left, one way or the other


@dataclass
class Pace:
    """Projects the end of each running trial, and remembers which were dropped for it.

    >>> pace = Pace()
    >>> pace.start([], now=0.0)
    >>> pace.too_long(deadline=5.0, now=0.0)
    []
    """

    _started: dict[int, float] = field(default_factory=dict)
    _first: dict[int, tuple[float, float]] = field(default_factory=dict)  # trial -> done, when
    _ends: dict[int, tuple[float, float]] = field(default_factory=dict)  # trial -> done, end
    _dropped: dict[int, str] = field(default_factory=dict)

    def start(self, trials: Sequence[Trial], now: float | None = None) -> None:
        """Notes the trials that are handed to the executor now."""
        clock = time.monotonic() if now is None else now
        self._started.update((trial.number, clock) for trial in trials)

    def hear(self, message: Progress, now: float | None = None) -> None:
        """Projects the end of a trial that tells which share of its work is done.

        By the speed since its start or since its first word, whichever promises the earlier end: a
        new process loads its libraries first, and words are heard late while a designer thinks. At
        the first word by the time since its start, less what loading may take.
        """
        began = self._started.get(message.trial)
        if began is None or not message.done or message.done >= 1:
            self._ends.pop(message.trial, None)
            return
        clock = time.monotonic() if now is None else now
        done, since = self._first.setdefault(message.trial, (message.done, clock))
        if message.done > done:
            each = min((clock - began) / message.done, (clock - since) / (message.done - done))
        else:
            each = max(0.0, clock - began - START) / message.done
        self._ends[message.trial] = (message.done, clock + each * (1 - message.done))

    def too_long(self, deadline: float, now: float | None = None) -> list[int]:
        """The trials that would end past `deadline`, each told once."""
        clock = time.monotonic() if now is None else now
        found = []
        for number, (done, end) in list(self._ends.items()):
            if end > deadline + SLACK * max(0.0, end - clock):
                self._dropped[number] = (
                    f"dropped with {done:.0%} of its work done: the rest would take about "
                    f"{end - clock:.1f} s, and {max(0.0, deadline - clock):.1f} s were left"
                )
                del self._ends[number]
                found.append(number)
        return found

    def explain(self, evidence: Evidence) -> Evidence:
        """The evidence of a trial that ended; one dropped for its length says so."""
        self._started.pop(evidence.trial, None)
        self._first.pop(evidence.trial, None)
        self._ends.pop(evidence.trial, None)
        reason = self._dropped.pop(evidence.trial, "")
        failure = evidence.failure
        if not reason or failure is None or failure.cause != "cancelled":
            return evidence
        return replace(evidence, failure=replace(failure, message=reason))
