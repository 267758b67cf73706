"""Tampered ledgers: how many are found, and how many whole ones are taken for tampered.

    python benchmarks/tamper.py [--tries 200] [--seed 0]

Each try copies a ledger of 60 rows, changes the file as someone would who may write to it (its
guards against UPDATE and DELETE removed first), and asks `verify`. Rows that are edited, deleted or
reordered have to be found from the chain alone; cut ends, removed studies and chains that were made
anew after a change, against a signed head that was exported before.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from modelwright.core.canonical import canonical
from modelwright.ledger import SignedHead, genesis, open_ledger, sign_head
from modelwright.ledger.chain import row_hash

STUDY, ROWS = "tampered", 60
Rng = np.random.Generator
Forge = Callable[[sqlite3.Connection, Rng], None]


def write_ledger(path: Path, seed: int) -> SignedHead:
    """A ledger of `ROWS` rows and its signed head."""
    rng = np.random.default_rng(seed)
    with open_ledger(path) as ledger, ledger.writer(STUDY) as writer:
        for n in range(ROWS // 2):
            body = {"trial": n, "loss": float(rng.normal()), "reason": f"design {n}"}
            writer.append([("order", {"number": n, "at": n}), ("evidence", body | {"at": n})])
        return sign_head(ledger.head(STUDY), Ed25519PrivateKey.generate())


def edit(db: sqlite3.Connection, rng: Rng) -> None:
    n = int(rng.integers(ROWS))
    ((text,),) = db.execute("SELECT body FROM ledger_rows WHERE n = ?", (n,))
    body = json.loads(text)
    body[sorted(body)[int(rng.integers(len(body)))]] = float(rng.normal())
    db.execute("UPDATE ledger_rows SET body = ? WHERE n = ?", (canonical(body), n))


def edit_and_hash(db: sqlite3.Connection, rng: Rng) -> None:
    """The row's own hash is made to fit; the next row still follows from the old one."""
    n = int(rng.integers(ROWS - 1))
    ((kind, prev),) = db.execute("SELECT kind, prev FROM ledger_rows WHERE n = ?", (n,))
    text = canonical({"loss": float(rng.normal())})
    own = row_hash(STUDY, n, kind, text, prev)
    db.execute("UPDATE ledger_rows SET body = ?, hash = ? WHERE n = ?", (text, own, n))


def delete(db: sqlite3.Connection, rng: Rng) -> None:
    first = int(rng.integers(ROWS - 1))
    last = int(rng.integers(first + 1, ROWS))
    db.execute("DELETE FROM ledger_rows WHERE n >= ? AND n < ?", (first, last))
    if rng.random() < 0.5:  # and close the gap in the numbers; one by one, as numbers are unique
        for n in range(last, ROWS):
            db.execute("UPDATE ledger_rows SET n = ? WHERE n = ?", (n - (last - first), n))


def reorder(db: sqlite3.Connection, rng: Rng) -> None:
    a, b = (int(n) for n in rng.choice(ROWS, 2, replace=False))
    for old, new in ((a, 10_000), (b, a), (10_000, b)):
        db.execute("UPDATE ledger_rows SET n = ? WHERE n = ?", (new, old))


def truncate(db: sqlite3.Connection, rng: Rng) -> None:
    db.execute("DELETE FROM ledger_rows WHERE n >= ?", (int(rng.integers(0, ROWS)),))


def rechain(db: sqlite3.Connection, rng: Rng) -> None:
    """One row is edited, or the end cut off and replaced, and every hash after it made anew."""
    edit(db, rng)
    if rng.random() < 0.3:
        db.execute("DELETE FROM ledger_rows WHERE n = ?", (ROWS - 1,))
    prev = genesis(STUDY)
    for n, kind, body in db.execute("SELECT n, kind, body FROM ledger_rows ORDER BY n").fetchall():
        own = row_hash(STUDY, n, kind, body, prev)
        db.execute("UPDATE ledger_rows SET prev = ?, hash = ? WHERE n = ?", (prev, own, n))
        prev = own


ALONE: tuple[Forge, ...] = (edit, edit_and_hash, delete, reorder)
AGAINST_HEAD: tuple[Forge, ...] = (truncate, rechain)


def attempt(source: Path, head: SignedHead, forge: Forge | None, rng: Rng) -> bool:
    """True when `verify` says that a copy was tampered with."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        shutil.copy(source, path)
        if forge is not None:
            with closing(sqlite3.connect(path)) as db, db:
                for verb in ("update", "delete"):
                    db.execute(f"DROP TRIGGER ledger_rows_no_{verb}")
                forge(db, rng)
        with open_ledger(path, create=False, read_only=True) as ledger:
            return not ledger.verify(STUDY, head if forge in (None, *AGAINST_HEAD) else None).ok


def measure(tries: int, seed: int) -> dict[str, tuple[int, int]]:
    """For each kind of change: how many were found, of how many; and whole copies blamed."""
    rng = np.random.default_rng(seed)
    found, made = Counter[str](), Counter[str]()
    kinds = (*ALONE, *AGAINST_HEAD)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ledger.sqlite"
        head = write_ledger(source, seed)
        for i in range(tries):
            forge = kinds[i % len(kinds)]
            made[forge.__name__] += 1
            found[forge.__name__] += attempt(source, head, forge, rng)
        for _ in range(20):
            made["untouched"] += 1
            found["untouched"] += attempt(source, head, None, rng)
    return {name: (found[name], made[name]) for name in made}


def main() -> None:
    """Prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    counts = measure(asked.tries, asked.seed)
    for name, (found, made) in counts.items():
        print(f"{name:15} found {found} of {made}")
    touched = [pair for name, pair in counts.items() if name != "untouched"]
    print(f"tampered        found {sum(f for f, _ in touched)} of {sum(m for _, m in touched)}")


if __name__ == "__main__":
    main()
