"""The child process of `read_limited`: takes an order on stdin, limits itself, reads, answers.

The answer is one line of JSON on stdout: `{"done": true}`, `{"input_error": ...}` for what the user
can mend, `{"error": ..., "memory": bool}` for anything else.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError


def main() -> None:
    """Does the one order and leaves with exit status 0, whatever came of it."""
    order = json.loads(sys.stdin.readline() or sys.stdin.read())
    _limit(int(order["memory_bytes"]), float(order["seconds"]))
    try:
        _do(order)
        answer: dict[str, Any] = {"done": True}
    except InputError as error:
        answer = {"input_error": str(error)}
    except Exception as error:  # whatever a damaged file sets off must reach the caller as words
        memory = isinstance(error, MemoryError) or "malloc" in str(error)
        answer = {"error": f"{type(error).__name__}: {error}"[:2000], "memory": memory}
        traceback.print_exc()
    print(json.dumps(answer), flush=True)


def _limit(memory_bytes: int, seconds: float) -> None:
    """Limits on this process; the caller keeps the time, the alarm is for when it is gone."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + 5)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
        _, hard = resource.getrlimit(kind)
        bound = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        try:
            resource.setrlimit(kind, (bound, hard))
        except (OSError, ValueError):  # macOS knows no such bound
            continue


def _do(order: dict[str, Any]) -> None:
    import pyarrow as pa

    from modelwright.data.read import read_raw, read_table
    from modelwright.data.table import Table, TableInfo, as_text_columns
    from modelwright.data.text_file import Reading

    pa.set_cpu_count(2)
    how, path, folder = Reading(**order["how"]), Path(order["path"]), Path(order["folder"])
    if not order["raw"]:
        read_table(path, order["target"], how).save(folder)
        return
    raw = read_raw(path, how, tuple(order["expected"]))
    frame, infos = as_text_columns(raw.frame)
    Table(frame, TableInfo(infos, len(frame), raw.notes, raw.source, raw.comma)).save(folder)


if __name__ == "__main__":
    main()
