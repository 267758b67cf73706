"""Linear models: logistic regression and ridge, plain arrays once fitted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

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
from modelwright.families.matrix import Matrix
from modelwright.spaces import Log

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph


@dataclass(frozen=True)
class Linear:
    """Logistic regression (multinomial for several classes) or ridge regression.

    `strength` is the inverse of the penalty, as C in logistic regression: small is simple.
    `elastic` mixes squares and sizes of the weights half and half, which drops columns and is
    slower. Categories with fewer than `min_count` rows share a column. Where errors count by size
    (`loss="absolute"`) ridge is fitted on squares and its constant is moved to the median residual.

    >>> toy = Examples(Inputs.of([[float(i)] for i in range(20)]), np.arange(20.0), "regression")
    >>> Linear(strength=1000.0).fit(toy).predict(toy.X)[:3].round(1).tolist()
    [0.0, 1.0, 2.0]
    """

    strength: Annotated[float, Log(1e-4, 1e3)] = 1.0
    scaling: Literal["standard", "robust", "quantile"] = "standard"
    penalty: Literal["l2", "elastic"] = "l2"
    min_count: Annotated[int, Log(2, 50)] = 5
    features: FeatureWork = FeatureWork()

    name: ClassVar[str] = "Linear"
    contains_rows: ClassVar[bool] = False
    keeps_monotone: ClassVar[bool] = False

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
        import sklearn.linear_model  # noqa: F401  (loads the library that is to be held back)
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        with threadpool_limits(threads):
            matrix = Matrix.fit(examples.X, self.scaling, self.min_count)
            A = matrix.apply(examples.X)
            if examples.task == "regression":
                return self._values(matrix, A, examples)
            return self._shares(matrix, A, examples, seed)

    def _shares(self, matrix: Matrix, A: FloatArray, examples: Examples, seed: int) -> FittedLinear:
        classes = present_classes(examples)
        if len(classes) < 2 or not matrix.width:
            shares = Dummy().fit(examples).answer
            priors = np.log(np.maximum([shares[c] for c in classes], 1e-300))
            zeros = np.zeros((len(classes), matrix.width))
            return FittedLinear(matrix, zeros, priors, classes, examples.n_classes)
        model = _logistic(self.strength, self.penalty, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a solver that stops early is still a valid model
            model.fit(A, examples.y, sample_weight=examples.weights)
        # In C order, as they are stored: a product's last bits depend on the layout.
        weights: FloatArray = np.ascontiguousarray(model.coef_)
        intercept: FloatArray = model.intercept_
        if len(classes) == 2:  # one row of weights stands for the second class against the first
            weights = np.concatenate([np.zeros_like(weights), weights])
            intercept = np.concatenate([np.zeros(1), intercept])
        return FittedLinear(matrix, weights, intercept, classes, examples.n_classes)

    def _values(self, matrix: Matrix, A: FloatArray, examples: Examples) -> FittedLinear:
        y, w = examples.y.astype(float), examples.weight
        middle = float(np.average(y, weights=w))
        spread_y = float(np.sqrt(np.average((y - middle) ** 2, weights=w))) or 1.0
        coefficients: FloatArray = np.zeros(matrix.width)
        centre = np.average(A, axis=0, weights=w)
        if matrix.width:
            target = (y - middle) / spread_y
            coefficients = _ridge(A - centre, target, w, self.strength, self.penalty)
        coefficients = coefficients * spread_y
        intercept = middle - float(centre @ coefficients)
        if examples.loss != "squared":
            intercept += weighted_quantile(y - A @ coefficients - intercept, w, examples.level)
        none = np.zeros(0, np.int64)
        return FittedLinear(matrix, coefficients[None], np.array([intercept]), none, 0)

    @staticmethod
    def load(folder: Path) -> FittedLinear:
        """The fitted model that `export` wrote."""
        facts, arrays = read_fitted(folder)
        matrix = Matrix.from_arrays(facts, arrays)
        parts = (arrays["weights"], arrays["intercept"], arrays["classes"])
        return FittedLinear(matrix, *parts, facts["n_classes"])


@dataclass(frozen=True)
class FittedLinear:
    """Weights `[k, width]` and constants `[k]` over a prepared matrix; k is 1 for values."""

    matrix: Matrix
    weights: FloatArray
    intercept: FloatArray
    classes: IntArray
    n_classes: int
    rounds: ClassVar[None] = None

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values."""
        scores = self.matrix.apply(X) @ self.weights.T + self.intercept
        if not self.n_classes:
            return np.asarray(scores[:, 0])
        if len(self.classes) == 2:
            half = scores[:, 1] - scores[:, 0]
            shares = both_classes(np.exp(-np.logaddexp(0, -half)))
        else:
            shares = softmax(scores)
        return spread(shares, self.classes, self.n_classes)

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
        }
        write_fitted(folder, "Linear", {"n_classes": self.n_classes, **self.matrix.facts()}, arrays)


def _logistic(strength: float, penalty: str, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    if penalty == "l2":
        return LogisticRegression(C=strength, max_iter=300)
    about: dict[str, Any] = {"C": strength, "l1_ratio": 0.5, "solver": "saga", "max_iter": 100}
    if LogisticRegression().get_params().get("penalty") == "l2":  # scikit-learn before 1.8
        about["penalty"] = "elasticnet"
    return LogisticRegression(**about, random_state=seed, tol=1e-3)


def _ridge(
    A: FloatArray, y: FloatArray, w: FloatArray, strength: float, penalty: str
) -> FloatArray:
    """Coefficients of the penalised least squares of centred columns."""
    if penalty == "elastic":
        from sklearn.linear_model import ElasticNet

        alpha = 1.0 / (strength * len(y))
        model = ElasticNet(alpha=alpha, l1_ratio=0.5, fit_intercept=False, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(model.fit(A, y, sample_weight=w).coef_)
    rooted = A * np.sqrt(w)[:, None]
    gram = rooted.T @ rooted
    gram[np.diag_indices_from(gram)] += 1.0 / strength
    return np.asarray(np.linalg.solve(gram, A.T @ (w * y)))
