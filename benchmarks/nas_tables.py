"""Architecture search in tables of networks that were really trained: ask, be charged, answer.

A worker writes one function and one call:

    def search(task: Nas, seed: int) -> None:
        while task.left >= 1:
            accuracy = task.ask(arch)       # % on validation data, ONE seed of the table
    def cell(request): return play(request, search)

An architecture is a tuple of `task.n_slots` numbers below `task.n_ops`; `task.op_names` tells them.
A searcher sees the validation values it asked for and nothing else; tables of test accuracy are
read only by `score`, which the workers have no reason to call.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import shared

Arch = tuple[int, ...]
Floats = NDArray[np.float64]
AT = (25, 50, 75)  # full trainings after which the searcher's answer is taken
RUNG_COST = 0.06  # of a 12-epoch training, in trainings of 200 epochs
DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
PROBLEMS = (*(f"nas201/{d}" for d in DATASETS), "macro/cifar10")


@dataclass(frozen=True)
class Table:
    """A whole space; `val` and `test` are [arch, seed] or [arch, 1], %, nan where not trained."""

    op_names: tuple[str, ...]
    archs: NDArray[np.uint8]
    index: dict[Arch, int]
    val: Floats
    test: Floats
    short: Floats | None
    flops_m: Floats
    params_m: Floats


@functools.cache
def table(problem: str) -> Table:
    """The table behind a problem's name; see `PROBLEMS`."""
    space, dataset = problem.split("/")
    folder = shared() / "tables" / "nas"
    if space == "nas201":
        with np.load(folder / "nasbench201.npz") as z:
            at = DATASETS.index(dataset)
            names, archs = tuple(map(str, z["op_names"])), z["ops"]
            val, test = z["val200"][:, at], z["test200"][:, at, None]
            short, flops, params = z["val12"][:, at].astype(float), z["flops_m"], z["params_m"]
    else:
        with np.load(folder / "nasbench_macro.npz") as z:
            names, archs = ("identity", "MB3_K3", "MB6_K5"), z["arch"]
            val = test = z["test_acc"]
            short, flops, params = None, z["flops"] / 1e6, z["params"] / 1e6
    index = {tuple(map(int, a)): i for i, a in enumerate(archs)}
    return Table(names, archs, index, val.astype(float), test.astype(float), short,
                 flops.astype(float), params.astype(float))  # fmt: skip


@functools.lru_cache(maxsize=64)
def seeds(problem: str, repetition: int) -> NDArray[np.int64]:
    """Which seed of the table each architecture shows in this repetition.

    NAS-Bench-201: drawn for each architecture among the seeds it was trained with (every training
    has its own luck).  Macro has no validation data: one seed, the same for all, plays validation,
    and the mean of the other two is the test.
    """
    val, rng = table(problem).val, np.random.default_rng([PROBLEMS.index(problem), repetition])
    if problem.startswith("macro"):
        return np.full(len(val), rng.integers(val.shape[1]))
    trained = ~np.isnan(val)  # the first two seeds always, the third for about half
    drawn: NDArray[np.int64] = np.where(trained, rng.random(val.shape), -1.0).argmax(axis=1)
    return drawn


class Nas:
    """One repetition of one problem, seen by a searcher."""

    def __init__(self, problem: str, repetition: int, allow: Sequence[str] = ()) -> None:
        """`allow`: "costs" (parameters and flops may be asked), "rungs" (12-epoch trainings)."""
        self._table, self._allow = table(problem), frozenset(allow)
        self._seeds = seeds(problem, repetition)
        self.op_names = self._table.op_names
        self.n_ops, self.n_slots = len(self.op_names), self._table.archs.shape[1]
        self._values: dict[int, float] = {}
        self._short: dict[int, float] = {}
        self._log: list[tuple[float, int]] = []  # (spent, what the answer would be)
        self._answer: int | None = None
        self.spent = 0.0

    @property
    def left(self) -> float:
        """Full trainings left until the last answer is taken."""
        return AT[-1] - self.spent

    def ask(self, arch: Arch, epochs: int = 200) -> float:
        """Validation accuracy in %; asked again, it is remembered and costs nothing.

        Raises ValueError past the budget, and for `epochs=12` (its own, shorter schedule; cost
        0.06) unless the track allows rungs.
        """
        i = self._table.index[tuple(arch)]
        known, cost = (self._values, 1.0) if epochs == 200 else (self._short, RUNG_COST)
        if epochs != 200 and (
            epochs != 12 or self._table.short is None or "rungs" not in self._allow
        ):
            raise ValueError(
                f"no {epochs}-epoch trainings in this track: 200, or 12 where rungs are allowed"
            )
        if i not in known:
            if self.spent + cost > AT[-1] + 1e-6:
                raise ValueError(f"the budget of {AT[-1]} trainings is spent")
            short = self._table.short
            known[i] = float(
                self._table.val[i, self._seeds[i]] if epochs == 200 or short is None else short[i]
            )
            self.spent = round(self.spent + cost, 6)
            self._note()
        return known[i]

    def answer(self, arch: Arch) -> None:
        """What the searcher would return now, by its own estimate; stands until replaced.

        Without it the answer is the best full training seen.
        """
        self._answer = self._table.index[tuple(arch)]
        self._note()

    def _note(self) -> None:
        best = max(self._values, key=self._values.__getitem__, default=-1)
        self._log.append((self.spent, best if self._answer is None else self._answer))

    def _cost(self, numbers: Floats, arch: Arch) -> float:
        if "costs" not in self._allow:
            raise ValueError("this track sees accuracy alone; costs are in the track 'costs'")
        return float(numbers[self._table.index[tuple(arch)]])

    def flops_m(self, arch: Arch) -> float:
        """Millions of multiply-adds, known before any training (track "costs")."""
        return self._cost(self._table.flops_m, arch)

    def params_m(self, arch: Arch) -> float:
        """Millions of parameters, known before any training (track "costs")."""
        return self._cost(self._table.params_m, arch)

    def answers(self) -> list[int]:
        """Index of the answer after each of AT; -1 where nothing was trained by then."""
        return [next((i for spent, i in reversed(self._log) if spent <= k + 1e-6), -1) for k in AT]


def play(request: dict[str, Any], search: Callable[[Nas, int], None]) -> dict[str, Any]:
    """A cell: `search` on a block of repetitions, numbered through all blocks.

    The second argument of `search` is its random seed.
    """
    size, out, begin = request["repetitions"], [], time.process_time()
    for repetition in range(request["seed"] * size, (request["seed"] + 1) * size):
        task = Nas(request["problem"], repetition, request.get("allow", ()))
        search(task, repetition)
        out.append(task.answers())
    return {"answers": out, "search_cpu_s": round((time.process_time() - begin) / size, 4)}


def score(problem: str, repetition: int, answers: Sequence[int]) -> tuple[list[float], list[float]]:
    """(test accuracy, regret to the table's best) of answers; an absent one has the worst."""
    known = table(problem)
    test = known.test[:, 0]
    if problem.startswith("macro"):
        test = np.delete(known.test, seeds(problem, repetition)[0], axis=1).mean(axis=1)
    got = [float(test[i] if i >= 0 else test.min()) for i in answers]
    return got, [float(test.max()) - x for x in got]
