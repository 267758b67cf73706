"""Handing over a forecaster: one look at the sealed end, then members, errors and history."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError, RefusedError, WaitingError
from modelwright.core.keys import Key
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.trial import Action, Candidate
from modelwright.core.version import VERSION
from modelwright.core.view import Outcome
from modelwright.ledger import Ledger, load_or_make_key, sign_head
from modelwright.readers.leaderboard import described, fold_bounds, trivial_outcome
from modelwright.readers.runs import RunFolder
from modelwright.recipes.closing import members_of, winner
from modelwright.recipes.outcome import Shipped
from modelwright.recipes.series_shown import write_shown
from modelwright.recipes.ship import Parts, append, parts_of
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
    best = winner(record.view)
    if best is None or best.violation > 0 or record.status in ("refused", "waiting", "paused"):
        return None, None
    parts = parts_of(record, best, store)
    if parts is None:
        return None, None
    candidate, number = best.trial.candidate.id, best.trial.number
    for row in record.ships:
        same = row["candidate"] == candidate and row["rows"] == parts.rows
        if same and row["folder"] == run.model_path.name and run.model_path.exists():
            return Shipped(run.model_path, candidate, number, ROWS[parts.rows]), None
    name = record.settings["name"]
    ruling = policy.rule(Action("ship", {"candidate": candidate}), record.view)
    if ruling.word != "allow":
        body = {"action": "ship", "candidate": candidate, **asdict(ruling)}
        append(ledger, name, record, [("ruling", body)])
        return None, None
    offsets = _offsets(run, best, store)
    _look(run, record, ledger, policy, best, store, offsets)
    shipped = _write(run, record, ledger, best, parts, offsets, run.model_path)
    write_shown(run, record, best)
    return shipped, None


def ship_candidate(
    run: RunFolder, record: Record, ledger: Ledger, policy: Policy, outcome: Outcome, out: Path
) -> Shipped:
    """Writes the forecaster of a candidate that a person chose.

    Raises InputError when its fitted parts were not kept or `out` is taken, RefusedError or
    WaitingError when the policy says so.
    """
    from modelwright.executors import FileStore

    store = FileStore(run.path / "artefacts")
    parts = parts_of(record, outcome, store)
    candidate = outcome.trial.candidate.id
    if parts is None:
        raise InputError(f"the fitted model of candidate {candidate} was not kept; choose another.")
    ruling = policy.rule(Action("ship", {"candidate": candidate, "by": "person"}), record.view)
    if ruling.word == "refuse":
        raise RefusedError(f"not shipped: {ruling.reason}.")
    if ruling.word == "ask":
        raise WaitingError(f"not shipped: {ruling.reason}.")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"the folder {str(out)!r} is not empty; name another with --out.")
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
) -> None:
    """Scores the winner on the sealed end, once, and appends a `look` row.

    The models of the newest windows answer: they were fitted on nothing of the sealed end, and
    forecast from all that came before it.
    """
    candidate, view = outcome.trial.candidate.id, record.view
    looked = any(look["candidate"] == candidate for look in record.looks)
    members = _window_models(record, outcome, store)
    if members is None or looked or not (run.path / "data" / "sealed").exists():
        return
    name = record.settings["name"]
    ruling = policy.rule(Action("look", {"candidate": candidate}), view)
    if ruling.word != "allow":
        body = {"action": "look", "candidate": candidate, **asdict(ruling)}
        append(ledger, name, record, [("ruling", body)])
        return
    facts = _measure(run, record, members, offsets)
    number = len(record.looks) + 1
    append(ledger, name, record, [("look", {"candidate": candidate, "number": number, **facts})])


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


def _measure(
    run: RunFolder, record: Record, members: list[tuple[Path, float]], offsets: FloatArray
) -> dict[str, Any]:
    import numpy as np

    from modelwright.data.panel import load_panel
    from modelwright.models.series import packed_paths
    from modelwright.models.series_scores import Truth, coverage_of, quantiles_from, scores_of

    dev = load_panel(run.path / "data" / "dev")
    whole = load_panel(run.path / "data" / "sealed")
    place = {name: s for s, name in enumerate(whole.names)}
    held = [s for s, name in enumerate(dev.names) if len(whole.y[place[name]]) > len(dev.y[s])]
    horizon, series = dev.schema.horizon, [place[dev.names[s]] for s in held]
    past = whole.cells(series, [len(dev.y[s]) for s in held])
    y = np.stack([
        np.where(whole.seen[s], whole.y[s], np.nan)[-horizon:] for s in series
    ])  # fmt: skip
    paths = packed_paths(members, past)
    quantiles = quantiles_from(paths.centre, paths.width, offsets)
    counted = np.arange(len(series))
    truth = Truth(y, past.scales(), np.zeros(len(series), int), np.zeros(len(series), int))
    metric = record.view.goals[0].metric

    def score(rows: Any) -> float:
        part = Truth(truth.y[rows], truth.scale[rows], truth.windows[rows], truth.parts[rows])
        return scores_of(part, quantiles[rows])[0][metric]

    whole_score, interval = score(counted), None
    if len(series) >= 5:
        key = Key.of(record.settings["problem"]["seed"]).child("look")
        found = bootstrap_interval(score, len(series), key, rounds=300)
        interval = [found.low, found.high]
    told = f", 95 % interval {interval[0]:.4g} to {interval[1]:.4g}" if interval else ""
    one = "one series" if len(series) == 1 else f"{len(series)} series"
    inside = coverage_of(truth, quantiles)
    sentence = (
        f"On the sealed last {horizon} steps of {one}, look {len(record.looks) + 1}: {metric} "
        f"{whole_score:.5g}{told}; the 80 % intervals held {inside:.1%} of the values (by the "
        "models of the newest windows, which saw none of them)."
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
    """Writes the bundle beside its place and moves it there, so that no half model is ever seen."""
    from modelwright.data.panel import load_panel
    from modelwright.models import seal_bundle
    from modelwright.models.series import save_series

    data = run.path / "data"
    history = load_panel(data / "sealed" if (data / "sealed").exists() else data / "dev")
    families = [str(m["facts"].get("family", "")) for m in members_of(outcome)]
    members = [(p, f, w) for (p, w), f in zip(parts.members, families, strict=True)]
    candidate, name = outcome.trial.candidate.id, record.settings["name"]
    with tempfile.TemporaryDirectory(dir=run.path) as folder:
        draft = Path(folder) / "model"
        save_series(draft, members, offsets, history, card_of(record, outcome, parts))
        key = load_or_make_key(run.key_path)
        head = sign_head(ledger.head(name), key).to_json()
        (draft / "head.json").write_text(json.dumps(head, indent=1) + "\n", "utf-8")
        body = {
            "candidate": candidate, "trial": outcome.trial.number, "rows": parts.rows,
            "bundle": seal_bundle(draft), "folder": out.name,
        }  # fmt: skip
        append(ledger, name, record, [("ship", body)])
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(draft, out)
    return Shipped(out, candidate, outcome.trial.number, ROWS[parts.rows])


def card_of(record: Record, outcome: Outcome, parts: Parts) -> Mapping[str, Any]:
    """Plain data about the forecaster: what for, how made, what it scored, of which fit that is."""
    view, about = record.view, record.settings["problem"]["about"]
    goal, document = view.goals[0], outcome.trial.candidate.document
    bounds = fold_bounds(outcome, goal.metric)
    base = trivial_outcome(view)
    candidate = outcome.trial.candidate.id
    look = next((x for x in reversed(record.looks) if x["candidate"] == candidate), None)
    return {
        "made_by": f"modelwright {VERSION}",
        "run": record.settings["name"],
        "question": about["question"],
        "data": about["source"],
        "candidate": candidate,
        "family": described(outcome),
        "design": json.loads(document),
        "reason": outcome.trial.reason,
        "fitted_on": ROWS[parts.rows],
        "metric": goal.metric,
        "score": outcome.evidence.scores[goal.metric],
        "score_is_of": SCORED_ON,
        "interval": None if bounds is None else list(bounds),
        "sealed": "not measured" if look is None else look["sentence"],
        "trivial_baseline": None if base is None else base.evidence.scores[goal.metric],
        "measured": {
            k: outcome.evidence.scores[k]
            for k in ("latency_ms", "size_kb", "fit_seconds", "wql", "smape", "rmse", "mae")
            if k in outcome.evidence.scores
        },
        "coverage": outcome.evidence.facts.get("coverage"),
        "contains_training_rows": True,
        "policy": digest(record.settings["policy"])[:16],
        "seed": record.settings["problem"]["seed"],
    }
