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
    `temperature` (Hinton et al. 2015). A trainer with a `guide` asks it instead.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    n_classes: int
    shift: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    taught: npt.NDArray[np.float32] | None = None
    trust: float = 0.0
    temperature: float = 1.0

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
