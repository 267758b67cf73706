"""A browser for the tests: speaks to the page's app in this process, header by header."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import numpy as np
import pandas as pd

import modelwright as mw
from modelwright.apps.ui.access import Door, allowed_hosts
from modelwright.apps.ui.app import Page, make_app
from modelwright.policy import RulePolicy
from modelwright.readers.runs import RunFolder

HOST = "127.0.0.1:8000"
TOKEN = "a token of at least 24 letters"
SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
ASKS = RulePolicy(
    "asks", tuple(a for a in RulePolicy().allow if a not in ("ship", "student")), ("ship",),
    families=("Linear",),
)  # fmt: skip


def hostile_run(where: Path) -> RunFolder:
    """A run whose model waits for a person; file, columns and classes are named to do harm."""
    x = np.random.default_rng(0).normal(size=(90, 2)).round(3)
    label = np.where(x.sum(1) > 0, SCRIPT, IMAGE)
    table = pd.DataFrame({SCRIPT: x[:, 0], IMAGE: x[:, 1], "y": label})
    path = where / "<img src=x onerror=alert(1)>.csv"
    table.to_csv(path, index=False)
    asked: dict[str, Any] = {"policy": ASKS, "student": False, "purpose": SCRIPT, "rights": IMAGE}
    run = mw.build(path, "y", budget=1, slots=0, name="shop", workspace=where / "ws", **asked).run
    mw.ask(run, reason=f"why {SCRIPT}?", by=IMAGE)
    return run


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


@dataclass
class Browser:
    """Sends what it is told to send: a header that is None is left out."""

    app: Any
    door: Door
    headers: dict[str, str | None] = field(default_factory=dict)
    csrf: str = ""

    @classmethod
    def at(cls, workspace: Path, **more: Any) -> Browser:
        door = Door(allowed_hosts("127.0.0.1", 8000, []), TOKEN, "modelwright-8000")
        origin = f"http://{HOST}"
        return cls(make_app(Page(workspace, door, **more)), door, {"host": HOST, "origin": origin})

    def enter(self, token: str = TOKEN) -> Browser:
        """Comes in; the browser has the session from then on."""
        found = self.get(f"/enter?token={token}")
        assert found.status == 303, found.text
        cookie = found.header("set-cookie")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        self.headers["cookie"] = cookie.split(";")[0]
        (session,) = list(self.door._sessions.values())[-1:]
        self.csrf = session.csrf
        return self

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.send("GET", path, b"", headers)

    def post(self, path: str, form: Mapping[str, Any], **headers: str | None) -> Answer:
        pairs = {"csrf": self.csrf, **form}
        body = urlencode({k: v for k, v in pairs.items() if v is not None}, doseq=True).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return self.send("POST", path, body, kind | headers)

    def upload(self, name: str, data: bytes, csrf: str | None = None) -> Answer:
        body = (
            b'--XX\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n'
            + (self.csrf if csrf is None else csrf).encode()
            + b'\r\n--XX\r\nContent-Disposition: form-data; name="file"; filename="'
            + name.replace('"', "%22").encode()
            + b'"\r\nContent-Type: text/csv\r\n\r\n' + data + b"\r\n--XX--\r\n"
        )  # fmt: skip
        kind: dict[str, str | None] = {"content-type": "multipart/form-data; boundary=XX"}
        return self.send("POST", "/new", body, kind)

    def send(self, method: str, path: str, body: bytes, more: Mapping[str, str | None]) -> Answer:
        return asyncio.run(self._send(method, path, body, more))

    async def _send(
        self, method: str, path: str, body: bytes, more: Mapping[str, str | None], most: int = 0
    ) -> Answer:
        """One request, its body in small pieces; with `most` it ends after so many messages."""
        raw, _, query = path.partition("?")
        named = {k.replace("_", "-"): v for k, v in {**self.headers, **more}.items()}
        pieces = [body[i : i + 1000] for i in range(0, len(body), 1000)] or [b""]
        sent: list[Any] = []
        over = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if pieces:
                piece = pieces.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if most and len(sent) > most:
                over.set()

        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": method,
            "path": unquote(raw), "raw_path": raw.encode(), "query_string": query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in named.items() if v is not None],
            "scheme": "http", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1),
            "root_path": "", "http_version": "1.1",
        }  # fmt: skip
        await asyncio.wait_for(self.app(scope, receive, send), 60)
        head = next(m for m in sent if m["type"] == "http.response.start")
        parts = [m.get("body", b"") for m in sent if m["type"] == "http.response.body"]
        headers = [(k.decode(), v.decode()) for k, v in head["headers"]]
        return Answer(head["status"], headers, b"".join(parts))

    def stream(self, path: str, most: int, **headers: str | None) -> Answer:
        """What a stream says until `most` messages came."""
        return asyncio.run(self._send("GET", path, b"", headers, most))


class Harm(HTMLParser):
    """Finds in a page what a strict content security policy is there for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        ours = str(given.get("src") or given.get("href") or "/").startswith(("/", "data:", "#"))
        if any(name.startswith("on") or name == "style" for name in given):
            self.found.append(f"{tag} {given}")
        if tag in ("script", "style") and not (given.get("src") or "").startswith("/static/"):
            self.found.append(f"{tag} {given}")
        if not ours or re.match(r"\s*javascript:", str(given.get("href", "")), re.I):
            self.found.append(f"{tag} {given}")
