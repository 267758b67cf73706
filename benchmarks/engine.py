"""Engine speed: trials a second of x in [0, 1] -> x**2, up to 50,000 or two minutes.

    python benchmarks/engine.py --seeds 0-2          # on a quiet machine: these are timings
    python benchmarks/engine.py --report

Each cell starts a process of its own.  "durable" tells what survives a kill: joblib and Ray core
keep nothing, so their figure is an upper line and not a rival's.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

import numpy as np

from cells import Bench, Method, Row, arguments, main
from throughput import MARKS, SECONDS


def _optuna(storage: str) -> Method:
    return Method(
        f"optuna_{storage}", "optuna", "engine_optuna.py", {"storage": storage}, fresh=True
    )


METHODS = (
    _optuna("memory"),
    _optuna("sqlite"),
    _optuna("sqlite_wal"),
    _optuna("journal"),
    Method("joblib_loky2", "joblib", "engine_joblib.py", fresh=True),
    Method("ray_core2", "ray", "engine_ray.py", fresh=True),
    Method(
        "modelwright_inline", "modelwright", "engine_modelwright.py", {"workers": 0}, fresh=True
    ),
    Method("modelwright_2", "modelwright", "engine_modelwright.py", {"workers": 2}, fresh=True),
)
DURABLE = {
    "optuna_sqlite",
    "optuna_sqlite_wal",
    "optuna_journal",
    "modelwright_inline",
    "modelwright_2",
}
BENCH = Bench("engine", METHODS, ("x_squared",), (0, 1, 2), cell_seconds=5 * SECONDS)


def report(rows: Sequence[Row], _: Namespace) -> str:
    """Medians over the repetitions; the range where it matters."""
    if not rows:
        return "no finished cells yet"
    marks = " / ".join(f"{m:,}" for m in MARKS)
    lines = [
        f"| engine | durable | runs | trials a second over the first {marks} "
        f"| ms a trial at {marks} "
        "| start-up s (import, set-up) | peak MB | load |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(r["method"] for r in rows):
        mine = [r for r in rows if r["method"] == name]
        results = [r["result"] for r in mine]

        def over(key: str, mark: int, results: list[Row] = results) -> float | None:
            found = [r[key][str(mark)] for r in results if str(mark) in r[key]]
            return float(np.median(found)) if len(found) == len(results) else None

        rates = [f"{m / t:,.0f}" if (t := over("elapsed_s", m)) else "stopped" for m in MARKS]
        costs = ["stopped" if (c := over("ms_per_trial", m)) is None else f"{c:.3g}" for m in MARKS]
        start, setup, peak = (
            np.median([r[k] for r in results]) for k in ("startup_s", "setup_s", "peak_mb")
        )
        durable, loads = "yes" if name in DURABLE else "no", [r["load"] for r in mine]
        lines.append(
            f"| {name} | {durable} | {len(mine)} | {' / '.join(rates)} | {' / '.join(costs)} "
            f"| {start:.1f}, {setup:.1f} | {peak:.0f} | {min(loads)}-{max(loads)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(BENCH, report, arguments("Durable trials a second of a trivial objective."))
