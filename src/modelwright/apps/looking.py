"""Commands that look at runs and change nothing; what they print is in `inspecting`."""

from __future__ import annotations

from typing import Annotated

import typer

from modelwright.apps.options import DEFAULT, AsJson, Run, Workspace


def status(run: Run = None, workspace: Workspace = DEFAULT, as_json: AsJson = False) -> None:
    """Where a run is: trials, best so far, budget left."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.status(run, workspace, as_json))


def runs(workspace: Workspace = DEFAULT, as_json: AsJson = False) -> None:
    """Lists the runs of a workspace, newest first."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.runs(workspace, as_json))


def leaderboard(
    run: Run = None,
    top: Annotated[int, typer.Option(help="How many rows to print; 0 for all.")] = 20,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """The candidates of a run, best first."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.show_leaderboard(run, top, workspace, as_json))


def explain(
    run: Run = None,
    candidate: Annotated[
        str | None, typer.Argument(metavar="[CANDIDATE]", help="A candidate's id or trial.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Compute all explanations (a minute at most).")
    ] = False,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Why: a run, or one of its candidates, in words."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.explain(run, candidate, full, workspace, as_json))


def report(run: Run = None, workspace: Workspace = DEFAULT, as_json: AsJson = False) -> None:
    """Writes the run's report again and says where it is."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.report(run, workspace, as_json))


VERBS = (status, runs, leaderboard, explain, report)
