"""The record of studies: append-only, hash-chained rows, one writer per study, many readers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError, LedgerError, TamperedError, did_you_mean
from modelwright.ledger.chain import (
    Head,
    RawRow,
    Row,
    Verification,
    body_text,
    check_own,
    checked,
    genesis,
    read_row,
)
from modelwright.ledger.message import Message, message_text
from modelwright.ledger.signing import SignedHead, sign_text, verify_head
from modelwright.ledger.store import Store
from modelwright.ledger.writer import Writer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_CHUNK = 1000  # rows read at a time: no read lasts long enough to hold up a checkpoint

_POST = """INSERT INTO ledger_inbox (study, message, posted_at, signer, signature)
    VALUES (?, ?, ?, ?, ?) RETURNING id"""
_POSTED = "SELECT id FROM ledger_inbox WHERE signature = ?"
_STUDIES = "SELECT study FROM ledger_rows WHERE n = 0 ORDER BY id"
_HEAD = "SELECT n, hash FROM ledger_rows WHERE study = ? ORDER BY n DESC LIMIT 1"
_NEW = """SELECT id, message, posted_at, signer, signature FROM ledger_inbox
    WHERE study = ? AND taken_n IS NULL ORDER BY id"""
_READ = "SELECT n, kind, body, prev, hash FROM ledger_rows WHERE study = ? AND n >= ? AND n < ?"


def open_ledger(where: str | Path, create: bool = True, read_only: bool = False) -> Ledger:
    """Opens the ledger at `where`: a path, `":memory:"`, or `postgresql://...`.

    It is made when it is not there, unless `create` is False or it is opened `read_only`. Raises
    LedgerError when that cannot be done, or when the path lies on a network file system.

    >>> with open_ledger(":memory:") as ledger, ledger.writer("first") as writer:
    ...     _ = writer.append([("study", {"seed": 0}), ("order", {"number": 0})])
    ...     [row.kind for row in ledger.rows("first")], ledger.verify("first").message
    (['study', 'order'], 'whole up to row 1, end not provable')
    """
    text = str(where)
    if text.startswith(("postgresql:", "postgresql+psycopg:", "postgres:")):
        from modelwright.ledger.postgres import PostgresStore

        return Ledger(PostgresStore(text, create and not read_only, read_only))
    if "://" in text:
        raise LedgerError(
            "a ledger is a file or a PostgreSQL address (postgresql://...); "
            f"got an address that starts with {text.partition('://')[0]!r}."
        )
    from modelwright.ledger.sqlite import SqliteStore

    # Resolved, so that one file has one lock whatever path leads to it.
    path = None if text == ":memory:" else Path(where).expanduser().resolve()
    return Ledger(SqliteStore(path, create and not read_only, read_only))


class Ledger:
    """Studies and their rows in one place. Made by `open_ledger`; closed by `close` or `with`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def name(self) -> str:
        """Where it is, for messages; never with a password."""
        return self._store.name

    # -- reading ------------------------------------------------------------------------------

    def studies(self) -> list[str]:
        """The names of all studies that have rows, in the order of their first rows."""
        return [name for (name,) in self._store.query(_STUDIES)]

    def head(self, study: str) -> Head:
        """The last row's number and hash; number -1 for a study without rows."""
        found = self._store.query(_HEAD, (study,))
        n, last = found[0] if found else (-1, genesis(study))
        return Head(n, last, study)

    def length(self, study: str) -> int:
        """How many rows the study has, 0 when it is not there."""
        return self.head(study).n + 1

    def rows(
        self,
        study: str,
        start: int = 0,
        stop: int | None = None,
        kinds: Sequence[str] | None = None,
    ) -> Iterator[Row]:
        """The rows from `start` to before `stop` (default: those there now), of some kinds or all.

        Each row is checked as it is read; TamperedError rises at the first that does not agree.
        """
        stop = self.length(study) if stop is None else stop
        raws = self._raw_rows(study, max(start, 0), stop, kinds)
        if kinds is None:
            raws = checked(study, raws, genesis(study) if start <= 0 else None, max(start, 0))
        for raw in raws:
            if kinds is not None:
                check_own(study, raw)
            yield read_row(study, raw)

    def inbox(self, study: str) -> list[Message]:
        """The messages that nobody has taken yet, oldest first."""
        return [
            Message(id, study, json.loads(text), posted_at, signer, signature or "")
            for id, text, posted_at, signer, signature in self._store.query(_NEW, (study,))
        ]

    def verify(self, study: str, head: SignedHead | None = None) -> Verification:
        """Reads the whole chain and says whether it holds.

        Edited, removed and reordered rows are found from the chain alone. That rows were cut off
        the end, or that the whole chain was made anew, is found against a signed `head` that was
        kept elsewhere, up to its row.
        """
        n, at_head = -1, genesis(study)
        raws = self._raw_rows(study, 0, 2**62, None)
        try:
            for raw in checked(study, raws, genesis(study), 0):
                n = raw[0]
                if head is not None and n == head.n:
                    at_head = raw[4]
        except TamperedError as error:
            return Verification(False, n + 1, str(error), error.row)
        if head is None:
            end = "end not provable" if n >= 0 else "which is also what a removed study looks like"
            said = f"whole up to row {n}" if n >= 0 else f"study {study!r} has no rows"
            return Verification(True, n + 1, f"{said}, {end}")
        return _against_head(study, n, at_head, head)

    # -- writing ------------------------------------------------------------------------------

    def writer(self, study: str) -> Writer:
        """Takes the study for writing. Raises LedgerError when another writer has it.

        The lock goes with the process: a killed writer leaves none behind.
        """
        return Writer(self, self._store, study)

    def post(
        self, study: str, message: Mapping[str, Any], key: Ed25519PrivateKey | None = None
    ) -> int:
        """Puts a message into a study's inbox, signed when a key is given, and returns its id.

        Any process may, while the study is being run or not. Raises LedgerError when there is no
        such study, so that a word like `stop` is not left where nobody will read it.
        """
        text, now = body_text(message), time.time()
        signer, signature = sign_text(message_text(study, text, now), key) if key else ("", None)
        return self._post(study, text, now, signer, signature)

    def post_signed(self, message: Message) -> int:
        """Puts in a message that was signed elsewhere, and returns its id here.

        Raises InputError when its signature does not hold, LedgerError when it was posted before.
        """
        if not message.signature_holds:
            raise InputError("the signature of this message does not hold: forged, or not signed.")
        text = body_text(message.body)
        known = self._store.query(_POSTED, (message.signature,))
        if known:
            raise LedgerError(f"this message was posted before, as message {known[0][0]}.")
        return self._post(message.study, text, message.posted_at, message.signer, message.signature)

    def _post(
        self, study: str, text: str, posted_at: float, signer: str, signature: str | None
    ) -> int:
        if self.head(study).n < 0:
            near = did_you_mean(study, self.studies())
            raise LedgerError(f"there is no study {study!r} in {self.name}.{near}")
        return int(self._store.query(_POST, (study, text, posted_at, signer, signature))[0][0])

    def close(self) -> None:
        """Closes the connection and lets go of all locks taken through it."""
        self._store.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _raw_rows(
        self, study: str, start: int, stop: int, kinds: Sequence[str] | None
    ) -> Iterator[RawRow]:
        marks = "" if kinds is None else f" AND kind IN ({', '.join('?' * len(kinds)) or 'NULL'})"
        sql = f"{_READ}{marks} ORDER BY n LIMIT {_CHUNK}"
        while True:
            chunk = self._store.query(sql, (study, start, stop, *(kinds or ())))
            yield from chunk
            if len(chunk) < _CHUNK:
                return
            start = chunk[-1][0] + 1


def _against_head(study: str, n: int, at_head: str, head: SignedHead) -> Verification:
    """What a whole chain of `n` + 1 rows is worth beside a signed head."""
    if head.study != study or not verify_head(head):
        return Verification(False, n + 1, f"this signed head is not a valid one of study {study!r}")
    if n < head.n:
        said = f"study {study!r} was cut: row {head.n} was signed, the last one there is row {n}"
        return Verification(False, n + 1, said, n + 1)
    if at_head != head.hash:
        said = f"study {study!r} was written anew: row {head.n} is not the row that was signed"
        return Verification(False, n + 1, said, max(head.n, 0))
    said = f"whole up to row {n}, signed up to row {head.n} by {head.signer[:16]}"
    if n > head.n:
        said += ", the end after it not provable"
    return Verification(True, n + 1, said)
