"""Networks for texts: embedded words, blocks over their order, pooling, classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, Len

from modelwright.families.image_net import Style, fitted, unit
from modelwright.families.net_ops import Ops
from modelwright.spaces import Log
from modelwright.training.recipe import AdamW, Recipe


@dataclass(frozen=True)
class Window:
    """A convolution over neighbouring words (Kim 2014), its input added where `skip`."""

    width: Annotated[int, Log(16, 256)] = 128
    kernel: Literal[1, 3, 5] = 3
    skip: bool = False

    def write(self, ops: Ops, x: int, style: Style, name: str) -> int:
        """Appends the block; the number of its result."""
        out = unit(ops, x, self.width, self.kernel, style, name)
        if not self.skip:
            return out
        return ops.add(fitted(ops, x, self.width, name), out, name=f"{name}.skip")


@dataclass(frozen=True)
class Recurrent:
    """A gated recurrent layer, read from both ends (Cho et al. 2014)."""

    width: Annotated[int, Log(16, 128)] = 64

    def write(self, ops: Ops, x: int, style: Style, name: str) -> int:
        """Appends the block; the number of its result."""
        return ops.recurrent(x, self.width, name=name)


@dataclass(frozen=True)
class Attend:
    """Self-attention over words, added to its input (Vaswani et al. 2017)."""

    heads: Literal[1, 2, 4] = 2

    def write(self, ops: Ops, x: int, style: Style, name: str) -> int:
        """Appends the block; the number of its result."""
        width = ops.shape_of(x)[0] // 4 * 4 or 4
        x = fitted(ops, x, width, name)
        return ops.add(x, ops.attention(x, self.heads, f"{name}.attention"), name=f"{name}.skip")


TextBlock = Window | Recurrent | Attend


@dataclass(frozen=True)
class TextNet:
    """Words and their parts become sums of `width` learned numbers; blocks; pooling; classes.

    Without blocks it is a weighted bag of words, parts and pairs (Joulin et al. 2017). `forget` is
    the share of words that are hidden while training.

    >>> net = TextNet(blocks=(Window(32),), width=16).ops((4, 20), 3, ids=100)
    >>> net.shape, net.weights
    ((3,), 3363)
    """

    blocks: Annotated[tuple[TextBlock, ...], Len(0, 3)] = (Window(),)
    width: Annotated[int, Log(8, 256)] = 64
    style: Style = Style("none")
    forget: Annotated[float, Interval(ge=0, le=0.5)] = 0.2
    pooling: Literal["mean", "max", "both"] = "both"
    dropout: Annotated[float, Interval(ge=0, le=0.6)] = 0.3

    def ops(self, shape: tuple[int, ...], n_classes: int, ids: int = 0) -> Ops:
        """The operations for texts `(4, length)` of numbers below `ids`."""
        ops = Ops(shape)
        x = ops.embed(-1, ids, self.width, name="words")
        x = ops.hide(x, round(self.forget, 6), name="forget")
        for i, block in enumerate(self.blocks):
            x = block.write(ops, x, self.style, f"block{i}")
        ops.head(x, self.pooling, self.dropout, n_classes)
        return ops

    def words(self) -> str:
        """Its shape in a few words.

        >>> TextNet().words()
        'words 64, Window 128'
        """
        told = [f"words {self.width}"]
        for block in self.blocks:
            size = getattr(block, "width", None) or getattr(block, "heads", "")
            told.append(f"{type(block).__name__} {size}")
        return ", ".join(told)


@dataclass(frozen=True)
class TextDesign:
    """A network for texts and how it is trained: one joint space.

    >>> TextDesign().network.width
    64
    """

    network: TextNet = TextNet()
    recipe: Recipe = Recipe(AdamW(6e-3), batch=32)
