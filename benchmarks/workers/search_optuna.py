"""Optuna's samplers, define-by-run: a conditional parameter is asked for only when it is active.

GPSampler knows no dynamic spaces and draws conditional parameters at random; "optuna_gp_flat" asks
for all of them always (the evaluation drops the inactive), so that it models them too.
"""

from __future__ import annotations

import warnings
from typing import Any

import optuna

from tasks import FULL_EPOCHS, RUNGS, yahpo
from worker import serve

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.WARNING)


def sampler(method: str, seed: int) -> optuna.samplers.BaseSampler:
    """The sampler a method name stands for; all settings but those named are Optuna's own."""
    if method.startswith("optuna_gp"):
        return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
    if method == "optuna_tpe_plain":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


def suggest(trial: optuna.Trial, params: list[Any], flat: bool = False) -> dict[str, Any]:
    """Values of the active parameters, parents before children; of all of them where `flat`."""
    config: dict[str, Any] = {}
    for param in sorted(params, key=lambda p: p.parent is not None):
        if not flat and param.parent is not None and config.get(param.parent) not in param.when:
            continue
        if param.kind == "cat":
            config[param.name] = trial.suggest_categorical(param.name, param.choices)
        elif param.kind == "int":
            config[param.name] = trial.suggest_int(
                param.name, int(param.lower), int(param.upper), log=param.log
            )
        else:
            config[param.name] = trial.suggest_float(
                param.name, param.lower, param.upper, log=param.log
            )
    return config


def climb(task: Any, trial: optuna.Trial, config: dict[str, Any], full_runs: float) -> float:
    """Train rung by rung until pruned or the budget is spent.

    Steps are told to the pruner as 1, 3, 9, 27, exact powers of its factor: told in epochs, 17
    would fall short of its third rung (2 * 9) and nothing would ever be pruned there.
    """
    value = float("inf")
    for rung, epochs in enumerate(RUNGS):
        value = task.evaluate(config, epochs)
        trial.report(value, 3**rung)
        if epochs < FULL_EPOCHS and (trial.should_prune() or task.spent >= full_runs):
            raise optuna.TrialPruned
    return value


def cell(request: dict[str, Any]) -> dict[str, Any]:
    task = yahpo(request["problem"])
    pruners = {
        "hyperband": lambda: optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=27, reduction_factor=3
        ),
        "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    }
    pruner = pruners[request["pruner"]]() if "pruner" in request else optuna.pruners.NopPruner()
    study = optuna.create_study(sampler=sampler(request["method"], request["seed"]), pruner=pruner)
    if "full_runs" not in request:
        flat = request["method"].endswith("_flat")
        study.optimize(
            lambda trial: task.evaluate(suggest(trial, task.params, flat)), n_trials=request["n"]
        )
        return task.result()

    def stop(study: optuna.Study, _: optuna.trial.FrozenTrial) -> None:
        if task.spent >= request["full_runs"]:
            study.stop()

    budget = request["full_runs"]
    study.optimize(
        lambda trial: climb(task, trial, suggest(trial, task.params), budget), callbacks=[stop]
    )
    return task.result()


if __name__ == "__main__":
    serve(cell, "optuna", "torch", "greenlet", "scipy", "numpy")
