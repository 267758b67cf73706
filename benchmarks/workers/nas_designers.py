"""One of our designers, with its settings as shipped, on the spaces of `nas_modelwright.py`.

`request["designer"]` is a designer's name or its JSON. The answer is the best full training seen.
Where costs are allowed, a training also reports the parameters and flops of the cell it trained.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from nas_modelwright import arch, space_of

from modelwright.core.problem import Goal
from modelwright.core.view import Brief
from modelwright.designers import make_designer
from modelwright.testing.designer import Simulation
from nas_tables import Nas, play
from worker import serve


def search(request: Mapping[str, Any], task: Nas, seed: int) -> None:
    """Trains until the budget is spent; the answer is the best value seen."""
    costly = "costs" in request.get("allow", ())
    space, designer = space_of(request["problem"], task, False), make_designer(request["designer"])

    def objective(design: Any, fidelity: float) -> dict[str, float]:
        here = arch(design, task.op_names)
        scores = {"value": -task.ask(here)}
        if costly:
            scores |= {"params": task.params_m(here), "macs": task.flops_m(here)}
        return scores

    run = Simulation(designer, Brief(space, (Goal("value"),), seed=seed), objective)
    while task.left >= 1:
        n = run.view.n_trials
        run.run(n + 1)
        if run.view.n_trials == n:
            raise RuntimeError(f"{request['designer']} proposed nothing after {n} trainings")


def cell(request: dict[str, Any]) -> dict[str, Any]:
    return play(request, functools.partial(search, request))


if __name__ == "__main__":
    serve(cell, "modelwright", "numpy")
