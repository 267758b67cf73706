"""A glass box as ONNX nodes: bins by comparing with edges, tables looked up and added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelwright.families.onnx_graph import Graph

if TYPE_CHECKING:
    from modelwright.families.glass_bins import Bins
    from modelwright.families.glass_box import FittedGlassBox


def add_glass_box(fitted: FittedGlassBox, graph: Graph, numeric: str, codes: str) -> str:
    """Bins, tables, pairs, and the link function of the task."""
    starts = np.concatenate([[0], np.cumsum(fitted.bins.sizes)])[:-1]
    scores = graph.constant(np.asarray(fitted.base, float)[None])
    if len(starts):
        bins = _bins(fitted.bins, graph, numeric, codes)
        cells = graph.node("Add", bins, graph.constant(starts))
        values = graph.constant(np.asarray(fitted.values, float))
        told = graph.summed(graph.node("Gather", values, cells, axis=0))
        scores = graph.node("Add", scores, told)
        if len(fitted.pairs.columns):
            scores = graph.node("Add", scores, _pairs(fitted, graph, cells))
    else:
        scores = graph.repeated(np.asarray(fitted.base, float), numeric)
    if not fitted.n_classes:
        return scores
    if fitted.n_classes == 2:
        return graph.both_classes(graph.node("Sigmoid", scores))
    return graph.node("Softmax", scores, axis=1)


def _bins(bins: Bins, graph: Graph, numeric: str, codes: str) -> str:
    parts = []
    if bins.n_numeric:
        if bins.edges.shape[1]:
            wide = graph.node("Unsqueeze", numeric, graph.constant([2]))
            above = graph.node("GreaterOrEqual", wide, graph.constant(bins.edges))
            place = graph.summed(graph.cast(above, "int64"), 2)
        else:
            zeros = np.zeros((1, bins.n_numeric), np.int64)
            place = graph.repeated(zeros, numeric)
        gap = graph.constant((bins.n_edges + 1)[None])
        parts.append(graph.where(graph.node("IsNaN", numeric), gap, place))
    if len(bins.n_categories):
        last = graph.constant(np.diff(bins.lookup_starts) - 1)
        place = graph.node("Add", codes, graph.constant(np.int64(1)))
        low = graph.node("Less", place, graph.constant(np.int64(0)))
        place = graph.where(low, last, graph.node("Min", place, last))
        place = graph.node("Add", place, graph.constant(bins.lookup_starts[:-1]))
        parts.append(graph.node("Gather", graph.constant(bins.lookup), place))
    return graph.concat(parts)


def _pairs(fitted: FittedGlassBox, graph: Graph, cells: str) -> str:
    """What the pairs add, `[n, k]`: their tables end to end, one place each."""
    pairs = fitted.pairs
    m, high, wide, k = pairs.tables.shape
    group = graph.node("Gather", graph.constant(pairs.groups), cells)
    first = graph.columns(group, pairs.columns[:, 0])
    second = graph.columns(group, pairs.columns[:, 1])
    place = graph.node("Mul", first, graph.constant(np.int64(wide)))
    place = graph.node("Add", graph.node("Add", place, second),
                       graph.constant(np.arange(m) * high * wide))  # fmt: skip
    flat = graph.constant(np.asarray(pairs.tables, float).reshape(-1, k))
    return graph.summed(graph.node("Gather", flat, place, axis=0))
