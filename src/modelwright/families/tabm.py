"""TabM: one MLP that stands for an ensemble of them (Gorishniy et al. 2024, arXiv:2410.24210)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from modelwright.families.feature_work import FeatureWork
from modelwright.families.net_fit import NetDesign, NetPlan
from modelwright.spaces import Log


@dataclass(frozen=True)
class TabM(NetDesign):
    """`members` nets in one: they share all layers, each has its own scale of inputs and head.

    This is the paper's "mini" variant. Every member is trained on its own loss, and the answer is
    the mean of their shares or values. Numbers are cut into `number_parts` pieces at quantiles (or
    waves are taken of them) and mapped to `number_size` values each.

    What differs from the paper: numbers are robustly scaled and squeezed, the number itself goes on
    beside its embedding, the learning rate falls to zero along half a cosine in few epochs, and
    layers have the speeds of the neural tangent parametrisation.

    >>> from modelwright.families.base import Examples, Inputs
    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    >>> toy = Examples(Inputs.of(x), (x[:, 0] * x[:, 1] > 0).astype(int), "binary", 2)
    >>> net = TabM(members=4, width=32).fit(toy)
    >>> net.predict(Inputs.of([[0.5, 0.5], [0.5, -0.5]])).argmax(axis=1).tolist()
    [1, 0]
    """

    width: Annotated[int, Log(32, 512)] = 192
    depth: Annotated[int, Interval(ge=1, le=4)] = 2
    members: Annotated[int, Log(4, 32)] = 8
    numbers: Literal["piecewise", "periodic", "plain"] = "piecewise"
    number_parts: Annotated[int, Log(4, 64)] = 48
    number_size: Annotated[int, Log(2, 16)] = 8
    dropout: Annotated[float, Interval(ge=0, le=0.5)] = 0.0
    learning_rate: Annotated[float, Log(0.004, 0.3)] = 0.1
    weight_decay: Annotated[float, Log(1e-4, 1.0)] = 0.02
    epochs: Annotated[int, Log(8, 64)] = 24
    features: FeatureWork = FeatureWork()

    name: ClassVar[str] = "TabM"

    def plan(self) -> NetPlan:
        """The fields in the words of the trainer."""
        return NetPlan(
            (self.width,) * self.depth,
            self.epochs,
            self.learning_rate,
            self.weight_decay,
            self.dropout,
            members=self.members,
            activation="relu",
            numbers=self.numbers,
            number_parts=self.number_parts,
            number_size=self.number_size,
        )
