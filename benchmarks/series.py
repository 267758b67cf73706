"""Forecasts: modelwright beside seasonal naive, ETS, theta and a plain LightGBM at rolling origins.

    python benchmarks/series.py --seeds 0            # nine sets; nothing else may run
    python benchmarks/series.py --report

modelwright gets 60 seconds a set, once, before the first of the test windows, as does LightGBM; the
others are fitted anew at every one.  Scores are the MASE and the weighted quantile loss (see
series_data.py).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

import numpy as np

from cells import Bench, Method, Row, arguments, main
from series_data import WINDOWS

SECONDS = 60
OURS = "modelwright"


def _classical(name: str) -> Method:
    return Method(name, "statsmodels", "forecast_classical.py", {"way": name})


METHODS = (
    _classical("naive"),
    _classical("ets"),
    _classical("theta"),
    Method("lightgbm", "modelwright", "forecast_lightgbm.py"),
    Method(OURS, "modelwright", "forecast_modelwright.py", {"seconds": SECONDS}),
)


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """A table for each score, with ratios to the seasonal naive and mean ranks."""
    return "\n\n".join([_table(rows, "mase"), _table(rows, "wql"), _covered(rows)])


def _table(rows: Sequence[Row], score: str) -> str:
    methods = [m.name for m in METHODS if any(r["method"] == m.name for r in rows)]
    found: dict[str, dict[str, float]] = {}
    for problem in WINDOWS:
        for method in methods:
            mine = [r["result"][score] for r in rows if (r["method"], r["problem"]) ==
                    (method, problem)]  # fmt: skip
            if mine:
                found.setdefault(problem, {})[method] = float(np.mean(mine))
    lines = [f"| {score} | " + " | ".join(methods) + " |", "|---|" + "---|" * len(methods)]
    for problem, by in found.items():
        best = min(by.values())
        shown = [
            "-" if m not in by else f"**{by[m]:.4g}**" if by[m] == best else f"{by[m]:.4g}"
            for m in methods
        ]
        lines.append(f"| {problem} ({WINDOWS[problem]}) | {' | '.join(shown)} |")
    full = [by for by in found.values() if all(m in by for m in methods)]
    if full:
        table = np.array([[by[m] for m in methods] for by in full])
        ratio = np.exp(np.log(table / table[:, :1]).mean(axis=0))
        rank = ((table[:, :, None] > table[:, None, :]).sum(axis=2) + 1).mean(axis=0)
        lines.append("| against the naive, geometric mean | "
                     + " | ".join(f"{x:.3f}" for x in ratio) + " |")  # fmt: skip
        lines.append("| mean rank | " + " | ".join(f"{x:.2f}" for x in rank) + " |")
        if OURS in methods:
            mine = table[:, methods.index(OURS)]
            wins = [
                f"{int((mine < table[:, i]).sum())} of {len(table)}" for i in range(len(methods))
            ]
            wins[methods.index(OURS)] = ""
            lines.append("| modelwright is better on | " + " | ".join(wins) + " |")
    return "\n".join(lines)


def _covered(rows: Sequence[Row]) -> str:
    methods = [m.name for m in METHODS if any(r["method"] == m.name for r in rows)]
    lines = ["| method | 80 % intervals held | seconds, median |", "|---|---|---|"]
    for method in methods:
        mine = [r["result"] for r in rows if r["method"] == method]
        held = np.mean([r["coverage80"] for r in mine])
        lines.append(f"| {method} | {held:.1%} | {np.median([r['fit_s'] for r in mine]):.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = arguments("Forecasts beside other ways.")
    main(Bench("series", METHODS, tuple(WINDOWS), (0,), {}, 1200.0), report, parser)
