"""Trials that were running when a supervisor died: which are ordered again, and which given up."""

from __future__ import annotations

from collections.abc import Callable

from modelwright.core.record import Record

DEATHS = 2  # of the supervisor while a trial runs and gets no further; then it is given up
Kept = Callable[[int], str]  # a name for what a trial would go on from, by its number; "" for none


def nothing_kept(number: int) -> str:
    """Of trials that begin anew when they are ordered again."""
    return ""


def again_or_lost(record: Record, kept: Kept) -> tuple[list[int], list[int], dict[str, str]]:
    """The trials to order again, those given up, and what is kept of the former, for the row.

    A trial that takes its supervisor down would do so for ever. One of which there is more than
    when it was ordered last is no such trial: each death must cost it a checkpoint.
    """
    left = {trial.number: kept(trial.number) for trial in record.view.pending}
    lost = [
        n for n, name in left.items()
        if record.ordered_again[n] >= DEATHS and not record.got_further(n, name)
    ]  # fmt: skip
    again = [n for n in left if n not in lost]
    return again, lost, {str(n): left[n] for n in again if left[n]}
