"""A whole run as one archive that an auditor checks elsewhere; `recipes/auditing.py` reads it.

contents.json    SHA-256 of every other file, and what the archive is of
contents.sig     the signature over contents.json (Ed25519) and its signer
rows.jsonl       every row of the ledger, in its order
head.json        the signed head of the record as it was when the archive was made
policy.json, artefacts.json    the rules of the run; names and sizes of what trials left
model/, student/, report.html, leaderboard.csv, explanation.json, fairness.json    where there are
data/            the prepared data, only with `with_data`
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelwright.core.canonical import canonical, digest_file, digest_text
from modelwright.core.errors import InputError
from modelwright.ledger import Ledger, load_or_make_key, sign_head
from modelwright.ledger.signing import sign_text
from modelwright.readers.runs import RunFolder, open_run, study_of

FORMAT = 1
CONTENTS, SIGNATURE, ROWS, HEAD = "contents.json", "contents.sig", "rows.jsonl", "head.json"
FILES = ("report.html", "leaderboard.csv", "explanation.json", "fairness.json")
FOLDERS = ("model", "student")
SIGNED = "modelwright archive"  # keeps this signature from passing for another's


def export_run(run: RunFolder, out: Path, with_data: bool = False) -> dict[str, Any]:
    """Writes the archive and returns its contents. Raises InputError when `out` is there.

    Only files that are named here go in, and no links: no key, nothing of the environment.
    """
    if out.exists():
        raise InputError(f"{str(out)!r} is there already; name another archive.")
    key = load_or_make_key(run.key_path)
    beside = out.with_name(out.name + ".partial")
    hashes: dict[str, str] = {}
    try:
        with open_run(run) as ledger, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            study = study_of(ledger)
            # The head first: rows that are appended meanwhile come after it.
            head = sign_head(ledger.head(study), key).to_json()
            *_, last = ledger.rows(study, kinds=["study", "policy"])
            policy = last.body.get("policy", {})
            texts = {HEAD: head, "policy.json": policy, "artefacts.json": dict(_artefacts(run))}
            hashes[ROWS] = _write_rows(archive, ledger)
            for name, value in texts.items():
                text = json.dumps(value, indent=1, ensure_ascii=False)
                hashes[name] = digest_text(text)
                archive.writestr(name, text)
            for path in _files(run, with_data):
                name = path.relative_to(run.path).as_posix()
                # Arrays of zeros pack so well that a careful reader takes them for a bomb.
                packing = zipfile.ZIP_STORED if name.startswith("data/") else zipfile.ZIP_DEFLATED
                archive.write(path, name, packing)
                hashes[name] = digest_file(path)
            contents = {"format": FORMAT, "run": run.name, "study": study, "files": hashes}
            text = canonical(contents)
            archive.writestr(CONTENTS, text)
            signer, signature = sign_text(SIGNED + text, key)
            signed = {"signer": signer, "signature": signature}
            archive.writestr(SIGNATURE, canonical(signed))
        beside.rename(out)
    finally:
        beside.unlink(missing_ok=True)
    return {**contents, "signer": signer, "rows": head["n"] + 1}


def _write_rows(archive: zipfile.ZipFile, ledger: Ledger) -> str:
    import hashlib

    found = hashlib.sha256()
    with archive.open(ROWS, "w", force_zip64=True) as file:
        for study in ledger.studies():
            for row in ledger.rows(study):
                line = canonical({
                    "study": row.study, "n": row.n, "kind": row.kind, "body": row.body,
                    "prev": row.prev, "hash": row.hash,
                }).encode() + b"\n"  # fmt: skip
                found.update(line)
                file.write(line)
    return found.hexdigest()


def _files(run: RunFolder, with_data: bool) -> Iterator[Path]:
    folders = [*FOLDERS, "data"] if with_data else FOLDERS
    for path in [*(run.path / name for name in FILES), *(run.path / name for name in folders)]:
        for found in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if found.is_file() and not found.is_symlink():
                yield found


def _artefacts(run: RunFolder) -> Iterator[tuple[str, int]]:
    for path in sorted((run.path / "artefacts").rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(run.path / "artefacts").as_posix(), path.stat().st_size
