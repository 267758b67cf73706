"""The ledger's store in PostgreSQL, by URL: SQLAlchemy connects, psycopg runs the statements.

A commit returns when the server has it on disk, unless the server or the URL says otherwise
(`synchronous_commit`); a `durable` one always does. A study's lock is an advisory lock of the
session, so it goes with the connection; a pooler that hands one session to several clients
(pgbouncer in transaction mode) cannot be used.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from modelwright.core.canonical import digest
from modelwright.core.errors import LedgerError, MissingLibraryError
from modelwright.ledger.lockfile import busy
from modelwright.ledger.store import SCHEMA_VERSION, TABLES, Step

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Engine

# The server takes a moment to notice that the process which had a study was killed.
LOCK_SECONDS = 1.0

_GUARDS = (
    """CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION 'the rows of a ledger are never changed'; END$$""",
    """CREATE TRIGGER ledger_rows_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_rows
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()""",
)


class PostgresStore:
    """A connection to a PostgreSQL ledger, in the schema that the address leads to."""

    def __init__(self, address: str, create: bool, read_only: bool) -> None:
        self.read_only = read_only
        self._process = os.getpid()
        self._mutex = threading.RLock()
        self._studies: dict[str, int] = {}
        self.name, engine = _engine(address)
        self._connection = self._connect(engine)
        try:
            self._prepare(create)
        except BaseException:
            self.close()
            raise

    def query(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """See `Store.query`."""
        import psycopg

        with self._mutex:
            self._refuse_fork()
            try:
                return self._connection.execute(_marked(sql), args).fetchall()
            except psycopg.Error as error:
                raise self._told(error) from error

    def change(self, steps: Sequence[Step], durable: bool) -> None:
        """See `Store.change`."""
        import psycopg

        with self._mutex:
            self._refuse_fork()
            try:
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    if durable:
                        cursor.execute("SET LOCAL synchronous_commit = on")
                    for sql, rows, otherwise in steps:
                        cursor.executemany(_marked(sql), rows)
                        if cursor.rowcount != len(rows):
                            raise LedgerError(otherwise)
            except psycopg.Error as error:
                raise self._told(error) from error

    def lock(self, study: str) -> None:
        """See `Store.lock`."""
        if self.read_only:
            raise LedgerError(f"{self.name} was opened read-only; nothing can be written.")
        with self._mutex:
            if study in self._studies:  # a session may take its own lock twice
                raise busy(study, str(os.getpid()))
            ((schema,),) = self.query("SELECT current_schema()")
            number = int(digest([schema, study])[:16], 16) - 2**63
            until = time.monotonic() + LOCK_SECONDS
            while not self.query("SELECT pg_try_advisory_lock(?)", (number,))[0][0]:
                if time.monotonic() > until:
                    raise busy(study, self._holder(number))
                time.sleep(LOCK_SECONDS / 20)
            self._studies[study] = number

    def unlock(self, study: str) -> None:
        """See `Store.unlock`."""
        with self._mutex:
            number = self._studies.pop(study, None)
            if number is not None and not self._connection.closed:
                self.query("SELECT pg_advisory_unlock(?)", (number,))

    def close(self) -> None:
        """See `Store.close`. In a forked child it does nothing: the connection is the parent's."""
        with self._mutex:
            if os.getpid() == self._process:
                with contextlib.suppress(LedgerError):  # a lost connection holds nothing
                    for study in list(self._studies):
                        self.unlock(study)  # now, and not when the server notices that we left
                self._connection.close()

    def _connect(self, engine: Engine) -> psycopg.Connection:
        import psycopg
        import sqlalchemy

        try:
            session = engine.raw_connection()
        except (psycopg.Error, sqlalchemy.exc.DBAPIError) as error:
            raise self._told(error) from error
        connection: Any = session.driver_connection
        session.detach()  # from the engine's pool: from here on it is ours
        connection.autocommit = True
        return cast("psycopg.Connection", connection)

    def _prepare(self, create: bool) -> None:
        """Checks that the tables are there and of this version; makes them if allowed."""
        if self.read_only:
            self.query("SELECT set_config('default_transaction_read_only', 'on', false)")
        there = "SELECT to_regclass('ledger_schema') IS NOT NULL"
        if not self.query(there)[0][0]:
            if not create:
                raise LedgerError(f"there is no ledger at {self.name}.")
            self._make_tables()
        ((version,),) = self.query("SELECT max(version) FROM ledger_schema")
        if version != SCHEMA_VERSION:
            raise LedgerError(
                f"{self.name} has tables of version {version}, this program knows version "
                f"{SCHEMA_VERSION}; use the version of modelwright that wrote it."
            )

    def _make_tables(self) -> None:
        import psycopg

        identity = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
        try:
            with self._connection.transaction():
                # Two processes may come here at once; the second finds the tables made.
                self._connection.execute("SELECT pg_advisory_xact_lock(7234017283807667300)")
                if self.query("SELECT to_regclass('ledger_schema') IS NULL")[0][0]:
                    for sql in (*TABLES, *_GUARDS):
                        self._connection.execute(sql.replace("{identity}", identity).encode())
        except psycopg.Error as error:
            raise self._told(error) from error

    def _holder(self, number: int) -> str:
        """The name that the session with this lock gave itself: `PID on HOST`."""
        high, low = (number >> 32) & 0xFFFFFFFF, number & 0xFFFFFFFF
        found = self.query(
            "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = ? AND l.objid = ?",
            (high, low),
        )
        return str(found[0][0]).removeprefix("modelwright ") if found else "unknown"

    def _refuse_fork(self) -> None:
        if os.getpid() != self._process:
            raise LedgerError(f"{self.name} was opened by another process; open it here again.")

    def _told(self, error: Exception) -> LedgerError:
        driver = getattr(error, "orig", error)
        for start, sentence in _SENTENCES.items():
            if str(getattr(driver, "sqlstate", None) or "").startswith(start):
                return LedgerError(sentence.format(name=self.name))
        said = (str(driver).splitlines() or [type(driver).__name__])[0].rstrip(".")
        return LedgerError(f"{self.name} cannot be used: {said}.")


_SENTENCES = {
    "53100": "the disk of {name} is full; nothing of this step was recorded. "
    "Free some space and go on.",
    "25006": "{name} is read-only; nothing can be written.",
    "23505": "{name} already has a row with that number; another process wrote it.",
    "42501": "{name}: this user may not do that; grant it the right, or use another user.",
}


def _engine(address: str) -> tuple[str, Engine]:
    """The address without its password, and an engine that connects to it."""
    try:
        import psycopg  # noqa: F401
        import sqlalchemy
    except ImportError as error:
        raise MissingLibraryError(
            "a ledger in PostgreSQL needs psycopg: pip install 'modelwright[postgres]'."
        ) from error
    try:
        url = sqlalchemy.make_url(address).set(drivername="postgresql+psycopg")
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise LedgerError(
            "a PostgreSQL address is postgresql://USER:PASSWORD@HOST:PORT/DATABASE."
        ) from error
    who = f"modelwright {os.getpid()} on {socket.gethostname()}"[:63]
    ours = {"application_name": who, "connect_timeout": 10}
    engine = sqlalchemy.create_engine(
        url,
        poolclass=sqlalchemy.NullPool,
        connect_args={name: value for name, value in ours.items() if name not in url.query},
    )
    return url.set(drivername="postgresql").render_as_string(hide_password=True), engine


def _marked(sql: str) -> bytes:
    # psycopg asks for a literal string or bytes; ours are literals with other placeholders.
    return sql.replace("?", "%s").encode()
