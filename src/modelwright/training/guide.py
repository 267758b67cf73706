"""A teacher that looks at the same changed pictures as its student, and shows where it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from modelwright.core.keys import Key
from modelwright.training.augment import augmented
from modelwright.training.optimise import Optimiser
from modelwright.training.recipe import Augment
from modelwright.training.torch_net import Graph, TorchNet

if TYPE_CHECKING:
    from modelwright.training.lessons import Lessons

Signal = Literal["hints", "attention"]
HINT_WEIGHT, ATTENTION_WEIGHT = 0.5, 0.5  # of their losses beside the others
ADAPTER_RATE = 5e-3
TINY = 1e-8


class Guide:
    """What a teacher `net` says of a batch, and what a student that answers like it may lack.

    `signals`: with `hints` the student's last map before pooling is led to the teacher's, through a
    learned linear adapter that is thrown away (Romero et al. 2015; here during the whole training,
    not before it, and both scaled to deviation 1). With `attention` the squared channels of these
    maps, summed and scaled to length 1, are led to one another (Zagoruyko and Komodakis 2017; here
    of the last map alone). Of an ensemble all members' maps count: one after the other as hints,
    their mean as attention. Where maps differ in places the larger is averaged down.

    The teacher sees what the student sees, augmentation and blends included (Beyer et al. 2022).
    The adapter's weights are drawn from PyTorch's generator, and part of `state`.
    """

    def __init__(self, net: TorchNet, student: Graph, signals: Sequence[Signal] = ()) -> None:
        self.net, self.signals = net.eval().requires_grad_(False), tuple(signals)
        self.theirs = last_maps(net.ops)
        self.own = last_maps(student)[:1]
        if not self.theirs or not self.own:
            self.signals = ()
        self.adapter: Optimiser | None = None
        if "hints" in self.signals:
            width = student.shape_of(self.own[0])[0]
            wanted = sum(net.ops.shape_of(i)[0] for i in self.theirs)
            place = next(net.parameters()).device
            weight = (torch.randn(wanted, width, device=place) / width**0.5).requires_grad_()
            rate = torch.tensor([ADAPTER_RATE], device=place)
            self.adapter = Optimiser([weight], 1, rate, torch.zeros_like(rate))

    @property
    def watched(self) -> tuple[int, ...]:
        """The operations of the student whose results `apart` takes."""
        return self.own if self.signals else ()

    def shares(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The teacher's shares `[batch, k]` (or values) of a batch, and its last maps."""
        with torch.no_grad():
            out, maps = self.net.watch(x, self.theirs if self.signals else ())
            told = out[:, 0].float()
            values = any(step.kind == "unit" for step in self.net.ops.steps)
            return told if values else told.softmax(dim=1), [m.float() for m in maps]

    def apart(self, own: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
        """How far the student's map is from the teacher's, by all signals, `[batch]`."""
        (mine,) = own
        mine, maps = mine.float(), list(theirs)
        out = torch.zeros(len(mine), device=mine.device)
        if self.adapter is not None:
            small, *others = _alike([mine, *maps])
            wanted = _standard(torch.cat(others, dim=1).flatten(2))
            led = torch.einsum("wc,bcn->bwn", self.adapter.weights[0], _standard(small.flatten(2)))
            out = out + HINT_WEIGHT * (led - wanted).square().mean(dim=(1, 2))
        if "attention" in self.signals:
            small, *others = [_attention(m) for m in _alike([mine, *maps])]
            wanted = torch.stack(others).mean(dim=0)
            out = out + ATTENTION_WEIGHT * (small - wanted).square().sum(dim=1)
        return out

    def step(self) -> None:
        """The adapter's step, by the gradients of the student's loss; none by a bad batch."""
        if self.adapter is not None:
            weight = self.adapter.weights[0]
            if weight.grad is not None and not bool(weight.grad.isfinite().all()):
                weight.grad = None
            self.adapter.step()

    def state(self) -> dict[str, Any]:
        """What an exact resume needs."""
        if self.adapter is None:
            return {}
        kept = {"weight": self.adapter.weights[0].detach().clone()}
        told = self.adapter.state()
        return {**kept, "steps": told["steps"],
                "tensors": {k: v.clone() for k, v in told["tensors"].items()}}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes back to what `state` gave."""
        if self.adapter is not None:
            with torch.no_grad():
                self.adapter.weights[0].copy_(state["weight"])
            self.adapter.load(state)


def with_copies(lessons: Lessons, how: Augment, copies: int, seed: int) -> Lessons:
    """The examples, and after them so many less one changed copies of each; random in `seed`.

    Only mirrored and moved, so that they stay bytes; nobody was asked about them yet.
    """
    plain = replace(how, cut=0.0, mix=0.0)
    torch.manual_seed(Key.of(seed).child("copies").seed(63))
    x = torch.from_numpy(np.ascontiguousarray(lessons.x))
    changed = [lessons.x, *(augmented(x, plain).numpy() for _ in range(copies - 1))]
    y = np.tile(lessons.y, copies)
    return replace(lessons, x=np.concatenate(changed), y=y, taught=None)


def last_maps(ops: Graph) -> tuple[int, ...]:
    """The operations whose results are pooled over all positions: one of each network in `ops`.

    >>> from modelwright.families.image_net import ImageNet
    >>> ops = ImageNet().ops((1, 28, 28), 10)
    >>> [ops.steps[i].name for i in last_maps(ops)]
    ['stage1.0.act']
    """
    ends: dict[str, int] = {}
    for op in ops.steps:
        if op.kind in ("mean", "largest") and op.inputs[0] >= 0:
            source = op.inputs[0]
            net = op.name.partition(".")[0] if op.name.startswith("net") else ""
            ends[net] = source  # a squeeze pools earlier: the last counts
    return tuple(ends.values())


def _alike(maps: Sequence[Tensor]) -> list[Tensor]:
    """Maps `[batch, channels, *places]` with as many places as the smallest has."""
    least = min((m.shape[2:] for m in maps), key=lambda places: int(torch.Size(places).numel()))
    pool: Any = F.adaptive_avg_pool1d if len(least) == 1 else F.adaptive_avg_pool2d
    return [m if m.shape[2:] == least else pool(m, tuple(least)) for m in maps]


def _standard(maps: Tensor) -> Tensor:
    """Maps `[batch, channels, n]` with mean 0 and deviation 1 in each channel of the batch."""
    apart = maps - maps.mean(dim=(0, 2), keepdim=True)
    return apart / (apart.square().mean(dim=(0, 2), keepdim=True) + 1e-5).sqrt()


def _attention(maps: Tensor) -> Tensor:
    """Where a network looks, `[batch, places]` of length 1."""
    seen = maps.square().sum(dim=1).flatten(1)
    return seen / (seen.square().sum(dim=1, keepdim=True) + TINY).sqrt()
