"""Optimisers whose numbers may differ from network to network of one module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

BETA1, BETA2, TINY = 0.9, 0.99, 1e-8


@dataclass
class Optimiser:
    """AdamW, or Nesterov's momentum where `momentum` is given, for `copies` networks at once.

    `rate` and `decay` have one number for each copy, `[copies]`. Weights with the copies along
    their first dimension are seen as `[copies, -1]`. `exempt` weights (of one dimension: biases,
    norms) have no decay; each weight learns at `slow` times the rate of its network. What `state`
    holds makes an exact resume.
    """

    weights: Sequence[Tensor]
    copies: int
    rate: Tensor
    decay: Tensor
    momentum: Tensor | None = None
    exempt: Sequence[bool] = ()
    slow: Sequence[float] = ()
    steps: int = 0
    first: list[Tensor] = field(default_factory=list)
    second: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first = self.first or [torch.zeros_like(w) for w in self.weights]
        if self.momentum is None and not self.second:
            self.second = [torch.zeros_like(w) for w in self.weights]

    @torch.no_grad()
    def step(self) -> None:
        """One step by the gradients; sets the gradients to None."""
        self.steps += 1
        each = self.rate[:, None]
        for i, weight in enumerate(self.weights):
            if weight.grad is None:
                continue
            rate = each * self.slow[i] if self.slow else each
            w, g = weight.view(self.copies, -1), weight.grad.view(self.copies, -1)
            decay = 0.0 if self.exempt and self.exempt[i] else self.decay[:, None]
            if self.momentum is None:
                self._adam(i, w, g, rate, decay)
            else:
                self._nesterov(i, w, g, rate, decay)
            weight.grad = None

    def _adam(self, i: int, w: Tensor, g: Tensor, rate: Tensor, decay: Tensor | float) -> None:
        m, v = self.first[i].view(self.copies, -1), self.second[i].view(self.copies, -1)
        m.lerp_(g, 1 - BETA1)
        v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        scale = (1 - BETA2**self.steps) ** 0.5 / (1 - BETA1**self.steps)
        move = m / v.sqrt().add_(TINY)
        w.mul_(1 - rate * decay).sub_(move.mul_(rate * scale))

    def _nesterov(self, i: int, w: Tensor, g: Tensor, rate: Tensor, decay: Tensor | float) -> None:
        assert self.momentum is not None
        beta = self.momentum[:, None]
        g = g + decay * w
        m = self.first[i].view(self.copies, -1)
        m.mul_(beta).add_(g)
        w.sub_((g + beta * m).mul_(rate))

    def state(self) -> dict[str, Any]:
        """Tensors and numbers that make a resumed run go on exactly."""
        named = {f"first.{i}": t.clone() for i, t in enumerate(self.first)}
        named |= {f"second.{i}": t.clone() for i, t in enumerate(self.second)}
        return {"tensors": named, "steps": self.steps}

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes back to what `state` gave."""
        self.steps = int(state["steps"])
        for kind, tensors in (("first", self.first), ("second", self.second)):
            for i, tensor in enumerate(tensors):
                tensor.copy_(state["tensors"][f"{kind}.{i}"])


def clip_(weights: Iterable[Tensor], copies: int, most: Tensor) -> Tensor:
    """Shrinks each copy's gradients to a norm of at most `most`, `[copies]`; the norms before."""
    grads = [w.grad.view(copies, -1) for w in weights if w.grad is not None]
    norms = torch.stack([g.square().sum(dim=1) for g in grads]).sum(dim=0).sqrt()
    factor = (most / (norms + 1e-12)).clamp(max=1.0)[:, None]
    for g in grads:
        g.mul_(factor)
    return norms
