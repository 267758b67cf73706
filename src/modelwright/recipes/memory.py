"""A stated ceiling of memory, dealt out to reading, to this process, and to its workers."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.errors import InputError

if TYPE_CHECKING:
    from modelwright.data import Part, Table

_UNITS = {"mb": 10**6, "gb": 10**9}
LEAST = 10**9  # bytes; below, the libraries alone take most of it
# Measured 2026-11-22 with all families loaded: what a worker takes before it sees a row, and one
# that waits. Address space counts libraries and stacks, which are no memory.
IDLE, WAITING, LIBRARIES = 450_000_000, 150_000_000, 1_500_000_000
# Of the bytes of its rows a worker needs so many: inputs, a fold's rows, a family's own matrix, and
# what boosting makes of it.
COPIES = 5.0
DATE_PARTS = 8


def parse_memory(text: str) -> int:
    """Bytes of a ceiling such as `4GB` or `1500MB`. Raises InputError for another form, or < 1 GB.

    >>> parse_memory("1.5 GB")
    1500000000
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(mb|gb)\s*", str(text).lower())
    if match is None:
        raise InputError(f"memory is a size such as 4GB or 1500MB; got {text!r}.")
    found = int(float(match.group(1)) * _UNITS[match.group(2)])
    if found < LEAST:
        raise InputError(f"a build needs 1GB of memory at least; got {text!r}.")
    return found


@dataclass(frozen=True)
class Dealt:
    """How many trials may run at once, what each may take (None: no bound), and what to say."""

    slots: int
    worker_bytes: int | None = None
    notes: tuple[str, ...] = ()


def reading_bytes(ceiling: int) -> int:
    """The address space that reading a file in a process of its own may take."""
    return ceiling - own_bytes() + LIBRARIES


def own_bytes() -> int:
    """Bytes that this process holds now, mapped files left out."""
    from modelwright.executors.tree import private_bytes

    return private_bytes([os.getpid()])


def check_preparing(ceiling: int, table: Table) -> None:
    """Raises InputError when splitting and encoding the rows would take this process too far."""
    need = own_bytes() + 3 * 8 * table.info.n_rows * len(table.info.columns)
    if need > ceiling:
        raise InputError(
            f"to prepare {table.info.n_rows} rows of {len(table.info.columns)} columns takes about "
            f"{need / 1e9:.2g} GB, over the {ceiling / 1e9:.2g} GB of memory; state more, or drop "
            "columns."
        )


def bytes_of(part: Part) -> int:
    """Bytes of the development rows as families see them."""
    schema = part.schema
    numeric = schema.float_bits // 8 * (len(schema.numeric) + DATE_PARTS * len(schema.dates))
    texts = 200 * len(schema.texts)
    return len(part) * (numeric + 4 * len(schema.categorical) + texts + 8)


def deal(memory: str | None, slots: int, told: bool, part: Part) -> Dealt:
    """The shares of a build under a ceiling; without one nothing is bounded here.

    Trials run side by side only as far as each can have what its rows are likely to need, unless
    the number of slots was told. This process keeps what it holds now. Raises InputError when less
    is left for a worker than it takes before it sees a row.
    """
    if memory is None:
        return Dealt(slots)
    left = parse_memory(memory) - int(1.1 * own_bytes()) - WAITING
    need = IDLE + int(COPIES * bytes_of(part))
    fewer = slots if told else max(1, min(slots, left // need))
    each = left // fewer
    if each < IDLE:
        raise InputError(
            f"memory {memory} leaves {max(0, each) / 1e9:.2g} GB for a worker, and "
            f"{IDLE / 1e9:.2g} GB are needed; state more, or run fewer trials at once."
        )
    note = f"of {memory} of memory each of {fewer} workers may take {each / 1e9:.2g} GB"
    if fewer < slots:
        note += f"; {slots} at once would have too little"
    return Dealt(fewer, each, (note,))
