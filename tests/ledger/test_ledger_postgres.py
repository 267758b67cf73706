"""What only a server can do to a ledger."""

from __future__ import annotations

import subprocess
import sys

import pytest

from modelwright.core.errors import LedgerError
from modelwright.ledger import open_ledger


def test_a_missing_library_is_named() -> None:
    code = """
import sys
sys.modules["psycopg"] = None
from modelwright.core.errors import MissingLibraryError
from modelwright.ledger import open_ledger
try:
    open_ledger("postgresql://host/base")
except MissingLibraryError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'modelwright[postgres]'" in done.stdout


def test_a_server_that_is_not_there_and_no_word_of_the_password() -> None:
    address = "postgresql://me:very-secret@127.0.0.1:1/base"
    with pytest.raises(LedgerError, match=r"127\.0\.0\.1:1/base cannot be used") as caught:
        open_ledger(address)
    assert "very-secret" not in str(caught.value)
    with pytest.raises(LedgerError, match="a PostgreSQL address is") as caught:
        open_ledger("postgresql://me:very-secret@host:port/base")
    assert "very-secret" not in str(caught.value)


def test_a_database_that_is_not_there(postgres: str) -> None:
    with pytest.raises(LedgerError, match=r'cannot be used: .*database "none" does not exist\.$'):
        open_ledger(postgres.replace("/postgres?", "/none?"))


def test_a_schema_without_a_ledger(postgres: str) -> None:
    other = f"{postgres}&options=-csearch_path%3Dempty_schema"
    with pytest.raises(LedgerError, match="there is no ledger at"):
        open_ledger(other, create=False)


def test_the_address_may_name_the_driver(postgres: str) -> None:
    open_ledger(postgres).close()
    with open_ledger(postgres.replace("postgresql:", "postgresql+psycopg:")) as ledger:
        assert ledger.name.startswith("postgresql://")


def test_a_lost_connection_frees_the_study(postgres: str) -> None:
    with open_ledger(postgres) as ledger, open_ledger(postgres) as other:
        writer = ledger.writer("lost")
        writer.append([("first", {})])
        backend = ledger._store.query("SELECT pg_backend_pid()")[0]
        other._store.query("SELECT pg_terminate_backend(?, 5000)", backend)
        with pytest.raises(LedgerError, match="cannot be used"):
            writer.append([("second", {})])
        with other.writer("lost") as again:
            again.append([("third", {})])
        assert [row.kind for row in other.rows("lost")] == ["first", "third"]
        writer.close()
