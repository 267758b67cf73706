"""A network with its least important channels removed: fewer weights and multiplications."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.families.net_ops import Op, Ops

TINY = 1e-5  # beside a variance, as norms have it
State = Mapping[str, Any]
Kept = list[npt.NDArray[np.intp]]


def thinned(ops: Ops, keep: float) -> Ops:
    """The operations with about the share `keep` of the channels of each layer, at least one.

    Channels that are added to one another, or filtered each by itself, go together. Inputs,
    classes, what attention and recurrence read, and channels that a norm sees in groups stay.

    >>> net = Ops((1, 8, 8))
    >>> x = net.conv(net.conv(-1, 4, 3), 8, 3)
    >>> net.linear(net.mean(x), 10)
    3
    >>> half = thinned(net, 0.5)
    >>> half.weights, net.weights, half.macs < net.macs / 2
    (140, 414, True)
    """
    return _rewritten(ops, _chosen(ops, keep, {}))


def thinned_weights(ops: Ops, state: State, keep: float) -> dict[str, Any]:
    """The weights that remain, by the names of a `TorchNet` of `thinned(ops, keep)`.

    A filter counts by the sum of its weights' sizes (Li et al. 2017), times the scale of the norm
    that follows it over the deviation that it saw; channels that go together by the mean of theirs,
    each over the mean of its layer.
    """
    kept, out = _chosen(ops, keep, _importance(ops, state)), {}
    for name, value in state.items():
        _, number, rest = name.split(".", 2)
        op = ops.steps[int(number)]
        own, before = kept[int(number)], op.inputs[0]
        source = kept[before] if before >= 0 else np.arange(ops.input_shape[0])
        out[name] = _part(op, rest, np.asarray(value), own, source)
    return out


def _part(op: Op, name: str, value: Any, own: Any, source: Any) -> Any:
    """What is left of one array of an operation."""
    if op.kind == "linear":
        return value[:, own][:, :, source] if name == "weight" else value[:, own]
    if op.kind == "conv" and name == "weight" and op.about["groups"] == 1:
        return value[own][:, source]
    return value[own] if op.kind in ("conv", "norm") and value.ndim else value


# -- which channels go together ------------------------------------------------------------------


@dataclass
class _Ties:
    """Channels as numbers, with what goes together joined (union-find)."""

    parent: list[int]
    fixed: set[int]

    def new(self, n: int) -> list[int]:
        first = len(self.parent)
        self.parent.extend(range(first, first + n))
        return list(range(first, first + n))

    def root(self, a: int) -> int:
        while self.parent[a] != a:
            self.parent[a] = self.parent[self.parent[a]]
            a = self.parent[a]
        return a

    def tie(self, a: list[int], b: list[int]) -> None:
        for x, y in zip(a, b, strict=True):
            self.parent[self.root(y)] = self.root(x)


def _channels(ops: Ops) -> tuple[_Ties, list[list[int]]]:
    """The channels of every operation's result."""
    ties = _Ties([], set())
    found: dict[int, list[int]] = {-1: ties.new(ops.input_shape[0])}
    ties.fixed.update(found[-1])
    for number, op in enumerate(ops.steps):
        first = found[op.inputs[0]]
        if op.kind in ("conv", "linear") and not _each_alone(op, ops):
            found[number] = ties.new(op.shape[0])
            if op.about.get("groups", 1) > 1:
                ties.fixed.update(first + found[number])
        elif op.kind in ("embed", "recurrent"):
            found[number] = ties.new(op.shape[0])
            ties.fixed.update(first + found[number])
        elif op.kind == "join":
            found[number] = [c for i in op.inputs for c in found[i]]
        elif op.kind == "take":
            found[number] = first[op.about["first"] :][: op.about["count"]]
            ties.fixed.update(first)
        else:
            found[number] = first
            for other in op.inputs[1:]:
                ties.tie(first, found[other])
            if op.kind in ("attention", "vote") or op.about.get("kind") == "group":
                ties.fixed.update(first)
    ties.fixed.update(found[len(ops.steps) - 1])
    return ties, [found[i] for i in range(len(ops.steps))]


def _each_alone(op: Op, ops: Ops) -> bool:
    """True for a convolution that filters each channel by itself."""
    groups, before = op.about.get("groups", 1), ops.shape_of(op.inputs[0])
    return op.kind == "conv" and groups > 1 and groups == op.shape[0] == before[0]


def _chosen(ops: Ops, keep: float, importance: Mapping[int, Any]) -> Kept:
    """The channels of every operation's result that stay, rising; the first ones of equals."""
    ties, channels = _channels(ops)
    fixed = {ties.root(c) for c in ties.fixed}
    makers: dict[int, list[tuple[int, int]]] = {}
    for number, op in enumerate(ops.steps):
        if op.kind in ("conv", "linear") and not _each_alone(op, ops):
            for place, channel in enumerate(channels[number]):
                makers.setdefault(ties.root(channel), []).append((number, place))
    layers: dict[tuple[int, ...], list[int]] = {}
    for root, made in makers.items():
        if root not in fixed:
            layers.setdefault(tuple(sorted({n for n, _ in made})), []).append(root)
    gone: set[int] = set()
    for roots in layers.values():
        worth = [np.mean([importance[n][i] if n in importance else 0.0 for n, i in makers[r]])
                 for r in roots]  # fmt: skip
        order = np.argsort(-np.asarray(worth), kind="stable")
        gone.update(roots[i] for i in order[max(1, math.ceil(keep * len(roots))) :])
    return [
        np.flatnonzero([ties.root(c) not in gone for c in channels[n]])
        for n in range(len(ops.steps))
    ]


def _importance(ops: Ops, state: State) -> dict[int, npt.NDArray[np.float64]]:
    """How much each channel of a convolution or linear layer counts; 1 in the mean of a layer."""
    norms = {op.inputs[0]: n for n, op in enumerate(ops.steps)
             if op.kind == "norm" and op.about["kind"] == "batch"}  # fmt: skip
    out = {}
    for number, op in enumerate(ops.steps):
        if op.kind not in ("conv", "linear"):
            continue
        weight = np.abs(np.asarray(state[f"layers.{number}.weight"], float))
        filters = weight[0] if op.kind == "linear" else weight
        size = filters.reshape(len(filters), -1).sum(axis=1)
        if number in norms:
            gamma, var = (np.asarray(state[f"layers.{norms[number]}.{n}"], float)
                          for n in ("weight", "var"))  # fmt: skip
            size = size * np.abs(gamma) / np.sqrt(var + TINY)
        out[number] = size / max(float(size.mean()), 1e-12)
    return out


def _rewritten(ops: Ops, kept: Kept) -> Ops:
    """The same operations, each of the width that is left."""
    out = Ops(ops.input_shape)
    for number, op in enumerate(ops.steps):
        x, about, width, name = op.inputs[0], dict(op.about), len(kept[number]), op.name
        if op.kind == "conv":
            about["groups"] = width if _each_alone(op, ops) else about["groups"]
            out.conv(x, width, name=name, **about)
        elif op.kind == "linear":
            out.linear(x, width, name)
        elif op.kind in ("add", "join", "vote"):
            getattr(out, op.kind)(*op.inputs, **about, name=name)
        elif op.kind == "scale":
            out.scale(x, op.inputs[1], name)
        elif op.kind == "norm":
            out.norm(x, about["kind"], name)
        elif op.kind == "embed":
            out.embed(x, about["ids"], width, name)
        else:  # takes what it is called with, and keeps or fixes the width
            getattr(out, op.kind)(x, **about, name=name)
    return out
