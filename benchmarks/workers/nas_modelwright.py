"""Our Bayesian designer with its settings as shipped, on cell types that know their own paths.

A cell tells the surrogate what anybody sees on its drawing (operations by slot, which of them
count, paths from input to output) and, where costs are allowed, its own parameters and flops.
Nothing is read off the table but what was asked for.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, fields, make_dataclass
from itertools import product
from typing import Any, ClassVar, Literal

from modelwright.core.problem import ONE_RUNG, Goal, Rungs
from modelwright.core.view import Brief
from modelwright.designers.bayesian import Bayesian
from modelwright.spaces import Space
from modelwright.testing.designer import Simulation
from nas_tables import RUNG_COST, Arch, Nas, play
from worker import serve

Op = Literal["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))  # from input to output, as edges
KERNELS = ("nor_conv_1x1", "nor_conv_3x3")
WORK = (*KERNELS, "avg_pool_3x3")
# What a path does, its skips left out: 40 sequences of up to three operations.
SEQUENCES = tuple(s for n in range(4) for s in product(WORK, repeat=n))


def operations(design: Any) -> tuple[str, ...]:
    """The operations of a design, slot by slot."""
    return tuple([getattr(design, name) for name in slots(type(design))])


@functools.cache
def slots(kind: type) -> tuple[str, ...]:
    """Names of the slots of a type of architectures."""
    return tuple(f.name for f in fields(kind))


@dataclass(frozen=True)
class Cell:
    """A cell of NAS-Bench-201: an operation on each edge between four nodes, node 3 the output."""

    e01: Op
    e02: Op
    e12: Op
    e03: Op
    e13: Op
    e23: Op

    def paths(self) -> list[tuple[str, ...]]:
        """The operations on every path that no `none` cuts, skips left out."""
        ops = operations(self)
        found = [[ops[e] for e in path] for path in PATHS]
        return [tuple(o for o in path if o in WORK) for path in found if "none" not in path]

    def features(self) -> tuple[float | tuple[float, ...], ...]:
        """How often each operation counts, and what the paths are like, each about in [0, 1]."""
        ops = operations(self)
        used = {e for path in PATHS if all(ops[e] != "none" for e in path) for e in path}
        counts = [sum(ops[e] == o for e in used) / 6 for o in ("skip_connect", *WORK)]
        paths = self.paths()
        lengths = [len(p) for p in paths] or [-1]
        kernels = [sum(o in KERNELS for o in p) for p in paths] or [-1]
        return (
            *counts,
            len(paths) / 4,
            (max(lengths) + 1) / 4,
            (min(lengths) + 1) / 4,
            (max(kernels) + 1) / 4,
            (min(kernels) + 1) / 4,
            float(() in paths),
            tuple(float(s in paths) for s in SEQUENCES),
        )

    def canonical_key(self) -> str:
        """Equal for cells that compute the same: what node 3 sums, cut and idle edges left out."""
        sums: list[tuple[Any, ...]] = [("in",)]
        for node in (1, 2, 3):
            terms: list[Any] = []
            for (tail, head), op in zip(EDGES, operations(self), strict=True):
                if head == node and op != "none" and sums[tail]:
                    terms += sums[tail] if op == "skip_connect" else [(op, sums[tail])]
            sums.append(tuple(sorted(terms, key=repr)))
        return repr(sums[3])


@dataclass(frozen=True)
class Chain:
    """Base of the nets of NAS-Bench-Macro: a block in each slot of a chain, in three stages."""

    NAMES: ClassVar[tuple[str, ...]] = ("identity", "MB3_K3", "MB6_K5")
    STAGES: ClassVar[tuple[int, ...]] = (0, 2, 5, 8)  # where the resolution halves

    def features(self) -> tuple[float | tuple[float, ...], ...]:
        """How many blocks of each kind there are, in all and in each stage."""
        ops = operations(self)
        stages = [ops[a:b] for a, b in zip(self.STAGES, self.STAGES[1:], strict=False)]
        return (
            *(sum(o == n for o in ops) / len(ops) for n in self.NAMES[1:]),
            *(sum(o != "identity" for o in stage) / len(stage) for stage in stages),
        )


class Told:
    """Adds logarithms of costs, computed before any training, to the features of a cell."""

    costs: ClassVar[Any]

    def features(self) -> tuple[float | tuple[float, ...], ...]:
        own: tuple[float | tuple[float, ...], ...] = super().features()  # type: ignore[misc]
        return (*own, *self.costs(self))


def arch(design: Any, names: tuple[str, ...]) -> Arch:
    """The design as the table's tuple of numbers."""
    return tuple(names.index(op) for op in operations(design))


@functools.cache
def kind_of(names: tuple[str, ...], n_slots: int) -> type:
    """The type of a table's architectures."""
    if names == ("none", "skip_connect", *WORK):
        return Cell
    columns = [(f"slot{i}", Literal[names]) for i in range(n_slots)]  # type: ignore[valid-type]
    return make_dataclass("Net", columns, bases=(Chain,), frozen=True)


_SPACES: dict[tuple[str, bool], Space] = {}


def space_of(problem: str, task: Nas, costly: bool) -> Space:
    """The space of a problem, made once: `costly` designs know their costs."""
    key = (problem.split("/")[0], costly)
    if key not in _SPACES:
        kind = kind_of(task.op_names, task.n_slots)
        if costly:
            names = task.op_names

            def costs(design: Any) -> tuple[float, float]:
                a = arch(design, names)
                return math.log1p(task.flops_m(a)) / 5, math.log1p(task.params_m(a))

            kind = type(kind.__name__, (Told, kind), {"costs": staticmethod(costs)})
            kind = dataclass(frozen=True)(kind)
        _SPACES[key] = Space(kind)
    return _SPACES[key]


def search(problem: str, allow: tuple[str, ...], task: Nas, seed: int) -> None:
    """Trains until the budget is spent, answering after each what the designer recommends."""
    short = "rungs" in allow and problem.startswith("nas201")
    rungs = Rungs((12.0, 200.0), (RUNG_COST, 1.0)) if short else ONE_RUNG
    space, designer = space_of(problem, task, "costs" in allow), Bayesian()

    def objective(design: Any, fidelity: float) -> float:
        return -task.ask(arch(design, task.op_names), 12 if fidelity == 12 else 200)

    run = Simulation(designer, Brief(space, (Goal("value"),), rungs=rungs, seed=seed), objective)
    while task.left >= 1:
        n = run.view.n_ranked()
        run.run(run.view.n_trials + 1)
        best = designer.recommend(run.fold(), run.view)
        if run.view.n_ranked() > n and best is not None:
            task.answer(arch(space.design(best.trial.candidate), task.op_names))


def cell(request: dict[str, Any]) -> dict[str, Any]:
    allow = tuple(request.get("allow", ()))
    return play(request, functools.partial(search, request["problem"], allow))


if __name__ == "__main__":
    serve(cell, "modelwright", "numpy", "scipy")
