"""Nearest neighbours on scaled rows. The fitted model holds training rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from modelwright.families.base import (
    Examples,
    FloatArray,
    Inputs,
    IntArray,
    read_fitted,
    weighted_quantile,
    write_fitted,
)
from modelwright.families.feature_work import FeatureWork
from modelwright.families.matrix import Matrix
from modelwright.spaces import Log

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph

MAX_ROWS = 10_000
_CELLS = 4_000_000


@dataclass(frozen=True)
class KNearest:
    """The mean answer of the `neighbours` nearest training rows.

    Distances are Euclidean after scaling; `near` gives closer rows more weight (one over the
    distance). At most 10,000 rows are kept, drawn by the seed.

    >>> toy = Examples(Inputs.of([[0.0], [1.0], [9.0]]), np.array([0, 0, 1]), "binary", 2)
    >>> KNearest(neighbours=1).fit(toy).predict(Inputs.of([[7.0]])).tolist()
    [[0.0, 1.0]]
    """

    neighbours: Annotated[int, Log(1, 100)] = 15
    near: bool = True
    scaling: Literal["standard", "robust", "quantile"] = "standard"
    features: FeatureWork = FeatureWork(combinations=8, aggregates=4)

    name: ClassVar[str] = "KNearest"
    contains_rows: ClassVar[bool] = True
    keeps_monotone: ClassVar[bool] = False

    def fit(
        self,
        examples: Examples,
        *,
        threads: int = 1,
        seed: int = 0,
        validation: Examples | None = None,
        rounds: int | None = None,
    ) -> FittedNearest:
        """Stores scaled rows; which, when there are more than 10,000, is drawn from `seed`."""
        if len(examples.y) > MAX_ROWS:
            rows = np.random.default_rng(seed).choice(len(examples.y), MAX_ROWS, replace=False)
            examples = examples.take(np.sort(rows))
        matrix = Matrix.fit(examples.X, self.scaling, min_count=5)
        y = examples.y.astype(float)
        arrays = (matrix.apply(examples.X), y, examples.weight)
        squares = examples.task != "regression" or examples.loss == "squared"
        level = None if squares else examples.level
        return FittedNearest(self, matrix, *arrays, examples.n_classes, level)

    @staticmethod
    def load(folder: Path) -> FittedNearest:
        """The fitted model that `export` wrote."""
        facts, arrays = read_fitted(folder)
        matrix = Matrix.from_arrays(facts, arrays)
        stored = (arrays["rows"], arrays["y"], arrays["weights"])
        design = KNearest(**facts["design"])
        # Files of version 0.1 have `median` instead, true or false.
        level = facts.get("level", 0.5 if facts.get("median") else None)
        return FittedNearest(design, matrix, *stored, facts["n_classes"], level)


@dataclass(frozen=True)
class FittedNearest:
    """Scaled training rows `[m, width]` with answers and weights `[m]`.

    `level` is the quantile of the neighbours' answers that is predicted; None predicts their mean.
    """

    design: KNearest
    matrix: Matrix
    rows: FloatArray
    y: FloatArray
    weights: FloatArray
    n_classes: int
    level: float | None
    rounds: ClassVar[None] = None

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values; time grows with the rows held."""
        k = 2 * self.design.neighbours + 8
        step = max(1, _CELLS // max(len(self.rows), k * self.rows.shape[1]))
        parts = [self._part(X.take(slice(i, i + step))) for i in range(0, len(X), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.n_classes))

    def _part(self, X: Inputs) -> FloatArray:
        A = self.matrix.apply(X)
        near, far = self._nearest(A)
        votes = self.weights[near]
        if self.design.near:
            votes = votes / np.maximum(far, 1e-9)
        votes = np.where(votes.sum(axis=1, keepdims=True) > 0, votes, 1.0)
        votes = votes / votes.sum(axis=1, keepdims=True)
        y = self.y[near]
        if self.n_classes:
            return _shares(y.astype(int), votes, self.n_classes)
        if self.level is not None:
            q = self.level
            return np.array([weighted_quantile(a, b, q) for a, b in zip(y, votes, strict=True)])
        return np.asarray((votes * y).sum(axis=1))

    def _nearest(self, A: FloatArray) -> tuple[IntArray, FloatArray]:
        """Places `[n, k]` of the nearest rows, rising, and their distances."""
        k = min(self.design.neighbours, len(self.rows))
        # By products of matrices, which are fast and inexact, more than enough are found...
        rough = self._squares - 2 * (A @ self.rows.T)
        more = min(2 * k + 8, len(self.rows))
        few = np.sort(np.argpartition(rough, more - 1, axis=1)[:, :more], axis=1)
        # ... and of these the nearest exactly, so that a row's answer never depends on the others.
        far = np.sqrt(((self.rows[few] - A[:, None, :]) ** 2).sum(axis=2))
        best = np.sort(np.argsort(far, axis=1, kind="stable")[:, :k], axis=1)
        return np.take_along_axis(few, best, axis=1), np.take_along_axis(far, best, axis=1)

    @cached_property
    def _squares(self) -> FloatArray:
        return np.asarray((self.rows**2).sum(axis=1))

    def with_rounds(self, rounds: int) -> FittedNearest:
        """Itself: there are no rounds."""
        return self

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The same search as ONNX nodes, the training rows among them; the name of its answers."""
        from modelwright.families.onnx_matrix import add_nearest

        return add_nearest(self, graph, numeric, codes)

    def export(self, folder: Path) -> None:
        """Writes one JSON file and one file of arrays, the training rows among them."""
        facts = {
            "design": {
                "neighbours": self.design.neighbours,
                "near": self.design.near,
                "scaling": self.design.scaling,
            },
            "n_classes": self.n_classes,
            "level": self.level,
            **self.matrix.facts(),
        }
        arrays = {"rows": self.rows, "y": self.y, "weights": self.weights, **self.matrix.arrays()}
        write_fitted(folder, "KNearest", facts, arrays)


def _shares(classes: npt.NDArray[np.int64], votes: FloatArray, n_classes: int) -> FloatArray:
    n = len(classes)
    flat = (np.arange(n)[:, None] * n_classes + classes).ravel()
    shares: npt.NDArray[Any] = np.bincount(flat, votes.ravel(), minlength=n * n_classes)
    return shares.reshape(n, n_classes)
