"""Would more rows help? Fits of the winner's design on growing shares of the training rows."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.keys import Key
from modelwright.recipes.closing import members_of
from modelwright.recipes.held_out import Subject

if TYPE_CHECKING:
    from modelwright.models.held_out import Clock

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
REPEATS = 4


def learning_facts(done: Subject, data: Path, clock: Clock, threads: int = 1) -> dict[str, Any]:
    """Losses at growing shares of the rows, the power law through them, and a sentence.

    Fitted is the design of the winner's heaviest member, without what else an ensemble adds, on up
    to four folds; each repeat begins with the smallest share. A fit that, by the time of the one
    before, would not end in time is not begun; with fewer than three shares nothing is told.
    Boosted models watch the scored rows to know when to stop, as the folds of a search do.
    """
    from modelwright.evaluators.fit_and_score import load
    from modelwright.evaluators.table import load_table
    from modelwright.stats.power_law import as_json, fit_learning_curve, told_curve

    arguments = done.record.settings["settings"]["arguments"]
    evaluator = load(**arguments)
    metric = evaluator.metric
    table = load_table(data, metric.loss, metric.quantile, evaluator.monotone)
    member = max(members_of(done.outcome), key=lambda m: float(m["weight"]))
    found = json.loads(member["document"])
    found = found["design"] if found.get("type") == "Student" else found
    design = evaluator.design(json.dumps(found))
    seed = int(member.get("seed", 0))
    losses: list[list[float]] = []
    sizes: list[int] = []
    for repeat in range(min(REPEATS, len(table.validation.parts))):
        row = _repeat(done, design, table, repeat, seed, clock, threads)
        if len(row) < len(sizes or SHARES[:3]):
            break
        sizes = sizes or [n for n, _ in row]
        losses.append([loss for _, loss in row])
        if len(row) < len(SHARES):
            break
    name = found.get("type", "design")
    if not losses:
        return {"sentence": "", "skipped": "the time was too short for fits on growing shares"}
    curve = fit_learning_curve(sizes, losses, Key.of(seed).child("learning"))
    goal = evaluator.metric.goal
    sign = -1.0 if goal.direction == "maximise" else 1.0
    n = len(done.part)
    means = [sum(column) / len(column) for column in zip(*losses, strict=True)]
    return {
        "family": name, "rows": sizes, "scores": [sign * x for x in means],
        "repeats": len(losses), "curve": as_json(curve), "n_rows": n,
        "metric": goal.metric, "sign": sign, "sentence": told_curve(curve, n, goal.metric, sign),
    }  # fmt: skip


def _repeat(
    done: Subject, design: Any, table: Any, fold: int, seed: int, clock: Clock, threads: int
) -> list[tuple[int, float]]:
    import numpy as np

    from modelwright.families.pipeline import fit_design

    held = np.flatnonzero(table.part.parts[fold] == 2)
    y = np.asarray(table.part.y)[held]
    made: list[tuple[int, float]] = []
    last, last_share = 0.0, 1.0
    for share in SHARES:
        left = clock.left
        if left is not None and left < max(0.02, 1.2 * last * share / last_share):
            break
        rows = table.training_rows(fold, share, seed)
        began = time.monotonic()
        fitted = fit_design(
            design, table.examples.take(rows), threads=threads,
            seed=Key.of(seed).child("learning", fold).seed(31),
            validation=table.examples.take(held),
        )  # fmt: skip
        out = fitted.predict(table.examples.X.take(held))
        last, last_share = time.monotonic() - began, share
        made.append((len(rows), done.judge.loss_of(y, out, done.weights(held))))
    return made
