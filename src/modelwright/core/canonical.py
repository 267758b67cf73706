"""One text for one value, and its hash: what every identity in the project rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
).encode


def canonical(value: Any) -> str:
    """The canonical JSON text of a plain value: sorted keys, no blanks, shortest floats.

    Raises ValueError for NaN and infinities, TypeError for what JSON has no word for.

    >>> canonical({"b": 1.0, "a": [True, None]})
    '{"a":[true,null],"b":1.0}'
    """
    return _encode(value)


def digest(value: Any) -> str:
    """SHA-256 of the canonical text, 64 hexadecimal characters.

    >>> digest({"a": 1}) == digest_text('{"a":1}')
    True
    """
    return digest_text(canonical(value))


def digest_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, 64 hexadecimal characters."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
