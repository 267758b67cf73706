"""Columns to doubt before money is spent: they give the target away, repeat, or hold nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo
from modelwright.data.strength import binned, order_auc, strength
from modelwright.data.table import Table
from modelwright.data.target import Target

MAX_ROWS = 5000
LEAK_AUC, LEAK_SKILL = 0.998, 0.98  # measured on 40 honest tables, see docs/notebook.md
STRONG_AUC, STRONG_SKILL = 0.98, 0.9
CHANCE = 1e-6
RECURRING = 0.2  # distinct values as a share of the rows, below which values recur

_TELLS = (
    "it likely gives the target away; is it known when a prediction is made? If not, --drop it."
)

Kind = Literal[
    "leak", "derived", "missing tells", "strong", "duplicate", "id", "constant", "near constant"
]


@dataclass(frozen=True)
class Suspect:
    """A column, what is wrong with it, and a sentence with its number.

    `warning` is True where the column likely gives the target away, which no score would reveal;
    the others are hints.
    """

    column: str
    kind: Kind
    sentence: str
    warning: bool = False


def suspects(
    table: Table, target: Target, aside: Sequence[str] = (), seed: int = 0
) -> list[Suspect]:
    """The doubtful columns of a table, warnings first; `aside` names columns that are no features.

    At most 5,000 rows, drawn by `seed`, are looked at. A column gives the target away when it alone
    predicts unseen rows nearly without error, when the target is a formula of it, or when it is
    missing exactly in rows of one kind; whether it would be known at the time of a prediction only
    a person can tell.
    """
    there = (
        np.flatnonzero(np.isfinite(target.y)) if not target.classes else np.arange(len(target.y))
    )
    if len(there) > MAX_ROWS:
        rng = np.random.default_rng(seed)
        there = np.sort(rng.choice(there, MAX_ROWS, replace=False))
    frame = table.frame.iloc[there].reset_index(drop=True)
    y, k = np.asarray(target.y)[there], len(target.classes)
    found: list[Suspect] = []
    codes: dict[str, npt.NDArray[Any]] = {}
    for info in table.info.columns:
        if info.name == target.name or info.name in aside:
            continue
        if info.kind in ("constant", "id"):
            found.append(_left_out(info))
            continue
        column = frame[info.name]
        numbers = _numbers(column, info)
        # Text and words that hardly recur are told apart by their first appearance.
        known = col.distinct(column).codes if numbers is None else None
        found += _of_column(info, numbers, known, y, k, target)
        codes[info.name] = _signature(numbers, known)
    found += _duplicates(codes)
    return sorted(found, key=lambda s: not s.warning)


def suspect_notes(
    table: Table, target: Target, aside: Sequence[str], known: Iterable[str]
) -> list[str]:
    """Sentences for the plan's notes; columns that `known` notes call a leak are not told twice.

    What is left out, and what merely tells little, is not among them.
    """
    said = [note for note in known if "gives the target away" in note]
    told = []
    for suspect in suspects(table, target, aside):
        if suspect.kind in ("id", "constant", "near constant"):
            continue
        if any(repr(suspect.column) in note for note in said):
            continue
        told.append(("warning: " if suspect.warning else "") + suspect.sentence.rstrip("."))
    return told


def _left_out(info: ColumnInfo) -> Suspect:
    why = info.note or ("names the row" if info.kind == "id" else "has one value")
    kind: Kind = "id" if info.kind == "id" else "constant"
    return Suspect(info.name, kind, f"{info.name!r} {why}: it is left out.")


def _of_column(
    info: ColumnInfo,
    numbers: npt.NDArray[np.float64] | None,
    known: npt.NDArray[Any] | None,
    y: npt.NDArray[Any],
    k: int,
    target: Target,
) -> Iterator[Suspect]:
    missing = ~np.isfinite(numbers) if numbers is not None else np.asarray(known) < 0
    telling = _missing_tells(info, missing, y, target)
    if telling is not None:
        yield telling
    if numbers is not None:
        yield from _formula(info, numbers, y, k, target)
        yield from _counter(info, numbers)
        codes = binned(numbers)
    else:
        assert known is not None, "a column that holds no numbers has codes"
        codes = known
    counts = np.bincount(_by_appearance(numbers) if numbers is not None else codes + 1)
    others = len(codes) - int(counts.max())
    if others <= max(3, len(codes) // 1000):
        share = counts.max() / len(codes)
        said = f"{info.name!r} has one value in {share:.2%} of the rows: it can tell little."
        yield Suspect(info.name, "near constant", said)
        return
    order = 0.5 if numbers is None or k != 2 else order_auc(numbers, np.asarray(y) == 1)
    if order >= LEAK_AUC:  # bins are too wide to tell it where one class is rare
        yield Suspect(
            info.name, "leak", f"{info.name!r} alone orders the two classes of {target.name!r} "
            f"with ROC AUC {order:.4f}: {_TELLS}", True,
        )  # fmt: skip
    elif info.kind != "text":
        yield from _leak(info, codes, y, k, target)


def _leak(
    info: ColumnInfo, codes: npt.NDArray[Any], y: npt.NDArray[Any], k: int, target: Target
) -> Iterator[Suspect]:
    made = strength(codes, y, k)
    told = f"R² {made.skill:.3f} of ranks" if made.auc is None else f"ROC AUC {made.auc:.4f}"
    said = f"{info.name!r} alone predicts {target.name!r} on unseen rows with {told}"
    leak = made.skill >= LEAK_SKILL if made.auc is None else (
        made.auc >= LEAK_AUC and made.skill >= STRONG_SKILL
    )  # fmt: skip
    if leak:
        yield Suspect(
            info.name, "leak", f"{said}: {_TELLS}", True,
        )  # fmt: skip
    elif made.skill >= STRONG_SKILL or (made.auc or 0.0) >= STRONG_AUC:
        yield Suspect(info.name, "strong", f"{said}: make sure that it is known beforehand.")


def _formula(
    info: ColumnInfo,
    numbers: npt.NDArray[np.float64],
    y: npt.NDArray[Any],
    k: int,
    target: Target,
) -> Iterator[Suspect]:
    """The target as a formula of a number: a line, or any rising or falling curve."""
    there = np.isfinite(numbers)
    x, z = numbers[there], np.asarray(y, float)[there]
    if k or len(np.unique(x)) < 20 or len(np.unique(z)) < 20:
        return
    line = abs(float(np.corrcoef(x / np.abs(x).max(), z / (np.abs(z).max() or 1.0))[0, 1]))
    order = np.lexsort((z, x))
    steps = np.diff(z[order])
    same = np.diff(x[order]) == 0
    curve = (
        max(float((steps[~same] >= 0).mean()), float((steps[~same] <= 0).mean())) >= 0.999
        and not (steps[same] != 0).any()
    )
    if line > 1 - 1e-6 or curve:
        what = f"correlation {line:.6f}" if line > 1 - 1e-6 else "each larger value goes with one"
        yield Suspect(
            info.name, "derived", f"{target.name!r} is a formula of {info.name!r} ({what}): it "
            "gives the target away; --drop it.", True,
        )  # fmt: skip


def _counter(info: ColumnInfo, numbers: npt.NDArray[np.float64]) -> Iterator[Suspect]:
    there = numbers[np.isfinite(numbers)]
    whole = len(there) >= 50 and bool((there == np.floor(there)).all())
    if whole and (np.diff(there) > 0).all():
        yield Suspect(
            info.name, "id",
            f"{info.name!r} rises with every row, like a running number or a time: it can only "
            "tell the order of the rows.",
        )  # fmt: skip


def _missing_tells(
    info: ColumnInfo, missing: npt.NDArray[np.bool_], y: npt.NDArray[Any], target: Target
) -> Suspect | None:
    """A column that is missing (or present) in rows of one kind of target only."""
    n = len(missing)
    few = int(min(missing.sum(), (~missing).sum()))
    if few < 20:
        return None
    side = missing if missing.sum() == few else ~missing
    word = "missing" if side is missing else "present"
    if target.classes:
        kinds, label = np.asarray(y), target.classes
    else:
        middle = float(np.median(y))
        kinds, label = (np.asarray(y) > middle).astype(int), ("at most", "above")
    counts = np.bincount(kinds[side], minlength=len(label))
    top = int(counts.argmax())
    share = float((kinds == top).mean())
    pure = counts[top] / few
    # As pure as this by chance: all of `few` rows, each of this kind with probability `share`.
    if pure < 0.995 or few * np.log10(max(share, 1e-12)) > np.log10(CHANCE):
        return None
    kind = repr(label[top]) if target.classes else f"{label[top]} the median"
    exact = int((side == (kinds == top)).sum()) / n
    said = (
        f"{info.name!r} is {word} in {few} of {n} rows, and in {pure:.1%} of these "
        f"{target.name!r} is {kind} (of all rows {share:.1%})"
    )
    if exact > 0.99:
        return Suspect(
            info.name, "missing tells", f"{said}: its gaps give the target away; it may be filled "
            "in afterwards.", True,
        )  # fmt: skip
    return Suspect(info.name, "missing tells", f"{said}: was it filled in before or after?")


def _duplicates(codes: dict[str, npt.NDArray[Any]]) -> Iterator[Suspect]:
    seen: dict[bytes, str] = {}
    for name, column in codes.items():
        if len(np.unique(column)) < 2:
            continue
        first = seen.setdefault(column.tobytes(), name)
        if first != name:
            yield Suspect(
                name, "duplicate",
                f"{name!r} and {first!r} tell exactly the same (each value of one goes with one "
                "of the other): one of them is enough.",
            )  # fmt: skip


def _signature(
    numbers: npt.NDArray[np.float64] | None, known: npt.NDArray[Any] | None
) -> npt.NDArray[Any]:
    """What columns that tell the same have in common.

    Columns whose values recur agree when one renames the other. Where nearly all values differ any
    two columns rename one another, so there numbers agree when they lie on a line.
    """
    if numbers is None:
        assert known is not None, "a column that holds no numbers has codes"
        recurs = known.max(initial=0) < RECURRING * len(known)
        return _by_appearance(known) if recurs else np.zeros(1, np.int64)
    if len(np.unique(numbers[np.isfinite(numbers)])) < RECURRING * len(numbers):
        return _by_appearance(numbers)
    there = np.flatnonzero(np.isfinite(numbers))
    low, high = there[np.argsort(numbers[there])[[0, -1]]]
    first, last = min(low, high), max(low, high)  # the same rows whichever way the line goes
    line = (numbers - numbers[first]) / (numbers[last] - numbers[first])
    return np.asarray(np.round(line, 9))


def _by_appearance(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Codes in the order of first appearance, so that columns that rename one another agree."""
    plain = np.asarray(values, float)
    _, first, codes = np.unique(
        np.where(np.isfinite(plain), plain, -np.inf), return_index=True, return_inverse=True
    )
    place = np.empty(len(first), np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    return np.asarray(place[codes])


def _numbers(column: Any, info: ColumnInfo) -> npt.NDArray[np.float64] | None:
    if info.kind == "numeric":
        return np.asarray(column.to_numpy(dtype=np.float64))
    if info.kind == "date":
        days = column.to_numpy(dtype="datetime64[s]")
        return np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(float))
    return None
