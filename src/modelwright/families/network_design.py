"""A network and how it is trained, searched together: the space for each kind of examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelwright.core.errors import InputError
from modelwright.data.array_part import ArrayPart
from modelwright.families.backbone import Backbone, BackboneDesign
from modelwright.families.image_net import ImageNet
from modelwright.families.net_ops import Ops, one_after_another
from modelwright.families.text_net import TextDesign
from modelwright.spaces import Space
from modelwright.training.recipe import Augment, Recipe


@dataclass(frozen=True)
class NetworkDesign:
    """For pictures (also those of sounds): what is good for training depends on the network.

    >>> NetworkDesign().network.stem
    32
    """

    network: ImageNet = ImageNet()
    recipe: Recipe = Recipe()


Design = NetworkDesign | TextDesign | BackboneDesign
SIDE, ROWS = 64, 4  # pixels, and rows of numbers, that a network of our own reads at most


def default_design(kind: str) -> Design:
    """The default for a kind of examples: images, sounds, texts."""
    return TextDesign() if kind == "texts" else NetworkDesign()


def network_space(kind: str, backbone: Mapping[str, Any] | None = None) -> Space:
    """The space of networks for a kind of examples.

    Pictures of sounds are not mirrored, and texts not changed as pictures are. With the facts of a
    `backbone` it is one more choice; which modes of it are searched depends on what these say.
    """
    own = TextDesign if kind == "texts" else NetworkDesign
    fixed = {"texts": {"flip", "shift", "cut", "mix"}, "sounds": {"flip"}}.get(kind, set())
    settled: dict[type, set[str]] = {Augment: fixed} if fixed else {}
    if backbone is None:
        return Space(own, settled=settled)
    if not (backbone["deep"] and backbone["projections"]):
        settled[Backbone] = {"mode", "rank", "slow"}
    return Space(own | BackboneDesign, settled=settled)


def ops_for(design: Design, part: ArrayPart) -> Ops:
    """The operations of a design's network on these examples.

    Raises InputError for the design of another kind of examples.
    """
    n = len(part.classes) or 1
    if isinstance(design, BackboneDesign):
        if part.backbone is None:
            raise InputError("there is no backbone: name its folder with --backbone.")
        scaled = (part.shift.tolist(), part.scale.tolist())
        ops = design.network.ops(part.shape, n, part.backbone, scaled)
    elif isinstance(design, TextDesign) != (part.kind == "texts"):
        raise InputError(f"a {type(design).__name__} is no network for {part.kind}.")
    else:
        seen = _without_backbone(part)
        told = (part.ids,) if isinstance(design, TextDesign) else ()
        ops = design.network.ops(seen.shape_of(len(seen.steps) - 1), n, *told)
        ops = one_after_another(seen, ops) if seen.steps else ops
    if not part.classes:
        ops.unit(len(ops.steps) - 1, *part.unit)
    return ops


def _without_backbone(part: ArrayPart) -> Ops:
    """What makes of examples that were read for a backbone those that our own networks read."""
    ops = Ops(part.shape)
    if part.kind == "texts" and part.shape[0] > ROWS:
        ops.take(-1, 0, ROWS, "words")
    if part.kind == "images" and max(part.shape[1:]) > SIDE:
        ops.pool(-1, "mean", -(-max(part.shape[1:]) // SIDE), "shrink")
    return ops
