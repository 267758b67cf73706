"""What a network needs while it answers, computed from its operations before it is trained."""

from __future__ import annotations

import math

from modelwright.families.net_ops import Op, Ops

# All kinds of operations that `Ops` writes.
KINDS = (
    "conv", "norm", "act", "add", "scale", "pool", "smooth", "mean", "largest", "join", "linear",
    "dropout", "attention", "embed", "hide", "recurrent", "vote", "unit",
    "take", "backbone",
)  # fmt: skip
TRAINING_ONLY = frozenset({"dropout", "hide"})  # they do nothing in an answer
# Each number of the result needs one number of each input: it may be written over it.
IN_PLACE = frozenset({"norm", "act", "add", "scale", "unit"}) | TRAINING_ONLY
NUMBER = 4  # bytes: everything is computed in float32


def peak_bytes(ops: Ops) -> int:
    """Bytes of the results that must be held at once, at most, to answer one example.

    Operations run one by one in their order. A result is held until the last operation that reads
    it; an elementwise one writes over an input that nothing reads later. Attention also holds its
    projections and weights. The input counts as float32; what a convolution copies to be quicker,
    and the weights, do not count.

    >>> net = Ops((1, 8, 8))
    >>> net.linear(net.mean(net.conv(-1, 4, 3)), 10)
    2
    >>> peak_bytes(net)  # the picture and four of its size
    1280
    """
    last = {number: i for i, op in enumerate(ops.steps) for number in op.inputs}
    held = {-1: math.prod(ops.input_shape)}
    most = held[-1]
    for i, op in enumerate(ops.steps):
        size = math.prod(op.shape)
        over = next((n for n in op.inputs if _overwritten(op, held[n], size, last[n] == i)), None)
        new = 0 if over is not None else size
        most = max(most, sum(held.values()) + new + _inside(op))
        for number in set(op.inputs):
            if last[number] == i:
                del held[number]
        held[i] = size
    return NUMBER * most


def training_bytes(ops: Ops) -> int:
    """Bytes of the results that a step of training holds for one example, about: all of them.

    >>> net = Ops((1, 8, 8))
    >>> net.linear(net.mean(net.conv(-1, 4, 3)), 10)
    2
    >>> training_bytes(net)  # four pictures, their means, ten answers
    1080
    """
    asked = [op for op in ops.steps if op.about.get("mode") != "frozen"]  # others gave features
    return NUMBER * (sum(math.prod(op.shape) for op in ops.steps) + sum(map(_inside, asked)))


def _overwritten(op: Op, has: int, size: int, done: bool) -> bool:
    return op.kind in IN_PLACE and done and has == size


def _inside(op: Op) -> int:
    """Numbers that an operation holds beside its inputs and its result."""
    if op.kind == "backbone":  # as much as a step of training keeps: an upper bound of an answer's
        return int(op.about["held"])
    if op.kind != "attention":
        return 0
    places = math.prod(op.shape[1:])
    return 3 * math.prod(op.shape) + int(op.about["heads"]) * places**2
