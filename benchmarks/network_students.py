"""Ways to teach a small network: each against the same network without a teacher.

    python benchmarks/network_students.py --seeds 0-2      # some minutes a cell, one thread

Problems: the 1,797 digits of scikit-learn (a fifth tests, another for each seed), and 4,000 images
of Fashion-MNIST with 2,000 that test. One teacher for each problem and seed, kept in `.bench`. All
students of a problem have one design, recipe and number of steps, but `assistant` (taught by a
middle-sized student), `again` (the teacher's design; beside `again_control`), `thin` (the teacher
with half of its channels, trained on for half as long; beside `thin_control` without a teacher and
`thin_fresh` with drawn weights).
"""

from __future__ import annotations

from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence

from cells import Bench, Method, Row, arguments, main

CONTROLS = {"again": "again_control", "thin": "thin_control", "thin_control": "thin_fresh"}
WAYS = (
    "control", "answers", "copies", "same pictures", "attention", "hints", "assistant",
    "thin_fresh", "thin_control", "thin", "again_control", "again",
)  # fmt: skip
METHODS = tuple(
    Method(way.replace(" ", "_"), "modelwright", "student_cell.py", {"way": way}) for way in WAYS
)
BENCH = Bench("students", METHODS, ("digits", "fashion_mnist"), (0, 1, 2), {}, 3600)


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """Mean accuracies, and the gain over the control on the same seeds with its interval."""
    from modelwright.stats import paired_interval

    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for row in rows:
        found[row["problem"], row["method"]][row["seed"]] = row["result"]["accuracy"]
    lines = ["| problem | taught by | seeds | accuracy | over its control | 95 % interval |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for (problem, name), own in found.items():
        other = found.get((problem, CONTROLS.get(name, "control")), {})
        both = sorted(set(own) & set(other))
        line = f"| {problem} | {name} | {len(own)} | {sum(own.values()) / len(own):.4f} |"
        if name == "control" or len(both) < 2:
            lines.append(line + " | |")
            continue
        gain = paired_interval([own[s] for s in both], [other[s] for s in both], overlap=0.0)
        lines.append(line + f" {gain.estimate:+.4f} | {gain.low:+.4f} to {gain.high:+.4f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(BENCH, report, arguments("Ways to teach a small network."))
