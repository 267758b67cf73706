"""Trees as nodes of an ONNX graph: forests of flat arrays, LightGBM's and CatBoost's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray, IntArray
from modelwright.families.oblivious import Oblivious, read_oblivious
from modelwright.families.onnx_graph import ML, Graph, NotExpressibleError

if TYPE_CHECKING:
    from modelwright.families.catboost import FittedCatBoost
    from modelwright.families.forest import FittedForest
    from modelwright.families.lightgbm import FittedLightGbm

_AT_MOST, _MEMBER = 0, 6  # modes of a node in ai.onnx.ml 5
_SUM = 1
_NO_LEAF = 0


@dataclass(frozen=True)
class Trees:
    """Binary trees end to end; every tree has at least one inner node.

    Per inner node: the `feature` looked at, the `threshold` that sends values at most that large to
    `left`, and whether missing values go left. `left` and `right` are inner nodes, or `~leaf` where
    negative. A node in `members` asks for membership in that set instead. Per leaf: what it adds to
    which target. `roots` has the first node of each tree.
    """

    feature: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    missing_left: npt.NDArray[np.bool_]
    leaf: FloatArray
    target: IntArray
    roots: IntArray
    members: Mapping[int, FloatArray] = field(default_factory=dict)


def add_trees(graph: Graph, x: str, trees: Trees, n_targets: int) -> str:
    """The summed leaves `[n, n_targets]` of trees over float64 columns `[n, p]`."""
    from onnx import numpy_helper

    modes = np.full(len(trees.feature), _AT_MOST, np.uint8)
    modes[list(trees.members)] = _MEMBER
    splits = np.where(modes == _MEMBER, 0.0, trees.threshold)
    extra: dict[str, Any] = {}
    if trees.members:
        # One list for all nodes in their order, each set ended by NaN.
        sets = [np.append(trees.members[i], np.nan) for i in sorted(trees.members)]
        extra["membership_values"] = numpy_helper.from_array(np.concatenate(sets))
    return graph.node(
        "TreeEnsemble",
        x,
        domain=ML,
        n_targets=n_targets,
        aggregate_function=_SUM,
        post_transform=_NO_LEAF,
        tree_roots=trees.roots.tolist(),
        nodes_modes=numpy_helper.from_array(modes),
        nodes_featureids=trees.feature.tolist(),
        nodes_splits=numpy_helper.from_array(splits.astype(np.float64)),
        nodes_truenodeids=np.where(trees.left < 0, ~trees.left, trees.left).tolist(),
        nodes_trueleafs=(trees.left < 0).astype(int).tolist(),
        nodes_falsenodeids=np.where(trees.right < 0, ~trees.right, trees.right).tolist(),
        nodes_falseleafs=(trees.right < 0).astype(int).tolist(),
        nodes_missing_value_tracks_true=trees.missing_left.astype(int).tolist(),
        leaf_targetids=trees.target.tolist(),
        leaf_weights=numpy_helper.from_array(trees.leaf.astype(np.float64)),
        **extra,
    )


def add_forest(forest: FittedForest, graph: Graph, numeric: str, codes: str) -> str:
    """A forest: its matrix, its trees, and the mean over them."""
    rows = graph.concat([numeric, graph.cast(codes, "double")])
    A = forest.matrix.add_to(graph, rows, "")
    if not forest.matrix.width:
        A = graph.repeated([0.0], numeric)
    # Trees compare in single precision.
    A = graph.cast(graph.cast(graph.clip(A, -1e30, 1e30), "float"), "double")
    n_trees, k = len(forest.roots), forest.value.shape[1]
    share = graph.constant(np.float64(1 / n_trees))
    if k <= 2:
        total = add_trees(graph, A, _of_forest(forest, forest.value[:, -1]), 1)
        mean = graph.node("Mul", total, share)
        mean = graph.both_classes(mean) if k == 2 else mean
    else:
        # A leaf of ONNX adds to one target only: each tree tells which leaf, a table has the rest.
        place = np.arange(len(forest.value), dtype=float)
        leaf = graph.cast(add_trees(graph, A, _of_forest(forest, place, True), n_trees), "int64")
        found = graph.node("Gather", graph.constant(forest.value), leaf, axis=0)
        mean = graph.node("Mul", graph.summed(graph.cast(found, "double")), share)
    return graph.spread(mean, forest.classes, forest.n_classes) if forest.n_classes else mean


def _of_forest(forest: FittedForest, leaf: FloatArray, apart: bool = False) -> Trees:
    """The forest's arrays with one number per leaf; `apart` gives each tree its own target."""
    inner = forest.feature >= 0
    number = np.cumsum(inner) - 1
    # Where a child is: an inner node, or a leaf, told by its complement.
    place = np.where(inner, number, ~forest.children[:, 0].astype(np.int64))
    lone = np.flatnonzero(~inner[forest.roots])  # trees of one leaf get a node that changes nothing
    alone = place[forest.roots[lone]]
    added = int(inner.sum()) + np.arange(len(lone))
    roots = place[forest.roots].copy()
    roots[lone] = added
    sides = place[forest.children[inner]]
    tree = np.repeat(np.arange(len(forest.roots)), np.diff([*forest.roots, len(inner)]))
    target = np.zeros(len(leaf), np.int64)
    if apart:
        target[forest.children[~inner, 0]] = tree[~inner]
    return Trees(
        np.concatenate([forest.feature[inner], np.zeros(len(lone), np.int64)]),
        np.concatenate([forest.threshold[inner].astype(np.float64), np.zeros(len(lone))]),
        np.concatenate([sides[:, 0], alone]),
        np.concatenate([sides[:, 1], alone]),
        np.zeros(int(inner.sum()) + len(lone), bool),
        leaf,
        target,
        roots,
    )


def add_lightgbm(fitted: FittedLightGbm, graph: Graph, numeric: str, codes: str) -> str:
    """LightGBM's trees with its own rules for gaps and categories, and its link function."""
    known = graph.where(
        graph.node("Less", codes, graph.constant(np.int64(0))),
        graph.constant(np.float64(np.nan)),
        graph.cast(codes, "double"),
    )
    text = fitted.booster.model_to_string(num_iteration=fitted.rounds)
    trees, n_targets = read_lightgbm(text)
    scores = add_trees(graph, graph.concat([numeric, known]), trees, n_targets)
    if fitted.task == "binary":
        return graph.both_classes(graph.node("Sigmoid", scores))
    return graph.node("Softmax", scores, axis=1) if fitted.task == "multiclass" else scores


def add_catboost(fitted: FittedCatBoost, graph: Graph, numeric: str, codes: str) -> str:
    """CatBoost's symmetric trees: all splits at once, then the leaf that their bits name."""
    trees = read_oblivious(fitted.model, fitted.rounds)
    width = trees.column.shape[1]
    Z = graph.node("Gather", _columns(trees, graph, numeric, codes),
                   graph.constant(trees.column.ravel()), axis=1)  # fmt: skip
    above = graph.node("Greater", Z, graph.constant(trees.border.ravel()))
    shape = graph.constant(np.array([-1, len(trees.column), width]))
    bits = graph.cast(graph.node("Reshape", above, shape), "int64")
    powers = graph.constant(1 << np.arange(width))
    which = graph.node("Add", graph.summed(graph.node("Mul", bits, powers), 2),
                       graph.constant(trees.start))  # fmt: skip
    leaves = graph.node("Gather", graph.constant(trees.leaf), which, axis=0)
    scaled = graph.node("Mul", graph.summed(leaves), graph.constant(np.float64(trees.scale)))
    raw = graph.node("Add", scaled, graph.constant(trees.bias))
    if not fitted.n_classes:
        return raw
    if len(trees.bias) == 1:
        shares = graph.both_classes(graph.node("Sigmoid", raw))
    else:
        shares = graph.node("Softmax", raw, axis=1)
    return graph.spread(shares, fitted.classes, fitted.n_classes)


def _columns(trees: Oblivious, graph: Graph, numeric: str, codes: str) -> str:
    """What the splits look at, in single precision as CatBoost does."""
    parts = []
    if len(trees.high):
        x = graph.cast(graph.clip(numeric, -3e38, 3e38), "float")
        edge = np.where(trees.high, np.float32(np.inf), np.float32(-np.inf)).astype(np.float32)
        parts.append(graph.where(graph.node("IsNaN", x), graph.constant(edge), x))
    for feature, values in trees.tables:
        last = graph.constant(np.int64(len(values) - 1))
        place = graph.node("Add", graph.columns(codes, [feature]), graph.constant(np.int64(1)))
        low = graph.node("Less", place, graph.constant(np.int64(0)))
        place = graph.where(low, last, graph.node("Min", place, last))
        parts.append(graph.node("Gather", graph.constant(values), place))
    return graph.concat(parts)


def read_lightgbm(text: str) -> tuple[Trees, int]:
    """The trees in LightGBM's text format, and how many targets they add to.

    Raises NotExpressibleError for trees with linear leaves or averaged outputs.
    """
    head, *parts = text.split("\nTree=")
    if "average_output" in head:
        raise NotExpressibleError("LightGBM's averaged trees have no form in ONNX here.")
    n_targets = int(_facts(head)["num_tree_per_iteration"])
    every: list[Trees] = []
    for number, part in enumerate(parts):
        facts = _facts(part.split("\n\n")[0])
        if facts.get("is_linear", "0") != "0":
            raise NotExpressibleError("LightGBM's linear leaves have no form in ONNX here.")
        every.append(_lightgbm_tree(facts, number % n_targets))
    return joined(every), n_targets


def _facts(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _lightgbm_tree(facts: Mapping[str, str], target: int) -> Trees:
    leaf = np.array(facts["leaf_value"].split(), float)
    if int(facts["num_leaves"]) == 1:
        both = np.array([~0], np.int64)
        nothing = np.zeros(1)
        return Trees(
            np.zeros(1, np.int64), nothing, both, both, np.zeros(1, bool), leaf[:1],
            np.full(1, target), np.zeros(1, np.int64),
        )  # fmt: skip
    kind = np.array(facts["decision_type"].split(), np.int64)
    threshold = np.array(facts["threshold"].split(), float)
    category, default_left, nan_kept = kind & 1 == 1, kind & 2 == 2, (kind >> 2) & 3 == 2
    if ((kind >> 2) & 3 == 1).any():
        raise NotExpressibleError("LightGBM's zeros as gaps have no form in ONNX here.")
    # Where training had no gap, LightGBM takes one for zero.
    missing_left = np.where(nan_kept, default_left, threshold >= 0.0) & ~category
    return Trees(
        np.array(facts["split_feature"].split(), np.int64),
        threshold,
        np.array(facts["left_child"].split(), np.int64),
        np.array(facts["right_child"].split(), np.int64),
        missing_left,
        leaf,
        np.full(len(leaf), target),
        np.zeros(1, np.int64),
        dict(_sets(facts, np.flatnonzero(category), threshold)),
    )


def _sets(
    facts: Mapping[str, str], nodes: IntArray, threshold: FloatArray
) -> Iterator[tuple[int, FloatArray]]:
    """Per node of a category its set, which the text keeps as bits of 32-bit words."""
    if not len(nodes):
        return
    bounds = np.array(facts["cat_boundaries"].split(), np.int64)
    words = np.array(facts["cat_threshold"].split(), np.uint32)
    for node in nodes:
        which = int(threshold[node])
        mine = words[bounds[which] : bounds[which + 1]]
        bits = np.unpackbits(mine.astype("<u4").view(np.uint8), bitorder="little")
        yield int(node), np.flatnonzero(bits).astype(float)


def joined(trees: Sequence[Trees]) -> Trees:
    """Several trees as one value, numbered one after the other."""
    nodes = np.cumsum([0, *(len(t.feature) for t in trees)])
    leaves = np.cumsum([0, *(len(t.leaf) for t in trees)])

    def moved(side: IntArray, i: int) -> IntArray:
        return np.asarray(np.where(side < 0, side - leaves[i], side + nodes[i]))

    return Trees(
        np.concatenate([t.feature for t in trees]),
        np.concatenate([t.threshold for t in trees]),
        np.concatenate([moved(t.left, i) for i, t in enumerate(trees)]),
        np.concatenate([moved(t.right, i) for i, t in enumerate(trees)]),
        np.concatenate([t.missing_left for t in trees]),
        np.concatenate([t.leaf for t in trees]),
        np.concatenate([t.target for t in trees]),
        np.concatenate([t.roots + n for t, n in zip(trees, nodes, strict=False)]),
        {i + int(n): s for t, n in zip(trees, nodes, strict=False) for i, s in t.members.items()},
    )
