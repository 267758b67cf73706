"""What an auditor learns from a run's archive, on any machine: is it whole, and who decided what.

Nothing of the archive is run, loaded or written to the disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError, TamperedError
from modelwright.ledger import Row, SignedHead, genesis, verify_head
from modelwright.ledger.chain import body_text, checked, read_row
from modelwright.ledger.signing import verify_text
from modelwright.models.bundle import MANIFEST, SIGNATURES
from modelwright.models.signature import BUNDLE, check_envelope
from modelwright.models.signature import SIGNATURE as MODEL_SIGNATURE
from modelwright.readers.decisions import Decision, decisions
from modelwright.readers.export import CONTENTS, FOLDERS, FORMAT, HEAD, ROWS, SIGNATURE, SIGNED
from modelwright.readers.safe_zip import SafeZip

ROW = {"study": str, "n": int, "kind": str, "body": dict, "prev": str, "hash": str}
UNPROVEN = (
    "who holds the key, unless you compare it with what its holder told you (--signer)",
    "when things happened: times are those of the machine's clock",
    "what the data are beside their hash, and that no other run was made and left out",
)


@dataclass
class Audit:
    """What was found: sentences on what agrees, and on what does not; the decisions; the signer."""

    run: str = ""
    signer: str = ""
    rows: int = 0
    proved: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing disagrees."""
        return not self.problems


def audit(path: Path, signer: str | None = None) -> Audit:
    """Checks an archive. `signer` is the public key its maker gave you by another way.

    Raises InputError when it is no archive of a run, or is built to do harm.
    """
    found = Audit()
    with SafeZip(path) as archive:
        contents = _contents(archive, found, signer)
        _files(archive, contents, found)
        rows: dict[str, list[Row]] = {}
        for study, listed in groupby(_lines(archive), lambda line: str(line["study"])):
            rows.setdefault(study, []).extend(_chain(study, listed, found))
        main = rows.get(str(contents.get("study")), [])
        found.rows = len(main)
        _head(archive, HEAD, main, found)
        for folder in FOLDERS:
            if f"{folder}/{MANIFEST}" in archive.names:
                _model(archive, folder, main, found)
    try:
        found.decisions = decisions(main)
        found.problems += _unapproved(main, found.decisions)
    except (KeyError, TypeError, ValueError, AttributeError):
        found.problems.append("its rows are not those of a run")
    wrong = [d for d in found.decisions if d.signed == "does not hold"]
    found.problems += [f"row {d.n}: the signature on a person's word does not hold" for d in wrong]
    return found


def _contents(archive: SafeZip, found: Audit, signer: str | None) -> dict[str, Any]:
    text, signed = archive.read(CONTENTS).decode("utf-8", "replace"), _json(archive, SIGNATURE)
    contents = _json(archive, CONTENTS)
    if contents.get("format") != FORMAT or not isinstance(contents.get("files"), dict):
        raise InputError(f"{archive.path.name!r} is no archive of format {FORMAT} of a run.")
    found.run, found.signer = str(contents.get("run")), str(signed.get("signer"))
    if not verify_text(SIGNED + text, found.signer, str(signed.get("signature"))):
        found.problems.append("the list of contents is not what its signer signed")
    elif signer is not None and signer != found.signer:
        found.problems.append(f"signed by {found.signer[:16]}, and not by {signer[:16]}")
    else:
        known = "the key you named" if signer else "a key that only you can tell whose it is"
        found.proved.append(f"contents signed by {found.signer[:16]}, {known}")
    return contents


def _files(archive: SafeZip, contents: Mapping[str, Any], found: Audit) -> None:
    told: Mapping[str, str] = contents["files"]
    there = set(archive.names) - {CONTENTS, SIGNATURE}
    wrong = [f"{name} is missing" for name in told if name not in there]
    wrong += [f"{name} was added" for name in sorted(there - set(told))]
    wrong += [
        f"{n} was changed" for n, sha in told.items() if n in there and archive.digest(n) != sha
    ]
    found.problems += wrong
    if not wrong:
        found.proved.append(f"all {len(told)} files are as they were exported")


def _lines(archive: SafeZip) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(archive.lines(ROWS)):
        try:
            row = json.loads(line)
            plain = {name: row[name] for name, kind in ROW.items() if type(row[name]) is kind}
        except (ValueError, KeyError, TypeError, RecursionError):
            plain = {}
        if len(plain) < len(ROW):
            raise InputError(f"line {number + 1} of {ROWS} is no row of a ledger.")
        yield plain


def _chain(study: str, lines: Iterator[dict[str, Any]], found: Audit) -> list[Row]:
    """The rows of a study up to the first that does not agree with the chain."""
    rows: list[Row] = []
    raws = (
        (row["n"], row["kind"], body_text(row["body"]), row["prev"], row["hash"]) for row in lines
    )
    try:
        for raw in checked(study, raws, genesis(study), 0):
            rows.append(read_row(study, raw))
    except (TamperedError, InputError, UnicodeError) as error:
        found.problems.append(f"study {study!r}: {error}")
        return rows
    found.proved.append(f"study {study!r}: {len(rows)} rows, each follows from the one before it")
    return rows


def _head(archive: SafeZip, name: str, rows: list[Row], found: Audit) -> None:
    """Holds the rows against a signed head in the archive."""
    try:
        head = SignedHead.from_json(_json(archive, name))
    except InputError as error:
        found.problems.append(str(error))
        return
    if not verify_head(head, found.signer):
        found.problems.append(f"{name} is not signed by the archive's signer")
    elif not -1 < head.n < len(rows) or rows[head.n].hash != head.hash:
        found.problems.append(f"{name}: row {head.n} is not the row that was signed")
    else:
        found.proved.append(f"{name}: signed up to row {head.n} of {len(rows) - 1}")


def _model(archive: SafeZip, folder: str, rows: list[Row], found: Audit) -> None:
    """Holds a model against its manifest, its `ship` row and its signature."""
    begin = f"{folder}/"
    files = {n.removeprefix(begin): archive.digest(n) for n in archive.names if n.startswith(begin)}
    bundle = files[MANIFEST]
    listed = {name: sha for name, sha in files.items() if name not in (MANIFEST, *SIGNATURES)}
    if _json(archive, begin + MANIFEST).get("files") != listed:
        found.problems.append(f"{folder}: its files are not those of its {MANIFEST}")
    if not any(row.kind == "ship" and row.body.get("bundle") == bundle for row in rows):
        found.problems.append(f"{folder}: no row says that this model was shipped")
    signed = files.pop(MODEL_SIGNATURE, None)
    files.pop(BUNDLE, None)
    if signed is None:
        found.proved.append(f"{folder}: not signed (an older model)")
    else:
        told = check_envelope(archive.read(begin + MODEL_SIGNATURE), files)
        found.problems += [f"{folder}: {problem}" for problem in told.problems]
        if told.signer and told.signer != found.signer:
            found.problems.append(f"{folder} is signed by another key, {told.signer[:16]}")
        elif told.signer:
            found.proved.append(f"{folder}: every file is signed by the same key")
    _head(archive, begin + HEAD, rows, found)


def _unapproved(rows: list[Row], told: list[Decision]) -> list[str]:
    """What was done as if a person had agreed, and no signature that holds says so."""
    signed = {decision.n for decision in told if decision.signed not in ("", "does not hold")}
    agreed = {
        row.body.get("request") for row in rows
        if row.n in signed and row.body.get("kind") == "approve" and "ignored" not in row.body
    }  # fmt: skip
    return [
        f"row {row.n}: it was done, and nobody signed an approval of it" for row in rows
        if row.kind == "acted" and row.body.get("state") == "done"
        and row.body.get("request") not in agreed
    ]  # fmt: skip


def _json(archive: SafeZip, name: str) -> dict[str, Any]:
    try:
        value = json.loads(archive.read(name))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{name} in {archive.path.name!r} is no JSON object.")
    return value
