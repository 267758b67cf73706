"""The graph over runs: a teacher's flaw reaches its students, and not who was only compared."""

from __future__ import annotations

from typing import Any

from modelwright.core.canonical import canonical
from modelwright.core.trial import Candidate
from modelwright.ledger import Row
from modelwright.readers.leaderboard import COLUMNS, as_csv
from modelwright.readers.lineage import Lineage, lineage
from modelwright.readers.lineage_page import lineage_page, who_and_what


def run(name: str, data: str, brought: str = "", role: str = "teacher") -> list[Row]:
    """Trial 0 is brought (or a search's), 1 learns from it, 2 is its control; 1 is shipped."""
    rows: list[tuple[str, dict[str, Any]]] = []
    about = {"source": {"name": data, "sha256": f"sha-{data}"}, "n_rows": 5}
    policy = {"name": "team"}
    rows.append(("study", {"problem": {"about": about}, "policy": policy, "budget": {}}))
    rows.append(("session", {"version": "1", "python": "3"}))
    student = {"teach": True, "teacher": {"trial": 0}}
    first = canonical({"type": f"First of {name}"})
    documents = [first, canonical(student), canonical({**student, "teach": False})]
    for number, document in enumerate(documents):
        by = (role if brought else "random") if number == 0 else "closing"
        parents = [] if number == 0 else [Candidate(first).id]
        rows.append(("order", {"number": number, "document": document, "parents": parents,
                               "role": "student", "by": by, "reason": "r",
                               "promoted_from": None}))  # fmt: skip
    facts = {"source": f"<b>{brought}</b>", "sha256": brought} if brought else {}
    rows.append(("evidence", {"trial": 0, "facts": facts}))
    chosen = Candidate(documents[1]).id
    rows.append(("message", {"kind": "approve", "by": "ada", "candidate": chosen}))
    rows.append(("message", {"kind": "approve", "by": "eve", "candidate": chosen,
                             "ignored": "forged"}))  # fmt: skip
    rows.append(("policy", {"policy": {"name": "stricter"}, "hash": "h" * 64, "by": "ada"}))
    for trial, document in enumerate(documents):
        ship = {"bundle": f"{name}{trial}", "candidate": Candidate(document).id, "trial": trial}
        rows.append(("ship", {**ship, "folder": "model", "onnx": f"onnx-{name}{trial}"}))
    return [Row(name, n, kind, {**body, "at": 1.0}, "", f"{name:0>16}-{n}")
            for n, (kind, body) in enumerate(rows)]  # fmt: skip


def graph() -> Lineage:
    return lineage({
        "a": run("a", "one.csv"), "b": run("b", "two.csv", "onnx-a1"),
        "c": run("c", "three.csv", "onnx-a1", role="yours"),
    })  # fmt: skip


def models(found: Lineage) -> set[str]:
    return {node.id for node in found.of_kind("model")}


def test_a_teachers_flaw_reaches_its_students_but_no_control() -> None:
    every = graph()
    (start,) = every.find("a1")
    below = every.descendants(start.id)
    assert models(below) >= {"model:a1", "model:b0", "model:b1"}
    assert not models(below) & {"model:a0", "model:a2", "model:b2"}
    assert "run:000000000000000c" not in below.nodes  # only compared with it
    assert [n.label for n in every.compared(start.id)] == ["run b", "run c"]
    assert "trial:000000000000000a:1" in every.made_of("model:b1").nodes
    assert "file:onnx-a1" not in every.made_of("model:c2").nodes  # only compared with it
    data = every.descendants("data:sha-one.csv")
    assert models(data) >= {"model:a0", "model:a1", "model:a2", "model:b1"}


def test_from_a_models_hash_to_data_policy_and_approver() -> None:
    every = graph()
    (start,) = every.find("b1")
    above = every.ancestors(start.id)
    assert {n.label for n in above.of_kind("data")} == {"data one.csv (5 rows)",
                                                         "data two.csv (5 rows)"}  # fmt: skip
    _, rules, approved = who_and_what(above)
    assert rules == "policy: policy 'team', policy 'stricter'"
    assert "ada said 'approve'" in approved
    assert "eve" not in approved  # what did not count is no approval
    drawn = lineage_page(every, "<script>")
    assert "<script>" not in drawn
    assert "&lt;b&gt;" not in drawn  # of a path only the last part is shown
    assert {edge[1] for edge in every.to_json()["edges"]} >= {"teaches", "is shipped as", "holds"}


def test_a_leaderboard_runs_no_formula_and_keeps_its_numbers() -> None:
    row = dict.fromkeys(COLUMNS, "") | {"reason": "=HYPERLINK(1)", "score": -0.5, "by": "@x"}
    assert as_csv([row]).splitlines()[1] == ",,,,,-0.5,,,,,,'@x,,,,,'=HYPERLINK(1)"
