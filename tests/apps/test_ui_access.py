"""Nobody gets past the door of the page with anything missing, on any of its routes."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from command_line import call, finish, spawn
from starlette.routing import Mount, Route
from web_client import HOST, TOKEN, Browser

from modelwright.apps.ui.running import token_for
from modelwright.core.errors import InputError

FILL = {
    "run": "shop", "draft": "0123456789abcdef", "verb": "read", "tab": "models", "id": "0",
    "part": "status", "name": "pareto", "file": "report",
}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(hostile, tmp_path_factory.mktemp("door") / "ws"))


def routes(browser: Browser) -> list[tuple[str, str]]:
    """Method and path of all routes, from the app's own table; a new parameter needs a value."""
    found = []
    for route in browser.app.routes:
        if isinstance(route, Mount):
            found.append(("GET", f"{route.path}/charts.js"))
            continue
        assert isinstance(route, Route)
        path = re.sub(r"{(\w+)}", lambda match: FILL[match.group(1)], route.path)
        found += [(method, path) for method in (route.methods or ()) if method != "HEAD"]
    assert len(found) == len(browser.app.routes) > 14
    return found


def asks(browser: Browser, method: str, path: str, **headers: str | None) -> int:
    if path.endswith("/events"):
        return browser.stream(path, 1, **headers).status
    if method == "POST":
        return browser.post(path, {}, **headers).status
    return browser.get(path, **headers).status


def test_every_route_wants_host_origin_session_and_token(workspace: Path) -> None:
    browser = Browser.at(workspace).enter()
    strangers: list[str | None] = [None, "evil.example", f"{HOST}.evil.example", "127.0.0.1:9", ""]
    foreign: list[dict[str, str | None]] = [
        {"origin": None},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9"},
        {"origin": "null", "sec_fetch_site": "cross-site"},
        {"origin": None, "sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
    ]
    for method, path in routes(browser):
        passed = asks(browser, method, path)
        assert passed not in (403, 405, 500), path
        if path != "/enter":
            assert passed != 401, path
            for cookie in (None, "modelwright-8000=x", "modelwright-8000="):
                assert asks(browser, method, path, cookie=cookie) == 401, path
        for host in strangers:
            assert asks(browser, method, path, host=host) == 403, path
        if method == "POST" or path.endswith("/events"):
            for headers in foreign:
                assert asks(browser, method, path, **headers) == 403, (path, headers)
            assert (
                asks(browser, method, path, origin="null", sec_fetch_site="same-origin") == passed
            )
    for path in ("/nothing", "/enter%3Fx", "/static/app.css%3F/../charts.js", "//enter", "/enter/"):
        assert browser.get(path, cookie=None).status == 401, path
    assert browser.get("/nothing").status == 404


def test_every_form_carries_the_token_of_its_session(workspace: Path) -> None:
    browser = Browser.at(workspace).enter()
    posts = [path for method, path in routes(browser) if method == "POST"]
    assert len(posts) == 3
    other, tokens = browser.csrf, list[str]()
    browser.door.used = tokens.append
    browser.enter(browser.door._token)
    assert tokens == [browser.door._token]
    for path in posts:
        for wrong in (None, "", "x", "é", other):
            assert browser.post(path, {"csrf": wrong}).status == 403, (path, wrong)
    assert browser.upload("a.csv", b"a,b\n1,2\n", csrf=other).status == 403
    assert browser.send("POST", posts[0], b"{}", {"content-type": "application/json"}).status == 415
    assert not (workspace / ".page").exists()


def test_an_address_works_once_and_a_session_ends(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser.at(workspace)
    for wrong in ("", "x", TOKEN + "x", "%ff"):
        assert browser.get(f"/enter?token={wrong}").status == 401
    browser.enter()
    assert browser.get("/").status == 200
    assert browser.get(f"/enter?token={TOKEN}", cookie=None).status == 401
    begun_by_a_file = {"sec_fetch_site": "cross-site"}
    found = browser.get(f"/enter?token={browser.door._token}", **begun_by_a_file)
    assert (found.status, found.header("refresh")) == (200, "0; url=/")
    monkeypatch.setattr("modelwright.apps.ui.access.time.time", lambda: 4e9)
    assert browser.get("/").status == 401


def test_every_answer_has_the_headers(workspace: Path) -> None:
    browser = Browser.at(workspace).enter()
    broken = Browser.at(workspace).enter()
    broken.app.state.page.runs = None
    with pytest.raises(AttributeError):  # the server prints it; the browser gets a sentence
        broken.get("/")
    answers = [
        browser.get("/"), browser.get("/", cookie=None), browser.get("/", host="x"),
        browser.get("/nothing"), browser.get("/runs/shop/chart/pareto.json"),
        browser.get("/static/app.css", cookie=None),
    ]  # fmt: skip
    assert [a.status for a in answers] == [200, 401, 403, 404, 200, 200]
    for answer in answers:
        policy = answer.header("content-security-policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("referrer-policy") == "no-referrer"
        assert answer.header("cross-origin-opener-policy") == "same-origin"
    assert {a.header("cache-control") for a in answers[:-1]} == {"no-store"}


def test_others_are_let_near_only_by_name_and_with_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host in ("0.0.0.0", "::", "10.0.0.1", "lab.example", ""):
        refused = call(tmp_path, "ui", "--host", host, "--no-open")
        assert refused.code == 2
        assert "--allow-host NAME" in refused.err
        with pytest.raises(InputError, match="MODELWRIGHT_UI_TOKEN"):
            token_for(host, ["lab.example"])
    monkeypatch.setenv("MODELWRIGHT_UI_TOKEN", "short")
    with pytest.raises(InputError, match="at least 24"):
        token_for("127.0.0.1", [])
    monkeypatch.setenv("MODELWRIGHT_UI_TOKEN", TOKEN)
    with pytest.raises(InputError, match="--allow-host"):
        token_for("0.0.0.0", [])
    assert token_for("0.0.0.0", ["lab.example"]) == (TOKEN, True)


def test_a_run_elsewhere_is_not_found_by_any_name(workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace / "shop", tmp_path / "elsewhere")
    (tmp_path / "ws").mkdir()
    browser = Browser.at(tmp_path / "ws").enter()
    names = [
        "../elsewhere",
        "..%2felsewhere",
        "%2e%2e/elsewhere",
        str(tmp_path / "elsewhere"),
        "..",
    ]
    for name in [*names, "..%00", "elsewhere", ".", "%2e%2e%2felsewhere"]:
        for path in (f"/runs/{name}", f"/runs/{name}/file/report", f"/new/{name}"):
            assert browser.get(path).status == 404, path
        assert browser.post(f"/runs/{name}/do/stop", {}).status == 404


def test_the_command_prints_an_address_and_keeps_what_it_knows(workspace: Path) -> None:
    process = spawn(workspace.parent, "ui", "--workspace", "ws", "--no-open")
    assert process.stdout is not None
    address = urlsplit(process.stdout.readline().strip())

    open_ones: list[Any] = []

    def ask(path: str, **headers: str) -> http.client.HTTPResponse:
        open_ones.append(http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=30))
        open_ones[-1].request("GET", path, headers=headers)
        found: http.client.HTTPResponse = open_ones[-1].getresponse()
        open_ones.append(found)
        return found

    assert ask("/").status == 401
    assert ask("/", Host="rebound.example").status == 403
    entered = ask(f"{address.path}?{address.query}")
    cookie = str(entered.getheader("set-cookie")).split(";")[0]
    assert (entered.status, entered.getheader("server")) == (303, None)
    assert b"shop" in ask("/", Cookie=cookie).read()
    stream = ask("/runs/shop/events", Cookie=cookie, Origin=f"http://{address.netloc}")
    assert stream.readline() == b"retry: 2000\n"
    process.send_signal(signal.SIGINT)  # with a stream open, as a page keeps one
    ended = finish(process, 30)
    for connection in open_ones:
        connection.close()
    assert (ended.code, ended.out) == (0, "stopped\n")
    assert cookie.split("=")[1] not in ended.err
    assert "token" not in ended.err
