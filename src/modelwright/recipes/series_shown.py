"""What a report on forecasts draws, worked out once and kept in the run's folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.leaderboard import trivial_outcome
from modelwright.readers.runs import RunFolder
from modelwright.readers.series import SCHEMA, SHOWN

if TYPE_CHECKING:
    from modelwright.data.panel import FloatArray, Panel
    from modelwright.evaluators.forecast_windows import Windows

DRAWN, BEFORE = 6, 3.0  # series drawn, and horizons of history before their window
TICKS, GROUPS = 5, 4  # times under a picture; rows of the table by step


class Shown(NamedTuple):
    """Forecasts `[c, h, levels]` after the ends of a panel; `came` `[c, h]` where it is known."""

    past: Panel
    quantiles: FloatArray
    came: FloatArray | None


def write_shown(
    run: RunFolder, record: Record, outcome: Outcome, ahead: Shown | None, sealed: Shown | None
) -> None:
    """Writes `forecasts.json`: what comes next, the newest horizon that is known, errors by step.

    `ahead` are the shipped model's forecasts, `sealed` those of the sealed end; without it the
    newest window of validation is shown. The series drawn are those of the median error, the best,
    the worst and others between them.
    """
    import numpy as np

    from modelwright.evaluators.forecast_windows import load_windows
    from modelwright.executors import FileStore
    from modelwright.models.series_scores import by_step, crossed_quantiles

    windows = load_windows(run.path / "data" / "dev")
    truth, panel = windows.truth, windows.panel
    store = FileStore(run.path / "artefacts")

    def kept(of: Outcome) -> Any:
        return np.load(store.path(of.evidence.artefacts["oof"]), allow_pickle=False).astype(float)

    centre, width = kept(outcome)
    quantiles = crossed_quantiles(truth, centre, width)
    base = trivial_outcome(record.view)
    plain = None if base is None else by_step(truth, kept(base)[0])
    past = sealed or _newest(windows, quantiles)
    chosen = _chosen(past)
    names = [past.past.names[s] for s in chosen]
    next_ones = [] if ahead is None else [ahead.past.names.index(name) for name in names]
    facts = {
        "schema": SCHEMA, "candidate": outcome.trial.candidate.id, "horizon": panel.schema.horizon,
        "step": panel.schema.step.words, "sealed": sealed is not None,
        "past": [_picture(past, s) for s in chosen],
        "ahead": [_picture(ahead, s) for s in next_ones if ahead is not None],
        "by_step": _plain(by_step(truth, centre)),
        "by_step_trivial": None if plain is None else _plain(plain),
        "steps": _steps(windows, quantiles, centre, plain),
        "windows": len(windows.origins.folds),
    }  # fmt: skip
    text = json.dumps(facts, allow_nan=False)
    (run.path / SHOWN).write_text(text + "\n", "utf-8")


def _newest(windows: Windows, quantiles: FloatArray) -> Shown:
    """The forecasts of the newest window of validation."""
    import numpy as np

    truth = windows.truth
    cells = np.flatnonzero(truth.windows == truth.windows.max())
    history = windows.panel.cells(windows.series[cells].tolist(), windows.lengths[cells].tolist())
    return Shown(history, quantiles[cells], truth.y[cells])


def _chosen(shown: Shown) -> list[int]:
    """Series to draw, from the smallest error to the largest."""
    import numpy as np

    from modelwright.models.series_scores import MIDDLE

    assert shown.came is not None, "series are chosen by their errors"
    off = np.abs(shown.came - shown.quantiles[:, :, MIDDLE])
    error = np.where(np.isfinite(off), off, 0.0).mean(axis=1) / shown.past.scales()
    order = np.argsort(error, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, min(DRAWN, len(order))).astype(int))
    return [int(s) for s in order[places]]


def _picture(shown: Shown, s: int) -> dict[str, Any]:
    """One series as plain data: its tail, the forecast with both intervals, and what came."""
    import numpy as np

    from modelwright.models.series_scores import HIGH, HIGHEST, LOW, LOWEST, MIDDLE

    panel, schema = shown.past, shown.past.schema
    n, q = len(panel.y[s]), shown.quantiles[s]
    back = min(n, int(BEFORE * schema.horizon) + 1)
    seen = np.where(panel.seen[s], panel.y[s], np.nan)[n - back :]
    places = np.linspace(0, back + schema.horizon - 1, TICKS + 2)[1:-1].astype(int)
    at = schema.step.times(panel.starts[s] + n - back + places)
    levels = {"prediction": MIDDLE, "low": LOW, "high": HIGH, "lowest": LOWEST, "highest": HIGHEST}
    return {
        "series": panel.names[s] if schema.series is not None else None,
        "history": _plain(seen),
        "came": [] if shown.came is None else _plain(shown.came[s]),
        "times": [[int(i), _short(t)] for i, t in zip(places, at, strict=True)],
        **{name: _plain(q[:, level]) for name, level in levels.items()},
    }


def _short(time: Any) -> str:
    from modelwright.data.steps import shown_time

    return shown_time(time).removesuffix(":00")


def _steps(
    windows: Windows, quantiles: FloatArray, centre: FloatArray, plain: FloatArray | None
) -> list[dict[str, Any]]:
    """Error and share of values held, for up to four groups of steps ahead."""
    import numpy as np

    from modelwright.models.series_scores import HIGHEST, LOWEST, Truth, by_step, coverage_of

    truth, rows = windows.truth, []
    error = by_step(truth, centre)
    horizon = len(error)
    for steps in np.array_split(np.arange(horizon), min(GROUPS, horizon)):
        part = Truth(truth.y[:, steps], truth.scale, truth.windows, truth.parts)
        held = [coverage_of(part, quantiles[:, steps]),
                coverage_of(part, quantiles[:, steps], LOWEST, HIGHEST)]  # fmt: skip
        first, last = int(steps[0]) + 1, int(steps[-1]) + 1
        shown = _plain([error[steps].mean(), np.nan if plain is None else plain[steps].mean()])
        rows.append({
            "steps": f"{first} to {last}" if last > first else str(first),
            "error": shown[0], "naive": shown[1],
            **dict(zip(("held80", "held95"), _plain(held), strict=True)),
        })  # fmt: skip
    return rows


def _plain(values: Sequence[Any] | Any) -> list[float | None]:
    return [None if v != v else round(float(v), 6) for v in values]
