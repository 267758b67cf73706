"""The honest baseline: a model that looks at no feature."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from modelwright.families.base import (
    Examples,
    FloatArray,
    Inputs,
    read_fitted,
    weighted_quantile,
    write_fitted,
)

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph


@dataclass(frozen=True)
class Dummy:
    """Predicts the share of each class, or the mean (for other losses the median or quantile).

    >>> toy = Examples(Inputs.of([[0.0], [1.0], [2.0]]), np.array([1.0, 2.0, 9.0]), "regression")
    >>> Dummy().fit(toy).predict(toy.X).tolist()
    [4.0, 4.0, 4.0]
    """

    name: ClassVar[str] = "Dummy"
    contains_rows: ClassVar[bool] = False
    keeps_monotone: ClassVar[bool] = True

    def fit(
        self,
        examples: Examples,
        *,
        threads: int = 1,
        seed: int = 0,
        validation: Examples | None = None,
        rounds: int | None = None,
    ) -> FittedDummy:
        """The constant answer; nothing is random."""
        w = examples.weight
        if examples.task != "regression":
            shares = np.bincount(examples.y.astype(int), w, minlength=examples.n_classes)
            return FittedDummy(tuple((shares / shares.sum()).tolist()), False)
        y = examples.y.astype(float)
        if examples.loss == "squared":
            return FittedDummy((float(np.average(y, weights=w)),), True)
        return FittedDummy((weighted_quantile(y, w, examples.level),), True)

    @staticmethod
    def load(folder: Path) -> FittedDummy:
        """The fitted model that `export` wrote."""
        facts, _ = read_fitted(folder)
        return FittedDummy(tuple(facts["answer"]), facts["regression"])


@dataclass(frozen=True)
class FittedDummy:
    """One answer for every row: class shares, or a single value."""

    answer: tuple[float, ...]
    regression: bool
    rounds: ClassVar[None] = None

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` shares, or `[n]` values."""
        if self.regression:
            return np.full(len(X), self.answer[0])
        return np.tile(self.answer, (len(X), 1))

    def with_rounds(self, rounds: int) -> FittedDummy:
        """Itself: there are no rounds."""
        return self

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """Its answer in ONNX, once for every row."""
        return graph.repeated(np.array(self.answer, float), numeric)

    def export(self, folder: Path) -> None:
        """Writes one JSON file."""
        facts: dict[str, Any] = {"answer": list(self.answer), "regression": self.regression}
        write_fitted(folder, "Dummy", facts, {})
