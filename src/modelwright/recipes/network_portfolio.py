"""Networks and recipes that are known to be good: where a search starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.data.array_part import ArrayPart
    from modelwright.families.device import Device
    from modelwright.families.network_design import NetworkDesign
    from modelwright.spaces import Space


def portfolio(
    space: Space, part: ArrayPart, bounds: Mapping[str, float], device: Device | None = None
) -> tuple[str, ...]:
    """Documents of the space in the order to try, without those beyond `bounds`, on the `device`.

    Where all are beyond them, narrowed ones come; where these are too, the narrowest of the space.
    """
    from modelwright.families.backbone import backbone_designs

    known: list[Any]
    if part.kind == "texts":
        known, small = text_designs(), narrow_text_designs()
    else:
        known, small = designs(), narrow()
        if part.kind == "sounds":
            known = [d for d in known if not d.recipe.augment.flip]
    if part.backbone is not None:
        known = [*backbone_designs(part.backbone), *known]
    fitting = [d for d in known if _fits(d, part, bounds, device)]
    if not fitting:
        fitting = [d for d in small if _fits(d, part, bounds, device)] or small[-1:]
    return tuple(dict.fromkeys(space.dump(space.check(design)) for design in fitting))


def narrow_documents(
    space: Space, part: ArrayPart, bounds: Mapping[str, float], device: Device | None = None
) -> tuple[tuple[str, float], ...]:
    """The small designs within the bounds with their weights, the largest first."""
    from modelwright.families.network_design import ops_for

    known: list[Any] = narrow_text_designs() if part.kind == "texts" else narrow()
    small = [d for d in known if _fits(d, part, bounds, device)]
    found = [(space.dump(space.check(d)), float(ops_for(d, part).weights)) for d in small]
    return tuple(sorted(found, key=lambda pair: -pair[1]))


def default_macs(part: ArrayPart) -> float:
    """Multiplications of the default design for one example."""
    from modelwright.families.network_design import default_design, ops_for

    return float(ops_for(default_design(part.kind), part).macs)


def designs() -> list[NetworkDesign]:
    """The default, as it is and with changed pictures; wider, deeper, depthwise ones, attention."""
    from modelwright.families.image_net import (
        Attention,
        Conv,
        Depthwise,
        Double,
        ImageNet,
        Stage,
        Style,
    )
    from modelwright.families.network_design import NetworkDesign
    from modelwright.training.recipe import AdamW, Augment, Recipe, Sgd

    wide = ImageNet(
        (Stage(64, (Conv(),), "max", False), Stage(128, (Double(),), "max"),
         Stage(128, (Conv(),), "max", False)), 32, "full", pooling="max",
    )  # fmt: skip
    residual = ImageNet(
        (Stage(16, (Double(),), "none"), Stage(32, (Double(),), "stride"),
         Stage(64, (Double(),), "stride")), 16, "full", pooling="mean",
    )  # fmt: skip
    deep = ImageNet(
        (Stage(32, (Double(),), "none"), Stage(64, (Double(),), "stride"),
         Stage(128, (Double(),), "stride")), 32, "full", pooling="mean",
    )  # fmt: skip
    mobile = ImageNet(
        (Stage(24, (Depthwise(3, 2),), "stride"), Stage(48, (Depthwise(3, 2, True),) * 2, "stride"),
         Stage(96, (Depthwise(3, 2, True),), "stride")), 24, "full", Style("batch", "hard_swish"),
    )  # fmt: skip
    seeing = ImageNet(
        (Stage(32, (Conv(),), "max"), Stage(64, (Double(),), "stride"),
         Stage(64, (Attention(4, 2),), "max")), 32, "full", Style("batch", "gelu"),
    )  # fmt: skip
    turned = Augment(flip=True)
    moved = Augment(flip=True, shift=0.1, cut=0.2)
    return [
        NetworkDesign(),
        NetworkDesign(wide),
        NetworkDesign(recipe=Recipe(augment=turned)),
        NetworkDesign(recipe=Recipe(augment=Augment(shift=0.1))),
        NetworkDesign(residual),
        NetworkDesign(deep, Recipe(Sgd(0.1), augment=moved)),
        NetworkDesign(seeing, Recipe(AdamW(2e-3))),
        NetworkDesign(mobile, Recipe(AdamW(6e-3))),
    ]


def narrow() -> list[NetworkDesign]:
    """Small networks, from about 20,000 weights down to about 700."""
    from modelwright.families.image_net import Depthwise, Double, ImageNet, Stage
    from modelwright.families.network_design import NetworkDesign
    from modelwright.training.recipe import AdamW, Recipe

    recipe = Recipe(AdamW(8e-3), batch=32)
    stages: list[tuple[Any, ...]] = [
        (Stage(12, (Double(),), "none"), Stage(24, (Double(),), "stride")),
        (Stage(16, (Depthwise(3, 2),), "stride"), Stage(32, (Depthwise(3, 2),), "stride")),
        (Stage(10, (Depthwise(3, 2),), "stride"), Stage(16, (Depthwise(3, 2),), "stride")),
        (Stage(8, (Depthwise(3, 2),), "max"), Stage(12, (Depthwise(3, 1),), "max")),
        (Stage(8, (Depthwise(3, 1),), "max"), Stage(8, (Depthwise(3, 1),), "max")),
    ]
    return [NetworkDesign(ImageNet(s, 8, "full", pooling="mean"), recipe) for s in stages]


def text_designs() -> list[Any]:
    """A bag of words, convolutions, both ends read, attention."""
    from modelwright.families.image_net import Style
    from modelwright.families.text_net import Attend, Recurrent, TextDesign, TextNet, Window
    from modelwright.training.recipe import AdamW, Recipe

    recipe = Recipe(AdamW(3e-3), batch=32)
    return [
        TextDesign(TextNet((), 64, forget=0.3, pooling="both")),
        TextDesign(),
        TextDesign(TextNet((Window(128, 3, True), Window(128, 3, True)), 128, dropout=0.5)),
        TextDesign(TextNet((Recurrent(64),), 64)),
        TextDesign(TextNet((), 128, forget=0.5, dropout=0.5), Recipe(AdamW(0.012, 0.1), batch=64)),
        TextDesign(TextNet((Window(64), Attend(2)), 64, Style("none", "gelu")), recipe),
    ]


def narrow_text_designs() -> list[Any]:
    """Bags of words with few numbers for each."""
    from modelwright.families.text_net import TextDesign, TextNet

    return [TextDesign(TextNet((), width)) for width in (32, 16, 8)]


def _fits(design: Any, part: ArrayPart, bounds: Mapping[str, float], device: Device | None) -> bool:
    from modelwright.families.device import beyond
    from modelwright.families.network_design import ops_for

    return not beyond(ops_for(design, part), bounds, device)[0]
