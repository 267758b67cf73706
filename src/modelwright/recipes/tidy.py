"""Keeps a run small: the fold models of trials that are not among the best are deleted."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from modelwright.core.record import Record
from modelwright.core.roles import Executor
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.core.view import View
from modelwright.designers.inherit import AMONG, WEIGHTS
from modelwright.recipes.closing import PER_FAMILY
from modelwright.study import Study


@dataclass
class Tidy:
    """An executor around another: passes everything on, and drops files nobody will ship.

    Each search trial leaves fitted models, so that a valid one exists at any moment. Only those of
    the `keep` best of each family are kept, which an ensemble may be made of, those within the
    limits first; `view` tells losses and limits. Nothing is
    decided here that a row would have to tell: which files are there follows from the scores.
    Of weights that first looks leave for others to begin with, twice as many are kept as a designer
    gives on: a trial may be under way with some that have fallen behind meanwhile.
    """

    inner: Executor
    store: Any
    view: View
    keep: int = PER_FAMILY
    _kept: dict[str, list[tuple[float, float, float, int, str]]] = field(default_factory=dict)
    _finals: set[int] = field(default_factory=set)

    @property
    def slots(self) -> int:
        """As many as the inner executor has."""
        return self.inner.slots

    @property
    def interrupts(self) -> bool:
        """Whether the inner executor can stop a running trial."""
        return self.inner.interrupts

    def submit(self, trial: Trial, deadline: float | None = None) -> None:
        """Passes the trial on."""
        if trial.role == "final":
            self._finals.add(trial.number)
        self.inner.submit(trial, deadline)

    def send(self, number: int, word: str) -> None:
        """Passes the word on."""
        self.inner.send(number, word)

    def cancel(self, number: int) -> None:
        """Passes it on."""
        self.inner.cancel(number)

    def close(self) -> None:
        """Closes the inner executor."""
        self.inner.close()

    def poll(self, timeout: float) -> Sequence[Progress | Evidence]:
        """The inner executor's messages; files of trials that fell behind are gone."""
        messages = self.inner.poll(timeout)
        for message in messages:
            if isinstance(message, Evidence) and message.ok:
                # A student is no member of an ensemble, and may not drive one out.
                family = message.facts.get("family", "")
                family = "Student" if "student" in message.facts else str(family)
                if message.trial not in self._finals:  # their ensemble has them all
                    self._keep(message, "model", family, self.keep)
                self._keep(message, WEIGHTS, WEIGHTS, 2 * AMONG)
        return messages

    def _keep(self, evidence: Evidence, what: str, group: str, most: int) -> None:
        if what not in evidence.artefacts:
            return
        losses = self.view.losses_of(evidence)
        if not losses:  # a refit: not one of many, and not compared
            return
        over = self.view.violation_of(evidence)
        tie = evidence.scores.get(str(evidence.facts.get("tie_break")), 0.0)  # as the gate does
        kept = self._kept.setdefault(group, [])
        bisect.insort(kept, (over, losses[0], tie, evidence.trial, evidence.artefacts[what]))
        # The best outside of the limits are kept too: a student within them may learn from them.
        best = {entry[3] for entry in sorted(kept, key=lambda e: e[1:4])[:most]}
        gone = [entry for entry in kept[most:] if entry[3] not in best]
        kept[:] = [entry for entry in kept if entry not in gone]
        for *_, name in gone:
            if all(name != other for *_, other in kept):
                self.store.remove(name)


def tidied(workers: Executor, store: Any, study: Study) -> Executor:
    """The executor of a study, keeping the files of the best trials only."""
    return Tidy(workers, store, View(study.brief))


def drop_weights(record: Record, store: Any) -> None:
    """Deletes what first looks left for others to begin with, once the run is finished."""
    if record.status == "finished":
        for outcome in record.view.finished:
            if WEIGHTS in outcome.evidence.artefacts:
                store.remove(outcome.evidence.artefacts[WEIGHTS])
