"""Cells of CSV files that people open in a spreadsheet."""

from __future__ import annotations

from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: Any) -> Any:
    """The value, or a text that a spreadsheet would run as a formula with ' before it.

    Names of columns, labels and files are anybody's. Numbers stay numbers, also those in texts.
    Source: OWASP, CSV Injection.

    >>> [safe_cell(v) for v in ("=1+1", "-5", "-high", -5.0, "plain")]
    ["'=1+1", '-5', "'-high", -5.0, 'plain']
    """
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
