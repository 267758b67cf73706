"""A trained net as ONNX nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelwright.families.onnx_graph import Graph

if TYPE_CHECKING:
    from modelwright.families.net_fitted import FittedNet
    from modelwright.families.net_input import NetInput


def add_net(net: FittedNet, graph: Graph, numeric: str, codes: str) -> str:
    """Answers of the net: its preparation in float64, its products in float32 as in NumPy."""
    shape, target = net.shape, net.target
    h = _inputs(net, graph, numeric, codes)
    scale = graph.constant(net.weights["scale"][:, None])
    h = graph.node("Mul", graph.node("Unsqueeze", h, graph.constant([0])), scale)  # [k, n, d]
    for i in range(len(shape.widths)):
        h = graph.node("MatMul", h, graph.constant(net.weights[f"layer{i}.weight"]))
        h = graph.node("Add", h, graph.constant(net.weights[f"layer{i}.bias"]))
        if shape.activation == "relu":
            h = graph.node("Relu", h)
        else:
            h = graph.node("Mul", h, graph.node("Sigmoid", h))
    h = graph.node("MatMul", h, graph.constant(net.weights["head.weight"]))
    h = graph.cast(graph.node("Add", h, graph.constant(net.weights["head.bias"])), "double")
    if target.n_classes:
        h = graph.node("Softmax", h, axis=2)
    answer = graph.node("ReduceMean", h, graph.constant([0]), keepdims=0)
    if target.n_classes:
        return graph.spread(answer, target.classes, target.n_classes)
    answer = graph.node("Mul", answer, graph.constant(np.float64(target.scale)))
    answer = graph.node("Add", answer, graph.constant(np.float64(target.centre)))
    return graph.clip(answer, target.low, target.high)


def _inputs(net: FittedNet, graph: Graph, numeric: str, codes: str) -> str:
    """What the first layer sees, `[n, n_inputs]` in float32."""
    seen, shape = net.input, net.shape
    parts = []
    if seen.matrix.width:
        small = graph.columns(codes, seen.small) if seen.matrix.n_hot else ""
        dense = graph.cast(seen.matrix.add_to(graph, numeric, small), "float")
        parts.append(dense)
        if shape.embeds_numbers:
            parts.append(_numbers(net, graph, dense))
    if shape.n_large:
        rows = _rows(seen, graph, graph.columns(codes, seen.large))
        found = graph.node("Gather", graph.constant(net.weights["categories"]), rows)
        width = shape.n_large * shape.category_size
        parts.append(graph.node("Reshape", found, graph.constant([-1, width])))
    return graph.concat(parts)


def _numbers(net: FittedNet, graph: Graph, dense: str) -> str:
    """The embedded numbers, `[n, n_numbers * number_size]`."""
    shape, weights = net.shape, net.weights
    z = graph.columns(dense, np.arange(shape.n_numbers))
    z = graph.node("Unsqueeze", graph.node("Transpose", z, perm=[1, 0]), graph.constant([2]))
    if shape.numbers == "periodic":
        turned = graph.node("Mul", z, graph.constant(weights["waves.frequency"]))
        part = graph.node("Cos", graph.node("Add", turned, graph.constant(weights["waves.shift"])))
    else:
        over = graph.node("Sub", z, graph.constant(weights["pieces.low"]))
        part = graph.node("Mul", over, graph.constant(weights["pieces.inverse"]))
        limits = graph.constant(np.float32(0)), graph.constant(np.float32(1))
        part = graph.node("Clip", part, *limits)
    made = graph.node("MatMul", part, graph.constant(weights["numbers.weight"]))
    made = graph.node("Add", made, graph.constant(weights["numbers.bias"]))
    made = graph.node("Transpose", made, perm=[1, 0, 2])
    width = shape.n_numbers * shape.number_size
    return graph.node("Reshape", made, graph.constant([-1, width]))


def _rows(seen: NetInput, graph: Graph, codes: str) -> str:
    """Rows of the embedding table for the codes of the large columns."""
    last = graph.constant(np.diff(seen.starts) - 1)
    zero, one = graph.constant(np.int64(0)), graph.constant(np.int64(1))
    place = graph.node("Add", codes, one)
    place = graph.where(graph.node("Less", place, zero), last, graph.node("Min", place, last))
    place = graph.node("Add", place, graph.constant(seen.starts[:-1]))
    return graph.node("Gather", graph.constant(seen.table), place)
