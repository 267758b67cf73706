"""Training of a net in PyTorch, on one machine's processor, as fast as it goes there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from modelwright.families.base import IntArray
from modelwright.families.net_input import Singles
from modelwright.families.net_shape import NetLoss, NetShape
from modelwright.families.net_start import Start

# An activation of a layer costs about as much as this many multiplications of a matrix product
# (it is bound by memory), and a step, for its many small operations, as that many. Measured on a
# Sapphire Rapids core shared with other work: 5e10 multiplications a second.
_ELEMENT, _STEP = 170, 2e8
_LOOKS = 16  # how often the validation rows are looked at
_PATIENCE = 5  # looks in a row that were no better
_LEAST = 8  # rounds even where the bound on work is tight
_SHIFTS = 1 << 16


@dataclass(frozen=True)
class Recipe:
    """How a net is trained; `work` bounds the multiplications of all steps, forwards and back.

    `rounds` are passes over the rows, or parts of one where the bound on work is tight.
    """

    learning_rate: float
    weight_decay: float
    dropout: float
    smoothing: float
    rounds: int
    batch: int
    work: float


@dataclass(frozen=True)
class NetData:
    """Rows for a net: `dense` `[n, p]`, `rows` of the table `[n, q]`, labels and weights `[n]`.

    Labels are class numbers or scaled values; weights have mean 1.
    """

    dense: Singles
    rows: IntArray
    y: npt.NDArray[Any]
    weights: Singles


@dataclass(frozen=True)
class Trained:
    """Weights after some round, and the loss on the validation rows (NaN without them)."""

    round: int
    weights: Mapping[str, Singles]
    loss: float


def plan_rounds(shape: NetShape, recipe: Recipe, n: int) -> tuple[int, int]:
    """Rounds and steps in each of them, from sizes alone: no clock decides.

    >>> shape = NetShape(8, 8, 0, 0, 1, "plain", 0, 0, 0, 1, (64,), "relu")
    >>> plan_rounds(shape, Recipe(0.04, 0.0, 0.0, 0.0, 30, 256, 1e12), 2560)
    (30, 10)
    >>> plan_rounds(shape, Recipe(0.04, 0.0, 0.0, 0.0, 30, 256, 1e12), 10**9)[0]
    8
    """
    row = 3 * shape.products + _ELEMENT * shape.members * sum(shape.widths)
    per_round = -(-n // recipe.batch)
    most = max(1, int(recipe.work / (row * min(recipe.batch, n) + _STEP)))
    if recipe.rounds * per_round <= most:
        return recipe.rounds, per_round
    rounds = max(min(_LEAST, recipe.rounds), most // per_round)
    return rounds, max(1, min(per_round, most // rounds))


def train(
    shape: NetShape,
    start: Mapping[str, Start],
    data: NetData,
    held: NetData | None,
    recipe: Recipe,
    loss: tuple[NetLoss, float],
    *,
    threads: int,
    seed: int,
    rounds: int | None,
) -> list[Trained]:
    """Weights after some of the rounds, the last one among them.

    The learning rate rises for a twentieth of the steps and falls to 0 by half a cosine, also when
    `rounds` ends training sooner; `held` is looked at after the first round and then 16 times, and
    five looks in a row that were no better end it. The order of rows and what drops out come from
    `seed`. Equal on the same processor with as many threads; products are in bfloat16 where the
    processor has instructions for it, so that another one gives other last bits.
    """
    planned, steps = plan_rounds(shape, recipe, len(data.y))
    last = planned if rounds is None else max(1, min(rounds, planned))
    every = max(1, planned // _LOOKS)
    with _settings(threads):
        state = _State(start, recipe)
        batches = _batches(data, recipe.batch, seed)
        drops = _Drops(recipe.dropout, shape, recipe.batch, seed)
        out: list[Trained] = []
        for number in range(1, last + 1):
            for i in range(steps):
                done = ((number - 1) * steps + i + 1) / (planned * steps)
                batch = next(batches)
                raw = forward(shape, state.leaves, batch.dense, batch.rows, drops)
                torch.autograd.backward(_loss(raw, batch, loss, recipe.smoothing))
                state.step(_rate(done))
            if number in (1, last) or number % every == 0:
                out.append(Trained(number, state.arrays(), _held_loss(shape, state, held, loss)))
                if held is not None and _stale(out):
                    break
    return out


def forward(
    shape: NetShape,
    weights: Mapping[str, Tensor],
    dense: Tensor,
    rows: Tensor,
    drops: _Drops | None = None,
) -> Tensor:
    """The members' raw outputs `[members, n, n_outputs]`, as `net_shape.outputs` in NumPy."""
    n, k = len(dense), shape.members
    parts = [dense]
    if shape.embeds_numbers:
        z = dense[:, : shape.n_numbers].t().unsqueeze(2)
        if shape.numbers == "periodic":
            seen = torch.cos(torch.addcmul(weights["waves.shift"], z, weights["waves.frequency"]))
        else:
            seen = ((z - weights["pieces.low"]) * weights["pieces.inverse"]).clamp_(0, 1)
        made = torch.baddbmm(weights["numbers.bias"], seen, weights["numbers.weight"])
        parts.append(made.transpose(0, 1).reshape(n, -1))
    if shape.n_large:
        parts.append(functional.embedding(rows, weights["categories"]).flatten(1))
    h = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
    h = (h * weights["scale"].unsqueeze(1)).reshape(k * n, -1)
    for i in range(len(shape.widths)):
        h = torch.addmm(weights[f"layer{i}.bias"], h, weights[f"layer{i}.weight"])
        h = functional.relu_(h) if shape.activation == "relu" else functional.silu(h)
        if drops is not None:
            h = drops(h)
    return torch.baddbmm(weights["head.bias"], h.view(k, n, -1), weights["head.weight"])


class _State:
    """All weights in one stretch of memory, moved by a single step of AdamW.

    The optimiser moves `theta`; a weight is `theta` times its speed, so that one learning rate
    serves all. Adam does not see the size of a gradient, so that none has to be scaled.
    """

    def __init__(self, start: Mapping[str, Start], recipe: Recipe) -> None:
        moving = sorted((n for n in start if start[n].speed), key=lambda n: not start[n].decays)
        values = [torch.from_numpy(start[n].values).flatten() for n in moving]
        speeds = [torch.full_like(v, start[n].speed) for n, v in zip(moving, values, strict=True)]
        self._speed = torch.cat(speeds)
        self._flat = torch.cat(values)
        theta = self._flat / self._speed
        gradient = torch.zeros_like(theta)
        split = sum(start[n].values.size for n in moving if start[n].decays)
        self._parts = [torch.nn.Parameter(t) for t in (theta[:split], theta[split:])]
        for part, g in zip(self._parts, (gradient[:split], gradient[split:]), strict=True):
            part.grad = g
        self._theta, self._gradient, self._rate = theta, gradient, recipe.learning_rate
        self.leaves: dict[str, Tensor] = {
            n: torch.from_numpy(s.values) for n, s in start.items() if not s.speed
        }
        at = 0
        for n in moving:
            size, shape = start[n].values.size, start[n].values.shape
            leaf = self._flat[at : at + size].view(shape).requires_grad_()
            leaf.grad = gradient[at : at + size].view(shape)
            self.leaves[n] = leaf
            at += size
        decays = ({"weight_decay": recipe.weight_decay}, {"weight_decay": 0.0})
        groups = [{"params": [p], **d} for p, d in zip(self._parts, decays, strict=True)]
        self._adam = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.95), fused=True)

    def step(self, rate: float) -> None:
        """One step at that share of the learning rate; gradients are zero afterwards."""
        for group in self._adam.param_groups:
            group["lr"] = self._rate * rate
        self._adam.step()
        with torch.no_grad():
            torch.mul(self._theta, self._speed, out=self._flat)
            self._gradient.zero_()

    def arrays(self) -> dict[str, Singles]:
        """A copy of the weights, constants among them."""
        return {n: t.detach().numpy().copy() for n, t in self.leaves.items()}


class _Drops:
    """Dropout by one mask at changing places: drawing anew costs more than a layer's product."""

    def __init__(self, share: float, shape: NetShape, batch: int, seed: int) -> None:
        self._share = share
        largest = batch * shape.members * max(shape.widths)
        self._rng = np.random.default_rng(seed)
        if share > 0:
            draw = torch.rand(largest + _SHIFTS, generator=_generator(seed))
            self._pool = (draw >= share).float() / (1 - share)

    def __call__(self, h: Tensor) -> Tensor:
        if self._share <= 0:
            return h
        at = int(self._rng.integers(len(self._pool) - h.numel() + 1))
        return h * self._pool[at : at + h.numel()].view(h.shape)


@dataclass(frozen=True)
class _Batch:
    dense: Tensor
    rows: Tensor
    y: Tensor
    weights: Tensor | None


def _batches(data: NetData, size: int, seed: int) -> Iterator[_Batch]:
    """Batches without end; all rows once, in a new order, before any comes again."""
    whole = _tensors(data)
    n, generator = len(data.y), _generator(seed)
    while True:
        order = torch.randperm(n, generator=generator)
        for i in range(0, n, size):
            j = order[i : i + size]
            weights = None if whole.weights is None else whole.weights[j]
            yield _Batch(whole.dense[j], whole.rows[j], whole.y[j], weights)


def _tensors(data: NetData) -> _Batch:
    weights = None if (data.weights == 1).all() else torch.from_numpy(data.weights)
    return _Batch(
        torch.from_numpy(data.dense), torch.from_numpy(data.rows), torch.from_numpy(data.y), weights
    )


def _loss(raw: Tensor, batch: _Batch, loss: tuple[NetLoss, float], smoothing: float) -> Tensor:
    """The mean over members of each one's loss: they are trained as nets of their own."""
    k = len(raw)
    if loss[0] == "classes":
        y = batch.y.repeat(k)
        each = functional.cross_entropy(
            raw.flatten(0, 1), y, label_smoothing=smoothing, reduction="none"
        ).view(k, -1)
    elif loss[0] == "squared":
        each = (raw[:, :, 0] - batch.y).square()
    else:
        each = _pinball(batch.y - raw[:, :, 0], loss[1])
    return each.mean() if batch.weights is None else (each * batch.weights).mean()


def _pinball(over: Tensor, level: float) -> Tensor:
    return torch.maximum(over * level, over * (level - 1))


def _held_loss(
    shape: NetShape, state: _State, held: NetData | None, loss: tuple[NetLoss, float]
) -> float:
    """The loss of the members' joint answer on the validation rows."""
    if held is None:
        return math.nan
    total = weight = 0.0
    with torch.no_grad():
        whole = _tensors(held)
        for i in range(0, len(held.y), 1024):
            j = slice(i, i + 1024)
            raw = forward(shape, state.leaves, whole.dense[j], whole.rows[j])
            y, w = whole.y[j], torch.from_numpy(held.weights[j])
            if loss[0] == "classes":
                shares = torch.softmax(raw, 2).mean(0).clamp_(min=1e-7)
                each = -shares.log().gather(1, y.unsqueeze(1))[:, 0]
            elif loss[0] == "squared":
                each = (raw.mean(0)[:, 0] - y).square()
            else:
                each = _pinball(y - raw.mean(0)[:, 0], loss[1])
            total += float((each * w).sum())
            weight += float(w.sum())
    return total / weight


def _stale(out: list[Trained]) -> bool:
    best = min(range(len(out)), key=lambda i: out[i].loss)
    return len(out) - 1 - best >= _PATIENCE


def _rate(done: float) -> float:
    return min(1.0, done * 20) * (1 + math.cos(math.pi * done)) / 2


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed % 2**63)


@contextmanager
def _settings(threads: int) -> Iterator[None]:
    """Threads and precision of products for the length of a fit, then as they were."""
    before, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_float32_matmul_precision(precision)
