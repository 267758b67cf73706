"""The one look at the sealed part: the judge recomputes the score, and a row keeps it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.keys import Key
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.core.view import Outcome
from modelwright.ledger import Ledger
from modelwright.readers.runs import RunFolder
from modelwright.recipes.handing_over import allowed, looked_at, note_look
from modelwright.stats import bootstrap_interval

if TYPE_CHECKING:
    from modelwright.executors import FileStore
    from modelwright.models.crossfit import Finish
    from modelwright.models.metrics import Metric

IMPORTANCE_ROWS = 500  # shuffling columns is done on that many sealed rows at most
IMPORTANCE_COLUMNS = 60
LATE = 0.2  # of what is left of the budget, at most for shuffling


def look_at_sealed(
    run: RunFolder,
    record: Record,
    ledger: Ledger,
    policy: Policy,
    outcome: Outcome,
    store: FileStore,
    finish: Finish,
    until: float | None = None,
) -> None:
    """Scores the winner on the sealed rows, once, and appends a `look` row.

    Which columns matter is told with it, unless that would take long beside what is left `until`
    then (in `time.monotonic()`).

    Looked at is the mean of the models that the folds of the development rows left: none of them
    saw a sealed row, and no further fit has to be paid for. Nothing is done when there is no sealed
    part, these models are gone, a look at this candidate was recorded already, or the policy does
    not allow one (which is a row).
    """
    from modelwright.recipes.ship import fold_models

    sealed = run.path / "data" / "sealed"
    models = fold_models(record, outcome, store)
    if models is None or not sealed.exists() or looked_at(record, outcome):
        return
    if allowed("look", record, ledger, policy, outcome):
        note_look(record, ledger, outcome, _measure(record, models, sealed, finish, until))


def _measure(
    record: Record,
    models: Sequence[tuple[Path, float]],
    sealed: Path,
    finish: Finish,
    until: float | None,
) -> dict[str, Any]:
    import numpy as np

    from modelwright.data import load_part
    from modelwright.data.protected import joint_cells
    from modelwright.evaluators.table import examples_of
    from modelwright.models import load_model, save_bundle
    from modelwright.models.conform import held_share
    from modelwright.models.metrics import find_metric, score_predictions

    part = load_part(sealed)
    asked = record.settings["settings"]["arguments"]["metric"]
    metric = find_metric(asked, part.schema.task)
    with tempfile.TemporaryDirectory() as folder:
        bundle = save_bundle(Path(folder) / "m", models, part.schema, finish, all_folds=True)
        model = load_model(bundle)
    examples = examples_of(part, metric.loss)
    y, w = np.asarray(examples.y), examples.weights
    began = time.monotonic()
    out = model.combined(examples.X)
    each = (time.monotonic() - began) / len(y)
    cells = None if part.cells is None else joint_cells(part.protected, part.cells)
    labels = None if part.schema.task == "regression" else finish.decision.labels(out, cells)

    def score(rows: Any) -> float:
        weights = None if w is None else w[rows]
        given = None if labels is None else labels[rows]
        return score_predictions(metric, y[rows], out[rows], weights, given)

    key = Key.of(record.settings["problem"]["seed"]).child("look")
    found = bootstrap_interval(score, len(y), key, rounds=300)
    sentence = (
        f"On {len(y)} sealed rows, looked at for the {_ordinal(len(record.looks) + 1)} time: "
        f"{metric.name} {found.estimate:.5g}, 95 % interval {found.low:.4g} to {found.high:.4g} "
        f"(the mean of the models of the folds of the development rows)."
    )
    held = held_share(finish.conformal, y, out, w)
    if held is not None:
        what = "intervals" if labels is None else "sets"
        sentence += f" Its {what} of 90 % coverage held {held:.1%} of them."
    shuffles = each * min(len(y), IMPORTANCE_ROWS) * (1 + len(part.schema.columns))
    late = until is not None and shuffles > LATE * (until - time.monotonic())
    facts: dict[str, Any] = {
        "metric": metric.name, "score": found.estimate, "interval": [found.low, found.high],
        "n_rows": len(y), "sentence": sentence,
        "importance": [] if late else _importance(model, part, metric, key), "held": held,
    }  # fmt: skip
    if labels is not None:
        n = len(part.schema.classes)
        counts = np.zeros((n, n), int)
        np.add.at(counts, (y.astype(int), labels), 1)
        facts |= {"labels": list(part.schema.classes), "confusion": counts.tolist()}
    return facts


def _importance(model: Any, part: Any, metric: Metric, key: Key) -> list[list[Any]]:
    """How much worse the score is when a column is shuffled (Breiman 2001), largest first.

    One shuffle per column, on part of the sealed rows; for wide tables and texts it is left out.
    """
    import numpy as np

    from modelwright.families.inputs import inputs_of
    from modelwright.models.metrics import score_predictions

    schema = part.schema
    places = [("numeric", j, c.name) for j, c in enumerate(schema.numeric)]
    places += [("dates", j, c.name) for j, c in enumerate(schema.dates)]
    places += [("codes", j, c.name) for j, c in enumerate(schema.categorical)]
    if len(places) > IMPORTANCE_COLUMNS or schema.texts:
        return []
    rng = np.random.default_rng(key.child("importance").seed(128))
    rows = np.sort(rng.permutation(len(part))[:IMPORTANCE_ROWS])
    small, y = part.features.take(rows), np.asarray(part.y)[rows]

    def loss(features: Any) -> float:
        out = model.combined(inputs_of(features, schema))
        labels = None if schema.task == "regression" else model.finish.decision.labels(out)
        return metric.goal.loss(score_predictions(metric, y, out, None, labels))

    before, found = loss(small), []
    for block, j, name in places:
        changed = np.array(getattr(small, block))
        changed[:, j] = changed[rng.permutation(len(rows)), j]
        found.append([name, round(loss(replace(small, **{block: changed})) - before, 6)])
    return sorted(found, key=lambda row: -row[1])


def _ordinal(n: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(n, f"{n}th")
