"""Forests of randomised trees, fitted by scikit-learn and carried as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from modelwright.families.balance import Balance, class_factors, weighted_by
from modelwright.families.base import (
    Examples,
    FloatArray,
    Inputs,
    IntArray,
    present_classes,
    read_fitted,
    spread,
    write_fitted,
)
from modelwright.families.feature_work import FeatureWork
from modelwright.families.matrix import Matrix
from modelwright.spaces import Log

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph

MAX_ROWS = 20_000
_PLACES = 2_000_000


@dataclass(frozen=True)
class Forest:
    """A random forest (Breiman 2001) or extremely randomised trees (Geurts et al. 2006).

    `columns` is the share of the columns that each split looks at; `min_leaf` the fewest rows in
    a leaf. Categories are their codes, the most frequent first. A tree sees at most 20,000 rows,
    drawn with replacement. Errors that count by size are still fitted on squares. `balance` makes
    rare classes heavier while the trees grow; the shares in the leaves are turned back after it.

    >>> rows = Inputs.of([[0.0], [1.0], [8.0], [9.0]])
    >>> toy = Examples(rows, np.array([0, 0, 1, 1]), "binary", 2)
    >>> Forest(min_leaf=1).fit(toy).predict(Inputs.of([[10.0]])).argmax()
    np.int64(1)
    """

    kind: Literal["random", "extra"] = "extra"
    trees: Annotated[int, Log(50, 400)] = 100
    columns: Annotated[float, Interval(ge=0.05, le=1.0)] = 0.4
    min_leaf: Annotated[int, Log(1, 50)] = 3
    balance: Balance = "none"
    features: FeatureWork = FeatureWork()

    name: ClassVar[str] = "Forest"
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
    ) -> FittedForest:
        """Grows the trees; bootstrap, columns and thresholds are drawn from `seed`."""
        numbers = _as_numbers(examples.X)
        matrix = Matrix.fit(numbers, "plain")
        A = _single(matrix, numbers)
        model = self._model(examples.task == "regression", len(A), threads, seed)
        factors = class_factors(examples, self.balance)
        model.fit(A, examples.y, sample_weight=weighted_by(examples, factors).weights)
        classes = present_classes(examples) if examples.n_classes else np.zeros(0, np.int64)
        trees = _flat([t.tree_ for t in model.estimators_], bool(examples.n_classes))
        if examples.n_classes:
            trees = (*trees[:3], _turned_back(trees[3], factors[classes]), trees[4])
        return FittedForest(matrix, *trees, classes, examples.n_classes)

    def _model(self, regression: bool, n_rows: int, threads: int, seed: int) -> Any:
        from sklearn import ensemble

        kinds = {
            ("random", False): ensemble.RandomForestClassifier,
            ("extra", False): ensemble.ExtraTreesClassifier,
            ("random", True): ensemble.RandomForestRegressor,
            ("extra", True): ensemble.ExtraTreesRegressor,
        }
        return kinds[self.kind, regression](
            n_estimators=self.trees,
            max_features=self.columns,
            min_samples_leaf=self.min_leaf,
            n_jobs=threads,
            bootstrap=self.kind == "random" or n_rows > MAX_ROWS,
            max_samples=MAX_ROWS if n_rows > MAX_ROWS else None,
            random_state=seed % 2**32,
        )

    @staticmethod
    def load(folder: Path) -> FittedForest:
        """The fitted model that `export` wrote."""
        facts, arrays = read_fitted(folder)
        names = ("feature", "threshold", "children", "value", "roots", "classes")
        parts = {name: arrays[name] for name in names}
        matrix = Matrix.from_arrays(facts, arrays)
        return FittedForest(matrix, n_classes=facts["n_classes"], **parts)


@dataclass(frozen=True)
class FittedForest:
    """All nodes of all trees end to end.

    `feature` `[nodes]` is -1 at leaves, else the column compared with `threshold`; `children`
    `[nodes, 2]` holds where to go when it is at most, and above; at a leaf `children[:, 0]` is
    its row in `value` `[leaves, k]`. `roots` has the first node of each tree.
    """

    matrix: Matrix
    feature: IntArray
    threshold: FloatArray
    children: IntArray
    value: FloatArray
    roots: IntArray
    classes: IntArray
    n_classes: int
    rounds: ClassVar[None] = None

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values: the mean over trees."""
        step = max(1, _PLACES // len(self.roots))
        parts = [self._part(X.take(slice(i, i + step))) for i in range(0, len(X), step)]
        k = self.value.shape[1]
        means = np.concatenate(parts) if parts else np.zeros((0, k))
        if k == 2:  # stored in single precision, a leaf's two shares need not sum to 1
            means[:, 0] = 1 - means[:, 1]
        return spread(means, self.classes, self.n_classes) if self.n_classes else means[:, 0]

    def _part(self, X: Inputs) -> FloatArray:
        A = _single(self.matrix, _as_numbers(X))
        n, n_trees = len(A), len(self.roots)
        node = np.tile(self.roots, n)
        active = np.flatnonzero(self.feature[node] >= 0)
        while len(active):
            here = node[active]
            above = A[active // n_trees, self.feature[here]] > self.threshold[here]
            there = self.children[here, above.view(np.int8)]
            node[active] = there
            active = active[self.feature[there] >= 0]
        leaves = self.value[self.children[node, 0]].reshape(n, n_trees, -1)
        # float64 and one order of summing per row: many rows equal one by one.
        return np.asarray(leaves.sum(axis=1, dtype=np.float64) / n_trees)

    def with_rounds(self, rounds: int) -> FittedForest:
        """Itself: there are no rounds."""
        return self

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The same trees as ONNX nodes; what comes back is the name of their answers."""
        from modelwright.families.onnx_trees import add_forest

        return add_forest(self, graph, numeric, codes)

    def export(self, folder: Path) -> None:
        """Writes one JSON file and one file of arrays."""
        arrays = {
            "feature": self.feature,
            "threshold": self.threshold,
            "children": self.children,
            "value": self.value,
            "roots": self.roots,
            "classes": self.classes,
            **self.matrix.arrays(),
        }
        facts = {"n_classes": self.n_classes, **self.matrix.facts()}
        write_fitted(folder, "Forest", facts, arrays)


def _turned_back(shares: FloatArray, factors: FloatArray) -> FloatArray:
    """The leaves' shares `[leaves, k]` as they were before classes were made heavier."""
    if bool((factors == 1).all()):
        return shares
    back = shares / factors
    return np.asarray(back / back.sum(axis=1, keepdims=True), shares.dtype)


def _as_numbers(X: Inputs) -> Inputs:
    """Codes as further numbers; whatever lies outside the known levels is the number after them."""
    if not X.levels:
        return X
    known = np.array(X.levels)
    codes = np.where((X.codes < -1) | (X.codes > known), known, X.codes)
    return Inputs(np.concatenate([X.numeric, codes], axis=1), X.codes[:, :0], ())


def _single(matrix: Matrix, X: Inputs) -> FloatArray:
    """The matrix in single precision, in which trees compare; one column of zeros at least."""
    A = np.clip(matrix.apply(X), -1e30, 1e30).astype(np.float32)
    return A if A.shape[1] else np.zeros((len(A), 1), np.float32)


def _flat(
    trees: list[Any], shares: bool
) -> tuple[IntArray, FloatArray, IntArray, FloatArray, IntArray]:
    """Feature, threshold, children, leaf values and roots of fitted scikit-learn trees."""
    sizes = [t.node_count for t in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    feature = np.concatenate([np.where(t.children_left < 0, -1, t.feature) for t in trees])
    leaf = feature < 0
    # A float32 value is above a float64 threshold exactly when it is above that threshold rounded
    # down to float32, so half the bytes suffice.
    threshold = _down(np.where(leaf, 0.0, np.concatenate([t.threshold for t in trees])))
    children = np.empty((len(feature), 2), np.int32)
    children[:, 0] = np.concatenate(
        [t.children_left + r for t, r in zip(trees, roots, strict=True)]
    )
    children[:, 1] = np.concatenate(
        [t.children_right + r for t, r in zip(trees, roots, strict=True)]
    )
    children[leaf] = np.arange(leaf.sum(), dtype=np.int32)[:, None]
    value = np.concatenate([t.value[:, 0, :] for t in trees])[leaf]
    if shares:  # older scikit-learn stores counts
        value = value / value.sum(axis=1, keepdims=True)
    small: npt.DTypeLike = np.float32 if shares else np.float64
    return feature.astype(np.int32), threshold, children, value.astype(small), roots


def _down(threshold: npt.NDArray[np.float64]) -> FloatArray:
    near = threshold.astype(np.float32)
    over = near.astype(np.float64) > threshold
    return np.where(over, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)
