"""Who may speak to the page: asked before any route, and what is not allowed is refused.

In this order. The Host header names an address of ours, so that a name which a stranger lets point
to this machine leads nowhere (403). What changes something, and the stream of events, comes from a
page of ours, by Origin or Sec-Fetch-Site (403). A session is there, begun with the one-time address
that the terminal printed (401). Forms also carry a token bound to the session (`forms.py`, 403).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_SECONDS = 12 * 3600.0
# What is answered without a session: the door itself, and the look of the page that says so.
OPEN = ("/enter", "/static/app.css")
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Session:
    """One browser that came in: its token for forms, and a sentence to show once."""

    csrf: str
    ends: float
    said: str = ""


class Door:
    """Lets browsers in: an address works once, and a session lives for `SESSION_SECONDS`.

    `hosts` are the values of the Host header that are ours. `used` is called with the next token
    when one was used.
    """

    def __init__(self, hosts: Iterable[str], token: str, cookie: str = "modelwright") -> None:
        self.hosts = frozenset(host.lower() for host in hosts)
        self.cookie = cookie
        self.used: Callable[[str], None] = lambda token: None
        self._token, self._secret = token, secrets.token_bytes(32)
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def refusal(self, request: Request) -> int:
        """The status that a request is refused with; 0 when it may pass."""
        given = request.headers.getlist("host")
        if len(given) != 1 or given[0].lower() not in self.hosts:
            return 403
        path = request.scope["path"]  # as the routes see it; `url` would cut it at a %3F
        from_us = request.method not in ("GET", "HEAD") or path.endswith("/events")
        if from_us and not self._from_our_page(request):
            return 403
        if self.session(request) is None and path not in OPEN:
            return 401
        return 0

    def session(self, request: Request) -> Session | None:
        """The session that a request's cookie names, while it lives."""
        found = self._sessions.get(_hashed(request.cookies.get(self.cookie, "")))
        return found if found is not None and time.time() < found.ends else None

    def enter(self, token: str) -> str | None:
        """A new session's secret for the right token, which is then used up; else None."""
        with self._lock:
            right = hmac.compare_digest(token.encode(), self._token.encode())
            if not right or not self._token:
                return None
            self._token = secrets.token_urlsafe(32)
            self._sessions = {k: s for k, s in self._sessions.items() if time.time() < s.ends}
            name = secrets.token_urlsafe(32)
            csrf = hmac.new(self._secret, name.encode(), "sha256").hexdigest()
            self._sessions[_hashed(name)] = Session(csrf, time.time() + SESSION_SECONDS)
        self.used(self._token)
        return name

    def _from_our_page(self, request: Request) -> bool:
        """By Origin; where the browser sends none, or null (our pages send no referrer), by
        Sec-Fetch-Site, which no script can set."""
        site = request.headers.get("sec-fetch-site")
        if site not in (None, "same-origin"):
            return False
        origin = request.headers.get("origin", "null")
        if origin == "null":
            return site == "same-origin"
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() in self.hosts


class Guard:
    """The middleware around all routes: asks the door, and sets the headers of every answer."""

    def __init__(
        self, app: ASGIApp, door: Door, refused: Callable[[Request, int], Response]
    ) -> None:
        self.app, self.door, self.refused = app, door, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with 401 or 403."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                set_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        status = self.door.refusal(request)
        if status:
            await self.refused(request, status)(scope, receive, guarded)
            return
        scope.setdefault("state", {})["session"] = self.door.session(request)
        await self.app(scope, receive, guarded)


def set_headers(headers: Any, path: str = "") -> None:
    """Puts the headers of every answer into `headers`."""
    headers.update(HEADERS)
    if path.startswith("/static/"):
        headers["Cache-Control"] = "no-cache"  # kept, and asked about: these are the same for all


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address to listen on.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed_hosts(host: str, port: int, named: Iterable[str]) -> set[str]:
    """The values of the Host header that are ours: of this machine, and those that were named.

    >>> sorted(allowed_hosts("127.0.0.1", 80, []))[:2]
    ['127.0.0.1', '127.0.0.1:80']
    >>> sorted(allowed_hosts("0.0.0.0", 8000, ["lab.example"]))
    ['lab.example', 'lab.example:8000']
    """
    own = {"localhost", "127.0.0.1", "[::1]"} if is_loopback(host) else set()
    if own:
        own.add(f"[{host}]" if ":" in host else host)
    found = {f"{name}:{port}" for name in own} | (own if port == 80 else set())
    for name in named:  # also without the port: a proxy in front has one of its own
        found |= {name} if ":" in name else {name, f"{name}:{port}"}
    return found


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
