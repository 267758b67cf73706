"""What went wrong, as one sentence on standard error."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import typer

# Typer has had its own copy of click since 0.20; this is the right class with either.
UsageError: Any = typer.BadParameter.__bases__[0]


def usage_sentence(error: Any) -> str:
    """What is wrong with a command, and which help tells more."""
    message = str(error.format_message())
    if "\n" in message:  # no command was given: the message is the help
        return message
    command = error.ctx.command_path if error.ctx is not None else "modelwright"
    end = "" if message.endswith(("?", ".")) else "."
    return f"modelwright: {message}{end} '{command} --help' shows what it takes."


def internal_sentence(error: Exception) -> str:
    """A mistake of ours: its name, and the file that has the trace."""
    import tempfile
    import traceback

    told = f"internal error, {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    with (
        contextlib.suppress(OSError),
        tempfile.NamedTemporaryFile(
            "w", prefix="modelwright-", suffix=".trace.txt", delete=False, encoding="utf-8"
        ) as file,
    ):
        traceback.print_exception(error, file=file)
        told += f"; the trace is in {file.name}"
    return told


def complain(sentence: str, code: int) -> int:
    """Prints the sentence; the exit code is handed back."""
    print(f"modelwright: {sentence}", file=sys.stderr)
    return code
