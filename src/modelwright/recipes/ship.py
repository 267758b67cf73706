"""Shipping: one look at the sealed part, then the winner as a folder that predicts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.errors import InputError
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.trial import Candidate
from modelwright.core.view import Outcome
from modelwright.ledger import Ledger
from modelwright.readers.leaderboard import family_of
from modelwright.readers.runs import RunFolder
from modelwright.recipes.closing import members_of, refit_of
from modelwright.recipes.finishing import Finished, finished
from modelwright.recipes.handing_over import (
    allowed,
    card_basics,
    check_chosen,
    hand_over,
    shipped_before,
    to_ship,
)
from modelwright.recipes.look import look_at_sealed
from modelwright.recipes.outcome import Shipped
from modelwright.recipes.placing import unless_waiting

if TYPE_CHECKING:
    from modelwright.executors import FileStore

ROWS = {
    "all": "all rows",
    "some": "all rows; members for which time was short, on the training rows of the folds",
    "folds": "the training rows of the folds, a model on each; the answer is their mean",
    "fold": "the training rows of one fold; only the winner is fitted on all, if the budget allows",
}

ONNX_SECONDS = 1.0  # writing model.onnx may take that long although the budget is spent


@dataclass(frozen=True)
class Parts:
    """The fitted members that make up a candidate: packed files with weights, and their rows.

    With rows `folds` each file holds the models of all folds, with `fold` the first counts.
    """

    members: tuple[tuple[Path, float], ...]
    rows: Literal["all", "some", "folds", "fold"]


def ship_winner(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    policy: Policy,
    store: FileStore,
    until: float | None = None,
) -> Shipped | None:
    """Writes the winner into the run's `model` folder; None when there is none within the limits.

    `until` is when the budget ends, in `time.monotonic()`: by then the ONNX file should be there.

    What the policy refuses or asks about is a row, and None. A run that ended without rows since
    its last shipping keeps the model it has.
    """
    best = to_ship(record)
    parts = None if best is None else parts_of(record, best, store)
    if best is None or parts is None:
        return None
    out, trial = run.model_path, best.trial
    if shipped_before(record, best, parts.rows, out):
        return Shipped(out, trial.candidate.id, trial.number, ROWS[parts.rows])
    if not allowed("ship", record, ledger, policy, best):
        return None
    end = finished(run, record, best)
    look_at_sealed(run, record, ledger, policy, best, store, end.finish, until)
    return unless_waiting(lambda: write_model(run, record, ledger, best, parts, end, out, until))


def ship_candidate(
    run: RunFolder, record: Record, ledger: Ledger, policy: Policy, outcome: Outcome, out: Path
) -> Shipped:
    """Writes the model of a candidate that a person chose.

    Raises InputError when its fitted parts were not kept or `out` is taken, RefusedError where
    the policy says so, and WaitingError when a person has to approve it.
    """
    from modelwright.executors import FileStore

    parts = parts_of(record, outcome, FileStore(run.path / "artefacts"))
    if parts is None:
        kept = [o for o in record.view.best(50) if "model" in o.evidence.artefacts]
        store = FileStore(run.path / "artefacts")
        ids = [o.trial.candidate.id for o in kept if parts_of(record, o, store) is not None]
        raise InputError(
            f"the fitted model of candidate {outcome.trial.candidate.id} was not kept; "
            f"those of {', '.join(ids) or 'no candidate'} were."
        )
    check_chosen(policy, record, ledger, outcome, out)
    end = finished(run, record, outcome)
    return write_model(run, record, ledger, outcome, parts, end, out)


def parts_of(record: Record, outcome: Outcome, store: FileStore) -> Parts | None:
    """The best fitted parts there are: of all rows, or where such a fit is missing of the folds.

    Size and latency were measured of one fold's model. When there are limits on them, one fold's
    model is what meets them, and not the mean of all; nor is a student meant to be several models.
    """
    bound = bool({"latency_ms", "size_kb"} & {limit.metric for limit in record.view.limits})
    bound = bound or outcome.trial.role == "student"
    kept = fold_models(record, outcome, store)
    found: list[tuple[Path, float]] = []
    whole = 0
    for i, member in enumerate(members_of(outcome)):
        path = _refitted(record, outcome, member, store)
        if path is not None:
            found.append((path, float(member["weight"])))
            whole += 1
        elif kept is not None:
            found.append(kept[i])
        else:
            return None
    if whole == len(found):
        return Parts(tuple(found), "all")
    return Parts(tuple(found), "fold" if bound else "some" if whole else "folds")


def _refitted(
    record: Record, outcome: Outcome, member: Mapping[str, Any], store: FileStore
) -> Path | None:
    """The packed model of a member fitted on all rows, if there is one."""
    number = record.view.tried(refit_of(outcome, member).id, record.view.rungs.top)
    refit = None if number is None else record.view.outcome(number)
    if refit is None or refit.failed:
        return None
    path = store.path(refit.evidence.facts["members"][0]["artefact"])
    return path if path.exists() else None


def fold_models(
    record: Record, outcome: Outcome, store: FileStore
) -> tuple[tuple[Path, float], ...] | None:
    """The packed models of all folds of each member, and its weight; None where one is gone."""
    found = []
    for member in members_of(outcome):
        origin = _origin(record, outcome, member)
        name = None if origin is None else origin.evidence.artefacts.get("model")
        if name is None or not store.path(name).exists():
            return None
        found.append((store.path(name), float(member["weight"])))
    return tuple(found)


def _origin(record: Record, outcome: Outcome, member: Mapping[str, Any]) -> Outcome | None:
    if outcome.trial.role != "blend":
        return outcome
    number = record.view.tried(Candidate(member["document"]).id, record.view.rungs.top)
    return None if number is None else record.view.outcome(number)


def write_model(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    outcome: Outcome,
    parts: Parts,
    end: Finished,
    out: Path,
    until: float | None = None,
) -> Shipped:
    """Writes the bundle beside its place and hands it over.

    An ONNX file goes with it where that can be written `until` then.
    """
    from modelwright.data import load_part
    from modelwright.data.series_front import SeriesFront
    from modelwright.models import save_bundle
    from modelwright.models.background import background_of
    from modelwright.models.bundle import seal_bundle
    from modelwright.models.portable import add_portable

    draft = out.with_name(out.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    part = load_part(run.path / "data" / "dev")
    card = card_of(record, outcome, parts) | end.facts
    card["background"] = background_of(part.features, part.schema)
    front = SeriesFront.load(run.path / "data")
    save_bundle(draft, parts.members, part.schema, end.finish, card, all_folds=parts.rows != "fold")
    if front is not None:
        front.save(draft)
        seal_bundle(draft)
    left = None if until is None else max(ONNX_SECONDS, until - time.monotonic())
    add_portable(draft, part.features, left)
    hand_over(run, record, ledger, outcome, draft, out, parts.rows, {"sure": end.facts})
    return Shipped(out, outcome.trial.candidate.id, outcome.trial.number, ROWS[parts.rows])


def card_of(record: Record, outcome: Outcome, parts: Parts) -> dict[str, Any]:
    """Plain data about the model: what for, how made, what it scored, and of which fit that is."""
    from modelwright.families import licences_of

    return card_basics(record, outcome, ("latency_ms", "size_kb", "fit_seconds")) | {
        "family": family_of(outcome.trial.candidate.document),
        "fitted_on": ROWS[parts.rows],
        "score_is_of": "models of this design fitted on the folds of the development rows",
        "licences": licences_of(family_of(m["document"]) for m in members_of(outcome)),
        "contains_training_rows": bool(outcome.evidence.facts.get("contains_rows", False)),
    }
