"""Reads a text table (CSV and its kin) into columns of raw text."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError
from modelwright.data.columns import counted
from modelwright.data.decode import CHUNK, Tally, chunks, encoding_of, head_of
from modelwright.data.dialect import GAP, Cutting, Dialect, sniff

if TYPE_CHECKING:
    import pyarrow as pa

# Above this share of lines with the wrong number of fields the dialect is more likely wrong.
MAX_RAGGED = 0.05


@dataclass(frozen=True)
class Reading:
    """What the user says about the file; None is: find out.

    `kinds` overrides the kind inferred for a column.
    """

    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None
    sheet: str | None = None
    kinds: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.separator is not None and len(self.separator) != 1:
            raise InputError(f"a separator is one character; got {self.separator!r}.")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise InputError(f"no encoding is called {self.encoding!r}.") from None


def read_text(
    path: Path, zipped: bool, how: Reading, expected: Collection[str] = ()
) -> tuple[pa.Table, Dialect, list[str]]:
    """The table in a text file as columns of text, its dialect, and notes on what was assumed.

    Raises InputError when there is no table in it.
    """
    notes = []
    encoding, errors, said = encoding_of(path, zipped, how.encoding)
    notes.extend(said)
    head, whole = head_of(path, zipped, encoding, errors)
    if not head.strip():
        raise InputError(f"{path.name!r} has no rows: there is nothing in it but blanks.")
    dialect = sniff(
        head, whole=whole, separator=how.separator, header=how.header, expected=expected
    )
    check_names(path.name, dialect.names)

    def source(tally: Tally) -> Iterator[str]:
        return chunks(path, zipped, encoding, errors, tally)

    table, tally = _parse(path.name, source, dialect)
    swallowed = tally.lines - dialect.skip - dialect.header_lines - table.num_rows - tally.ragged
    if dialect.cutting.quote and swallowed > MAX_RAGGED * tally.lines:
        table, tally, dialect = _unquoted(path.name, source, dialect, table, tally)
    if tally.ragged > MAX_RAGGED * (table.num_rows + tally.ragged):
        table, tally = _repair(path.name, source, dialect, table, tally)
    notes.extend(dialect.notes)
    notes.extend(_tally_notes(tally, len(dialect.names)))
    return table, dialect, notes


class _Stream(io.RawIOBase):
    """Pieces of text as a readable stream of UTF-8 bytes, from a given line on."""

    def __init__(self, pieces: Iterator[str], skip: int, cutting: Cutting) -> None:
        self._pieces = _after(pieces, skip)
        if cutting.separator in (" ", GAP):
            lines = (cutting.squeeze(line) for line in _lines(self._pieces))
            self._pieces = (line + "\n" for line in lines if line)
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece.encode("utf-8", "replace")
        out = self._left if size < 0 else self._left[:size]
        self._left = self._left[len(out) :]
        return out


def _after(pieces: Iterator[str], skip: int) -> Iterator[str]:
    """The text after the first `skip` lines."""
    for piece in pieces:
        while skip and piece:
            end = re.search(r"\r\n|\n|\r(?!$)", piece)
            if end is None:
                piece = ""
            else:
                piece, skip = piece[end.end() :], skip - 1
        if piece:
            yield piece


def _parse(
    name: str, source: Callable[[Tally], Iterator[str]], dialect: Dialect
) -> tuple[pa.Table, Tally]:
    import pyarrow as pa

    for block in (1 << 22, 1 << 27):
        tally = Tally()
        skip = dialect.skip + dialect.header_lines
        stream = _Stream(source(tally), skip, dialect.cutting)
        try:
            table = _arrow(stream, dialect, block, tally)
        except pa.ArrowInvalid as error:
            if "straddl" in str(error) or "block" in str(error):
                continue
            if "Empty CSV" in str(error):
                raise InputError(f"{name!r} has a header and no rows below it.") from None
            raise InputError(f"{name!r} cannot be cut into rows: {_first_line(error)}.") from None
        return table, tally
    raise InputError(f"{name!r} has a row of more than 128 MB; check its quotes and line ends.")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].removeprefix("CSV parse error: ").rstrip(".")


def _arrow(stream: _Stream, dialect: Dialect, block: int, tally: Tally) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as reader

    keys = [f"f{i}" for i in range(dialect.width)]

    def ragged(row: Any) -> str:
        if row.actual_columns > row.expected_columns:
            tally.long += 1
        elif row.text.strip():
            tally.short += 1
        tally.example = tally.example or f"{row.actual_columns} fields: {row.text[:60]!r}"
        return "skip"

    cutting = dialect.cutting
    table = reader.read_csv(
        pa.PythonFile(stream, mode="r"),
        reader.ReadOptions(column_names=keys, block_size=block),
        reader.ParseOptions(
            delimiter=cutting.separator,
            quote_char=cutting.quote or False,
            escape_char="\\" if cutting.escape else False,
            newlines_in_values=bool(cutting.quote),
            invalid_row_handler=ragged,
        ),
        reader.ConvertOptions(
            column_types=dict.fromkeys(keys, pa.string()), strings_can_be_null=False
        ),
    )
    if dialect.spill == "last":
        table = table.select(keys[:-1])
    names = list(dialect.names)
    if dialect.spill == "first":
        names = [_free_name("row", names), *names]
    return table.rename_columns(names)


def _free_name(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _unquoted(
    name: str,
    source: Callable[[Tally], Iterator[str]],
    dialect: Dialect,
    table: pa.Table,
    tally: Tally,
) -> tuple[pa.Table, Tally, Dialect]:
    """Reads with quotes as plain characters, and keeps that when it gives more rows."""
    note = "a quotation mark is never closed: quotes are read as plain characters"
    plain = replace(
        dialect,
        cutting=Cutting(dialect.cutting.separator, ""),
        notes=(*dialect.notes, note),
    )
    try:
        again, counted = _parse(name, source, plain)
    except InputError:
        return table, tally, dialect
    if again.num_rows > table.num_rows:
        return again, counted, plain
    return table, tally, dialect


def _repair(
    name: str,
    source: Callable[[Tally], Iterator[str]],
    dialect: Dialect,
    table: pa.Table,
    tally: Tally,
) -> tuple[pa.Table, Tally]:
    """Fills up short lines where lines are rarely too long; else says that it is no table."""
    total = table.num_rows + tally.ragged
    if tally.long > MAX_RAGGED * total or dialect.width < 2:
        raise InputError(
            f"{name!r}: {tally.ragged} of {total} lines do not have the {dialect.width} fields of "
            f"the others (one has {tally.example}); check the separator and the quotes."
        )

    def filled(counts: Tally) -> Iterator[str]:
        cutting = dialect.cutting
        lines = _lines(_after(source(counts), dialect.skip + dialect.header_lines))
        out = io.StringIO()
        writer = csv.writer(
            out,
            delimiter=cutting.separator,
            quotechar=cutting.quote or None,
            quoting=csv.QUOTE_MINIMAL if cutting.quote else csv.QUOTE_NONE,
        )
        for row in cutting.records(lines):
            padded = row + [""] * (dialect.width - len(row))
            try:
                writer.writerow(padded)
            except csv.Error:
                continue
            if out.tell() > CHUNK:
                yield out.getvalue()
                out.seek(0)
                out.truncate()
        yield out.getvalue()

    plain = replace(dialect, skip=0, header_lines=0, cutting=replace(dialect.cutting, escape=False))
    again, counted = _parse(name, filled, plain)
    counted.short = tally.short
    return again, replace(counted, example="filled")


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    left = ""
    for piece in pieces:
        lines = io.StringIO(left + piece, newline="").readlines()
        left = lines.pop() if lines else ""
        yield from lines
    if left:
        yield left


def check_names(file: str, names: Sequence[str]) -> None:
    """Raises InputError that names the columns that stand there twice."""
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        shown = ", ".join(repr(n) for n in twice[:5])
        raise InputError(f"{file!r} has more than one column called {shown}; rename them.")


def _tally_notes(tally: Tally, width: int) -> list[str]:
    said = []
    if tally.nuls:
        said.append(f"{counted(tally.nuls, 'NUL character')} removed")
    if tally.short:
        done = "filled up as missing" if tally.example == "filled" else "dropped"
        said.append(f"{counted(tally.short, 'line')} with fewer than {width} fields {done}")
    if tally.long:
        said.append(f"{counted(tally.long, 'line')} with more than {width} fields dropped")
    return said
