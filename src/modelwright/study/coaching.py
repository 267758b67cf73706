"""What trainings that run are to hear of people's orders to their coach."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.core.canonical import canonical
from modelwright.core.record import Record


def unheard(record: Record, heard: dict[int, int]) -> Iterator[tuple[int, str]]:
    """Trials that run, with the word for them, where orders came since; `heard` is brought up.

    A word holds all orders to the trial, for only the newest word is sure to be read.
    """
    if not record.coach_orders:
        return
    for trial in record.view.pending:
        orders = record.orders_to(trial.number)
        if len(orders) != heard.get(trial.number, 0):
            heard[trial.number] = len(orders)
            yield trial.number, canonical({"coach": orders})
