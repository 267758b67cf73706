"""How long after a person's `stop` a study has ended and none of its processes is left.

    python benchmarks/stop_time.py --tries 50

Each try runs a study of three slots whose trials fight: they ignore every signal, sit in a call
into C with the interpreter's lock, start sleeping processes in sessions of their own, or fork busy
children that ignore signals. As soon as all are at it, `stop` is posted as from another process.
Printed is the distribution over tries of the seconds until the run has returned with its
workers closed and every process it had is gone. Random: which behaviours meet, by `--seed`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
from annotated_types import Interval

from modelwright.core.problem import Budget, Goal, Problem
from modelwright.core.roles import Tools
from modelwright.core.trial import Progress, Trial
from modelwright.designers.random_search import Random
from modelwright.executors import EvaluatorSpec, FileStore, Processes, ToolBox
from modelwright.gates import Best
from modelwright.ledger import Ledger, open_ledger
from modelwright.policy import LAPTOP
from modelwright.spaces import Space
from modelwright.study import Study, run
from modelwright.testing.evaluators import BEHAVIOURS, Messages, Toy

PROMISED = 2.0  # seconds
SLOTS = 3


@dataclass(frozen=True)
class Fight:
    x: Annotated[float, Interval(ge=0, le=1)]
    do: Literal["stubborn", "spin", "children", "brood"]


class Fighter(Toy):
    """The toy evaluator with one behaviour more."""

    def evaluate(self, trial: Trial, tools: Tools) -> Messages:
        """Plays what the document says."""
        document = json.loads(trial.candidate.document)
        play = _brood if document["do"] == "brood" else BEHAVIOURS[document["do"]]
        messages = play(trial, document, tools)
        first = next(messages)
        (tools.data / f"{trial.number}.fights").touch()
        yield first
        yield from messages


def fighter() -> Fighter:
    """What workers make."""
    return Fighter()


def _brood(trial: Trial, document: Any, tools: Tools) -> Messages:
    """Forks busy children that ignore signals, every other one in a session of its own."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    for i in range(4):
        if os.fork() == 0:
            if i % 2:
                os.setsid()
            while True:
                pass
    yield Progress(trial.number, 0)
    while True:
        time.sleep(60)


def one_try(folder: Path, seed: int) -> tuple[float, str, int]:
    """Seconds from `stop` to the last process's end; what fought; how many processes there were."""
    space, name = Space(Fight), "fight"
    study = Study(
        name, Problem("function", (Goal("loss"),), seed=seed), space, Random(), Best(),
        LAPTOP, Budget(seconds=60.0), slots=SLOTS,
    )  # fmt: skip
    tools = ToolBox(folder, FileStore(folder / "artefacts"))
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    seen: dict[str, Any] = {}

    with open_ledger(folder / "ledger.sqlite") as ledger:
        teller = threading.Thread(target=_tell, args=(folder, name, before, seen), daemon=True)
        teller.start()
        about = study.to_json({"name": "random"}, LAPTOP.to_json())
        with Processes(EvaluatorSpec("stop_time:fighter"), tools, slots=SLOTS) as workers:
            record = run(study, ledger, workers, about)
        teller.join()
        while any(_alive(process) for process in seen["processes"]):
            assert time.monotonic() < seen["at"] + 30, "a process is left"
            time.sleep(0.005)
        took = time.monotonic() - seen["at"]
        assert record.status == "stopped", record.reason
        return took, _names(ledger, name), len(seen["processes"])


def _alive(process: psutil.Process) -> bool:
    """Whether it still does something; one that only waits for its parent's notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _tell(folder: Path, name: str, before: set[int], seen: dict[str, Any]) -> None:
    """Posts `stop` once the trials fight, and notes when, and which processes there were."""
    with open_ledger(folder / "ledger.sqlite") as ledger:
        while len(list(folder.glob("*.fights"))) < SLOTS:
            time.sleep(0.02)
        quiet, last = 0, -1
        while quiet < 5:  # the tree has stopped growing
            time.sleep(0.1)
            tree = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
            quiet, last = (quiet + 1 if len(tree) == last else 0), len(tree)
        seen["processes"], seen["at"] = tree, time.monotonic()
        ledger.post(name, {"kind": "stop", "by": "benchmark"})


def _names(ledger: Ledger, name: str) -> str:
    orders = [row.body for row in ledger.rows(name, kinds=["order"])]
    return " and ".join(sorted(json.loads(order["document"])["do"] for order in orders))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one line per pair of behaviours and one for all; 1 when a try took too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    found: dict[str, list[float]] = defaultdict(list)
    processes = 0
    for i in range(asked.tries):
        with tempfile.TemporaryDirectory() as folder:
            took, names, n = one_try(Path(folder), asked.seed + i)
        found[names].append(took)
        processes += n
    every = sorted(took for tries in found.values() for took in tries)
    for names, tries in sorted(found.items()):
        print(f"{names:24} {len(tries):3} tries, {_told(tries)}")
    late = sum(took > PROMISED for took in every)
    print(f"{'all':24} {len(every):3} tries, {_told(every)}; {processes} processes ended")
    print(f"over {PROMISED:g} s: {late}")
    return 1 if late else 0


def _told(tries: Sequence[float]) -> str:
    least, middle, most = min(tries), statistics.median(tries), max(tries)
    return f"seconds: least {least:.2f}, median {middle:.2f}, most {most:.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
