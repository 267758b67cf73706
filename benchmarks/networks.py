"""Networks: the search beside random search and the default network, at equal wall time.

    python benchmarks/networks.py --seconds 180 --seeds 0       # four sets; nothing else may run
    python benchmarks/networks.py --seconds 720 --seeds 0
    python benchmarks/networks.py --seconds 180 --report

`modelwright` is `modelwright build` as it is; `random` the same with random search in the same
space instead of its designers; `default` the default network of the kind, trained for the whole
time on all examples, with one thread or two, whichever is quicker; `optuna` a trainer written by
hand with Optuna's TPE and pruning (`workers/run_optuna_network.py`). Accuracy is on the sets' own
test examples; spoken digits are split by speaker: the tested one was never heard. A fresh process
per cell.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import environments
from cells import Bench, Method, Row, arguments, main
from network_sets import BASELINES, PANEL

METHODS = tuple(
    Method(name, environment, script, {"method": name}, fresh=True)
    for name, environment, script in (
        ("modelwright", "modelwright", "network_cell.py"),
        ("random", "modelwright", "network_cell.py"),
        ("default", "modelwright", "network_cell.py"),
        ("optuna", "modelwright", "network_cell.py"),
    )
)


def bench(seconds: int) -> Bench:
    """The bench of a budget: its results lie in a file of their own."""
    return Bench(
        f"networks{seconds}", METHODS, PANEL, (0, 1), {"seconds": seconds}, 3.0 * seconds + 300
    )


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """A table of accuracies, and paired differences to modelwright's on the test examples."""
    lines = ["| set | seed | method | accuracy | modelwright less it, 95 % | s | weights | ms |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    done = [row for row in rows if "result" in row]
    for row in sorted(done, key=lambda r: (r["problem"], r["seed"], r["method"])):
        result = row["result"]
        apart = "" if row["method"] == "modelwright" else _difference(row, chosen.seconds)
        lines.append(
            f"| {row['problem']} | {row['seed']} | {row['method']} | {result['accuracy']:.4f} | "
            f"{apart} | {result['wall']:.0f} | {result['params']:,.0f} | "
            f"{result.get('latency_ms', 'not taken')} |"
        )
    lines += ["", "Simple baselines of the catalogue: "
              + ", ".join(f"{name} {score}" for name, score in BASELINES.items())]  # fmt: skip
    return "\n".join(lines)


def _difference(row: Row, seconds: int) -> str:
    """The mean paired difference of right answers, bootstrapped over the test examples."""
    folder = environments.ROOT / "networks" / "right"
    ours = _right(folder, f"modelwright-{row['problem']}-{row['seed']}-{seconds}")
    theirs = _right(folder, f"{row['method']}-{row['problem']}-{row['seed']}-{seconds}")
    if ours is None or theirs is None or len(ours) != len(theirs):
        return "not kept"
    apart = ours.astype(float) - theirs
    rng = np.random.default_rng(0)
    means = [apart[rng.integers(0, len(apart), len(apart))].mean() for _ in range(1000)]
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{apart.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def _right(folder: Path, name: str) -> np.ndarray | None:
    path = folder / f"{name}.json"
    return np.array(json.loads(path.read_text())) if path.exists() else None


if __name__ == "__main__":
    parser = arguments("Networks beside other ways to one.")
    parser.add_argument("--seconds", type=int, default=180, help="budget of each cell")
    main(bench(parser.parse_known_args()[0].seconds), report, parser)
