"""The far end of `cells.Worker`: answers each JSON line read with one JSON line written.

A worker file is a function from a request to a result, and one call:

    from worker import serve
    def cell(request: dict) -> dict:
        return {"values": [...]}
    if __name__ == "__main__":
        serve(cell, "optuna", "torch")        # distributions whose versions each row carries

On start it says {"versions": ...}.  Then each request {"problem", "seed", "n", ...} gets
{"result": cell(request)} or {"error": "..."}.  The process ends at the end of input.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from importlib import metadata
from typing import Any


def versions(*distributions: str) -> dict[str, str]:
    """Installed versions; "not installed" is said, not raised (our own checkout may be unbuilt)."""
    found = {"python": sys.version.split()[0]}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def serve(cell: Callable[[dict[str, Any]], dict[str, Any]], *distributions: str) -> None:
    """Answer requests until the end of input."""
    # Peers print to standard output, also from C: keep it for answers, send theirs to the log.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"versions": versions(*distributions)}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"result": cell(json.loads(line))}
        except Exception as error:  # the one broad catch: a failed cell is a row, not an end
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers, flush=True)
