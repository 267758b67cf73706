"""The command that questions a question: question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelwright.apps.building import question_from
from modelwright.apps.words import emit_json, note, say, writing
from modelwright.readers.question_page import question_lines, question_page


def question(
    file: str,
    asked: Mapping[str, Any],
    budget: str,
    protect: Sequence[str],
    out: str | None,
    as_json: bool,
) -> int:
    """Prints what to think about before a build, and writes it as a page to `out`."""
    from modelwright.recipes.questioning import question_facts

    made, _ = question_from(file, asked, {})
    facts = question_facts(made, budget, protect)
    if out is not None:
        with writing(out):
            Path(out).write_text(question_page(facts), "utf-8")
        note(f"page written to {out}")
    if as_json:
        emit_json(facts)
    else:
        say("\n".join(question_lines(facts)))
    return 0
