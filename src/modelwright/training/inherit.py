"""A network's first weights from those of another: wider, deeper, larger kernels, or in part.

Net2Net (Chen, Goodfellow and Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer",
ICLR 2016) for any two lists of operations. What differs: operations are aligned as two texts are;
copies of a channel share its outgoing weights unevenly instead of with noise, which keeps the
function; a block beside a shortcut begins as nothing (its last operation is 0), which holds while
training too, and only a block without one as the identity; a norm put in between begins with mean 0
and variance 1, so that its identity holds for answers, not for the batches of training.

Arrays in, arrays out, by the names of a `TorchNet` of one copy; PyTorch is not needed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.training.transfer import (
    Floats,
    Ints,
    Word,
    depthwise_identity,
    fitted_kernel,
    identity_kernel,
    spread,
    taken,
    word_for,
)

if TYPE_CHECKING:
    from modelwright.training.torch_net import Graph, Step

TINY = 1e-5  # what a norm adds to the variance
NOWHERE = -2  # a result that carries nothing of the parent
THROUGH = ("act", "smooth", "dropout", "hide")  # of zeros they make zeros
WINDOWS = ("pool", "smooth", "mean", "largest")


@dataclass(frozen=True)
class Inherited:
    """A network's first weights, and for each tensor how it came about.

    `copied`; `grown` (a larger kernel, zeros around); `widened`; `deepened` (begins as nothing or
    as the identity); `cropped` (a part of the parent's); `fresh` (drawn). `exact` tells that the
    network answers what its parent did, but for rounding.
    """

    state: dict[str, Floats]
    how: dict[str, Word]
    exact: bool

    def counts(self) -> dict[str, int]:
        """How many tensors came about in each way."""
        return dict(sorted(Counter(self.how.values()).items()))


@dataclass(frozen=True)
class Flow:
    """What a result of the child carries of the parent: of which operation, by channels.

    `exact` where it is that result itself, `zero` where it is nothing, `positive` where it is
    never below 0, so that a ReLU more changes nothing.
    """

    of: int
    channels: Ints
    exact: bool
    zero: bool = False
    positive: bool = False


def inherit(
    parent: Graph, trained: Mapping[str, Any], child: Graph, drawn: Mapping[str, Any], seed: int
) -> Inherited:
    """First weights of `child` from those `trained` of `parent`; the rest stays as `drawn`.

    Both are arrays by the names of a `TorchNet` of one copy; those that come back have the shapes
    and kinds of `drawn`. Random, from `seed`: how copies of a channel share its weights.
    """
    heir = _Heir(parent, trained, child, drawn, np.random.default_rng(seed))
    for number in range(len(child.steps)):
        heir.pass_on(number)
    same = parent.input_shape == child.input_shape and len(parent.steps) > 0
    end = heir.flows[len(child.steps) - 1]
    exact = same and end.exact and end.of == len(parent.steps) - 1
    return Inherited(heir.state, heir.how, exact)


def aligned(parent: Graph, child: Graph) -> dict[int, int]:
    """For operations of the child those of the parent that they were, by kind, name and order.

    Whole blocks of equal operations first, so that what is put in between is a block, too; then
    single operations between them.
    """
    old, new = _keys(parent), _keys(child)
    found: dict[int, int] = {}
    for word, a, b, c, d in _opcodes(*([(key, blocks[at]) for key, at in keys]
                                       for keys, blocks in (old, new))):  # fmt: skip
        if word == "equal":
            found.update(zip(range(c, d), range(a, b), strict=True))
        elif word == "replace":
            parts = [key for key, _ in old[0][a:b]], [key for key, _ in new[0][c:d]]
            for inner, e, f, g, h in _opcodes(*parts):
                if inner == "equal":
                    found.update(zip(range(c + g, c + h), range(a + e, a + f), strict=True))
    return found


def _opcodes(old: Sequence[Any], new: Sequence[Any]) -> Sequence[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _keys(graph: Graph) -> tuple[list[tuple[tuple[str, str], str]], dict[str, Any]]:
    """Kind and name without numbers of each operation, and its block; what each block does."""
    keys = []
    blocks: dict[str, Any] = {}
    for op in graph.steps:
        key = (op.kind, re.sub(r"_?\d+", "", op.name))
        found = re.match(r"\D*\d+(\.\d+)?", op.name)  # stage0.1, block2
        at = found.group() if found else op.name
        blocks[at] = (*blocks.get(at, ()), key)
        keys.append((key, at))
    return keys, blocks


@dataclass
class _Heir:
    """The child while its weights are found, operation by operation."""

    parent: Graph
    trained: Mapping[str, Any]
    child: Graph
    drawn: Mapping[str, Any]
    rng: np.random.Generator
    state: dict[str, Floats] = field(default_factory=dict)
    how: dict[str, Word] = field(default_factory=dict)
    flows: dict[int, Flow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = {name: np.array(value) for name, value in self.drawn.items()}
        self.how = dict.fromkeys(self.drawn, "fresh")
        self.twins = aligned(self.parent, self.child)
        self.nothing, self.beside = _residual(self.child, self.twins)
        channels = self.child.input_shape[0]
        same = self.parent.input_shape[0] == channels
        self.flows[-1] = Flow(-1, np.arange(channels), same)

    def pass_on(self, number: int) -> None:
        """Sets the weights of one operation, and what its result carries."""
        op = self.child.steps[number]
        flows = [self.flows[i] for i in op.inputs]
        if number in self.twins:
            flow = self._taken_over(number, op, flows)
        else:
            flow = self._put_between(number, op, flows)
        self.flows[number] = replace(flow, positive=flow.positive or _positive(op, flows))

    # -- operations that the parent has ------------------------------------------------------

    def _taken_over(self, number: int, op: Step, flows: Sequence[Flow]) -> Flow:
        twin = self.parent.steps[self.twins[number]]
        maps, exact = self._inputs(op, twin, flows)
        known = {"conv": self._conv, "linear": self._linear, "norm": self._norm,
                 "attention": self._attention, "embed": self._embed,
                 "recurrent": self._recurrent}.get(op.kind)  # fmt: skip
        if known is not None:
            channels, kept = known(number, op, twin, maps[0])
            covered = len(set(maps[0].tolist())) == self.parent.shape_of(twin.inputs[0])[0]
            return Flow(self.twins[number], channels, exact and kept and covered)
        channels, kept = self._plain(op, twin, maps)
        return Flow(self.twins[number], channels, exact and kept)

    def _inputs(self, op: Step, twin: Step, flows: Sequence[Flow]) -> tuple[list[Ints], bool]:
        """The parent's channels that the inputs carry; as widths go where it is another input."""
        exact = len(op.inputs) == len(twin.inputs)
        maps = []
        for k, flow in enumerate(flows):
            source = twin.inputs[min(k, len(twin.inputs) - 1)]
            fits = flow.of == source and not flow.zero
            exact = exact and fits and flow.exact
            old = self.parent.shape_of(source)[0]
            maps.append(
                flow.channels if fits else spread(old, self.child.shape_of(op.inputs[k])[0])
            )
        return maps, exact

    def _plain(self, op: Step, twin: Step, maps: Sequence[Ints]) -> tuple[Ints, bool]:
        """Operations without weights: what they carry, and whether they do the same."""
        if op.kind == "join" and len(op.inputs) == len(twin.inputs):
            starts = np.cumsum([0, *(self.parent.shape_of(i)[0] for i in twin.inputs)])
            return np.concatenate([m + s for m, s in zip(maps, starts, strict=False)]), True
        if op.kind in ("add", "scale"):
            return maps[0], all(np.array_equal(maps[0], other) for other in maps[1:])
        if op.kind in ("dropout", "hide"):
            return maps[0], True
        if op.kind in ("join", "vote"):
            return spread(twin.shape[0], op.shape[0]), False
        return maps[0], dict(op.about) == dict(twin.about)

    def _conv(self, number: int, op: Step, twin: Step, inputs: Ints) -> tuple[Ints, bool]:
        outputs = spread(twin.shape[0], op.shape[0])
        alone = _depthwise(self.child, op) and _depthwise(self.parent, twin)
        dense = op.about["groups"] == twin.about["groups"] == 1
        if not (alone or dense) or len(op.shape) != len(twin.shape):
            return outputs, False
        old = self._of(number, "weight")
        wide = (taken(old, [inputs], self.rng) if alone
                else taken(old, [outputs, inputs], self.rng, shared=1))  # fmt: skip
        outputs = inputs if alone else outputs
        sizes = [op.about["kernel"]] * (old.ndim - 2)
        starts = [a - b for a, b in zip(_before(self.child, op), _before(self.parent, twin),
                                        strict=True)]  # fmt: skip
        self._put(number, "weight", fitted_kernel(wide, sizes, starts), old.shape, len(sizes))
        if "bias" in self._names(number):
            bias = self._of(number, "bias") if twin.about["bias"] else np.zeros(twin.shape[0])
            self._put(number, "bias", taken(bias, [outputs], self.rng), bias.shape)
        lost = twin.about["bias"] and not op.about["bias"]
        grown = op.about["kernel"] >= twin.about["kernel"]
        return outputs, grown and op.about["stride"] == twin.about["stride"] and not lost

    def _linear(self, number: int, op: Step, twin: Step, inputs: Ints) -> tuple[Ints, bool]:
        outputs = spread(twin.shape[0], op.shape[0])
        old, bias = self._of(number, "weight"), self._of(number, "bias")
        self._put(number, "weight", taken(old, [None, outputs, inputs], self.rng, 2), old.shape)
        self._put(number, "bias", taken(bias, [None, outputs], self.rng), bias.shape)
        return outputs, True

    def _norm(self, number: int, op: Step, twin: Step, inputs: Ints) -> tuple[Ints, bool]:
        for name in self._names(number):
            if self._key(self.twins[number], name) in self.trained:
                old = self._of(number, name)
                self._put(number, name, taken(old, [inputs], self.rng), old.shape)
        same = dict(op.about) == dict(twin.about)
        # The channels of a group are measured together: more of one of them are another measure.
        return inputs, same and (op.about["kind"] == "batch" or _same(inputs, twin.shape[0]))

    def _attention(self, number: int, op: Step, twin: Step, inputs: Ints) -> tuple[Ints, bool]:
        width = twin.shape[0]
        three = np.concatenate([part * width + spread(width, op.shape[0]) for part in range(3)])
        own = spread(width, op.shape[0])
        for name, axes in (("inner", [three, inputs]), ("inner_bias", [three]),
                           ("outer", [inputs, own]), ("outer_bias", [inputs])):  # fmt: skip
            old = self._of(number, name)
            shared = 1 if len(axes) == 2 else None
            self._put(number, name, taken(old, axes, self.rng, shared), old.shape)
        same = op.about["heads"] == twin.about["heads"]
        return inputs, same and _same(inputs, width)  # products of wider heads are larger

    def _embed(self, number: int, op: Step, twin: Step, inputs: Ints) -> tuple[Ints, bool]:
        outputs = spread(twin.shape[0], op.shape[0])
        if op.about["ids"] != twin.about["ids"]:
            return outputs, False
        old = self._of(number, "weight")
        self._put(number, "weight", taken(old, [None, outputs], self.rng), old.shape)
        return outputs, op.about["rows"] == twin.about["rows"]

    def _recurrent(self, number: int, op: Step, twin: Step, inputs: Ints) -> tuple[Ints, bool]:
        width = twin.about["width"]
        own = spread(width, op.about["width"])
        gates = np.concatenate([gate * width + own for gate in range(3)])
        for end in ("", "_reverse"):
            for name, axes in (("weight_ih_l0", [gates, inputs]), ("weight_hh_l0", [gates, own]),
                               ("bias_ih_l0", [gates]), ("bias_hh_l0", [gates])):  # fmt: skip
                old = self._of(number, name + end)
                shared = 1 if len(axes) == 2 else None
                self._put(number, name + end, taken(old, axes, self.rng, shared), old.shape)
        return np.concatenate([own, own + width]), True

    # -- operations that the parent has not --------------------------------------------------

    def _put_between(self, number: int, op: Step, flows: Sequence[Flow]) -> Flow:
        first = flows[0]
        if number in self.nothing:
            self._silence(number, op)
            return replace(first, zero=True, exact=True)
        if op.kind in THROUGH and first.zero:
            return first
        if op.kind in ("dropout", "hide") or (op.kind == "act" and op.about["kind"] == "relu"):
            return first if op.kind != "act" or first.positive else replace(first, exact=False)
        if op.kind == "add":
            there = [flow for flow in flows if not flow.zero]
            return there[0] if len(there) == 1 else replace(first, zero=False, exact=False)
        if op.kind == "conv" and number not in self.beside and first.of != NOWHERE:
            return self._identity(number, op, first)
        if op.kind == "norm" and op.about["kind"] == "batch" and number not in self.beside:
            for name, value in (("weight", np.sqrt(1 + TINY)), ("bias", 0), ("mean", 0),
                                ("var", 1)):  # fmt: skip
                self._begin(number, name, np.full(op.shape[0], float(value)))
            return first
        if op.shape[0] == len(first.channels) and op.kind not in ("linear", "recurrent"):
            return replace(first, zero=False, exact=False, positive=False)
        return Flow(NOWHERE, np.arange(op.shape[0]), False)

    def _identity(self, number: int, op: Step, flow: Flow) -> Flow:
        """A convolution that lets through what it is given, repeated where it is wider."""
        size = [op.about["kernel"]] * (len(op.shape) - 1)
        straight = op.about["stride"] == 1 and op.about["kernel"] % 2 == 1
        if straight and _depthwise(self.child, op):
            self._begin(number, "weight", depthwise_identity(op.shape[0], size))
            outputs = flow.channels
        elif straight and op.about["groups"] == 1:
            outputs = spread(self.parent.shape_of(flow.of)[0], op.shape[0])
            kernel = identity_kernel(flow.channels, outputs, size, self.rng)
            self._begin(number, "weight", kernel)
        else:
            return Flow(NOWHERE, np.arange(op.shape[0]), False)
        if "bias" in self._names(number):
            self._begin(number, "bias", np.zeros(op.shape[0]))
        whole = set(flow.channels.tolist()) >= set(outputs.tolist())  # else some are lost
        return replace(flow, channels=outputs, exact=flow.exact and whole)

    def _silence(self, number: int, op: Step) -> None:
        """The operation answers 0."""
        names = ("outer", "outer_bias") if op.kind == "attention" else ("weight", "bias")
        for name in names:
            if name in self._names(number):
                self._begin(number, name, np.zeros_like(self.state[self._key(number, name)]))

    # -- tensors -----------------------------------------------------------------------------

    @staticmethod
    def _key(number: int, name: str) -> str:
        return f"layers.{number}.{name}"

    def _names(self, number: int) -> list[str]:
        start = self._key(number, "")
        return [key.removeprefix(start) for key in self.state if key.startswith(start)]

    def _of(self, number: int, name: str) -> Floats:
        return np.asarray(self.trained[self._key(self.twins[number], name)])

    def _put(
        self, number: int, name: str, value: Floats, old: tuple[int, ...], kernel: int = 0
    ) -> None:
        key = self._key(number, name)
        self.how[key] = word_for(old, value.shape, kernel)
        self.state[key] = value.astype(self.state[key].dtype)

    def _begin(self, number: int, name: str, value: Floats) -> None:
        key = self._key(number, name)
        self.how[key] = "deepened"
        self.state[key] = value.astype(self.state[key].dtype)


def _residual(child: Graph, twins: Mapping[int, int]) -> tuple[set[int], set[int]]:
    """Of sums that the parent has not: operations that must begin as 0, and all beside them.

    A sum's first term goes through; each other term ends in an operation with weights that can be
    0, if any.
    """
    before: dict[int, set[int]] = {-1: {-1}}
    for number, op in enumerate(child.steps):
        before[number] = {number}.union(*(before[i] for i in op.inputs))
    nothing: set[int] = set()
    beside: set[int] = set()
    for number, op in enumerate(child.steps):
        if op.kind != "add" or number in twins:
            continue
        through = before[op.inputs[0]]
        for term in op.inputs[1:]:
            end = term
            while end >= 0 and child.steps[end].kind in THROUGH and end not in through:
                end = child.steps[end].inputs[0]
            own = before[term] - through
            if end in own and end not in twins and child.steps[end].kind in (
                "conv", "norm", "attention"
            ):  # fmt: skip
                nothing.add(end)
                beside |= own - set(twins)
    return nothing, beside


def _positive(op: Step, flows: Sequence[Flow]) -> bool:
    """Whether the result is never below 0."""
    if op.kind == "act":
        return bool(op.about["kind"] == "relu")
    if op.kind in ("add", "join"):
        return all(flow.positive or flow.zero for flow in flows)
    return op.kind in (*WINDOWS, "dropout", "hide", "scale") and flows[0].positive


def _depthwise(graph: Graph, op: Step) -> bool:
    return bool(op.about["groups"] == op.shape[0] == graph.shape_of(op.inputs[0])[0])


def _same(channels: Ints, width: int) -> bool:
    return np.array_equal(channels, np.arange(width))


def _before(graph: Graph, op: Step) -> list[int]:
    """Zeros that a convolution puts before its input, for each axis (`torch_net`)."""
    kernel, stride = op.about["kernel"], op.about["stride"]
    places = graph.shape_of(op.inputs[0])[1:]
    return [max(0, (-(-p // stride) - 1) * stride + kernel - p) // 2 for p in places]
