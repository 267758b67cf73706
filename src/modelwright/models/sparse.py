"""What the data hardly covers: rare categories, empty combinations, thin ends, lonely rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from modelwright.core.keys import Key
from modelwright.data.one_column import column_of, feature_columns
from modelwright.data.schema import Features, Schema
from modelwright.models.association import alike_groups
from modelwright.models.groups import groups_of, shown

RARE, EXPECTED, FEW, PAIRS = 10, 20.0, 5, 8
NEIGHBOURS, LONELY, MAX_ROWS = 5, 4.0, 3000


@dataclass(frozen=True)
class Coverage:
    """Sentences about thin places, each with its counts, and lonely rows by position.

    A lonely row's fifth nearest neighbour is at least four times as far as is usual, and four
    robust deviations of the logarithm of that distance; `share_lonely` is their share of the rows
    that were looked at.
    """

    rare: tuple[str, ...]
    pairs: tuple[str, ...]
    ends: tuple[str, ...]
    lonely: npt.NDArray[np.intp]
    share_lonely: float


def coverage(features: Features, schema: Schema, names: Sequence[str], key: Key) -> Coverage:
    """The thin places of some rows; combinations are those of the columns `names` (the top 8).

    For lonely rows at most 3,000, drawn by `key`, are compared with one another.
    """
    n = len(features)
    rare = _rare(features, schema)
    ends = _ends(features, schema)
    pairs = _pairs(features, schema, names[:PAIRS]) if n else []
    rng = np.random.default_rng(key.seed(128))
    rows = np.arange(n) if n <= MAX_ROWS else np.sort(rng.choice(n, MAX_ROWS, replace=False))
    lonely = rows[_lonely(features.take(rows), schema)]
    return Coverage(tuple(rare), tuple(pairs), tuple(ends), lonely, len(lonely) / max(1, len(rows)))


def _rare(features: Features, schema: Schema) -> list[str]:
    found = []
    for info in schema.categorical:
        codes = column_of(features, schema, info.name)
        counts = np.bincount(codes[codes >= 0], minlength=len(info.categories))
        few = [(int(c), name) for name, c in zip(info.categories, counts, strict=False) if c < RARE]
        if not few:
            continue
        rows = sum(c for c, _ in few)
        listed = ", ".join(f"{name!r} ({c})" for c, name in sorted(few)[:5])
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        found.append((len(few), f"{info.name}: {len(few)} of {len(info.categories)} categories "
                      f"have fewer than {RARE} rows ({rows} in all): {listed}{more}"))  # fmt: skip
    return [sentence for _, sentence in sorted(found, key=lambda item: -item[0])]


def _ends(features: Features, schema: Schema) -> list[str]:
    """Numbers with most of their range beyond nearly all rows."""
    found = []
    for info, block, _ in feature_columns(schema):
        if block not in ("numeric", "dates"):
            continue
        values = column_of(features, schema, info.name)
        values = values[np.isfinite(values)]
        if len(values) < 100:
            continue
        low, high = np.quantile(values, [0.005, 0.995])
        span = float(values.max() - values.min())
        inside = float(high - low) / span if span > 0 else 1.0
        if inside < 0.25:
            told = f"{info.name}: 99 % of the rows lie in {inside:.1%} of its range, "
            found.append((inside, f"{told}{shown(info, low)} to {shown(info, high)}"))
    return [sentence for _, sentence in sorted(found)]


def _pairs(features: Features, schema: Schema, names: Sequence[str]) -> list[str]:
    """Combinations of two groups that have far fewer rows than independent columns would give."""
    masks: dict[str, list[tuple[str, npt.NDArray[np.bool_]]]] = {name: [] for name in names}
    for words, mask in groups_of(features, schema):
        for name in names:
            if words.startswith((f"{name} is ", f"{name} from ")) and mask.any():
                masks[name].append((words, mask))
    alike = alike_groups(features, schema)  # of these, empty combinations are no news
    found = []
    for a, b in combinations(names, 2):
        if any(a in group and b in group for group in alike):
            continue
        for words_a, mask_a in masks[a]:
            for words_b, mask_b in masks[b]:
                expected = float(mask_a.mean() * mask_b.mean() * len(mask_a))
                count = int((mask_a & mask_b).sum())
                if expected >= EXPECTED and count < FEW:
                    words = f"{words_a} and {words_b}: {count} rows"
                    found.append((-expected, f"{words}, {expected:.0f} expected by chance"))
    return [sentence for _, sentence in sorted(found)]


def _lonely(features: Features, schema: Schema) -> npt.NDArray[np.bool_]:
    """Rows far from all others; numbers count in quartile ranges, cut at 6."""
    from scipy.spatial import cKDTree

    blocks = []
    for info, block, _ in feature_columns(schema):
        if block == "texts":
            continue
        values = np.asarray(column_of(features, schema, info.name), float)
        if block == "codes":
            codes = values.astype(int)
            blocks += [(codes == c) * 0.7 for c in range(-1, min(12, len(info.categories)))]
            continue
        middle = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
        low, high = np.nanquantile(values, [0.25, 0.75]) if np.isfinite(values).any() else (0, 0)
        scale = float(high - low) or float(np.nanstd(values)) or 1.0
        blocks.append(np.clip(np.nan_to_num((values - middle) / scale), -6, 6))
    n = len(features)
    if n < 50 or not blocks:
        return np.zeros(n, bool)
    points = np.column_stack(blocks)
    far = cKDTree(points).query(points, NEIGHBOURS + 1)[0][:, -1]
    size = np.log(np.maximum(far, 1e-9))
    usual = float(np.median(size))
    deviation = 1.4826 * float(np.median(np.abs(size - usual)))
    return np.asarray(size > usual + max(LONELY * deviation, np.log(LONELY)))
