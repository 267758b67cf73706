"""Tables of the tabular panel: scores, ranks, duels with intervals over test rows, costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cells import Row
from tabular_data import catalogue, split
from workers.tabular_peer import PREDICTIONS

OURS = "modelwright"
METRIC = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
DRAWS = 1000
Floats = NDArray[np.float64]


def loss_of(row: Row) -> float:
    """The score of a row as a loss: smaller is better."""
    task = catalogue()[row["problem"]]["problem_type"]
    value = float(row["result"][METRIC[task]])
    return 1 - value if task == "binary" else value


def tables(rows: Sequence[Row], rival: str) -> str:
    """All tables of the rows."""
    if not rows:
        return "no finished cells yet"
    return "\n\n".join([scores(rows), duels(rows, rival), costs(rows), students(rows, rival)])


def scores(rows: Sequence[Row]) -> str:
    """Mean score per set and method, and the mean rank over cells that every method has."""
    methods, sets = _names(rows, "method"), _names(rows, "problem")
    lines = ["| set | " + " | ".join(methods) + " |", "|---|" + "---|" * len(methods)]
    for name in sets:
        task = catalogue()[name]["problem_type"]
        shown = []
        for method in methods:
            mine = [r["result"][METRIC[task]] for r in _of(rows, method=method, problem=name)]
            shown.append(f"{np.mean(mine):.5g} ({len(mine)})" if mine else "-")
        lines.append(f"| {name} ({METRIC[task]}) | {' | '.join(shown)} |")
    cells = {
        m: {(r["problem"], r["seed"]): loss_of(r) for r in _of(rows, method=m)} for m in methods
    }
    full = [m for m in methods if m != "autogluon_medium"]
    common = sorted(set.intersection(*(set(cells[m]) for m in full)))
    if common:
        table = np.array([[cells[m][c] for m in full] for c in common])
        above = (table[:, :, None] > table[:, None, :]).sum(axis=2)
        equal = (table[:, :, None] == table[:, None, :]).sum(axis=2)
        mean = (above + (equal + 1) / 2).mean(axis=0)
        ranks = dict(zip(full, mean, strict=True))
        shown = [f"{ranks[m]:.2f}" if m in ranks else "-" for m in methods]
        lines.append(f"| mean rank, {len(common)} cells | {' | '.join(shown)} |")
    return "\n".join(lines)


def duels(rows: Sequence[Row], rival: str) -> str:
    """Ours against a rival, cell by cell: the better of its presets counts on each set."""
    lines = [
        f"| set, seed | ours | {rival} | gain, 95 % over test rows | |",
        "|---|---|---|---|---|",
    ]
    points: list[float] = []
    for mine in _of(rows, method=OURS):
        best = _best(rows, mine, rival)
        if best is None:
            continue
        gain, low, high = paired(mine, best)
        word = "win" if low > 0 else "loss" if high < 0 else "tie"
        points.append({"win": 1.0, "loss": 0.0, "tie": 0.5}[word])
        lines.append(
            f"| {mine['problem']}, {mine['seed']} | {loss_of(mine):.5g} | {loss_of(best):.5g} "
            f"({best['method']}) | {gain:+.5g} [{low:+.5g}, {high:+.5g}] | {word} |"
        )
    if points:
        wins, ties = points.count(1.0), points.count(0.5)
        lines.append(
            f"\nLosses (1 - AUC, log loss, RMSE). {wins} wins, {ties} ties, {points.count(0.0)} "
            f"losses: {100 * np.mean(points):.0f} % of {len(points)} duels."
        )
    return "\n".join(lines)


def paired(ours: Row, theirs: Row) -> tuple[float, float, float]:
    """Their loss minus ours on equal test rows, and its 95 % interval (nan without predictions)."""
    gain = loss_of(theirs) - loss_of(ours)
    files = [_file(ours), _file(theirs)]
    if not all(f.exists() for f in files):
        return gain, float("nan"), float("nan")
    loss = _losses(ours, [np.load(f, allow_pickle=False) for f in files])
    n, rng = loss(None)[2], np.random.default_rng(0)
    draws = np.array([np.diff(loss(rng.integers(n, size=n))[:2])[0] for _ in range(DRAWS)])
    low, high = np.quantile(draws, [0.025, 0.975])
    return gain, float(low), float(high)


def costs(rows: Sequence[Row]) -> str:
    """Medians over cells: seconds used, size, single-row latency, throughput, memory."""
    lines = [
        "| method | cells | fit s (worst) | model MB | one row ms | test rows a second "
        "| peak MB (sum over processes) |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in _names(rows, "method"):
        mine = _of(rows, method=method)
        found = [r["result"] for r in mine]

        def middle(key: str, found: list[Row] = found) -> float:
            return float(np.median([r[key] for r in found if key in r] or [np.nan]))

        worst = max(r["fit_s"] for r in found)
        rate = np.median([r["n_test"] / r["predict_s"] for r in found])
        lines.append(
            f"| {method} | {len(mine)} | {middle('fit_s'):.1f} ({worst:.1f}) | "
            f"{middle('model_bytes') / 1e6:.2f} | "
            f"{middle('row_ms'):.2f} | {rate:,.0f} | {middle('peak_rss_mb'):.0f} |"
        )
    return "\n".join(lines)


def students(rows: Sequence[Row], rival: str) -> str:
    """What the student keeps of its teacher's gain over the trivial model, and against a rival."""
    lines = [
        f"| set, seed | teacher | student | gain kept | one row ms, {rival} | MB, {rival} | |",
        "|---|---|---|---|---|---|---|",
    ]
    met: list[bool] = []
    for mine in _of(rows, method=OURS):
        student = mine["result"].get("student")
        best = _best(rows, mine, rival)
        if not student or best is None:
            continue
        other = best["result"]
        teacher, own = loss_of(mine), loss_of({**mine, "result": student})
        trivial = _trivial(mine)
        kept = (trivial - own) / (trivial - teacher) if trivial > teacher else float("nan")
        faster = other["row_ms"] / student["row_ms"]
        smaller = other["model_bytes"] / student["bytes"]
        met.append(kept >= 0.98 and faster >= 20 and smaller >= 20)
        lines.append(
            f"| {mine['problem']}, {mine['seed']} | {teacher:.5g} | {own:.5g} "
            f"({', '.join(student['families'])}) | {100 * kept:.1f} % | {student['row_ms']:.2f}, "
            f"{other['row_ms']:.1f}: {faster:.0f} x | {student['bytes'] / 1e6:.3f}, "
            f"{other['model_bytes'] / 1e6:.1f}: {smaller:.0f} x | "
            f"{'met' if met[-1] else 'missed'} |"
        )
    if met:
        lines.append(f"\n98 % kept, 20 x faster, 20 x smaller: {sum(met)} of {len(met)} cells.")
    return "\n".join(lines)


def _best(rows: Sequence[Row], mine: Row, rival: str) -> Row | None:
    """The better of a rival's presets on the same set and seed."""
    theirs = [r for r in rows if r["method"].startswith(rival) and _cell(r) == _cell(mine)]
    return min(theirs, key=loss_of, default=None)


def _cell(row: Row) -> tuple[str, int]:
    return row["problem"], row["seed"]


def _trivial(row: Row) -> float:
    """The loss on the test rows of the training rows' mean, or of their classes' shares."""
    import pandas as pd

    about = catalogue()[row["problem"]]
    train, test = (pd.read_csv(p)[about["target"]] for p in split(row["problem"], row["seed"]))
    if about["problem_type"] == "regression":
        return float(np.sqrt(np.mean((test - train.mean()) ** 2)))
    if about["problem_type"] == "binary":
        return 0.5
    shares = train.value_counts(normalize=True)
    return float(np.mean(-np.log([shares[value] for value in test])))


def _losses(row: Row, files: list[Any]) -> Callable[[Any], tuple[float, float, int]]:
    """A function from test rows to the two losses on them and how many rows there are."""
    import pandas as pd

    about = catalogue()[row["problem"]]
    task = about["problem_type"]
    raw = pd.read_csv(split(row["problem"], row["seed"])[1])[about["target"]]
    if task == "regression":
        errors = [(f["values"] - raw.to_numpy(float)) ** 2 for f in files]
        return lambda rows: (*(float(np.sqrt(np.mean(_take(e, rows)))) for e in errors), len(raw))  # type: ignore[return-value]
    truth = np.array([str(v) for v in raw])
    columns = [[list(f["classes"]).index(t) for t in truth] for f in files]
    at = np.arange(len(truth))
    if task == "multiclass":
        logs = [
            -np.log(np.clip(f["shares"][at, c].astype(float), 1e-15, 1))
            for f, c in zip(files, columns, strict=True)
        ]
        return lambda rows: (*(float(np.mean(_take(x, rows))) for x in logs), len(truth))  # type: ignore[return-value]
    shares = [f["shares"][:, 1].astype(float) for f in files]
    positive = np.array(columns[0]) == 1
    return lambda rows: (
        *(1 - _auc(_take(positive, rows), _take(s, rows)) for s in shares),
        len(truth),
    )  # type: ignore[return-value]


def _take(values: NDArray[Any], rows: Any) -> NDArray[Any]:
    return values if rows is None else values[rows]


def _auc(positive: NDArray[np.bool_], score: Floats) -> float:
    from scipy.stats import rankdata

    ranks, n1 = rankdata(score), int(positive.sum())
    n0 = len(positive) - n1
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def _file(row: Row) -> Any:
    return PREDICTIONS / f"{row['bench']}-{row['problem']}-{row['seed']}-{row['method']}.npz"


def _names(rows: Sequence[Row], key: str) -> list[str]:
    return list(dict.fromkeys(r[key] for r in rows))


def _of(rows: Sequence[Row], **wanted: str) -> list[Row]:
    return [r for r in rows if all(r[k] == v for k, v in wanted.items())]
