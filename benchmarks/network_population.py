"""Population training: many networks as one module against one after the other, on one thread.

    python benchmarks/network_population.py --seeds 0-4      # about a minute a seed

Each cell trains the same networks both ways for the same steps, with the same batches, and says
what finding out the quicker way took. Bars: 8 times for 64 perceptrons of 3,000 weights on 64
inputs, twice for 16 convolutional networks on 8 x 8 pixels; where it does not pay, within 5 % of
the quicker way, the probe included.
"""

from __future__ import annotations

from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from cells import Bench, Method, Row, arguments, main

PROBLEMS = ("mlp_64", "conv_8x8_16", "conv_28x28_4", "wide_28x28_4")
METHODS = (Method("modelwright", "modelwright", "population_cell.py", fresh=True),)
BENCH = Bench("population", METHODS, PROBLEMS, tuple(range(5)), {}, 600)


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """Medians over seeds."""
    found = defaultdict(list)
    for row in rows:
        if "result" in row:
            found[row["problem"]].append(row["result"])
    lines = ["| networks | apart, s | together, s | together is quicker by | taken | chosen, with "
             "the probe, over the quicker way |", "|---|---|---|---|---|---|"]  # fmt: skip
    for name, cells in found.items():
        apart, together = (median(c[k] for c in cells) for k in ("apart", "together"))
        ratio = median(c["apart"] / c["together"] for c in cells)
        cost = median((c["chosen"] + c["probe"]) / min(c["apart"], c["together"]) for c in cells)
        taken = "together" if sum(c["stacked"] for c in cells) * 2 > len(cells) else "apart"
        lines.append(
            f"| {name} ({len(cells)} seeds) | {apart:.2f} | {together:.2f} | {ratio:.1f} x | "
            f"{taken} | {cost:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(BENCH, report, arguments("Population training, both ways."))
