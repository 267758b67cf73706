"""Which columns tell what answers shall not depend on: proxies for protected columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo
from modelwright.data.strength import binned, strength
from modelwright.recipes.points import Asked, Point

MAX_ROWS, SHOWN = 4000, 4
PROXY_AUC, PROXY_SKILL = 0.7, 0.2
_SOUNDS = re.compile(
    r"(?:^|[^a-z])(sex|gender|race|ethnic\w*|religion\w*|nationality|citizen\w*|age|birth\w*|dob|"
    r"disab\w*|marital\w*|pregnan\w*|orientation|native\w*|foreign\w*)(?:$|[^a-z])", re.IGNORECASE
)  # fmt: skip


def sounds_protected(name: str) -> bool:
    """True for a name such as `sex`, `Race` or `age_years`; a hint, not a ruling.

    >>> [n for n in ("sex", "age_years", "page", "NativeCountry", "usage") if sounds_protected(n)]
    ['sex', 'age_years', 'NativeCountry']
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return bool(_SOUNDS.search(words.replace("_", " ")))


def proxy_points(asked: Asked, protect: Sequence[str]) -> Iterator[Point]:
    """Per protected column (named, or with a telling name) who tells it, alone and together."""
    infos = {c.name: c for c in asked.table.info.columns}
    guessed = [
        n for n in infos if sounds_protected(n) and n not in protect and n != asked.target.name
    ]
    for name in (*protect, *guessed[:SHOWN]):
        info = infos[name]
        if info.kind in ("id", "constant", "text", "date"):
            continue
        y, k = _kinds(asked.table.frame[name], info)
        if k < 2:
            continue
        used = any(c.name == name for c in asked.part.schema.columns)
        told = "is among the columns that the model sees" if used else "is not given to the model"
        why = "" if name in protect else " (its name sounds like one to protect; --protect NAME)"
        found = _proxies(asked, name, y, k)
        if not found:
            yield Point(
                "protected columns", "hint" if used else "fact",
                f"{name!r}{why} {told}; no other column tells it with ROC AUC {PROXY_AUC} or more.",
            )  # fmt: skip
            continue
        listed = ", ".join(f"{other!r} {auc:.2f}" for auc, other in found[:SHOWN])
        yield Point(
            "protected columns", "warning" if name in protect else "hint",
            f"{name!r}{why} {told}, and other columns tell it (ROC AUC alone): {listed}"
            f"{_together(asked, name, y, k)}; dropping it does not hide it.",
        )  # fmt: skip


def _kinds(column: Any, info: ColumnInfo) -> tuple[Any, int]:
    """The protected column as few kinds: its categories, or below and above the median."""
    if info.kind == "numeric":
        values = column.to_numpy(dtype=np.float64)
        there = np.isfinite(values)
        levels = np.unique(values[there])
        if len(levels) <= 6:
            return np.where(there, np.searchsorted(levels, values), -1), len(levels)
        return np.where(there, (values > np.median(values[there])).astype(int), -1), 2
    codes = np.asarray(col.distinct(column).codes).astype(int)
    counts = np.bincount(codes[codes >= 0])
    place = np.full(len(counts), min(5, len(counts) - 1))
    place[np.argsort(-counts)[:5]] = np.arange(min(5, len(counts)))
    return np.where(codes >= 0, place[codes], -1), int(place.max(initial=0)) + 1


def _sample(y: Any) -> Any:
    rows = np.flatnonzero(y >= 0)
    if len(rows) <= MAX_ROWS:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MAX_ROWS, replace=False))


def _proxies(asked: Asked, name: str, y: Any, k: int) -> list[tuple[float, str]]:
    rows = _sample(y)
    found = []
    for info in asked.part.schema.columns:
        if info.name == name or info.kind == "text":
            continue
        column = asked.table.frame[info.name].iloc[rows]
        if info.kind in ("numeric", "date"):
            plain = column.astype("int64") if info.kind == "date" else column
            codes = binned(np.asarray(plain, dtype=np.float64))
        else:
            codes = col.distinct(column).codes
        auc = strength(codes, y[rows], k).auc
        if auc is not None and auc >= PROXY_AUC:
            found.append((auc, info.name))
    return sorted(found, reverse=True)


def _together(asked: Asked, name: str, y: Any, k: int) -> str:
    """How well all columns but the protected one tell it, by one boosted model on unseen rows."""
    from modelwright.evaluators.table import examples_of
    from modelwright.families import available
    from modelwright.models.formulas import roc_auc

    types, _ = available(["LightGbm"])
    place = y[asked.part.rows]
    rows = np.flatnonzero(place >= 0)[: 2 * MAX_ROWS : 2]
    if not types or len(rows) < 100 or asked.part.schema.texts:
        return ""
    part = asked.part
    keep = tuple(c for c in part.schema.columns if c.name != name)
    if not keep:
        return ""
    columns = {
        "numeric": [j for j, c in enumerate(part.schema.numeric) if c.name != name],
        "dates": [j for j, c in enumerate(part.schema.dates) if c.name != name],
        "codes": [j for j, c in enumerate(part.schema.categorical) if c.name != name],
    }
    blocks: dict[str, Any] = {b: getattr(part.features, b)[:, j] for b, j in columns.items()}
    features = replace(part.features, **blocks)
    schema = replace(part.schema, columns=keep, task="binary" if k == 2 else "multiclass",
                     classes=tuple(map(str, range(k))))  # fmt: skip
    other = replace(part, schema=schema, features=features, y=place, weights=None)
    examples = examples_of(other, "squared")
    half = len(rows) * 2 // 3
    order = np.random.default_rng(0).permutation(rows)
    fitted = types[0]().fit(examples.take(order[:half]), rounds=60)
    out = fitted.predict(examples.X.take(order[half:]))
    auc = roc_auc(place[order[half:]], out, np.ones(len(order) - half))
    return f"; all together with {auc:.2f}"
