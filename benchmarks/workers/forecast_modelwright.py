"""modelwright: one build on what came before the first test window, asked at each origin.

Models are not fitted again at later origins; they are given the longer history.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from series_data import LEVELS, load, scored
from worker import serve


def cell(request: dict[str, Any]) -> dict[str, Any]:
    import modelwright
    from modelwright.models.series_scores import LEVELS as OURS

    task = load(request["problem"])
    columns = ["time", "series", "y", *task.covariates]
    which = [next(i for i, level in enumerate(OURS) if abs(level - x) < 1e-9) for x in LEVELS]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{task.name}.csv"
        task.history(0)[columns].to_csv(file, index=False)
        begin = time.perf_counter()
        built = modelwright.build(
            file, "y", time="time", series="series", horizon=task.horizon, workspace=folder,
            budget=f"{request['seconds']}s", seed=request["seed"], metric=request.get("metric"),
        )  # fmt: skip
        seconds, model = time.perf_counter() - begin, built.model
        out, begin = [], time.perf_counter()
        for window in range(task.windows):
            panel = model.panel_of(task.history(window)[columns].reset_index(drop=True))
            found = model.quantiles(panel)[:, :, which]
            out.append({name: np.asarray(q) for name, q in zip(panel.names, found, strict=True)})
        predict = time.perf_counter() - begin
        best = built.best
        assert best is not None
        facts = {
            "family": model.card["family"], "trials": len(built.record.view.finished),
            "fitted_on": model.card["fitted_on"], "validated": best.evidence.scores["mase"],
            "season": model.schema.season, "reason": built.record.reason,
            "sealed": built.record.looks[-1]["score"] if built.record.looks else None,
        }  # fmt: skip
    return {**scored(task, out), "fit_s": round(seconds, 2), "predict_s": round(predict, 3),
            **facts}  # fmt: skip


if __name__ == "__main__":
    serve(cell, "modelwright", "numpy", "lightgbm", "torch")
