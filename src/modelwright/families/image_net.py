"""Networks for pictures: stem, stages of blocks, head, as one recursive type."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, Len

from modelwright.families.net_ops import Activation, Norm, Ops
from modelwright.spaces import Log

FEW_PLACES = 256  # positions up to which attention is allowed: its cost grows with their square
REDUCE = 4  # of the squeeze


@dataclass(frozen=True)
class Style:
    """What all blocks of a network share."""

    norm: Norm = "batch"
    activation: Activation = "relu"


@dataclass(frozen=True)
class Conv:
    """A convolution over all channels."""

    kernel: Literal[1, 3, 5] = 3

    def write(self, ops: Ops, x: int, width: int, style: Style, name: str) -> int:
        """Appends the block; the number of its result."""
        return unit(ops, x, width, self.kernel, style, name)


@dataclass(frozen=True)
class Double:
    """Two convolutions, the second without activation (He et al. 2015, the basic block)."""

    kernel: Literal[3, 5] = 3

    def write(self, ops: Ops, x: int, width: int, style: Style, name: str) -> int:
        """Appends the block; the number of its result."""
        x = unit(ops, x, width, self.kernel, style, f"{name}.a")
        x = ops.conv(x, width, self.kernel, name=f"{name}.b.conv")
        return ops.norm(x, style.norm, f"{name}.b.norm")


@dataclass(frozen=True)
class Depthwise:
    """Widen, filter each channel by itself, narrow (Sandler et al. 2018, MobileNetV2).

    `squeeze` weighs channels by what is in the whole picture (Hu et al. 2018), with a reduction of
    4.
    """

    kernel: Literal[3, 5] = 3
    expand: Literal[1, 2, 4] = 2
    squeeze: bool = False

    def write(self, ops: Ops, x: int, width: int, style: Style, name: str) -> int:
        """Appends the block; the number of its result."""
        inner = ops.shape_of(x)[0] * self.expand
        if self.expand > 1:
            x = unit(ops, x, inner, 1, style, f"{name}.widen")
        x = ops.conv(x, inner, self.kernel, groups=inner, name=f"{name}.filter.conv")
        x = ops.act(ops.norm(x, style.norm, f"{name}.filter.norm"), style.activation)
        if self.squeeze:
            small = ops.linear(ops.mean(x), max(1, inner // REDUCE), name=f"{name}.squeeze")
            wide = ops.linear(ops.act(small, "relu"), inner, name=f"{name}.excite")
            x = ops.scale(x, wide, name=f"{name}.weigh")
        x = ops.conv(x, width, 1, name=f"{name}.narrow.conv")
        return ops.norm(x, style.norm, f"{name}.narrow.norm")


@dataclass(frozen=True)
class Attention:
    """Self-attention over positions, then two layers for each position (Vaswani et al. 2017).

    Where there are more than 256 positions it is a convolution instead: attention would cost more
    than all the rest.
    """

    heads: Literal[1, 2, 4] = 2
    expand: Literal[1, 2] = 2

    def write(self, ops: Ops, x: int, width: int, style: Style, name: str) -> int:
        """Appends the block; the number of its result."""
        x = fitted(ops, x, width, name)
        if math.prod(ops.shape_of(x)[1:]) > FEW_PLACES:
            return unit(ops, x, width, 3, style, name)
        heads = math.gcd(self.heads, width)
        seen = ops.attention(ops.norm(x, style.norm, f"{name}.norm"), heads, f"{name}.attention")
        x = ops.add(x, seen, name=f"{name}.seen")
        inner = unit(ops, x, width * self.expand, 1, style, f"{name}.widen")
        return ops.add(x, ops.conv(inner, width, 1, name=f"{name}.narrow"), name=f"{name}.out")


CellOp = Literal["conv3", "conv1", "depthwise3", "max", "mean", "skip"]


@dataclass(frozen=True)
class Node:
    """A node of a cell: an operation on the cell's input (0) or on an earlier node (1, 2, ...).

    A source that is not there yet means the newest that is.
    """

    op: CellOp = "conv3"
    source: Annotated[int, Interval(ge=0, le=3)] = 0


@dataclass(frozen=True)
class Cell:
    """Free connections: its answer is the sum of the nodes that no other node uses."""

    nodes: Annotated[tuple[Node, ...], Len(1, 4)] = (Node("conv3", 0), Node("conv3", 1))

    def write(self, ops: Ops, x: int, width: int, style: Style, name: str) -> int:
        """Appends the block; the number of its result."""
        results = [fitted(ops, x, width, name)]
        used = set()
        for i, node in enumerate(self.nodes):
            source = min(node.source, len(results) - 1)
            used.add(source)
            results.append(self._node(ops, results[source], node.op, width, style, f"{name}.{i}"))
        free = [results[i] for i in range(1, len(results)) if i not in used]
        return free[0] if len(free) == 1 else ops.add(*free, name=f"{name}.sum")

    @staticmethod
    def _node(ops: Ops, x: int, kind: CellOp, width: int, style: Style, name: str) -> int:
        if kind == "skip":
            return x
        if kind in ("max", "mean"):
            return ops.smooth(x, "max" if kind == "max" else "mean", 3, name)
        if kind == "depthwise3":
            x = ops.conv(x, width, 3, groups=width, name=f"{name}.filter")
            return unit(ops, x, width, 1, style, name)
        return unit(ops, x, width, 3 if kind == "conv3" else 1, style, name)


Block = Conv | Double | Depthwise | Attention | Cell


@dataclass(frozen=True)
class Stage:
    """Blocks of one width. `down` says how the stage halves the picture at its start, if at all.

    With `skip` each block's input is added to its answer; where widths differ, a convolution over
    one position makes them fit.
    """

    width: Annotated[int, Log(8, 256)]
    blocks: Annotated[tuple[Block, ...], Len(1, 4)]
    down: Literal["stride", "max", "none"] = "max"
    skip: bool = True

    def write(self, ops: Ops, x: int, style: Style, name: str) -> int:
        """Appends the stage; the number of its result."""
        small = max(ops.shape_of(x)[1:]) <= 2
        if self.down == "stride" and not small:
            x = unit(ops, x, self.width, 3, style, f"{name}.down", stride=2)
        elif self.down == "max" and not small:
            x = ops.pool(x, "max", 2, f"{name}.down")
        for i, block in enumerate(self.blocks):
            out = block.write(ops, x, self.width, style, f"{name}.{i}")
            if self.skip:
                out = ops.add(
                    fitted(ops, x, self.width, f"{name}.{i}"), out, name=f"{name}.{i}.skip"
                )
            x = ops.act(out, style.activation, f"{name}.{i}.act")
        return x


@dataclass(frozen=True)
class ImageNet:
    """A network for pictures: a first convolution, stages, pooling over all positions, classes.

    The first convolution sees all positions, 3 x 3 at a time, or with `first` half every second
    one, 5 x 5 at a time: most of the time of a small network goes into its first operations.

    The defaults are wide and short: what a processor learns most with in a minute, of ten designs
    on two sets of photos (docs/notebook.md, 2026-11-22).

    >>> net = ImageNet().ops((1, 28, 28), 10)
    >>> net.shape, net.weights
    ((10,), 251882)
    """

    stages: Annotated[tuple[Stage, ...], Len(1, 4)] = (
        Stage(64, (Conv(),), "none", False),
        Stage(128, (Double(),), "max"),
    )
    stem: Annotated[int, Log(8, 64)] = 32
    first: Literal["full", "half"] = "half"
    style: Style = Style()
    pooling: Literal["mean", "max", "both"] = "both"
    dropout: Annotated[float, Interval(ge=0, le=0.5)] = 0.0

    def ops(self, shape: tuple[int, ...], n_classes: int) -> Ops:
        """The operations for pictures `(channels, height, width)`; the answer has `n_classes`."""
        ops = Ops(shape)
        if self.first == "half":
            x = unit(ops, -1, self.stem, 5, self.style, "stem", stride=2)
        else:
            x = unit(ops, -1, self.stem, 3, self.style, "stem")
        for i, stage in enumerate(self.stages):
            x = stage.write(ops, x, self.style, f"stage{i}")
        ops.head(x, self.pooling, self.dropout, n_classes)
        return ops

    def words(self) -> str:
        """Its shape in a few words.

        >>> ImageNet().words()
        'Conv 64, Double 128'
        """
        told = []
        for stage in self.stages:
            kinds = Counter(type(block).__name__ for block in stage.blocks)
            blocks = " ".join(f"{n}x{kind}" if n > 1 else kind for kind, n in kinds.items())
            told.append(f"{blocks} {stage.width}")
        return ", ".join(told)


def unit(
    ops: Ops, x: int, width: int, kernel: int, style: Style, name: str, stride: int = 1
) -> int:
    """Convolution, normalisation, activation."""
    bias = style.norm == "none"
    x = ops.conv(x, width, kernel, stride=stride, bias=bias, name=f"{name}.conv")
    return ops.act(ops.norm(x, style.norm, f"{name}.norm"), style.activation, f"{name}.act")


def fitted(ops: Ops, x: int, width: int, name: str) -> int:
    """`x` itself, or where its width is another one, a convolution over one position."""
    if ops.shape_of(x)[0] == width:
        return x
    return ops.conv(x, width, 1, name=f"{name}.fit")
