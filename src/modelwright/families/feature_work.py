"""Feature work: the columns that a design makes before its family sees the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from modelwright.families.base import Inputs


@dataclass(frozen=True)
class FeatureWork:
    """Which columns are made, learned from the training rows of a fold and nothing else.

    `texts`: hashed word counts, or TF-IDF of n-grams in 32 dimensions (dearer, and learned).

    >>> FeatureWork().idle(Inputs.of([[1.0]]))
    True
    """

    texts: Literal["hashed", "tfidf"] = "hashed"

    def idle(self, X: Inputs) -> bool:
        """True when there is nothing to do on such a table."""
        return not X.texts
