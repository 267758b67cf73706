"""Resumable benchmark cells: one (bench, method, problem, seed) at a time, one JSON line each.

A bench is a list of methods, a list of problems and a list of seeds.  `run` walks them seed-major
(for each seed, each problem, each method), so that whenever it is stopped the methods have met the
same problems under the same weather.  Each method runs in its own environment as a long-lived
process that answers one JSON line per JSON line (`worker.py` is the other end).  A finished cell is
one whole line in `results/<date>-<bench>.jsonl`; cells already there are skipped, and a line cut
short by a kill is cut off at the next start.

The file's first line describes the machine; another such line follows when a later start finds
another machine.  Every other line is a row:

    {"bench", "method", "problem", "seed", "finished", "seconds", "load", "result" or "error"}
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import platform
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import environments

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
# One thread each: the cores are shared, and a suggestion's cost is told in core seconds.
ONE_THREAD = dict.fromkeys(
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"], "1"
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Method:
    """One contestant: where it lives and what every request to it carries.

    `script` is a file in `workers/`; `options` is merged into each request.  `fresh` starts a new
    process for each cell (start-up and memory are then part of what is measured).  `only` is the
    beginning of the names of the problems it takes part in.
    """

    name: str
    environment: str
    script: str
    options: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    only: str = ""


@dataclass(frozen=True)
class Bench:
    """What to run: `settings` (say, the number of evaluations) go into every request."""

    name: str
    methods: tuple[Method, ...]
    problems: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    cell_seconds: float = 3600.0


class Worker:
    """A method's process: started at the first question, started again after it died."""

    def __init__(self, method: Method, log: Path) -> None:
        self.method, self._log = method, log
        self._process: subprocess.Popen[str] | None = None
        self.hello: Row = {}

    def _start(self) -> subprocess.Popen[str]:
        paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        python = environments.python(self.method.environment)
        begin = time.perf_counter()
        with self._log.open("a") as log:
            process = subprocess.Popen(
                [python, HERE / "workers" / self.method.script],
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": paths},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self._process = process
        self.hello = {**self._read(process), "startup_s": round(time.perf_counter() - begin, 3)}
        return process

    def _read(self, process: subprocess.Popen[str]) -> Row:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.endswith("\n"):
            code = process.wait()
            raise RuntimeError(
                f"{self.method.script} died with exit code {code}; see {self._log.name}"
            )
        answer: Row = json.loads(line)
        return answer

    def ask(self, request: Row, seconds: float) -> Row:
        """The worker's answer to one request; RuntimeError when it dies or takes too long."""
        if self.method.fresh:
            self.close()
        process = self._process or self._start()
        watchdog = threading.Timer(seconds, process.kill)
        watchdog.start()
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return self._read(process)
        except (RuntimeError, BrokenPipeError):
            self.close()
            raise
        finally:
            watchdog.cancel()

    def close(self) -> None:
        """End the process: end of input is the signal to leave."""
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdin is not None
        try:
            process.stdin.close()
            process.wait(timeout=20)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()


def machine() -> Row:
    """Processor, cores, memory and Python of this machine, as one line for a results file."""
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory, 1),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def newest(bench: str, date: str | None = None) -> Path:
    """The results file of `date`, else the newest of the bench, else today's (yet to be made)."""
    if date is None:
        found = sorted(RESULTS.glob(f"[0-9]*-{bench}.jsonl"))
        date = (
            found[-1].name.removesuffix(f"-{bench}.jsonl") if found else str(datetime.date.today())
        )
    return RESULTS / f"{date}-{bench}.jsonl"


def read(path: Path) -> tuple[list[Row], list[Row]]:
    """The (rows, machine lines) of a results file; a last line without its end is left out."""
    lines = (
        [x for x in path.read_text().splitlines(keepends=True) if x.endswith("\n")]
        if path.exists()
        else []
    )
    parsed = [json.loads(x) for x in lines]
    return [x for x in parsed if "machine" not in x], [
        x["machine"] for x in parsed if "machine" in x
    ]


def _open(path: Path) -> IO[str]:
    """The results file, ours alone until closed, with a half-written last line cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(
            f"{path.name} is being written by another run; wait for it or stop it"
        ) from None
    file.seek(0)
    text = file.read()
    file.truncate(len(text[: text.rfind("\n") + 1].encode()))
    return file


def _append(file: IO[str], row: Row) -> None:
    file.write(json.dumps(row) + "\n")
    file.flush()
    os.fsync(file.fileno())


def run(bench: Bench, path: Path, minutes: float | None = None, retry: bool = False) -> None:
    """Fill in the cells that `path` lacks, until all are there or `minutes` have passed.

    A cell that fails leaves a row with "error" and is not tried again unless `retry`.
    """
    with _open(path) as file:
        rows, machines = read(path)
        if not machines or machines[-1] != machine():
            _append(file, {"machine": machine()})
        done = {
            (r["method"], r["problem"], r["seed"]) for r in rows if not (retry and "error" in r)
        }
        logs = environments.ROOT / "logs"
        workers = {m.name: Worker(m, logs / f"{bench.name}-{m.name}.log") for m in bench.methods}
        end = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
        try:
            for cell in (
                (s, p, m) for s in bench.seeds for p in bench.problems for m in bench.methods
            ):
                if time.monotonic() > end:
                    print("time is up; run again to go on")
                    return
                seed, problem, method = cell
                wanted = problem.startswith(method.only)
                if wanted and (method.name, problem, seed) not in done:
                    row = _fill(bench, workers[method.name], problem, seed)
                    _append(file, row)
                    print(
                        f"{method.name} {problem} {seed}: {row.get('error', row['seconds'])}",
                        flush=True,
                    )
        finally:
            for worker in workers.values():
                worker.close()


def _fill(bench: Bench, worker: Worker, problem: str, seed: int) -> Row:
    key = {"bench": bench.name, "method": worker.method.name, "problem": problem, "seed": seed}
    load, begin = os.getloadavg()[0], time.perf_counter()
    try:
        answer = worker.ask({**key, **bench.settings, **worker.method.options}, bench.cell_seconds)
    except (RuntimeError, BrokenPipeError) as error:  # the process is gone, the bench goes on
        answer = {"error": f"{type(error).__name__}: {error}"}
    if worker.method.fresh and "result" in answer:
        answer["result"]["startup_s"] = worker.hello["startup_s"]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    seconds = round(time.perf_counter() - begin, 3)
    return {**key, "finished": now, "seconds": seconds, "load": round(load, 2),
            "versions": worker.hello.get("versions"), **answer}  # fmt: skip


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from "0-9" or "0,1,5-7".

    >>> parse_seeds("0,2-4")
    (0, 2, 3, 4)
    """
    out: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        out += range(int(first), int(last or first) + 1)
    return tuple(out)


def _some(names: Sequence[str], wanted: str | None, what: str) -> list[str]:
    chosen = wanted.split(",") if wanted else list(names)
    for name in chosen:
        if name not in names:
            raise SystemExit(f"no {what} {name!r}; there are {', '.join(names)}")
    return chosen


def arguments(text: str) -> argparse.ArgumentParser:
    """The command line every bench shares; a bench adds its own before it calls `main`."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--methods", help="comma separated; all that are installed when left out")
    parser.add_argument("--problems", help="comma separated; all when left out")
    parser.add_argument("--seeds", type=parse_seeds, help='"0-9" or "0,1,5"')
    parser.add_argument("--budget-minutes", type=float)
    parser.add_argument("--date", help="of the results file; the newest is continued when left out")
    parser.add_argument("--retry-failed", action="store_true")
    parser.add_argument(
        "--report", action="store_true", help="only read the results and print tables"
    )
    return parser


def main(
    bench: Bench, report: Any, parser: argparse.ArgumentParser, line: Iterable[str] | None = None
) -> None:
    """Run the chosen cells of `bench`, or print `report(rows)` of those there are."""
    chosen = parser.parse_args(None if line is None else list(line))
    path = newest(bench.name, chosen.date)
    if chosen.report:
        rows, _ = read(path)
        print(report([r for r in rows if "result" in r], chosen))
        return
    names = _some([m.name for m in bench.methods], chosen.methods, "method")
    problems = _some(bench.problems, chosen.problems, "problem")
    methods = []
    for method in (m for m in bench.methods if m.name in names):
        script = HERE / "workers" / method.script
        if script.exists() and environments.ready(method.environment):
            methods.append(method)
        else:
            print(
                f"{method.name} is left out: no {script.name} or environment {method.environment!r}"
            )
    chosen_bench = Bench(bench.name, tuple(methods), tuple(problems), chosen.seeds or bench.seeds,
                         bench.settings, bench.cell_seconds)  # fmt: skip
    run(chosen_bench, path, chosen.budget_minutes, chosen.retry_failed)
