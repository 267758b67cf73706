"""A child that answers what its parent did, or says that it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from modelwright.core.keys import Key  # noqa: E402
from modelwright.families.image_net import (  # noqa: E402
    Conv,
    Depthwise,
    Double,
    ImageNet,
    Stage,
    Style,
)
from modelwright.families.net_ops import Ops  # noqa: E402
from modelwright.families.text_net import Recurrent, TextNet, Window  # noqa: E402
from modelwright.spaces import Space  # noqa: E402
from modelwright.training.inherit import Inherited, inherit  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402

NET = ImageNet(
    (Stage(8, (Conv(), Depthwise(3, 2, True)), "max"), Stage(12, (Double(), Conv()), "stride")), 8,
    "full", pooling="both",
)  # fmt: skip
PLAIN = ImageNet((Stage(8, (Conv(),), "none", False),), 8, "full")
WORDS = TextNet((Recurrent(4), Window(6)), 8)
FIRST, SECOND = NET.stages


def arrays(net: TorchNet) -> dict[str, Any]:
    return {name: value.detach().numpy().copy() for name, value in net.state_dict().items()}


def trained(ops: Ops) -> TorchNet:
    """A network of which no number is at its start, those that norms measure included."""
    net = TorchNet(ops)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("var"):
                value.uniform_(0.5, 2.0)
            elif value.ndim == 1 or name.endswith("bias"):
                value.add_(0.3 * torch.randn_like(value))
    return net


def passed_on(old: Ops, new: Ops, x: Any, seed: int = 0) -> tuple[Inherited, float, TorchNet]:
    """What the child inherits, how far its answers are from the parent's, and the child."""
    torch.manual_seed(seed)
    parent, child = trained(old), TorchNet(new)
    found = inherit(old, arrays(parent), new, arrays(child), seed)
    child.load_state_dict({k: torch.from_numpy(v) for k, v in found.state.items()})
    with torch.no_grad():
        a, b = parent.eval()(x), child.eval()(x)
    return found, float((a - b).abs().max() / a.abs().max().clamp(min=1)), child


def pictures(net: ImageNet) -> Ops:
    return net.ops((1, 8, 8), 3)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (NET, replace(NET, stem=11), "widened"),
        (NET, replace(NET, stages=(replace(FIRST, width=13), SECOND)), "widened"),
        (NET, replace(NET, stages=(FIRST, replace(SECOND, width=30))), "widened"),
        (NET, replace(NET, stages=(FIRST, replace(SECOND, blocks=(Double(5), Conv())))), "grown"),
        (NET, replace(NET, stages=(FIRST, replace(SECOND, blocks=(Double(), Conv(), Conv())))),
         "deepened"),
        (NET, replace(NET, stages=(replace(FIRST, blocks=(Conv(), Double(5), *FIRST.blocks[1:])),
                                   SECOND)), "deepened"),
        (NET, replace(NET, stages=(FIRST, replace(SECOND, blocks=(
            *SECOND.blocks, Depthwise(5, 2, True))))), "deepened"),
        (PLAIN, replace(PLAIN, stages=(replace(PLAIN.stages[0], blocks=(Conv(5), Conv())),)),
         "deepened"),
        (PLAIN, replace(PLAIN, stages=(*PLAIN.stages, Stage(13, (Depthwise(),), "none"))),
         "deepened"),
    ],
)  # fmt: skip
def test_wider_and_deeper_children_answer_as_their_parents(
    old: ImageNet, new: ImageNet, word: str
) -> None:
    x = torch.randn(6, 1, 8, 8)
    found, apart, child = passed_on(pictures(old), pictures(new), x)
    assert found.exact
    assert apart < 1e-5
    assert word in found.how.values()
    # Copies of one channel do not stay copies: each gets another gradient.
    child.train()
    child(x).square().sum().backward()
    for name, value in child.named_parameters():
        if found.how[name] == "widened" and name.endswith("weight") and value.ndim == 4:
            assert value.grad is not None
            rows = value.grad.flatten(1)
            assert len(torch.unique(rows, dim=0)) == len(rows), name


@pytest.mark.parametrize(
    "new", [replace(WORDS, width=13), replace(WORDS, blocks=(Recurrent(6), Window(9, 5)))]
)
def test_texts_too(new: TextNet) -> None:
    x = torch.randint(0, 20, (5, 4, 12))
    found, apart, _ = passed_on(WORDS.ops((4, 12), 3, 20), new.ops((4, 12), 3, 20), x)
    assert found.exact
    assert apart < 1e-5


def test_what_cannot_be_kept_is_taken_in_parts_and_said() -> None:
    narrow = replace(NET, stem=4, style=Style("group", "gelu"))
    found, apart, _ = passed_on(pictures(NET), pictures(narrow), torch.randn(6, 1, 8, 8))
    assert not found.exact
    assert apart > 1e-3
    assert found.counts()["cropped"] > 0
    same, apart, _ = passed_on(pictures(NET), pictures(NET), torch.randn(6, 1, 8, 8))
    assert same.exact
    assert apart == 0
    assert set(same.how.values()) == {"copied"}


def test_channels_that_a_narrower_child_lost_are_not_got_back_by_a_wider_block() -> None:
    old, new = Ops((1, 4, 4)), Ops((1, 4, 4))
    old.head(old.conv(-1, 3, 3, name="stage0.conv"), "mean", 0.0, 2)
    new.head(new.conv(new.conv(-1, 2, 3, name="stage0.conv"), 3, 3, name="wider"), "mean", 0.0, 2)
    found, apart, _ = passed_on(old, new, torch.randn(3, 1, 4, 4))
    assert found.how["layers.1.weight"] == "deepened"
    assert apart > 1e-3
    assert not found.exact


def test_exact_is_never_said_of_a_child_that_answers_otherwise() -> None:
    space, x, said = Space(ImageNet), torch.randn(3, 1, 6, 6), 0
    for i in range(16):
        key = Key.of(i)
        old = space.sample(key.child("old"))
        new = space.mutate(old, key.child("new"))
        ops = [net.ops((1, 6, 6), 3) for net in (old, new)]
        if max(o.weights for o in ops) > 60_000:
            continue
        found, apart, child = passed_on(ops[0], ops[1], x, i)
        shapes = {name: tuple(value.shape) for name, value in child.state_dict().items()}
        assert {name: value.shape for name, value in found.state.items()} == shapes
        said += found.exact
        assert apart < 1e-5 or not found.exact, space.difference(old, new)
    assert said
