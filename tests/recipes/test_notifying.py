"""Word of what waits, to a real HTTP server and a real SMTP conversation on this machine."""

from __future__ import annotations

import base64
import json
import logging
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from modelwright.core.approvals import Request
from modelwright.core.errors import InputError
from modelwright.executors.child import _environment
from modelwright.ledger import open_ledger
from modelwright.readers.runs import RunFolder
from modelwright.recipes import notifying
from modelwright.recipes.notifying import PASSWORD, Mail, Notifier, Webhook, read_settings

REQUEST = Request(
    "s", "look", {"candidate": "c" * 16, "trial": 3}, "p" * 64, "the policy asks", ("good",),
    ("few rows\nfor: sure",), "", "k" * 64, time.time(), time.time() + 99,
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setattr(notifying, "EVERY_SECONDS", 0.02)
    (tmp_path / "r").mkdir()
    run = RunFolder(tmp_path / "r")
    with open_ledger(run.ledger_path) as ledger, ledger.writer("s") as writer:
        writer.append([("study", {"at": 0}), ("request", {**REQUEST.to_json(), "at": 0})])
    return run


def ask(run: RunFolder) -> None:
    with open_ledger(run.ledger_path) as ledger, ledger.writer("s") as writer:
        writer.append([("request", {**REQUEST.to_json(), "cost": "dear", "at": 1})])


def served(server: socketserver.TCPServer, work: Callable[[], None]) -> None:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        work()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_gets_what_waits_as_json_once_and_no_link(run: RunFolder) -> None:
    heard: list[dict[str, object]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(302)  # a redirect is a failure, and is not followed
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)

    def work() -> None:
        with Notifier(run, [Webhook(f"http://127.0.0.1:{server.server_port}/hook?key=1")]):
            ask(run)

    served(server, work)
    (told,) = heard  # the request that was there before the run went on was told before
    assert told["action"] == "look"
    assert "  to doubt: few rows for: sure" in told["lines"]  # type: ignore[operator]
    assert "http" not in json.dumps(told)


def test_mail_is_a_real_conversation_and_a_failure_is_a_warning_without_the_password(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(PASSWORD, "geheim")
    said: list[str] = []

    class Smtp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in iter(self.rfile.readline, b""):
                word = line.decode().strip()
                said.append(word)
                if word.startswith("ehlo"):
                    self.wfile.write(b"250-here\r\n250 AUTH PLAIN\r\n")
                elif word.startswith("AUTH"):
                    self.wfile.write(b"235 welcome\r\n")
                elif word == "data":
                    self.wfile.write(b"354 go on\r\n")
                elif word == "." or word.split(" ")[0] in ("mail", "rcpt"):
                    self.wfile.write(b"250 good\r\n")
                elif word in ("QUIT", "quit"):
                    self.wfile.write(b"221 bye\r\n")
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
    port = server.server_address[1]
    mail = Mail("127.0.0.1", "m@example.org", ("ana@example.org",), port, "models", tls=False)

    def work() -> None:
        with Notifier(run, [mail]):
            ask(run)

    served(server, work)
    text = "\n".join(said)
    assert "rcpt TO:<ana@example.org>" in text
    assert "Subject: modelwright: r waits for you: look" in text
    assert "modelwright decisions r" in text
    assert base64.b64encode(b"\0models\0geheim").decode() in text
    with caplog.at_level(logging.WARNING), Notifier(run, [mail]):  # nobody listens any more
        ask(run)
    assert "mail: no word of request" in caplog.text
    assert "geheim" not in caplog.text
    assert b"geheim" not in run.ledger_path.read_bytes()


def test_settings_are_checked_and_no_child_inherits_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notify.toml"
    assert read_settings(path) == []
    for text, said in {
        '[webhook]\nurl = "http://example.org/x"': "begins with https",
        '[webhok]\nurl = ""': "Did you mean 'webhook'",
        '[mail]\nhost = "mx.example.org"\nto = ["a"]': "from is missing",
        '[mail]\nhost="mx.example.org"\nto=["a"]\nfrom="b"\ntls=false': "on this machine only",
        '[mail]\nhost="h"\nto=["a"]\nfrom="b"\npassword="x"': "unknown key 'password'",
        '[mail]\nhost="h"\nto="a@b"\nfrom="b"': "to is a list of addresses",
        '[webhook]\nurl = "https://h:port/"': "begins with https",
    }.items():
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            read_settings(path)
    monkeypatch.setenv(PASSWORD, "geheim")
    command = [sys.executable, "-S", "-c", f"import os; print({PASSWORD!r} in os.environ)"]
    for environment, inherits in ((None, "True"), (_environment(1), "False")):
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert out.stdout.strip() == inherits
