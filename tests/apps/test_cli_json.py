"""Each --json output has exactly the keys and kinds that docs/json.md tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from command_line import Built, call, shop

DOCUMENT = Path(__file__).parents[2] / "docs" / "json.md"
KINDS: Mapping[str, Any] = {
    "text": str, "number": (int, float), "whole number": int, "truth": bool, "list": list,
    "object": dict, "null": type(None),
}  # fmt: skip


def documented() -> dict[str, dict[str, list[str]]]:
    """Schema name -> key -> kinds, from the tables of the document."""
    found: dict[str, dict[str, list[str]]] = {}
    keys: dict[str, list[str]] = {}
    for line in DOCUMENT.read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"## `([a-z.\-]+/\d+)`.*", line):
            keys = found.setdefault(heading.group(1), {})
        elif row := re.match(r"\| `(\w+)` \| ([a-z ]+) \|", line):
            keys[row.group(1)] = row.group(2).split(" or ")
    return found


def agrees(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "truth"
    return isinstance(value, KINDS[kind])


def check(name: str, value: Mapping[str, Any]) -> None:
    told = documented()[name]
    assert set(value) == set(told), name
    for key, kinds in told.items():
        assert any(agrees(value[key], k.strip()) for k in kinds), (name, key, value[key], kinds)
    if "schema" in told:
        assert value["schema"] == name


def test_build(built: Built) -> None:
    assert built.answer.code == 0, built.answer.err
    facts = built.answer.json
    check("modelwright.build/3", facts)
    for student in facts["students"]:  # of longer budgets: tests/recipes/test_students.py
        check("modelwright.student/1", student)
    assert facts["exit_code"] == 0
    assert facts["within_limits"] is True
    assert (built.folder / facts["model"] / "manifest.json").exists()
    assert facts["score"] > facts["baseline"]
    assert "best so far" in built.answer.err  # progress goes beside the result, in plain lines
    assert "\r" not in built.answer.err


def test_dry_run_spends_nothing(built: Built) -> None:
    words = ("build", "shop.csv", "--target", "bought", "--dry-run", "--json", "--workspace", "w")
    answer = call(built.folder, *words)
    assert answer.code == 0
    check("modelwright.plan/2", answer.json)
    facts = call(built.folder, "question", "shop.csv", "--target", "bought", "--json").json
    check("modelwright.question/1", facts)
    assert answer.json["rows"]["n_rows"] == 600
    assert not (built.folder / "w").exists()


def test_status_and_runs(built: Built) -> None:
    facts = call(built.folder, "status", "--json").json
    check("modelwright.status/2", facts)
    assert facts["status"] == "finished"
    rows = call(built.folder, "runs", "--json").json
    assert [row["run"] for row in rows] == ["shop"]
    check("modelwright.status/2", rows[0])


def test_runs_lists_what_cannot_be_read(tmp_path: Path) -> None:
    broken = tmp_path / "modelwright-runs" / "broken"
    broken.mkdir(parents=True)
    (broken / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    answer = call(tmp_path, "runs", "--json")
    assert answer.code == 0
    (row,) = answer.json
    assert set(row) == set(documented()["modelwright.status/2"])
    assert row["status"] == "unreadable"
    assert row["reason"]


def test_leaderboard_is_a_list_of_candidates(built: Built) -> None:
    rows = call(built.folder, "leaderboard", "--json").json
    assert isinstance(rows, list)
    for row in rows:
        check("modelwright.leaderboard/1", row)
    assert [row["place"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0]["champion"] is True
    assert rows[0]["candidate"] == built.answer.json["candidate"]


def test_explain_and_report(built: Built) -> None:
    check("modelwright.explain/2", call(built.folder, "explain", "--json").json)
    first = call(built.folder, "leaderboard", "--json").json[0]
    facts = call(built.folder, "explain", first["candidate"][:6], "--json").json
    check("modelwright.explain/2", facts)
    assert facts["candidate"] == first["candidate"]
    facts = call(built.folder, "report", "--json").json
    check("modelwright.report/1", facts)
    check("modelwright.policy/1", call(built.folder, "policy", "show", "--json").json)
    assert (built.folder / facts["report"]).exists()


def test_predict(built: Built) -> None:
    new = shop(20, seed=1).drop(columns="bought")
    new.loc[0, "price"], new.loc[1, "colour"] = 1e6, "violet"
    new.to_csv(built.folder / "json_rows.csv", index=False)
    facts = call(built.folder, "predict", "shop", "json_rows.csv", "--json").json
    check("modelwright.predict/1", facts)
    for row in facts["rows"]:
        check("modelwright.predict-row/1", row)
        assert abs(sum(row["shares"].values()) - 1) < 1e-5
    assert [bool(row["flags"]) for row in facts["rows"][:2]] == [True, True]
    assert facts["flagged"] == sum(bool(row["flags"]) for row in facts["rows"])
    words = ("predict", "shop", "json_rows.csv", "--coverage", "0.9", "--json")
    for row in call(built.folder, *words).json["rows"]:
        check("modelwright.predict-row/1", {k: v for k, v in row.items() if k != "set"})
        assert set(row["set"]) <= set(row["shares"])
    assert "`set`" in DOCUMENT.read_text("utf-8")


def test_ship_and_verify(copied: Path) -> None:
    rows = call(copied, "leaderboard", "--json").json
    other = next(row for row in rows if row["family"] == "Linear")
    facts = call(copied, "ship", "--candidate", other["candidate"], "--out", "mine", "--json").json
    check("modelwright.ship/2", facts)
    assert facts["candidate"] == other["candidate"]
    facts = call(copied, "verify", "--json").json
    check("modelwright.verify/1", facts)
    assert facts["ok"] is True
    assert facts["signer_known"] is True
    facts = call(copied, "verify", "mine", "--json").json
    check("modelwright.verify-model/3", facts)
    assert facts["problems"] == []
    assert (facts["onnx"], facts["contains_training_rows"]) == (True, False)
    assert "  - model.onnx answers as the model does" in call(copied, "verify", "mine").out


def test_decisions_lineage_audit_and_recall(copied: Path) -> None:
    check("modelwright.decisions/1", call(copied, "decisions", "--json").json)
    check("modelwright.lineage/1", call(copied, "lineage", "shop", "--json").json)
    check("modelwright.export/1", call(copied, "export", "--out", "r.zip", "--json").json)
    check("modelwright.audit/1", call(copied, "audit", "r.zip", "--json").json)
    facts = call(copied, "recall", "shop", "--reason", "swapped labels", "--json").json
    check("modelwright.recall/1", facts)


def test_every_documented_schema_is_checked_above() -> None:
    text = Path(__file__).read_text("utf-8")
    assert all(f'"{name}"' in text for name in documented())
    assert len(documented()) == 19
