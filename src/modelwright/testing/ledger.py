"""What every ledger must keep: `check_ledger` plays it against the place that a factory opens.

>>> from modelwright.ledger import open_ledger
>>> check_ledger(lambda: open_ledger(":memory:"), keeps=False)
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError, LedgerError, ModelwrightError
from modelwright.ledger import Head, Ledger, Row, genesis, sign_head

__all__ = ["CHECKS", "Factory", "check_ledger"]

Factory = Callable[[], Ledger]

# What a body may hold and a careless store or encoder would change.
BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"": None, "z": True, "a": [[], {}, [None]]},
    {"text": "quotes \" ' \\ and \n \t \x00 \x7f \u2028", "ключ": "值 🙂"},
    {"numbers": [0, -0.0, 0.1, 1e-300, 1.7976931348623157e308, 2**80, -(2**63), 1.0, 1]},
    {"long": "x" * 100_000, "sql": "'); DROP TABLE ledger_rows; -- ? %s {identity}"},
)


def check_ledger(factory: Factory, keeps: bool = True) -> None:
    """Runs every check in `CHECKS` on the ledgers that `factory()` opens.

    Each call opens the same place again, where several may be open at once; a place that does not
    last (one in memory) says so with `keeps=False`. Studies with names of chance are left in it.
    Raises AssertionError with what was seen. Takes a second or two.
    """
    for check, needs_keeping in CHECKS.items():
        if keeps or not needs_keeping:
            check(factory)


def _name(what: str) -> str:
    return f"{what} {secrets.token_hex(6)}"


@contextmanager
def _refused(kind: type[ModelwrightError], what: str, *words: str) -> Iterator[None]:
    said = None
    try:
        yield
    except kind as error:
        said = str(error)
    assert said is not None, f"{what}: no {kind.__name__} was raised"
    missing = [word for word in words if word not in said]
    assert not missing, f"{what}: the error says {said!r}, without {missing}"


def _same(found: Sequence[Row], expected: Sequence[Row], what: str) -> None:
    assert len(found) == len(expected), f"{what}: {len(found)} rows, expected {len(expected)}"
    for a, b in zip(found, expected, strict=True):
        assert a == b, f"{what}: {a} read, {b} expected"
        # 1 == 1.0 == True, and 0.0 == -0.0: only the text tells them apart.
        assert repr(a.body) == repr(b.body), f"{what}: {a.body!r} read, {b.body!r} expected"


def check_append(factory: Factory) -> None:
    """Rows come back as they were appended, by range and by kind; numbers count from 0."""
    study = _name("append")
    with factory() as ledger:
        assert ledger.length(study) == 0, "a study that is not there has length 0"
        assert ledger.head(study) == Head(-1, genesis(study), study), "its head is its genesis"
        assert list(ledger.rows(study)) == [], "it has no rows"
        with ledger.writer(study) as writer:
            assert writer.append([]) == [], "nothing appended gives nothing"
            made = writer.append([("first", {"i": 0})])
            made += writer.append([("order", {"i": 1}), ("evidence", {"i": 2})])
            made += writer.append([("order", {"i": 3})], durable=True)
        assert [row.n for row in made] == [0, 1, 2, 3], "rows are numbered from 0"
        assert [row.body["i"] for row in made] == [0, 1, 2, 3], "rows keep their order"
        _same(list(ledger.rows(study)), made, "all rows")
        _same(list(ledger.rows(study, 1, 3)), made[1:3], "rows 1 to 3")
        _same(list(ledger.rows(study, 2)), made[2:], "rows from 2")
        _same(list(ledger.rows(study, 4)), [], "rows past the end")
        _same(list(ledger.rows(study, 3, 99)), made[3:], "rows to past the end")
        _same(list(ledger.rows(study, kinds=["order"])), made[1::2], "rows of a kind")
        _same(list(ledger.rows(study, 2, kinds=("order", "evidence"))), made[2:], "of two kinds")
        _same(list(ledger.rows(study, kinds=[])), [], "rows of no kind")
        assert ledger.length(study) == 4, f"length is {ledger.length(study)}, 4 were appended"
        assert ledger.head(study) == Head(3, made[3].hash, study), "the head is the last row"
        assert study in ledger.studies(), "the study is listed"


def check_chain(factory: Factory) -> None:
    """Each row's hash is that of its parts in canonical JSON, and the next row's `prev`."""
    study = _name('chain "quoted" \\')
    with factory() as ledger:
        with ledger.writer(study) as writer:
            made = writer.append([(f"kind {i}", body) for i, body in enumerate(BODIES)])
        prev = genesis(study)
        for row, body in zip(ledger.rows(study), BODIES, strict=True):
            parts = {"study": study, "n": row.n, "kind": row.kind, "body": body, "prev": prev}
            assert row.prev == prev, f"row {row.n} does not follow from the one before it"
            assert row.hash == digest(parts), f"row {row.n} has another hash than its parts"
            assert repr(row.body) == repr(dict(sorted(body.items()))), f"{body} became {row.body}"
            prev = row.hash
        _same(list(ledger.rows(study)), made, "rows with odd bodies")


def check_all_or_nothing(factory: Factory) -> None:
    """An append that cannot be done leaves no row, and the writer goes on after it."""
    study = _name("all or nothing")
    with factory() as ledger, ledger.writer(study) as writer:
        writer.append([("first", {})])
        bad: tuple[Any, ...] = (
            {"x": float("nan")}, {"x": float("inf")}, {"x": object()}, {"x": "\ud800"}, [1], None,
        )  # fmt: skip
        for body in bad:
            with _refused(InputError, f"body {body!r}"):
                writer.append([("good", {}), ("bad", body)])
        for kind in ("", "a\nb", "\x00", None):
            with _refused(InputError, f"kind {kind!r}"):
                writer.append([("good", {}), (kind, {})])  # type: ignore[list-item]
        with _refused(LedgerError, "taking a message that is not there", "message"):
            writer.append([("good", {}), ("message", {"inbox_id": 2**62})])
        assert ledger.length(study) == 1, "a refused append left rows"
        writer.append([("second", {})])
        assert [row.kind for row in ledger.rows(study)] == ["first", "second"]
        assert ledger.verify(study).ok, "the chain holds after refused appends"
    with factory() as ledger, _refused(InputError, "a study without a name"):
        ledger.writer("")


def check_many(factory: Factory) -> None:
    """Thousands of rows are read in order, and studies do not mix."""
    studies, n = (_name("many"), _name("many")), 2100
    with factory() as ledger:
        with ledger.writer(studies[0]) as one, ledger.writer(studies[1]) as two:
            for start in range(0, n, 700):
                one.append([("a", {"i": i}) for i in range(start, start + 700)])
                two.append([("b", {"i": -start})])
        assert [row.body["i"] for row in ledger.rows(studies[0])] == list(range(n))
        assert [row.body["i"] for row in ledger.rows(studies[1])] == [0, -700, -1400]
        listed = [study for study in ledger.studies() if study in studies]
        assert listed == list(studies), "studies are listed in the order of their first rows"


def check_one_writer(factory: Factory) -> None:
    """A study has one writer at a time; closing it, by itself or with its ledger, frees it."""
    study = _name("one writer")
    with factory() as ledger:
        with ledger.writer(study) as writer:
            with _refused(LedgerError, "a second writer", study, "is being run by process"):
                ledger.writer(study)
            with ledger.writer(_name("another study")):
                pass
        writer.close()
        with _refused(LedgerError, "appending with a closed writer", "closed"):
            writer.append([("late", {})])
        with ledger.writer(study) as writer:
            writer.append([("first", {})])


def check_locks(factory: Factory) -> None:
    """The same holds between ledgers that are opened separately."""
    study = _name("locks")
    with factory() as ledger, factory() as other:
        with ledger.writer(study) as writer:
            writer.append([("first", {})])
            with _refused(LedgerError, "a second writer", study, "is being run by process"):
                other.writer(study)
        with other.writer(study) as writer:
            writer.append([("second", {})])
        left_open = ledger.writer(study)
        ledger.close()
        with other.writer(study) as writer:
            writer.append([("third", {})])
        left_open.close()
        assert [row.kind for row in other.rows(study)] == ["first", "second", "third"]


def check_inbox(factory: Factory) -> None:
    """Messages wait in order until a row takes them, once; a signature proves who wrote one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    study, other = _name("inbox"), _name("inbox")
    with factory() as ledger, ledger.writer(study) as writer:
        with _refused(LedgerError, "a message to no study", study):
            ledger.post(study, {"kind": "stop"})
        writer.append([("first", {})])
        assert writer.inbox() == [], "a new study has no messages"
        ids = [
            ledger.post(study, {"kind": "pause"}),
            ledger.post(study, {"kind": "stop"}, Ed25519PrivateKey.generate()),
        ]
        messages = writer.inbox()
        assert [message.id for message in messages] == ids, "messages keep their order"
        assert [message.body["kind"] for message in messages] == ["pause", "stop"]
        assert not messages[0].signature_holds, "an unsigned message has no signature"
        assert messages[1].signature_holds, "the signature of a message holds"
        with (
            ledger.writer(other) as stranger,
            _refused(LedgerError, "taking another study's message"),
        ):
            stranger.append([messages[0].entry()])
        (row,) = writer.append([messages[0].entry(ruling="allow")])
        assert row.body["inbox_id"] == ids[0], "the row says which message it took"
        assert row.body["ruling"] == "allow", "the row holds what was added"
        assert writer.inbox() == messages[1:], "a message that was taken does not wait"
        with _refused(LedgerError, "taking a message twice"):
            writer.append([("again", {}), messages[0].entry()])
        assert ledger.length(study) == 2, "taking a message twice left rows"


def check_verify(factory: Factory) -> None:
    """A whole chain verifies; a signed head proves its end, and only its own."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    study, other, key = _name("verify"), _name("verify"), Ed25519PrivateKey.generate()
    with factory() as ledger:
        with ledger.writer(study) as writer, ledger.writer(other) as stranger:
            writer.append([("a", {"i": i}) for i in range(5)])
            stranger.append([("a", {"i": i}) for i in range(5)])
            found = ledger.verify(study)
            assert (found.ok, found.n_rows, found.first_bad_row) == (True, 5, None), found
            assert found.message == "whole up to row 4, end not provable", found.message
            signed = sign_head(ledger.head(study), key)
            found = ledger.verify(study, signed)
            assert found.ok, found
            assert "not provable" not in found.message, found.message
            writer.append([("b", {})])
            found = ledger.verify(study, signed)
            assert found.ok, found
            assert "after it not provable" in found.message, found.message
        assert not ledger.verify(other, signed).ok, "a head proves only the study it names"
        forged = sign_head(Head(4, "0" * 64, study), key)
        assert not ledger.verify(study, forged).ok, "a head with another hash does not agree"
        longer = sign_head(Head(9, "0" * 64, study), key)
        assert ledger.verify(study, longer).first_bad_row == 6, "rows up to the head are missing"


def check_reopen(factory: Factory) -> None:
    """What was appended and posted is there when the place is opened again; a writer goes on."""
    study = _name("reopen")
    with factory() as ledger, ledger.writer(study) as writer:
        made = writer.append([("a", body) for body in BODIES])
        ledger.post(study, {"kind": "stop"})
    with factory() as ledger, ledger.writer(study) as writer:
        _same(list(ledger.rows(study)), made, "rows after opening again")
        made += writer.append([message.entry() for message in writer.inbox()])
    with factory() as ledger:
        _same(list(ledger.rows(study)), made, "rows after opening twice")
        assert ledger.inbox(study) == [], "a message stays taken"
        assert ledger.verify(study).ok, "the chain goes on over openings"


def check_readers(factory: Factory) -> None:
    """Others read while the writer appends: whole transactions in order, never half of one."""
    study, pictures, done = _name("readers"), [[0]], threading.Event()

    def read() -> None:
        with factory() as ledger:
            while not done.is_set():
                pictures.append([row.body["i"] for row in ledger.rows(study)])

    with factory() as ledger, ledger.writer(study) as writer:
        reader = threading.Thread(target=read)
        reader.start()
        for i in range(0, 300, 3):
            writer.append([("a", {"i": i}), ("b", {"i": i + 1}), ("c", {"i": i + 2})])
        done.set()
        reader.join()
    for picture in pictures[1:]:
        assert picture == list(range(len(picture))), f"rows are missing in {picture}"
        assert len(picture) % 3 == 0, "a reader saw half a transaction"


def check_closed(factory: Factory) -> None:
    """A closed ledger refuses in words."""
    ledger = factory()
    ledger.close()
    ledger.close()
    with _refused(LedgerError, "reading a closed ledger"):
        ledger.studies()


# True: needs a place that lasts, where several ledgers may be open at once.
CHECKS: dict[Callable[[Factory], None], bool] = {
    check_append: False,
    check_chain: False,
    check_all_or_nothing: False,
    check_many: False,
    check_one_writer: False,
    check_locks: True,
    check_inbox: False,
    check_verify: False,
    check_reopen: True,
    check_readers: True,
    check_closed: False,
}
