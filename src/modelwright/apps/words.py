"""How commands speak: JSON on standard output, words for people, tables that fit the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError


def emit_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def say(line: str = "") -> None:
    """A line for a person, on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()  # so that it keeps its place among the notes when both go to one file


def note(line: str) -> None:
    """A line beside the result, on standard error."""
    sys.stderr.write(line + "\n")


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """What is written to a place the user named: when that fails, the place is at fault.

    >>> with writing("/no/such/x.csv"):
    ...     _ = Path("/no/such/x.csv").write_text("")
    Traceback (most recent call last):
    ...
    modelwright.core.errors.InputError: cannot write '/no/such/x.csv': No such file or directory.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}.") from None


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    """Lines of a plain table, numbers right-aligned and shortened to 5 digits.

    >>> table([{"a": 1.0, "b": "x"}], ["a", "b"])
    ['a  b', '-  -', '1  x']
    """
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    widths = [max([len(name), *(len(line[i]) for line in cells)]) for i, name in enumerate(columns)]
    numeric = [all(not isinstance(row.get(name), str) for row in rows) for name in columns]

    def line(parts: Sequence[str]) -> str:
        shown = (
            part.rjust(width) if right else part.ljust(width)
            for part, width, right in zip(parts, widths, numeric, strict=True)
        )
        return "  ".join(shown).rstrip()

    return [line(columns), line(["-" * width for width in widths]), *map(line, cells)]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.5g}"
    return str(value)
