"""What a design scored with inherited weights, and what it scored trained from scratch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.core.record import Record
from modelwright.core.view import Outcome, View
from modelwright.readers.page import paragraph, table


def begun_figures(record: Record, best: Outcome) -> list[dict[str, Any]]:
    """Every training of the networks in `best` that began with inherited weights or from scratch.

    Empty where none inherited. Each has `trial`, `begun` (words), `from_trial` (None from
    scratch), `length` with its `unit`, and the score.
    """
    view, found = record.view, []
    unit = record.settings.get("settings", {}).get("arguments", {}).get("unit", "epochs")
    designs = {_design(outcome) for outcome in _members(view, best)}
    for outcome in view.finished:
        if not outcome.ok or outcome.trial.role not in ("search", "final"):
            continue
        if _design(outcome) in designs:
            found.append(_figure(outcome, view.goals[0].metric, unit))
    return found if any(row["from_trial"] is not None for row in found) else []


def begun_table(record: Record, best: Outcome) -> str:
    """The figures as a table with a sentence; nothing where no weights were inherited."""
    rows = begun_figures(record, best)
    if not rows:
        return ""
    metric = record.view.goals[0].metric
    lead = paragraph(
        "In the first look its design began with another's weights, which flatters it by that "
        "one's training. What is shipped was trained from scratch:"
    )
    shown = [
        {"trial": r["trial"], "begun": r["begun"], "length": f"{r['length']:.4g} {r['unit']}",
         "score": float(f"{r[metric]:.4g}")}
        for r in rows
    ]  # fmt: skip
    columns = {"trial": "trial", "begun": "began", "length": "trained for", "score": metric}
    return lead + table(shown, columns)


def _members(view: View, best: Outcome) -> list[Outcome]:
    """The trainings whose networks answer: several, of an ensemble."""
    if best.trial.role != "blend":
        return [best]
    numbers = (view.tried(name, view.rungs.top) for name in best.trial.candidate.parents)
    found = (view.outcome(number) for number in numbers if number is not None)
    return [outcome for outcome in found if outcome is not None]


def _document(outcome: Outcome) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(outcome.trial.candidate.document)
    return found


def _design(outcome: Outcome) -> str:
    document = _document(outcome)
    return canonical(document["design"] if document.get("type") == "Final" else document)


def _figure(outcome: Outcome, metric: str, unit: str) -> dict[str, Any]:
    begun = outcome.evidence.facts.get("begun", {})
    source = begun.get("trial")
    told = "from scratch"
    if source is not None:
        kept = "its answers kept" if begun["exact"] else _told(begun["tensors"])
        told = f"with the weights of trial {source} ({kept})"
    elif begun.get("gone"):
        told = "from scratch: the weights to begin with were gone"
    length = _document(outcome).get("length", outcome.trial.fidelity)
    return {
        "trial": outcome.trial.number, "begun": told, "from_trial": source, "unit": unit,
        "length": float(length), metric: outcome.evidence.scores[metric],
    }  # fmt: skip


def _told(tensors: Mapping[str, int]) -> str:
    return "tensors " + ", ".join(f"{n} {word}" for word, n in tensors.items())
