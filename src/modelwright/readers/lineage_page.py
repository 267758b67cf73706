"""A lineage as a drawing, as a page, and in lines."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from modelwright.readers.lineage import Lineage
from modelwright.readers.page import figure, page, paragraph, section, table
from modelwright.readers.requests import plain

ORDER = ("data", "policy", "designer", "code", "file", "run", "trial", "decision", "model")
COLUMNS = {"data": 0, "policy": 0, "designer": 0, "code": 0, "file": 0, "run": 1, "trial": 2,
           "decision": 3, "model": 4}  # fmt: skip
OWN_STYLE = (
    "<style>.b{fill:#f5f7fa;stroke:#5b6676}.t{font:11px system-ui,sans-serif;fill:#1a2230}"
    ".e{stroke:#9ba7b7;fill:none}</style>"
)
WIDTH, HEIGHT, GAP_X, GAP_Y, SHOWN = 190, 30, 50, 12, 60


def who_and_what(graph: Lineage) -> list[str]:
    """Of a model's ancestors in three lines: its data, the policy, and who approved it."""
    named = {kind: ", ".join(n.label for n in graph.of_kind(kind)) for kind in ("data", "policy")}
    approved = [
        n.label for n in graph.of_kind("decision")
        if str(n.facts["what"]).startswith("said 'approve'") and "(ignored: " not in n.facts["what"]
    ]  # fmt: skip
    lines = [
        f"data: {named['data'] or 'none with a known hash'}",
        f"policy: {named['policy'] or 'not stated'}",
        f"approved by: {'; '.join(approved) or 'nobody was asked, the policy allowed it'}",
    ]
    return [plain(line) for line in lines]


def lineage_lines(graph: Lineage, start: str) -> list[str]:
    """The graph in lines: each thing, and what it is to what came of it."""
    lines = []
    for kind in ORDER:
        for node in graph.of_kind(kind):
            ends = [e for e in graph.edges if e.source == node.id and e.word != "had"]
            told = "; ".join(f"{e.word} {graph.nodes[e.target].label}" for e in ends[:4])
            more = f"; and {len(ends) - 4} more" if len(ends) > 4 else ""
            mark = "*" if node.id == start else "-"
            lines.append(plain(f"{mark} {node.label}" + (f": {told}{more}" if told else "")))
    return lines


def lineage_page(graph: Lineage, title: str) -> str:
    """A whole HTML document: the drawing, and its table."""
    rows = [
        {"from": graph.nodes[e.source].label, "word": e.word, "to": graph.nodes[e.target].label}
        for e in graph.edges
    ]
    columns = {"from": "from", "word": "is to it", "to": "to"}
    drawn = figure(lineage_svg(graph), "What comes first stands to the left.")
    about = paragraph(f"{len(graph.nodes)} things and {len(graph.edges)} ties.", "soft")
    told = "".join(paragraph(line) for line in who_and_what(graph))
    body = [
        f"<h1>{escape(title)}</h1>",
        told,
        about,
        drawn,
        section("The same", table(rows, columns)),
    ]
    return page(title, body)


def lineage_svg(graph: Lineage, alone: bool = True) -> str:
    """The drawing: a column for what there was, runs, trials, decisions and models.

    Of a column with over 60 things the first are drawn. One that does not stand `alone` takes its
    colours from the page.
    """
    places: dict[str, tuple[int, int]] = {}
    rows = [0] * 5
    for kind in ORDER:
        for node in graph.of_kind(kind):
            column = COLUMNS[kind]
            if rows[column] < SHOWN:
                at = (10 + column * (WIDTH + GAP_X), 10 + rows[column] * (HEIGHT + GAP_Y))
                places[node.id] = at
                rows[column] += 1
    width = 20 + 5 * WIDTH + 4 * GAP_X
    height = 20 + max(rows) * (HEIGHT + GAP_Y)
    parts = [*_ties(graph, places), *_boxes(graph, places)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="lineage">{OWN_STYLE if alone else ""}{"".join(parts)}</svg>'
    )


def _ties(graph: Lineage, places: dict[str, tuple[int, int]]) -> Iterator[str]:
    for edge in graph.edges:
        if edge.source in places and edge.target in places:
            (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
            x1, y1, y2 = x1 + WIDTH, y1 + HEIGHT // 2, y2 + HEIGHT // 2
            middle = (x1 + x2) // 2
            yield f'<path class="e" d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"/>'


def _boxes(graph: Lineage, places: dict[str, tuple[int, int]]) -> Iterator[str]:
    for id, (x, y) in places.items():
        label = graph.nodes[id].label
        shown = label if len(label) <= 28 else label[:27] + "…"
        yield (
            f'<g><title>{escape(label)}</title><rect class="b" x="{x}" y="{y}" rx="4" '
            f'width="{WIDTH}" height="{HEIGHT}"/><text class="t" x="{x + 8}" y="{y + 19}">'
            f"{escape(shown)}</text></g>"
        )
