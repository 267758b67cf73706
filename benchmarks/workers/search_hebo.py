"""HEBO with its settings as shipped, one suggestion at a time.

Its design space knows no conditions: every parameter is always suggested and the inactive ones are
dropped by the evaluation, so HEBO sees values that had no effect.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from tasks import yahpo
from worker import serve

warnings.filterwarnings("ignore")


def space(params: list[Any]) -> DesignSpace:
    """The problem's parameters in HEBO's words ("pow" is a float on a log scale)."""
    rows: list[dict[str, Any]] = []
    for p in params:
        if p.kind == "cat":
            rows.append({"name": p.name, "type": "cat", "categories": list(p.choices)})
        elif p.log:
            kind = "pow" if p.kind == "float" else "pow_int"
            rows.append({"name": p.name, "type": kind, "lb": p.lower, "ub": p.upper, "base": 10})
        else:
            kind = "num" if p.kind == "float" else "int"
            rows.append({"name": p.name, "type": kind, "lb": p.lower, "ub": p.upper})
    return DesignSpace().parse(rows)


def native(params: list[Any], row: dict[str, Any]) -> dict[str, Any]:
    """HEBO's row as plain values inside the bounds (its powers of ten overshoot by rounding)."""
    out: dict[str, Any] = {}
    for p in params:
        value = row[p.name]
        if p.kind == "cat":
            out[p.name] = value
        else:
            number = min(max(float(value), p.lower), p.upper)
            out[p.name] = round(number) if p.kind == "int" else number
    return out


def cell(request: dict[str, Any]) -> dict[str, Any]:
    task, seed = yahpo(request["problem"]), request["seed"]
    np.random.seed(seed)  # HEBO draws from the global generators besides its own Sobol seed
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    searcher = HEBO(space(task.params), scramble_seed=seed)
    for _ in range(request["n"]):
        suggestion = searcher.suggest(n_suggestions=1)
        value = task.evaluate(native(task.params, suggestion.iloc[0].to_dict()))
        searcher.observe(suggestion, np.array([[value]]))
    return task.result()


if __name__ == "__main__":
    serve(cell, "HEBO", "torch", "numpy", "GPy", "pymoo")
