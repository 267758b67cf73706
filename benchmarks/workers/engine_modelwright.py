"""Our own engine: `search` with the random designer, inline or in worker processes, durable."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine_task import Point, square

from modelwright.core.problem import Budget
from modelwright.core.trial import Evidence, Progress
from modelwright.policy import LAPTOP
from modelwright.recipes.search import make_executor, open_place, plan_search
from modelwright.study import run
from throughput import MARKS, SECONDS, file_system, timed
from worker import serve


class Counting:
    """An executor that counts the evidence it hands on, and tells it once that is in the ledger."""

    def __init__(self, inner: Any, tell: Callable[[int], bool]) -> None:
        self.inner, self.tell, self.done = inner, tell, 0
        self.slots, self.interrupts = inner.slots, inner.interrupts
        self.submit, self.send, self.cancel = inner.submit, inner.send, inner.cancel
        self.close = inner.close

    def poll(self, timeout: float) -> Sequence[Progress | Evidence]:
        self.tell(self.done)  # what the last poll gave is in the ledger by now
        messages: Sequence[Progress | Evidence] = self.inner.poll(timeout)
        self.done += sum(isinstance(m, Evidence) for m in messages)
        return messages


def cell(request: dict[str, Any]) -> dict[str, Any]:
    workers = request["workers"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def setup() -> Callable[[Callable[[int], bool]], None]:
            plan = plan_search(
                Point, square, budget=Budget(trials=MARKS[-1] + 1, seconds=SECONDS),
                goal="minimise", limits=(), rungs=None, slots=workers or 1, designer="random",
                seed=request["seed"], name="engine", workspace=folder, policy=LAPTOP,
            )  # fmt: skip
            ledger = open_place(plan)
            executor = make_executor(plan, "processes" if workers else "inline")

            def play(tell: Callable[[int], bool]) -> None:
                run(plan.study, ledger, Counting(executor, tell), plan.description)
                executor.close()
                ledger.close()

            return play

        row = timed(setup)
        bytes_written = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        written = {"file_mb": round(bytes_written / 2**20, 2), "file_system": file_system(folder)}
        return row | written


if __name__ == "__main__":
    serve(cell, "modelwright", "numpy")
