"""How supervisor and worker talk: JSON texts, each behind its length in four bytes.

A message is one object with one key, its kind: `{"evidence": {...}}`. Nothing that is read can run.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from modelwright.core.trial import Evidence, Progress

_LENGTH = struct.Struct(">I")

# No message may be longer; what is large (arrays, models) goes to the artefact store.
MAX_MESSAGE = 32 << 20


def encode(kind: str, body: Any) -> bytes:
    """The text of a message. NaN and infinities pass; numpy's scalars become plain numbers.

    Raises TypeError or ValueError for what JSON has no word for.

    >>> encode("word", {"trial": 3, "word": "stop"})
    b'{"word":{"trial":3,"word":"stop"}}'
    """
    return f'{{"{kind}":{_encode(body)}}}'.encode()


def decode(text: bytes) -> tuple[str, Any]:
    """Kind and body of a message. Raises ValueError for anything else.

    >>> decode(b'{"ready":{}}')
    ('ready', {})
    """
    message = json.loads(text.decode())
    if not isinstance(message, dict) or len(message) != 1:
        raise ValueError("a message is an object with one key")
    return next(iter(message.items()))


def to_message(kind: str, body: Any) -> Progress | Evidence:
    """The progress or evidence of a message.

    Raises ValueError, TypeError, KeyError or AttributeError when it is neither.
    """
    if kind == "evidence":
        for name in ("scores", "folds", "noise", "artefacts", "facts"):
            if not isinstance(body.get(name, {}), dict):
                raise ValueError(f"{name} must map names to values")
        return Evidence.from_json(body)
    if kind == "progress":
        return Progress(**body)
    raise ValueError(f"{kind!r} is no message of a trial")


def pack(text: bytes) -> bytes:
    """The text behind its length, as it goes over the wire."""
    return _LENGTH.pack(len(text)) + text


class Unpacker:
    """Cuts a stream of bytes, arriving in any pieces, into messages.

    >>> unpacker = Unpacker()
    >>> wire = pack(b"one") + pack(b"two")
    >>> unpacker.feed(wire[:5]), unpacker.feed(wire[5:])
    ([], [b'one', b'two'])
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now. Raises ValueError for a length over `MAX_MESSAGE`."""
        buffer = self._buffer
        buffer += data
        whole, at = [], 0
        while len(buffer) - at >= 4:
            (length,) = _LENGTH.unpack_from(buffer, at)
            if length > MAX_MESSAGE:
                raise ValueError(f"a message of {length} bytes is over {MAX_MESSAGE}")
            if len(buffer) - at - 4 < length:
                break
            whole.append(bytes(buffer[at + 4 : at + 4 + length]))
            at += 4 + length
        del buffer[:at]
        return whole


def _plain(value: Any) -> Any:
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not plain data")


_encode = json.JSONEncoder(separators=(",", ":"), default=_plain).encode
