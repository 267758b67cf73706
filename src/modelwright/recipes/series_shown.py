"""What a report on forecasts draws, worked out once and kept in the run's folder."""

from __future__ import annotations

import json
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.leaderboard import trivial_outcome
from modelwright.readers.runs import RunFolder
from modelwright.readers.series import SCHEMA, SHOWN

DRAWN, BEFORE = 6, 3.0  # series drawn, and horizons of history before their window


def write_shown(run: RunFolder, record: Record, outcome: Outcome) -> None:
    """Writes `forecasts.json`: the newest window of some series, and the error by step ahead.

    The series drawn are those of the median error, the best, the worst and others between them.
    """
    import numpy as np

    from modelwright.evaluators.forecast_windows import load_windows
    from modelwright.executors import FileStore
    from modelwright.models.series_scores import HIGH, LOW, MIDDLE, by_step, crossed_quantiles

    windows = load_windows(run.path / "data" / "dev")
    truth, panel = windows.truth, windows.panel
    store = FileStore(run.path / "artefacts")

    def kept(of: Outcome) -> Any:
        return np.load(store.path(of.evidence.artefacts["oof"]), allow_pickle=False).astype(float)

    centre, width = kept(outcome)
    quantiles = crossed_quantiles(truth, centre, width)
    base = trivial_outcome(record.view)
    plain = None if base is None else by_step(truth, kept(base)[0])
    newest = np.flatnonzero(truth.windows == truth.windows.max())
    error = np.nanmean(
        np.where(np.isfinite(truth.y[newest]), np.abs(truth.y - centre)[newest], 0.0), axis=1
    )
    order = newest[np.argsort(error / truth.scale[newest], kind="stable")]
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(DRAWN, len(order))).astype(int))]
    pictures = []
    for cell in chosen:
        s, n = int(windows.series[cell]), int(windows.lengths[cell])
        back = min(n, int(BEFORE * panel.schema.horizon) + 1)
        seen = np.where(panel.seen[s], panel.y[s], np.nan)[n - back : n]
        ends = panel.schema.step.seconds(panel.starts[s] + np.array([n - back, n]))
        pictures.append({
            "series": panel.names[s], "history": _plain(seen), "came": _plain(truth.y[cell]),
            "prediction": _plain(quantiles[cell, :, MIDDLE]), "begins": float(ends[1]),
            "low": _plain(quantiles[cell, :, LOW]), "high": _plain(quantiles[cell, :, HIGH]),
        })  # fmt: skip
    facts = {
        "schema": SCHEMA, "candidate": outcome.trial.candidate.id, "horizon": panel.schema.horizon,
        "step": panel.schema.step.words, "pictures": pictures,
        "by_step": _plain(by_step(truth, centre)),
        "by_step_trivial": None if plain is None else _plain(plain),
        "windows": len(windows.origins.folds), "numbers": panel.schema.step.unit == "number",
    }  # fmt: skip
    text = json.dumps(facts, allow_nan=False)
    (run.path / SHOWN).write_text(text + "\n", "utf-8")


def _plain(values: Any) -> list[float | None]:
    return [None if v != v else round(float(v), 6) for v in values]
