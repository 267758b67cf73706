"""The ledger's store in a SQLite file (or in memory), on the standard library's driver.

Write-ahead log with `synchronous = NORMAL`: a commit survives the death of the process at any
moment; a power cut may take the last commits, never tear one. `durable` commits are synced.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from modelwright.core.errors import LedgerError
from modelwright.ledger import lockfile
from modelwright.ledger.place import refuse_network
from modelwright.ledger.store import SCHEMA_VERSION, TABLES, Step

BUSY_SECONDS = 10.0
# In pages of 4 KiB. At SQLite's 1,000 the two syncs of a checkpoint come every 200 appends and
# cost as much as the appends do; 16 MB of log are a fair price (measured: 300 -> 160 us).
CHECKPOINT_PAGES = 4000

GUARDS = tuple(
    f"""CREATE TRIGGER IF NOT EXISTS ledger_rows_no_{verb.lower()} BEFORE {verb} ON ledger_rows
        BEGIN SELECT RAISE(ABORT, 'the rows of a ledger are never changed'); END"""
    for verb in ("UPDATE", "DELETE")
)


class SqliteStore:
    """A connection to a SQLite ledger; `path` None is a ledger in memory."""

    def __init__(self, path: Path | None, create: bool, read_only: bool) -> None:
        self.path, self.read_only = path, read_only
        self.name = str(path) if path else "the ledger in memory"
        self._process = os.getpid()
        self._mutex = threading.RLock()
        self._studies: set[str] = set()
        if path is not None:
            refuse_network(path)
            if not create and not path.is_file():
                raise LedgerError(f"there is no ledger at {path}.")
        try:
            self._connection = self._opened()
        except sqlite3.Error as error:
            raise self._told(error) from error

    # -- what the ledger asks for -------------------------------------------------------------

    def query(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """See `Store.query`."""
        with self._mutex:
            self._refuse_fork()
            try:
                return self._connection.execute(sql, args).fetchall()
            except sqlite3.Error as error:
                raise self._told(error) from error

    def change(self, steps: Sequence[Step], durable: bool) -> None:
        """See `Store.change`."""
        with self._mutex:
            self._refuse_fork()
            connection = self._connection
            try:
                if durable:  # cannot be changed inside a transaction
                    connection.execute("PRAGMA synchronous = FULL")
                connection.execute("BEGIN IMMEDIATE")
                for sql, rows, otherwise in steps:
                    if connection.executemany(sql, rows).rowcount != len(rows):
                        raise LedgerError(otherwise)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._told(error) from error
            finally:
                with contextlib.suppress(sqlite3.Error):  # the first error is the one to tell
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    if durable:
                        connection.execute("PRAGMA synchronous = NORMAL")
                        # Into the file itself, for whoever copies it alone. The commit is on the
                        # disk already: should there be no room for this, nothing is lost.
                        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def lock(self, study: str) -> None:
        """See `Store.lock`."""
        with self._mutex:
            if self.read_only:
                raise LedgerError(f"{self.name} was opened read-only; nothing can be written.")
            if self.path is not None:
                lockfile.take(lockfile.lock_path(self.path, study), study)
            elif study in self._studies:
                raise lockfile.busy(study, str(os.getpid()))
            self._studies.add(study)

    def unlock(self, study: str) -> None:
        """See `Store.unlock`."""
        with self._mutex:
            if study in self._studies and self.path is not None:
                lockfile.release(lockfile.lock_path(self.path, study))
            self._studies.discard(study)

    def close(self) -> None:
        """See `Store.close`. In a forked child it does nothing: the connection is the parent's."""
        with self._mutex:
            if os.getpid() == self._process:
                for study in list(self._studies):
                    self.unlock(study)
                self._connection.close()

    # -- opening ------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        if self.path is None:
            return self._connect(":memory:", self._ready)
        address = self.path.as_uri()
        if not self.read_only:
            return self._connect(f"{address}?mode=rwc", self._ready)
        try:
            return self._connect(f"{address}?mode=ro", self._holds_a_ledger)
        except sqlite3.OperationalError:
            # A write-ahead log needs a writable folder even to be read. Where no log is left, the
            # file is complete by itself, and nobody can be writing it (a read-only disk).
            log = self.path.with_name(self.path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            return self._connect(f"{address}?mode=ro&immutable=1", self._holds_a_ledger)

    def _connect(
        self, where: str, prepare: Callable[[sqlite3.Connection], None]
    ) -> sqlite3.Connection:
        connection = sqlite3.connect(
            where, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True
        )
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _ready(self, connection: sqlite3.Connection) -> None:
        """Checks what is there before anything is changed; makes the tables in an empty file."""
        version = self._version(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if version is None:
            self._make_tables(connection)

    def _holds_a_ledger(self, connection: sqlite3.Connection) -> None:
        if self._version(connection) is None:
            raise LedgerError(f"{self.name} holds no ledger.")

    def _version(self, connection: sqlite3.Connection) -> int | None:
        """The version of the tables that are there, None for an empty database."""
        names = [n for (n,) in connection.execute("SELECT name FROM sqlite_master")]
        if not names:
            return None
        if "ledger_schema" not in names:
            raise LedgerError(f"{self.name} is a SQLite file, but not a ledger.")
        (version,) = connection.execute("SELECT max(version) FROM ledger_schema").fetchone()
        if version != SCHEMA_VERSION:
            raise LedgerError(
                f"{self.name} has tables of version {version}, this program knows version "
                f"{SCHEMA_VERSION}; use the version of modelwright that wrote it."
            )
        return int(version)

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        if self._version(connection) is None:  # another process may have been faster
            for sql in (*TABLES, *GUARDS):
                connection.execute(sql.format(identity="INTEGER PRIMARY KEY"))
        connection.execute("COMMIT")
        if self.path is not None:  # a new file's name lives in its folder; make that last too
            folder = os.open(self.path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    # -- errors -------------------------------------------------------------------------------

    def _refuse_fork(self) -> None:
        if os.getpid() != self._process:
            raise LedgerError(f"{self.name} was opened by another process; open it here again.")

    def _told(self, error: sqlite3.Error) -> LedgerError:
        code = getattr(error, "sqlite_errorname", "")
        for start, sentence in _SENTENCES.items():
            if code.startswith(start):
                return LedgerError(sentence.format(name=self.name, error=error))
        return LedgerError(f"{self.name} cannot be used: {error}.")


_SENTENCES = {
    "SQLITE_FULL": "the disk of {name} is full; nothing of this step was recorded. "
    "Free some space and go on.",
    "SQLITE_IOERR": "{name} cannot be read or written ({error}); nothing of this step was "
    "recorded. Is the disk full, over quota or gone?",
    "SQLITE_BUSY": f"{{name}} has been locked by another process for over {BUSY_SECONDS:g} s.",
    "SQLITE_READONLY": "{name} is read-only; nothing can be written.",
    "SQLITE_CANTOPEN": "{name} cannot be opened; does its folder exist, and may it be written?",
    "SQLITE_NOTADB": "{name} is not a ledger: it is no SQLite file.",
    "SQLITE_CORRUPT": "{name} is damaged ({error}); restore it from a copy.",
    "SQLITE_CONSTRAINT_TRIGGER": "{name}: {error}.",
    "SQLITE_CONSTRAINT": "{name} already has a row with that number; another process wrote it.",
}
