"""The smallest network for 8 x 8 digits: fewer than 2,000 weights, repeated cross-validation.

    python benchmarks/small_digits.py --seeds 0-2      # a cell is some minutes of one core

A cell is one of five folds (class by class) of scikit-learn's 1,797 digits, drawn anew by each
seed. `taught` learns from two larger networks, themselves trained on the fold's training part, and
from eight changed copies of each digit, moved by up to a pixel; `control` is the same network,
recipe and length on the labels alone, with the same changes. Bar: 0.985 with fewer than 2,000
weights. Design and recipe were chosen on splits of other seeds (99) of the same digits.
"""

from __future__ import annotations

from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence

from cells import Bench, Method, Row, arguments, main

FOLDS = 5
METHODS = tuple(
    Method(name, "modelwright", "small_digits_cell.py", {"teach": name == "taught"})
    for name in ("taught", "control")
)
BENCH = Bench("small_digits", METHODS, tuple(f"fold{i}" for i in range(FOLDS)), (0, 1, 2), {}, 1800)


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """The mean of whole repeats and its interval over folds, and the gain of being taught."""
    from modelwright.stats import mean_interval, paired_interval

    found: dict[str, dict[tuple[int, str], float]] = defaultdict(dict)
    for row in rows:
        found[row["method"]][row["seed"], row["problem"]] = row["result"]["accuracy"]
    lines = ["| network | weights | accuracy | folds, 95 % interval | worst fold |",
             "|---|---|---|---|---|"]  # fmt: skip
    for name, cells in found.items():
        own = [r["result"] for r in rows if r["method"] == name]
        around = mean_interval(list(cells.values()), overlap=1 / (FOLDS - 1))
        lines.append(
            f"| {name} ({len(cells)} folds) | {own[0]['weights']:,} | {around.estimate:.4f} | "
            f"{around.low:.4f} to {around.high:.4f} | {min(cells.values()):.4f} |"
        )
    teachers = [r["result"]["teacher"] for r in rows if "teacher" in r["result"]]
    both = sorted(set(found["taught"]) & set(found["control"]))
    if len(both) > 1:
        pairs = [[found[name][cell] for cell in both] for name in ("taught", "control")]
        gain = paired_interval(*pairs, overlap=1 / (FOLDS - 1))
        lines += ["", f"Gain of being taught, {len(both)} folds: {gain.estimate:+.4f}, "
                  f"{gain.low:+.4f} to {gain.high:+.4f}; the teachers together: "
                  f"{sum(teachers) / len(teachers):.4f}."]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main(BENCH, report, arguments("Small networks for 8 x 8 digits."))
