"""What the target asks for: task, classes, the positive one; and features that give it away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, did_you_mean
from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo
from modelwright.data.schema import Task
from modelwright.data.table import Table

if TYPE_CHECKING:
    import pandas as pd

# More classes than this are rather a text or an id.
MAX_CLASSES = 1000
# Whole numbers 0..k-1 or 1..k up to this k are taken for class codes, others for quantities.
MAX_CODES = 10
# More of them are codes where each comes several times, and none so much oftener than another as
# what is counted or measured does.
SEVERAL, UNEVEN = 3, 30
_AFFIRMATIVE = ("yes", "true", "1", "y", "t", "on", "positive", "pos")
_TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


@dataclass(frozen=True)
class Target:
    """The question a target column asks; `reasons` says in words how it was settled.

    `classes` are in the order of the class codes, the positive one second in a binary task. `y` is
    int32 class codes, or float64 values, one per row of the table.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    y: npt.NDArray[Any]
    reasons: tuple[str, ...]


def check_target(table: Table, name: str) -> None:
    """Raises InputError when the target has one value only, or is nothing that can be learned."""
    info = table.info.column(name, "target column")
    if info.n_unique < 2:
        only = _labels(table.frame[name], info)[:1]
        raise InputError(
            f"the target {name!r} has one value only{f' ({only[0]!r})' if only else ''}; "
            "there is nothing to tell apart."
        )
    if info.kind == "date":
        raise InputError(f"the target {name!r} holds dates; a number or classes are expected.")
    if info.kind != "numeric" and info.n_unique > min(MAX_CLASSES, 0.5 * table.info.n_rows):
        raise InputError(
            f"the target {name!r} has {info.n_unique} different texts in {table.info.n_rows} rows; "
            "a number or a few classes are expected."
        )


def task_of(info: ColumnInfo, values: npt.NDArray[Any] | None = None) -> tuple[Task, str]:
    """The task a target column asks for, and why. `values` are its numbers, if it is numeric.

    >>> task_of(ColumnInfo("price", "numeric", n_unique=5), np.array([1.5, 2.0, 3.0, 4.0, 5.0]))[0]
    'regression'
    """
    n = info.n_unique
    if info.kind != "numeric" or values is None:
        words = f"{info.name!r} has {n} different {'texts' if info.kind != 'boolean' else 'values'}"
        return ("binary", words) if n == 2 else ("multiclass", words)
    levels = np.unique(values[~np.isnan(values)])
    if len(levels) == 2:
        return "binary", f"{info.name!r} has the two values {levels[0]:g} and {levels[1]:g}"
    whole = bool((levels == np.floor(levels)).all())
    codes = whole and levels[0] in (0, 1) and levels[-1] - levels[0] == len(levels) - 1
    if codes and len(levels) <= MAX_CODES:
        span = f"{levels[0]:g} to {levels[-1]:g}"
        return "multiclass", f"{info.name!r} has the class codes {span}"
    kind = "whole numbers" if whole else "numbers"
    return "regression", f"{info.name!r} holds {kind} from {levels[0]:g} to {levels[-1]:g}"


def are_codes(values: npt.NDArray[Any]) -> bool:
    """Whether numbers are codes of classes, however many: 0..k-1 or 1..k, and each several times.

    Tables do not ask: there a column of many whole numbers is a quantity unless the user says so.

    >>> are_codes(np.arange(300.0) % 100), are_codes(np.array([1.0, 2, 2, 3, 3]))
    (True, False)
    """
    levels, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    if not 2 <= len(levels) <= MAX_CLASSES or levels[0] not in (0, 1) or counts.min() < SEVERAL:
        return False
    return bool((np.diff(levels) == 1).all() and counts.max() <= UNEVEN * counts.min())


def read_target(
    table: Table, name: str, task: Task | None = None, positive: str | None = None
) -> Target:
    """The task, the classes and `y`. Raises InputError when the wishes do not fit the column.

    The positive label of a binary task is the one given, else the affirmative word (yes, true, 1),
    else the rarer class, else the one that sorts last.
    """
    check_target(table, name)
    info = table.info.column(name, "target column")
    column = table.frame[name]
    values = column.to_numpy(dtype=np.float64) if info.kind == "numeric" else None
    guess, reason = task_of(info, values)
    if task is None:
        task, said = guess, f"the task is {guess}: {reason}"
    else:
        _check_task(task, info, guess)
        said = f"the task is {task}, as told"
    if task == "regression":
        if positive is not None:
            raise InputError(f"a positive label ({positive!r}) does not go with regression.")
        assert values is not None
        return Target(name, task, (), values, (said,))
    labels = _labels(column, info)
    counts = np.bincount(_codes(column, info, labels), minlength=len(labels))
    reasons = [said]
    if task == "binary":
        chosen, why = _positive(labels, counts, positive)
        labels = sorted(labels, key=lambda label: label == chosen)
        reasons.append(f"the positive class is {chosen!r}, {why}")
    elif positive is not None:
        raise InputError(
            f"a positive label ({positive!r}) goes with two classes, not {len(labels)}."
        )
    y = _codes(column, info, labels)
    return Target(name, task, tuple(labels), y, tuple(reasons))


def _check_task(task: str, info: ColumnInfo, guess: Task) -> None:
    if task not in _TASKS:
        raise InputError(
            f"no task is called {task!r}.{did_you_mean(task, _TASKS)} Known: {', '.join(_TASKS)}."
        )
    if task == "regression" and info.kind != "numeric":
        raise InputError(f"regression needs a number, and {info.name!r} holds {info.kind} values.")
    if task == "binary" and info.n_unique != 2:
        raise InputError(f"a binary task needs two classes, and {info.name!r} has {info.n_unique}.")
    if task == "multiclass" and info.n_unique == 2:
        raise InputError(f"{info.name!r} has two classes; the task is binary.")
    if task == "multiclass" and info.n_unique > MAX_CLASSES:
        raise InputError(
            f"{info.name!r} has {info.n_unique} classes; at most {MAX_CLASSES} can be."
        )


def _labels(column: pd.Series[Any], info: ColumnInfo) -> list[str]:
    """The classes as text: numbers in their order, words in alphabetical order."""
    if info.kind == "numeric":
        return [col.text_of(v) for v in np.unique(column.to_numpy(dtype=np.float64))]
    return sorted(set(col.distinct(column).values))


def _codes(column: pd.Series[Any], info: ColumnInfo, labels: Sequence[str]) -> col.Codes:
    place = {label: i for i, label in enumerate(labels)}
    found = col.distinct(column)
    per = np.array([place[value] for value in found.values], dtype=np.int32)
    return found.spread(per, np.int32(-1))


def _positive(
    labels: Sequence[str], counts: npt.NDArray[np.intp], given: str | None
) -> tuple[str, str]:
    if given is not None:
        match = [x for x in labels if x == given.strip()] or [
            x for x in labels if col.number(x) == col.number(given.strip())
        ]
        if not match:
            raise InputError(
                f"the positive label {given!r} is none of the classes."
                f"{did_you_mean(given, labels)} They are {' and '.join(map(repr, labels))}."
            )
        return match[0], "as told"
    said_yes = [x for x in labels if x.lower() in _AFFIRMATIVE]
    if len(said_yes) == 1:
        return said_yes[0], "the affirmative of the two"
    if counts[0] != counts[1]:
        return labels[int(np.argmin(counts))], "the rarer of the two"
    return labels[-1], "the last of the two, which are equally frequent"


def leaks(table: Table, name: str) -> list[str]:
    """Warnings about features that equal the target or map onto it one to one."""
    target = table.info.column(name)
    y = table.frame[name]
    # Among values that hardly recur, any two columns tell one another.
    recurring = target.n_unique <= max(2, min(MAX_CLASSES, len(y) // 5))
    classes = col.distinct(y).codes if recurring else None
    values = y.to_numpy(dtype=np.float64) if target.kind == "numeric" else None
    said = []
    for info in table.info.columns:
        if info.name == name or info.kind in ("constant", "id", "text"):
            continue
        column = table.frame[info.name]
        alike = info.n_unique == target.n_unique and _one_to_one(column, classes)
        if alike or (info.kind == "numeric" and _on_a_line(column, values)):
            said.append(info.name)
    return [f"warning: {n!r} gives the target away: each tells the other exactly" for n in said]


def _one_to_one(column: pd.Series[Any], classes: npt.NDArray[np.intp] | None) -> bool:
    codes = col.distinct(column).codes
    there = codes >= 0
    if classes is None or not there.any():
        return False
    left, right = codes[there].astype(np.int64), classes[there].astype(np.int64)
    n = len(np.unique(left * (int(right.max()) + 1) + right))  # pairs as one number: no sorting
    return bool(n > 1 and n == len(np.unique(left)) == len(np.unique(right)))


def _on_a_line(column: pd.Series[Any], values: npt.NDArray[np.float64] | None) -> bool:
    """True when the target is the feature times one number plus another."""
    if values is None:
        return False
    x = column.to_numpy(dtype=np.float64)
    there = ~np.isnan(x)
    x, y = _unit(x[there]), _unit(values[there])
    if len(x) < 10 or x.std() == 0 or y.std() == 0:
        return False
    return bool(abs(np.corrcoef(x, y)[0, 1]) > 1 - 1e-9)


def _unit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The values between -1 and 1, so that their squares are finite."""
    return values / max(float(np.abs(values).max(initial=0.0)), 1e-300)
