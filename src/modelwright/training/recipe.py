"""How a network is trained, as values: optimiser, schedule, batch, augmentation, regularisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from annotated_types import Interval

from modelwright.spaces import Log, Ordered


@dataclass(frozen=True)
class AdamW:
    """Adam with decay apart from the gradient (Loshchilov and Hutter 2019)."""

    rate: Annotated[float, Log(1e-4, 3e-2)] = 5e-3
    decay: Annotated[float, Log(1e-4, 0.3)] = 0.02


@dataclass(frozen=True)
class Sgd:
    """Gradient descent with Nesterov's momentum."""

    rate: Annotated[float, Log(3e-3, 1.0)] = 0.1
    decay: Annotated[float, Log(1e-6, 3e-3)] = 5e-4
    momentum: Annotated[float, Interval(ge=0.5, le=0.98)] = 0.9


@dataclass(frozen=True)
class Augment:
    """Random changes of pictures while training. `shift` and `cut` are shares of the height.

    `flip` turns left and right; `shift` moves by up to that much; `cut` blanks a square of that
    side (DeVries and Taylor 2017); `mix` blends pictures and labels in pairs (Zhang et al. 2018),
    with weights of a Beta distribution of that parameter.
    """

    flip: bool = False
    shift: Annotated[float, Interval(ge=0, le=0.25)] = 0.0
    cut: Annotated[float, Interval(ge=0, le=0.5)] = 0.0
    mix: Annotated[float, Interval(ge=0, le=1)] = 0.0


@dataclass(frozen=True)
class Recipe:
    """Everything about training but the length, which the trial's rung says.

    `warm` is the share of the steps in which the rate rises; `end` what is left of it at the end;
    between them it falls as half a cosine (Loshchilov and Hutter 2017), or in a straight line.

    >>> [round(Recipe().rate_at(share), 3) for share in (0, 0.1, 0.55, 1)]
    [0.04, 1.0, 0.5, 0.0]
    """

    optimiser: AdamW | Sgd = AdamW()
    batch: Annotated[Literal[32, 64, 128, 256], Ordered()] = 64
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warm: Annotated[float, Interval(ge=0, le=0.4)] = 0.1
    augment: Augment = Augment()
    smoothing: Annotated[float, Interval(ge=0, le=0.2)] = 0.05
    average: bool = False  # of the weights over the last steps (EMA)
    clip: Annotated[float, Log(0.1, 10)] = 5.0

    def rate_at(self, share: float) -> float:
        """The factor of the learning rate after that share of the steps, 0 to 1."""
        if share < self.warm:
            return 0.04 + 0.96 * share / self.warm
        if self.schedule == "constant":
            return 1.0
        past = (share - self.warm) / (1 - self.warm)
        return 1 - past if self.schedule == "linear" else 0.5 + 0.5 * math.cos(math.pi * past)


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """Plain data that `recipe_of` takes, for checkpoints.

    >>> recipe_of(recipe_json(Recipe(Sgd(0.3)))) == Recipe(Sgd(0.3))
    True
    """
    return {**asdict(recipe), "kind": type(recipe.optimiser).__name__}


def recipe_of(data: Mapping[str, Any]) -> Recipe:
    """The recipe that `recipe_json` wrote."""
    rest = {k: v for k, v in data.items() if k not in ("kind", "optimiser", "augment")}
    kind = {"AdamW": AdamW, "Sgd": Sgd}[data["kind"]]
    return Recipe(kind(**data["optimiser"]), augment=Augment(**data["augment"]), **rest)


def steered(recipe: Recipe, kind: str, value: float | str | None) -> Recipe:
    """The recipe after a coach's action on decay or augmentation (a factor), batch or optimiser."""
    optimiser = recipe.optimiser
    if kind == "batch":
        return replace(recipe, batch=int(value or recipe.batch))  # type: ignore[arg-type]
    if kind == "decay":
        by = float(value or 1)
        return replace(recipe, optimiser=replace(optimiser, decay=optimiser.decay * by))
    if kind == "augment":
        return replace(recipe, augment=_scaled(recipe.augment, float(value or 1)))
    return replace(recipe, optimiser=Sgd() if value == "Sgd" else AdamW())


def _scaled(how: Augment, by: float) -> Augment:
    """Augmentation `by` times as strong; what is off begins where it is to be stronger."""
    cut = how.cut * by if how.cut else (0.2 if by > 1 else 0.0)
    return replace(
        how, shift=min(0.25, how.shift * by), cut=min(0.5, cut), mix=min(1.0, how.mix * by)
    )
