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
        from scipy.special import ndtr

        columns = tuple(layout)
        n = len(codes)
        self.codes = codes
        self.weights = np.append(np.ones(n), prior) / (n + prior)
        active = codes >= 0
        n_active = max(1.0, float(active.sum(axis=1).mean())) if n else 1.0
        self.width = max(NARROWEST, WIDTH * max(n, 1) ** (-1.0 / (n_active + 4.0)))
        self.spread = prior / (n + prior)  # of a category's kernel, over all its values
        self.n_values = np.array([max(2, len(c.categories)) for c in columns], dtype=float)
        self.is_category = np.array([c.kind == "category" for c in columns], dtype=bool)
        self.is_drawn = np.array([c.kind != "summary" for c in columns], dtype=bool)
        # Of each kernel and column: 1 / width (0 where uniform), and the logarithms of its height
        # at its centre or own category, and at other categories. Shapes [n, n_columns].
        self.narrow = np.where(active, 1.0 / self.width, 0.0)
        self.uniform = np.where(self.is_category, -np.log(self.n_values), 0.0)
        inside = ndtr((1.0 - codes) * self.narrow) - ndtr(-codes * self.narrow)
        inside = np.where(active & ~self.is_category, inside, 1.0)
        height = -np.log(self.width * np.sqrt(2 * np.pi) * inside)
        others = np.log(self.spread / self.n_values)
        own = np.log(1.0 - self.spread + self.spread / self.n_values)
        self.height = np.where(active, np.where(self.is_category, own, height), self.uniform)
        self.others = np.where(active, others, self.uniform)

    def log(self, codes: Floats) -> Floats:
        """Logarithm of the density at each row of codes, [m]."""
        total = np.tile(np.log(self.weights), (len(codes), 1))
        # One column at a time: all at once would take m * n * n_columns numbers.
        for j in np.flatnonzero((codes >= 0).any(axis=0)):
            rows = np.flatnonzero(codes[:, j] >= 0)
            away = codes[rows, j, None] - self.codes[None, :, j]
            if self.is_category[j]:
                part = np.where(away == 0, self.height[:, j], self.others[:, j])
            else:
                away *= self.narrow[:, j]
                part = self.height[:, j] - 0.5 * away**2
            if len(rows) == len(codes):
                total[:, :-1] += part
                total[:, -1] += self.uniform[j]
            else:
                total[rows, :-1] += part
                total[rows, -1] += self.uniform[j]
        top = total.max(axis=1)
        found: Floats = top + np.log(np.exp(total - top[:, None]).sum(axis=1))
        return found

    def draw(self, m: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.intp], Floats]:
        """`m` points of the unit cube drawn from the density.

        Gives the row each was drawn around ([m], -1 for the whole space) and the points,
        [m, unit_dimension]: one coordinate for each column that is not a summary.
        """
        from scipy.special import ndtr, ndtri

        kernels = rng.choice(len(self.weights), size=m, p=self.weights)
        origins: npt.NDArray[np.intp] = np.where(kernels < len(self.codes), kernels, -1)
        centre = np.vstack([self.codes, np.full(len(self.n_values), -1.0)])[kernels]
        uniform = rng.random(centre.shape)
        kept = rng.random(centre.shape) >= self.spread
        points = np.where((centre >= 0) & kept, (centre + 0.5) / self.n_values, uniform)
        numeric = (centre >= 0) & ~self.is_category
        around = centre[numeric]
        low, high = ndtr(-around / self.width), ndtr((1.0 - around) / self.width)
        step = self.width * ndtri(low + (high - low) * uniform[numeric])
        points[numeric] = np.clip(around + step, 0.0, 1.0)
        return origins, points[:, self.is_drawn]
