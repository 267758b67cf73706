"""What the labels of a collection ask for: a class, or a number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.data import columns as col
from modelwright.data.collection import Collection
from modelwright.data.kinds import infer
from modelwright.data.schema import Task
from modelwright.data.target import task_of

Values = npt.NDArray[np.float64]


def asked_of(found: Collection, task: Task | None = None) -> tuple[npt.NDArray[Any], str]:
    """Names of classes, or float64 values where a number is asked for, `[n]`; and why, in words.

    A column of a table asks what it asks of tables (`data.target.task_of`), floats in an array ask
    for a number, folders name classes; `task` overrides that. Raises InputError for a number that
    is asked for where there is none, and where all are the same.

    >>> from modelwright.data.texts import TextFront
    >>> front = TextFront((), 4)
    >>> labels, none = np.array(["1.5", "2", "7"]), np.zeros(3, bool)
    >>> prices = Collection("texts", np.zeros((3, 4, 4)), labels, none, front, target="price")
    >>> asked_of(prices)
    (array([1.5, 2. , 7. ]), "the task is regression: 'price' holds numbers from 1.5 to 7")
    >>> asked_of(prices, "multiclass")[0].tolist()
    ['1.5', '2', '7']
    """
    name = repr(found.target) if found.target else "the label"
    if task is None and found.labels.dtype.kind == "f":
        guess, why = "regression", "the labels are floats"
    elif task is None and found.target:
        guess, why = _guess(found)
        why = f"the task is {guess}: {why}"
    else:
        guess, why = task or "multiclass", "" if task is None else f"the task is {task}, as told"
    if guess != "regression":
        plain = found.labels.dtype.kind != "f"
        return found.labels if plain else np.array([*map(col.text_of, found.labels)]), why
    values = values_of(found)
    if np.ptp(values) == 0:
        raise InputError(f"{name} is {values[0]:g} for all examples; there is nothing to learn.")
    return values, why


def values_of(found: Collection) -> Values:
    """The labels as numbers, `[n]`. Raises InputError for one that is none."""
    name = repr(found.target) if found.target else "the label"
    values = found.labels if found.labels.dtype.kind == "f" else _numbers(found)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InputError(
            f"regression needs a number for each example, and {name} is "
            f"{str(found.labels[wrong[0]])!r} in one of {len(wrong)} that have none; leave them "
            "out, or say --task multiclass."
        )
    return np.asarray(values, np.float64)


def check_examples(classes: Iterable[str], counts: npt.NDArray[np.intp]) -> None:
    """Raises InputError for fewer than two classes, or three examples of one to learn from."""
    names = list(classes)
    if len(names) < 2:
        raise InputError(f"all examples are of one class, {names[0]!r}; 2 are needed.")
    if counts.min() < 3:
        raise InputError(
            f"class {names[counts.argmin()]!r} has {counts.min()} examples to learn from; "
            "3 are needed."
        )


def _numbers(found: Collection) -> Values:
    import pandas as pd

    column = pd.Series(found.labels)
    return col.numbers(column, infer(found.target or "label", column, kind="numeric"))[0]


def _guess(found: Collection) -> tuple[Task, str]:
    """The task that a table's column asks for, and why."""
    import pandas as pd

    column = pd.Series(found.labels)
    info = infer(found.target, column)
    return task_of(info, col.numbers(column, info)[0] if info.kind == "numeric" else None)
