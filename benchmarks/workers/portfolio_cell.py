"""One design on one set: fitted on 60 % of the rows, stopped on 20 %, tested on 20 %.

Request: {"problem": "<set>:<design>", "seed"}.  Predictions of both parts are kept in
`.bench/portfolio/`, so that `portfolio.py` can build ensembles of any designs.
"""

from __future__ import annotations

import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import environments
from portfolio_designs import MANY, ROWS, design_of
from tabular_data import catalogue, read
from worker import serve

KEPT = environments.ROOT / "portfolio"


@lru_cache(maxsize=1)
def parts(name: str, seed: int) -> Any:
    """Training, validation and test examples of a set, of at most 6,000 rows ("+": 25,000)."""
    from modelwright.data import Question, Table, load_part, prepare, read_table
    from modelwright.evaluators.table import examples_of

    rows, name = (MANY if name.endswith("+") else ROWS), name.removesuffix("+")
    about, frame = catalogue()[name], read(name)
    frame = frame[frame[about["target"]].notna()].sample(frac=1.0, random_state=seed)
    table: Table = read_table(frame.head(rows).reset_index(drop=True), about["target"])
    with tempfile.TemporaryDirectory() as folder:
        question = Question(about["target"], about["problem_type"], seal=False, seed=seed)
        part = load_part(prepare(table, question, Path(folder)).dev)
        examples = examples_of(part, "squared")
        folds = np.array(part.parts[:5])
    held, test = folds[0] == 2, folds[1] == 2
    return tuple(examples.take(np.flatnonzero(rows)) for rows in (~held & ~test, held, test))


def cell(request: dict[str, Any]) -> dict[str, Any]:
    from modelwright.families.pipeline import fit_design

    name, _, label = request["problem"].partition(":")
    train, held, test = parts(name, request["seed"])
    document, design = design_of(label)
    begin = time.process_time()
    fitted = fit_design(design, train, threads=1, seed=request["seed"], validation=held)
    seconds = time.process_time() - begin
    valid, tested = fitted.predict(held.X), fitted.predict(test.X)
    KEPT.mkdir(parents=True, exist_ok=True)
    file = KEPT / f"{name}-{label}-{request['seed']}.npz"
    np.savez_compressed(
        file, valid=valid.astype(np.float32), test=tested.astype(np.float32),
        y_valid=held.y, y_test=test.y,
    )  # fmt: skip
    return {
        "document": document,
        "n_rows": len(train.y),
        "n_columns": train.X.numeric.shape[1] + len(train.X.levels),
        "n_classes": train.n_classes,
        "fit_cpu_s": round(seconds, 3),
        "rounds": fitted.rounds,
    }


if __name__ == "__main__":
    serve(cell, "modelwright", "lightgbm", "catboost", "torch", "scikit-learn")
