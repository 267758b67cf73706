"""The one who may append to a study."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError, LedgerError
from modelwright.ledger.chain import Head, Row, body_text, row_hash
from modelwright.ledger.message import Message
from modelwright.ledger.store import Step, Store

if TYPE_CHECKING:
    from modelwright.ledger.ledger import Ledger

_INSERT = "INSERT INTO ledger_rows (study, n, kind, body, prev, hash) VALUES (?, ?, ?, ?, ?, ?)"
_TAKE = "UPDATE ledger_inbox SET taken_n = ? WHERE id = ? AND study = ? AND taken_n IS NULL"


class Writer:
    """The one writer of a study; made by `Ledger.writer`, let go by `close` or `with`."""

    def __init__(self, ledger: Ledger, store: Store, study: str) -> None:
        self.study = _printable(study, "the name of a study")
        self._ledger, self._store = ledger, store
        self._mutex = threading.Lock()
        self._open = True
        store.lock(study)
        try:
            self._head: Head | None = self._checked_head()
        except BaseException:
            store.unlock(study)
            raise

    def append(
        self, entries: Sequence[tuple[str, dict[str, Any]]], durable: bool = False
    ) -> list[Row]:
        """Adds one row per (kind, body), all in one transaction, and returns them as read back.

        A row of kind `message` whose body has an `inbox_id` also takes that message; when it was
        taken before, nothing is appended. With `durable` the rows are on the disk for good when
        this returns (approvals, promotions, shipping); without, they survive the death of the
        process, but a power cut may take the last ones. Raises InputError for a body that is not
        plain JSON, LedgerError when the rows cannot be written; then none of them is.
        """
        with self._mutex:
            if not self._open:
                raise LedgerError(f"the writer of study {self.study!r} is closed.")
            if self._head is None:
                self._head = self._checked_head()
            made, values, taken = self._make(self._head, entries)
            if not made:
                return []
            steps = [Step(_INSERT, values, "rows were not added")]
            if taken:
                said = f"a message to study {self.study!r} was already taken, or never posted."
                steps.append(Step(_TAKE, taken, said))
            # Should the commit fail half-way, the head is whatever the store then says it is.
            self._head = None
            self._store.change(steps, durable)
            self._head = Head(made[-1].n, made[-1].hash, self.study)
            return made

    def inbox(self) -> list[Message]:
        """The messages that nobody has taken yet, oldest first."""
        return self._ledger.inbox(self.study)

    def close(self) -> None:
        """Lets go of the study. May be called twice."""
        with self._mutex:
            if self._open:
                self._open = False
                self._store.unlock(self.study)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _make(
        self, head: Head, entries: Sequence[tuple[str, dict[str, Any]]]
    ) -> tuple[list[Row], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The rows, the values of their columns, and (row, id, study) of messages taken."""
        study, n, prev = self.study, head.n, head.hash
        made, values, taken = [], [], []
        for kind, body in entries:
            text, n = body_text(body), n + 1
            own = row_hash(study, n, _printable(kind, "the kind of a row"), text, prev)
            # Read back from the text, so that a live run folds exactly what a resumed one will.
            made.append(Row(study, n, kind, json.loads(text), prev, own))
            values.append((study, n, kind, text, prev, own))
            if kind == "message" and "inbox_id" in body:
                taken.append((n, _inbox_id(body), study))
            prev = own
        return made, values, taken

    def _checked_head(self) -> Head:
        head = self._ledger.head(self.study)
        for _ in self._ledger.rows(self.study, head.n):  # a damaged end must not be built upon
            pass
        return head


def _printable(word: str, what: str) -> str:
    if not isinstance(word, str) or not word.isprintable() or not word:
        raise InputError(f"{what} is a text of printable characters; got {word!r}.")
    return word


def _inbox_id(body: Mapping[str, Any]) -> int:
    number = body["inbox_id"]
    if type(number) is not int or not 0 < number < 2**63:
        raise InputError(f"inbox_id is the id of a message, a positive number; got {number!r}.")
    return number
