"""A shipped model's papers, and its way back: verify, export, audit, lineage, recall."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Built, call
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from modelwright.core.errors import InputError, RefusedError
from modelwright.ledger import Message, Row, open_ledger
from modelwright.models.bundle import SIGNATURES
from modelwright.readers.decisions import decisions
from modelwright.readers.runs import RunFolder, record_of, study_of
from modelwright.readers.safe_zip import SafeZip
from modelwright.recipes.auditing import _unapproved
from modelwright.recipes.recalling import check_recalls


def test_the_card_is_read_by_its_hub_and_says_what_was_not_measured(built: Built) -> None:
    from huggingface_hub import ModelCard

    text = (built.run / "model" / "README.md").read_text()
    data: Any = ModelCard(text).data
    assert (data.pipeline_tag, data.license) == ("tabular-classification", "unknown")
    facts = json.loads((built.run / "model" / "model.json").read_text())["card"]
    assert [r.metric_value for r in data.eval_results] == [facts["score"]]
    assert "| sealed part | roc_auc | not measured | not measured |" in text
    assert "- Limit size_kb<=1000: met" in text
    sheet = (built.run / "model" / "datasheet.md").read_text()
    assert facts["data"]["sha256"] in sheet
    assert "| colour | categorical | 3 | 0.0% |  |" in sheet


def test_the_bill_of_materials_fits_its_schema(built: Built) -> None:
    text = (built.run / "model" / "bom.json").read_text()
    bill = json.loads(text)
    assert {part["type"] for part in bill["components"]} == {"data", "library"}
    names = {part["name"] for part in bill["metadata"]["component"]["components"]}
    assert {"model.json", "model.onnx", "head.json"} <= names
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6
    assert validation.JsonStrictValidator(schema).validate_str(text) is None


def test_verify_says_who_signed_and_what_is_not_proven(built: Built) -> None:
    told = call(built.folder, "verify", built.run / "model", "--json").json
    assert told["ok"]
    assert len(told["unproven"]) == 2
    again = call(built.folder, "verify", built.run / "model", "--signer", told["signer"])
    assert (again.code, "the key you named" in again.out) == (0, True)
    other = call(built.folder, "verify", built.run / "model", "--signer", "0" * 64)
    assert (other.code, "not signed by 0000" in other.out) == (1, True)


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def test_an_archive_is_checked_elsewhere_and_a_change_is_found(
    built: Built, tmp_path: Path
) -> None:
    facts = call(built.folder, "export", "shop", "--out", tmp_path / "run.zip", "--json").json
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        names = archive.namelist()
        assert b"PRIVATE KEY" not in b"".join(map(archive.read, names))
    assert not [name for name in names if name.startswith(("data/", "keys"))]
    audit = call(tmp_path, "audit", "run.zip", "--signer", facts["signer"], "--json").json
    assert (audit["ok"], audit["problems"], audit["rows"]) == (True, [], facts["rows"])
    did = [decision["what"] for decision in audit["decisions"]]
    assert did[0].startswith("chose policy 'fast'")
    assert any(what.startswith("shipped candidate") for what in did)
    changes: dict[str, Callable[[str, bytes], bytes]] = {
        "rows.jsonl was changed": lambda n, b: b.replace(b'"promote"', b'"reject"')
        if n == "rows.jsonl" else b,
        "model/README.md was changed": lambda n, b: b + b"." if n.endswith("README.md") else b,
        "the list of contents": lambda n, b: b.replace(b'"shop"', b'"shot"')
        if n == "contents.json" else b,
    }  # fmt: skip
    for i, (found, change) in enumerate(changes.items()):
        harmed = rewritten(tmp_path / "run.zip", tmp_path / f"{i}.zip", change)
        answer = call(tmp_path, "audit", harmed)
        assert (answer.code, found in answer.out) == (1, True), answer.out
    answer = call(tmp_path, "audit", "run.zip", "--signer", "0" * 64)
    assert (answer.code, "not by 0000" in answer.out) == (1, True)


def test_an_audit_holds_models_against_their_manifest(copied: Path) -> None:
    model = copied / "modelwright-runs" / "shop" / "model"
    for name in SIGNATURES:
        (model / name).unlink()
    (model / "model.json").write_text("{}")
    assert call(copied, "export", "shop").code == 0
    answer = call(copied, "audit", "run.zip")
    assert answer.code == 1
    assert "model: its files are not those of its manifest" in answer.out
    (copied / "app").mkdir()
    (copied / "app" / "manifest.json").write_text('{"name": "a page"}')
    assert call(copied, "predict", "app", "shop.csv").code == 2  # some other manifest


def test_an_audit_finds_what_was_done_without_a_signed_approval() -> None:
    key = Ed25519PrivateKey.generate()
    body = {"kind": "approve", "request": "r", "reason": "fine"}
    said = Message.signed("s", body, 1.0, key).entry()[1]
    done = {"request": "r", "state": "done", "reason": "shipped", "at": 1.0}

    def found(message: dict[str, Any]) -> list[str]:
        rows = [Row("s", n, kind, {**b, "at": 1.0}, "", "")
                for n, (kind, b) in enumerate([("message", message), ("acted", done)])]  # fmt: skip
        return _unapproved(rows, decisions(rows))

    assert found(said) == []
    for harm in ({"reason": "no"}, {"signature": ""}, {"ignored": "revoked"}, {"request": "x"}):
        (problem,) = found({**said, **harm})
        assert problem.startswith("row 1: it was done, and nobody signed")


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("model/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def _twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("a.json", "1")
    archive.writestr("A.json", "2")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda z: z.writestr("../out", "x"), "leads out"),
        (lambda z: z.writestr("/etc/x", "x"), "no plain relative name"),
        (lambda z: z.writestr("a\\b", "x"), "no plain relative name"),
        (lambda z: z.writestr("C:x", "x"), "no plain relative name"),
        (_link, "a link"),
        (_twice, "there twice"),
        (lambda z: z.writestr("rows.jsonl", bytes(2**22), zipfile.ZIP_DEFLATED), "200 times"),
        (lambda z: z.writestr("a", "x" * 99, zipfile.ZIP_LZMA), "not taken"),
    ],
)
def test_an_archive_that_would_do_harm_is_refused(
    tmp_path: Path, build: Callable[[zipfile.ZipFile], None], said: str
) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        build(archive)
    with pytest.raises(InputError, match=said):
        SafeZip(tmp_path / "bad.zip")
    assert call(tmp_path, "audit", "bad.zip").code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]


def _child_is_refused(run: RunFolder) -> None:
    """What comes of a recalled trial after its recall, as by `resume`, ships no more than it."""
    with open_ledger(run.ledger_path, create=False) as ledger:
        study = study_of(ledger)
        ship, *_ = (row.body for row in ledger.rows(study, kinds=["ship"]))
        rows = {kind: list(ledger.rows(study, kinds=[kind])) for kind in ("order", "evidence")}
        order = rows["order"][ship["trial"]].body
        (evidence,) = (r.body for r in rows["evidence"] if r.body["trial"] == ship["trial"])
        number = len(rows["order"])
        child = {"number": number, "document": "{}", "parents": [ship["candidate"]]}
        with ledger.writer(study) as writer:
            writer.append([("order", order | child), ("evidence", evidence | {"trial": number})])
        record = record_of(ledger, study)
        check_recalls(run, record, ledger, record.view.outcome(0))  # the baseline came before it
        with pytest.raises(RefusedError, match="labels were swapped"):
            check_recalls(run, record, ledger, record.view.outcome(number))


def test_a_recalled_model_is_refused_everywhere(copied: Path) -> None:
    model = copied / "modelwright-runs" / "shop" / "model"
    shutil.copytree(model, copied / "elsewhere")
    above = call(copied, "lineage", "shop", "--out", "l.html")
    assert "data: data shop.csv (600 rows)\npolicy: policy 'fast'\napproved by: nobody" in above.out
    assert "shop.csv" in (copied / "l.html").read_text()
    assert call(copied, "recall", "shop", "--reason", " ").code == 2
    done = call(copied, "recall", "elsewhere", "--reason", "labels were swapped", "--json").json
    assert done["label"].startswith("model ")
    _child_is_refused(RunFolder(copied / "modelwright-runs" / "shop"))
    teacher = ("build", "shop.csv", "--target", "bought", "--budget", "1trials", "--teacher")
    for words in (
        ("predict", "shop", "shop.csv"), ("predict", "elsewhere", "shop.csv"), ("serve", "shop"),
        ("ship", "shop"), (*teacher, model / "model.onnx"),
    ):  # fmt: skip
        answer = call(copied, *words)
        assert answer.code == 4, (words, answer)
        assert "labels were swapped" in answer.err
        assert answer.out == ""
    assert call(copied, "recall", "shop.csv", "--reason", "no consent").code == 0
    answer = call(copied, "build", "shop.csv", "--target", "bought", "--budget", "1trials")
    assert (answer.code, "no consent" in answer.err) == (4, True)
    assert sorted(p.name for p in (copied / "modelwright-runs").iterdir() if p.is_dir()) == [
        "keys", "shop",
    ]  # fmt: skip


def test_reasons_to_doubt_are_told(built: Built) -> None:
    told = call(built.folder, "explain", "shop").out
    assert "Reason to doubt it: few rows: 600 for learning and choosing." in told
    assert "not measured: shift" in told
