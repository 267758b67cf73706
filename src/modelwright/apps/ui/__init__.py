"""The page: runs are followed, decided on and started in a browser. Here is only its command."""

from __future__ import annotations

from typing import Annotated

import typer

from modelwright.apps.options import DEFAULT, Workspace


def ui(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 0,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name by which others reach this machine.")
    ] = None,
    workspace: Workspace = DEFAULT,
    browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in the browser (default).")
    ] = True,
) -> None:
    """Shows the runs in a browser: follow, decide, stop, and start new ones."""
    try:
        import jinja2  # noqa: F401
    except ImportError:
        from modelwright.core.errors import MissingLibraryError

        raise MissingLibraryError("the page needs Jinja2: pip install 'modelwright[ui]'") from None
    from modelwright.apps.ui.running import serve

    raise typer.Exit(serve(host, port, allow_host or [], workspace, browser))
