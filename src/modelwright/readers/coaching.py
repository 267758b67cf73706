"""People's orders to the coach of a run's trainings, and what came of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from modelwright.core.record import Record


def order_lines(record: Record) -> Iterator[str]:
    """What runs, then a line for each order, and below it one for each training's answer."""
    running = [trial.number for trial in record.view.pending]
    yield f"running: {', '.join(f'trial {n}' for n in running) or 'no training'}"
    for message in record.messages:
        if message.get("kind") == "coach" and "ignored" in message:
            who = message.get("by", "somebody")
            yield f"{_words(message)}, by {who}: not passed on, {message['ignored']}"
    for order in record.coach_orders:
        yield f"{_words(order)}, by {order['by']}"
        answers = [
            (outcome.trial.number, row)
            for outcome in record.view.finished
            for row in outcome.evidence.facts.get("coach", ())
            if row.get("order") == order["n"]
        ]
        for number, row in answers:
            yield f"  trial {number}: {_came(row)}"
        if not answers:
            yield "  no training has ended since that took it"


def _words(order: Mapping[str, Any]) -> str:
    value = "" if order.get("value") is None else f"={order['value']}"
    which = "" if order.get("trial") is None else f" (trial {order['trial']})"
    return " ".join(str(w) for w in (order.get("do"), order.get("what")) if w) + value + which


def _came(row: Mapping[str, Any]) -> str:
    """What a training's row says of an order."""
    if "refused" in row:
        return f"refused: {row['refused']}"
    at = f"at step {row['step']}"
    before, after = row["before"], row.get("after")
    if not after:
        return f"{at}, at its end: too late to change anything"
    if row["action"]["kind"] in ("pause", "resume", "veto"):
        return f"{at}, from then on"
    changed = [f"{k} {_short(before[k])} -> {_short(after[k])}" for k in after
               if k != "step" and before.get(k) != after[k]]  # fmt: skip
    return f"{at}: {', '.join(changed) or 'nothing is another'}, read back from the optimiser"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
