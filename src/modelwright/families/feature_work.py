"""Feature work: the columns that a design makes before its family sees the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from modelwright.families.base import Inputs
from modelwright.spaces import Log


@dataclass(frozen=True)
class FeatureWork:
    """Which columns are made, learned from the training rows of a fold and nothing else.

    `targets`: categories with more than `above` levels get their mean answer, out of fold and
    drawn towards the mean of all as by `smoothing` rows; `beside` the category, or `instead` of it.
    `shares`: such categories also get their share of the rows. `crosses`: how many pairs of
    categories, at most, get their mean answer. `combinations`: how many sums, differences, products
    and ratios of numbers. `aggregates`: how many places of a number among the rows of a category.
    Of these three the most telling are taken, none where none tells more than chance. `gaps`: how
    many cells are missing, and which. `rare`: categories of fewer rows count as one. `texts`:
    hashed word counts, or TF-IDF of n-grams in 32 dimensions (dearer, and learned).

    >>> FeatureWork().idle(Inputs.of([[1.0]])), FeatureWork(gaps=True).idle(Inputs.of([[1.0]]))
    (True, False)
    """

    targets: Literal["none", "beside", "instead"] = "none"
    above: Annotated[int, Log(2, 200)] = 10
    smoothing: Annotated[float, Log(1.0, 300.0)] = 20.0
    shares: bool = False
    crosses: Annotated[int, Interval(ge=0, le=4)] = 0
    combinations: Annotated[int, Interval(ge=0, le=12)] = 0
    aggregates: Annotated[int, Interval(ge=0, le=6)] = 0
    gaps: bool = False
    rare: Annotated[int, Log(1, 50)] = 1
    texts: Literal["hashed", "tfidf"] = "hashed"

    @staticmethod
    def settled(n_numbers: int, n_categories: int, texts: bool, gaps: bool) -> frozenset[str]:
        """The fields that change nothing on a table with so many columns, texts or gaps.

        >>> sorted(FeatureWork.settled(5, 0, texts=False, gaps=True) - {"above", "smoothing"})
        ['aggregates', 'crosses', 'rare', 'shares', 'targets', 'texts']
        """
        found = {"crosses"} if n_categories < 2 else set()
        if not n_categories:
            found |= {"targets", "above", "smoothing", "shares", "aggregates", "rare"}
        if n_numbers < 2:
            found |= {"combinations"} if n_numbers else {"combinations", "aggregates"}
        return frozenset(found | (set() if texts else {"texts"}) | (set() if gaps else {"gaps"}))

    def encoded(self, X: Inputs, limit: int) -> list[int]:
        """The code columns with more than `above` levels: the `limit` that have most, in order."""
        many = [j for j, levels in enumerate(X.levels) if levels > self.above]
        return sorted(sorted(many, key=lambda j: -X.levels[j])[:limit])

    def idle(self, X: Inputs) -> bool:
        """True when there is nothing to do on such a table."""
        numbers, codes = X.numeric.shape[1], len(X.levels)
        return not (
            X.texts
            or self.gaps
            or ((self.targets != "none" or self.shares) and self.encoded(X, 1))
            or (self.crosses and codes > 1)
            or (self.combinations and numbers > 1)
            or (self.aggregates and codes and numbers)
            or (self.rare > 1 and codes)
        )
