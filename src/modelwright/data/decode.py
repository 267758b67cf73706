"""From the bytes of a text file to text: gzip, encodings, marks, NUL characters."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from modelwright.core.errors import InputError
from modelwright.data.looks import check_text, wide_encoding

_SAMPLE = 1 << 18
CHUNK = 1 << 20


@dataclass
class Tally:
    """What was met while reading."""

    lines: int = 0
    nuls: int = 0
    short: int = 0
    long: int = 0
    example: str = ""

    @property
    def ragged(self) -> int:
        """Lines with the wrong number of fields."""
        return self.short + self.long


def open_bytes(path: Path, zipped: bool) -> IO[bytes]:
    """The file's bytes, unpacked."""
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]


def head_of(path: Path, zipped: bool, encoding: str, errors: str) -> tuple[str, bool]:
    """The first piece of the file as text, and whether that is all of it."""
    pieces, size, whole = [], 0, True
    for piece in chunks(path, zipped, encoding, errors, Tally(), size=_SAMPLE):
        if size >= _SAMPLE:
            whole = False
            break
        pieces.append(piece)
        size += len(piece)
    return "".join(pieces), whole


def chunks(
    path: Path, zipped: bool, encoding: str, errors: str, tally: Tally, size: int = CHUNK
) -> Iterator[str]:
    """The file as pieces of text without NUL characters and byte-order mark."""
    decoder = codecs.getincrementaldecoder(encoding)(errors=errors)
    first, last = True, "\n"
    with open_bytes(path, zipped) as file:
        while True:
            try:
                raw = file.read(size)
            except (EOFError, zlib.error, gzip.BadGzipFile):
                raise InputError(f"{path.name!r} is a damaged gzip file.") from None
            text = decoder.decode(raw, final=not raw)
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            if "\0" in text:
                tally.nuls += text.count("\0")
                text = text.replace("\0", "")
            if text:
                tally.lines += text.count("\n") or text.count("\r")
                last = text[-1]
                yield text
            if not raw:
                break
    tally.lines += last not in "\r\n"


def encoding_of(path: Path, zipped: bool, told: str | None) -> tuple[str, str, list[str]]:
    """The encoding, what to do with bytes outside of it, and a note."""
    with open_bytes(path, zipped) as file:
        try:
            head = file.read(1 << 16)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise InputError(f"{path.name!r} is a damaged gzip file.") from None
    if zipped:
        check_text(path.name, head)
    if told is not None:
        return told, "replace", [f"the encoding is {told}, as told"]
    wide = wide_encoding(head)
    if wide:
        return wide, "replace", [f"the encoding is {wide}"]
    try:
        for _ in chunks(path, zipped, "utf-8", "strict", Tally()):
            pass
    except UnicodeDecodeError:
        return _not_utf8(path, zipped)
    return "utf-8", "strict", ["the encoding is UTF-8"]


def _not_utf8(path: Path, zipped: bool) -> tuple[str, str, list[str]]:
    """UTF-8 with a few broken bytes, or an encoding of one byte per character."""
    broken = other = 0
    for piece in chunks(path, zipped, "utf-8", "replace", Tally()):
        bad = piece.count("\ufffd")
        broken += bad
        other += sum(map(len, re.findall(r"[^\x00-\x7f]+", piece))) - bad
    if other > broken:
        return "utf-8", "replace", [f"the encoding is UTF-8; {broken} broken characters are \ufffd"]
    try:
        for _ in chunks(path, zipped, "cp1252", "strict", Tally()):
            pass
    except UnicodeDecodeError:
        return "latin-1", "strict", ["the encoding is not UTF-8; it is read as Latin-1"]
    return "cp1252", "strict", ["the encoding is not UTF-8; it is read as Windows-1252"]
