"""Kernel densities over encoded designs, with parts that some designs lack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Width of a kernel, as a share of a number's range, for one outcome; it falls with their number.
WIDTH = 0.2
# No kernel is narrower than this, however many outcomes there are.
NARROWEST = 0.02


class Density:
    """A mixture of one kernel around each code, and one over the whole space of weight `prior`.

    `codes` has shape [n, n_columns], in the layout's order, -1 where a part does not exist. In a
    kernel, numbers (also lengths, ordered values, summaries) are normal, cut off at 0 and 1, and
    categories keep their value but for a share spread over all. A column that the kernel's own
    design lacks is uniform. A column that the measured design lacks does not count.

    Densities integrate to one over the designs of a tree of choices, as each column's kernel does
    once the columns above it are given.
    """

    def __init__(self, layout: Iterable[Any], codes: Floats, prior: float) -> None:
        self.columns, self.codes = tuple(layout), codes
        n = len(codes)
        self.weights = np.append(np.ones(n), prior) / (n + prior)
        active = max(1.0, float((codes >= 0).sum(axis=1).mean())) if n else 1.0
        self.width = max(NARROWEST, WIDTH * max(n, 1) ** (-1.0 / (active + 4.0)))
        self.spread = prior / (n + prior)  # of a category's kernel, over all its values

    def log(self, codes: Floats) -> Floats:
        """Logarithm of the density at each row of codes, [m]."""
        # One column at a time: all at once would take m * n * n_columns numbers.
        total = np.tile(np.log(self.weights), (len(codes), 1))
        for j, column in enumerate(self.columns):
            x, centre = codes[:, j, None], self.codes[None, :, j]
            if column.kind == "category":
                n = max(2, len(column.categories))
                uniform = -np.log(n)
                kernel = np.log(np.where(x == centre, 1 - self.spread, 0.0) + self.spread / n)
            else:
                uniform = 0.0
                kernel = self._normal(x, np.maximum(centre, 0.0))
            kernel = np.where(centre >= 0, kernel, uniform)
            total[:, :-1] += np.where(x >= 0, kernel, 0.0)
            total[:, -1] += np.where(x[:, 0] >= 0, uniform, 0.0)
        top = total.max(axis=1)
        found: Floats = top + np.log(np.exp(total - top[:, None]).sum(axis=1))
        return found

    def _normal(self, x: Floats, centre: Floats) -> Any:
        from scipy.special import ndtr

        s = self.width
        inside = ndtr((1 - centre) / s) - ndtr(-centre / s)
        return -0.5 * ((x - centre) / s) ** 2 - np.log(s * np.sqrt(2 * np.pi) * inside)

    def draw(self, m: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.intp], Floats]:
        """`m` points of the unit cube drawn from the density.

        Gives the row each was drawn around ([m], -1 for the whole space) and the points,
        [m, unit_dimension]: one coordinate for each column that is not a summary.
        """
        kernels = rng.choice(len(self.weights), size=m, p=self.weights)
        points = []
        for j, column in enumerate(self.columns):
            if column.kind == "summary":
                continue
            uniform = rng.random(m)
            centre = np.append(self.codes[:, j], -1.0)[kernels]
            if column.kind == "category":
                kept = (centre >= 0) & (rng.random(m) >= self.spread)
                n = max(2, len(column.categories))
                points.append(np.where(kept, (centre + 0.5) / n, uniform))
            else:
                near = self._normal_draw(np.maximum(centre, 0.0), rng)
                points.append(np.where(centre >= 0, near, uniform))
        found = np.array(points).reshape(-1, m).T
        origins: npt.NDArray[np.intp] = np.where(kernels < len(self.codes), kernels, -1)
        return origins, found

    def _normal_draw(self, centre: Floats, rng: np.random.Generator) -> Floats:
        from scipy.special import ndtr, ndtri

        low, high = ndtr(-centre / self.width), ndtr((1 - centre) / self.width)
        u = low + (high - low) * rng.random(len(centre))
        found: Floats = np.clip(centre + self.width * ndtri(u), 0.0, 1.0)
        return found
