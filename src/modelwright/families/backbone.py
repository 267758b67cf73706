"""A pretrained backbone as a network: its features, and classes from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Interval

from modelwright.core.errors import InputError
from modelwright.families.net_ops import Ops
from modelwright.spaces import Log, Ordered
from modelwright.training.recipe import AdamW, Recipe

Mode = Literal["frozen", "low_rank", "tuned"]


@dataclass(frozen=True)
class Backbone:
    """The features of the backbone that the person named, normalised, and a linear head.

    `frozen` learns the head alone, from features that were taken once. `low_rank` also learns
    matrices of that `rank` beside the projections to queries and values (Hu et al. 2021, "LoRA",
    with alpha twice the rank), `tuned` all weights; both at `slow` times the rate of the head.
    `pooling` is the mean over all places, the first place (a class token, where there is one), or
    both.

    >>> Backbone().words()
    'backbone, frozen'
    """

    mode: Mode = "frozen"
    rank: Annotated[Literal[2, 4, 8, 16], Ordered()] = 8
    slow: Annotated[float, Log(1e-3, 1.0)] = 0.1
    pooling: Literal["mean", "first", "both"] = "both"
    dropout: Annotated[float, Interval(ge=0, le=0.6)] = 0.1

    def ops(
        self, shape: tuple[int, ...], n_answers: int, facts: Mapping[str, Any], scaled: Any = ()
    ) -> Ops:
        """The operations for raw examples of that `shape`.

        `facts` are those that were written beside the data (`recipes.backbone`), `scaled` the shift
        and the scale that pictures come with.
        """
        ops, width = Ops(shape), int(facts["width"])
        if self.mode == "low_rank" and not facts["projections"]:
            raise InputError(
                f"{facts['name']} has no projections that could be learnt at a low rank."
            )
        x = ops.backbone(-1, facts, self.mode, self.rank, self.slow, scaled)
        if self.pooling != "both":
            x = ops.take(x, 0 if self.pooling == "mean" else width, width, name=self.pooling)
        x = ops.dropout(ops.norm(x, "batch", "features.norm"), round(self.dropout, 6))
        ops.linear(x, n_answers, name="head")
        return ops

    def words(self) -> str:
        """What it is in a few words."""
        how = {"low_rank": f"learnt at rank {self.rank}", "tuned": "all weights tuned"}
        return f"backbone, {how.get(self.mode, self.mode)}"


@dataclass(frozen=True)
class BackboneDesign:
    """A pretrained backbone, and how what is learnt of it is trained.

    >>> BackboneDesign().network.mode
    'frozen'
    """

    network: Backbone = Backbone()
    recipe: Recipe = Recipe(AdamW(3e-3), batch=32)


def backbone_designs(facts: Mapping[str, Any]) -> list[BackboneDesign]:
    """Where a search starts: frozen; learnt at a low rank, or whole, where there is time for it."""
    found = [BackboneDesign()]
    if facts["deep"]:
        recipe = Recipe(AdamW(2e-3), batch=32)
        found += [BackboneDesign(Backbone("low_rank"), recipe)] if facts["projections"] else []
        found.append(BackboneDesign(Backbone("tuned", slow=0.02), recipe))
    found.append(BackboneDesign(Backbone(pooling="mean", dropout=0.3), Recipe(AdamW(1e-2))))
    return found
