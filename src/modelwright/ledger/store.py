"""Where rows are kept: what a database must do for the ledger, and the tables in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

SCHEMA_VERSION = 1

# `id` numbers rows in the order of their arrival, over all studies; the chain does not rest on it.
# No index by kind: it would cost an append 20 to 40 us, and finding the few rows of one kind among
# 100,000 takes 60 ms without (SQLite 3.40, bodies of 500 bytes, one core of a busy machine).
TABLES = (
    """CREATE TABLE IF NOT EXISTS ledger_rows (
        id {identity}, study TEXT NOT NULL, n BIGINT NOT NULL CHECK (n >= 0),
        kind TEXT NOT NULL, body TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL,
        UNIQUE (study, n))""",
    "CREATE INDEX IF NOT EXISTS ledger_rows_first ON ledger_rows (id) WHERE n = 0",
    """CREATE TABLE IF NOT EXISTS ledger_inbox (
        id {identity}, study TEXT NOT NULL, message TEXT NOT NULL,
        posted_at DOUBLE PRECISION NOT NULL, signer TEXT NOT NULL, signature TEXT UNIQUE,
        taken_n BIGINT)""",
    """CREATE INDEX IF NOT EXISTS ledger_inbox_new ON ledger_inbox (study, id)
        WHERE taken_n IS NULL""",
    "CREATE TABLE IF NOT EXISTS ledger_schema (version BIGINT NOT NULL PRIMARY KEY)",
    f"INSERT INTO ledger_schema VALUES ({SCHEMA_VERSION})",
)


class Step(NamedTuple):
    """A statement run once per tuple of arguments; each run must change exactly one row."""

    sql: str
    rows: Sequence[tuple[Any, ...]]
    otherwise: str


class Store(Protocol):
    """One connection to a database. Placeholders in SQL are `?`. Safe to use from threads.

    All methods raise LedgerError with one clear sentence.
    """

    @property
    def name(self) -> str:
        """What messages call the place."""

    def query(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that one statement gives; a statement that writes is committed."""

    def change(self, steps: Sequence[Step], durable: bool) -> None:
        """All steps in one transaction. `durable` returns only when it is on the disk for good.

        When a run of a step changes no row, nothing is kept and LedgerError(`otherwise`) rises.
        """

    def lock(self, study: str) -> None:
        """Takes the study for this process; LedgerError names the process that has it."""

    def unlock(self, study: str) -> None:
        """Lets go of the study."""

    def close(self) -> None:
        """Lets go of everything."""
