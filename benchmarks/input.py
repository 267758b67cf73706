"""Input: files that must be refused in one sentence, read with a note, or at least break nothing.

    python benchmarks/input.py                    the reader: named cases and 500 fuzzed files
    python benchmarks/input.py --command          the named cases through `modelwright build`
    python benchmarks/input.py --only refused     one group of cases
    python benchmarks/input.py --report           counts from the newest results file

Cases already in the results file are skipped. A row is {"bench", "group", "case", "outcome",
"message", "seconds"}; `outcome` is `refused`, `read`, or `broken` (a traceback, another error, or
the wrong words).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import cells

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "data"))
import input_cases
from input_cases import Case

from modelwright.core.errors import InputError
from modelwright.data import Question, Table, prepare, read_limited, read_table

FUZZED = 500
# Every n-th fuzzed file goes through the child process; the others are read here, which is faster.
CHILD_EVERY = 25
Row = dict[str, Any]


def read_case(case: Case, folder: Path) -> tuple[str, str]:
    """The named case through the child process and `prepare`: outcome and message."""
    path = folder / case.file
    case.make(path)
    try:
        info = read_limited(path, folder / "copy", case.target)
        question = Question(case.target, **case.options)
        prepared = prepare(Table.open(folder / "copy"), question, folder / "arrays")
    except InputError as error:
        return "refused", str(error)
    return "read", "; ".join((*info.notes, *prepared.notes))


def command_case(case: Case, folder: Path, wanted: str) -> tuple[str, str]:
    """The named case through the command line: `broken` unless it ends as the reader did.

    A refusal is exit code 2 and one sentence on stderr; a good end is exit code 0.
    """
    path = folder / case.file
    case.make(path)
    flags = [f"--{name}={v}" for name, vs in case.options.items()
             for v in (vs if isinstance(vs, tuple) else (vs,))]  # fmt: skip
    line = [sys.executable, "-m", "modelwright.apps.cli", "build", str(path)]
    line += ["--target", case.target, "--budget", "20trials"]
    line += ["--workspace", str(folder / "runs"), *flags]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600, check=False)
    words = done.stderr.strip()
    if "Traceback" in done.stdout + done.stderr:
        return "broken", "a traceback: " + words[-300:]
    if wanted == "refused":
        one = done.returncode == 2 and len(words.splitlines()) == 1
        return ("refused" if one else "broken"), f"exit {done.returncode}: {words[-300:]}"
    return ("read" if done.returncode == 0 else "broken"), f"exit {done.returncode}: {words[-300:]}"


def fuzz_case(number: int, body: bytes, target: str, folder: Path) -> tuple[str, str]:
    """One fuzzed file: anything but a table or an InputError is broken."""
    path = folder / "fuzzed.csv"
    path.write_bytes(body)
    warnings.simplefilter("error")  # what is printed besides the notes is a fault as well
    try:
        if number % CHILD_EVERY == 0:
            read_limited(path, folder / "copy", target)
            table = Table.open(folder / "copy")
        else:
            table = read_table(path, target)
        prepare(table, Question(target), folder / "arrays")
    except InputError as error:
        return "refused", str(error)
    except Exception as error:  # what the bench is there to find
        return "broken", f"{type(error).__name__}: {error}"
    return "read", f"{table.info.n_rows} rows, {len(table.info.columns)} columns"


def named() -> list[tuple[str, Case]]:
    return [("refused", c) for c in input_cases.refused()] + [
        ("read", c) for c in input_cases.handled()
    ]


def run(path: Path, command: bool, only: str | None) -> None:
    """Fills in the cases that the results file lacks, or those of one group of them."""
    rows, machines = cells.read(path)
    done = {(r["group"], r["case"]) for r in rows}
    with path.open("a") as file:

        def append(row: Row) -> None:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()

        if not machines or machines[-1] != cells.machine():
            append({"machine": cells.machine()})
        for wanted, case in named():
            group = f"command, {wanted}" if command else wanted
            if only in (None, wanted) and (group, case.name) not in done:
                append(
                    _timed(group, case.name, lambda d, c=case, w=wanted: _judged(c, d, w, command))
                )
        if command or only in ("refused", "read"):
            return
        for number, body, target, harms in input_cases.fuzzed(FUZZED):
            name = f"{number:03d} {'+'.join(harms)}"
            if ("fuzzed", name) not in done:
                append(
                    _timed(
                        "fuzzed", name, lambda d, n=number, b=body, t=target: fuzz_case(n, b, t, d)
                    )
                )


def _judged(case: Case, folder: Path, wanted: str, command: bool) -> tuple[str, str]:
    if command:
        return command_case(case, folder, wanted)
    outcome, message = read_case(case, folder)
    if outcome != wanted:
        return "broken", f"{outcome}: {message}"
    if case.word not in message or "\n" in message:
        return "broken", f"{case.word!r} is not said: {message}"
    return outcome, message


def _timed(group: str, name: str, work: Any) -> Row:
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome, message = work(Path(folder))
    seconds = round(time.perf_counter() - begin, 3)
    return {"bench": "input", "group": group, "case": name, "outcome": outcome,
            "message": message[:400], "seconds": seconds}  # fmt: skip


def report(rows: list[Row]) -> str:
    """Counts by group and outcome, and what broke."""
    counts = Counter((r["group"], r["outcome"]) for r in rows)
    lines = ["group | outcome | files", "--- | --- | ---"]
    lines += [f"{g} | {o} | {n}" for (g, o), n in sorted(counts.items())]
    lines += [f"BROKEN {r['group']}, {r['case']}: {r['message']}" for r in rows
              if r["outcome"] == "broken"]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--command", action="store_true", help="through `modelwright build`")
    parser.add_argument("--only", choices=("refused", "read", "fuzzed"), help="one group of cases")
    parser.add_argument("--report", action="store_true", help="only count what is there")
    parser.add_argument("--date", help="of the results file; the newest is continued when left out")
    chosen = parser.parse_args()
    path = cells.newest("input", chosen.date)
    if not chosen.report:
        run(path, chosen.command, chosen.only)
    print(report(cells.read(path)[0]))


if __name__ == "__main__":
    main()
