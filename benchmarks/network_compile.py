"""Does `torch.compile` pay? Training steps as they are and compiled, on one thread.

    python benchmarks/network_compile.py --seeds 0      # about two minutes a network

Four networks of the portfolio on 32 x 32 colours, batches of 64. Times are processor seconds, the
least of six rounds in turns; the cost is that of the first compiled step, with its C++ compiler and
nothing cached. The last column is the training, in minutes of a core, from which compiling pays.
"""

from __future__ import annotations

from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from cells import Bench, Method, Row, arguments, main

PROBLEMS = ("default", "wide", "residual", "mobile")
METHODS = (Method("modelwright", "modelwright", "compile_cell.py", fresh=True),)
BENCH = Bench("compile", METHODS, PROBLEMS, (0, 1, 2), {}, 900)


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """Medians over seeds."""
    found = defaultdict(list)
    for row in rows:
        if "result" in row:
            found[row["problem"]].append(row["result"])
    lines = ["| network | weights | step, ms | compiled, ms | gain | cost, s | pays from, min |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, cells in found.items():
        plain, compiled, cost = (median(c[k] for c in cells) for k in ("plain", "compiled", "cost"))
        gain = 1 - compiled / plain
        pays = f"{cost / gain / 60:.1f}" if gain > 0 else "never"
        lines.append(
            f"| {name} ({len(cells)} seeds) | {cells[0]['weights']} | {1e3 * plain:.1f} | "
            f"{1e3 * compiled:.1f} | {gain:.0%} | {cost:.0f} | {pays} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(BENCH, report, arguments("torch.compile on the processor."))
