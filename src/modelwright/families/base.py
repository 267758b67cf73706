"""What a family of models is: a type that is its own search space, and what fitting gives.

To add one: a frozen dataclass with `name`, `fit` and `load` in a file of its own, and a row in
`families.FAMILIES`. `modelwright.testing.family.check_family` is its test suite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
Task = Literal["binary", "multiclass", "regression"]
Loss = Literal["squared", "absolute", "quantile"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows as numbers, category codes and texts, the form in which a table is learned from.

    `numeric` is `[n, p]`, NaN (or infinite) where a value is missing; the parts of dates are among
    them. `codes` is `[n, q]`, whole numbers: -1 is missing, `0..levels[j]-1` the known categories
    of column j, anything else a category that was never seen. `texts` has one object array `[n]`
    of str or None for each text column; families look past it, feature work makes numbers of it
    (`pipeline.fit_design`).

    >>> rows = Inputs.of([[1.0], [np.nan]], [[0], [-1]])
    >>> len(rows), rows.levels
    (2, (1,))
    """

    numeric: FloatArray
    codes: IntArray
    levels: tuple[int, ...] = ()
    texts: tuple[npt.NDArray[np.object_], ...] = ()

    def __post_init__(self) -> None:
        n, m = self.numeric.shape[0], self.codes.shape[0]
        if n != m or self.codes.shape[1] != len(self.levels):
            raise InputError(
                f"numeric {self.numeric.shape}, codes {self.codes.shape} and {len(self.levels)} "
                "levels do not describe the same rows."
            )
        if self.texts and any(len(t) != n for t in self.texts):
            raise InputError(f"texts {[len(t) for t in self.texts]} do not describe {n} rows.")

    @classmethod
    def of(cls, numeric: Any, codes: Any = None) -> Inputs:
        """Inputs from anything array-like; levels are counted from the codes."""
        a = np.asarray(numeric, dtype=float)
        b = np.empty((len(a), 0), np.int32) if codes is None else np.asarray(codes, np.int32)
        return cls(a, b, tuple(int(c) + 1 for c in b.max(axis=0, initial=-1)))

    def __len__(self) -> int:
        return int(self.numeric.shape[0])

    def take(self, rows: Any) -> Inputs:
        """The rows at these positions (or of this slice or mask)."""
        texts = tuple(t[rows] for t in self.texts) if self.texts else ()
        return Inputs(self.numeric[rows], self.codes[rows], self.levels, texts)

    def joined(self, other: Inputs) -> Inputs:
        """These rows, then those of the other, which has the same columns."""
        return Inputs(
            np.concatenate([self.numeric, other.numeric]),
            np.concatenate([self.codes, other.codes]),
            self.levels,
            tuple(np.concatenate(pair) for pair in zip(self.texts, other.texts, strict=True)),
        )


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled rows: what a family is fitted on.

    `y` is `[n]`: class numbers `0..n_classes-1`, or values for regression (`n_classes` is 0). A
    class may be absent from the rows. `loss` says what regression errors cost: their square, their
    size, or the pinball loss of the quantile at level `quantile`; families that cannot minimise the
    last two directly minimise the square. `monotone` has one entry per column of `X.numeric` (none
    at all: nothing is declared): +1 where the answer (the share of class 1) may only rise with the
    value, -1 where it may only fall, 0 where it is free. Only families with `keeps_monotone` heed
    it. `groups` has the number of each row's group in each protected attribute, `[n, k]`, where any
    is declared; only mitigated designs heed them.

    >>> Examples(Inputs.of([[0.0], [1.0]]), np.array([0.0, 1.0]), "regression", monotone=(1,)).level
    0.5
    """

    X: Inputs
    y: npt.NDArray[Any]
    task: Task
    n_classes: int = 0
    weights: FloatArray | None = None
    loss: Loss = "squared"
    quantile: float = 0.5
    monotone: tuple[int, ...] = ()
    groups: IntArray | None = None

    def __post_init__(self) -> None:
        if len(self.X) != len(self.y) or not len(self.y):
            raise InputError(f"{len(self.X)} rows and {len(self.y)} labels; expected as many, >0.")
        if (self.task == "regression") != (self.n_classes == 0):
            raise InputError(f"task {self.task} does not go with {self.n_classes} classes.")
        if not 0 < self.quantile < 1:
            raise InputError(f"a quantile lies between 0 and 1; got {self.quantile}.")
        if self.monotone:
            self._check_monotone()

    def _check_monotone(self) -> None:
        columns = self.X.numeric.shape[1]
        if len(self.monotone) != columns or not set(self.monotone) <= {-1, 0, 1}:
            raise InputError(
                f"monotone has -1, 0 or 1 for each of {columns} numeric columns; "
                f"got {self.monotone}."
            )
        if self.task == "multiclass" and any(self.monotone):
            raise InputError("monotone columns go with two classes or a number to predict.")

    def take(self, rows: Any) -> Examples:
        """The examples at these positions."""
        w = None if self.weights is None else self.weights[rows]
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, X=self.X.take(rows), y=self.y[rows], weights=w, groups=groups)

    @property
    def weight(self) -> FloatArray:
        """The weights `[n]`, ones where none were given."""
        return np.ones(len(self.y)) if self.weights is None else np.asarray(self.weights, float)

    @property
    def level(self) -> float:
        """The level of the quantile that `loss` asks for: a half where errors count by size."""
        return self.quantile if self.loss == "quantile" else 0.5


@runtime_checkable
class Fitted(Protocol):
    """A fitted model."""

    @property
    def rounds(self) -> int | None:
        """How many rounds of boosting it uses; None where there is no such number."""

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values; `X` is not changed."""
        ...

    def with_rounds(self, rounds: int) -> Fitted:
        """The same model cut after that many rounds, or itself."""
        ...

    def export(self, folder: Path) -> None:
        """Writes it into an empty folder, without pickle; `load` predicts identically."""


@runtime_checkable
class Family(Protocol):
    """A design of one family: its fields are the search space.

    `contains_rows` tells that a fitted model holds training rows, which matters to whoever may not
    hand them on. `keeps_monotone` tells that its models are monotone where `Examples.monotone`
    asks for it, everywhere and not only on the training rows.
    """

    name: ClassVar[str]
    contains_rows: ClassVar[bool]
    keeps_monotone: ClassVar[bool]

    def fit(
        self,
        examples: Examples,
        *,
        threads: int = 1,
        seed: int = 0,
        validation: Examples | None = None,
        rounds: int | None = None,
    ) -> Fitted:
        """Fits with `threads` threads, all randomness taken from `seed`.

        A boosted family stops at the best round on `validation`; without it `rounds` says how
        many, and without either a tenth of the rows is set aside to find out.
        """
        ...

    @staticmethod
    def load(folder: Path) -> Fitted:
        """The fitted model that `export` wrote into that folder."""
        ...


def write_fitted(
    folder: Path, family: str, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Writes `fitted.json` and, when there are arrays, `arrays.safetensors` into `folder`."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"family": family, **facts}, sort_keys=True, indent=1)
    (folder / "fitted.json").write_text(text, encoding="utf-8")
    if arrays:
        plain = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
        save_file(plain, str(folder / "arrays.safetensors"))


def read_fitted(folder: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """What `write_fitted` wrote: the facts (with `family`) and the arrays."""
    from safetensors.numpy import load_file

    facts = json.loads((folder / "fitted.json").read_text(encoding="utf-8"))
    path = folder / "arrays.safetensors"
    return facts, (load_file(str(path)) if path.exists() else {})


def inner_split(examples: Examples, seed: int, share: float = 0.1) -> tuple[Examples, Examples]:
    """Training and validation part of some rows, at random, classes in proportion."""
    n = len(examples.y)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    if examples.task != "regression":
        order = order[np.argsort(examples.y[order], kind="stable")]
    every = max(2, round(1 / share))
    held = np.arange(n) % every == int(rng.integers(min(every, n)))
    if not held.any() or held.all():
        return examples, examples
    return examples.take(np.sort(order[~held])), examples.take(np.sort(order[held]))


def weighted_quantile(values: FloatArray, weights: FloatArray, level: float) -> float:
    """The smallest value with a share `level` of the weight at or below it.

    >>> weighted_quantile(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4), 0.75)
    3.0
    """
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] * level)])


def found_rounds(design: Family, examples: Examples, threads: int, seed: int) -> int:
    """How many rounds a boosted design needs: the best ones on a tenth that is set aside."""
    part, held = inner_split(examples, seed)
    return design.fit(part, threads=threads, seed=seed, validation=held).rounds or 1


def nothing_to_learn(examples: Examples) -> bool:
    """True without any column, or with rows of one class only."""
    columns = examples.X.numeric.shape[1] + len(examples.X.levels)
    return columns == 0 or (examples.n_classes > 0 and len(present_classes(examples)) < 2)


def weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """The smallest value with half of the weight at or below it."""
    return weighted_quantile(values, weights, 0.5)


def present_classes(examples: Examples) -> IntArray:
    """The class numbers that occur, rising."""
    return np.unique(examples.y).astype(np.int64)


def spread(probabilities: FloatArray, classes: IntArray, n_classes: int) -> FloatArray:
    """Probabilities over the classes that were seen as `[n, n_classes]`, zero for the others."""
    if len(classes) == n_classes:
        return probabilities
    out = np.zeros((len(probabilities), n_classes))
    out[:, classes] = probabilities
    return out


def both_classes(positive: FloatArray) -> FloatArray:
    """`[n]` probabilities of the second class as `[n, 2]`."""
    return np.column_stack([1 - positive, positive])


def softmax(scores: FloatArray) -> FloatArray:
    """Row-wise softmax of `[n, k]`, safe for large scores."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
