"""SMAC3's hyper-parameter facade (random forest, log expected improvement), as shipped.

A quarter of the evaluations are its Sobol design and a fifth of the later ones are drawn at random:
both are SMAC's own choice.  Conditional parameters are ConfigSpace conditions.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ConfigSpace
from smac import HyperparameterOptimizationFacade, Scenario

from tasks import yahpo
from worker import serve


def space(params: list[Any], seed: int) -> ConfigSpace.ConfigurationSpace:
    """The problem's parameters and conditions in ConfigSpace's words."""
    out = ConfigSpace.ConfigurationSpace(seed=seed)
    made: dict[str, Any] = {}
    for p in params:
        if p.kind == "cat":
            made[p.name] = ConfigSpace.CategoricalHyperparameter(p.name, list(p.choices))
        elif p.kind == "int":
            made[p.name] = ConfigSpace.UniformIntegerHyperparameter(
                p.name, int(p.lower), int(p.upper), log=p.log
            )
        else:
            made[p.name] = ConfigSpace.UniformFloatHyperparameter(
                p.name, p.lower, p.upper, log=p.log
            )
    out.add(list(made.values()))
    out.add(
        [
            ConfigSpace.InCondition(made[p.name], made[p.parent], list(p.when))
            for p in params
            if p.parent is not None
        ]
    )
    return out


def cell(request: dict[str, Any]) -> dict[str, Any]:
    task, seed = yahpo(request["problem"]), request["seed"]
    # SMAC writes its run history at every step and, in a shared folder, finds old ones again.
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            space(task.params, seed), output_directory=Path(folder), deterministic=True,
            n_trials=request["n"], seed=seed,
        )  # fmt: skip
        facade = HyperparameterOptimizationFacade(
            scenario,
            lambda config, seed=0: task.evaluate(dict(config)),
            overwrite=True,
            logging_level=40,
        )
        facade.optimize()
        return task.result()


if __name__ == "__main__":
    serve(cell, "smac", "ConfigSpace", "numpy", "scikit-learn")
