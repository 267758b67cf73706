"""The options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

RUN_HELP = "A run's name or folder; the newest when left out."
Run = Annotated[str | None, typer.Argument(metavar="[RUN]", help=RUN_HELP)]
Workspace = Annotated[str, typer.Option(help="The folder that holds the runs.")]
Why = Annotated[str, typer.Option("--reason", "-r", help="Why; it stays in the record.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
DEFAULT = "modelwright-runs"
