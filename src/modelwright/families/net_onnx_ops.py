"""A trained network of operations as an ONNX file, from raw bytes to shares of the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelwright.families.net_ops import Op, Ops
from modelwright.families.net_source import pads_of, raw_kind
from modelwright.families.onnx_graph import Graph

TINY = 1e-5
_ACTS = {"relu": "Relu", "gelu": "Gelu", "hard_swish": "HardSwish"}


def onnx_of(
    ops: Ops, state: Mapping[str, Any], shift: Sequence[float], scale: Sequence[float]
) -> bytes:
    """The model: `examples` `[n, *input_shape]` to `shares` `[n, classes]`, or `values` `[n]`.

    Answers are float32. Examples are uint8, numbers of words int32. `state` has the weights of a
    `TorchNet` of one copy as arrays.
    """
    graph = Graph()
    x = graph.input("examples", raw_kind(ops), *ops.input_shape)
    if raw_kind(ops) == "uint8":
        ones = (1,) * (len(ops.input_shape) - 1)
        x = graph.cast(x, "float")
        x = graph.node("Sub", x, _constant(graph, np.reshape(shift, (-1, *ones))))
        x = graph.node("Mul", x, _constant(graph, np.reshape(scale, (-1, *ones))))
    results = {-1: x}
    for number, op in enumerate(ops.steps):
        own = {k.split(".", 2)[2]: np.asarray(v) for k, v in state.items()
               if k.startswith(f"layers.{number}.")}  # fmt: skip
        results[number] = _node(graph, op, ops, [results[i] for i in op.inputs], own)
    answers = results[len(ops.steps) - 1]
    if ops.values:
        flat = graph.node("Reshape", answers, graph.constant(np.array([-1])))
        graph.output(flat, "values", "float", None)
    else:
        graph.output(graph.node("Softmax", answers, axis=1), "shares", "float", ops.shape[0])
    return graph.model()


def _constant(graph: Graph, values: Any) -> str:
    return graph.constant(np.asarray(values, np.float32))


def _node(graph: Graph, op: Op, ops: Ops, x: Sequence[str], own: Mapping[str, Any]) -> str:
    about = op.about
    if op.kind == "conv":
        return _conv(graph, op, ops, x[0], own)
    if op.kind == "norm":
        names = [_constant(graph, own[n]) for n in ("weight", "bias")]
        if about["kind"] == "group":
            return graph.node(
                "GroupNormalization", x[0], *names, num_groups=about["groups"], epsilon=TINY
            )
        names += [_constant(graph, own[n]) for n in ("mean", "var")]
        return graph.node("BatchNormalization", x[0], *names, epsilon=TINY)
    if op.kind == "act":
        if about["kind"] == "silu":
            return graph.node("Mul", x[0], graph.node("Sigmoid", x[0]))
        return graph.node(_ACTS[about["kind"]], x[0])
    if op.kind == "linear":
        weight, bias = _constant(graph, own["weight"][0]), _constant(graph, own["bias"][0])
        return graph.node("Gemm", x[0], weight, bias, transB=1)
    if op.kind == "attention":
        return _attention(graph, op, x[0], own)
    if op.kind == "embed":
        table = np.array(own["weight"], np.float32)
        table[0] = 0
        found = graph.node("Gather", graph.constant(table), x[0], axis=0)
        summed = graph.node("ReduceSum", found, graph.constant(np.array([1])), keepdims=0)
        return graph.node("Transpose", summed, perm=[0, 2, 1])
    if op.kind == "backbone":
        return graph.splice(_backbone(op, ops, own), x[0])
    if op.kind == "recurrent":
        return _recurrent(graph, op, x[0], own)
    return _plain(graph, op, x)


def _backbone(op: Op, ops: Ops, own: Mapping[str, Any]) -> bytes:
    """The ONNX file of a backbone's features; of a frozen one it was written with the data."""
    if op.about["mode"] == "frozen":
        return Path(op.about["onnx"]).read_bytes()
    from modelwright.training.backbone import exported

    return exported(op.about, ops.input_shape, own)


def _conv(graph: Graph, op: Op, ops: Ops, x: str, own: Mapping[str, Any]) -> str:
    pads, about = pads_of(op, ops.shape_of(op.inputs[0])), op.about
    places = len(pads)
    inputs = [x, _constant(graph, own["weight"])]
    inputs += [_constant(graph, own["bias"])] if about["bias"] else []
    return graph.node(
        "Conv", *inputs, kernel_shape=[about["kernel"]] * places, group=about["groups"],
        strides=[about["stride"]] * places, pads=[p for p, _ in pads] + [q for _, q in pads],
    )  # fmt: skip


def _attention(graph: Graph, op: Op, x: str, own: Mapping[str, Any]) -> str:
    width, heads = op.shape[0], op.about["heads"]
    n = int(np.prod(op.shape[1:]))
    each = width // heads

    def shaped(t: str, *shape: int) -> str:
        return graph.node("Reshape", t, graph.constant(np.array(shape)))

    flat = shaped(x, -1, width, n)
    inner = [_constant(graph, own["inner"]), _constant(graph, own["inner_bias"])]
    seen = shaped(graph.node("Conv", flat, *inner, kernel_shape=[1]), -1, 3, heads, each, n)
    q, k, v = (
        shaped(
            graph.node("Gather", seen, graph.constant(np.array([i])), axis=1), -1, heads, each, n
        )
        for i in range(3)
    )
    scores = graph.node("MatMul", graph.node("Transpose", q, perm=[0, 1, 3, 2]), k)
    scores = graph.node("Mul", scores, _constant(graph, 1 / np.sqrt(each)))
    share = graph.node("Softmax", scores, axis=3)
    out = graph.node("MatMul", v, graph.node("Transpose", share, perm=[0, 1, 3, 2]))
    outer = [_constant(graph, own["outer"]), _constant(graph, own["outer_bias"])]
    out = graph.node("Conv", shaped(out, -1, width, n), *outer, kernel_shape=[1])
    return shaped(out, -1, *op.shape)


def _recurrent(graph: Graph, op: Op, x: str, own: Mapping[str, Any]) -> str:
    """PyTorch orders the gates as reset, update, new; ONNX as update, reset, new."""
    width = op.about["width"]

    def both(name: str) -> Any:
        ends = []
        for end in ("", "_reverse"):
            reset, update, new = np.split(np.asarray(own[f"{name}_l0{end}"], np.float32), 3)
            ends.append(np.concatenate([update, reset, new]))
        return np.stack(ends)

    moved = graph.node("Transpose", x, perm=[2, 0, 1])  # [length, n, channels]
    biases = np.concatenate([both("bias_ih"), both("bias_hh")], axis=1)
    out = graph.node(
        "GRU", moved, graph.constant(both("weight_ih")), graph.constant(both("weight_hh")),
        graph.constant(biases), hidden_size=width, direction="bidirectional",
        linear_before_reset=1,
    )  # fmt: skip
    out = graph.node("Transpose", out, perm=[2, 1, 3, 0])  # [n, ends, width, length]
    return graph.node("Reshape", out, graph.constant(np.array([-1, 2 * width, op.shape[1]])))


def _plain(graph: Graph, op: Op, x: Sequence[str]) -> str:
    """Operations without weights."""
    about, places = op.about, len(op.shape) - 1
    if op.kind == "add":
        out = x[0]
        for other in x[1:]:
            out = graph.node("Add", out, other)
        return out
    if op.kind == "scale":
        shape = graph.constant(np.array([-1, op.shape[0], *[1] * places]))
        return graph.node("Mul", x[0], graph.node("Reshape", graph.node("Sigmoid", x[1]), shape))
    if op.kind in ("pool", "smooth"):
        kind = "MaxPool" if about["kind"] == "max" else "AveragePool"
        size, half = about["size"], about["size"] // 2
        how: dict[str, Any] = {"kernel_shape": [size] * places}
        if op.kind == "pool":
            how |= {"strides": [size] * places, "ceil_mode": 1}
        else:
            how |= {"strides": [1] * places, "pads": [half] * 2 * places}
        return graph.node(kind, x[0], **how)
    if op.kind in ("mean", "largest"):
        kind = "GlobalAveragePool" if op.kind == "mean" else "GlobalMaxPool"
        pooled = graph.node(kind, x[0])
        return graph.node("Reshape", pooled, graph.constant(np.array([-1, op.shape[0]])))
    if op.kind == "take":
        first, after = op.about["first"], op.about["first"] + op.about["count"]
        ends = [graph.constant(np.array([i])) for i in (first, after, 1)]
        return graph.node("Slice", x[0], *ends)
    if op.kind == "join":
        return graph.node("Concat", *x, axis=1)
    if op.kind == "unit":
        wide = graph.node("Mul", x[0], _constant(graph, about["deviation"]))
        return graph.node("Add", wide, _constant(graph, about["mean"]))
    if op.kind == "vote" and about.get("values"):
        return graph.node("Mean", *x)
    if op.kind == "vote":
        shares = [graph.node("Softmax", answer, axis=1) for answer in x]
        return graph.node("Log", graph.node("Mean", *shares))
    return x[0]  # dropout, of numbers or positions, does nothing here
