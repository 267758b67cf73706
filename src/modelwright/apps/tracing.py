"""Commands that follow a model back and forth: lineage, recall."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelwright.apps.options import DEFAULT, AsJson, Workspace

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model's folder, a run, a data file, or a hash.")
]


def lineage(
    model: Model,
    down: Annotated[
        bool, typer.Option("--down", help="What came of it, instead of where it comes from.")
    ] = False,
    out: Annotated[str | None, typer.Option("--out", "-o", help="Draw it: .html or .svg.")] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Where a model comes from: data, code, policy, trials, teachers, decisions, approvals."""
    raise typer.Exit(_lineage(model, down, out, workspace, as_json))


def recall(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why; it is shown whenever something is refused.")],
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Recalls a flawed model or data: it, and all that came of it, is refused from now on."""
    raise typer.Exit(_recall(model, reason, workspace, as_json))


def _lineage(what: str, down: bool, out: str | None, workspace: str, as_json: bool) -> int:
    from modelwright.apps.words import emit_json, note, say, writing
    from modelwright.core.errors import InputError
    from modelwright.readers.lineage_page import (
        lineage_lines,
        lineage_page,
        lineage_svg,
        who_and_what,
    )
    from modelwright.recipes.recalling import find_node, workspace_lineage

    graph, unread = workspace_lineage(workspace)
    for line in unread:
        note(f"  - {line}")
    node = find_node(graph, what, workspace)
    found = graph.descendants(node.id) if down else graph.ancestors(node.id)
    if out is not None:
        if Path(out).suffix not in (".html", ".svg"):
            raise InputError(f"a lineage is drawn as .html or .svg; got {out!r}.")
        title = f"{'What came of' if down else 'Where it comes from:'} {node.label}"
        drawn = lineage_svg(found) if out.endswith(".svg") else lineage_page(found, title)
        with writing(out):
            Path(out).write_text(drawn, "utf-8")
    if as_json:
        emit_json({"schema": "modelwright.lineage/1", "of": node.id, **found.to_json()})
        return 0
    say("\n".join([*([] if down else who_and_what(found)), *lineage_lines(found, node.id)]))
    runs = {str(n.facts["run"]) for n in found.of_kind("trial")}
    every = sum(str(n.facts["run"]) in runs for n in graph.of_kind("trial"))
    if not down:
        say(f"chosen among {every} trials; --json has every fact, --out lineage.html draws it")
    return 0


def _recall(what: str, reason: str, workspace: str, as_json: bool) -> int:
    from modelwright.apps.words import emit_json, say
    from modelwright.recipes.recalling import recall as record_recall

    done = record_recall(what, reason, workspace)
    if as_json:
        emit_json({
            "schema": "modelwright.recall/1", "recalled": done.node.id, "label": done.node.label,
            "descendants": [{"id": n.id, "kind": n.kind, "label": n.label}
                            for n in done.descendants],
            "compared": [n.label for n in done.compared], "signer": done.signer,
        })  # fmt: skip
        return 0
    say(f"recalled: {done.node.label}, signed by {done.signer[:16]}")
    for node in done.descendants:
        say(f"  - {node.label} came of it")
    for node in done.compared:
        say(f"  - {node.label} was compared with it, and is not blocked: judge it again")
    say("predict, serve, ship and build refuse these from now on; nothing takes a recall back")
    return 0
