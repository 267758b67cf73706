from __future__ import annotations

import json
import random
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
from command_line import Built

from modelwright.apps.ui import charts, shown
from modelwright.apps.ui.frame import TABS
from modelwright.core.approvals import Request
from modelwright.core.record import Record
from modelwright.core.trial import Candidate, Evidence, Trial, Verdict
from modelwright.ledger import Verification
from modelwright.readers.network_charts import pareto_front
from modelwright.readers.page import STYLE
from modelwright.readers.runs import RunFolder, read_record

HERE = Path(shown.__file__).parent
EVIL = "<script>alert('x')</script>\"'"
VOID = {"meta", "link", "input", "br"}


class Reader(HTMLParser):
    """Checks what every page has to keep: balance, ids, labels, nothing inline, tokens first."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.fields: list[dict[str, str | None]] = []
        self.forms: list[tuple[str, list[str]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)
        for field in self.fields:
            assert field.get("type") in ("hidden", "radio", "checkbox") or (
                field["id"] in self.labelled
            ), field
        for method, names in self.forms:
            assert (names[:1] == ["csrf"]) == (method == "post"), names

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not [name for name in given if name == "style" or name.startswith("on")], given
        assert tag != "style"
        assert tag != "script" or str(given["src"]).startswith("/static/")
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag == "label" and "for" in given:
            self.labelled.add(str(given["for"]))
        if tag == "form":
            self.forms.append((str(given["method"]), []))
        if tag in ("input", "select", "textarea"):
            self.fields.append(given)
            self.forms[-1][1].append(str(given["name"]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not [name for name, _ in attrs if name == "style"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def run(built: Built) -> RunFolder:
    return RunFolder(built.run)


@pytest.fixture(scope="module")
def record(run: RunFolder) -> Record:
    return read_record(run)


def read(name: str, context: dict[str, Any]) -> str:
    """A template filled in as the server does it, checked; its words."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    text = templates.get_template(name).render({**context, "csrf": "secret", "said": EVIL})
    assert "<script>alert" not in text
    return re.sub(r"\s+", " ", " ".join(Reader(text).words))


def test_every_page_of_a_run_says_where_it_stands(run: RunFolder, record: Record) -> None:
    whole = Verification(True, record.view.n_rows, "whole")
    first = read("run.html", shown.first(run, record, whole))
    end = f"record whole up to row {whole.n_rows - 1}"
    for words in ("finished", "no decision waits", end,
                  "Best: ", "95 % interval", "looks at no column reaches",
                  "size_kb<=1000 is met", "✓ met", "? unknown", "not counted"):  # fmt: skip
        assert words in first, words
    assert "--target bought --limit 'size_kb<=1000' --budget 2trials --policy fast.toml" in first
    for name in TABS:
        assert "finished" in read("tab.html", shown.tab(name, run, record, {}, whole)), name
    audit = read("tab.html", shown.tab("audit", run, record, {}, whole))
    assert "modelwright export shop --out shop.zip" in audit
    best, other = (o.trial.candidate.id for o in record.view.best(2))
    alone = read("candidate.html", shown.candidate(run, record, best))
    assert "Why it was tried" in alone
    assert "record: being checked" in alone
    both = read("compare.html", shown.compare(run, record, best, other))
    assert "Against trial" in both
    for part in ("status", "leaderboard", "trying", "decisions", "goals"):
        read(f"_{part}.html", getattr(shown, part)(run, record))
    assert "shop" in read("runs.html", shown.home(run.path.parent))
    read("error.html", {"status": 404, "sentence": EVIL})
    read("login.html", {})


def test_a_broken_record_is_said_on_every_page(run: RunFolder, record: Record) -> None:
    broken = Verification(False, 3, "row 3 does not agree", 3)
    assert "RECORD BROKEN at row 3" in read("_status.html", shown.status(run, record, broken))
    assert "RECORD BROKEN at row 3" in read("run.html", shown.first(run, record, broken))


def test_a_waiting_decision_has_reasons_words_and_commands(run: RunFolder) -> None:
    record = read_record(run)
    ship = {"candidate": "c", "trial": 1, "described": EVIL, "out": "model",
            "row": {"rows": "all", "bundle": "b" * 64}}  # fmt: skip
    request = Request(
        record.settings["name"], "ship", ship, "p" * 64, "policy 'team' asks", ("better",),
        (f"few rows: {EVIL}",), "2 s", "o" * 64, 0.0, 4e9,
    )  # fmt: skip
    record.absorb("request", {**request.to_json(), "at": 1.0})
    talk = {"kind": "ask", "request": request.hash, "reason": EVIL, "by": EVIL, "at": 1.0}
    record.absorb("message", talk)
    told = read("run.html", shown.first(run, record))
    for words in ("1 decision waits for you", "Your decision: ship a model?", "better", EVIL,
                  "Reasons to doubt", "Approve", "Reject", "Ask back", "Answer",
                  f"modelwright approve shop {request.id} --reason 'your reason'"):  # fmt: skip
        assert words in told, words


def test_a_new_problem_is_three_steps(run: RunFolder) -> None:
    assert "A table" in read("new.html", shown.new({"id": "", "max_upload": 10**9}))
    table = {"n_rows": 3, "notes": [EVIL], "columns": [
        {"name": EVIL, "kind": "numeric", "low": 0.5, "high": 2.0, "n_unique": 3},
        {"name": "sex", "kind": "categorical", "categories": ["f", EVIL], "missing": 0.25},
        {"name": "row", "kind": "id"}]}  # fmt: skip
    state: dict[str, Any] = {
        "id": "d", "file": EVIL, "bytes": 2_000_000, "run": "", "trouble": "", "table": table,
        "plan": None, "command": "", "policies": ("laptop", "team"), "waiting": False,
        "fields": {"target": [EVIL], "protect": ["sex"], "limit": ["size_kb<=9"], "budget": ["1h"]},
    }  # fmt: skip
    asked = read("new.html", shown.new(state))
    assert "numbers 0.5 to 2" in asked
    assert "25.0%" in asked
    assert "size_kb<=9" in asked
    assert [name for name, _ in shown.new(state)["targets"]] == [EVIL, "sex"]
    plan = {"task": "binary", "metric": "roc_auc", "families": ["Linear"], "limits": [],
            "rows": {"n_rows": 3, "n_dev": 3, "n_sealed": 0}, "budget": "300 s",
            "cost": {"trials": [5, 20], "seconds": [None, 300.0], "joules": [2e3, 1e4],
                     "money": [None, 0.0333], "currency": "EUR"},
            "gates": [{"action": "ship", "word": "ask", "reason": "a person ships"}],
            "policy": ["policy 'team'"], "notes": [EVIL],
            "ruling": {"word": "allow", "reason": "within"}}  # fmt: skip
    planned = read("new.html", shown.new({**state, "plan": plan, "command": "modelwright build x"}))
    for words in ("5 to 20", "up to 5 min", "2 kJ to 10 kJ", "up to 0.03 EUR", "a person ships"):
        assert words in planned, words
    waits = shown.new({**state, "table": None, "run": "r", "waiting": True})
    assert "read and prepared" in read("new.html", waits)
    assert "no numbers" in read("new.html", shown.new({**state, "table": None,
                                                       "trouble": "no numbers"}))  # fmt: skip


def many(run: RunFolder, n: int) -> Record:
    """The run's study with `n` made trials of random scores and latencies."""
    record = Record.open(read_record(run).settings)
    record.absorb("study", read_record(run).settings)
    rng = random.Random(0)
    for i in range(n):
        candidate = Candidate(json.dumps({"type": "Linear", "i": i}))
        record.order(Trial(i, candidate, record.view.rungs.top, 1.0, 1.0, 0), 0.1 * i)
        scores = {"roc_auc": rng.random(), "latency_ms": rng.lognormvariate(0, 2), "size_kb": 1.0}
        record.evidence(Evidence(i, scores, seconds=1.0, cpu_seconds=1.0), 0.1 * i + 0.05)
        record.verdict(Verdict(i, "hold", "no"), 0.1 * i + 0.05)
    return record


def test_a_long_search_is_paged_and_thinned(run: RunFolder) -> None:
    record = many(run, 2503)
    pages = [shown.leaderboard(run, record, page)["leaderboard"] for page in (1, 2, 126, 999)]
    assert [len(page["rows"]) for page in pages] == [20, 20, 3, 3]
    assert pages[3]["page"] == pages[3]["pages"] == 126
    scores = [row["score"] for page in pages[:3] for row in page["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert [row["place"] for row in pages[1]["rows"]] == list(range(21, 41))
    assert "page 2 of 126, 2,503 candidates" in read("_leaderboard.html", {"leaderboard": pages[1]})
    drawn = charts.pareto(record)
    points = {one["look"]: one["points"] for one in drawn["series"]}
    assert sum(map(len, points.values())) <= charts.MOST
    assert drawn["x"]["type"] == "log"
    losses = [(o.evidence.scores["latency_ms"], o.loss) for o in record.view.finished]
    beaten = [any(a <= x and b <= y and (a, b) != (x, y) for a, b in losses) for x, y in losses]
    assert pareto_front(*zip(*losses, strict=True)) == [not one for one in beaten]
    assert len(points["front"]) == beaten.count(False)
    assert len(drawn["table"]["rows"]) == sum(map(len, points.values()))
    best = [y for _, y, _ in next(s for s in charts.progress(record)["series"]
                                  if s["look"] == "steps")["points"]]  # fmt: skip
    assert best == sorted(best)
    assert best[-1] == max(o.evidence.scores["roc_auc"] for o in record.view.finished)
    assert charts.energy(record)["series"][0]["points"] == [["Linear", 25030.0]]


def test_commands_are_what_a_shell_takes_back(run: RunFolder, record: Record) -> None:
    from modelwright.apps.ui.commands import build_command, word_command
    from modelwright.recipes.question import Question

    asked = Question("my file.csv", "it's", protect=("age:25,60",), student=False, sealed=False)
    words = shlex.split(build_command(asked.to_json(), "60 s, 5 trials", "team"))
    assert words == ["modelwright", "build", "my file.csv", "--target", "it's", "--no-sealed",
                     "--no-student", "--protect", "age:25,60", "--budget", "60s,5trials",
                     "--policy", "team"]  # fmt: skip
    assert shlex.split(word_command("stop", "$(x)")) == ["modelwright", "stop", "$(x)"]


def test_the_page_looks_like_the_report() -> None:
    assert (HERE / "static" / "app.css").read_text("utf-8").startswith(STYLE.strip())
