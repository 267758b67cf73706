"""Protected columns in a build: what may be asked of them, and which mitigation may be tried."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError, RefusedError, did_you_mean
from modelwright.core.problem import Limit
from modelwright.core.trial import Action
from modelwright.models.limits import FAIRNESS

if TYPE_CHECKING:
    from modelwright.data import Part
    from modelwright.policy import RulePolicy
    from modelwright.recipes.question import Question

ALWAYS = ("error_gap", "worst_group_error")  # of classes, however many
NUMBERS = ("mean_error_gap", "mae_gap", "worst_group_mae")
INHERITED = "inherited_loss"
PLAIN_FIRST = 2  # designs that are tried before mitigated ones, where a limit may want these


def measured_for(task: str) -> tuple[str, ...]:
    """The limits on fairness that a task can be held to.

    >>> "tpr_gap" in measured_for("multiclass")
    False
    """
    if task == "regression":
        return (*NUMBERS, INHERITED)
    if task == "multiclass":
        return (*ALWAYS, INHERITED)
    return tuple(name for name in FAIRNESS if name not in NUMBERS)


def check_fairness(limits: Sequence[Limit], part: Part) -> list[str]:
    """Refuses limits on groups that cannot be measured; notes on groups that do not count."""
    import numpy as np

    from modelwright.data.protected import LEAST_ROWS, attributes_of
    from modelwright.models.fairness import comparable

    asked = [limit for limit in limits if limit.metric in FAIRNESS]
    known = measured_for(part.schema.task)
    for limit in asked:
        if part.cells is None:
            raise InputError(
                f"the limit {limit} is on groups of people: name the columns with --protect COLUMN."
            )
        if limit.metric not in known:
            raise InputError(
                f"the limit {limit} does not go with {part.schema.task}."
                f"{did_you_mean(limit.metric, known)} There are {', '.join(known)}."
            )
    if part.cells is None:
        return []
    attributes = list(attributes_of(part.protected, np.asarray(part.cells)))
    if not comparable(attributes):
        told = f"no two groups of the protected columns have {LEAST_ROWS} rows to learn from"
        if asked:
            raise InputError(f"{told}; the limit {asked[0]} cannot be judged.")
        return [f"{told}: they are not compared"]
    singles = attributes[: len(part.protected)]
    few = [
        f"{a.words} {name} ({n})"
        for a in singles
        for name, n in zip(a.names, np.bincount(a.cells, minlength=len(a.names)), strict=True)
        if 0 < n < LEAST_ROWS
    ]
    small = f"groups with fewer than {LEAST_ROWS} rows are not compared: {', '.join(few[:8])}"
    return [small] if few else []


def mitigations(question: Question, policy: RulePolicy, task: str) -> tuple[str, ...]:
    """The mitigated families that may be searched.

    Thresholds per group are tried only when they were asked for; RefusedError when the policy does
    not let them.
    """
    if not question.protect:
        return ()
    if question.group_thresholds:
        if task != "binary":
            raise InputError("--group-thresholds goes with two classes; leave it out.")
        ruling = policy.rule(Action("group_thresholds"))
        if ruling.word != "allow":
            raise RefusedError(f"no thresholds per group: {ruling.reason}.")
    allowed = set(policy.families)
    inside = {"LightGbm", "Linear"} <= allowed
    names = ("Reweighed", "Reduced", *(("Thresholded",) if question.group_thresholds else ()))
    return tuple(n for n in names if not allowed or inside or n in allowed)


def with_mitigated(
    listed: Sequence[tuple[str, float]], space: Any, names: Sequence[str], limits: Sequence[Limit]
) -> list[tuple[str, float]]:
    """A portfolio with mitigated designs: early where a limit on groups may want them, else last.

    Inside each is the first design of its family in the list; a family that is not in it is inside
    of none.
    """
    bounds = [limit for limit in limits if limit.metric in FAIRNESS]
    made: list[tuple[str, float]] = []
    for family in ("LightGbm", "Linear"):
        plain = [(json.loads(d), c) for d, c in listed if json.loads(d)["type"] == family]
        for name in names if plain else ():
            design, cost = plain[0]
            document = {"type": name, "design": design, **_aimed(name, bounds)}
            text = space.dump(space.load(json.dumps(document)))
            made.append((text, cost * (6.0 if name == "Reduced" else 1.0)))
    first = PLAIN_FIRST if bounds else len(listed)
    return [*listed[:first], *made, *listed[first:]]


def _aimed(name: str, bounds: Sequence[Limit]) -> dict[str, Any]:
    """What a mitigated design is to make alike, by the first limit on groups."""
    metric = bounds[0].metric if bounds else "selection_rate_gap"
    rates = {"selection_rate_gap": "selection_rate", "selection_rate_ratio": "selection_rate",
             "tpr_gap": "tpr"}  # fmt: skip
    if name == "Reduced":
        return {"constraint": rates.get(metric, "equalized_odds")}
    if name != "Thresholded":
        return {}
    aim = "fpr" if metric == "fpr_gap" else rates.get(metric, "tpr")
    half = bounds[0].value / 2 if bounds and bounds[0].op == "<=" else 0.0
    return {"aim": aim, "gap": min(0.2, max(0.0, half))}
