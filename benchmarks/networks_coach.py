"""The coach beside the recipe's own schedule (half a cosine), from the same start and seed.

    python benchmarks/networks_coach.py
    python benchmarks/networks_coach.py --report

Four sets of pictures (sounds as spectrograms), small networks, a few epochs, one thread. The start
is the best rate of a grid (tuned), ten times that, a tenth of it, or tuned with 30 % of the labels
wrong in training and validation (noise). What the coach spends on comparisons is taken from its own
steps, so both see as many batches. Seeds 0 to 3 served to choose the coach's settings; 10 to 14 are
for reporting. The files lie outside the project (see `tasks.shared`).
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cells import Bench, Method, Row, arguments, main
from regret import interval

SETS, STARTS = ("digits", "mnist", "fashion", "spoken"), ("tuned", "x10", "/10", "noise")
METHODS = (
    Method("schedule", "modelwright", "coach_cell.py", {"coach": False}),
    Method("coach", "modelwright", "coach_cell.py", {"coach": True}),
)
PROBLEMS = tuple(f"{name} {start}" for start in STARTS for name in SETS)
BENCH = Bench("networks_coach", METHODS, PROBLEMS, tuple(range(10, 15)))


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """Test accuracy in percent, paired differences, and what the coach did."""
    found = {(r["problem"], r["seed"], r["method"]): r["result"] for r in rows}
    lines = [
        "| start | set | pairs | schedule | coach | difference (paired, 95 %) | kept | taken back "
        "| steps spent |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for start in STARTS:
        each = []
        for name in SETS:
            pairs = _pairs(found, f"{name} {start}")
            each += [(name, p) for p in pairs]
            lines += [_line(start, name, pairs)] if pairs else []
        if each:
            gaps = [(name, 100 * (b["accuracy"] - a["accuracy"])) for name, (a, b) in each]
            lines.append(f"| {start} | all | {len(each)} | | | {_told(gaps)} | | | |")
    return "\n".join(lines)


def _pairs(found: dict[tuple[str, int, str], Row], problem: str) -> list[tuple[Row, Row]]:
    seeds = sorted({seed for p, seed, _ in found if p == problem})
    keys = [((problem, s, "schedule"), (problem, s, "coach")) for s in seeds]
    return [(found[a], found[b]) for a, b in keys if a in found and b in found]


def _line(start: str, name: str, pairs: list[tuple[Row, Row]]) -> str:
    a, b = (np.array([100 * p[i]["accuracy"] for p in pairs]) for i in (0, 1))
    kept: Counter[str] = sum((Counter(p[1]["kept"]) for p in pairs), Counter())
    undone: Counter[str] = sum((Counter(p[1]["undone"]) for p in pairs), Counter())
    spent = np.mean([p[1]["spent"] / p[1]["planned"] for p in pairs])
    gaps = _told([(name, float(x)) for x in b - a])
    return (
        f"| {start} | {name} | {len(pairs)} | {a.mean():.2f} | {b.mean():.2f} | {gaps} | "
        f"{_counts(kept)} | {_counts(undone)} | {100 * spent:.1f} % |"
    )


def _told(gaps: list[tuple[str, float]]) -> str:
    if len(gaps) < 2:
        return f"{gaps[0][1]:+.2f}"
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*interval(gaps))


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {what}" for what, n in counts.most_common()) or "-"


if __name__ == "__main__":
    main(BENCH, report, arguments("The coach beside a schedule."))
