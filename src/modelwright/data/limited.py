"""Reads a file in a child process with limits, so that no file can take the caller down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.secrets import without_secrets
from modelwright.data.looks import check_regular
from modelwright.data.read import Raw
from modelwright.data.table import Table, TableInfo
from modelwright.data.text_file import Reading

MEMORY_BYTES = 4 << 30
SECONDS = 120.0


def read_limited(
    path: Path | str,
    folder: Path,
    target: str | None = None,
    how: Reading | None = None,
    *,
    memory_bytes: int = MEMORY_BYTES,
    seconds: float = SECONDS,
) -> TableInfo:
    """Reads a file as `read_table` does, in a process of its own, and leaves a copy in `folder`.

    `Table.open(folder)` maps the copy. The process may use `memory_bytes` of memory (of its own,
    enforced by the system where it can: Linux does, macOS does not) and `seconds` of time; beyond
    it is killed. Raises InputError for what `read_table` refuses and for what does not fit.
    """
    order = {"target": target, "raw": False}
    _in_child(Path(path), folder, how, order, memory_bytes, seconds)
    return TableInfo.from_json(json.loads((folder / "table.json").read_text("utf-8")))


def read_rows_limited(
    path: Path | str,
    folder: Path,
    expected: tuple[str, ...] = (),
    how: Reading | None = None,
    *,
    memory_bytes: int = MEMORY_BYTES,
    seconds: float = SECONDS,
) -> Raw:
    """The rows of a file as `read_raw` gives them, read as `read_limited` does.

    `expected` are names that should stand in the header: the columns that a model needs.
    """
    order = {"expected": list(expected), "raw": True}
    _in_child(Path(path), folder, how, order, memory_bytes, seconds)
    table = Table.open(folder)
    info = table.info
    return Raw(table.frame, info.notes, info.source, info.comma)


def _in_child(
    path: Path,
    folder: Path,
    how: Reading | None,
    order: Mapping[str, Any],
    memory_bytes: int,
    seconds: float,
) -> None:
    check_regular(path)
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        **order, "path": str(path.absolute()), "folder": str(folder.absolute()),
        "how": asdict(how or Reading()), "memory_bytes": memory_bytes, "seconds": seconds,
    }  # fmt: skip
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # Pools that reserve address space ahead would count against the limit.
    environment = {**without_secrets(os.environ), **threads, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    # The child finds this package as this process did, whatever led here to it.
    here = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(p for p in here if p)
    child = subprocess.Popen(
        # -P: a file called pandas.py beside the data must not be imported.
        [sys.executable, "-P", "-m", "modelwright.data.read_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        out, err = child.communicate(json.dumps(request).encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{path.name!r} was not read within {seconds:g} s; give a smaller file or Parquet."
        ) from None
    finally:
        _end(child)
    _raise_for(path, child.returncode, out, err, memory_bytes)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kills the child and what it started, and closes the pipes."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def _raise_for(path: Path, code: int, out: bytes, err: bytes, memory_bytes: int) -> None:
    """Turns what the child left into nothing, or into the error it stands for."""
    answer = _answer(out)
    if code == 0 and answer.get("done"):
        return
    if answer.get("input_error"):
        raise InputError(str(answer["input_error"]))
    dying = err.decode("utf-8", "replace").strip().splitlines()
    words = answer.get("error") or (dying[-1] if dying else f"exit status {code}")
    # Libraries in C++ abort when memory ends, or cannot start a thread; Python says MemoryError.
    short = ("memory", "bad_alloc", "mmap", "failed to map", "alloc", "worker thread")
    if answer.get("memory") or any(s in " ".join([words, *dying]) for s in short):
        raise InputError(
            f"{path.name!r} needs more than the {memory_bytes / 2**30:.3g} GB of memory that "
            "reading may take; give a smaller file."
        )
    if code < 0:
        raise InputError(
            f"{path.name!r} brought the reader down ({_signal(-code)}); the file is likely damaged."
        )
    raise ModelwrightError(f"reading {path.name!r} failed: {words}")


def _answer(out: bytes) -> dict[str, Any]:
    """The last line of the child's output, if it is an answer."""
    lines = out.decode("utf-8", "replace").strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
