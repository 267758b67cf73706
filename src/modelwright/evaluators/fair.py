"""Measures how alike a candidate treats groups of people, from its out-of-fold answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from modelwright.data.prepare import Part
from modelwright.data.protected import attributes_of
from modelwright.evaluators.table import TableData
from modelwright.families.mitigated import Thresholded
from modelwright.models.crossfit import Scored, Validation
from modelwright.models.fairness import RowValues, gap_scores, group_means, row_values
from modelwright.models.group_thresholds import Equalise

INHERITED = "inherited_loss"
Scores = tuple[dict[str, float], dict[str, float]]


def equalise_of(design: Any, part: Part) -> Equalise | None:
    """What the thresholds of a `Thresholded` design are to make alike; None for other designs."""
    if not isinstance(design, Thresholded) or not part.protected:
        return None
    return Equalise(part.protected, design.aim, design.gap)


def equalise_in(document: Mapping[str, Any], part: Part) -> Equalise | None:
    """The same for a document: of a design, or of an ensemble in which a member has such."""
    if document.get("type") == "Blend":
        inner = (equalise_in(json.loads(m["document"]), part) for m in document["members"])
        return next((found for found in inner if found is not None), None)
    if document.get("type") != Thresholded.name or not part.protected:
        return None
    aim, gap = (document.get(n, getattr(Thresholded, n)) for n in ("aim", "gap"))
    return Equalise(part.protected, aim, float(gap))


def values_of(scored: Scored, validation: Validation) -> RowValues:
    """What the measures of fairness average, row by row."""
    return row_values(validation.task, validation.y, scored.shares, scored.labels)


def fair_scores(
    table: TableData, validation: Validation, scored: Scored, teacher: RowValues | None = None
) -> Scores:
    """Gaps between groups and their noise, one standard error; empty without protected columns.

    `inherited_loss` is the most that a group's error is above the `teacher`'s, paired by row, and 0
    for what has no teacher.
    """
    part = table.part
    if part.cells is None:
        return {}, {}
    attributes = list(attributes_of(part.protected, np.asarray(part.cells)))
    values = values_of(scored, validation)
    weights = validation.weight(slice(None))
    scores, noise = gap_scores(values, attributes, weights)
    scores[INHERITED], noise[INHERITED] = 0.0, 0.0
    name = "mae" if validation.task == "regression" else "error"
    if teacher is None:
        return scores, noise
    more = values[name][0] - teacher[name][0]
    inside = np.logical_and(values[name][1], teacher[name][1])
    for attribute in attributes:
        found = group_means(more, inside, attribute, weights)
        for group in found.known:
            if found.mean[group] > scores[INHERITED]:
                scores[INHERITED] = float(found.mean[group])
                noise[INHERITED] = float(found.error[group])
    return scores, noise
