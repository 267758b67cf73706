"""Reads a form, urlencoded or multipart, as it comes: nothing is kept before its token holds."""

from __future__ import annotations

import hmac
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

MOST_TEXT = 64_000  # bytes of all fields that are no file
MOST_FIELDS = 200
_MOST_HEADER = 8_000


@dataclass
class Form:
    """A form's fields, each a list of texts; `path` is where its one file lies, `file` its name."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    file: str = ""
    path: Path | None = None

    def one(self, name: str) -> str:
        """The field's first value, or the empty text."""
        return self.fields.get(name, [""])[0].strip()


@dataclass(frozen=True)
class Upload:
    """Where a file may go: `place` makes the path for its name, when the token was right."""

    place: Callable[[str], Path]
    max_bytes: int


async def read_form(request: Request, csrf: str, upload: Upload | None = None) -> Form:
    """The form of a request, without its token (the field `csrf`, which comes first).

    Raises HTTPException: 403 without the token of this session, 413 for too much, 400 for what is
    no form, 415 for another kind of body.
    """
    kind = request.headers.get("content-type", "")
    if kind.split(";")[0].strip() == "application/x-www-form-urlencoded":
        form = _urlencoded(await _all_of(request))
        _check(form, csrf)
    elif kind.startswith("multipart/form-data") and upload is not None:
        match = re.search(r'boundary="?([^";]{1,70})"?', kind)
        if match is None:
            raise HTTPException(400, "the form has no boundary.")
        form = await _multipart(request.stream(), match.group(1).encode("latin-1"), csrf, upload)
    else:
        raise HTTPException(415, "a form of this page is wanted.")
    return form


def _check(form: Form, csrf: str) -> None:
    given = form.fields.pop("csrf", [""])[0]
    if not csrf or not hmac.compare_digest(given.encode(), csrf.encode()):
        raise HTTPException(403, "this form is not of your session: load the page again.")


async def _all_of(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_TEXT:
            raise HTTPException(413, f"a form has at most {MOST_TEXT:,} bytes.")
    return body


def _urlencoded(body: bytes) -> Form:
    form = Form()
    try:
        pairs = parse_qsl(body.decode("ascii"), True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise HTTPException(400, "the form cannot be read.") from None
    for name, value in pairs:
        form.fields.setdefault(name, []).append(value)
    return form


async def _multipart(
    stream: AsyncIterator[bytes], boundary: bytes, csrf: str, upload: Upload
) -> Form:
    """The fields are collected, the file is written as its bytes arrive.

    A file that is too large is read on for a while, though not kept: a browser that still sends
    would not see the answer.
    """
    form, parts, checked = Form(), Multipart(boundary), False
    out: BinaryIO | None = None
    text, size, n_fields = 0, 0, 0
    try:
        async for chunk in stream:
            for name, file, data in parts.feed(chunk):
                n_fields += data is None
                if not checked and name != "csrf":
                    _check(form, csrf)
                    checked = True
                if data is None:
                    if file is None:
                        form.fields.setdefault(name, []).append("")
                    elif file and form.path is None:
                        form.file, form.path = file, upload.place(file)
                        out = form.path.open("xb")
                    continue
                if file is None:
                    text += len(data)
                    form.fields[name][-1] += data.decode("latin-1")
                elif out is not None:
                    size += len(data)
                    if size <= upload.max_bytes:
                        out.write(data)
                if text > MOST_TEXT or n_fields > MOST_FIELDS or size > 2 * upload.max_bytes:
                    raise HTTPException(413, "the form is too large.")
    finally:
        if out is not None:
            out.close()
    if not checked:
        _check(form, csrf)
    if not parts.ended:
        raise HTTPException(400, "the form ends in the middle.")
    if size > upload.max_bytes:
        raise HTTPException(413, f"a file has at most {upload.max_bytes / 1e6:,.0f} MB.")
    for values in form.fields.values():
        values[:] = [value.encode("latin-1").decode("utf-8", "replace") for value in values]
    return form


class Multipart:
    """Takes a multipart/form-data body piece by piece (RFC 7578).

    >>> body = b'--B\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\nx\\r\\n--B--'
    >>> list(Multipart(b"B").feed(body))
    [('a', None, None), ('a', None, b'x')]
    """

    def __init__(self, boundary: bytes) -> None:
        self.ended = False
        self._mark, self._rest = b"\r\n--" + boundary, b"\r\n"
        self._state = "body"
        self._part: tuple[str, str | None] | None = None

    def feed(self, chunk: bytes) -> Iterator[tuple[str, str | None, bytes | None]]:
        """(name, file name or None, bytes); the bytes are None where a part begins."""
        self._rest += chunk
        while not self.ended:
            if self._state == "body":
                at = self._rest.find(self._mark)
                keep = len(self._mark) - 1
                data = self._rest[:at] if at >= 0 else self._rest[:-keep]
                self._rest = self._rest[at + keep + 1 :] if at >= 0 else self._rest[-keep:]
                if data and self._part is not None:
                    yield *self._part, data
                if at < 0:
                    return
                self._state = "line"
            elif self._state == "line":
                if len(self._rest) < 2:
                    return
                self.ended, self._state = self._rest.startswith(b"--"), "head"
                if not self.ended and not self._rest.startswith(b"\r\n"):
                    raise HTTPException(400, "the form cannot be read.")
            else:
                at = self._rest.find(b"\r\n\r\n")
                if at < 0 and len(self._rest) <= _MOST_HEADER:
                    return
                self._part = self._header(self._rest[: max(at, 0)])
                self._rest, self._state = self._rest[at + 4 :], "body"
                yield *self._part, None

    def _header(self, head: bytes) -> tuple[str, str | None]:
        text = head.decode("utf-8", "replace")
        name = re.search(r'[;\s]name="([^"]*)"', text)
        file = re.search(r'[;\s]filename="([^"]*)"', text)
        if name is None or len(head) > _MOST_HEADER:
            raise HTTPException(400, "the form cannot be read.")
        return name.group(1), None if file is None else file.group(1)[:300]
