"""Gradient boosting with CatBoost (Prokhorenkova et al. 2018): ordered statistics of categories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from modelwright.families.balance import Balance, class_factors, weighted_by
from modelwright.families.base import (
    Examples,
    FloatArray,
    Inputs,
    IntArray,
    found_rounds,
    present_classes,
    read_fitted,
    spread,
    weighted_quantile,
    write_fitted,
)
from modelwright.families.dummy import Dummy, FittedDummy
from modelwright.families.feature_work import FeatureWork
from modelwright.spaces import Log

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph

MAX_ROUNDS = 1000
_PATIENCE = 30


@dataclass(frozen=True)
class CatBoost:
    """Boosted symmetric trees; the number of rounds is found, not searched.

    `one_hot` is the largest number of categories that get a 0/1 column each; above it CatBoost
    encodes a category by the answers of earlier rows. `balance` makes rare classes heavier while
    the trees grow; shares are turned back after it. With monotone columns, losses other than the
    square are fitted on squares and moved to the asked quantile of the residuals.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 1))
    >>> toy = Examples(Inputs.of(x), (x[:, 0] > 0).astype(int), "binary", 2)
    >>> CatBoost().fit(toy, rounds=20).predict(Inputs.of([[2.0]])).argmax()
    np.int64(1)
    """

    learning_rate: Annotated[float, Log(0.02, 0.3)] = 0.08
    depth: Annotated[int, Interval(ge=2, le=8)] = 7
    l2: Annotated[float, Log(0.1, 50.0)] = 0.5
    randomness: Annotated[float, Log(0.01, 10.0)] = 0.8
    rows: Annotated[float, Interval(ge=0.4, le=1.0)] = 0.9
    one_hot: Annotated[int, Log(2, 64)] = 10
    balance: Balance = "none"
    features: FeatureWork = FeatureWork()

    name: ClassVar[str] = "CatBoost"
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
    ) -> FittedCatBoost | FittedDummy:
        """At most 1,000 rounds, stopped when 30 brought nothing on `validation`.

        Rows and orders are drawn from `seed`. With a single class, or no column that varies, the
        answer is the constant one.
        """
        if _nothing_to_learn(examples):
            return Dummy().fit(examples)
        if rounds is None and validation is None:
            rounds = found_rounds(self, examples, threads, seed)
        classes = present_classes(examples) if examples.n_classes else np.zeros(0, np.int64)
        model = self._model(examples, classes, threads, seed, rounds)
        held_out = _known(validation, classes) if validation is not None and not rounds else None
        factors = class_factors(examples, self.balance)
        examples = weighted_by(examples, factors)
        held_out = None if held_out is None else weighted_by(held_out, factors)
        model.fit(
            _pool(examples, classes),
            eval_set=None if held_out is None else _pool(held_out, classes),
            early_stopping_rounds=None if held_out is None else _PATIENCE,
            use_best_model=False,
        )
        if any(examples.monotone) and examples.loss != "squared":
            left = examples.y - model.predict(_data(examples.X), thread_count=threads)
            scale, bias = model.get_scale_and_bias()
            by = weighted_quantile(left, examples.weight, examples.level)
            model.set_scale_and_bias(scale, bias + by)
        if self.balance != "none" and examples.n_classes:
            scale, bias = model.get_scale_and_bias()
            back = -np.log(factors[classes])
            moved = (
                bias + back[1] - back[0] if len(classes) == 2 else (np.array(bias) + back).tolist()
            )
            model.set_scale_and_bias(scale, moved)
        best = rounds or (model.tree_count_ if held_out is None else model.get_best_iteration() + 1)
        n_numeric = examples.X.numeric.shape[1]
        return FittedCatBoost(model, int(best), classes, examples.n_classes, n_numeric)

    def _model(
        self, examples: Examples, classes: IntArray, threads: int, seed: int, rounds: int | None
    ) -> Any:
        import catboost

        loss = {
            "squared": "RMSE", "absolute": "MAE", "quantile": f"Quantile:alpha={examples.quantile}"
        }["squared" if any(examples.monotone) else examples.loss]  # fmt: skip
        if examples.n_classes:
            loss = "Logloss" if len(classes) == 2 else "MultiClass"
        signs = [*examples.monotone, *[0] * len(examples.X.levels)]
        return catboost.CatBoost(
            {
                **({"monotone_constraints": signs} if any(examples.monotone) else {}),
                "loss_function": loss,
                "iterations": rounds or MAX_ROUNDS,
                "learning_rate": self.learning_rate,
                "depth": self.depth,
                "l2_leaf_reg": self.l2,
                "random_strength": self.randomness,
                "bootstrap_type": "Bernoulli",
                "subsample": self.rows,
                "one_hot_max_size": self.one_hot,
                "boosting_type": "Plain",  # ordered boosting takes several times as long
                "max_ctr_complexity": 1,
                "leaf_estimation_iterations": 1,  # more take longer and gained nothing
                "border_count": 64,  # 254 takes up to three times as long and gains nothing
                "thread_count": threads,
                "random_seed": seed % 2**31,
                "allow_writing_files": False,
                "logging_level": "Silent",
            }
        )

    @staticmethod
    def load(folder: Path) -> FittedCatBoost:
        """The fitted model that `export` wrote."""
        import catboost

        facts, _ = read_fitted(folder)
        model = catboost.CatBoost()
        model.load_model(str(folder / "model.cbm"), format="cbm")
        classes = np.array(facts["classes"], np.int64)
        return FittedCatBoost(
            model, facts["rounds"], classes, facts["n_classes"], facts["n_numeric"]
        )


@dataclass(frozen=True)
class FittedCatBoost:
    """A CatBoost model and how many of its rounds count."""

    model: Any
    rounds: int
    classes: IntArray
    n_classes: int
    n_numeric: int

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values."""
        kind = "Probability" if self.n_classes else "RawFormulaVal"
        threads = 1 if len(X) < 1000 else -1
        out = self.model.predict(
            _data(X), prediction_type=kind, ntree_end=self.rounds, thread_count=threads
        )
        answer: FloatArray = np.asarray(out, float)
        return spread(answer, self.classes, self.n_classes) if self.n_classes else answer

    def with_rounds(self, rounds: int) -> FittedCatBoost:
        """The same trees cut after that many rounds (all of them when there are fewer)."""
        return replace(self, rounds=max(1, min(rounds, self.trained_rounds)))

    @cached_property
    def trained_rounds(self) -> int:
        """How many rounds the model holds."""
        return int(self.model.tree_count_)

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The same trees as ONNX nodes; what comes back is the name of their answers."""
        from modelwright.families.onnx_trees import add_catboost

        return add_catboost(self, graph, numeric, codes)

    def export(self, folder: Path) -> None:
        """Writes one JSON file and CatBoost's own binary format, cut to the rounds that count."""
        facts = {
            "rounds": self.rounds,
            "classes": self.classes.tolist(),
            "n_classes": self.n_classes,
            "n_numeric": self.n_numeric,
        }
        write_fitted(folder, "CatBoost", facts, {})
        model = self.model
        if self.rounds < self.trained_rounds:
            model = model.copy()
            model.shrink(self.rounds)
        model.save_model(str(folder / "model.cbm"), format="cbm")


def _nothing_to_learn(examples: Examples) -> bool:
    """CatBoost refuses a single class, a constant target, and columns that are all constant."""
    if len(np.unique(examples.y)) < 2:
        return True
    X = examples.X
    some = [c for c in _single(X.numeric).T if len(np.unique(c)) > 1]
    return not some and not any(len(np.unique(c)) > 1 for c in X.codes.T)


def _known(validation: Examples, classes: IntArray) -> Examples | None:
    """The validation rows whose class was seen in training."""
    if not len(classes):
        return validation
    rows = np.flatnonzero(np.isin(validation.y, classes))
    return validation.take(rows) if len(rows) else None


def _pool(examples: Examples, classes: IntArray) -> Any:
    import catboost

    y = np.searchsorted(classes, examples.y) if len(classes) else examples.y
    return catboost.Pool(_data(examples.X), label=y, weight=examples.weights)


def _data(X: Inputs) -> Any:
    """CatBoost's own container, much faster than a data frame."""
    import catboost

    numeric = _single(X.numeric) if X.numeric.shape[1] else None
    codes = None
    if X.levels:
        # Whatever lies outside the known levels is one name that training never saw.
        top = max(X.levels)
        codes = _names(top + 2)[np.where((X.codes < -1) | (X.codes > top), top, X.codes) + 1]
    return catboost.FeaturesData(num_feature_data=numeric, cat_feature_data=codes)


def _single(numeric: FloatArray) -> FloatArray:
    """In single precision, which is all that CatBoost looks at."""
    return np.ascontiguousarray(np.clip(numeric, -3e38, 3e38), dtype=np.float32)


def _names(n: int) -> npt.NDArray[Any]:
    return np.array([str(i - 1).encode() for i in range(n)], dtype=object)
