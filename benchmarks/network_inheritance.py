"""Short trainings that begin with a parent's weights: do they rank designs better?

    python benchmarks/network_inheritance.py --seeds 0-4      # about two minutes a seed

Each cell trains the designs of one lineage for long from scratch, short from scratch, and equally
short with inherited weights. The table has Kendall's tau of the two short ways with the long one,
over all designs and over the children alone (of which all inherit), and the mean long accuracy of
the third that each way would let go on.
"""

from __future__ import annotations

from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence
from statistics import mean
from typing import Any

from cells import Bench, Method, Row, arguments, main

PROBLEMS = ("digits", "fashion_14x14")
METHODS = (Method("modelwright", "modelwright", "inheritance_cell.py", fresh=True),)
BENCH = Bench("inheritance", METHODS, PROBLEMS, tuple(range(5)), {}, 1800)
WAYS = ("scratch", "inherited")


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """Means over seeds."""
    found = defaultdict(list)
    for row in rows:
        if "result" in row:
            found[row["problem"]].append(row["result"]["designs"])
    lines = ["| set | short trainings | tau, log loss | tau, accuracy | of children alone | "
             "long accuracy of their best third |", "|---|---|---|---|---|---|"]  # fmt: skip
    for name, cells in found.items():
        for way in WAYS:
            told = [numbers(designs, way) for designs in cells]
            columns = " | ".join(f"{mean(column):.3f}" for column in zip(*told, strict=True))
            lines.append(f"| {name} ({len(cells)} seeds) | {way} | {columns} |")
    return "\n".join(lines)


def numbers(designs: Sequence[Any], way: str) -> tuple[float, float, float, float]:
    """What one cell tells of one way."""
    children = [d for d in designs if d["parent"] is not None]
    best = sorted(designs, key=lambda d: -d[way]["accuracy"])[: len(designs) // 3]
    return (
        tau(designs, way, "log_loss"), tau(designs, way, "accuracy"),
        tau(children, way, "accuracy"), mean(d["long"]["accuracy"] for d in best),
    )  # fmt: skip


def tau(designs: Sequence[Any], way: str, metric: str) -> float:
    """Kendall's tau of a short way with the long training; 0 where one of them has one value."""
    from modelwright.stats.rank_agreement import kendall_tau

    short, long = ([d[key][metric] for d in designs] for key in (way, "long"))
    return kendall_tau(short, long) or 0.0


if __name__ == "__main__":
    main(BENCH, report, arguments("Inherited weights and the order of designs."))
