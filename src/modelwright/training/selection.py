"""Which rows a training draws: by what their losses in the last epochs tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
SEEN_LESS = 0.4  # weight of a learnt row
SEEN_MORE = 2.0  # of a row of a hard class
BLOCK = 4096  # rows looked at in one go
# The choices a coach may name; "finite" leaves out rows with numbers that are not.
CHOICES = ("unsuspected", "unlearnt", "hard", "finite")


def selection(choice: str, losses: Numbers, y: npt.NDArray[np.int64], chance: float) -> Numbers:
    """The weights `[n]` of rows with these `losses` (NaN where never seen) and classes `y`.

    A row whose loss is above `chance`, that of a guess, while most are learnt, is suspected of a
    wrong label (small losses are learnt first: Arpit et al. 2017; Han et al. 2018).

    >>> selection("unsuspected", np.array([0.1, 3.0, 0.2]), np.array([0, 0, 1]), 2.3)
    array([1., 0., 1.])
    """
    if choice == "unsuspected":
        return np.where(losses > chance, 0.0, 1.0)
    if choice == "unlearnt":
        return np.where(losses < learnt_below(chance), SEEN_LESS, 1.0)
    each = by_class(losses, y)
    worst = max(each, key=lambda k: each[k])
    return np.where(y == worst, SEEN_MORE, 1.0)


def at_random(weights: Numbers, rng: np.random.Generator) -> Numbers:
    """The control: as many rows of each weight, drawn by chance."""
    return rng.permutation(weights)


def learnt_below(chance: float) -> float:
    """The loss of a row that counts as learnt."""
    return 0.25 * chance


def by_class(losses: Numbers, y: npt.NDArray[np.int64]) -> Mapping[int, float]:
    """Each class's mean loss over the rows that were seen."""
    seen = np.isfinite(losses)
    return {int(k): float(losses[seen & (y == k)].mean()) for k in np.unique(y[seen])}


def row_facts(losses: Numbers, y: npt.NDArray[np.int64], chance: float) -> dict[str, float]:
    """`suspects`, `learnt`, `hardest` of `coach_rules.Watch`; nothing before all were seen once."""
    if not np.isfinite(losses).mean() > 0.9:
        return {}
    middle = float(np.nanmedian(losses))
    each = list(by_class(losses, y).values())
    return {
        "suspects": float((losses > chance).mean()) if middle < 0.6 * chance else 0.0,
        "learnt": float((losses < learnt_below(chance)).mean()),
        "hardest": max(each) / max(1e-9, float(np.median(each))),
    }


def finite_rows(x: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Which rows have finite numbers only, `[n]`; read in blocks, for `x` may lie on disk."""
    if x.dtype.kind != "f":
        return np.ones(len(x), bool)
    parts = [
        np.isfinite(x[at : at + BLOCK]).reshape(len(x[at : at + BLOCK]), -1).all(axis=1)
        for at in range(0, len(x), BLOCK)
    ]
    return np.concatenate(parts)
