"""TabICL, a foundation model for tables: an optional library, and weights that a person has."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from modelwright.core.errors import InputError
from modelwright.data.schema import Schema
from modelwright.families import WITH_WEIGHTS
from modelwright.families.base import (
    Examples,
    FloatArray,
    Inputs,
    nothing_to_learn,
    present_classes,
    read_fitted,
    spread,
    write_fitted,
)
from modelwright.families.dummy import Dummy, FittedDummy
from modelwright.families.feature_texts import Hashed
from modelwright.families.feature_work import FeatureWork
from modelwright.families.inputs import DATE_PARTS
from modelwright.spaces import Log

WEIGHTS, LICENCE = WITH_WEIGHTS["TabIcl"]
MAX_ROWS, MAX_COLUMNS = 20_000, 200
_AT_ONCE = 5_000  # rows answered in one pass
_LARGE = 1e15  # its square is still a number in single precision


@dataclass(frozen=True)
class TabIcl:
    """Answers new rows by looking at all training rows at once; nothing is trained here.

    Source: Qu et al. 2025, "TabICL", and its library's second version; the weights are the person's
    to download (`tabicl-classifier*.ckpt`, `tabicl-regressor*.ckpt` in the folder that
    MODELWRIGHT_TABICL names) and are never fetched. `members` views of the table, with columns and
    classes in other orders, are averaged. Categories go in as numbers. The fitted model holds the
    training rows and not the weights, which have to be there to predict, too. Row weights are not
    taken into account.

    >>> TabIcl().licence
    'BSD-3-Clause'
    """

    members: Annotated[int, Log(1, 16)] = 4
    features: FeatureWork = FeatureWork()

    name: ClassVar[str] = "TabIcl"
    contains_rows: ClassVar[bool] = True
    keeps_monotone: ClassVar[bool] = False
    licence: ClassVar[str] = LICENCE

    @staticmethod
    def why_not(schema: Schema, n_rows: int, weighted: bool) -> str:
        """Why it cannot be searched for a table of so many rows; empty where it can."""
        columns = width_of(schema)
        if n_rows > MAX_ROWS or columns > MAX_COLUMNS:
            return (
                f"TabIcl takes up to {MAX_ROWS} rows of {MAX_COLUMNS} columns; this table has "
                f"{n_rows} of {columns} as models see them"
            )
        if weighted:
            return "TabIcl knows no row weights"
        try:
            find_weights("classifier" if schema.classes else "regressor")
        except InputError as error:
            return str(error).rstrip(".")
        return ""

    def fit(
        self,
        examples: Examples,
        *,
        threads: int = 1,
        seed: int = 0,
        validation: Examples | None = None,
        rounds: int | None = None,
    ) -> FittedTabIcl | FittedDummy:
        """Keeps the rows; the orders of columns and classes are drawn from `seed`.

        Raises InputError for more than 20,000 rows or 200 columns, and without weights.
        """
        if nothing_to_learn(examples):
            return Dummy().fit(examples)
        X = _matrix(examples.X)
        if len(X) > MAX_ROWS or X.shape[1] > MAX_COLUMNS:
            raise InputError(
                f"TabIcl takes up to {MAX_ROWS} rows of {MAX_COLUMNS} columns; "
                f"got {len(X)} of {X.shape[1]}."
            )
        kind: Kind = "classifier" if examples.n_classes else "regressor"
        weights = find_weights(kind)[-1]
        level = None if examples.n_classes or examples.loss == "squared" else examples.level
        facts = {
            "kind": kind, "members": self.members, "seed": seed % 2**31, "threads": threads,
            "n_classes": examples.n_classes, "level": level, "weights": _hash(weights),
        }  # fmt: skip
        y = examples.y.astype(np.int64 if examples.n_classes else np.float32)
        known = present_classes(examples) if examples.n_classes else np.zeros(0, np.int64)
        return FittedTabIcl(facts, {"X": X, "y": y, "known": known})

    @staticmethod
    def load(folder: Path) -> FittedTabIcl:
        """The fitted model that `export` wrote; its weights are looked for when it is asked."""
        facts, arrays = read_fitted(folder)
        facts.pop("family")
        return FittedTabIcl(facts, arrays)


Kind = Literal["classifier", "regressor"]


@dataclass(frozen=True)
class FittedTabIcl:
    """Training rows, and how they are to be looked at."""

    facts: dict[str, Any]
    arrays: dict[str, Any]
    rounds: ClassVar[None] = None

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values; seconds for a call, not milliseconds."""
        table = _matrix(X)
        parts = [self._part(table[i : i + _AT_ONCE]) for i in range(0, len(table), _AT_ONCE)]
        k = self.facts["n_classes"]
        return np.concatenate(parts) if parts else np.zeros((0, k) if k else 0)

    def _part(self, table: FloatArray) -> FloatArray:
        if self.facts["n_classes"]:
            shares = np.asarray(self._model.predict_proba(table), float)
            return spread(shares, self.arrays["known"], self.facts["n_classes"])
        if self.facts["level"] is None:
            return np.asarray(self._model.predict(table), float)
        told = self._model.predict(table, output_type="quantiles", alphas=[self.facts["level"]])
        return np.asarray(told, float).reshape(len(table))

    @cached_property
    def _model(self) -> Any:
        import tabicl

        facts = self.facts
        known = find_weights(facts["kind"])
        path = next((p for p in known if _hash(p) == facts["weights"]), None)
        if path is None:
            raise InputError(
                f"this model was made with other weights of TabIcl than {known[-1].name!r}; name "
                f"the folder with those in {WEIGHTS}."
            )
        kinds = {"classifier": tabicl.TabICLClassifier, "regressor": tabicl.TabICLRegressor}
        model = kinds[facts["kind"]](
            n_estimators=facts["members"], model_path=path, allow_auto_download=False,
            device="cpu", random_state=facts["seed"], n_jobs=facts["threads"],
        )  # fmt: skip
        return model.fit(self.arrays["X"], self.arrays["y"])

    def with_rounds(self, rounds: int) -> FittedTabIcl:
        """Itself: there are no rounds."""
        return self

    def export(self, folder: Path) -> None:
        """Writes the training rows and the hash of the weights, not the weights."""
        write_fitted(folder, "TabIcl", self.facts, self.arrays)


def width_of(schema: Schema) -> int:
    """How many columns a model sees of a table, before it makes any of its own."""
    dates, texts = DATE_PARTS * len(schema.dates), Hashed.width * len(schema.texts)
    return len(schema.numeric) + len(schema.categorical) + dates + texts


def find_weights(kind: Kind) -> list[Path]:
    """The weights of that kind in the folder that MODELWRIGHT_TABICL names, the newest name last.

    Raises InputError where the variable is not set, or the folder has no such file.
    """
    folder = os.environ.get(WEIGHTS)
    if not folder:
        raise InputError(f"TabIcl needs weights: name their folder in {WEIGHTS}.")
    found = sorted(Path(folder).glob(f"tabicl-{kind}*.ckpt"))
    if not found:
        raise InputError(f"there is no tabicl-{kind}*.ckpt in {folder!r}, which {WEIGHTS} names.")
    return found


def _hash(path: Path) -> str:
    return _hash_of(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _hash_of(path: Path, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _matrix(X: Inputs) -> FloatArray:
    """Numbers, then codes, in single precision; NaN is missing."""
    codes = np.where(X.codes < 0, np.nan, X.codes.astype(np.float32))
    numeric = np.where(np.isfinite(X.numeric), np.clip(X.numeric, -_LARGE, _LARGE), np.nan)
    return np.concatenate([numeric.astype(np.float32), codes.astype(np.float32)], axis=1)
