"""A network and how it is trained, searched together: the space for each kind of examples."""

from __future__ import annotations

from dataclasses import dataclass

from modelwright.core.errors import InputError
from modelwright.data.array_part import ArrayPart
from modelwright.families.image_net import ImageNet
from modelwright.families.net_ops import Ops
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


Design = NetworkDesign | TextDesign


def default_design(kind: str) -> Design:
    """The default for a kind of examples: images, sounds, texts."""
    return TextDesign() if kind == "texts" else NetworkDesign()


def network_space(kind: str) -> Space:
    """The space of networks for a kind of examples.

    Pictures of sounds are not mirrored, and texts not changed as pictures are.
    """
    if kind == "texts":
        return Space(TextDesign, settled={Augment: {"flip", "shift", "cut", "mix"}})
    return Space(NetworkDesign, settled={Augment: {"flip"}} if kind == "sounds" else None)


def ops_for(design: Design, part: ArrayPart) -> Ops:
    """The operations of a design's network on these examples.

    Raises InputError for the design of another kind of examples.
    """
    if isinstance(design, TextDesign) != (part.kind == "texts"):
        raise InputError(f"a {type(design).__name__} is no network for {part.kind}.")
    if isinstance(design, TextDesign):
        return design.network.ops(part.shape, len(part.classes), part.ids)
    return design.network.ops(part.shape, len(part.classes))
