"""Explanations from the command line: of a run, of single answers, and of a question."""

from __future__ import annotations

import csv
from pathlib import Path

from command_line import Built, call, shop
from test_cli_json import check


def test_explain_full_computes_and_draws_what_there_is(copied: Path) -> None:
    before = call(copied, "explain", "--json").json
    assert "importance of columns" not in before["explanation"]["skipped"]
    answer = call(copied, "explain", "--full", "--json")
    assert answer.code == 0, answer.err
    check("modelwright.explain/2", answer.json)
    facts = answer.json["explanation"]
    assert facts["full"] is True
    assert {i["columns"][0] for i in facts["importance"]["single"]} == {"price", "visits", "colour"}
    assert any(line.startswith("Chosen: ") for line in answer.json["lines"])
    page = (copied / "modelwright-runs" / "shop" / "report.html").read_text("utf-8")
    assert "What the model looks at" in page
    assert "partial dependence on price" in page


def test_predict_explains_each_answer(built: Built) -> None:
    new = shop(6, seed=2).drop(columns="bought")
    new.to_csv(built.folder / "why.csv", index=False)
    facts = call(built.folder, "predict", "shop", "why.csv", "--explain", "--json").json
    for row in facts["rows"]:
        why = row["explanation"]
        assert {part["column"] for part in why["parts"]} == {"price", "visits", "colour"}
        total = why["base"] + sum(part["adds"] for part in why["parts"])
        assert abs(total - why["answer"]) < 1e-4
    call(built.folder, "predict", "shop", "why.csv", "--explain", "--out", "why_out.csv")
    with (built.folder / "why_out.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {"base", "adds_price", "adds_colour"} <= set(rows[0])


def test_question_tells_and_writes_a_page(built: Built) -> None:
    words = ("question", "shop.csv", "--target", "bought", "--protect", "colour")
    answer = call(built.folder, *words, "--out", "page.html", "--json")
    assert answer.code == 0, answer.err
    check("modelwright.question/1", answer.json)
    assert "Before predicting bought" in (built.folder / "page.html").read_text("utf-8")
    plain = call(built.folder, *words)
    assert "Good to know:" in plain.out
    wrong = call(built.folder, "question", "shop.csv", "--target", "nothing")
    assert wrong.code == 2
    assert wrong.err.count("\n") == 1
