"""What the page's routes answer: pages, parts, files, uploads, decisions, the stream."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sqlite3
import time
import zipfile
from pathlib import Path

import pytest
from command_line import call, shop
from web_client import IMAGE, SCRIPT, Browser, Harm

from modelwright.apps.ui import following, starting
from modelwright.core.errors import InputError
from modelwright.readers.decisions import decisions
from modelwright.readers.runs import RunFolder, open_run, read_record, study_of

TABS = ("models", "decisions", "lineage", "fairness", "energy", "data", "audit")
PARTS = ("status", "leaderboard", "trying", "decisions", "goals")


@pytest.fixture
def browser(hostile: Path, tmp_path: Path) -> Browser:
    shutil.copytree(hostile, tmp_path / "ws")
    return Browser.at(tmp_path / "ws", max_upload=100_000).enter()


def run_of(browser: Browser) -> RunFolder:
    return RunFolder(Path(browser.app.state.page.workspace) / "shop")


def test_no_page_runs_what_a_file_a_column_a_label_or_a_reason_says(browser: Browser) -> None:
    record = read_record(run_of(browser))
    ids = [o.trial.candidate.id for o in record.view.best(9)]
    told = browser.post("/runs/shop/do/ban", {"candidate": ids[0], "reason": SCRIPT + IMAGE})
    assert told.header("location") == "/runs/shop"
    pages = [
        "/", "/new", "/runs/shop", f"/runs/shop/candidates/{ids[0]}",
        f"/runs/shop/compare?a={ids[0]}&b={ids[-1]}", *(f"/runs/shop/tab/{x}" for x in TABS),
        *(f"/runs/shop/part/{x}" for x in PARTS), "/runs/shop/part/leaderboard?page=99999999999",
        draft_of(browser, IMAGE + ".csv", f'{SCRIPT},"""x"">"\n1,2\n'.encode()),
        "/runs/%3Cscript%3E", "/runs/shop/tab/%3Cscript%3E", "/runs/shop/candidates/%3Cscript%3E",
    ]  # fmt: skip
    shown = ""
    for path in pages:
        answer = browser.get(path)
        assert answer.status in ((404, 422) if "%3C" in path else (200,)), (path, answer.text)
        assert Harm(answer.text).found == [], path
        shown += answer.text
    for text in ("&lt;script&gt;alert(1)&lt;/script&gt;", "&gt;&lt;img src=x onerror=alert(1)&gt;"):
        assert text in shown.replace("&#34;", "").replace("&quot;", "")
    for name in ("pareto", "progress", "curve", "energy"):
        answer = browser.get(f"/runs/shop/chart/{name}.json")
        assert answer.header("content-type") == "application/json"
        assert {"title", "series", "table"} <= set(json.loads(answer.text))
    assert browser.get("/runs/shop/chart/x.json").status == 404
    assert browser.get("/runs/shop/part/x").status == 404


def draft_of(browser: Browser, name: str, data: bytes) -> str:
    answer = browser.upload(name, data)
    assert answer.status == 303, answer.text
    return answer.header("location")


def test_a_file_is_kept_under_a_name_of_ours_and_read_elsewhere(browser: Browser) -> None:
    folder = Path(browser.app.state.page.workspace) / ".page"
    where = draft_of(browser, "../../Sales 2024.CSV", b"a,b\n" + b"1,2\n2,3\n" * 300)
    (made,) = folder.iterdir()
    assert re.fullmatch(r"/new/[0-9a-f]{16}", where)
    assert made.stat().st_mode & 0o077 == 0
    assert sorted(p.name for p in made.iterdir()) == ["data.csv", "draft.json", "read"]
    state = browser.app.state.page.drafts.state(made.name)
    assert (state["file"], state["table"]["n_rows"]) == ("../../Sales 2024.CSV", 600)
    assert browser.app.state.page.drafts._free_name(state["file"]) == "Sales-2024"
    page = browser.get(where).text
    assert "Sales 2024.CSV" in page
    pickle = draft_of(browser, "x.csv", b"\x80\x04\x95\x00")
    assert "looks like a Python pickle" in browser.get(pickle).text
    refused = browser.upload("big.csv", b"1,2\n" * 30_000)
    assert refused.status == 413
    assert "at most 0 MB" in refused.text
    assert browser.upload("x.csv", b"1,2\n" * 60_000).status == 413
    assert browser.upload("x.csv", b"a,b\n1,2\n", csrf="").status == 403
    assert len(list(folder.iterdir())) == 2
    assert "choose a file" in browser.upload("", b"").text


def test_the_form_takes_no_path_no_command_and_no_other_flag(browser: Browser) -> None:
    drafts = browser.app.state.page.drafts
    draft = drafts.of(draft_of(browser, "a.csv", b"a,--b\n" + b"1,2\n2,3\n" * 30)[5:])
    good = {"target": ["--b"], "budget": ["1trials"], "limit": ["size_kb<=9\nlatency_ms<=1"]}
    assert drafts.words(draft, good) == [
        "--target=--b", "--budget=1trials", "--limit=size_kb<=9", "--limit=latency_ms<=1"
    ]  # fmt: skip
    wrong = [
        {"metric": "os:system"}, {"policy": "/etc/passwd"}, {"policy": "../x.toml"}, {"drop": "c"},
        {"protect": "c:1"}, {"budget": "lots"}, {"limit": "x"}, {"target": "a\nb"},
        {"teacher": "x"}, {"purpose": "a\x1b[2J"}, {"rights": "x" * 400}, {"target": ""},
    ]  # fmt: skip
    for fields in wrong:
        given = {**good, **{k: [v] for k, v in fields.items()}}
        with pytest.raises(InputError):
            drafts.words(draft, given)
    refused = browser.post(f"/new/{draft.id}/go", {"target": "a", "metric": "os:system"})
    assert refused.status == 422
    assert not drafts.of(draft.id).run


def test_a_build_from_the_page_is_one_of_its_own_and_is_stopped_from_it(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELWRIGHT_UI_TOKEN", "not for children")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for children")
    assert "not for children" not in starting._environment().values()
    drafts = browser.app.state.page.drafts
    where = draft_of(browser, "my shop.csv", shop(200).to_csv(index=False).encode())
    form = {"target": "bought", "budget": "60s", "policy": "laptop"}
    assert browser.post(f"{where}/go", form).header("location") == where
    build = drafts._building[where[5:]]
    assert os.getsid(build.pid) == build.pid != os.getsid(0)
    assert b"not for children" not in Path(f"/proc/{build.pid}/environ").read_bytes()
    assert browser.get(where).header("refresh") == "1"
    assert browser.post(f"{where}/go", form).status == 303  # a second click starts nothing more
    assert len(drafts._building) == 1
    ends = time.monotonic() + 60
    while browser.get(where).status == 200 and time.monotonic() < ends:
        time.sleep(0.1)
    assert browser.get(where).header("location") == "/runs/my-shop"
    run = RunFolder(run_of(browser).path.parent / "my-shop")
    assert "told my-shop to stop" in said(browser, "my-shop", "stop", reason="enough")
    assert build.wait(60) in (0, 3, 130)
    record = read_record(run)
    assert (record.status, record.settings["budget"]["seconds"]) == ("stopped", 60)
    assert record.messages[0]["reason"] == "enough"
    assert "not running" in said(browser, "my-shop", "pause")


def said(browser: Browser, run: str, verb: str, **form: str) -> str:
    """Clicks, and gives the page that follows."""
    where = browser.post(f"/runs/{run}/do/{verb}", form).header("location")
    return browser.get(where).text


def test_a_decision_from_the_page_is_the_one_of_the_command_line(browser: Browser) -> None:
    run = run_of(browser)
    (asked,) = read_record(run).approvals
    id = asked.request.id
    assert "name the request" in said(browser, "shop", "approve", reason="good")
    assert "say why" in said(browser, "shop", "approve", request=id)
    assert "no request&#39;s id begins" in said(browser, "shop", "reject", request="x", reason="y")
    assert browser.get("/runs/shop/file/model.zip").status == 404
    assert "shipped to" in said(browser, "shop", "approve", request=id, reason="looks right")
    assert "does not wait: done" in said(browser, "shop", "approve", request=id, reason="again")
    record = read_record(run)
    assert record.ships[-1]["bundle"] == asked.request.subject["row"]["bundle"]
    with open_run(run) as ledger:
        (word,) = [d for d in decisions(ledger.rows(study_of(ledger))) if "'approve'" in d.what]
    assert (word.signed, word.why) == (asked.request.owner, "looks right")
    files = zipfile.ZipFile(io.BytesIO(browser.get("/runs/shop/file/model.zip").body)).namelist()
    assert "shop-model/manifest.json" in files
    card = browser.get("/runs/shop/file/card")
    assert card.header("content-disposition").startswith("attachment")
    assert browser.get("/runs/shop/file/ledger.sqlite").status == 404
    assert browser.post("/runs/shop/do/ship", {}).status == 404


def test_rows_that_come_are_folded_on_and_told_once(browser: Browser) -> None:
    followed = browser.app.state.page.runs.of("shop")
    first = browser.stream("/runs/shop/events", 2).text
    assert json.loads(first.split("data: ")[1].split("\n")[0]) == list(PARTS)
    record, before = followed.read(), dict(followed.marks())
    call(run_of(browser).path.parent, "ask", str(run_of(browser).path), "--reason", "more?")
    followed._looked = -1.0
    changed = [name for name, mark in followed.marks().items() if mark != before[name]]
    assert "decisions" in changed
    assert followed.read() is record
    assert record.view.n_rows == read_record(run_of(browser)).view.n_rows
    assert "more?" in browser.get("/runs/shop/part/decisions").text


def test_a_long_record_is_read_in_slices(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SLICE", -1.0)
    n_rows = read_record(run_of(browser)).view.n_rows
    answers = [browser.get("/runs/shop") for _ in range(n_rows)]
    assert [a.status for a in answers] == [503] * (n_rows - 1) + [200]
    assert f"being read: 2 of {n_rows} rows" in answers[1].text
    assert answers[1].header("refresh") == "1"


def test_a_record_that_was_changed_is_told(browser: Browser) -> None:
    run, runs = run_of(browser), browser.app.state.page.runs
    assert "BROKEN" not in browser.get("/runs/shop").text
    followed = runs.of("shop")
    wait_for_chain(followed)
    assert followed.chain.ok
    with sqlite3.connect(run.ledger_path) as harm:
        harm.execute("DROP TRIGGER ledger_rows_no_update")
        harm.execute("UPDATE ledger_rows SET body = body || ' ' WHERE n = 2")
    harm.close()
    followed.chain, followed._verify_from, followed._looked = None, 0.0, -1.0
    browser.get("/runs/shop/part/status")
    wait_for_chain(followed)
    assert (followed.chain.ok, followed.chain.first_bad_row) == (False, 2)
    assert "BROKEN at row 2" in browser.get("/runs/shop").text


def wait_for_chain(followed: following.Followed) -> None:
    ends = time.monotonic() + 20
    while followed.chain is None and time.monotonic() < ends:
        time.sleep(0.02)
    assert followed.chain is not None
