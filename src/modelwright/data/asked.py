"""What the labels of a collection ask for: a class, or a number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.data import columns as col
from modelwright.data.collection import Collection
from modelwright.data.kinds import infer
from modelwright.data.schema import Task
from modelwright.data.target import are_codes, task_of

Values = npt.NDArray[np.float64]


def asked_of(found: Collection, task: Task | None = None) -> tuple[npt.NDArray[Any], str]:
    """Names of classes, or float64 values where a number is asked for, `[n]`; and why, in words.

    A column of a table, and floats in an array, ask what a column asks of tables
    (`data.target.task_of`), but that many codes are classes, too (`are_codes`). Folders name
    classes, and so do whole numbers in an array; `task` overrides that. Raises InputError for a
    number that is asked for where there is none, where all are the same, and for a task that does
    not go with the classes.

    >>> from modelwright.data.texts import TextFront
    >>> front = TextFront((), 4)
    >>> labels, none = np.array(["1.5", "2", "7"]), np.zeros(3, bool)
    >>> prices = Collection("texts", np.zeros((3, 4, 4)), labels, none, front, target="price")
    >>> asked_of(prices)
    (array([1.5, 2. , 7. ]), "the task is regression: 'price' holds numbers from 1.5 to 7")
    >>> asked_of(prices, "multiclass")[0].tolist()
    ['1.5', '2', '7']
    """
    guess, why = _guess(found) if task is None else (task, f"the task is {task}, as told")
    if guess != "regression":
        labels = names_of(found)
        _check_classes(task, len(np.unique(labels)), _name(found))
        return labels, why
    values = values_of(found)
    if np.ptp(values) == 0:
        raise InputError(f"{_name(found)} is {values[0]:g} for all examples: nothing to learn.")
    return values, why


def names_of(found: Collection) -> npt.NDArray[np.str_]:
    """The labels as names of classes, `[n]`: whole floats without their `.0`."""
    if found.labels.dtype.kind != "f":
        return found.labels
    if not np.isfinite(found.labels).all():
        raise InputError(f"{_name(found)} is missing in some examples; leave them out.")
    return np.array([*map(col.text_of, found.labels)])


def values_of(found: Collection) -> Values:
    """The labels as numbers, `[n]`. Raises InputError for one that is none."""
    values = found.labels if found.labels.dtype.kind == "f" else _numbers(found)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InputError(
            f"regression needs a number for each example, and {_name(found)} is "
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


def _name(found: Collection) -> str:
    return repr(found.target) if found.target else "the label"


def _check_classes(task: Task | None, n: int, name: str) -> None:
    """Refuses a task that was told and does not go with so many classes."""
    if task == "binary" and n != 2:
        raise InputError(f"a binary task needs two classes, and {name} has {n}.")
    if task == "multiclass" and n == 2:
        raise InputError(f"{name} has two classes; the task is binary.")


def _guess(found: Collection) -> tuple[Task, str]:
    """The task that the labels ask for, and why; nothing is said of what names classes anyway."""
    import pandas as pd

    if not found.target and found.labels.dtype.kind != "f":
        return "multiclass", ""
    column = pd.Series(found.labels)
    info = infer(found.target or "y", column)
    if info.kind == "id" and info.low is not None:  # what is asked for is no name of a row
        info = replace(info, kind="numeric")
    values = col.numbers(column, info)[0] if info.kind == "numeric" else None
    guess, why = task_of(info, values)
    if values is not None and guess == "regression" and are_codes(values):
        low, high = np.nanmin(values), np.nanmax(values)
        guess, why = (
            "multiclass",
            (
                f"{info.name!r} has the class codes {low:g} to {high:g}, each several times; say "
                "--task regression if they are quantities"
            ),
        )
    return guess, f"the task is {guess}: {why}"
