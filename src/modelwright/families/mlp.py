"""A small plain MLP: what a larger model is distilled into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Interval

from modelwright.families.feature_work import FeatureWork
from modelwright.families.net_fit import NetDesign, NetPlan
from modelwright.spaces import Log


@dataclass(frozen=True)
class SmallMlp(NetDesign):
    """An MLP of a few kilobytes: `depth` layers of `width`, no embedding of numbers, no dropout.

    >>> from modelwright.families.base import Examples, Inputs
    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    >>> toy = Examples(Inputs.of(x), x[:, 0] * x[:, 1], "regression")
    >>> SmallMlp().fit(toy).predict(Inputs.of([[0.5, 0.5]])).round(1).tolist()
    [0.2]
    """

    width: Annotated[int, Log(8, 128)] = 48
    depth: Annotated[int, Interval(ge=1, le=3)] = 2
    learning_rate: Annotated[float, Log(0.004, 0.2)] = 0.04
    weight_decay: Annotated[float, Log(1e-4, 1.0)] = 1e-3
    epochs: Annotated[int, Log(8, 128)] = 48
    features: FeatureWork = FeatureWork()

    name: ClassVar[str] = "SmallMlp"

    def plan(self) -> NetPlan:
        """A plain net of few weights."""
        return NetPlan(
            (self.width,) * self.depth, self.epochs, self.learning_rate, self.weight_decay,
            category_size=4, scale_speed=6.0,
        )  # fmt: skip
