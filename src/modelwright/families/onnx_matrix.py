"""The preparation of numbers and categories, and the models right behind it, as ONNX nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from modelwright.families.base import FloatArray
from modelwright.families.onnx_graph import Graph, NotExpressibleError

if TYPE_CHECKING:
    from modelwright.families.linear import FittedLinear
    from modelwright.families.matrix import Matrix
    from modelwright.families.nearest import FittedNearest

MAX_CELLS = 1_000_000  # of training rows in a file
_HUGE = 1e100
# Wichura 1988, algorithm AS 241: the normal quantile, |q - 1/2| <= 0.425, and beyond it.
_MIDDLE = (
    (3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
     45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727),
    (1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
     21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610),
)  # fmt: skip
_TAIL = (
    (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550,
     3.64784832476320460504, 1.27045825245236838258, 0.241780725177450611770,
     0.0227238449892691845833, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550,
     0.148103976427480074590, 0.0151986665636164571966, 5.47593808499534494600e-4,
     1.05075007164441684324e-9),
)  # fmt: skip


def add_matrix(matrix: Matrix, graph: Graph, numeric: str, codes: str) -> str:
    """What `matrix.apply` gives, `[n, width]`; without hot columns `codes` may be ""."""
    parts = []
    if len(matrix.kept):
        kept = graph.columns(numeric, matrix.kept)
        fill = graph.constant(np.asarray(matrix.fill, float))
        filled = graph.where(graph.node("IsNaN", kept), fill, kept)
        parts.append(_scaled(matrix, graph, graph.clip(filled, -_HUGE, _HUGE)))
    if len(matrix.gaps):
        gone = graph.node("IsNaN", graph.columns(numeric, matrix.gaps))
        parts.append(graph.cast(gone, "double"))
    if matrix.n_hot:
        parts.append(_hot(matrix, graph, codes))
    return graph.concat(parts) if parts else graph.repeated(np.zeros((1, 0)), numeric)


def _scaled(matrix: Matrix, graph: Graph, x: str) -> str:
    if matrix.scaling == "plain":
        return x
    if matrix.scaling == "quantile":
        return _normal_quantile(graph, _rank(graph, x, matrix.knots))
    z = graph.node("Sub", x, graph.constant(np.asarray(matrix.centre, float)))
    z = graph.node("Div", z, graph.constant(np.asarray(matrix.scale, float)))
    if matrix.scaling != "robust":
        return z
    third = graph.node("Div", z, graph.constant(np.float64(3)))
    one = graph.constant(np.float64(1))
    square = graph.node("Add", one, graph.node("Mul", third, third))
    return graph.node("Div", z, graph.node("Sqrt", square))


def _rank(graph: Graph, x: str, knots: FloatArray) -> str:
    """The share of the way through the knots `[m, p]`; at equal knots, the middle of theirs.

    Each piece between two knots gives how much of it lies below x; a piece of no width gives one
    above it, nothing below, and half upon it.
    """
    low = knots[:-1].T
    width = np.diff(knots, axis=0).T
    flat = width <= 0
    slope = 1 / np.where(flat, np.inf, width)
    x = graph.node("Unsqueeze", x, graph.constant([2]))
    over = graph.node("Sub", x, graph.constant(low))
    piece = graph.clip(graph.node("Mul", over, graph.constant(slope)), 0.0, 1.0)
    if flat.any():
        half = graph.constant(np.where(flat, 0.5, 0.0))
        step = graph.node("Add", graph.node("Mul", graph.node("Sign", over), half), half)
        piece = graph.node("Add", piece, step)
    axis = graph.constant(np.array([2]))
    return graph.clip(graph.node("ReduceMean", piece, axis, keepdims=0), 1e-3, 1 - 1e-3)


def _normal_quantile(graph: Graph, p: str) -> str:
    """The standard normal quantile of shares between 0.001 and 0.999, to about 1e-15."""
    one, half = graph.constant(np.float64(1)), graph.constant(np.float64(0.5))
    q = graph.node("Sub", p, half)
    square = graph.node("Mul", q, q)
    r = graph.node("Sub", graph.constant(np.float64(0.180625)), square)
    middle = graph.node("Mul", q, _ratio(graph, r, _MIDDLE))
    small = graph.node("Min", p, graph.node("Sub", one, p))
    root = graph.node("Sqrt", graph.node("Neg", graph.node("Log", small)))
    shifted = graph.node("Sub", root, graph.constant(np.float64(1.6)))
    tail = graph.node("Mul", graph.node("Sign", q), _ratio(graph, shifted, _TAIL))
    inside = graph.node("LessOrEqual", graph.node("Abs", q), graph.constant(np.float64(0.425)))
    return graph.where(inside, middle, tail)


def _ratio(graph: Graph, r: str, coefficients: tuple[Sequence[float], Sequence[float]]) -> str:
    above, below = (_polynomial(graph, r, c) for c in coefficients)
    return graph.node("Div", above, below)


def _polynomial(graph: Graph, r: str, rising: Sequence[float]) -> str:
    total = graph.constant(np.float64(rising[-1]))
    for c in reversed(rising[:-1]):
        total = graph.node("Add", graph.node("Mul", total, r), graph.constant(np.float64(c)))
    return total


def _hot(matrix: Matrix, graph: Graph, codes: str) -> str:
    """Category codes as 0/1 columns."""
    lengths = np.diff(matrix.starts)
    zero, last = graph.constant(np.int64(0)), graph.constant(lengths - 1)
    place = graph.node("Add", codes, graph.constant(np.int64(1)))
    outside = graph.node("Less", place, zero)
    place = graph.where(outside, last, graph.node("Min", place, last))
    place = graph.node("Add", place, graph.constant(matrix.starts[:-1]))
    hot = graph.node("Gather", graph.constant(matrix.table), place)
    # Which category column each 0/1 column belongs to: compared with that one only.
    owner = np.zeros(matrix.n_hot, np.int64)
    spans = zip(matrix.starts[:-1], matrix.starts[1:], strict=True)
    for j, (start, end) in enumerate(spans):
        mine = matrix.table[start:end]
        owner[mine[mine >= 0]] = j
    asked = graph.constant(np.arange(matrix.n_hot))
    return graph.cast(graph.node("Equal", graph.columns(hot, owner), asked), "double")


def add_linear(linear: FittedLinear, graph: Graph, numeric: str, codes: str) -> str:
    """A linear model: its matrix, its weights, and the link of its task."""
    intercept = np.asarray(linear.intercept, float)
    if linear.matrix.width:
        A = linear.matrix.add_to(graph, numeric, codes)
        if len(linear.basis):
            A = graph.concat([A, linear.basis.add_to(graph, A)])
        scores = graph.weighted(A, np.asarray(linear.weights, float).T, intercept)
    else:
        scores = graph.repeated(intercept, numeric)
    if not linear.n_classes:
        return scores
    if len(linear.classes) == 2:
        half = graph.node("Sub", graph.columns(scores, [1]), graph.columns(scores, [0]))
        shares = graph.both_classes(graph.node("Sigmoid", half))
    else:
        shares = graph.node("Softmax", scores, axis=1)
    return graph.spread(shares, linear.classes, linear.n_classes)


def add_nearest(nearest: FittedNearest, graph: Graph, numeric: str, codes: str) -> str:
    """Nearest neighbours: first more than enough by a matrix product, then of these exactly."""
    rows, width = np.asarray(nearest.rows, float), nearest.matrix.width
    if rows.size > MAX_CELLS:
        raise NotExpressibleError(
            f"KNearest holds {len(rows):,} rows of {width} columns; an ONNX file takes up to "
            f"{MAX_CELLS:,} numbers of them."
        )
    if nearest.level is not None or not width:
        raise NotExpressibleError("KNearest is written only for means over at least one column.")
    A = nearest.matrix.add_to(graph, numeric, codes)
    k = min(nearest.design.neighbours, len(rows))
    more = min(2 * k + 8, len(rows))
    rough = graph.weighted(A, -2 * rows.T, (rows**2).sum(axis=1))
    few = _least(graph, _least(graph, rough, more)[1], more)[0]  # in the order of the rows
    found = graph.node("Gather", graph.constant(rows), few, axis=0)
    apart = graph.node("Sub", found, graph.node("Unsqueeze", A, graph.constant([1])))
    far = graph.node("Sqrt", graph.summed(graph.node("Mul", apart, apart), 2))
    distance, place = _least(graph, far, k)
    near = graph.node("GatherElements", few, place, axis=1)
    votes = graph.node("Gather", graph.constant(np.asarray(nearest.weights, float)), near)
    if nearest.design.near:
        least = graph.constant(np.float64(1e-9))
        votes = graph.node("Div", votes, graph.node("Max", distance, least))
    none = graph.node("LessOrEqual", graph.summed(votes, keep=True), graph.constant(np.float64(0)))
    votes = graph.where(none, graph.constant(np.float64(1)), votes)
    votes = graph.node("Div", votes, graph.summed(votes, keep=True))
    if not nearest.n_classes:
        y = graph.node("Gather", graph.constant(np.asarray(nearest.y, float)), near)
        return graph.summed(graph.node("Mul", votes, y), keep=True)
    classes = np.eye(nearest.n_classes)[nearest.y.astype(int)]
    theirs = graph.node("Gather", graph.constant(classes), near, axis=0)
    return graph.summed(
        graph.node("Mul", theirs, graph.node("Unsqueeze", votes, graph.constant([2])))
    )


def _least(graph: Graph, x: str, k: int) -> list[str]:
    """The k smallest of each row, rising, and where they stand; of equal ones the first."""
    return graph.nodes("TopK", [x, graph.constant([k])], 2, largest=0, axis=1)
