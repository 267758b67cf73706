"""A list of operations as a PyTorch module; several networks of one shape as one.

With `copies` the module holds so many networks side by side: their channels follow one another,
their convolutions are groups of one convolution. All see the same batch, and no weight is shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from modelwright.core.errors import InputError

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "silu": F.silu,
    "gelu": F.gelu,
    "hard_swish": F.hardswish,
}
MOMENTUM, TINY = 0.1, 1e-5


class Step(Protocol):
    """What the module needs to know of an operation (`families.net_ops.Op`)."""

    kind: str
    name: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    about: Mapping[str, Any]


class Graph(Protocol):
    """A list of operations (`families.net_ops.Ops`)."""

    input_shape: tuple[int, ...]
    steps: list[Any]

    def shape_of(self, number: int) -> tuple[int, ...]: ...  # noqa: D102


class TorchNet(nn.Module):
    """The module of `ops`: `[batch, *input_shape]` to `[batch, copies, *shape]`.

    Each weight has the copies along its first dimension, `[copies * width, ...]`. Weights are drawn
    from PyTorch's generator: He et al. 2015 for what an activation follows, and the last layer
    small.
    """

    def __init__(self, ops: Graph, copies: int = 1) -> None:
        super().__init__()
        self.ops, self.copies = ops, copies
        self.layers = nn.ModuleList(_layer(op, ops, copies) for op in ops.steps)
        last_use = {}
        for number, op in enumerate(ops.steps):
            last_use.update(dict.fromkeys(op.inputs, number))
        # What no later operation needs is let go at once: memory is the bound of large batches.
        self._drop = [
            tuple(i for i, last in last_use.items() if last == number)
            for number in range(len(ops.steps))
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Answers `[batch, copies, *shape]`."""
        return self.watch(x)[0]

    def watch(self, x: Tensor, numbers: Sequence[int] = ()) -> tuple[Tensor, list[Tensor]]:
        """Answers, and the results of the operations `numbers`, `[batch, channels, *places]`."""
        results: dict[int, Tensor] = {-1: x}
        kept: dict[int, Tensor] = {}
        for number, (op, layer) in enumerate(zip(self.ops.steps, self.layers, strict=True)):
            results[number] = layer(*(results[i] for i in op.inputs))
            if number in numbers:
                kept[number] = results[number]
            for i in self._drop[number]:
                results.pop(i, None)
        out = results[len(self.ops.steps) - 1]
        return out.view(len(x), self.copies, -1), [kept[i] for i in numbers]


def take_copy(state: Mapping[str, Tensor], number: int, copies: int) -> dict[str, Tensor]:
    """The weights of one network of several."""
    out = {}
    for name, value in state.items():
        size = len(value) // copies if value.ndim else 0
        out[name] = value[number * size : (number + 1) * size].clone() if size else value.clone()
    return out


def stack_copies(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of networks of one shape as those of one module; the inverse of `take_copy`."""
    first = states[0]
    return {
        name: torch.cat([s[name] for s in states]) if value.ndim else value.clone()
        for name, value in first.items()
    }


# -- layers: one class for each kind of operation ------------------------------------------------


class _Conv(nn.Module):
    def __init__(self, op: Step, ops: Graph, copies: int) -> None:
        super().__init__()
        channels, *places = ops.shape_of(op.inputs[0])
        about, width = op.about, op.shape[0]
        self.kernel, self.stride = about["kernel"], about["stride"]
        # Copies that read the network's input read the same channels: no groups between them.
        self.groups = about["groups"] * (1 if op.inputs[0] < 0 else copies)
        per = channels // about["groups"]
        window = (self.kernel,) * len(places)
        fan = per * self.kernel ** len(places)
        spread = math.sqrt(2 / fan)
        self.weight = nn.Parameter(torch.randn(copies * width, per, *window) * spread)
        self.bias = nn.Parameter(torch.zeros(copies * width)) if about["bias"] else None
        self.convolve = (F.conv1d, F.conv2d)[len(places) - 1]
        self.pad = [_sides(p, self.kernel, self.stride) for p in places]

    def forward(self, x: Tensor) -> Tensor:
        low = [a for a, _ in self.pad]
        if any(a != b for a, b in self.pad):
            x = F.pad(x, [side for pair in reversed(self.pad) for side in pair])
            low = [0] * len(low)
        return self.convolve(x, self.weight, self.bias, self.stride, low, 1, self.groups)


def _sides(places: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, so that the result has `ceil(places / stride)` places."""
    lacking = max(0, (-(-places // stride) - 1) * stride + kernel - places)
    return lacking // 2, lacking - lacking // 2


class _Norm(nn.Module):
    def __init__(self, op: Step, ops: Graph, copies: int) -> None:
        super().__init__()
        width = copies * op.shape[0]
        self.groups = copies * op.about["groups"] if op.about["kind"] == "group" else 0
        self.mean: Tensor
        self.var: Tensor
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        if not self.groups:
            self.register_buffer("mean", torch.zeros(width))
            self.register_buffer("var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        if self.groups:
            return F.group_norm(x, self.groups, self.weight, self.bias, TINY)
        return F.batch_norm(
            x, self.mean, self.var, self.weight, self.bias, self.training, MOMENTUM, TINY
        )


class _Linear(nn.Module):
    def __init__(self, op: Step, ops: Graph, copies: int) -> None:
        super().__init__()
        (features,), (width,) = ops.shape_of(op.inputs[0]), op.shape
        self.copies, self.features = copies, features
        last = op is next(step for step in reversed(ops.steps) if step.kind != "unit")
        spread = 1 / math.sqrt(features) if last else math.sqrt(2 / features)
        self.weight = nn.Parameter(torch.randn(copies, width, features) * spread)
        self.bias = nn.Parameter(torch.zeros(copies, width))

    def forward(self, x: Tensor) -> Tensor:
        if self.copies == 1:
            return F.linear(x, self.weight[0], self.bias[0])
        parts = x.view(len(x), -1, self.features).transpose(0, 1).expand(self.copies, -1, -1)
        out = torch.baddbmm(self.bias[:, None], parts, self.weight.transpose(1, 2))
        return out.transpose(0, 1).reshape(len(x), -1)


class _Attention(nn.Module):
    def __init__(self, op: Step, ops: Graph, copies: int) -> None:
        super().__init__()
        self.heads, self.width, self.copies = op.about["heads"], op.shape[0], copies
        width = op.shape[0]
        self.inner = nn.Parameter(torch.randn(copies * 3 * width, width, 1) / math.sqrt(width))
        self.inner_bias = nn.Parameter(torch.zeros(copies * 3 * width))
        self.outer = nn.Parameter(torch.randn(copies * width, width, 1) / math.sqrt(width))
        self.outer_bias = nn.Parameter(torch.zeros(copies * width))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)  # [batch, copies * width, n]
        seen = F.conv1d(flat, self.inner, self.inner_bias, groups=self.copies)
        parts = seen.view(len(x), self.copies, 3, self.heads, -1, flat.shape[2])
        q, k, v = parts.transpose(-1, -2).unbind(2)  # [batch, copies, heads, n, width / heads]
        out = F.scaled_dot_product_attention(q, k, v)
        out = out.transpose(-1, -2).reshape(flat.shape)
        out = F.conv1d(out, self.outer, self.outer_bias, groups=self.copies)
        return out.view(x.shape)


class _Embed(nn.Module):
    def __init__(self, op: Step, ops: Graph, copies: int) -> None:
        super().__init__()
        self.ids, self.copies = op.about["ids"], copies
        width = op.shape[0]
        self.weight = nn.Parameter(torch.randn(copies * self.ids, width) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        ids = x.long()
        # Nothing (0) stays nothing, whatever its vector is: [batch, 1, length].
        there = (ids[:, :1] > 0).to(self.weight.dtype)
        rows = x.device.type != "mps"  # which has no sparse gradients
        found = [
            F.embedding(ids + k * self.ids, self.weight, sparse=rows).sum(dim=1).transpose(1, 2)
            * there
            for k in range(self.copies)
        ]
        return torch.cat(found, dim=1)


class _Recurrent(nn.GRU):
    def __init__(self, op: Step, ops: Graph, copies: int) -> None:
        if copies > 1:
            raise InputError("recurrent networks are not trained side by side.")
        channels = ops.shape_of(op.inputs[0])[0]
        super().__init__(channels, op.about["width"], batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        out: Tensor = super().forward(x.transpose(1, 2).contiguous())[0]
        return out.transpose(1, 2).contiguous()


class _Plain(nn.Module):
    """An operation without weights."""

    def __init__(self, op: Step, ops: Graph, copies: int) -> None:
        super().__init__()
        self.kind, self.about, self.copies = op.kind, op.about, copies
        self.shared = op.inputs[0] < 0  # the input is no copy's own

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        out: Tensor = getattr(self, f"_{self.kind}")(x, *others)
        return out

    def _act(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.about["kind"]](x)

    def _add(self, x: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            x = x + other
        return x

    def _scale(self, x: Tensor, by: Tensor) -> Tensor:
        return x * torch.sigmoid(by).view(*by.shape, *[1] * (x.ndim - 2))

    def _pool(self, x: Tensor) -> Tensor:
        size = self.about["size"]
        return self._window(x, size, size, 0, any(p % size for p in x.shape[2:]))

    def _smooth(self, x: Tensor) -> Tensor:
        size = self.about["size"]
        return self._window(x, size, 1, size // 2, False)

    def _window(self, x: Tensor, size: int, stride: int, pad: int, ceil: bool) -> Tensor:
        """The largest or mean value of windows; what is added at the edges does not count."""
        flat = x.ndim == 3
        if self.about["kind"] == "max":
            largest = F.max_pool1d if flat else F.max_pool2d
            return largest(x, size, stride, pad, 1, ceil)
        mean = F.avg_pool1d if flat else F.avg_pool2d
        return mean(x, size, stride, pad, ceil, False)

    def _mean(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(dim=2)

    def _largest(self, x: Tensor) -> Tensor:
        return x.flatten(2).amax(dim=2)

    def _join(self, x: Tensor, *others: Tensor) -> Tensor:
        parts = [p.view(len(p), self.copies, -1, *p.shape[2:]) for p in (x, *others)]
        return torch.cat(parts, dim=2).flatten(1, 2)

    def _unit(self, x: Tensor) -> Tensor:
        out: Tensor = x.float() * self.about["deviation"] + self.about["mean"]
        return out

    def _take(self, x: Tensor) -> Tensor:
        at = slice(self.about["first"], self.about["first"] + self.about["count"])
        if self.shared:
            return x[:, at]
        return x.view(len(x), self.copies, -1, *x.shape[2:])[:, :, at].flatten(1, 2)

    def _vote(self, *answers: Tensor) -> Tensor:
        if self.about.get("values"):
            return torch.stack(answers).mean(dim=0)
        shares = [a.view(len(a), self.copies, -1).softmax(dim=2) for a in answers]
        return torch.stack(shares).mean(dim=0).log().flatten(1)

    def _dropout(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.about["rate"], self.training)

    def _hide(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = torch.rand(len(x), 1, x.shape[2], device=x.device) >= self.about["rate"]
        hidden: Tensor = x * kept / (1 - self.about["rate"])
        return hidden


_WITH_WEIGHTS: Mapping[str, type[nn.Module]] = {
    "conv": _Conv, "norm": _Norm, "linear": _Linear, "attention": _Attention,
    "embed": _Embed, "recurrent": _Recurrent,
}  # fmt: skip


def _layer(op: Step, ops: Graph, copies: int) -> nn.Module:
    if op.kind == "backbone":
        from modelwright.training.backbone import Pretrained

        if copies > 1:
            raise InputError("backbones are not trained side by side.")
        return Pretrained(op.about)
    return _WITH_WEIGHTS.get(op.kind, _Plain)(op, ops, copies)
