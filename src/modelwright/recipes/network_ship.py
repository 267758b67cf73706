"""Handing over a network: written as a bundle, after one look at the sealed examples with it."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.view import Outcome
from modelwright.ledger import Ledger
from modelwright.readers.network_begun import begun_figures
from modelwright.readers.runs import RunFolder
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
from modelwright.recipes.students import best_student
from modelwright.recipes.tidy import drop_weights
from modelwright.stats import bootstrap_interval

if TYPE_CHECKING:
    from modelwright.executors import FileStore

CHECKED = 32  # examples on which PyTorch's and ONNX's answers were compared
INT8_FOR = ("latency_ms", "size_kb", "energy_joules")
TRAINED = "train"  # what a ship row calls the rows that a network learnt from
MEASURED = (
    "latency_ms", "size_kb", "params", "macs", "fit_seconds", "energy_joules", "peak_memory_kb",
)  # fmt: skip
ROWS = "the training examples; those that validated chose it"


def ship_network(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    policy: Policy,
    store: FileStore,
    until: float | None = None,
) -> tuple[Shipped | None, Shipped | None]:
    """Writes the winner into the run's `model` folder; None when there is none within the limits.

    What the policy refuses or asks about is a row, and None. A run that ended without a better
    network since its last shipping keeps the model it has.
    """
    drop_weights(record, store)
    best = to_ship(record)
    if best is None or "model" not in best.evidence.artefacts:  # the trivial one learnt nothing
        return None, None
    if shipped_before(record, best, TRAINED, run.model_path):
        shipped = _shipped(best, run.model_path)
        return shipped, _ship_student(run, record, ledger, policy, best, store, until)
    if not allowed("ship", record, ledger, policy, best):
        return None, None
    with tempfile.TemporaryDirectory(dir=run.path) as folder:
        draft = Path(folder) / "model"
        _write(draft, run, record, best, store)
        _look(run, record, ledger, policy, best, draft)
        handed = unless_waiting(
            lambda: _hand_over(run, record, ledger, best, draft, run.model_path, until)
        )
    return handed, _ship_student(run, record, ledger, policy, best, store, until)


def _ship_student(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    policy: Policy,
    best: Outcome,
    store: FileStore,
    until: float | None,
) -> Shipped | None:
    """The best student beside the winner; the sealed examples are not looked at."""
    student = best_student(record.view)
    if student is None or student.trial.candidate.id == best.trial.candidate.id:
        return None
    if shipped_before(record, student, TRAINED, run.student_path):
        return _shipped(student, run.student_path)
    if not allowed("ship", record, ledger, policy, student):
        return None
    with tempfile.TemporaryDirectory(dir=run.path) as folder:
        draft = Path(folder) / "student"
        _write(draft, run, record, student, store)
        return unless_waiting(
            lambda: _hand_over(run, record, ledger, student, draft, run.student_path, until)
        )


def _shipped(outcome: Outcome, out: Path) -> Shipped:
    return Shipped(out, outcome.trial.candidate.id, outcome.trial.number, ROWS)


def _write(draft: Path, run: RunFolder, record: Record, outcome: Outcome, store: FileStore) -> None:
    """The bundle's files but for the card and the seal."""
    from modelwright.data.array_part import load_arrays
    from modelwright.evaluators.train_network import ops_of, read_weights
    from modelwright.models.network import write_network

    part = load_arrays(run.path / "data" / "dev")
    ops = ops_of(outcome.trial.candidate.document, part)
    state = read_weights(store.path(outcome.evidence.artefacts["model"]))
    about = {
        "classes": list(part.classes), "front": dict(part.front), "shift": part.shift.tolist(),
        "scale": part.scale.tolist(), "examples": part.kind,
        **({} if part.classes else {"unit": list(part.unit)}),
    }  # fmt: skip
    write_network(draft, ops, state, about)


def _look(
    run: RunFolder, record: Record, ledger: Ledger, policy: Policy, outcome: Outcome, draft: Path
) -> None:
    """Scores the network to be shipped on the sealed examples, once, and appends a `look` row."""
    sealed = run.path / "data" / "sealed"
    if not sealed.exists() or looked_at(record, outcome):
        return
    if allowed("look", record, ledger, policy, outcome):
        note_look(record, ledger, outcome, _measure(record, sealed, draft))


def _measure(record: Record, sealed: Path, draft: Path) -> dict[str, Any]:
    import numpy as np

    from modelwright.data.array_part import load_arrays
    from modelwright.evaluators.network_evidence import metric_of
    from modelwright.models.metrics import score_predictions
    from modelwright.models.network import Answering

    part = load_arrays(sealed)
    metric = metric_of(record.settings["settings"]["arguments"]["metric"], part)
    shares = Answering.of(draft, threads=0).answers(part.inputs)
    y = np.asarray(part.y)
    key = Key.of(record.settings["problem"]["seed"]).child("look")
    found = bootstrap_interval(
        lambda rows: score_predictions(metric, y[rows], shares[rows]), len(y), key, rounds=200
    )
    facts: dict[str, Any] = {
        "metric": metric.name, "score": found.estimate, "interval": [found.low, found.high],
        "n_rows": len(y),
        "sentence": f"On {len(y)} sealed examples: {metric.name} {found.estimate:.5g}, "
        f"95 % interval {found.low:.4g} to {found.high:.4g} (the shipped network itself).",
    }  # fmt: skip
    n = len(part.classes)
    if 0 < n <= 12:
        counts = np.zeros((n, n), int)
        np.add.at(counts, (y, shares.argmax(axis=1)), 1)
        facts |= {"labels": list(part.classes), "confusion": counts.tolist()}
    return facts


def _hand_over(
    run: RunFolder, record: Record, ledger: Ledger, outcome: Outcome, draft: Path, out: Path,
    until: float | None = None,
) -> Shipped:  # fmt: skip
    from modelwright.models.network import add_card

    more = _int8(run, record, draft, until)
    add_card(draft, {**card_of(record, outcome), **more})
    hand_over(run, record, ledger, outcome, draft, out, TRAINED, {"sure": {}, **more})
    return _shipped(outcome, out)


def _int8(run: RunFolder, record: Record, draft: Path, until: float | None) -> dict[str, Any]:
    """Tries whole numbers of 8 bits where a limit is on what they are for; the figures."""
    if not any(limit.metric in INT8_FOR for limit in record.view.limits):
        return {}
    import numpy as np

    from modelwright.data.array_part import load_arrays
    from modelwright.models.int8 import int8_beside

    part = load_arrays(run.path / "data" / "dev")
    teach, valid = part.train[: 10 * CHECKED], part.valid
    left = math.inf if until is None else until - time.monotonic()
    y = np.asarray(part.y[valid])
    facts = int8_beside(draft, part.inputs[teach], part.inputs[valid], y, left)
    return {"int8": facts}


def ship_candidate(
    run: RunFolder, record: Record, ledger: Ledger, policy: Policy, outcome: Outcome, out: Path
) -> Shipped:
    """Writes the network of a candidate that a person chose.

    Raises InputError when its weights were not kept or `out` is taken, RefusedError where the
    policy says so, and WaitingError when a person has to approve it.
    """
    from modelwright.executors import FileStore

    store = FileStore(run.path / "artefacts")
    name = outcome.evidence.artefacts.get("model")
    if name is None or not store.path(name).exists():
        raise InputError(
            f"the weights of candidate {outcome.trial.candidate.id} were not kept: only those of "
            "the best full trainings are."
        )
    check_chosen(policy, record, ledger, outcome, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        draft = Path(folder) / "model"
        _write(draft, run, record, outcome, store)
        return _hand_over(run, record, ledger, outcome, draft, out)


def card_of(record: Record, outcome: Outcome) -> dict[str, Any]:
    """Plain data about the network: what for, how made, what it scored, and on what."""
    begun = begun_figures(record, outcome)
    return card_basics(record, outcome, MEASURED) | {
        **({"inherited": begun} if begun else {}),
        "family": str(outcome.evidence.facts.get("family", "")),
        "task": record.settings["problem"]["about"]["task"],
        "fitted_on": ROWS,
        "score_is_of": "this network, on examples that it did not learn from but was chosen by",
        "licences": _licences(record, outcome),
        "contains_training_rows": False,
        "onnx": {
            "written": True,
            "max_difference": outcome.evidence.facts["parity"],
            "compared_rows": CHECKED,
        },
    }


def _licences(record: Record, outcome: Outcome) -> dict[str, str]:
    """Of the pretrained backbone that the network has, or that taught it."""
    told = record.settings["problem"]["about"].get("backbone")
    used = told is not None and "BackboneDesign" in outcome.trial.candidate.document
    return {str(told["name"]): str(told["licence"])} if used else {}
