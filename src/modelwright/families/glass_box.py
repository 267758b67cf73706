"""A glass-box model: one table per column and a few per pair of columns, and their sum."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Interval

from modelwright.families.base import (
    Examples,
    FloatArray,
    Inputs,
    IntArray,
    both_classes,
    found_rounds,
    nothing_to_learn,
    read_fitted,
    softmax,
    weighted_quantile,
    write_fitted,
)
from modelwright.families.dummy import Dummy, FittedDummy
from modelwright.families.glass_bins import Bins
from modelwright.families.glass_pairs import (
    GROUPS,
    Pairs,
    boost_pairs,
    choose_pairs,
    coarse_groups,
    purify,
)
from modelwright.spaces import Log

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph

MAX_ROUNDS = 4000
_PATIENCE = 50
_ROWS = 0.8
_COLUMNS = 0.5
_SWEEPS = 60


@dataclass(frozen=True)
class GlassBox:
    """A generalised additive model with pairs, boosted: what each column adds can be read off.

    Explainable boosting (Lou et al. 2012 and 2013; Nori et al. 2019, arXiv:1909.09223): small trees
    on one binned column each, then up to `pairs` tables of two columns with a clear joint effect.
    Differing from them: LightGBM grows the trees on random halves of the columns instead of in
    turns, each on four fifths of the rows, which are then added up into exact tables; a single run
    instead of an average of several. Losses other than the square get no pairs; with monotone
    columns they are fitted on squares and moved to the asked quantile of the residuals.

    `bins` cut a numeric column, of about equal rows; `min_leaf` is the fewest rows of a leaf and of
    a category with a table cell of its own. Needs no library to predict.

    >>> toy = Examples(Inputs.of([[float(i)] for i in range(60)]), np.arange(60.0), "regression")
    >>> model = GlassBox(min_leaf=2).fit(toy, rounds=200)
    >>> model.predict(Inputs.of([[10.0], [50.0]])).round().tolist()
    [10.0, 50.0]
    """

    learning_rate: Annotated[float, Log(0.01, 0.2)] = 0.1
    leaves: Annotated[int, Interval(ge=2, le=8)] = 3
    min_leaf: Annotated[int, Log(2, 100)] = 10
    bins: Annotated[int, Log(16, 254)] = 128
    l2: Annotated[float, Log(1e-3, 100.0)] = 1.0
    pairs: Annotated[int, Interval(ge=0, le=32)] = 16

    name: ClassVar[str] = "GlassBox"
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
    ) -> FittedGlassBox | FittedDummy:
        """At most 4,000 rounds, stopped when 50 brought nothing on `validation`.

        Rows and columns of each tree are drawn from `seed`. With a single class, or no column, the
        answer is the constant one.
        """
        if nothing_to_learn(examples):
            return Dummy().fit(examples)
        if rounds is None and validation is None:
            rounds = found_rounds(self, examples, threads, seed)
        bins = Bins.fit(examples.X, self.bins, self.min_leaf)
        places = bins.apply(examples.X)
        booster, best = self._trees(examples, bins, places, threads, seed, validation, rounds)
        starts = np.concatenate([[0], np.cumsum(bins.sizes)])
        cells = places + starts[:-1]
        counts = np.bincount(cells.ravel(), minlength=starts[-1])
        engine = _Engine(booster, counts, max(1, examples.n_classes if _multi(examples) else 1))
        base, values = engine.tables(bins, best)
        pairs = Pairs.none(len(counts), engine.k)
        if self.pairs and len(bins.sizes) > 1 and examples.loss == "squared":
            pairs, moved = self._pairs(examples, bins, cells, (base, values), best)
            engine = replace(engine, moved=moved - values)
            values = moved
        if examples.monotone and examples.loss != "squared":
            left = examples.y - base[0] - values[cells, 0].sum(axis=1)
            base = base + weighted_quantile(left, examples.weight, examples.level)
        n_classes = examples.n_classes
        return FittedGlassBox(bins, base, values, pairs, n_classes, int(best), engine)

    def _trees(
        self,
        examples: Examples,
        bins: Bins,
        places: IntArray,
        threads: int,
        seed: int,
        validation: Examples | None,
        rounds: int | None,
    ) -> tuple[Any, int]:
        """The booster on bin numbers, and how many of its rounds count."""
        import lightgbm

        settings = self._settings(examples, len(bins.sizes), threads, seed)
        categorical = list(range(bins.n_numeric, len(bins.sizes)))

        def rows(of: Examples, places: IntArray, reference: Any = None) -> Any:
            return lightgbm.Dataset(
                _with_gaps(places, bins), of.y, weight=of.weights, reference=reference,
                categorical_feature=categorical, params=settings, free_raw_data=False,
            )  # fmt: skip

        train = rows(examples, places)
        held: list[Any] = []
        stop: list[Any] = []
        if rounds is None and validation is not None:
            held = [rows(validation, bins.apply(validation.X), train)]
            stop = [lightgbm.early_stopping(_PATIENCE, verbose=False)]
        booster = lightgbm.train(
            settings, train, rounds or MAX_ROUNDS, valid_sets=held, callbacks=stop
        )
        return booster, int(rounds or booster.best_iteration or booster.current_iteration())

    def _settings(
        self, examples: Examples, columns: int, threads: int, seed: int
    ) -> dict[str, Any]:
        loss = "squared" if examples.monotone else examples.loss
        objective = {"squared": "l2", "absolute": "l1", "quantile": "quantile"}[loss]
        if examples.n_classes:
            objective = "multiclass" if _multi(examples) else "binary"
        settings: dict[str, Any] = {
            "objective": objective,
            "alpha": examples.quantile,
            "num_class": examples.n_classes if _multi(examples) else 1,
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf,
            "min_data_per_group": self.min_leaf,
            "lambda_l2": self.l2,
            "bagging_fraction": _ROWS,
            "bagging_freq": 1,
            "feature_fraction": _COLUMNS,
            # One column to a tree: this is what makes the model a sum of tables.
            "interaction_constraints": [[j] for j in range(columns)],
            "max_bin": self.bins + 2,
            "min_data_in_bin": 1,
            "feature_pre_filter": False,
            "num_threads": threads,
            "seed": seed % 2**31,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        if any(examples.monotone):
            signs = [*examples.monotone, *[0] * len(examples.X.levels)]
            settings["monotone_constraints"] = signs
        return settings

    def _pairs(
        self,
        examples: Examples,
        bins: Bins,
        cells: IntArray,
        mains: tuple[FloatArray, FloatArray],
        rounds: int,
    ) -> tuple[Pairs, FloatArray]:
        """The fitted pairs, and the columns' tables with what belongs to them."""
        base, values = mains
        counts = np.bincount(cells.ravel(), minlength=len(values))
        starts = np.concatenate([[0], np.cumsum(bins.sizes)])
        groups = coarse_groups(values, counts, starts, bins.n_numeric)
        rows = groups[cells]
        scores = base + values[cells].sum(axis=1)
        strength = np.array([np.abs(values[a:b]).max() for a, b in pairwise(starts)])
        free = np.ones(len(strength), bool)
        free[: bins.n_numeric] = [not s for s in examples.monotone] or True
        free &= np.ptp(rows, axis=0) > 0
        slopes = _slopes(examples)
        first = slopes(scores)
        chosen = choose_pairs(rows, first, np.where(free, strength, np.nan), self.pairs)
        ridge = self.min_leaf * float(first[1].mean())
        # What columns alone can tell is left to their own rounds, however few.
        sweeps = min(_SWEEPS, rounds // 5)
        tables = boost_pairs(chosen, rows, scores, slopes, ridge, sweeps)
        weights = np.zeros((len(chosen), GROUPS, GROUPS))
        for w, (a, b) in zip(weights, chosen, strict=True):
            np.add.at(w, (rows[:, a], rows[:, b]), 1.0)
        return purify(Pairs(chosen, groups, tables), weights, values, starts)

    @staticmethod
    def load(folder: Path) -> FittedGlassBox:
        """The fitted model that `export` wrote."""
        facts, arrays = read_fitted(folder)
        pairs = Pairs(*(arrays[f"pairs.{n}"] for n in ("columns", "groups", "tables")))
        tables = (arrays["base"], arrays["values"])
        bins = Bins.from_arrays(arrays)
        return FittedGlassBox(bins, *tables, pairs, facts["n_classes"], facts["rounds"])


@dataclass(frozen=True)
class Term:
    """What one column, or a pair of them, adds to the score.

    `columns` are its places: `("numeric", j)` or `("codes", j)`. Of one column `values` `[bins, k]`
    goes with `edges` `[bins - 2]` (numeric; the last bin is for gaps) or with `categories`, one
    tuple of codes per bin (-1 is missing; the last bin also takes what was never seen). Of a pair
    `values` is `[16, 16, k]` over groups of bins and the rest is empty.
    """

    columns: tuple[tuple[str, int], ...]
    values: FloatArray
    edges: FloatArray = field(default_factory=lambda: np.zeros(0))
    categories: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class FittedGlassBox:
    """Tables that are looked up and added.

    A score is `base` `[k]` plus one row of `values` `[total bins, k]` per column plus one cell per
    pair; k is 1, or the number of classes above two. Classes take the logistic function or softmax
    of scores. Each table averages to zero over the training rows.
    """

    bins: Bins
    base: FloatArray
    values: FloatArray
    pairs: Pairs
    n_classes: int
    rounds: int
    engine: _Engine | None = field(default=None, repr=False, compare=False)

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values."""
        cells = self._cells(X)
        scores = self.base + self.values[cells].sum(axis=1) + self.pairs.each(cells).sum(axis=1)
        if not self.n_classes:
            return np.asarray(scores[:, 0])
        if self.n_classes == 2:
            return both_classes(np.exp(-np.logaddexp(0, -scores[:, 0])))
        return softmax(scores)

    def contributions(self, X: Inputs) -> FloatArray:
        """What each of `terms` adds to the score of each row, `[n, terms, k]`.

        With `base` they sum to the score: the value, or the log-odds of a class.
        """
        cells = self._cells(X)
        return np.concatenate([self.values[cells], self.pairs.each(cells)], axis=1)

    @property
    def terms(self) -> list[Term]:
        """The tables, numeric columns first, then categorical ones, then pairs."""
        starts, p = self._starts, self.bins.n_numeric
        places = [("numeric", j) for j in range(p)]
        places += [("codes", j) for j in range(len(self.bins.n_categories))]
        out = []
        for j, (a, b) in enumerate(pairwise(starts)):
            if j < p:
                edges = self.bins.edges[j, : self.bins.n_edges[j]]
                out.append(Term((places[j],), self.values[a:b], edges))
            else:
                first, last = self.bins.lookup_starts[j - p : j - p + 2]
                table = self.bins.lookup[first : last - 1]
                codes = [tuple((np.flatnonzero(table == i) - 1).tolist()) for i in range(b - a)]
                out.append(Term((places[j],), self.values[a:b], categories=tuple(codes)))
        for (i, j), table in zip(self.pairs.columns, self.pairs.tables, strict=True):
            out.append(Term((places[i], places[j]), table))
        return out

    def _cells(self, X: Inputs) -> IntArray:
        return self.bins.apply(X) + self._starts[:-1]

    @property
    def _starts(self) -> IntArray:
        return np.concatenate([[0], np.cumsum(self.bins.sizes)])

    def with_rounds(self, rounds: int) -> FittedGlassBox:
        """The columns' tables after that many rounds; the pairs stay. A loaded model stays too."""
        if self.engine is None or rounds >= self.rounds:
            return self
        base, values = self.engine.tables(self.bins, max(1, rounds))
        return replace(self, base=base, values=values + self.engine.moved, rounds=max(1, rounds))

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The same tables as ONNX nodes; what comes back is the name of their answers."""
        from modelwright.families.onnx_glass import add_glass_box

        return add_glass_box(self, graph, numeric, codes)

    def export(self, folder: Path) -> None:
        """Writes one JSON file and one file of arrays."""
        arrays = {
            "base": self.base,
            "values": self.values,
            "pairs.columns": self.pairs.columns,
            "pairs.groups": self.pairs.groups,
            "pairs.tables": self.pairs.tables,
            **self.bins.arrays(),
        }
        write_fitted(
            folder, "GlassBox", {"n_classes": self.n_classes, "rounds": self.rounds}, arrays
        )


@dataclass(frozen=True)
class _Engine:
    """The trees that tables are made of: kept until the number of rounds is settled."""

    booster: Any
    counts: IntArray
    k: int
    moved: FloatArray | float = 0.0

    def tables(self, bins: Bins, rounds: int) -> tuple[FloatArray, FloatArray]:
        """Base `[k]` and tables `[total bins, k]` of the first `rounds` rounds.

        Since a tree looks at one column only, its Shapley value is the tree itself, so that one row
        per bin number tells the tables of all columns at once.
        """
        sizes = bins.sizes
        longest = int(sizes.max())
        grid = np.minimum(np.arange(longest)[:, None], sizes - 1)
        told = self.booster.predict(_with_gaps(grid, bins), num_iteration=rounds, pred_contrib=True)
        told = np.asarray(told, float).reshape(longest, self.k, len(sizes) + 1)
        base = told[0, :, -1].copy()
        parts, a = [], 0
        for j, size in enumerate(sizes):
            table, counts = told[:size, :, j].copy(), self.counts[a : a + size]
            mean = counts @ table / max(1, counts.sum())
            table -= mean
            base += mean
            table[counts == 0] = 0.0  # gaps or categories that training never saw: the average
            parts.append(table)
            a += size
        return base, np.concatenate(parts)


def _multi(examples: Examples) -> bool:
    return examples.n_classes > 2


def _with_gaps(places: IntArray, bins: Bins) -> FloatArray:
    """Bin numbers as LightGBM takes them: a gap is NaN there."""
    out = places.astype(np.float32)
    p = bins.n_numeric
    out[:, :p][places[:, :p] == bins.n_edges + 1] = np.nan
    return out


def _slopes(examples: Examples) -> Any:
    """Gradient and curvature of the loss at scores `[n, k]`."""
    w = examples.weight[:, None]
    y = examples.y

    def squares(scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        return w * (scores - y[:, None]), w

    def shares(scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        if scores.shape[1] == 1:
            p, truth = np.exp(-np.logaddexp(0, -scores)), y[:, None]
        else:
            p, truth = softmax(scores), y[:, None] == np.arange(scores.shape[1])
        return w * (p - truth), w * np.maximum(p * (1 - p), 1e-6)

    return shares if examples.n_classes else squares
