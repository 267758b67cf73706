"""What a run on a table hands over: the winner, and the best student beside it."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.ledger import Ledger
from modelwright.readers.runs import RunFolder
from modelwright.recipes.closing import winner
from modelwright.recipes.fairness import FAIR_SECONDS, write_fairness
from modelwright.recipes.finishing import finished
from modelwright.recipes.handing_over import allowed, shipped_before
from modelwright.recipes.outcome import Shipped
from modelwright.recipes.placing import unless_waiting
from modelwright.recipes.ship import ROWS, parts_of, ship_winner, write_model
from modelwright.recipes.students import best_student

SCRATCH = "scratch"  # a folder beside the data, where trials unpack their teachers

if TYPE_CHECKING:
    from modelwright.executors import FileStore


def ship_both(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    policy: Policy,
    store: FileStore,
    until: float | None = None,
) -> tuple[Shipped | None, Shipped | None]:
    """The shipped winner and student; what only the trials needed is deleted."""
    shutil.rmtree(run.path / "data" / SCRATCH, ignore_errors=True)
    if until is None or until - time.monotonic() > FAIR_SECONDS / 2:
        write_fairness(run, record)
    shipped = ship_winner(run, record, ledger, policy, store, until)
    return shipped, ship_student(run, record, ledger, policy, store, until)


def ship_student(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    policy: Policy,
    store: FileStore,
    until: float | None = None,
) -> Shipped | None:
    """Writes the best student into the run's `student` folder; None when there is none to write.

    There is none beside a run without a winner within the limits, when the winner is the student
    itself, or when the policy does not allow shipping. To be called after the winner is shipped.
    """
    best, student = winner(record.view), best_student(record.view)
    if best is None or best.violation > 0 or student is None or record.status == "paused":
        return None
    candidate = student.trial.candidate.id
    if candidate == best.trial.candidate.id:
        shutil.rmtree(run.student_path, ignore_errors=True)  # of an earlier session
        return None
    parts = parts_of(record, student, store)
    if parts is None or record.status in ("refused", "waiting"):
        return None
    if shipped_before(record, student, parts.rows, run.student_path):
        return Shipped(run.student_path, candidate, student.trial.number, ROWS[parts.rows])
    if not allowed("ship", record, ledger, policy, student):
        return None
    end = finished(run, record, student)
    out = run.student_path
    return unless_waiting(lambda: write_model(run, record, ledger, student, parts, end, out, until))
