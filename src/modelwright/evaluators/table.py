"""A prepared table as evaluators see it: loaded once per worker, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.data.prepare import Part, load_part
from modelwright.data.protected import attributes_of, joint_cells
from modelwright.data.schema import Schema
from modelwright.families.base import Examples, Inputs, IntArray, Loss
from modelwright.families.inputs import inputs_of, places_of
from modelwright.models.crossfit import Validation

# Declared directions: the name of a numeric column, and +1 (rising) or -1 (falling).
Monotone = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class TableData:
    """Development rows: the part as written, its inputs, and who validates whom."""

    part: Part
    examples: Examples
    validation: Validation

    def training_rows(self, fold: int, share: float, seed: int) -> Any:
        """Positions that train in a fold; of them a random share, equal for equal seeds."""
        rows = np.flatnonzero(self.part.parts[fold] == 1)
        if share >= 1:
            return rows
        rng = np.random.default_rng(Key.of(seed).child("rows", fold).seed(128))
        return np.sort(rng.choice(rows, max(2, round(share * len(rows))), replace=False))


@lru_cache(maxsize=2)
def load_table(
    folder: Path, loss: Loss = "squared", quantile: float = 0.5, monotone: Monotone = ()
) -> TableData:
    """The part that `data.prepare` wrote there. Raises InputError when there is none."""
    if not (folder / "part.json").exists():
        raise InputError(f"there is no prepared table in {str(folder)!r}.")
    part = load_part(folder)
    return TableData(part, examples_of(part, loss, quantile, monotone), validation_of(part))


def validation_of(part: Part) -> Validation:
    """The labelled rows of a part, and which folds validate them."""
    schema = part.schema
    per_repeat = max(1, len(part.parts) // max(1, part.repeats))
    return Validation(
        np.asarray(part.y), part.parts, schema.task, _n_classes(part), per_repeat, _weights(part),
        None if part.cells is None else joint_cells(part.protected, part.cells),
    )  # fmt: skip


def _n_classes(part: Part) -> int:
    return 0 if part.schema.task == "regression" else len(part.schema.classes)


def _weights(part: Part) -> Any:
    return None if part.weights is None else np.nan_to_num(np.asarray(part.weights))


def examples_of(part: Part, loss: Loss, quantile: float = 0.5, monotone: Monotone = ()) -> Examples:
    """The rows of a part as families take them; `monotone` is by column, `(("age", 1), ...)`."""
    schema = part.schema
    X: Inputs = inputs_of(part.features, schema)
    return Examples(
        X, np.asarray(part.y), schema.task, _n_classes(part), _weights(part), loss, quantile,
        signs_of(monotone, schema, X.numeric.shape[1]), groups_of(part),
    )  # fmt: skip


def groups_of(part: Part) -> IntArray | None:
    """The group of each row in each attribute, `[n, n_attributes]`; None without protected ones."""
    if part.cells is None:
        return None
    return np.stack([a.cells for a in attributes_of(part.protected, part.cells)], axis=1)


def signs_of(monotone: Monotone, schema: Schema, n_numeric: int) -> tuple[int, ...]:
    """The declared directions as one sign per numeric column of the inputs; () for none."""
    if not monotone:
        return ()
    places = places_of(schema)
    signs = [0] * n_numeric
    for name, sign in monotone:
        signs[places[name][1].start] = sign
    return tuple(signs)
