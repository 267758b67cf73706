"""Starts the server of the page: where it listens, and the one-time address that lets one in."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from modelwright.apps.serving import listen
from modelwright.apps.ui.access import Door, allowed_hosts, is_loopback
from modelwright.apps.ui.app import Page, make_app
from modelwright.apps.words import note, say
from modelwright.core.errors import InputError

TOKEN = "MODELWRIGHT_UI_TOKEN"  # in the environment, where no list of processes shows it
SHORTEST = 24


def serve(host: str, port: int, named: Sequence[str], workspace: str, open_browser: bool) -> int:
    """Serves the page until Ctrl-C, and returns 0. Port 0 takes a free one.

    Raises InputError for an address that others can reach, unless the names by which they do
    (`named`) and a token of the caller's own (MODELWRIGHT_UI_TOKEN) are given.
    """
    import uvicorn

    token, own = token_for(host, named)
    opened = listen(host, port)
    port = opened.getsockname()[1]
    # Browsers send cookies to every port of a machine: each of our servers has a name of its own.
    door = Door(allowed_hosts(host, port, named), token, f"modelwright-{port}")
    page = Page(Path(workspace), door)
    config = uvicorn.Config(
        make_app(page), log_level="warning", access_log=False, lifespan="off", ws="none",
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=3,
    )  # fmt: skip
    server = uvicorn.Server(config)
    page.leaving = lambda: server.should_exit
    where = f"http://{_shown(host, named)}:{port}"
    door.used = lambda next_token: _used(where, next_token)
    say(f"{where}/enter?token={f'${TOKEN}' if own else token}")
    note("the address lets one browser in, once; Ctrl-C ends the page, and no run")
    address = f"{where}/enter?token={token}" if open_browser else ""
    with _browser(address), opened, contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[opened])
    say("stopped")
    return 0


def token_for(host: str, named: Sequence[str]) -> tuple[str, bool]:
    """The one-time token, and whether it is the caller's own."""
    own = os.environ.get(TOKEN, "")
    if own and len(own) < SHORTEST:
        raise InputError(f"{TOKEN} has at least {SHORTEST} characters; got {len(own)}.")
    if not is_loopback(host) and not (own and named):
        raise InputError(
            f"others can reach {host or 'every address of this machine'}: name what they call it, "
            f"--allow-host NAME, and set a token of your own, {TOKEN}; or stay with 127.0.0.1."
        )
    return own or secrets.token_urlsafe(32), bool(own)


def _shown(host: str, named: Sequence[str]) -> str:
    if named and not is_loopback(host):
        return named[0].split(":")[0]
    return f"[{host}]" if ":" in host else host


def _used(where: str, token: str) -> None:
    """Tells the address for another browser; not where the output is kept in a file."""
    if sys.stdout.isatty():
        say(f"a browser came in; for another one: {where}/enter?token={token}")


@contextlib.contextmanager
def _browser(address: str) -> Iterator[None]:
    """Opens the address in the user's browser, where there is a screen.

    By a file that only this account can read: a process's arguments can be read by everybody.
    """
    screen = sys.platform != "linux" or any(
        os.environ.get(x) for x in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if not address or not screen:
        yield
        return
    text = f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(address)}">'
    with tempfile.TemporaryDirectory(prefix="modelwright-") as folder:
        path = Path(folder) / "open.html"
        path.write_text(text, "utf-8")
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(path.as_uri())
        yield
