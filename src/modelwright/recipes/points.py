"""What the page that questions a question is made of: points, and what they look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from modelwright.recipes.question import Question

if TYPE_CHECKING:
    from modelwright.data import Part, Table, Target
    from modelwright.models.metrics import Metric

Level = Literal["warning", "hint", "fact"]


@dataclass(frozen=True)
class Point:
    """One sentence with its number: what it is about, and how much it matters."""

    topic: str
    level: Level
    sentence: str


@dataclass(frozen=True)
class Asked:
    """A question with its table: what the points look at."""

    question: Question
    table: Table
    target: Target
    part: Part
    metric: Metric
    n_sealed: int
    slots: int

    @property
    def shares(self) -> Any:
        """The share of each class, `[k]`."""
        counts = np.bincount(np.asarray(self.target.y), minlength=len(self.target.classes))
        return counts / counts.sum()
