"""More columns for a linear model: ramps, which bend a line, and products of two columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray, IntArray

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph

_SEGMENTS = 6
_PRODUCTS = 24
_WIDEST = 300  # columns that are looked at for products
_REACH = 3.0  # deviations: products of wild values took over whole predictions
_FEW_VALUES = 8  # a column of fewer gets no ramps


@dataclass(frozen=True)
class Basis:
    """m columns made of a matrix `[n, width]`.

    Where `right` is -1, a ramp: column `left` held between `low` and `high`, less `low`. Else the
    product of columns `left` and `right`, both held within ±3. Each is divided by `scale`, its
    deviation in training.
    """

    left: IntArray
    right: IntArray
    low: FloatArray
    high: FloatArray
    scale: FloatArray

    def __len__(self) -> int:
        return len(self.left)

    def apply(self, A: FloatArray) -> FloatArray:
        """The columns for these rows, `[n, m]`."""
        made = np.clip(A[:, self.left], self.low, self.high) - self.low
        product = self.right >= 0
        held = np.clip(A, -_REACH, _REACH)
        made[:, product] = held[:, self.left[product]] * held[:, self.right[product]]
        return np.asarray(made / self.scale)

    def add_to(self, graph: Graph, A: str) -> str:
        """The same columns as ONNX nodes; the ramps must come first, as `choose_basis` has them."""
        product = self.right >= 0
        parts = []
        if not product.all():
            ramps = ~product
            low, high = graph.constant(self.low[ramps]), graph.constant(self.high[ramps])
            held = graph.node("Min", graph.columns(A, self.left[ramps]), high)
            parts.append(graph.node("Sub", graph.node("Max", held, low), low))
        if product.any():
            held = graph.clip(A, -_REACH, _REACH)
            left = graph.columns(held, self.left[product])
            parts.append(graph.node("Mul", left, graph.columns(held, self.right[product])))
        return graph.node("Div", graph.concat(parts), graph.constant(self.scale))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name; nothing where there are no columns."""
        if not len(self):
            return {}
        return {f"basis.{f.name}": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Basis:
        """The basis that `arrays` describes; none in the files of older versions."""
        if "basis.left" not in arrays:
            return NO_BASIS
        return cls(**{f.name: arrays[f"basis.{f.name}"] for f in fields(cls)})

    def and_(self, other: Basis) -> Basis:
        """The columns of both."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Basis(*(np.concatenate(pair) for pair in pairs))


_NONE = np.zeros(0)
NO_BASIS = Basis(np.zeros(0, np.int64), np.zeros(0, np.int64), _NONE, _NONE, _NONE)


def ramps(A: FloatArray, n_numbers: int) -> Basis:
    """Up to six ramps between quantiles of each of the first `n_numbers` columns."""
    left, low, high = [], [], []
    for j in range(n_numbers):
        knots = np.unique(np.quantile(A[:, j], np.linspace(0, 1, _SEGMENTS + 1)))
        if len(knots) < 3 or len(np.unique(A[:, j])) < _FEW_VALUES:
            continue
        left += [j] * (len(knots) - 1)
        low += knots[:-1].tolist()
        high += knots[1:].tolist()
    return _scaled(A, left, [-1] * len(left), low, high)


def products(A: FloatArray, slope: FloatArray, curve: FloatArray, barred: IntArray) -> Basis:
    """Products of two columns (or squares) that explain what a fitted model leaves, at most 24.

    `slope` and `curve` `[n]` are gradient and curvature of the loss at the fitted scores: a score
    test of every product at once, as a product of matrices. `barred` columns take no part. Taken
    are those beyond what the largest of so many tests on noise would reach.
    """
    looked = np.setdiff1d(np.arange(A.shape[1]), barred)[:_WIDEST]
    if not len(looked):
        return NO_BASIS
    C = np.clip(A[:, looked], -_REACH, _REACH)
    top = (C.T * slope) @ C
    mean = (C.T * curve) @ C / max(1e-12, curve.sum())
    below = ((C**2).T * curve) @ C**2 - curve.sum() * mean**2
    top = top - slope.sum() * mean
    z = np.where(below > 1e-9 * curve.sum(), top**2 / np.maximum(below, 1e-300), 0.0)
    scale = float((slope**2).sum() / max(1e-12, curve.sum()))
    a, b = np.triu_indices(len(looked))
    clear = np.flatnonzero(z[a, b] > 2 * np.log(len(a) + 1) * scale + 4 * scale)
    best = clear[np.argsort(-z[a, b][clear], kind="stable")[:_PRODUCTS]]
    zeros = [0.0] * len(best)
    return _scaled(A, looked[a[best]].tolist(), looked[b[best]].tolist(), zeros, zeros)


def _scaled(A: FloatArray, left: Any, right: Any, low: Any, high: Any) -> Basis:
    """The basis with its scales, without columns that are constant."""
    basis = Basis(
        np.array(left, np.int64), np.array(right, np.int64), np.array(low, float),
        np.array(high, float), np.ones(len(left)),
    )  # fmt: skip
    if not len(basis):
        return NO_BASIS
    scale = basis.apply(A).std(axis=0)
    kept = scale > 1e-9
    return Basis(
        basis.left[kept], basis.right[kept], basis.low[kept], basis.high[kept], scale[kept]
    )
