"""A network for pictures (also those of sounds) and how it is trained, searched together."""

from __future__ import annotations

from dataclasses import dataclass

from modelwright.families.image_net import ImageNet
from modelwright.training.recipe import Recipe


@dataclass(frozen=True)
class NetworkDesign:
    """One joint space: what is good for training depends on the network.

    >>> NetworkDesign().network.stem
    32
    """

    network: ImageNet = ImageNet()
    recipe: Recipe = Recipe()
