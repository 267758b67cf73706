"""The command that checks: a run's chain of rows, or the files of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modelwright.apps.words import emit_json, say, writing
from modelwright.core.errors import InputError
from modelwright.ledger import SignedHead, load_or_make_key, public_key, sign_head
from modelwright.readers.runs import RunFolder, find_run, open_run, study_of

MANIFEST = "manifest.json"
HEAD = "head.json"


def verify(
    what: str | None, head: str | None, export: str | None, workspace: str, as_json: bool,
    signer: str | None = None,
) -> int:  # fmt: skip
    """Checks and says what was proved; returns 0 when all agrees, else 1.

    `signer` is the public key that must have signed, where the caller knows it from elsewhere.
    """
    if what is not None and (Path(what) / MANIFEST).exists():
        return _verify_model(Path(what), signer, as_json)
    run = find_run(what, workspace)
    signed = _read_head(Path(head)) if head else shipped_head(run)
    if signer is not None and (signed is None or signed.signer != signer):
        raise InputError(
            f"there is no head of {run.name} signed by {signer[:16]}: name it, --head."
        )
    ledger = open_run(run)
    try:
        study = study_of(ledger)
        found = ledger.verify(study, signed)
        if export is not None:
            written = sign_head(ledger.head(study), load_or_make_key(run.key_path))
            with writing(export):
                Path(export).write_text(json.dumps(written.to_json(), indent=1) + "\n", "utf-8")
    finally:
        ledger.close()
    facts: dict[str, Any] = {
        "schema": "modelwright.verify/1",
        "run": run.name,
        "ok": found.ok,
        "rows": found.n_rows,
        "first_bad_row": found.first_bad_row,
        "message": found.message,
        "signer": None if signed is None else signed.signer,
        "signer_known": signed is not None and signed.signer == _own_signer(run),
        "against": head or (str(run.model_path / HEAD) if signed is not None else None),
    }
    if as_json:
        emit_json(facts)
    else:
        say(f"{run.name}: {found.message}")
        if signed is not None:
            whose = "this workspace's key" if facts["signer_known"] else "a key of elsewhere"
            say(f"checked against {facts['against']}, signed by {signed.signer[:16]}, {whose}")
        if export is not None:
            say(f"signed head written to {export}; keep it where this machine cannot write")
    return 0 if found.ok else 1


def _read_head(path: Path) -> SignedHead:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"the signed head {str(path)!r} cannot be read: {error}.") from None
    if not isinstance(data, dict):
        raise InputError(f"{str(path)!r} holds no signed head.")
    return SignedHead.from_json(data)


def shipped_head(run: RunFolder) -> SignedHead | None:
    """The signed head that went with the run's model. Raises InputError when it is damaged."""
    path = run.model_path / HEAD
    return _read_head(path) if path.exists() else None


def _own_signer(run: RunFolder) -> str | None:
    path = run.key_path
    return public_key(load_or_make_key(path)) if path.exists() else None


UNPROVEN = (
    "who holds the key that signed: compare it with what its holder told you (--signer)",
    "what the model was made of: 'modelwright lineage' and 'audit' tell, where the run is",
)


def _verify_model(folder: Path, signer: str | None, as_json: bool) -> int:
    from modelwright.models import verify_bundle
    from modelwright.models.bundle import read_card
    from modelwright.models.portable import told_of
    from modelwright.models.signature import check_signature
    from modelwright.readers.decisions import signer_of
    from modelwright.readers.requests import plain

    problems = verify_bundle(folder)
    signed = check_signature(folder)
    if signer is not None and signed.signer != signer and not problems:
        found = f"signed by {signed.signer[:16]}" if signed.signer else "not signed"
        problems.append(f"the model is {found}, and not signed by {signer[:16]}")
    card = {} if problems else read_card(folder)  # a changed card is not repeated
    said = {key: value for key, value in signed.approval.items() if key != "study"}
    try:
        approver = signer_of(str(signed.approval.get("study")), said)
    except (TypeError, ValueError):  # whoever signed the model can write anything
        approver = ""
    approver = "" if approver == "does not hold" else approver
    if as_json:
        emit_json(
            {"schema": "modelwright.verify-model/3", "model": str(folder), "ok": not problems,
             "problems": problems, "contains_training_rows": card.get("contains_training_rows"),
             "onnx": card.get("onnx", {}).get("written"), "signer": signed.signer or None,
             "approval": dict(signed.approval) or None, "approver": approver or None,
             "unproven": list(UNPROVEN)}
        )  # fmt: skip
    elif problems:
        say("\n".join(problems))
    else:
        say(f"{folder}: every file is as it was written")
        whose = ", the key you named" if signer else ""
        say(f"  - signed by {signed.signer}{whose}" if signed.signer else "  - not signed")
        if signed.approval:
            whose = f"signed by {approver}" if approver else "WITHOUT A SIGNATURE THAT HOLDS"
            say(f"  - approved by {plain(said.get('by'))}, {whose}")
        for line in told_of(card):
            say(f"  - {line}")
        for line in UNPROVEN[1:] if signer else UNPROVEN:
            say(f"  - not proven: {line}")
    return 1 if problems else 0
