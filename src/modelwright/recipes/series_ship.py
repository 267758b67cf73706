"""Handing over a forecaster: one look at the sealed end, then members, errors and history."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.trial import Candidate
from modelwright.core.view import Outcome
from modelwright.ledger import Ledger
from modelwright.readers.leaderboard import described
from modelwright.readers.runs import RunFolder
from modelwright.recipes.closing import members_of
from modelwright.recipes.handing_over import (
    allowed,
    card_basics,
    check_chosen,
    hand_over,
    looked_at,
    note_look,
    shipped_before,
    to_ship,
)
from modelwright.recipes.outcome import Shipped
from modelwright.recipes.placing import unless_waiting
from modelwright.recipes.series_shown import Shown, write_shown
from modelwright.recipes.ship import Parts, parts_of
from modelwright.stats import bootstrap_interval

if TYPE_CHECKING:
    from modelwright.data.panel import FloatArray
    from modelwright.executors import FileStore

ROWS = {
    "all": "all rows",
    "some": "all rows; members for which time was short, on what came before the newest windows",
    "folds": "what came before the newest windows",
    "fold": "what came before the newest windows; a fit on all rows was not in time",
}
MEASURED = ("latency_ms", "size_kb", "fit_seconds", "wql", "smape", "rmse", "mae")
SCORED_ON = "models of this design fitted on what came before each window"


def ship_series(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    policy: Policy,
    store: FileStore,
    until: float | None = None,
) -> tuple[Shipped | None, Shipped | None]:
    """Writes the winner into the run's `model` folder; None when there is none within the limits.

    What the policy refuses or asks about is a row, and None. A run that ended without a better
    forecaster since its last shipping keeps the model it has. There is never a student.
    """
    best = to_ship(record)
    parts = None if best is None else parts_of(record, best, store)
    if best is None or parts is None:
        return None, None
    if shipped_before(record, best, parts.rows, run.model_path):
        known = (best.trial.candidate.id, best.trial.number, ROWS[parts.rows])
        return Shipped(run.model_path, *known), None
    if not allowed("ship", record, ledger, policy, best):
        return None, None
    offsets = _offsets(run, best, store)
    sealed = _look(run, record, ledger, policy, best, store, offsets)
    out = run.model_path
    shipped = unless_waiting(lambda: _write(run, record, ledger, best, parts, offsets, out))
    if shipped is None:
        return None, None
    write_shown(run, record, best, _ahead(run.model_path), sealed)
    return shipped, None


def _ahead(path: Path) -> Shown | None:
    """What the shipped model forecasts; None where known columns of the future are missing."""
    from modelwright.models.bundle import load_model

    model = load_model(path)
    try:
        return Shown(model.history, model.quantiles(model.history), None)
    except InputError:
        return None


def ship_candidate(
    run: RunFolder, record: Record, ledger: Ledger, policy: Policy, outcome: Outcome, out: Path
) -> Shipped:
    """Writes the forecaster of a candidate that a person chose.

    Raises InputError when its fitted parts were not kept or `out` is taken, RefusedError where
    the policy says so, and WaitingError when a person has to approve it.
    """
    from modelwright.executors import FileStore

    store = FileStore(run.path / "artefacts")
    parts = parts_of(record, outcome, store)
    candidate = outcome.trial.candidate.id
    if parts is None:
        raise InputError(f"the fitted model of candidate {candidate} was not kept; choose another.")
    check_chosen(policy, record, ledger, outcome, out)
    return _write(run, record, ledger, outcome, parts, _offsets(run, outcome, store), out)


def _offsets(run: RunFolder, outcome: Outcome, store: FileStore) -> FloatArray:
    """Quantiles of the errors on all windows, by step ahead."""
    import numpy as np

    from modelwright.evaluators.forecast_windows import load_windows
    from modelwright.models.series_scores import offsets_of

    windows = load_windows(run.path / "data" / "dev")
    kept = np.load(store.path(outcome.evidence.artefacts["oof"]), allow_pickle=False).astype(float)
    return offsets_of(windows.truth, kept[0], kept[1])


def _look(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    policy: Policy,
    outcome: Outcome,
    store: FileStore,
    offsets: FloatArray,
) -> Shown | None:
    """Scores the winner on the sealed end, once, and appends a `look` row; gives what was seen.

    The models of the newest windows answer: they were fitted on nothing of the sealed end, and
    forecast from all that came before it.
    """
    members = _window_models(record, outcome, store)
    if members is None or not (run.path / "data" / "sealed").exists():
        return None
    if not looked_at(record, outcome):
        if not allowed("look", record, ledger, policy, outcome):
            return None
        shown = _sealed(run, members, offsets)
        note_look(record, ledger, outcome, _measure(record, shown))
        return shown
    return _sealed(run, members, offsets)


def _window_models(
    record: Record, outcome: Outcome, store: FileStore
) -> list[tuple[Path, float]] | None:
    """The models of the newest windows of each member, with weights; None where one is gone."""
    found = []
    for member in members_of(outcome):
        origin: Outcome | None = outcome
        if outcome.trial.role == "blend":
            view = record.view
            number = view.tried(Candidate(member["document"]).id, view.rungs.top)
            origin = None if number is None else view.outcome(number)
        name = None if origin is None else origin.evidence.artefacts.get("model")
        if name is None or not store.path(name).exists():
            return None
        found.append((store.path(name), float(member["weight"])))
    return found


def _sealed(run: RunFolder, members: list[tuple[Path, float]], offsets: FloatArray) -> Shown:
    """Forecasts of the sealed last horizon of each series that has one, and what came."""
    import numpy as np

    from modelwright.data.panel import load_panel
    from modelwright.models.series import packed_paths
    from modelwright.models.series_scores import quantiles_from

    dev = load_panel(run.path / "data" / "dev")
    whole = load_panel(run.path / "data" / "sealed")
    place = {name: s for s, name in enumerate(whole.names)}
    held = [s for s, name in enumerate(dev.names) if len(whole.y[place[name]]) > len(dev.y[s])]
    series = [place[dev.names[s]] for s in held]
    past = whole.cells(series, [len(dev.y[s]) for s in held])
    y = np.stack([
        np.where(whole.seen[s], whole.y[s], np.nan)[-dev.schema.horizon :] for s in series
    ])  # fmt: skip
    paths = packed_paths(members, past)
    return Shown(past, quantiles_from(paths.centre, paths.width, offsets), y)


def _measure(record: Record, shown: Shown) -> dict[str, Any]:
    """The score on the sealed end, with what the intervals held, as a `look` row tells it."""
    import numpy as np

    from modelwright.models.series_scores import HIGHEST, LOWEST, Truth, coverage_of, scores_of

    past, quantiles, y = shown
    assert y is not None, "what came is known"
    counted = np.arange(len(y))
    truth = Truth(y, past.scales(), np.zeros(len(y), int), np.zeros(len(y), int))
    metric = record.view.goals[0].metric

    def score(rows: Any) -> float:
        part = Truth(truth.y[rows], truth.scale[rows], truth.windows[rows], truth.parts[rows])
        return scores_of(part, quantiles[rows])[0][metric]

    whole_score, interval = score(counted), None
    if len(y) >= 5:
        key = Key.of(record.settings["problem"]["seed"]).child("look")
        found = bootstrap_interval(score, len(y), key, rounds=300)
        interval = [found.low, found.high]
    told = f", 95 % interval {interval[0]:.4g} to {interval[1]:.4g}" if interval else ""
    one = "one series" if len(y) == 1 else f"{len(y)} series"
    inside, wide = coverage_of(truth, quantiles), coverage_of(truth, quantiles, LOWEST, HIGHEST)
    sentence = (
        f"On the sealed last {y.shape[1]} steps of {one}, look {len(record.looks) + 1}: {metric} "
        f"{whole_score:.4g}{told}; the 80 % intervals held {inside:.0%} of the values, the 95 % "
        f"intervals {wide:.0%} (by the models of the newest windows, which saw none of them)."
    )
    return {
        "metric": metric, "score": whole_score, "interval": interval, "n_rows": int(y.size),
        "sentence": sentence, "held": inside,
    }  # fmt: skip


def _write(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    outcome: Outcome,
    parts: Parts,
    offsets: FloatArray,
    out: Path,
) -> Shipped:
    """Writes the bundle beside its place and hands it over."""
    from modelwright.data.panel import load_panel
    from modelwright.models.series import save_series

    data = run.path / "data"
    history = load_panel(data / "sealed" if (data / "sealed").exists() else data / "dev")
    families = [str(m["facts"].get("family", "")) for m in members_of(outcome)]
    members = [(p, f, w) for (p, w), f in zip(parts.members, families, strict=True)]
    with tempfile.TemporaryDirectory(dir=run.path) as folder:
        draft = Path(folder) / "model"
        save_series(draft, members, offsets, history, card_of(record, outcome, parts))
        hand_over(run, record, ledger, outcome, draft, out, parts.rows)
    return Shipped(out, outcome.trial.candidate.id, outcome.trial.number, ROWS[parts.rows])


def card_of(record: Record, outcome: Outcome, parts: Parts) -> Mapping[str, Any]:
    """Plain data about the forecaster: what for, how made, what it scored, of which fit that is."""
    return card_basics(record, outcome, MEASURED) | {
        "family": described(outcome),
        "fitted_on": ROWS[parts.rows],
        "score_is_of": SCORED_ON,
        "coverage": outcome.evidence.facts.get("coverage"),
        "contains_training_rows": True,
    }
