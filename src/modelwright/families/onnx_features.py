"""Feature work as ONNX nodes: lookups, combinations, aggregates, gaps and merged levels.

What is made of texts has no form there: hashes and n-grams of Unicode words are beyond its
operators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.families.feature_codes import Lookup, Recode
from modelwright.families.feature_numbers import (
    DEVIATION,
    DIFFERENCE,
    PRODUCT,
    RANK,
    RATIO,
    SUM,
    Aggregate,
    Combine,
    Gaps,
)
from modelwright.families.onnx_graph import Graph, NotExpressibleError

if TYPE_CHECKING:
    from modelwright.families.feature_steps import Features

_HUGE = 1e100
_OPERATORS = {SUM: "Add", DIFFERENCE: "Sub", PRODUCT: "Mul", RATIO: "Div"}


def add_features(features: Features, graph: Graph, numeric: str, codes: str) -> tuple[str, str]:
    """The names of numbers and codes as `features.apply` gives them.

    Raises NotExpressibleError where texts are made into numbers.
    """
    made = [_add_step(step, graph, numeric, codes) for step in features.steps]
    if made:
        columns = graph.concat(made)
        if features.kept is not None:
            columns = graph.columns(columns, features.kept)
        if features.single:  # rounded as they were for the family
            columns = graph.cast(graph.cast(columns, "float"), "double")
        numeric = graph.concat([numeric, columns])
    if features.recode is not None:
        codes = _recoded(features.recode, graph, codes)
    return numeric, codes


def _add_step(step: Any, graph: Graph, numeric: str, codes: str) -> str:
    if isinstance(step, Lookup):
        return _looked_up(step, graph, codes)
    if isinstance(step, Combine):
        return _combined(step, graph, numeric)
    if isinstance(step, Aggregate):
        return _aggregated(step, graph, numeric, codes)
    if isinstance(step, Gaps):
        return _gaps(step, graph, numeric, codes)
    raise NotExpressibleError(
        "what is made of a text column cannot be written as ONNX; leave text columns out, or use "
        "the model's folder."
    )


def _places(graph: Graph, codes: str, levels: Any) -> str:
    last = graph.constant(np.asarray(levels))
    low = graph.node("Less", codes, graph.constant(np.int64(-1)))
    high = graph.node("GreaterOrEqual", codes, last)
    one = graph.constant(np.int64(1))
    inside = graph.node("Add", codes, one)
    return graph.where(graph.node("Or", low, high), graph.node("Add", last, one), inside)


def _looked_up(step: Lookup, graph: Graph, codes: str) -> str:
    places = _places(graph, codes, step.levels)
    two = step.second >= 0
    cells = graph.columns(places, step.first)
    if two.any():
        other = np.where(two, step.second, 0)
        size = graph.constant(np.where(two, step.levels[other] + 2, 1))
        added = graph.node(
            "Mul", graph.columns(places, other), graph.constant(two.astype(np.int64))
        )
        cells = graph.node("Add", graph.node("Mul", cells, size), added)
    cells = graph.node("Add", cells, graph.constant(step.starts))
    values = graph.node("Gather", graph.constant(step.values.astype(float)), cells, axis=0)
    width = len(step.first) * step.values.shape[1]
    return graph.node("Reshape", values, graph.constant(np.array([0, width])))


def _tame(graph: Graph, x: str) -> str:
    nothing = graph.constant(np.float64(np.nan))
    return graph.clip(graph.where(graph.node("IsInf", x), nothing, x), -_HUGE, _HUGE)


def _combined(step: Combine, graph: Graph, numeric: str) -> str:
    a, b = (_tame(graph, graph.columns(numeric, j)) for j in (step.first, step.second))
    parts, order = [], []
    for how, operator in _OPERATORS.items():
        some = np.flatnonzero(step.how == how)
        if not len(some):
            continue
        left, right = graph.columns(a, some), graph.columns(b, some)
        if how == RATIO:
            zero = graph.node("Equal", right, graph.constant(np.float64(0)))
            right = graph.where(zero, graph.constant(np.float64(np.nan)), right)
        parts.append(graph.node(operator, left, right))
        order += some.tolist()
    return _tame(graph, graph.columns(graph.concat(parts), np.argsort(order)))


def _aggregated(step: Aggregate, graph: Graph, numeric: str, codes: str) -> str:
    x = _tame(graph, graph.columns(numeric, step.number))
    cells = graph.columns(_places(graph, codes, step.levels), step.group)
    cells = graph.node("Add", cells, graph.constant(step.starts))
    means = graph.node("Gather", graph.constant(step.means), cells)
    found = means
    if (step.how == DEVIATION).any():
        scale = graph.node("Gather", graph.constant(step.deviations), cells)
        distance = graph.node("Div", graph.node("Sub", x, means), scale)
        found = graph.where(graph.constant(step.how == DEVIATION), distance, found)
    if (step.how == RANK).any():
        knots = graph.node("Gather", graph.constant(step.knots), cells, axis=0)
        here = graph.node("Unsqueeze", x, graph.constant(np.array([2])))
        above, equal = (
            graph.summed(graph.cast(graph.node(op, here, knots), "double"), axis=2)
            for op in ("Greater", "Equal")
        )
        half = graph.node("Mul", equal, graph.constant(np.float64(0.5)))
        count = graph.constant(np.float64(step.knots.shape[1]))
        rank = graph.node("Div", graph.node("Add", above, half), count)
        found = graph.where(graph.constant(step.how == RANK), rank, found)
    return graph.where(graph.node("IsNaN", x), graph.constant(np.float64(np.nan)), found)


def _gaps(step: Gaps, graph: Graph, numeric: str, codes: str) -> str:
    gone = graph.cast(graph.node("IsNaN", numeric), "double")
    blank = graph.cast(graph.node("Equal", codes, graph.constant(np.int64(-1))), "double")
    count = graph.node("Add", graph.summed(gone, keep=True), graph.summed(blank, keep=True))
    return graph.concat([count, graph.columns(gone, step.marked)])


def _recoded(recode: Recode, graph: Graph, codes: str) -> str:
    places = graph.columns(_places(graph, codes, recode.levels), recode.kept)
    cells = graph.node("Add", places, graph.constant(recode.starts))
    return graph.node("Gather", graph.constant(recode.table), cells)
