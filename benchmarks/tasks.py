"""What a worker may ask: YAHPO problems and NAS tables, with the asking logged and charged.

    task = yahpo("lcbench/167168/val_accuracy")
    for _ in range(100):
        task.evaluate({...})            # value to minimise
    return task.result()                # values, costs, seconds a suggestion

The clock of a suggestion runs whenever the task's own code does not: everything between two
evaluations (propose, learn, write) is the searcher's.  The tables lie outside the project, in
`../shared` beside the checkout or where MODELWRIGHT_SHARED says.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FULL_EPOCHS = 52  # of lcbench, YAHPO's full fidelity
RUNGS = (2, 6, 17, 52)  # a factor of three apart, ending at the full run
YAHPO_SUITE = (
    "lcbench/167168/val_accuracy", "lcbench/189873/val_accuracy", "lcbench/189906/val_accuracy",
    "rbv2_xgboost/12/acc", "rbv2_xgboost/1501/acc", "rbv2_xgboost/16/acc", "rbv2_xgboost/40499/acc",
    "rbv2_rpart/14/acc", "rbv2_rpart/40499/acc", "iaml_glmnet/1489/auc",
)  # fmt: skip


def shared() -> Path:
    """The folder with the shared tables; SystemExit with the remedy when there is none."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("MODELWRIGHT_SHARED", beside))
    if not folder.is_dir():
        raise SystemExit(
            f"the shared tables are not at {folder}: put them in 'shared' beside the checkout "
            "or name their folder in MODELWRIGHT_SHARED"
        )
    return folder


class Yahpo:
    """One surrogate problem; values are to be minimised, the surrogate is deterministic.

    `params` is a list of records: name, kind ("float", "int", "cat"), lower, upper, log, choices,
    and parent / when for those active only while the parent's value is in `when`.
    """

    def __init__(self, problem: str) -> None:
        folder = str(shared() / "yahpo")
        if folder not in sys.path:
            sys.path.insert(0, folder)
        import yahpo_eval

        parts = problem.split("/")
        self._at = (
            {e: yahpo_eval.Problem(*parts, {"epoch": e}) for e in RUNGS[:-1]}
            if "lcbench" in problem
            else {}
        )
        self._at[FULL_EPOCHS] = yahpo_eval.Problem(*parts)
        self.params = list(self._at[FULL_EPOCHS].space)
        self._values: list[float] = []
        self._full: list[float] = []
        self._epochs: list[int] = []
        self._costs: list[float] = []
        self._trained: dict[str, int] = {}
        self._wall = self._cpu = 0.0
        self._seconds: list[tuple[float, float]] = []
        self._since = (time.perf_counter(), time.process_time())

    def _asked(self) -> None:
        wall, cpu = self._since
        self._seconds.append((time.perf_counter() - wall, time.process_time() - cpu))

    @property
    def spent(self) -> float:
        """Cost so far in full runs."""
        return sum(self._costs)

    def evaluate(self, config: Mapping[str, Any], epochs: int = FULL_EPOCHS) -> float:
        """The value of `config` (inactive parameters may be given; they are dropped).

        `epochs` below the full run: lcbench only, one of `RUNGS`.  A configuration that was trained
        before to fewer epochs goes on from its checkpoint and pays for the difference alone.
        """
        self._asked()
        problem = self._at[epochs]
        active = problem.active(dict(config))
        key = repr(sorted(active.items()))
        trained = self._trained.get(key, 0)
        before = trained if trained < epochs else 0  # asked again: trained, and paid, again
        self._trained[key] = max(trained, epochs)
        value = float(problem(active))
        self._values.append(float(f"{value:.8g}"))
        self._full.append(float(f"{self._at[FULL_EPOCHS](active):.8g}"))
        self._epochs.append(epochs)
        self._costs.append((epochs - before) / FULL_EPOCHS)
        self._since = (time.perf_counter(), time.process_time())
        return value

    def result(self) -> dict[str, Any]:
        """The row of a cell: values in order, and mean seconds a suggestion (wall, processor)."""
        n = max(len(self._seconds), 1)
        row: dict[str, Any] = {
            "values": self._values,
            "suggest_wall_s": round(sum(w for w, _ in self._seconds) / n, 6),
            "suggest_cpu_s": round(sum(c for _, c in self._seconds) / n, 6),
        }
        if set(self._epochs) - {FULL_EPOCHS}:
            row |= {
                "epochs": self._epochs,
                "full": self._full,
                "costs": [round(c, 4) for c in self._costs],
            }
        return row


def yahpo(problem: str) -> Yahpo:
    """The problem by name, say "lcbench/167168/val_accuracy"; see `YAHPO_SUITE`."""
    return Yahpo(problem)
