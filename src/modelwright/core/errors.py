"""The errors a caller may want to catch.

ModelwrightError            anything this package raises on purpose
├── InputError              the user's file, flag or value cannot be used (exit code 2)
│   └── SpaceError          a type or a design does not fit its space
├── NoModelError            a run ended without a model that meets the limits (exit code 3)
├── RefusedError            the policy said no (exit code 4)
├── WaitingError            an approval is pending (exit code 5)
├── StoppedError            a person stopped the run (exit code 130)
├── LedgerError             the record is locked, damaged or cannot be written
│   └── TamperedError       the record does not agree with its own chain
└── MissingLibraryError     an optional library is not installed

Every message is one sentence or two: what was expected, what came, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ModelwrightError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(ModelwrightError):
    """The user's file, flag or value cannot be used."""

    exit_code = 2


class SpaceError(InputError):
    """A type cannot be compiled to a space, or a design does not belong to it."""


class NoModelError(ModelwrightError):
    """A run ended without a model that meets the limits."""

    exit_code = 3


class RefusedError(ModelwrightError):
    """The policy refused the action."""

    exit_code = 4


class WaitingError(ModelwrightError):
    """The action waits for a person's approval."""

    exit_code = 5


class StoppedError(ModelwrightError):
    """A person stopped the run before it had a model."""

    exit_code = 130


class LedgerError(ModelwrightError):
    """The record is locked by another process, unreadable, or cannot be written."""

    exit_code = 2


class TamperedError(LedgerError):
    """The record does not agree with its own hash chain, or with a signed head.

    `row` is the number of the first row that is missing or does not agree, where that is known.
    """

    exit_code = 1
    row: int | None = None


class MissingLibraryError(ModelwrightError):
    """An optional library is needed for this and is not installed."""

    exit_code = 2


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the nearest of `known`, else the empty string.

    >>> did_you_mean("acuracy", ["accuracy", "auc"])
    " Did you mean 'accuracy'?"
    """
    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.5)
    return f" Did you mean {lowered[near[0]]!r}?" if near else ""
