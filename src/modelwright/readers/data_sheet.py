"""The data sheet that lies in a shipped model: what its data were, as far as the run knows.

After Gebru et al. 2021 (Datasheets for Datasets). A run sees a file: why and how it was collected
only people know, and so the sheet says "not stated" unless they did.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from modelwright.core.record import Record
from modelwright.readers.model_card import plain, rights_of

SHOWN = 200


def data_sheet(record: Record) -> str:
    """The sheet as Markdown."""
    about, rights = record.settings["problem"]["about"], rights_of(record)
    source, question = about.get("source", {}), about.get("question", {})
    size = source.get("bytes")
    lines = [
        f"# Data of run {plain(record.settings['name'])}",
        "",
        "| | |",
        "|---|---|",
        f"| file | {plain(source.get('name', 'not stated'))} |",
        f"| bytes | {'not measured' if size is None else size} |",
        f"| SHA-256 of the file | {source.get('sha256', 'not measured')} |",
        f"| SHA-256 as prepared | {about.get('data_hash', 'not measured')} |",
        f"| rows | {about['n_rows']} |",
        f"| for learning and choosing | {about['n_dev']} |",
        f"| sealed, for one look | {about['n_sealed']} |",
        f"| target | {plain(question.get('target') or 'the class of an example')} |",
        f"| task | {plain(about.get('task', 'not stated'))} |",
        f"| split | {_split(question)} |",
        f"| licence | {plain(rights.get('licence', 'not stated'))} |",
        f"| purpose | {plain(rights.get('purpose', 'not stated'))} |",
        "| how and why it was collected | not stated |",
        *_columns(about),
        "",
        "## What was assumed",
        "",
        *(f"- {plain(note)}" for note in about.get("notes", ())),
    ]
    return "\n".join(lines) + "\n"


def _split(question: Mapping[str, Any]) -> str:
    told = []
    if question.get("group"):
        told.append(f"rows of one {plain(question['group'])!r} stay together")
    if question.get("time"):
        told.append(f"the past predicts the future by {plain(question['time'])!r}")
    if question.get("test"):
        told.append(f"the test file {plain(question['test'])!r} is the sealed part")
    return "; ".join(told) or "by chance, with the run's seed"


def _columns(about: Mapping[str, Any]) -> list[str]:
    columns = about.get("columns", ())
    if not columns:
        shape = " x ".join(map(str, about.get("shape", ())))
        return [f"| shape of an example | {shape or 'not measured'} |"]
    lines = ["", "## Columns", "", "| column | kind | different values | missing | range |",
             "|---|---|---|---|---|"]  # fmt: skip
    for one in columns[:SHOWN]:
        low, high = one.get("low"), one.get("high")
        shown = _day if one.get("kind") == "date" else "{:.5g}".format
        bounds = "" if low is None or high is None else f"{shown(low)} to {shown(high)}"
        lines.append(
            f"| {plain(one['name'])} | {one.get('kind', '')} | {one.get('n_unique', '')} | "
            f"{one.get('missing', 0.0):.1%} | {bounds} |"
        )
    more = len(columns) - SHOWN
    return [*lines, *([f"| and {more} more | | | | |"] if more > 0 else [])]


def _day(seconds: float) -> str:
    return (datetime(1970, 1, 1) + timedelta(seconds=seconds)).date().isoformat()
