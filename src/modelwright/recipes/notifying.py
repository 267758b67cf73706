"""Tells people that a decision waits: by webhook and by mail, never with a link that approves.

`~/.config/modelwright/notify.toml`, either part or both:

    [webhook]
    url = "https://example.org/hooks/models"

    [mail]
    host = "smtp.example.org"
    port = 587                 # 465: TLS from the start; else STARTTLS, unless tls = false
    from = "models@example.org"
    to = ["ana@example.org"]
    user = "models"            # the password is in the environment: MODELWRIGHT_SMTP_PASSWORD
"""

from __future__ import annotations

import json
import logging
import os
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from modelwright.core.approvals import Asked, Request
from modelwright.core.errors import InputError, ModelwrightError, did_you_mean
from modelwright.ledger import open_ledger
from modelwright.ledger.own_key import config_folder
from modelwright.readers.requests import plain, request_lines
from modelwright.readers.runs import RunFolder, study_of

if TYPE_CHECKING:
    import smtplib

PASSWORD = "MODELWRIGHT_SMTP_PASSWORD"
SECONDS = 5.0  # for one webhook or one step of a mail
LAST_SECONDS = 3.0  # a run that ends waits so long, at most, for what is on its way
EVERY_SECONDS = 1.0
LOCAL = ("127.0.0.1", "localhost", "::1")
KINDS = {"host": str, "from": str, "to": list, "port": int, "user": str, "tls": bool}
KIND_WORDS = {str: "a text", list: "a list of addresses", int: "a number", bool: "true or false"}
_log = logging.getLogger("modelwright.notifying")


@dataclass(frozen=True)
class Webhook:
    """Where a JSON document is posted to: https, or plain http on this machine."""

    url: str

    def __post_init__(self) -> None:
        try:
            parts, _ = urlsplit(self.url), urlsplit(self.url).port
        except ValueError:
            parts = urlsplit("")
        plainly = parts.scheme == "http" and parts.hostname in LOCAL
        if not (parts.scheme == "https" or plainly) or not parts.hostname:
            raise InputError(
                "notify.toml [webhook]: url begins with https://, or with http://127.0.0.1; got "
                f"one that begins with {self.url.split('//')[0]!r}."
            )

    def send(self, told: Mapping[str, Any]) -> None:
        """Posts it. Redirects are not followed. Raises OSError or HTTPException."""
        import http.client

        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(str(parts.hostname), parts.port, timeout=SECONDS)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(told).encode(), headers)
            status = connection.getresponse().status
        finally:
            connection.close()
        if status >= 300:
            raise http.client.HTTPException(f"answered {status}")


@dataclass(frozen=True)
class Mail:
    """How mail is sent. The password is read from the environment when it is needed."""

    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    user: str = ""
    tls: bool = True

    def send(self, told: Mapping[str, Any]) -> None:
        """Sends one message. Raises OSError or SMTPException."""
        import smtplib
        import ssl
        from email.message import EmailMessage

        message = EmailMessage()
        message["Subject"] = plain(f"modelwright: {told['run']} waits for you: {told['action']}")
        message["From"], message["To"] = self.sender, ", ".join(self.to)
        message.set_content("\n".join([*told["lines"], "", told["how"]]))
        context = ssl.create_default_context()
        if self.port == 465:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=SECONDS, context=context
            )
        else:
            smtp = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        with smtp:
            if self.tls and self.port != 465:
                smtp.starttls(context=context)
            if self.user:
                smtp.login(self.user, os.environ.get(PASSWORD, ""))
            smtp.send_message(message)


def read_settings(path: Path | None = None) -> list[Webhook | Mail]:
    """The ways that the account's `notify.toml` names, or none. Raises InputError for odd ones."""
    path = path or config_folder() / "notify.toml"
    if not path.exists():
        return []
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    _known(data, ("webhook", "mail"), str(path))
    ways: list[Webhook | Mail] = []
    if "webhook" in data:
        _known(data["webhook"], ("url",), f"{path} [webhook]")
        ways.append(Webhook(str(data["webhook"].get("url", ""))))
    if "mail" in data:
        ways.append(_mail(data["mail"], f"{path} [mail]"))
    return ways


def _mail(table: Mapping[str, Any], where: str) -> Mail:
    names = [f.name if f.name != "sender" else "from" for f in fields(Mail)]
    _known(table, names, where)
    for name in ("host", "from", "to"):
        if not table.get(name):
            raise InputError(f"{where}: {name} is missing.")
    local = table["host"] in LOCAL
    if table.get("tls", True) is False and not local:
        raise InputError(f"{where}: tls = false is for a server on this machine only.")
    for name, kind in KINDS.items():
        if name in table and type(table[name]) is not kind:
            raise InputError(f"{where}: {name} is {KIND_WORDS[kind]}; got {table[name]!r}.")
    given = {("sender" if name == "from" else name): value for name, value in table.items()}
    return Mail(**{**given, "to": tuple(map(str, table["to"]))})


def _known(table: Any, names: Any, where: str) -> None:
    for name in table if isinstance(table, Mapping) else [str(table)]:
        if name not in names:
            near = did_you_mean(name, names)
            raise InputError(f"{where}: unknown key {name!r}.{near} Known: {', '.join(names)}.")


def told_of(run: RunFolder, request: Request) -> dict[str, Any]:
    """What is sent about a request: facts, the text a person would see, and no link."""
    return {
        "schema": "modelwright.waiting/1",
        "run": run.name,
        "request": request.hash,
        "action": request.action,
        "expires": request.expires,
        "lines": request_lines(Asked(request)),
        "how": f"To decide, on a machine you trust: modelwright decisions {run.name}",
    }


class Notifier:
    """A thread that follows a run's rows and sends word of each new request, until it is left.

    Like any other reader it cannot hold up the run. What fails is a warning in the log, without
    addresses or passwords. Without settings there is no thread.
    """

    def __init__(self, run: RunFolder, ways: list[Webhook | Mail] | None = None) -> None:
        self.run = run
        self.ways = read_settings() if ways is None else ways
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="notifier")
        self._next = self._rows()

    def __enter__(self) -> Notifier:
        if self.ways:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self.ways:
            self._thread.join(LAST_SECONDS)

    def _rows(self) -> int:
        """How many rows there are: what was asked before was told before."""
        if not self.ways or not self.run.ledger_path.exists():
            return 0
        with open_ledger(self.run.ledger_path, create=False, read_only=True) as ledger:
            studies = ledger.studies()
            return ledger.length(studies[0]) if studies else 0

    def _follow(self) -> None:
        ended = False
        while not ended:
            ended = self._end.wait(EVERY_SECONDS)  # a last look after the end
            try:
                for request in self._new():
                    for way in self.ways:
                        self._send(way, request)
            except ModelwrightError:
                continue  # the ledger is being made

    def _new(self) -> list[Request]:
        with open_ledger(self.run.ledger_path, create=False, read_only=True) as ledger:
            study = study_of(ledger)
            stop = ledger.length(study)
            rows = list(ledger.rows(study, self._next, stop, kinds=["request"]))
        self._next = stop
        return [Request.from_json(row.body) for row in rows]

    def _send(self, way: Webhook | Mail, request: Request) -> None:
        try:
            way.send(told_of(self.run, request))
        except Exception as error:  # whatever a server does: the thread goes on to the next
            kind = type(way).__name__.lower()
            _log.warning("%s: no word of request %s: %s", kind, request.id, type(error).__name__)
