"""Examples that a network learns from, and what a teacher said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Lessons:
    """Examples to learn from: `x` is `[n, *shape]`, `y` classes or values `[n]`.

    `shift` and `scale` bring `x` (bytes or floats) to mean 0 and deviation 1, one number for each
    channel; where it is int64 it holds ids, which stay as they are. `taught` are a teacher's shares
    `[n, k]`, NaN where it was not asked: `trust` is their part of the loss, compared at
    `temperature` (Hinton et al. 2015), or as values. A trainer with a `guide` asks it instead.
    Errors of values are counted in `unit`s, the deviation of what is learnt; the network learns the
    mean (squared errors), or a `quantile` (Koenker and Bassett 1978).

    >>> from dataclasses import replace
    >>> one = np.ones(1, np.float32)
    >>> some = Lessons(np.zeros((2, 1)), np.array([1.0, 3.0]), 0, 0 * one, one, unit=2.0)
    >>> some.costs(some.guess, some.y), replace(some, quantile=0.5).costs(1.0, some.y)
    (array([0.25, 0.25]), array([0., 1.]))
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    n_classes: int
    shift: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    taught: npt.NDArray[np.float32] | None = None
    trust: float = 0.0
    temperature: float = 1.0
    unit: float = 1.0
    quantile: float | None = None

    @property
    def guess(self) -> float:
        """The best value for all examples of values."""
        y = np.asarray(self.y, float)
        return float(y.mean() if self.quantile is None else np.quantile(y, self.quantile))

    def costs(self, values: Any, y: Any) -> Any:
        """Losses of values, arrays or tensors: squared, or at a half absolute errors."""
        apart = (y - values) / self.unit
        if self.quantile is None:
            return apart**2
        return abs(apart) + (2 * self.quantile - 1) * apart

    def batch(self, rows: npt.NDArray[np.intp], device: torch.device) -> Tensor:
        """The examples at these rows, scaled, `[batch, *shape]`."""
        found = torch.from_numpy(np.ascontiguousarray(self.x[rows])).to(device)
        if found.dtype == torch.int64:
            return found
        x = found.float()
        shape = (1, -1, *[1] * (x.ndim - 2))
        shift = torch.from_numpy(self.shift).to(device).view(shape)
        scale = torch.from_numpy(self.scale).to(device).view(shape)
        x = (x - shift) * scale
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
