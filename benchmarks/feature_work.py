"""What each kind of feature work brings: cross-validated, beside the same family without.

    python benchmarks/feature_work.py ../shared/data                  # all cells that lack a result
    python benchmarks/feature_work.py ../shared/data --family Linear --set compas_two_year
    python benchmarks/feature_work.py --table                         # what has been measured

A cell is (set, family, kind, seed): 3 folds of at most 10,000 rows, one thread. Losses are 1 - AUC,
log loss or RMSE over the target's deviation; times are processor seconds of one fit.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modelwright.data import Question, load_part, prepare, read_table
from modelwright.families import family
from modelwright.families.base import Examples
from modelwright.families.feature_work import FeatureWork
from modelwright.families.inputs import inputs_of
from modelwright.families.pipeline import fit_design

RESULTS = Path(__file__).parent / "results" / "feature_work.jsonl"
SETS = ("german_credit", "adult_income", "hotel_rates", "ames_housing", "compas_two_year")
FAMILIES = ("LightGbm", "Linear", "CatBoost", "KNearest")
ROWS = 10_000
KINDS = {
    "none": FeatureWork(),
    "targets beside": FeatureWork(targets="beside", above=2),
    "targets beside, above 10": FeatureWork(targets="beside", above=10),
    "targets instead, above 10": FeatureWork(targets="instead", above=10),
    "targets instead": FeatureWork(targets="instead", above=2),
    "shares": FeatureWork(shares=True),
    "crosses": FeatureWork(crosses=4),
    "combinations": FeatureWork(combinations=8),
    "aggregates": FeatureWork(aggregates=4),
    "combinations, aggregates": FeatureWork(combinations=8, aggregates=4),
    "gaps": FeatureWork(gaps=True),
    "rare": FeatureWork(rare=10),
    "all": FeatureWork("beside", shares=True, crosses=4, combinations=8, aggregates=4, gaps=True),
}


def load(entry: dict[str, Any], folder: Path) -> Examples:
    """At most 10,000 rows of a set, drawn with seed 0."""
    path = folder / entry["path"]
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    frame = frame.sample(min(ROWS, len(frame)), random_state=0).reset_index(drop=True)
    target = entry["target"]
    with tempfile.TemporaryDirectory() as name:
        question = Question(target, seal=False)
        part = load_part(prepare(read_table(frame, target=target), question, Path(name)).dev)
        X = inputs_of(part.features, part.schema)
        k = 0 if part.schema.task == "regression" else len(part.schema.classes)
        return Examples(X, np.array(part.y), part.schema.task, k)


def loss(examples: Examples, out: Any) -> float:
    """1 - AUC, log loss, or RMSE over the deviation."""
    from sklearn.metrics import log_loss, roc_auc_score

    y = examples.y
    if examples.task == "regression":
        return float(np.sqrt(np.mean((y - out) ** 2)) / np.std(y))
    if examples.task == "binary":
        return float(1 - roc_auc_score(y, out[:, 1]))
    return float(log_loss(y, out, labels=range(examples.n_classes)))


def measure(examples: Examples, name: str, kind: str, seed: int) -> dict[str, Any]:
    """Losses per fold and the processor time of a fit."""
    design: Any = family(name)(features=KINDS[kind])  # type: ignore[call-arg]
    fold = np.random.default_rng(seed).permutation(len(examples.y)) % 3
    losses, seconds, columns = [], [], []
    for f in range(3):
        train, held = examples.take(fold != f), examples.take(fold == f)
        began = time.process_time()
        fitted = fit_design(design, train, seed=seed)
        seconds.append(time.process_time() - began)
        losses.append(loss(held, fitted.predict(held.X)))
        features = getattr(fitted, "features", None)
        width = train.X.numeric.shape[1]
        made = 0 if features is None else features.apply(held.X.take([0])).numeric.shape[1] - width
        columns.append(made)
    return {"losses": losses, "seconds": float(np.median(seconds)), "made": columns}


def table() -> None:
    """The mean change of loss in percent against no work, with the folds that got better."""
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    found = {(r["family"], r["kind"], r["set"], r["seed"]): r for r in rows}
    for name in FAMILIES:
        print(f"\n{name}: loss against none, % (folds better), seconds")
        for kind in KINDS:
            cells = []
            for data in SETS:
                pairs = [
                    (found[name, "none", data, s], found[name, kind, data, s])
                    for s in range(9)
                    if {(name, "none", data, s), (name, kind, data, s)} <= found.keys()
                ]
                a = np.array([x for p, _ in pairs for x in p["losses"]])
                b = np.array([x for _, p in pairs for x in p["losses"]])
                if not len(a):
                    cells.append(f"{'-':>18}")
                    continue
                change, better = 100 * (b.mean() / a.mean() - 1), int((b < a).sum())
                seconds = np.median([p["seconds"] for _, p in pairs])
                told = f"{a.mean():.4f}" if kind == "none" else f"{change:+.2f}"
                cells.append(f"{told:>8} {better}/{len(a)} {seconds:5.1f}s")
            print(f"{kind:26}", *cells)


def main() -> None:
    """Measures the cells that are asked for and lack a result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", action="append", choices=SETS)
    parser.add_argument("--family", action="append", choices=FAMILIES)
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    told = parser.parse_args()
    if told.table:
        table()
        return
    catalog = json.loads((told.folder / "catalog.json").read_text())["datasets"]
    entries = {e["name"]: e for e in catalog}
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    done = {tuple(json.loads(line)[k] for k in ("set", "family", "kind", "seed")) for line in lines}
    for data in told.set or SETS:
        examples = load(entries[data], told.folder)
        for seed in range(told.seeds):
            for name in told.family or FAMILIES:
                for kind in told.kind or KINDS:
                    if (data, name, kind, seed) in done:
                        continue
                    cell = {"set": data, "family": name, "kind": kind, "seed": seed}
                    result = measure(examples, name, kind, seed)
                    with RESULTS.open("a") as out:
                        out.write(json.dumps(cell | result) + "\n")


if __name__ == "__main__":
    main()
