"""Linear models: logistic regression and ridge, plain arrays once fitted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

from modelwright.families.balance import Balance, class_factors, weighted_by
from modelwright.families.base import (
    Examples,
    FloatArray,
    Inputs,
    IntArray,
    both_classes,
    present_classes,
    read_fitted,
    softmax,
    spread,
    weighted_quantile,
    write_fitted,
)
from modelwright.families.dummy import Dummy
from modelwright.families.feature_work import FeatureWork
from modelwright.families.linear_basis import NO_BASIS, Basis, products, ramps
from modelwright.families.linear_fit import Kind, bounded, logistic, ridge
from modelwright.families.matrix import Matrix
from modelwright.spaces import Log

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph


@dataclass(frozen=True)
class Linear:
    """Logistic regression (multinomial for several classes) or ridge regression.

    `strength` is the inverse of the penalty, as C in logistic regression: small is simple.
    `elastic` mixes squares and sizes of the weights half and half, which drops columns and is
    slower. Categories with fewer than `min_count` rows share a column. `interactions` adds products
    of two columns, chosen by what is left without them, and ramps, which bend the line of a number
    at its quantiles. `balance` makes rare classes heavier in the fit; shares are turned back then.
    Losses other than the square are minimised as they are. They, and monotone columns (whose
    coefficients are held to their sign), always take the penalty of squares.

    >>> toy = Examples(Inputs.of([[float(i)] for i in range(20)]), np.arange(20.0), "regression")
    >>> Linear(strength=1000.0).fit(toy).predict(toy.X)[:3].round(1).tolist()
    [0.0, 1.0, 2.0]
    """

    strength: Annotated[float, Log(1e-4, 1e3)] = 1.0
    scaling: Literal["standard", "robust", "quantile"] = "standard"
    penalty: Literal["l2", "elastic"] = "l2"
    interactions: Literal["none", "products", "ramps", "both"] = "both"
    balance: Balance = "none"
    min_count: Annotated[int, Log(2, 50)] = 5
    features: FeatureWork = FeatureWork(combinations=8)

    name: ClassVar[str] = "Linear"
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
    ) -> FittedLinear:
        """The fitted model; only the elastic solver draws from `seed`."""
        with _libraries().limit(limits=threads):
            matrix = Matrix.fit(examples.X, self.scaling, self.min_count)
            A = matrix.apply(examples.X)
            basis = self._basis(matrix, A, examples)
            A = np.concatenate([A, basis.apply(A)], axis=1) if len(basis) else A
            if examples.task == "regression":
                return self._values(matrix, basis, A, examples)
            return self._shares(matrix, basis, A, examples, seed)

    def _basis(self, matrix: Matrix, A: FloatArray, examples: Examples) -> Basis:
        """Ramps, and products chosen by what a model without them leaves."""
        n_numbers = len(matrix.kept)
        basis = NO_BASIS
        if self.interactions in ("ramps", "both"):
            basis = ramps(A, n_numbers)
        if self.interactions in ("products", "both") and matrix.width:
            first = replace(self, interactions="none").fit(_plain(examples))
            slope, curve = _slopes(first.scores(A), examples)
            barred = np.flatnonzero(self._signs(matrix, examples, NO_BASIS))
            found = products(A, slope, curve, barred)
            basis = basis.and_(found)
        return basis

    def _signs(self, matrix: Matrix, examples: Examples, basis: Basis) -> IntArray:
        """The sign that is asked of each coefficient, `[width + basis]`."""
        signs = np.zeros(matrix.width, np.int64)
        if examples.monotone:
            signs[: len(matrix.kept)] = np.array(examples.monotone)[matrix.kept]
        made = np.where(basis.right >= 0, 0, signs[basis.left])
        return np.concatenate([signs, made])

    def _shares(
        self, matrix: Matrix, basis: Basis, A: FloatArray, examples: Examples, seed: int
    ) -> FittedLinear:
        classes = present_classes(examples)
        if len(classes) < 2 or not matrix.width:
            shares = Dummy().fit(examples).answer
            priors = np.log(np.maximum([shares[c] for c in classes], 1e-300))
            zeros = np.zeros((len(classes), A.shape[1]))
            return FittedLinear(matrix, zeros, priors, classes, examples.n_classes, basis)
        factors = class_factors(examples, self.balance)
        examples = weighted_by(examples, factors)
        if any(examples.monotone):
            signs = self._signs(matrix, examples, basis)
            y = examples.y.astype(float)
            line, constant = bounded(A, y, examples.weight, "logistic", self.strength, signs)
            weights: FloatArray = line[None]
            intercept: FloatArray = np.array([constant])
        else:
            model = logistic(self.strength, self.penalty, seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a solver that stops early is still a valid model
                model.fit(A, examples.y, sample_weight=examples.weights)
            # In C order, as they are stored: a product's last bits depend on the layout.
            weights, intercept = np.ascontiguousarray(model.coef_), model.intercept_
        if len(classes) == 2:  # one row of weights stands for the second class against the first
            weights = np.concatenate([np.zeros_like(weights), weights])
            intercept = np.concatenate([np.zeros(1), intercept])
        intercept = intercept - np.log(factors[classes])
        return FittedLinear(matrix, weights, intercept, classes, examples.n_classes, basis)

    def _values(
        self, matrix: Matrix, basis: Basis, A: FloatArray, examples: Examples
    ) -> FittedLinear:
        y, w = examples.y.astype(float), examples.weight
        middle = float(np.average(y, weights=w))
        spread_y = float(np.sqrt(np.average((y - middle) ** 2, weights=w))) or 1.0
        coefficients: FloatArray = np.zeros(A.shape[1])
        centre = np.average(A, axis=0, weights=w)
        target = (y - middle) / spread_y
        if matrix.width and (any(examples.monotone) or examples.loss != "squared"):
            kind: Kind = "squared" if examples.loss == "squared" else "pinball"
            signs = self._signs(matrix, examples, basis)
            how = (kind, self.strength, signs, examples.level)
            coefficients, _ = bounded(A - centre, target, w, *how)
        elif matrix.width:
            coefficients = ridge(A - centre, target, w, self.strength, self.penalty)
        coefficients = coefficients * spread_y
        intercept = middle - float(centre @ coefficients)
        if examples.loss != "squared":
            intercept += weighted_quantile(y - A @ coefficients - intercept, w, examples.level)
        none = np.zeros(0, np.int64)
        return FittedLinear(matrix, coefficients[None], np.array([intercept]), none, 0, basis)

    @staticmethod
    def load(folder: Path) -> FittedLinear:
        """The fitted model that `export` wrote."""
        facts, arrays = read_fitted(folder)
        matrix = Matrix.from_arrays(facts, arrays)
        parts = (arrays["weights"], arrays["intercept"], arrays["classes"])
        return FittedLinear(matrix, *parts, facts["n_classes"], Basis.from_arrays(arrays))


@dataclass(frozen=True)
class FittedLinear:
    """Weights `[k, width + basis]` and constants `[k]` over a prepared matrix; k is 1 for values.

    The first `width` weights go with the matrix, the others with what `basis` makes of it.
    """

    matrix: Matrix
    weights: FloatArray
    intercept: FloatArray
    classes: IntArray
    n_classes: int
    basis: Basis = NO_BASIS
    rounds: ClassVar[None] = None

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values."""
        scores = self.scores(self.columns(X))
        if not self.n_classes:
            return np.asarray(scores[:, 0])
        if len(self.classes) == 2:
            half = scores[:, 1] - scores[:, 0]
            shares = both_classes(np.exp(-np.logaddexp(0, -half)))
        else:
            shares = softmax(scores)
        return spread(shares, self.classes, self.n_classes)

    def columns(self, X: Inputs) -> FloatArray:
        """What the weights are multiplied with, `[n, width + basis]`."""
        A = self.matrix.apply(X)
        return np.concatenate([A, self.basis.apply(A)], axis=1) if len(self.basis) else A

    def scores(self, columns: FloatArray) -> FloatArray:
        """Values or log-shares (up to a constant of the row), `[n, k]`."""
        return np.asarray(columns @ self.weights.T + self.intercept)

    def with_rounds(self, rounds: int) -> FittedLinear:
        """Itself: there are no rounds."""
        return self

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The same model as ONNX nodes; what comes back is the name of its answers."""
        from modelwright.families.onnx_matrix import add_linear

        return add_linear(self, graph, numeric, codes)

    def export(self, folder: Path) -> None:
        """Writes one JSON file and one file of arrays."""
        arrays = {
            "weights": self.weights,
            "intercept": self.intercept,
            "classes": self.classes,
            **self.matrix.arrays(),
            **self.basis.arrays(),
        }
        write_fitted(folder, "Linear", {"n_classes": self.n_classes, **self.matrix.facts()}, arrays)


@cache
def _libraries() -> Any:
    """What is to be held back; to look for it takes as long as a small fit."""
    import sklearn.linear_model  # noqa: F401  (must be loaded to be found)
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _plain(examples: Examples) -> Examples:
    """The examples with squares to minimise and nothing declared: for a first look."""
    return replace(examples, loss="squared", monotone=())


def _slopes(scores: FloatArray, examples: Examples) -> tuple[FloatArray, FloatArray]:
    """Gradient and curvature `[n]` of a loss; of several classes, those of the most frequent."""
    w, y = examples.weight, examples.y
    if not examples.n_classes:
        return w * (y - scores[:, 0]), w
    share = softmax(scores)
    classes, counts = np.unique(y, return_counts=True)
    top = int(counts.argmax())
    p = share[:, top]
    return w * ((y == classes[top]) - p), w * np.maximum(p * (1 - p), 1e-6)
