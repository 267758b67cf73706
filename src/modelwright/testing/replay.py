"""Replay: from the recorded rows follow the same decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelwright.core.problem import Budget
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.ledger import Row, open_ledger
from modelwright.study import Study, run


class Recorded:
    """An executor that runs nothing: it hands back recorded evidence in the recorded order.

    One poll gives all evidence up to the next order, because that is what the decision saw.
    """

    interrupts = True

    def __init__(self, rows: Sequence[Row], slots: int) -> None:
        self.slots = slots
        self._rows = [row for row in rows if row.kind in ("order", "evidence")]
        self._next = 0

    def submit(self, trial: Trial, deadline: float | None = None) -> None:
        """Checks nothing: `check_replay` compares the orders afterwards."""

    def send(self, number: int, word: str) -> None:
        """Nothing runs that could hear it."""

    def cancel(self, number: int) -> None:
        """Nothing runs that could be stopped."""

    def close(self) -> None:
        """Nothing to close."""

    def poll(self, timeout: float) -> Sequence[Progress | Evidence]:
        """The evidence between the orders made so far and the next."""
        found: list[Evidence] = []
        while self._next < len(self._rows):
            row = self._rows[self._next]
            if row.kind == "order" and found:
                break
            self._next += 1
            if row.kind == "evidence":
                found.append(Evidence.from_json(row.body))
        return found


def decisions(rows: Sequence[Row]) -> list[tuple[str, Any]]:
    """The orders and verdicts without the time of day."""
    return [
        (row.kind, {k: v for k, v in row.body.items() if k != "at"})
        for row in rows
        if row.kind in ("order", "verdict")
    ]


def check_replay(study: Study, description: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Runs the study again on its recorded evidence and compares every decision.

    `rows` are a finished study's, without messages from people. A budget in seconds is replaced by
    the number of search trials that were ordered. Raises AssertionError at the first difference.
    """
    searched = sum(row.kind == "order" and row.body["role"] == "search" for row in rows)
    again = study
    if study.budget.seconds is not None:
        again = replace(study, budget=Budget(trials=searched), in_order=False)
    ledger = open_ledger(":memory:")
    try:
        run(again, ledger, Recorded(rows, study.slots), description)
        replayed = list(ledger.rows(study.name))
    finally:
        ledger.close()
    for i, (then, now) in enumerate(zip(decisions(rows), decisions(replayed), strict=False)):
        assert then == now, f"decision {i} differs:\nrecorded {then}\nreplayed {now}"
    assert len(decisions(rows)) == len(decisions(replayed)), "the replay ended elsewhere"
