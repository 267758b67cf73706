"""Who changes the record behind its back is found out, and how far that goes."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from modelwright.core.canonical import canonical
from modelwright.core.errors import LedgerError, TamperedError
from modelwright.ledger import SignedHead, genesis, open_ledger, sign_head
from modelwright.ledger.chain import row_hash

KEY = Ed25519PrivateKey.generate()
N = 8
Forge = Callable[[sqlite3.Connection], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger whose study `s` has 8 rows, and another study that must not be disturbed."""
    path = tmp_path / "ledger.sqlite"
    with open_ledger(path) as ledger, ledger.writer("s") as writer, ledger.writer("t") as other:
        for i in range(N):
            writer.append([("score", {"trial": i, "loss": 0.5 - i / 100})])
            other.append([("score", {"trial": i})])
    return path


@pytest.fixture
def signed(path: Path) -> SignedHead:
    with open_ledger(path) as ledger:
        return sign_head(ledger.head("s"), KEY)


def forge(path: Path, change: Forge) -> None:
    """Changes the file as someone would who can write it: without its guards."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER ledger_rows_no_{verb}")
        change(connection)


def rechain(connection: sqlite3.Connection, start: int) -> None:
    """Makes all hashes from row `start` on fit again."""
    rows = connection.execute("SELECT n, kind, body, hash FROM ledger_rows WHERE study = 's'")
    prev = genesis("s")
    for n, kind, body, own in rows.fetchall():
        if n >= start:
            own = row_hash("s", n, kind, body, prev)
            connection.execute(
                "UPDATE ledger_rows SET prev = ?, hash = ? WHERE study = 's' AND n = ?",
                (prev, own, n),
            )
        prev = own


def edit(connection: sqlite3.Connection) -> None:
    connection.execute(
        """UPDATE ledger_rows SET body = '{"loss":0.0,"trial":3}' WHERE study = 's' AND n = 3"""
    )


def swap(connection: sqlite3.Connection) -> None:
    for old, new in ((3, 99), (4, 3), (99, 4)):
        connection.execute("UPDATE ledger_rows SET n = ? WHERE study = 's' AND n = ?", (new, old))


def swap_contents(connection: sqlite3.Connection) -> None:
    for column in ("body", "prev", "hash"):
        (three,), (four,) = connection.execute(
            f"SELECT {column} FROM ledger_rows WHERE study = 's' AND n IN (3, 4) ORDER BY n"
        )
        for n, value in ((3, four), (4, three)):
            connection.execute(
                f"UPDATE ledger_rows SET {column} = ? WHERE study = 's' AND n = ?", (value, n)
            )


def remove(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM ledger_rows WHERE study = 's' AND n = 3")


def remove_and_renumber(connection: sqlite3.Connection) -> None:
    remove(connection)
    for n in range(4, N):
        connection.execute("UPDATE ledger_rows SET n = ? WHERE study = 's' AND n = ?", (n - 1, n))


def from_another_study(connection: sqlite3.Connection) -> None:
    for column in ("kind", "body", "prev", "hash"):
        connection.execute(
            f"UPDATE ledger_rows SET {column} = (SELECT {column} FROM ledger_rows "
            "WHERE study = 't' AND n = 3) WHERE study = 's' AND n = 3"
        )


def kind(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE ledger_rows SET kind = 'note' WHERE study = 's' AND n = 3")


def kind_of_bytes(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE ledger_rows SET kind = x'ff00' WHERE study = 's' AND n = 3")


def hash_of_edited_row(connection: sqlite3.Connection) -> None:
    """An edit with that row's own hash made to fit: the next row gives it away."""
    edit(connection)
    ((text, prev),) = connection.execute(
        "SELECT body, prev FROM ledger_rows WHERE study = 's' AND n = 3"
    )
    own = row_hash("s", 3, "score", text, prev)
    connection.execute("UPDATE ledger_rows SET hash = ? WHERE study = 's' AND n = 3", (own,))


CHANGES: dict[Forge, int] = {
    edit: 3,
    swap: 3,
    swap_contents: 3,
    remove: 3,
    remove_and_renumber: 3,
    from_another_study: 3,
    kind: 3,
    kind_of_bytes: 3,
    hash_of_edited_row: 4,
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_found_from_the_chain_alone(change: Forge, path: Path) -> None:
    forge(path, change)
    with open_ledger(path) as ledger:
        found = ledger.verify("s")
        assert (found.ok, found.first_bad_row) == (False, CHANGES[change]), found
        assert found.n_rows == CHANGES[change]
        assert f"was changed at row {CHANGES[change]}:" in found.message
        with pytest.raises(TamperedError, match=f"changed at row {CHANGES[change]}") as caught:
            list(ledger.rows("s"))
        assert caught.value.row == CHANGES[change]
        assert ledger.verify("t").ok


def test_a_changed_row_is_found_when_only_its_kind_is_read(path: Path) -> None:
    forge(path, edit)
    with open_ledger(path) as ledger, pytest.raises(TamperedError, match="row 3"):
        list(ledger.rows("s", kinds=["score"]))


def test_a_removed_row_is_found_when_reading_begins_at_it(path: Path) -> None:
    forge(path, remove)
    with open_ledger(path) as ledger, pytest.raises(TamperedError, match="row 3: it is missing"):
        list(ledger.rows("s", 3))


def cut(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM ledger_rows WHERE study = 's' AND n >= 5")


def test_a_cut_tail_is_found_only_against_a_signed_head(path: Path, signed: SignedHead) -> None:
    forge(path, cut)
    with open_ledger(path) as ledger:
        found = ledger.verify("s")
        assert found.ok
        assert found.message == "whole up to row 4, end not provable"
        found = ledger.verify("s", signed)
        assert (found.ok, found.first_bad_row) == (False, 5)
        assert "row 7 was signed, the last one there is row 4" in found.message


def test_a_removed_study_is_found_against_a_signed_head(path: Path, signed: SignedHead) -> None:
    forge(path, lambda connection: connection.execute("DELETE FROM ledger_rows WHERE study = 's'"))
    with open_ledger(path) as ledger:
        assert "what a removed study looks like" in ledger.verify("s").message
        assert not ledger.verify("s", signed).ok


def rewrite(connection: sqlite3.Connection) -> None:
    edit(connection)
    rechain(connection, 3)


def test_a_forged_chain_is_found_only_against_a_signed_head(path: Path, signed: SignedHead) -> None:
    forge(path, rewrite)
    with open_ledger(path) as ledger:
        assert ledger.verify("s").ok
        assert [row.body["loss"] for row in ledger.rows("s", 3, 4)] == [0.0]
        found = ledger.verify("s", signed)
        assert not found.ok
        assert "row 7 is not the row that was signed" in found.message


def test_a_forged_chain_that_grew_is_found_too(path: Path, signed: SignedHead) -> None:
    forge(path, rewrite)
    with open_ledger(path) as ledger:
        with ledger.writer("s") as writer:
            writer.append([("score", {"trial": 9})] * 3)
        assert not ledger.verify("s", signed).ok


def test_a_signed_head_that_was_changed_is_none(path: Path, signed: SignedHead) -> None:
    forge(path, rewrite)
    with open_ledger(path) as ledger:
        head = ledger.head("s")
        changed = SignedHead("s", head.n, head.hash, signed.signer, signed.signature)
        found = ledger.verify("s", changed)
        assert not found.ok
        assert "not a valid one" in found.message


def test_nothing_is_built_on_a_damaged_end(path: Path) -> None:
    forge(
        path,
        lambda connection: connection.execute(
            "UPDATE ledger_rows SET body = '{}' WHERE study = 's' AND n = 7"
        ),
    )
    with open_ledger(path) as ledger:
        with pytest.raises(TamperedError, match="row 7"):
            ledger.writer("s")
        with pytest.raises(TamperedError, match="row 7"):  # and the lock is free again
            ledger.writer("s")


def test_a_forged_body_that_is_no_json_is_said_so(path: Path) -> None:
    def change(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE ledger_rows SET body = '[1' WHERE study = 's' AND n = 3")
        rechain(connection, 3)

    forge(path, change)
    with open_ledger(path) as ledger, pytest.raises(TamperedError, match="row 3: its body"):
        list(ledger.rows("s"))


@pytest.mark.parametrize("verb", ["UPDATE ledger_rows SET body = '{}'", "DELETE FROM ledger_rows"])
def test_sqlite_itself_refuses_changes(verb: str, path: Path) -> None:
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="never changed"),
    ):
        connection.execute(verb)


@pytest.mark.parametrize("verb", ["UPDATE {} SET n = 1", "DELETE FROM {}", "TRUNCATE {}"])
def test_postgres_itself_refuses_changes(verb: str, postgres: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    open_ledger(postgres).close()
    with (
        closing(psycopg.connect(postgres)) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="never changed"),
    ):
        connection.execute(verb.format("ledger_rows"))


def test_a_row_can_be_verified_with_standard_tools(path: Path) -> None:
    """The chain is plain: SHA-256 over canonical JSON, no code of ours needed."""
    with closing(sqlite3.connect(path)) as connection:
        n, kind, body, prev, own = connection.execute(
            "SELECT n, kind, body, prev, hash FROM ledger_rows WHERE study = 's' AND n = 2"
        ).fetchone()
    text = f'{{"body":{body},"kind":"{kind}","n":{n},"prev":"{prev}","study":"s"}}'
    assert hashlib.sha256(text.encode()).hexdigest() == own
    assert body == canonical({"trial": 2, "loss": 0.48})


def test_a_second_row_of_the_same_number_is_refused_by_the_database(path: Path) -> None:
    """Should a lock ever fail (a copied folder, a broken file system), the key still holds."""
    with open_ledger(path) as ledger, ledger.writer("s") as writer:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                "INSERT INTO ledger_rows (study, n, kind, body, prev, hash) "
                "VALUES ('s', ?, 'x', '{}', '', '')",
                (N,),
            )
        with pytest.raises(LedgerError, match="already has a row with that number"):
            writer.append([("mine", {})])
        assert ledger.length("s") == N + 1
        with pytest.raises(TamperedError, match=f"row {N}"):  # it looks again where the end is
            writer.append([("mine", {})])
