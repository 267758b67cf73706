"""The page that questions a question: one sentence per point, warnings first."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from modelwright.readers.page import bullets, cards, page, paragraph, section

HEADS = {
    "warning": "Think again before you build",
    "hint": "Worth a thought",
    "fact": "Good to know",
}


def question_lines(facts: Mapping[str, Any]) -> list[str]:
    """The points as plain lines, each with its topic."""
    lines = [_headline(facts)]
    for level, head in HEADS.items():
        points = [p for p in facts["points"] if p["level"] == level]
        if points:
            lines += ["", f"{head}:"]
            lines += [f"  - {p['topic']}: {p['sentence']}" for p in points]
    return lines


def question_page(facts: Mapping[str, Any]) -> str:
    """A self-contained HTML page."""
    n = {level: sum(p["level"] == level for p in facts["points"]) for level in HEADS}
    head = (
        '<header><p class="soft over">modelwright question</p>'
        f"<h1>Before predicting {escape(facts['target'])}</h1>"
        f"{paragraph(_headline(facts), 'soft')}</header>"
    )
    told = "Nothing stands against it." if not n["warning"] else (
        f"{n['warning']} point{'s' if n['warning'] > 1 else ''} to think about before money is "
        "spent."
    )  # fmt: skip
    kind = "verdict bad" if n["warning"] else "verdict"
    body = [
        head,
        f'<div class="{kind}">{paragraph(told)}</div>',
        cards([("warnings", str(n["warning"])), ("hints", str(n["hint"])),
               ("facts", str(n["fact"])), ("budget", facts["budget"])]),
    ]  # fmt: skip
    for level, title in HEADS.items():
        topics: dict[str, list[str]] = {}
        for point in facts["points"]:
            if point["level"] == level:
                topics.setdefault(point["topic"], []).append(point["sentence"])
        drawn = "".join(
            f"<h3>{escape(topic[:1].upper() + topic[1:])}</h3>{bullets(lines)}"
            for topic, lines in topics.items()
        )
        body.append(section(title, drawn))
    return page(f"{facts['target']}: questions before a build", body)


def _headline(facts: Mapping[str, Any]) -> str:
    return (
        f"{facts['data']}: {facts['rows']} rows, {facts['columns']} columns; {facts['task']} "
        f"target {facts['target']!r}, scored by {facts['metric']}, budget {facts['budget']}"
    )
