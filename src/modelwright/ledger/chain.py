"""The values of a ledger: rows and how each is chained to the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modelwright.core.canonical import canonical, digest
from modelwright.core.errors import InputError, TamperedError

# What the store hands out for a row, body still as the text that was hashed:
# (n, kind, body, prev, hash).
RawRow = tuple[int, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a study. `n` counts from 0; `prev` is the hash of row n - 1."""

    study: str
    n: int
    kind: str
    body: dict[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a study: its `n` and hash; n = -1 and the genesis hash before the first."""

    n: int
    hash: str
    study: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found: whether all agrees, how many rows were read, and a sentence.

    `first_bad_row` is the `n` of the first row that is missing or does not agree, else None.
    """

    ok: bool
    n_rows: int
    message: str
    first_bad_row: int | None = None


def genesis(study: str) -> str:
    """What the first row of a study has as `prev`: a hash that depends on the study's name.

    >>> genesis("a") == genesis("a"), genesis("a") == genesis("b")
    (True, False)
    """
    return digest({"modelwright ledger": 1, "study": study})


def body_text(body: Mapping[str, Any]) -> str:
    """The canonical JSON text of a row's body. Raises InputError when it is not plain JSON."""
    if not isinstance(body, Mapping):
        raise InputError(f"the body of a row is a mapping; got {type(body).__name__}.")
    try:
        text = canonical(body)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"the body of a row must be plain JSON, without NaN or infinity: {error}."
        ) from error
    return text


def row_hash(study: str, n: int, kind: str, body: str, prev: str) -> str:
    """SHA-256 over the canonical JSON of `{body, kind, n, prev, study}`, the body given as text.

    The text is put together by hand, keys in canonical order, so that a body is encoded once.

    >>> whole = {"study": "s", "n": 0, "kind": "note", "body": {"a": 1}, "prev": "p"}
    >>> row_hash("s", 0, "note", '{"a":1}', "p") == digest(whole)
    True
    """
    text = (
        f'{{"body":{body},"kind":{_quoted(kind)},"n":{n},"prev":"{prev}","study":{_quoted(study)}}}'
    )
    # Only a tampered row can hold lone surrogates; it then gets a hash that nothing else has.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


@lru_cache(1024)
def _quoted(word: str) -> str:
    return canonical(str(word))  # str: a tampered column may hold anything


def read_row(study: str, raw: RawRow) -> Row:
    """The row with its body parsed. Raises TamperedError when that is not a JSON object."""
    n, kind, text, prev, own = raw
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise tampered(study, n, "its body is not a JSON object")
    return Row(study, n, kind, body, prev, own)


def checked(study: str, raws: Iterable[RawRow], prev: str | None, start: int) -> Iterator[RawRow]:
    """Passes on consecutive rows that agree with the chain, from row `start` on.

    `prev` is the hash before `start`, or None when it is not known. Raises TamperedError, its
    `row` set to the first `n` that is missing or does not agree.
    """
    for n, raw in enumerate(raws, start):
        if raw[0] != n:
            raise tampered(study, n, f"it is missing, the next one there is row {raw[0]}")
        if prev is not None and raw[3] != prev:
            raise tampered(study, n, "it does not follow from the row before it")
        check_own(study, raw)
        prev = raw[4]
        yield raw


def check_own(study: str, raw: RawRow) -> None:
    """Raises TamperedError when a row's content does not agree with its own hash."""
    n, kind, body, prev, own = raw
    if row_hash(study, n, kind, body, prev) != own:
        raise tampered(study, n, "its content does not agree with its hash")


def tampered(study: str, n: int, what: str) -> TamperedError:
    """The error about row `n`, which it also carries as `row`."""
    error = TamperedError(f"study {study!r} was changed at row {n}: {what}.")
    error.row = n
    return error
