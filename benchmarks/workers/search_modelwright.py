"""Our Bayesian designer with its settings as shipped, on a type made from the problem's parameters.

Parameters that exist only for some values of a parent stand inside a union of dataclasses, one per
value, so that an inactive one does not exist.  The type says nothing an expert would know: no
field has a default.
"""

from __future__ import annotations

import functools
import keyword
import math
from dataclasses import fields, make_dataclass
from typing import Annotated, Any, Literal, Union

from annotated_types import Interval

from modelwright.core.problem import Goal, Rungs
from modelwright.core.view import Brief
from modelwright.designers import make_designer
from modelwright.spaces import Log, Space
from modelwright.testing.designer import Simulation
from tasks import FULL_EPOCHS, RUNGS, Yahpo, yahpo
from worker import serve


def identifier(name: str) -> str:
    """The parameter's name as a field's."""
    plain = name.replace(".", "_")
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def annotation(param: Any) -> Any:
    """The type of one parameter's values."""
    if param.kind == "cat":
        return Literal[param.choices]  # type: ignore[valid-type]
    kind = float if param.kind == "float" else int
    if param.log:
        return Annotated[kind, Log(param.lower, param.upper)]
    low, high = (
        (param.lower, param.upper)
        if param.kind == "float"
        else (int(param.lower), int(param.upper))
    )
    return Annotated[kind, Interval(ge=low, le=high)]


@functools.cache
def space_of(params: tuple[Any, ...]) -> Space:
    """The space of all parameters; the value of a parent becomes a class with its children."""
    columns: list[tuple[str, Any]] = []
    for p in (p for p in params if p.parent is None):
        children = [c for c in params if c.parent == p.name]
        if not children:
            columns.append((identifier(p.name), annotation(p)))
            continue
        kinds = [
            make_dataclass(
                value,
                [(identifier(c.name), annotation(c)) for c in children if value in c.when],
                frozen=True,
            )
            for value in p.choices
        ]
        columns.append((identifier(p.name), Union[tuple(kinds)]))  # noqa: UP007
    return Space(make_dataclass("Config", columns, frozen=True))


def config(design: Any, names: dict[str, str]) -> dict[str, Any]:
    """The design as the problem's own configuration, without inactive parameters."""
    out: dict[str, Any] = {}
    for field in fields(design):
        value = getattr(design, field.name)
        if hasattr(value, "__dataclass_fields__"):
            out[names[field.name]] = type(value).__name__
            out |= config(value, names)
        else:
            out[names[field.name]] = value
    return out


def cell(request: dict[str, Any]) -> dict[str, Any]:
    task: Yahpo = yahpo(request["problem"])
    names = {identifier(p.name): p.name for p in task.params}
    designer = make_designer(request.get("designer", "bayesian"))
    rungs = (
        Rungs(tuple(map(float, RUNGS))) if "full_runs" in request else Rungs((float(FULL_EPOCHS),))
    )

    def objective(design: Any, fidelity: float) -> float:
        return task.evaluate(config(design, names), int(fidelity))

    brief = Brief(space_of(tuple(task.params)), (Goal("value"),), rungs=rungs, seed=request["seed"])
    simulation = Simulation(designer, brief, objective)
    if "full_runs" not in request:
        simulation.run(request["n"])
    while "full_runs" in request and task.spent + rungs.costs[0] <= request["full_runs"] - 1e-9:
        simulation.run(simulation.view.n_trials + 1)
    row = task.result()
    assert math.isfinite(min(row["values"]))
    return row


if __name__ == "__main__":
    serve(cell, "modelwright", "numpy", "scipy", "onnxruntime")
