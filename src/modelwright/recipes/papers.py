"""The papers that go with every model: card, data sheet, bill of materials; and the signatures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.bill import Materials, bill_of_materials
from modelwright.readers.data_sheet import data_sheet
from modelwright.readers.fairness import read_fairness
from modelwright.readers.model_card import Subject, model_card, rights_of
from modelwright.readers.runs import RunFolder

CARD, SHEET, BILL = "README.md", "datasheet.md", "bom.json"
# Of an approval: all that its signature is made over, and the signature.
APPROVAL = (
    "study", "kind", "by", "request", "policy", "reason", "posted_at", "signer", "signature",
)  # fmt: skip
ALWAYS = ("numpy", "onnxruntime", "safetensors")  # what reads any model's files


def write_papers(run: RunFolder, record: Record, outcome: Outcome, draft: Path) -> None:
    """Writes card, data sheet and bill of materials into a draft that has all its other files."""
    from modelwright.models.bundle import MANIFEST, file_hashes

    facts = json.loads((draft / "model.json").read_text("utf-8"))
    teachers = _teachers(record, outcome)
    of = Subject(
        record, outcome, facts["card"], _licences(record, facts["card"], teachers),
        read_fairness(run) or {},
    )  # fmt: skip
    for name in (CARD, SHEET, BILL, MANIFEST):
        (draft / name).unlink(missing_ok=True)
    files = file_hashes(draft)
    bill = bill_of_materials(of, Materials(files, _libraries(facts), teachers))
    (draft / CARD).write_text(model_card(of), "utf-8")
    (draft / SHEET).write_text(data_sheet(record), "utf-8")
    (draft / BILL).write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", "utf-8")


def sign_papers(
    run: RunFolder, draft: Path, name: str, approval: Mapping[str, Any] | None = None
) -> None:
    """Signs a sealed draft with the workspace's keys, which are made when they are not there.

    `approval` is the decision of the person who approved it, which is signed with the files.
    """
    from modelwright.ledger import load_or_make_curve_key, load_or_make_key
    from modelwright.models.signature import sign_model

    curve = load_or_make_curve_key(run.key_path.with_name("models.pem"))
    told = {word: approval[word] for word in APPROVAL if word in approval} if approval else None
    sign_model(draft, name, load_or_make_key(run.key_path), curve, told)


def _teachers(record: Record, outcome: Outcome) -> list[dict[str, str]]:
    """What the model learnt from, with the hash of its file where the person brought one."""
    document = json.loads(outcome.trial.candidate.document)
    if not (isinstance(document, Mapping) and document.get("teach") and "teacher" in document):
        return []
    trial = int(document["teacher"]["trial"])
    teacher = record.view.outcome(trial)
    facts: Mapping[str, Any] = {} if teacher is None else teacher.evidence.facts
    if teacher is None or not teacher.trial.brought:
        return [{"name": f"trial {trial} of this run"}]
    told = {"name": Path(str(facts.get("source", "your model"))).name}
    return [told | ({"sha256": facts["sha256"]} if "sha256" in facts else {})]


def _licences(
    record: Record, card: Mapping[str, Any], teachers: list[dict[str, str]]
) -> dict[str, str]:
    brought = [t["name"] for t in teachers if not t["name"].startswith("trial ")]
    return {
        "data": rights_of(record).get("licence", "not stated"),
        **{f"teacher {name}": "not stated" for name in brought},
        **{f"backbone {name}": told for name, told in card.get("licences", {}).items()},
    }


def _libraries(facts: Mapping[str, Any]) -> dict[str, str]:
    """Versions of what the model needs to be loaded, by the names of packages."""
    from modelwright.models.portable import libraries_of

    names = {*ALWAYS, *libraries_of(m["family"] for m in facts.get("members", ()))}
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
