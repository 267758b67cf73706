"""The one loop: propose, permit, evaluate, record, learn, judge. Nobody else writes the chain."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from modelwright.core.record import Record
from modelwright.core.roles import Executor
from modelwright.core.trial import Evidence
from modelwright.ledger import Ledger
from modelwright.study.again import Kept, nothing_kept
from modelwright.study.coaching import unheard
from modelwright.study.session import Session
from modelwright.study.study import Study


def run(
    study: Study,
    ledger: Ledger,
    executor: Executor,
    description: Mapping[str, Any],
    began: float | None = None,
    kept: Kept = nothing_kept,
) -> Record:
    """Runs a study until its budget is spent, a person stops it, or nothing is left to try.

    Takes the study's lock in the ledger; a study with rows is resumed, and trials that were running
    when an earlier session died are run again under their number; not a third time, unless what is
    `kept` of them tells that they got further meanwhile. A finished study is left as it is.
    `description` is the body of the first row (`Study.to_json`). The clock of a budget in seconds
    starts at `began` (a time of `time.monotonic()`, default now), so that what the caller did
    before is charged. Returns the record, folded from the rows; `record.view.champion` is the best
    trial so far and `record.reason` why it ended.

    Raises LedgerError when another process runs the study or the rows cannot be written.
    """
    with ledger.writer(study.name) as writer:
        session = Session.open(study, ledger, writer, description, began, kept=kept)
        heard: dict[int, int] = {}
        try:
            with _deferred_interrupts(session, executor):
                while not session.over:
                    session.commit()  # what was measured is safe before anybody thinks about it
                    session.read_inbox()  # people come first
                    while session.next_trial() is not None:  # propose, permit
                        pass
                    session.commit()  # record: an order is durable before it runs
                    for trial in session.orders():
                        executor.submit(trial, session.deadline())
                    for number, word in unheard(session.record, heard):
                        executor.send(number, word)
                    session.evaluating = True
                    messages = executor.poll(session.patience())  # evaluate
                    session.evaluating = False
                    for message in messages:
                        session.take(message)  # record, judge; learning is part of proposing
                    for number in session.overdue():
                        executor.cancel(number)
        finally:
            _leave(session, executor)
            session.commit(durable=True)
        return session.record


@contextmanager
def _deferred_interrupts(session: Session, executor: Executor) -> Iterator[None]:
    """The first Ctrl-C becomes a stop at the loop's next turn, so that no row is left half done.

    An executor that runs trials in this process cannot be stopped from outside: there Ctrl-C
    interrupts the objective itself. A second Ctrl-C always interrupts at once. In another thread
    than the main one signals cannot be caught; there they are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    heard_one = False

    def heard(signum: int, frame: Any) -> None:
        nonlocal heard_one
        again, heard_one = session.interrupted, True
        session.interrupted = True  # also where the objective swallows what is raised here
        inside = session.evaluating and not executor.interrupts
        if (again or inside) and not session.committing:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield
    except KeyboardInterrupt:
        session.interrupted = True
        session.read_inbox()
    finally:
        signal.signal(signal.SIGINT, before)
    if heard_one and getattr(before, "__name__", "") == heard.__name__ and callable(before):
        before(signal.SIGINT, None)  # a study inside a study: the outer one was meant as well


def _leave(session: Session, executor: Executor) -> None:
    """Cancels what still runs; its orders stay open and are taken up again on resume.

    The executor's answers are fetched and dropped, so that it can be used for another study.
    """
    waiting = {trial.number for trial in session.record.view.pending}
    for number in waiting:
        executor.cancel(number)
    patience = time.monotonic() + 1
    while waiting and time.monotonic() < patience:
        messages = executor.poll(0.05)
        waiting -= {message.trial for message in messages if isinstance(message, Evidence)}
        if not executor.interrupts and not messages:
            break
