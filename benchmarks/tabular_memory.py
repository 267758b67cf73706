"""A large table within a stated ceiling: how much memory a build takes, and how long its parts do.

    python benchmarks/tabular_memory.py make FOLDER [--rows 1000000]
    python benchmarks/tabular_memory.py run FOLDER/table.parquet --memory 8GB --budget 120s

`make` writes a made table of 50 columns as Parquet and CSV: 30 numbers (whole, skewed, with gaps),
14 categories of 2 to 10,000 levels, 5 dates, and a target of two classes that depends on some of
each. `run` builds in a process of its own and prints one line of JSON: the peak of its process
tree, resident and without mapped files, sampled twice a second; seconds; what came out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from modelwright.executors.tree import descendants, private_bytes

CHUNK = 100_000
N_NUMBERS, N_DATES = 30, 5
LEVELS = (2, 2, 3, 4, 5, 6, 8, 12, 20, 40, 100, 400, 2000, 10_000)


def chunk(start: int, n: int) -> Any:
    """Rows `start` to `start + n` of the table; each chunk has a generator of its own."""
    import pyarrow as pa

    rng = np.random.default_rng([5, start])
    numbers = rng.normal(size=(n, N_NUMBERS))
    numbers[:, 20:] = np.exp(numbers[:, 20:])
    numbers[:, :5] = np.floor(50 + 20 * numbers[:, :5])
    codes = [rng.integers(0, k, n) for k in LEVELS]
    days = rng.integers(0, 3000, (n, N_DATES)) + 15_000
    score = numbers[:, 5] + 0.5 * numbers[:, 6] * numbers[:, 7] + 0.02 * numbers[:, 0]
    score += 0.3 * (codes[4] == 2) - 0.4 * (codes[12] % 7 == 3) + (days[:, 0] - 16_500) / 1500
    y = rng.random(n) < 1 / (1 + np.exp(-score))
    columns: dict[str, Any] = {}
    for j in range(N_NUMBERS):
        gaps = rng.random(n) < (0.15 if j % 6 == 5 else 0.0)
        columns[f"number{j}"] = pa.array(np.round(numbers[:, j], 4), mask=gaps)
    for k, code in zip(LEVELS, codes, strict=True):
        names = pa.array([f"level {i}" for i in range(k)])
        gaps = rng.random(n) < (0.1 if k in (5, 400) else 0.0)
        taken = pa.array(code, mask=gaps, type=pa.int32())
        name = f"category{len(columns) - N_NUMBERS}"
        columns[name] = names.take(taken)
    for j in range(N_DATES):
        columns[f"day{j}"] = pa.array(days[:, j].astype("datetime64[D]"))
    columns["target"] = pa.array(np.where(y, "yes", "no"))
    return pa.table(columns)


def chunks(rows: int) -> Iterator[Any]:
    for start in range(0, rows, CHUNK):
        yield chunk(start, min(CHUNK, rows - start))


def make(folder: Path, rows: int) -> None:
    """Writes `table.parquet` and `table.csv`, chunk by chunk."""
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    folder.mkdir(parents=True, exist_ok=True)
    first = chunk(0, 10)
    with (
        parquet.ParquetWriter(folder / "table.parquet", first.schema) as a,
        csv.CSVWriter(folder / "table.csv", first.schema) as b,
    ):
        for part in chunks(rows):
            a.write_table(part)
            b.write_table(part)


def run(path: Path, arguments: list[str]) -> dict[str, Any]:
    """Builds, watching the tree; what `build --json` says, in short, and the peaks."""
    with tempfile.TemporaryDirectory() as workspace:
        command = [
            sys.executable, "-m", "modelwright.apps.cli", "build", str(path), "--target", "target",
            "--json", "--workspace", workspace, *arguments,
        ]  # fmt: skip
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peak = {"resident_gb": 0.0, "private_gb": 0.0}
        while child.poll() is None:
            pids = [child.pid, *descendants(child.pid)]
            resident = sum(_resident(pid) for pid in pids)
            peak["resident_gb"] = max(peak["resident_gb"], resident / 1e9)
            peak["private_gb"] = max(peak["private_gb"], private_bytes(pids) / 1e9)
            time.sleep(0.5)
        seconds = time.monotonic() - began
        text = child.stdout.read() if child.stdout else ""
    said = json.loads(text) if text.strip() else {}
    kept = ("sentence", "reason", "trials", "failed", "score", "baseline", "exit_code")
    return {
        "file": path.name, "bytes": path.stat().st_size, "arguments": arguments,
        "seconds": round(seconds, 1), "exit_code": child.returncode,
        **{name: round(value, 2) for name, value in peak.items()},
        **{name: said.get(name) for name in kept},
    }  # fmt: skip


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("--rows", type=int, default=1_000_000)
    running = commands.add_parser("run")
    running.add_argument("file", type=Path)
    told, rest = parser.parse_known_args()
    if told.command == "make":
        make(told.folder, told.rows)
    else:
        print(json.dumps(run(told.file, rest)))


if __name__ == "__main__":
    main()
