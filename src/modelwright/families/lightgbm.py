"""Gradient boosting with LightGBM (Ke et al. 2017): categories and gaps handled by the library."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Interval

from modelwright.core.errors import InputError
from modelwright.families.balance import Balance, class_factors, weighted_by
from modelwright.families.base import (
    Examples,
    FloatArray,
    Inputs,
    Task,
    both_classes,
    found_rounds,
    nothing_to_learn,
    read_fitted,
    weighted_quantile,
    write_fitted,
)
from modelwright.families.dummy import Dummy, FittedDummy
from modelwright.families.feature_work import FeatureWork
from modelwright.spaces import Log

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph

MAX_ROUNDS = 2000
_PATIENCE = 50
MAX_TEXT = 2_000_000_000  # bytes, once unpacked


@dataclass(frozen=True)
class LightGbm:
    """Boosted trees grown leaf by leaf; the number of rounds is found, not searched.

    `rows` and `columns` are the shares that each tree sees; `l2` and `min_leaf` hold leaves back.
    `balance` makes rare classes heavier while the trees grow; shares are turned back after it.
    With monotone columns, losses other than the square are fitted on squares and moved to the asked
    quantile of the residuals.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 1))
    >>> toy = Examples(Inputs.of(x), (x[:, 0] > 0).astype(int), "binary", 2)
    >>> LightGbm().fit(toy, rounds=50).predict(Inputs.of([[2.0]])).argmax()
    np.int64(1)
    """

    learning_rate: Annotated[float, Log(0.01, 0.3)] = 0.05
    leaves: Annotated[int, Log(4, 255)] = 31
    min_leaf: Annotated[int, Log(2, 200)] = 20
    rows: Annotated[float, Interval(ge=0.4, le=1.0)] = 0.9
    columns: Annotated[float, Interval(ge=0.2, le=1.0)] = 0.8
    l1: Annotated[float, Log(1e-6, 10.0)] = 1e-6
    l2: Annotated[float, Log(1e-6, 100.0)] = 1e-2
    category_smooth: Annotated[float, Log(0.1, 100.0)] = 10.0
    random_cuts: bool = False
    balance: Balance = "none"
    features: FeatureWork = FeatureWork()

    name: ClassVar[str] = "LightGbm"
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
    ) -> FittedLightGbm | FittedDummy:
        """At most 2,000 rounds, stopped when 50 brought nothing on `validation`.

        Rows, columns and cuts are drawn from `seed`. With a single class, or nothing to look at,
        the answer is the constant one.
        """
        import lightgbm

        if nothing_to_learn(examples):
            return Dummy().fit(examples)
        if rounds is None and validation is None:
            rounds = found_rounds(self, examples, threads, seed)
        factors = class_factors(examples, self.balance)
        examples = weighted_by(examples, factors)
        validation = None if validation is None else weighted_by(validation, factors)
        settings = self._settings(examples, threads, seed)
        train = _dataset(examples, settings)
        stop: list[Any] = (
            [lightgbm.early_stopping(_PATIENCE, verbose=False)] if rounds is None else []
        )
        held_out = [] if validation is None or rounds else [_dataset(validation, settings, train)]
        booster = lightgbm.train(
            settings, train, rounds or MAX_ROUNDS, valid_sets=held_out, callbacks=stop
        )
        best = rounds or booster.best_iteration or booster.current_iteration()
        if any(examples.monotone) and examples.loss != "squared":
            left = examples.y - booster.predict(_matrix(examples.X), num_iteration=best)
            _move(booster, [weighted_quantile(left, examples.weight, examples.level)])
        if self.balance != "none" and examples.n_classes:
            back = -np.log(factors)
            _move(booster, back if examples.task == "multiclass" else [back[1] - back[0]])
        return FittedLightGbm(booster, int(best), examples.task, examples.X.numeric.shape[1])

    def _settings(self, examples: Examples, threads: int, seed: int) -> dict[str, Any]:
        objective = "binary" if examples.task == "binary" else "multiclass"
        if examples.task == "regression":
            # Leaves set to a quantile of their rows, as LightGBM does it, would not stay monotone.
            loss = "squared" if any(examples.monotone) else examples.loss
            objective = {"squared": "l2", "absolute": "l1"}.get(loss, "quantile")
        settings: dict[str, Any] = {
            "objective": objective,
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf,
            "bagging_fraction": self.rows,
            "bagging_freq": 1 if self.rows < 1 else 0,
            "feature_fraction": self.columns,
            "lambda_l1": self.l1,
            "lambda_l2": self.l2,
            "cat_smooth": self.category_smooth,
            "extra_trees": self.random_cuts,
            "num_threads": threads,
            "seed": seed % 2**31,
            "deterministic": True,
            "force_col_wise": True,  # its result does not depend on the number of threads
            "feature_pre_filter": False,
            "verbosity": -1,
        }
        if examples.task == "multiclass":
            settings["num_class"] = examples.n_classes
        if objective == "quantile":
            settings["alpha"] = examples.quantile
        if any(examples.monotone):
            signs = [*examples.monotone, *[0] * len(examples.X.levels)]
            settings |= {
                "monotone_constraints": signs,
                "monotone_constraints_method": "intermediate",
            }
        return settings

    @staticmethod
    def load(folder: Path) -> FittedLightGbm:
        """The fitted model that `export` wrote."""
        import lightgbm

        facts, _ = read_fitted(folder)
        plain = folder / "model.txt"  # as the first bundles had it
        if plain.exists():
            text = plain.read_text(encoding="utf-8")
        else:
            text = unpacked((folder / "model.txt.gz").read_bytes())
        booster = lightgbm.Booster(model_str=text)
        return FittedLightGbm(booster, facts["rounds"], facts["task"], facts["n_numeric"])


@dataclass(frozen=True)
class FittedLightGbm:
    """A booster and how many of its rounds count."""

    booster: Any
    rounds: int
    task: Task
    n_numeric: int

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values."""
        # One thread for few rows: waking the others takes longer than the work.
        few: dict[str, Any] = {"num_threads": 1} if len(X) < 100 else {}
        out = self.booster.predict(_matrix(X), num_iteration=self.rounds, **few)
        answer: FloatArray = np.asarray(out, float)
        return both_classes(answer) if self.task == "binary" else answer

    def with_rounds(self, rounds: int) -> FittedLightGbm:
        """The same trees cut after that many rounds (all of them when there are fewer)."""
        return replace(self, rounds=max(1, min(rounds, self.trained_rounds)))

    @cached_property
    def trained_rounds(self) -> int:
        """How many rounds the booster holds."""
        return int(self.booster.current_iteration())

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The same trees as ONNX nodes; what comes back is the name of their answers."""
        from modelwright.families.onnx_trees import add_lightgbm

        return add_lightgbm(self, graph, numeric, codes)

    def export(self, folder: Path) -> None:
        """Writes one JSON file and LightGBM's own text, packed, cut to the rounds that count."""
        facts = {"rounds": self.rounds, "task": self.task, "n_numeric": self.n_numeric}
        write_fitted(folder, "LightGbm", facts, {})
        text = self.booster.model_to_string(num_iteration=self.rounds)
        # 2.2 to 2.5 times smaller at 25 to 80 MB a second; level 6 is a tenth more, and slow.
        (folder / "model.txt.gz").write_bytes(gzip.compress(text.encode("utf-8"), 1, mtime=0))


def unpacked(data: bytes) -> str:
    """The text that gzip packed; InputError beyond 2 GB, as no model of ours is so long."""
    reader = zlib.decompressobj(wbits=31)
    text = reader.decompress(data, MAX_TEXT)
    if not reader.eof:
        raise InputError(f"model.txt.gz is cut short, or unpacks to over {MAX_TEXT // 10**9} GB.")
    return text.decode("utf-8")


def _move(booster: Any, constants: Iterable[float]) -> None:
    """Adds a constant to every score (of each class), in the leaves of the first round."""
    first = booster.dump_model(num_iteration=1)["tree_info"]
    for number, (tree, by) in enumerate(zip(first, constants, strict=True)):
        for leaf in range(tree["num_leaves"]):
            there = booster.get_leaf_output(number, leaf)
            booster.set_leaf_output(number, leaf, there + float(by))


def _matrix(X: Inputs) -> FloatArray:
    """Numbers, then codes, as one float matrix; NaN is missing."""
    n, p = X.numeric.shape
    # A large table is kept in single precision, which is all that its copies need.
    single = X.numeric.dtype == np.float32
    out = np.empty((n, p + len(X.levels)), np.float32 if single else np.float64)
    out[:, :p] = X.numeric
    out[:, p:] = X.codes
    out[:, p:][X.codes < 0] = np.nan
    return out


def _dataset(examples: Examples, settings: dict[str, Any], reference: Any = None) -> Any:
    import lightgbm

    p = examples.X.numeric.shape[1]
    return lightgbm.Dataset(
        _matrix(examples.X),
        examples.y,
        weight=examples.weights,
        reference=reference,
        categorical_feature=list(range(p, p + len(examples.X.levels))),
        params=settings,
        free_raw_data=True,  # the bins are enough; the matrix is many times larger
    )
