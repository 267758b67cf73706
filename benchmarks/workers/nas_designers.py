"""One of our designers, with its settings as shipped, on the spaces of `nas_modelwright.py`.

`request["designer"]` is a designer's name or its JSON. The answer is the best full training seen.
Where costs are allowed, a training also reports the parameters and flops of the cell it trained.
With "prior" a generator begins with what it learned of earlier studies on the OTHER sets of the
same space (random trainings, of repetitions that no cell plays), and skips the even start.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from nas_modelwright import arch, space_of

from modelwright.core.problem import Goal
from modelwright.core.roles import Designer
from modelwright.core.view import Brief
from modelwright.designers import make_designer
from modelwright.designers.generator import Generator
from modelwright.designers.random_search import Random
from modelwright.testing.designer import Simulation
from nas_tables import PROBLEMS, Nas, play
from worker import serve

EARLIER, EARLIER_TRIALS, EARLIER_START = 6, 50, 10_000


@functools.cache
def with_prior(problem: str) -> Designer:
    """A generator that learned earlier studies on the other sets of this problem's space."""
    family, studies = problem.split("/")[0], []
    space = space_of(problem, Nas(problem, EARLIER_START), False)
    for other in PROBLEMS:
        if other.startswith(family) and other != problem:
            for repetition in range(EARLIER_START, EARLIER_START + EARLIER):
                run = study(other, Nas(other, repetition), repetition, Random(), False)
                studies.append(run.run(EARLIER_TRIALS).searched)
    return Generator.learned(space, studies, initial=1)


def study(problem: str, task: Nas, seed: int, designer: Designer, costly: bool) -> Simulation:
    """A study of a task, not begun yet."""
    space = space_of(problem, task, False)

    def objective(design: Any, fidelity: float) -> dict[str, float]:
        here = arch(design, task.op_names)
        scores = {"value": -task.ask(here)}
        if costly:
            scores |= {"params": task.params_m(here), "macs": task.flops_m(here)}
        return scores

    return Simulation(designer, Brief(space, (Goal("value"),), seed=seed), objective)


def search(request: Mapping[str, Any], task: Nas, seed: int) -> None:
    """Trains until the budget is spent; the answer is the best value seen."""
    problem = request["problem"]
    prior = request.get("prior", False)
    designer = with_prior(problem) if prior else make_designer(request["designer"])
    run = study(problem, task, seed, designer, "costs" in request.get("allow", ()))
    while task.left >= 1:
        n = run.view.n_trials
        run.run(n + 1)
        if run.view.n_trials == n:
            raise RuntimeError(f"{request['designer']} proposed nothing after {n} trainings")


def cell(request: dict[str, Any]) -> dict[str, Any]:
    return play(request, functools.partial(search, request))


if __name__ == "__main__":
    serve(cell, "modelwright", "numpy")
