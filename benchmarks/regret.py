"""Tables of search quality from result rows: regret, ranks, paired intervals, seconds a suggestion.

regret = clip((best so far - best known) / (median random - best known), 0, 1) per cell.  The best
known value may be beaten (it came from sampling and hill climbing), hence the clip at 0.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import shared

AT = (25, 50, 100)
Row = dict[str, Any]
Cells = dict[tuple[str, int], NDArray[np.float64]]  # (problem, seed) -> regret at each of AT
DRAWS = 10_000
ASKED = {"hebo": 50}  # evaluations of methods too slow for 100


def reference() -> dict[str, dict[str, float]]:
    """Best known and median random value of each problem, full fidelity."""
    known: dict[str, dict[str, float]] = json.loads(
        (shared() / "yahpo" / "reference.json").read_text()
    )
    return known


def regret(best: float, known: dict[str, float]) -> float:
    """Where `best` lies between the best known (0) and the median random value (1).

    >>> regret(-0.9, {"best": -1.0, "median": -0.5})
    0.2
    """
    return round(
        float(np.clip((best - known["best"]) / (known["median"] - known["best"]), 0, 1)), 12
    )


def by_method(rows: Sequence[Row]) -> dict[str, Cells]:
    """Regret after 25, 50 and 100 evaluations per method and cell.

    A searcher that stopped early keeps the best it had; NaN after more than it was asked for.
    """
    known, out = reference(), dict[str, Cells]()
    for row in rows:
        best = np.minimum.accumulate(row["result"]["values"])
        asked = ASKED.get(row["method"], AT[-1])
        values = [
            regret(best[min(n, len(best)) - 1], known[row["problem"]]) if n <= asked else np.nan
            for n in AT
        ]
        out.setdefault(row["method"], {})[row["problem"], row["seed"]] = np.array(values)
    return out


def interval(differences: Sequence[tuple[str, float]], seed: int = 0) -> tuple[float, float, float]:
    """Mean of paired differences (problem, difference) and its 95 % bootstrap interval.

    Every problem weighs the same.  Seeds are drawn anew within each problem: the interval speaks
    of these problems, not of others one might have chosen.  Where some problem has a single seed,
    problems are drawn instead, which gives a wider interval.
    """
    rng, groups = np.random.default_rng(seed), dict[str, list[float]]()
    for problem, difference in differences:
        groups.setdefault(problem, []).append(difference)
    parts = [np.array(g) for g in groups.values()]
    if min(map(len, parts)) < 2:
        means = np.array([g.mean() for g in parts])
        draws = means[rng.integers(len(means), size=(DRAWS, len(means)))].mean(axis=1)
    else:
        draws = np.mean(
            [g[rng.integers(len(g), size=(DRAWS, len(g)))].mean(axis=1) for g in parts], axis=0
        )
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(np.mean([g.mean() for g in parts])), float(low), float(high)


def mean_over_problems(cells: Cells) -> NDArray[np.float64]:
    """Mean over seeds, then over problems: a problem with more seeds done weighs no more."""
    groups: dict[str, list[NDArray[np.float64]]] = {}
    for (problem, _), values in cells.items():
        groups.setdefault(problem, []).append(values)
    means: NDArray[np.float64] = np.mean([np.mean(g, axis=0) for g in groups.values()], axis=0)
    return means


def ranks(methods: dict[str, Cells], cells: Sequence[tuple[str, int]]) -> dict[str, float]:
    """Mean rank (1 is best, ties share) after 50 evaluations over the given cells."""
    names = list(methods)
    table = np.array([[methods[m][c][1] for m in names] for c in cells])
    below = (table[:, :, None] > table[:, None, :]).sum(axis=2)
    equal = (table[:, :, None] == table[:, None, :]).sum(axis=2)
    return dict(zip(names, (below + (equal + 1) / 2).mean(axis=0).tolist(), strict=True))


def _seconds(rows: Sequence[Row], key: str) -> float:
    return float(np.median([r["result"][key] for r in rows]))


def table(rows: Sequence[Row], reference_method: str) -> str:
    """All methods on the cells each has, and paired with the reference on common cells."""
    methods = by_method(rows)
    common = sorted(set.intersection(*(set(c) for c in methods.values())))
    rank = ranks(methods, common) if common else dict.fromkeys(methods, float("nan"))
    lines = [
        "| method | problems, cells | "
        + " | ".join(map(str, AT))
        + f" | mean rank ({len(common)} common cells, at 50) "
        f"| minus {reference_method} at 25 / 100 (paired, 95 %) | s a suggestion: wall, cpu |",
        "|---|---|" + "---|" * len(AT) + "---|---|---|",
    ]
    for name, cells in methods.items():
        base = methods.get(reference_method, {})
        pairs = sorted(set(cells) & set(base))
        gaps = []
        for at in (0, -1):
            if name == reference_method or not pairs:
                break
            mean, low, high = interval([(c[0], float(cells[c][at] - base[c][at])) for c in pairs])
            gaps.append(f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]")
        mine = [r for r in rows if r["method"] == name]
        means = " | ".join(f"{x:.3f}" for x in mean_over_problems(cells))
        seconds = ", ".join(
            f"{_seconds(mine, f'suggest_{clock}_s'):.3f}" for clock in ("wall", "cpu")
        )
        lines.append(
            f"| {name} | {len({p for p, _ in cells})}, {len(cells)} | {means} | {rank[name]:.2f} | "
            f"{' / '.join(gaps) or '-'} | {seconds} |"
        )
    return "\n".join(lines)


def duels(rows: Sequence[Row], ours: str = "modelwright") -> str:
    """Each peer beside ours on the cells that both have, with paired differences."""
    methods = by_method(rows)
    mine = methods.pop(ours, {})
    lines = [
        f"| peer | common cells | the peer at {' / '.join(map(str, AT))} | {ours} there "
        f"| {ours} minus the peer at 25, 50, 100 (paired, 95 %) |",
        "|---|---|---|---|---|",
    ]
    for name, cells in methods.items():
        pairs = sorted(set(cells) & set(mine))
        if not pairs:
            continue
        sides = [
            " / ".join(f"{x:.3f}" for x in mean_over_problems({c: side[c] for c in pairs}))
            for side in (cells, mine)
        ]
        gaps = [
            "{:+.3f} [{:+.3f}, {:+.3f}]".format(
                *interval([(c[0], float(mine[c][at] - cells[c][at])) for c in pairs])
            )
            for at in range(len(AT))
        ]
        lines.append(f"| {name} | {len(pairs)} | {sides[0]} | {sides[1]} | {', '.join(gaps)} |")
    return "\n".join(lines)


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """All problems, then without rbv2_xgboost (a known ceiling effect of that surrogate)."""
    if not rows:
        return "no finished cells yet"
    rest = [r for r in rows if not r["problem"].startswith("rbv2_xgboost")]
    parts = [("All problems", rows), ("Without rbv2_xgboost", rest)]
    return "\n\n".join(
        f"{title}\n\n{table(part, chosen.reference)}\n\n{duels(part)}"
        for title, part in parts
        if part
    )
