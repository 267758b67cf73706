"""The command `fairness`: what a run's models do to groups of people."""

from __future__ import annotations

import typer

from modelwright.apps.options import DEFAULT, AsJson, Run, Workspace


def fairness(run: Run = None, workspace: Workspace = DEFAULT, as_json: AsJson = False) -> None:
    """What a run's models do to groups of people: gaps, limits, the price, what was handed down."""
    raise typer.Exit(_fairness(run, workspace, as_json))


def _fairness(name: str | None, workspace: str, as_json: bool) -> int:
    """Prints what was measured by group, which is done now where the build had no time for it."""
    from modelwright.apps.inspecting import write_report
    from modelwright.apps.words import emit_json, say, table
    from modelwright.core.errors import InputError
    from modelwright.readers.fairness import ROLES, group_rows, read_fairness
    from modelwright.readers.runs import find_run, read_record
    from modelwright.recipes.fairness import write_fairness

    run = find_run(name, workspace)
    facts = read_fairness(run)
    if facts is None:
        record = read_record(run)
        facts = write_fairness(run, record)
        if facts is None:
            raise InputError(
                f"the run {run.name} has no protected columns, or no model yet; name some when it "
                "is built: --protect COLUMN."
            )
        write_report(run, record)
    if as_json:
        emit_json(facts)
        return 0
    say("\n".join(facts["lines"]))
    for model in facts["models"]:
        rows, columns = group_rows(model["groups"])
        say(f"\n{ROLES[model['role']]} (trial {model['trial']}); in brackets 95 % intervals")
        named = [{columns[key]: cell for key, cell in row.items()} for row in rows]
        say("\n".join(table(named, tuple(columns.values()))))
    return 0
