"""The report and its pictures: what they say, no request to anywhere, text escaped."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from modelwright.core.problem import Goal, Limit, Problem
from modelwright.core.record import Record
from modelwright.core.trial import Candidate, Evidence, Trial, Verdict
from modelwright.policy import LAPTOP
from modelwright.readers.page import table
from modelwright.readers.report import report_html
from modelwright.readers.runs import RunFolder
from modelwright.readers.svg import (
    bars_picture,
    beyond,
    intervals_picture,
    matrix_picture,
    progress_picture,
    ticks,
)

EVIL = '<img src="https://elsewhere.example/x.png" onerror=alert(1)>'


def record(target: str = "y", scores: tuple[float, ...] = (0.5, 0.9, 0.92)) -> Record:
    """A few judged trials, the first the trivial baseline, and a failure at the end."""
    about = {
        "question": {"data": "data.csv", "target": target}, "task": "binary", "n_rows": 100,
        "columns": [{"name": target, "kind": "numeric", "missing": 0.25, "n_unique": 9}],
        "notes": [f"the target is {target}"], "data_hash": "0" * 64,
    }  # fmt: skip
    problem = Problem("table", (Goal("auc", "maximise"),), (Limit("size_kb", "<=", 10.0),), about)
    budget = {"seconds": None, "trials": 9, "full_runs": None, "bytes": None}
    first: dict[str, Any] = {
        "name": "run", "problem": problem.to_json(), "designer": {"name": "random"}, "slots": 1,
        "rungs": {"fidelities": [1.0], "costs": [1.0], "eta": 3.0}, "budget": budget,
        "policy": LAPTOP.to_json(), "at": 0.0,
    }  # fmt: skip
    made = Record.open(first)
    made.absorb("study", first)
    for number, score in enumerate((*scores, math.nan)):
        document = '{"type":"Dummy"}' if number == 0 else f'{{"type":"Linear","k":{number}}}'
        trial = (
            Trial(number, Candidate(document), 0, 1.0, 1.0, 1, "rival", "trivial", target)
            if number == 0
            else Trial(number, Candidate(document), 0, 1.0, 1.0, 1, "search", "random", target)
        )
        made.order(trial, 1.0)
        if math.isnan(score):
            made.evidence(Evidence(number).failed("error", target), 1.0)
            continue
        folds = {"auc": (score - 0.01, score, score + 0.01)}
        made.evidence(Evidence(number, {"auc": score, "size_kb": 1.0}, folds), 1.0)
        made.verdict(Verdict(number, "promote", "better", number), 2.0)
    return made


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]


def test_the_report_answers_first_and_asks_nothing_of_any_other_place(tmp_path: Path) -> None:
    text = report_html(RunFolder(tmp_path / "run"), record())
    seen = Seen()
    seen.feed(text)
    assert seen.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(seen.tags)
    assert not re.search(r"https?://|url\(|@import", text)
    assert text.index("auc 0.92, 95 % interval") < text.index("Leaderboard")
    assert "a model that looks at no column reaches 0.5" in text
    assert "modelwright predict" in text
    assert "prefers-color-scheme:dark" in text
    for picture in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(picture)


def test_names_from_the_data_are_text_never_markup(tmp_path: Path) -> None:
    text = report_html(RunFolder(tmp_path / EVIL.replace("/", "")), record(EVIL))
    seen = Seen()
    seen.feed(text)
    assert "img" not in seen.tags
    assert EVIL not in text


def test_a_run_without_a_model_has_a_report_too(tmp_path: Path) -> None:
    text = report_html(RunFolder(tmp_path / "run"), record(scores=()))
    assert "No valid model yet." in text


def test_a_far_baseline_does_not_flatten_the_progress() -> None:
    scores = [0.97, 0.98, 0.99]
    assert beyond(scores, True, 0.5) == "below"
    assert "trivial baseline" not in progress_picture(scores, True, "auc", 0.5)
    assert beyond(scores, True, 0.965) == ""
    assert "trivial baseline 0.965" in progress_picture(scores, True, "auc", 0.965)
    assert beyond([3.0, 2.9], False, 40.0) == "above"


def test_the_line_of_the_best_never_falls_back() -> None:
    scores = [0.5, 0.7, 0.6, 0.9, 0.8]
    picture = progress_picture(scores, True, "auc", None)
    (line,) = re.findall(r'class="accent line" d="([^"]+)"', picture)
    heights = [float(y) for y in re.findall(r"V([\d.]+)", line)]
    assert heights == sorted(heights, reverse=True)  # up is less in SVG
    assert heights[0] == heights[1] or len(heights) == len(scores) - 1


@pytest.mark.parametrize(
    "picture",
    [
        progress_picture([0.5], True, "auc", None),
        progress_picture([0.5, 0.5, 0.5], False, "loss", 0.5),
        intervals_picture([("a & b", 0.1, 0.2, 0.3)], "auc"),
        bars_picture([("<x>", 0.2), ("y", -0.1)], "a title"),
        matrix_picture(["a<b", "c"], [[3, 1], [0, 0]]),
    ],
)
def test_pictures_are_well_formed(picture: str) -> None:
    ElementTree.fromstring(picture)
    assert "nan" not in picture


def test_nothing_to_draw_draws_nothing() -> None:
    assert progress_picture([], True, "auc", 0.5) == ""
    assert intervals_picture([("a", math.nan, 0.1, 0.2)], "auc") == ""
    assert bars_picture([], "t") == matrix_picture([], []) == table([], {"a": "a"}) == ""
    assert ticks(1.0, 1.0) == [1.0]
