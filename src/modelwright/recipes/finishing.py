"""The last step before shipping: how sure the model is, worked out from out-of-fold predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.runs import RunFolder

if TYPE_CHECKING:
    from modelwright.models.crossfit import Finish

MAX_ROWS = 50_000  # of more rows so many, evenly spaced, tell as much


@dataclass(frozen=True)
class Finished:
    """The finish to ship, and plain facts for the card, the ledger and the report.

    `coverage`: intervals or sets and how many rows held out they held. `abstention`: errors against
    the share answered. `threshold`: the decision threshold with its interval. Each may be absent.
    """

    finish: Finish
    facts: dict[str, Any]


def finished(run: RunFolder, record: Record, outcome: Outcome) -> Finished:
    """The finish of an outcome with its conformal part and its rule for abstaining.

    Without kept out-of-fold predictions it is the finish that the evidence names. Random in the
    study's seed (only the interval of the threshold).
    """
    import numpy as np

    from modelwright.core.keys import Key
    from modelwright.data import load_part
    from modelwright.evaluators.table import validation_of
    from modelwright.executors import FileStore
    from modelwright.models.conform import choose_conformal
    from modelwright.models.crossfit import Finish, crossed_shares
    from modelwright.models.decision import decision_interval, parse_constraint
    from modelwright.models.metrics import ASK, find_metric
    from modelwright.models.risk_curve import choose_abstention

    finish = Finish.from_json(outcome.evidence.facts["finish"])
    name = outcome.evidence.artefacts.get("oof")
    path = None if name is None else FileStore(run.path / "artefacts").path(name)
    if path is None or not path.exists():
        return Finished(finish, {})
    settings = record.settings["settings"]["arguments"]
    part = load_part(run.path / "data" / "dev")
    metric = find_metric(settings["metric"], part.schema.task)
    asked = settings.get("constraint")
    constraint = None if asked is None else parse_constraint(asked)
    validation, rows = validation_of(part).thinned(MAX_ROWS)
    out = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False)[:, rows], float)
    if part.schema.task != "regression":
        out = crossed_shares(validation, out, finish.calibration.kind)
    covered = choose_conformal(validation, out, part.how)
    conformal = None if covered is None else covered.conformal
    costs = record.settings["problem"]["about"].get("question", {}).get("costs") or {}
    rule, curve = choose_abstention(validation, out, metric, constraint, conformal, costs.get(ASK))
    facts: dict[str, Any] = {}
    if covered is not None:
        facts["coverage"] = covered.facts
    if curve:
        facts["abstention"] = curve
    if finish.decision.threshold is not None and (metric.tuned or constraint is not None):
        key = Key.of(record.settings["problem"]["seed"]).child("threshold")
        y, shares, w = validation.pooled(out, validation.blocks >= 0)
        low, high = decision_interval(metric, y, shares, w, constraint, seed=key.seed(31))
        facts["threshold"] = {
            "value": finish.decision.threshold, "low": round(low, 6), "high": round(high, 6)
        }  # fmt: skip
    return Finished(replace(finish, conformal=conformal, abstention=rule), facts)
