"""What each part of a build brings: the panel of tables with one part taken out at a time.

    python benchmarks/tabular_ablation.py                 # nine sets, seed 0; nothing else may run
    taskset -c 0 python benchmarks/tabular_ablation.py --date 2026-11-22 --problems ...   # and
    taskset -c 1 python benchmarks/tabular_ablation.py --date 2026-11-23 --problems ...   # together
    python benchmarks/tabular_ablation.py --report

Builds have one core each, so that two runs can go on side by side, each with sets and a results
file of its own (put together afterwards). A gain is the whole's loss below that without the part,
with its 95 % interval, bootstrapped over the test rows.  Budgets are wall time, so a build and its
twin differ by luck, too: `again` is the whole a second time, and tells by how much.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from cells import Bench, Method, Row, arguments, main
from tabular_data import PANEL
from tabular_report import loss_of, paired
from workers.without import PARTS


def _method(name: str, part: str = "") -> Method:
    options = {"script": "run_modelwright.py", "preset": part, "share": 1.0, "cores": 1}
    return Method(name, "modelwright", "tabular_peer.py", options)


METHODS = (
    _method("whole"),
    _method("again"),
    *(_method(f"without {part}", part) for part in PARTS),
)


def bench(seconds: int) -> Bench:
    """The bench of a budget."""
    name = f"ablation{seconds}"
    return Bench(name, METHODS, PANEL, (0,), {"seconds": seconds}, 6.0 * seconds + 300)


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """Gains of the whole over each of the others, set by set."""
    whole = {r["problem"]: r for r in rows if r["method"] == "whole"}
    lines = []
    for method in [m.name for m in METHODS[1:]]:
        mine = [r for r in rows if r["method"] == method and r["problem"] in whole]
        if not mine:
            continue
        wins = losses = 0
        told = []
        for row in mine:
            gain, low, high = paired(whole[row["problem"]], row)
            wins, losses = wins + (low > 0), losses + (high < 0)
            share = 100 * gain / loss_of(row)
            told.append(f"{row['problem']} {share:+.1f} %{'*' if low > 0 or high < 0 else ''}")
        lines.append(
            f"{method}: the whole is better on {wins}, worse on {losses} of {len(mine)} beyond the "
            f"interval; loss saved: {', '.join(told)}"
        )
    return "\n".join(lines) or "no finished cells yet"


if __name__ == "__main__":
    parser = arguments("What each part of a build brings.")
    parser.add_argument("--seconds", type=int, default=60, help="budget of each cell")
    main(bench(parser.parse_known_args()[0].seconds), report, parser)
