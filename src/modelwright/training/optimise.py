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
        """One step by the gradients; sets the gradients to None.

        Of a gradient with rows (`[rows, width]`, sparse: embedded words) only these rows and their
        moments change, and only they decay: a text knows few of the words.
        """
        self.steps += 1
        for i, weight in enumerate(self.weights):
            grad, weight.grad = weight.grad, None
            if grad is None:
                continue
            kept = [weight, self.first[i], *([self.second[i]] if self.second else [])]
            if grad.is_sparse:
                rows, which = _rows_of(grad, self.copies)
                parts = [t[rows] for t in kept]
                self._move(i, parts, grad.values(), which)
                for whole, part in zip(kept, parts, strict=True):
                    whole.index_copy_(0, rows, part)
            else:
                views = [t.view(self.copies, -1) for t in (*kept, grad)]
                self._move(i, views[:-1], views[-1], slice(None))

    def _move(self, i: int, kept: Sequence[Tensor], g: Tensor, which: Tensor | slice[None]) -> None:
        """The i-th weights and moments after the gradients `[n, -1]` of the copies `which`."""
        rate = self.rate[which, None] * (self.slow[i] if self.slow else 1.0)
        decay = 0.0 if self.exempt and self.exempt[i] else self.decay[which, None]
        if self.momentum is None:
            w, m, v = kept
            self._adam(w, m, v, g, rate, decay)
        else:
            w, m = kept
            _nesterov(w, m, g, rate, decay, self.momentum[which, None])

    def _adam(
        self, w: Tensor, m: Tensor, v: Tensor, g: Tensor, rate: Tensor, decay: Tensor | float
    ) -> None:
        m.lerp_(g, 1 - BETA1)
        v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        scale = (1 - BETA2**self.steps) ** 0.5 / (1 - BETA1**self.steps)
        move = m / v.sqrt().add_(TINY)
        w.mul_(1 - rate * decay).sub_(move.mul_(rate * scale))

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
    """Shrinks each copy's gradients to a norm of at most `most`, `[copies]`; the norms before.

    Sparse gradients are made coalesced.
    """
    grads: list[tuple[Tensor, Tensor | slice[None]]] = []
    squares = torch.zeros_like(most)
    for weight in weights:
        if weight.grad is None:
            continue
        if weight.grad.is_sparse:
            weight.grad = weight.grad.coalesce()
            _, which = _rows_of(weight.grad, copies)
            grad = weight.grad.values()
            squares.index_add_(0, which, grad.square().sum(dim=1))
            grads.append((grad, which))
        else:
            grad = weight.grad.view(copies, -1)
            squares += grad.square().sum(dim=1)
            grads.append((grad, slice(None)))
    norms = squares.sqrt()
    factor = (most / (norms + 1e-12)).clamp(max=1.0)
    for grad, of in grads:
        grad.mul_(factor[of, None])
    return norms


def silence_(weight: Tensor, copies: int, fine: Tensor) -> None:
    """Makes the gradients of copies that are not `fine` zero."""
    if weight.grad is None:
        return
    if weight.grad.is_sparse:
        _, which = _rows_of(weight.grad, copies)
        weight.grad.values()[~fine[which]] = 0.0
    else:
        weight.grad.view(copies, -1)[~fine] = 0.0


def _rows_of(grad: Tensor, copies: int) -> tuple[Tensor, Tensor]:
    """The rows that a coalesced gradient has, and the copy that each belongs to."""
    rows = grad.indices()[0]
    return rows, rows // (len(grad) // copies)


def _nesterov(
    w: Tensor, m: Tensor, g: Tensor, rate: Tensor, decay: Tensor | float, beta: Tensor
) -> None:
    g = g + decay * w
    m.mul_(beta).add_(g)
    w.sub_((g + beta * m).mul_(rate))
