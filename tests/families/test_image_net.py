"""Networks for images: every design can be built, counted, stacked, and written as plain source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.families.image_net import Attention, Cell, Conv, ImageNet, Node, Stage
from modelwright.families.net_onnx_ops import onnx_of
from modelwright.families.net_ops import Ops
from modelwright.families.net_source import plain_weights, source_of
from modelwright.families.onnx_graph import run_graph
from modelwright.spaces import Space

torch = pytest.importorskip("torch")
SHAPE = (3, 15, 17)


def designs(n: int = 14) -> Iterator[tuple[int, ImageNet, Ops]]:
    space = Space(ImageNet)
    for i in range(n):
        design = space.sample(Key.of(i)) if i else space.default()
        ops = design.ops(SHAPE, 5)
        if ops.macs < 2e7:
            yield i, design, ops


def modules(ops: Ops, n: int = 2) -> list[Any]:
    from modelwright.training.torch_net import TorchNet

    found = []
    for i in range(n):
        torch.manual_seed(i)
        net = TorchNet(ops)
        net(torch.randn(8, *SHAPE))  # moves the statistics of norms
        found.append(net.eval())
    return found


def test_counts_are_those_of_the_module() -> None:
    for i, _, ops in designs():
        net = modules(ops, 1)[0]
        assert sum(p.numel() for p in net.parameters()) == ops.weights, i
        assert len({op.name for op in ops.steps}) == len(ops.steps), i


def test_copies_answer_as_each_alone() -> None:
    from modelwright.training.torch_net import TorchNet, stack_copies

    x = torch.randn(4, *SHAPE)
    for i, _, ops in designs(8):
        alone = modules(ops)
        both = TorchNet(ops, 2).eval()
        both.load_state_dict(stack_copies([net.state_dict() for net in alone]))
        told = both(x).detach()
        for j, net in enumerate(alone):
            mine = net(x)[:, 0].detach()
            scale = max(1.0, float(mine.abs().max()))
            assert float((told[:, j] - mine).abs().max()) < 1e-4 * scale, i


def test_the_plain_source_answers_as_the_module() -> None:
    x = torch.randn(4, *SHAPE)
    for i, _, ops in designs():
        net = modules(ops, 1)[0]
        there: dict[str, Any] = {}
        text = source_of(ops, list("abcde"), np.zeros(3).tolist(), np.ones(3).tolist())
        exec(compile(text, "network.py", "exec"), there)  # our own text
        plain = there["Network"]()
        plain.load_state_dict(plain_weights(ops, net.state_dict()))
        mine = net(x)[:, 0].detach()
        scale = max(1.0, float(mine.abs().max()))
        assert float((plain.eval()(x).detach() - mine).abs().max()) < 1e-4 * scale, i
        assert "import modelwright" not in text


def test_onnx_answers_as_the_module() -> None:
    rng = np.random.default_rng(0)
    shift, scale = [100.0, 110.0, 120.0], [0.02, 0.01, 0.03]
    for i, _, ops in designs():
        net = modules(ops, 1)[0]
        x = rng.integers(0, 255, (4, *SHAPE)).astype(np.uint8)
        state = {name: value.numpy() for name, value in net.state_dict().items()}
        told = run_graph(onnx_of(ops, state, shift, scale), {"examples": x})[0]
        ones = (1, 3, 1, 1)
        scaled = (torch.tensor(x) - torch.tensor(shift).view(ones)) * torch.tensor(scale).view(ones)
        mine = net(scaled)[:, 0].softmax(dim=1).detach().numpy()
        assert np.abs(told - mine).max() < 1e-4, i


def test_shapes_fit_by_themselves() -> None:
    net = ImageNet(
        stages=(
            Stage(24, (Attention(4), Cell((Node("skip", 0), Node("max", 3)))), "max"),
            Stage(9, (Conv(5),), "stride", skip=False),
        )
    )
    ops = net.ops((1, 5, 3), 2)
    assert ops.shape == (2,)
    assert ops.macs > 0


def test_what_does_not_fit_is_refused_in_words() -> None:
    ops = Ops((4, 8, 8))
    x = ops.conv(-1, 6, 3)
    with pytest.raises(InputError, match="cannot add shapes"):
        ops.add(-1, x)
    with pytest.raises(InputError, match="3 groups do not divide"):
        ops.conv(-1, 6, 3, groups=3)
    with pytest.raises(InputError, match="no operation 7"):
        ops.act(7, "relu") if len(ops.steps) > 7 else ops._add("act", "act", (7,), (1,))


def test_a_signature_tells_what_can_be_stacked() -> None:
    one, other = ImageNet(), ImageNet(stem=24)
    assert one.ops(SHAPE, 5).signature() == ImageNet().ops(SHAPE, 5).signature()
    assert one.ops(SHAPE, 5).signature() != other.ops(SHAPE, 5).signature()
