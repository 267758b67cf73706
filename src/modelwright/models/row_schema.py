"""What a row may look like: its JSON Schema, and what is wrong with one, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from modelwright.core.errors import did_you_mean
from modelwright.data.columns import ColumnInfo
from modelwright.data.schema import Schema

_MAX_TOLD = 20
_MAX_UNKNOWN = 5  # unknown columns told of a row; each is compared with the known ones
_MAX_NAME = 80
_LARGEST = 10**308  # of whole numbers; larger ones are no floats


def row_schema(schema: Schema) -> dict[str, Any]:
    """JSON Schema (2020-12) of a row as an object from column to cell.

    A row that fits it gets no flag. Rows with a new category or a number out of the range of
    training do not fit, and are answered all the same, with a flag.

    >>> one = Schema((ColumnInfo("age", "numeric", low=20.0, high=60.0),), "y", "regression")
    >>> row_schema(one)["properties"]["age"]
    {'type': 'number', 'minimum': 16.0, 'maximum': 64.0}
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"a row to predict {schema.target!r}",
        "type": "object",
        "properties": {c.name: _cell(c, schema.margin) for c in schema.columns},
        "required": [c.name for c in schema.columns],
    }


def _cell(info: ColumnInfo, margin: float) -> dict[str, Any]:
    kinds: Any
    if info.kind == "numeric":
        told: dict[str, Any] = {"type": "number"}
        if info.low is not None and info.high is not None:
            room = margin * (info.high - info.low)
            told |= {"minimum": info.low - room, "maximum": info.high + room}
    elif info.kind in ("categorical", "boolean"):
        told = {"enum": [*info.categories, *(_values(info))]}
    elif info.kind == "date":
        told = {"type": "string", "description": f"a date, {info.date_format or 'ISO8601'}"}
    else:
        told = {"type": "string"}
    if info.missing > 0 or info.kind == "text":
        if "enum" in told:
            told["enum"].append(None)
        else:
            kinds = told["type"]
            told["type"] = [kinds, "null"]
    return told


def _values(info: ColumnInfo) -> list[Any]:
    """The numbers and truth values of JSON that are read as one of the categories."""
    plain = {"True": True, "False": False} if info.kind == "boolean" else {}
    out: list[Any] = [plain[c] for c in info.categories if c in plain]
    for name in info.categories:
        if name.lstrip("-").isdecimal() and str(int(name)) == name:
            out.append(int(name))
    return out


def misfits(schema: Schema, rows: Sequence[Any]) -> list[str]:
    """Why rows cannot be read at all: unknown or missing columns, cells that are no single value.

    At most 20 sentences, five of them on unknown columns of the same row; each names the row from
    1 on when there are several.
    """
    needed = [c.name for c in schema.columns]
    wanted, known = set(needed), {*needed, *schema.ignored, schema.target}
    out: list[str] = []
    for i, row in enumerate(rows, 1):
        where = f"row {i}: " if len(rows) > 1 else ""
        if not isinstance(row, Mapping):
            out.append(f"{where}a row is an object from column to cell; got {_short(row)}.")
        elif not known.issuperset(row) or not row.keys() >= wanted or _odd(row):
            out += [where + words for words in _misfit(row, needed, known)]
        if len(out) >= _MAX_TOLD:
            break
    return out[:_MAX_TOLD]


def _odd(row: Mapping[str, Any]) -> bool:
    return any(type(cell) in (list, dict) or _huge(cell) for cell in row.values())


def _huge(cell: Any) -> bool:
    return type(cell) is int and not -_LARGEST <= cell <= _LARGEST


def _misfit(row: Mapping[str, Any], needed: Sequence[str], known: set[str]) -> list[str]:
    missing = [name for name in needed if name not in row]
    out = [f"the column {name!r} is missing." for name in missing[:_MAX_TOLD]]
    for name in islice((name for name in row if name not in known), _MAX_UNKNOWN):
        hint = did_you_mean(name[:_MAX_NAME], missing or needed)
        out.append(f"the model does not know the column {_short(name)}.{hint}")
    for name, cell in row.items():
        if len(out) >= _MAX_TOLD:
            break
        if isinstance(cell, (list, dict)):
            words = f"the cell of {_short(name)} is to be a single value; got {_short(cell)}."
            out.append(words)
        elif _huge(cell):
            out.append(f"the cell of {_short(name)} is too large for a number; at most 1e308.")
        elif isinstance(cell, float) and math.isinf(cell):
            out.append(f"the cell of {_short(name)} is infinite; leave it out with null.")
    return out


def _short(value: Any) -> str:
    text = repr(value[:_MAX_NAME] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."
