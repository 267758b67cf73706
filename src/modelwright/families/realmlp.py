"""RealMLP: an MLP with strong preparation (Holzmüller et al. 2024, arXiv:2407.04491)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

from modelwright.families.feature_work import FeatureWork
from modelwright.families.net_fit import NetDesign, NetPlan
from modelwright.spaces import Log


@dataclass(frozen=True)
class RealMlp(NetDesign):
    """One MLP over robustly scaled numbers, each with an embedding of it beside it.

    Numbers have median 0 and quartile range 1, squeezed into ±3; categories are 0/1 columns, large
    ones are embedded. Each input has a scale of its own that learns fast, so that useless columns
    fade. With `numbers="periodic"`, `wave_spread` is the deviation of the waves' first frequencies:
    high where the answer changes quickly along a number. `smoothing` moves that much of each label
    to all classes.

    What differs from the paper: numbers are embedded by pieces between quantiles rather than waves,
    which was better on what we measured; SiLU instead of SELU and Mish, no parametric activations,
    constant dropout and weight decay, one cosine in fewer epochs instead of four waves in 256, and
    the epoch is chosen by log loss or squared error.

    >>> from modelwright.families.base import Examples, Inputs
    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(-2, 2, (300, 1))
    >>> toy = Examples(Inputs.of(x), np.cos(3 * x[:, 0]), "regression")
    >>> net = RealMlp(width=32).fit(toy)
    >>> net.predict(Inputs.of([[0.0], [1.0]])).round().tolist()
    [1.0, -1.0]
    """

    width: Annotated[int, Log(32, 512)] = 256
    depth: Annotated[int, Interval(ge=1, le=4)] = 3
    numbers: Literal["piecewise", "periodic", "plain"] = "piecewise"
    number_parts: Annotated[int, Log(4, 64)] = 48
    number_size: Annotated[int, Log(2, 16)] = 8
    wave_spread: Annotated[float, Log(0.02, 3.0)] = 0.1
    activation: Literal["silu", "relu"] = "silu"
    dropout: Annotated[float, Interval(ge=0, le=0.5)] = 0.3
    learning_rate: Annotated[float, Log(0.004, 0.2)] = 0.04
    weight_decay: Annotated[float, Log(1e-4, 1.0)] = 0.02
    smoothing: Annotated[float, Interval(ge=0, le=0.2)] = 0.0
    epochs: Annotated[int, Log(8, 128)] = 24
    features: FeatureWork = FeatureWork()

    name: ClassVar[str] = "RealMlp"

    def plan(self) -> NetPlan:
        """The fields in the words of the trainer."""
        return NetPlan(
            (self.width,) * self.depth,
            self.epochs,
            self.learning_rate,
            self.weight_decay,
            self.dropout,
            self.smoothing,
            activation=self.activation,
            numbers=self.numbers,
            number_parts=self.number_parts,
            number_size=self.number_size,
            scale_speed=6.0,
            spread=self.wave_spread,
        )
