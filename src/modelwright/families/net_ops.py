"""A network as a list of operations: shapes, weights and multiplications, without PyTorch.

Every network type of this room writes itself as `Ops`. One list serves all that follows: costs
before anything is trained (here), the PyTorch module (`torch_net.py`), its plain source
(`net_source.py`), ONNX (`net_onnx_ops.py`), and the drawing in the report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from modelwright.core.errors import InputError

Activation = Literal["relu", "silu", "gelu", "hard_swish"]
Norm = Literal["batch", "group", "none"]
NORM_GROUPS = 4  # of a group norm, where the channels can be divided so


@dataclass(frozen=True, slots=True)
class Op:
    """One operation. `inputs` are numbers of earlier ones, -1 is the network's input.

    `shape` is of its result without the batch: `(channels, height, width)` for pictures,
    `(channels, length)` for sequences, `(features,)` after pooling. `weights` counts numbers that
    are learned, `macs` multiplications for one example. `about` holds what the kind needs.
    """

    kind: str
    name: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    weights: int = 0
    macs: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Ops:
    """Operations in the order in which they run, written one by one; the last is the answer.

    >>> net = Ops((1, 8, 8))
    >>> x = net.conv(-1, 4, 3, name="stem")
    >>> net.linear(net.mean(x), 10, name="head")
    2
    >>> net.shape, net.weights, net.macs
    ((10,), 86, 2344)
    """

    input_shape: tuple[int, ...]
    steps: list[Op] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the answer, without the batch."""
        return self.shape_of(len(self.steps) - 1)

    @property
    def weights(self) -> int:
        """How many numbers are learned."""
        return sum(op.weights for op in self.steps)

    @property
    def macs(self) -> int:
        """Multiplications for one example; a fused multiply-add counts once."""
        return sum(op.macs for op in self.steps)

    def shape_of(self, number: int) -> tuple[int, ...]:
        """The shape of an operation's result; -1 is the input."""
        return self.input_shape if number < 0 else self.steps[number].shape

    @property
    def values(self) -> bool:
        """True where the answer is a value in the target's unit, not scores of classes."""
        return any(op.kind == "unit" for op in self.steps)

    def signature(self) -> tuple[Any, ...]:
        """Equal for networks whose weights can be stacked: kinds, wiring and shapes."""
        return tuple((op.kind, op.inputs, op.shape, tuple(sorted(op.about.items())))
                     for op in self.steps)  # fmt: skip

    # -- operations --------------------------------------------------------------------------

    def conv(
        self, x: int, width: int, kernel: int, *, stride: int = 1, groups: int = 1,
        bias: bool = False, name: str = "conv",
    ) -> int:  # fmt: skip
        """Convolution over all positions, padded so that only the stride makes it smaller."""
        channels, *places = self.shape_of(x)
        if channels % groups or width % groups:
            raise InputError(f"{groups} groups do not divide {channels} and {width} channels.")
        out = (width, *(-(-p // stride) for p in places))
        per = channels // groups * kernel ** len(places)
        weights = width * per + (width if bias else 0)
        about = {"kernel": kernel, "stride": stride, "groups": groups, "bias": bias}
        return self._add("conv", name, (x,), out, weights, math.prod(out) * per, about)

    def norm(self, x: int, kind: Norm, name: str = "norm") -> int:
        """Normalisation with a learned scale and shift for each channel; `none` is no operation."""
        if kind == "none":
            return x
        shape = self.shape_of(x)
        groups = math.gcd(NORM_GROUPS, shape[0])
        about = {"kind": kind} if kind == "batch" else {"kind": kind, "groups": groups}
        return self._add("norm", name, (x,), shape, 2 * shape[0], math.prod(shape), about)

    def act(self, x: int, kind: Activation, name: str = "act") -> int:
        """An activation."""
        return self._add("act", name, (x,), self.shape_of(x), about={"kind": kind})

    def add(self, x: int, *others: int, name: str = "add") -> int:
        """The sum of results of one shape."""
        shapes = {self.shape_of(i) for i in (x, *others)}
        if len(shapes) > 1:
            raise InputError(f"cannot add shapes {sorted(shapes)}.")
        return self._add("add", name, (x, *others), self.shape_of(x))

    def scale(self, x: int, by: int, name: str = "scale") -> int:
        """Each channel of x times one number in 0..1: the sigmoid of `by`, `(channels,)`."""
        shape = self.shape_of(x)
        if self.shape_of(by) != shape[:1]:
            raise InputError(f"cannot scale {shape} by {self.shape_of(by)}.")
        return self._add("scale", name, (x, by), shape, macs=math.prod(shape))

    def pool(self, x: int, kind: Literal["max", "mean"], size: int = 2, name: str = "pool") -> int:
        """The largest or mean value of windows of that size, one beside the other."""
        channels, *places = self.shape_of(x)
        out = (channels, *(-(-p // size) for p in places))
        return self._add("pool", name, (x,), out, about={"kind": kind, "size": size})

    def smooth(self, x: int, kind: Literal["max", "mean"], size: int, name: str = "smooth") -> int:
        """The largest or mean value of the window around each position; the shape stays."""
        return self._add("smooth", name, (x,), self.shape_of(x), about={"kind": kind, "size": size})

    def mean(self, x: int, name: str = "mean") -> int:
        """The mean over all positions, `(channels,)`."""
        return self._add("mean", name, (x,), self.shape_of(x)[:1])

    def largest(self, x: int, name: str = "largest") -> int:
        """The largest value over all positions, `(channels,)`."""
        return self._add("largest", name, (x,), self.shape_of(x)[:1])

    def join(self, x: int, *others: int, name: str = "join") -> int:
        """Results of equal positions with their channels one after the other."""
        shapes = [self.shape_of(i) for i in (x, *others)]
        if len({s[1:] for s in shapes}) > 1:
            raise InputError(f"cannot join shapes {shapes}.")
        return self._add("join", name, (x, *others), (sum(s[0] for s in shapes), *shapes[0][1:]))

    def linear(self, x: int, width: int, name: str = "linear") -> int:
        """A linear layer over `(features,)`, with a bias."""
        (features,) = self.shape_of(x)
        return self._add("linear", name, (x,), (width,), (features + 1) * width, features * width)

    def dropout(self, x: int, rate: float, name: str = "dropout") -> int:
        """Dropout while training; no operation at a rate of 0."""
        if not rate:
            return x
        return self._add("dropout", name, (x,), self.shape_of(x), about={"rate": rate})

    def head(self, x: int, pooling: str, dropout: float, n_classes: int) -> int:
        """Mean, largest value or both over all positions, and the classes from them."""
        pooled = [self.mean(x)] if pooling != "max" else []
        pooled += [self.largest(x)] if pooling != "mean" else []
        x = pooled[0] if len(pooled) == 1 else self.join(*pooled)
        return self.linear(self.dropout(x, round(dropout, 6)), n_classes, name="head")

    def attention(self, x: int, heads: int, name: str = "attention") -> int:
        """Self-attention over positions with learned projections of width `channels`."""
        channels, *places = self.shape_of(x)
        if channels % heads:
            raise InputError(f"{heads} heads do not divide {channels} channels.")
        n = math.prod(places)
        macs = 4 * n * channels**2 + 2 * n * n * channels
        weights = 4 * channels**2 + 4 * channels
        return self._add("attention", name, (x,), self.shape_of(x), weights, macs, {"heads": heads})

    def embed(self, x: int, ids: int, width: int, name: str = "embed") -> int:
        """Numbers `(rows, length)` below `ids` as sums over rows of learned vectors: `(width,
        length)`. Number 0 is nothing: its vector is 0."""
        rows, length = self.shape_of(x)
        about = {"ids": ids, "rows": rows}
        return self._add("embed", name, (x,), (width, length), ids * width, 0, about)

    def hide(self, x: int, rate: float, name: str = "hide") -> int:
        """Dropout of whole positions while training; no operation at a rate of 0."""
        if not rate:
            return x
        return self._add("hide", name, (x,), self.shape_of(x), about={"rate": rate})

    def recurrent(self, x: int, width: int, name: str = "recurrent") -> int:
        """A gated recurrent layer from both ends: `(channels, length)` to `(2 width, length)`."""
        channels, length = self.shape_of(x)
        weights = 2 * (3 * width * (channels + width) + 6 * width)
        macs = 2 * length * 3 * width * (channels + width)
        return self._add("recurrent", name, (x,), (2 * width, length), weights, macs,
                         {"width": width})  # fmt: skip

    def take(self, x: int, first: int, count: int, name: str = "take") -> int:
        """Some channels, or rows of numbers, in a row."""
        channels, *places = self.shape_of(x)
        if not 0 <= first < first + count <= channels:
            raise InputError(f"cannot take {count} channels from {first} of {channels}.")
        about = {"first": first, "count": count}
        return self._add("take", name, (x,), (count, *places), about=about)

    def backbone(
        self, x: int, facts: Mapping[str, Any], mode: str, rank: int, slow: float, scaled: Any = ()
    ) -> int:
        """Features of a pretrained backbone, `(2 width,)`; see `training.backbone.Pretrained`.

        `facts` are what is known of it, `scaled` the shift and the scale of pictures. All its
        weights count, learnt or not.
        """
        kept = ("name", "folder", "onnx", "kind", "size", "mean", "std")
        more = rank * int(facts["projections"]) if mode == "low_rank" else 0
        about = {
            **{k: facts[k] for k in kept if k in facts}, "mode": mode, "rank": rank,
            "slow": round(slow, 9), "scaled": scaled, "held": int(facts["held"]),
        }  # fmt: skip
        return self._add("backbone", "backbone", (x,), (2 * int(facts["width"]),),
                         int(facts["params"]) + more, int(facts["macs"]), about)  # fmt: skip

    def unit(self, x: int, mean: float, deviation: float, name: str = "unit") -> int:
        """Answers of mean 0 and deviation 1 in the unit of the target."""
        about = {"mean": mean, "deviation": deviation}
        return self._add("unit", name, (x,), self.shape_of(x), about=about)

    def vote(self, x: int, *others: int, values: bool = False, name: str = "vote") -> int:
        """The logarithm of the mean of several answers' shares: an ensemble as one network.

        Of `values` it is their mean.
        """
        shapes = {self.shape_of(i) for i in (x, *others)}
        if len(shapes) > 1:
            raise InputError(f"answers of different classes cannot vote: {sorted(shapes)}.")
        return self._add("vote", name, (x, *others), self.shape_of(x),
                         about={"values": True} if values else None)  # fmt: skip

    def _add(
        self, kind: str, name: str, inputs: tuple[int, ...], shape: tuple[int, ...],
        weights: int = 0, macs: int = 0, about: Mapping[str, Any] | None = None,
    ) -> int:  # fmt: skip
        for number in inputs:
            if not -1 <= number < len(self.steps):
                raise InputError(f"{name}: there is no operation {number} yet.")
        alike = sum(op.name == name or op.name.startswith(f"{name}_") for op in self.steps)
        name = f"{name}_{alike + 1}" if alike else name  # a name is one operation's
        self.steps.append(Op(kind, name, inputs, shape, weights, macs, about or {}))
        return len(self.steps) - 1


def side_by_side(parts: Sequence[Ops]) -> Ops:
    """Networks with the same inputs and classes as one, whose answer is the mean of theirs.

    >>> one = Ops((4,))
    >>> one.linear(-1, 2)
    0
    >>> both = side_by_side([one, one])
    >>> [op.name for op in both.steps], both.shape
    (['net0.linear', 'net1.linear', 'vote'], (2,))
    """
    out = Ops(parts[0].input_shape)
    ends = []
    for number, part in enumerate(parts):
        first = len(out.steps)
        for op in part.steps:
            inputs = tuple(i if i < 0 else i + first for i in op.inputs)
            out.steps.append(replace(op, name=f"net{number}.{op.name}", inputs=inputs))
        ends.append(len(out.steps) - 1)
    out.vote(*ends, values=out.values)
    return out


def one_after_another(first: Ops, second: Ops) -> Ops:
    """Two networks as one: the second reads what the first answers.

    >>> small = Ops((3, 8, 8))
    >>> x = small.pool(-1, "mean", 2, name="shrink")
    >>> net = Ops(small.shape)
    >>> x = net.mean(-1)
    >>> [(op.name, op.inputs, op.shape) for op in one_after_another(small, net).steps]
    [('shrink', (-1,), (3, 4, 4)), ('mean', (0,), (3,))]
    """
    n = len(first.steps)
    moved = [replace(op, inputs=tuple(i + n for i in op.inputs)) for op in second.steps]
    return Ops(first.input_shape, [*first.steps, *moved])


def side_by_side_weights(
    parts: Sequence[Ops], states: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The weights of `side_by_side` from those of its networks, by the names of a `TorchNet`."""
    out, first = {}, 0
    for part, state in zip(parts, states, strict=True):
        for name, value in state.items():
            _, number, rest = name.split(".", 2)
            out[f"layers.{int(number) + first}.{rest}"] = value
        first += len(part.steps)
    return out
