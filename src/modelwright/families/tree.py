"""One decision tree: the model that fits on a page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from modelwright.families.base import Examples, FloatArray, IntArray, present_classes
from modelwright.families.forest import FittedForest, Forest, _as_numbers, _flat, _single
from modelwright.families.matrix import Matrix
from modelwright.spaces import Log


@dataclass(frozen=True)
class Tree:
    """One tree of the CART kind (Breiman et al. 1984), grown best split first.

    It has at most `leaves` leaves with at least `min_leaf` rows each; rows of no weight do not
    count. Differs from the book: no pruning afterwards, gaps take the median (with a column that
    tells where they were), and a category is the number of its code, the most frequent first.
    The shares of a leaf count one further row of the tree's own shares (Cestnik 1990), so that few
    rows are never certain. Errors that count by size are still fitted on squares.

    >>> from modelwright.families.base import Inputs
    >>> rows = Inputs.of([[0.0], [1.0], [8.0], [9.0]])
    >>> toy = Examples(rows, np.array([0, 0, 1, 1]), "binary", 2)
    >>> Tree(min_leaf=1).fit(toy).predict(Inputs.of([[1.0], [7.0]])).argmax(axis=1).tolist()
    [0, 1]
    """

    leaves: Annotated[int, Log(4, 512)] = 64
    min_leaf: Annotated[int, Log(1, 200)] = 10

    name: ClassVar[str] = "Tree"
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
    ) -> FittedForest:
        """A forest of one tree; `seed` only decides between equally good splits."""
        from sklearn import tree

        numbers = _as_numbers(examples.X)
        matrix = Matrix.fit(numbers, "plain")
        kind = tree.DecisionTreeClassifier if examples.n_classes else tree.DecisionTreeRegressor
        model = kind(
            max_leaf_nodes=max(2, self.leaves),
            min_samples_leaf=self.min_leaf,
            min_weight_fraction_leaf=min(0.5, self._least_share(examples)),
            random_state=seed % 2**32,
            monotonic_cst=_monotone(examples, matrix),
        )
        model.fit(_single(matrix, numbers), examples.y, sample_weight=examples.weights)
        classes = present_classes(examples) if examples.n_classes else np.zeros(0, np.int64)
        flat = _flat([model.tree_], bool(examples.n_classes))
        fitted = FittedForest(matrix, *flat, classes, examples.n_classes)
        if not examples.n_classes:
            return fitted
        return replace(fitted, value=_smooth(model.tree_, fitted.value, any(examples.monotone)))

    def _least_share(self, examples: Examples) -> float:
        """`min_leaf` rows of mean weight as a share of the whole: many light rows are few."""
        heavy = float(np.count_nonzero(examples.weight))
        return 0.5 * self.min_leaf / max(heavy, 1.0)

    @staticmethod
    def load(folder: Path) -> FittedForest:
        """The fitted model that `export` wrote."""
        return Forest.load(folder)


def _smooth(grown: Any, value: FloatArray, alike: bool) -> FloatArray:
    """Shares of leaves drawn to those of all rows; `alike` in every leaf, which keeps order."""
    weight = grown.weighted_n_node_samples[grown.children_left < 0]
    overall = weight @ value / weight.sum()
    scale = grown.n_node_samples[0] / grown.weighted_n_node_samples[0]
    if alike:
        weight = np.full(len(weight), 1 / (1 / weight).mean())
    rows = scale * weight[:, None]
    return np.asarray((rows * value + overall) / (rows + 1), value.dtype)


def _monotone(examples: Examples, matrix: Matrix) -> IntArray | None:
    """The declared directions of the matrix's columns; marks of gaps and categories are free."""
    if not any(examples.monotone):
        return None
    declared = np.zeros(examples.X.numeric.shape[1] + len(examples.X.levels), np.int64)
    declared[: len(examples.monotone)] = examples.monotone
    out = np.zeros(max(1, matrix.width), np.int64)
    out[: len(matrix.kept)] = declared[matrix.kept]
    return out
