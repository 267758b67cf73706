"""Training of a net that forecasts quantiles of all steps ahead, in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FloatArray = npt.NDArray[np.floating[Any]]
LEVELS = (0.1, 0.5, 0.9)
_LOOKS, _PATIENCE = 24, 6


@dataclass(frozen=True)
class Course:
    """How the net is trained: hidden widths, steps of AdamW, dropout, decay of weights."""

    widths: tuple[int, ...]
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    dropout: float


def train_quantiles(
    X: FloatArray,
    Y: FloatArray,
    held: npt.NDArray[np.bool_],
    course: Course,
    *,
    threads: int,
    seed: int,
) -> dict[str, npt.NDArray[np.float32]]:
    """Weights of the net after the best of up to 24 looks at the `held` rows.

    `X` `[n, d]` is standardised, `Y` `[n, horizon]`. The answer is a linear map of the inputs plus
    that of hidden layers, for each step a middle and two distances, trained by the quantile loss of
    the levels 0.1, 0.5 and 0.9. The learning rate falls by half a cosine; six looks without gain
    end it. Random in `seed`; equal on the same processor with as many threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        generator = torch.Generator().manual_seed(seed % 2**63)
        weights = _start(X.shape[1], Y.shape[1], course.widths, generator)
        fit_on = np.flatnonzero(~held)
        inputs, targets = torch.from_numpy(X.astype("f4")), torch.from_numpy(Y.astype("f4"))
        rows = torch.from_numpy(fit_on)
        look = torch.from_numpy(np.flatnonzero(held))
        return _train(weights, inputs, targets, rows, look, course, generator)
    finally:
        torch.set_num_threads(before)


def _train(
    weights: dict[str, Tensor],
    inputs: Tensor,
    targets: Tensor,
    rows: Tensor,
    look: Tensor,
    course: Course,
    generator: torch.Generator,
) -> dict[str, npt.NDArray[np.float32]]:
    for weight in weights.values():
        weight.requires_grad_()
    adam = torch.optim.AdamW(
        list(weights.values()), lr=course.learning_rate, weight_decay=course.weight_decay
    )
    every = max(1, course.steps // _LOOKS)
    best, kept, stale = float("inf"), _arrays(weights), 0
    for step in range(1, course.steps + 1):
        for group in adam.param_groups:
            done = step / course.steps
            group["lr"] = course.learning_rate * (0.02 + 0.49 * (1 + np.cos(np.pi * done)))
        batch = rows[torch.randint(len(rows), (min(course.batch, len(rows)),), generator=generator)]
        loss = _loss(_forward(weights, inputs[batch], course.dropout, generator), targets[batch])
        adam.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        adam.step()
        if step % every == 0 or step == course.steps:
            with torch.no_grad():
                found = float(_loss(_forward(weights, inputs[look], 0.0, generator), targets[look]))
            stale += 1
            if found < best:
                best, kept, stale = found, _arrays(weights), 0
            if stale >= _PATIENCE:
                break
    return kept


def _start(
    d: int, horizon: int, widths: tuple[int, ...], generator: torch.Generator
) -> dict[str, Tensor]:
    """First weights: small for the last layers, so that it begins near no change at all."""
    out: dict[str, Tensor] = {}
    before = d
    for i, width in enumerate(widths):
        out[f"layer{i}.weight"] = (
            torch.randn(before, width, generator=generator) * (2 / before) ** 0.5
        )
        out[f"layer{i}.bias"] = torch.zeros(width)
        before = width
    out["head.weight"] = torch.randn(before, 3 * horizon, generator=generator) * 0.01
    out["skip.weight"] = torch.randn(d, 3 * horizon, generator=generator) * 0.001
    out["head.bias"] = torch.zeros(3 * horizon)
    return out


def _forward(
    weights: Mapping[str, Tensor], x: Tensor, dropout: float, generator: torch.Generator
) -> Tensor:
    """`[n, horizon, 3]`: the lower, middle and upper quantile, in that order."""
    h, i = x, 0
    while f"layer{i}.weight" in weights:
        h = torch.relu(h @ weights[f"layer{i}.weight"] + weights[f"layer{i}.bias"])
        if dropout > 0:
            mask = torch.rand(h.shape, generator=generator) >= dropout
            h = h * mask / (1 - dropout)
        i += 1
    raw = h @ weights["head.weight"] + x @ weights["skip.weight"] + weights["head.bias"]
    low, middle, up = raw.view(len(x), 3, -1).unbind(1)
    gap = torch.nn.functional.softplus
    return torch.stack([middle - gap(low), middle, middle + gap(up)], dim=2)


def _loss(quantiles: Tensor, y: Tensor) -> Tensor:
    levels = torch.tensor(LEVELS)
    error = y.unsqueeze(2) - quantiles
    return torch.maximum(levels * error, (levels - 1) * error).mean()


def _arrays(weights: Mapping[str, Tensor]) -> dict[str, npt.NDArray[np.float32]]:
    return {name: w.detach().numpy().copy() for name, w in weights.items()}
