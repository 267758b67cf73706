"""Multi-fidelity search on three lcbench surrogates: regret after ten full runs' worth of epochs.

    python benchmarks/search_fidelity.py --seeds 0-9
    python benchmarks/search_fidelity.py --report

Rungs are 2, 6, 17 and 52 epochs; a cost is epochs / 52; a configuration that climbs pays for the
further epochs alone.  Only values at 52 epochs inside the budget count: a searcher that never
finishes a run has found nothing.  The mark to meet is the TPE of `search_quality.py` with 25 full
runs, two and a half times the cost.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

import numpy as np

import cells
from cells import Bench, Method, arguments, main
from regret import Row, by_method, interval, mean_over_problems, reference, regret
from tasks import FULL_EPOCHS, YAHPO_SUITE

FULL_RUNS = 10.0
PROBLEMS = tuple(p for p in YAHPO_SUITE if p.startswith("lcbench"))
METHODS = (
    Method("optuna_tpe_full", "optuna", "search_optuna.py", {"n": 10}),
    Method(
        "optuna_tpe_hyperband",
        "optuna",
        "search_optuna.py",
        {"pruner": "hyperband", "full_runs": FULL_RUNS},
    ),
    Method(
        "optuna_tpe_asha", "optuna", "search_optuna.py", {"pruner": "asha", "full_runs": FULL_RUNS}
    ),
    Method("modelwright", "modelwright", "search_modelwright.py", {"full_runs": FULL_RUNS}),
)
BENCH = Bench("fidelity", METHODS, PROBLEMS, tuple(range(10)), {"rungs": [2, 6, 17, 52]})


def final(row: Row) -> tuple[float, float]:
    """Regret of the best full run inside the budget (1 without one), and of the incumbent.

    The incumbent is the configuration with the best value at the highest rung reached by any; what
    it would reach in a full run is read off the surrogate and was not paid for.
    """
    result, known = row["result"], reference()[row["problem"]]
    values = np.array(result["values"])
    epochs = np.array(result.get("epochs", [FULL_EPOCHS] * len(values)))
    full, spent = (
        np.array(result.get("full", values)),
        np.cumsum(result.get("costs", [1.0] * len(values))),
    )
    paid = spent <= FULL_RUNS + 1e-3  # costs are rounded to four digits in the row
    finished = paid & (epochs == FULL_EPOCHS)
    best = regret(values[finished].min(), known) if finished.any() else 1.0
    highest = paid & (epochs == epochs[paid].max())
    return best, regret(full[highest][np.argmin(values[highest])], known)


def report(rows: Sequence[Row], _: Namespace) -> str:
    """One line per method; the mark is read from the newest results of `search_quality.py`."""
    if not rows:
        return "no finished cells yet"
    others, _machines = cells.read(cells.newest("search"))
    tpe = [
        r
        for r in others
        if "result" in r and r["method"] == "optuna_tpe" and r["problem"] in PROBLEMS
    ]
    mark = by_method(tpe).get("optuna_tpe", {})
    lines = [
        "| method | cells | regret at cost 10 | of the incumbent | evaluations "
        "| minus TPE at 25 full runs (paired, 95 %) |",
        "|---|---|---|---|---|---|",
    ]
    if mark:
        goal = mean_over_problems(mark)[0]
        lines.append(f"| optuna_tpe, 25 full runs | {len(mark)} | {goal:.3f} | - | 25 | - |")
    for name in dict.fromkeys(r["method"] for r in rows):
        mine = [r for r in rows if r["method"] == name]
        scores = {(r["problem"], r["seed"]): np.array(final(r)) for r in mine}
        best, incumbent = mean_over_problems(scores)
        pairs = [(c[0], float(scores[c][0] - mark[c][0])) for c in scores if c in mark]
        mean, low, high = interval(pairs) if pairs else (float("nan"),) * 3
        count = np.mean([len(r["result"]["values"]) for r in mine])
        lines.append(
            f"| {name} | {len(mine)} | {best:.3f} | {incumbent:.3f} | {count:.0f} | "
            f"{mean:+.3f} [{low:+.3f}, {high:+.3f}] |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(BENCH, report, arguments("Multi-fidelity search on lcbench surrogates."))
