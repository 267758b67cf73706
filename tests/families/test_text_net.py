"""Networks for texts: the same answers from PyTorch, its plain source, and ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from modelwright.families.net_onnx_ops import onnx_of  # noqa: E402
from modelwright.families.net_ops import side_by_side, side_by_side_weights  # noqa: E402
from modelwright.families.net_source import plain_weights, source_of  # noqa: E402
from modelwright.families.text_net import (  # noqa: E402
    Attend,
    Recurrent,
    TextDesign,
    TextNet,
    Window,
)
from modelwright.spaces import Space  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402

NETS = [
    TextNet(()),
    TextNet((Window(32, 3, True), Attend(2))),
    TextNet((Recurrent(16), Window(24)), pooling="mean"),
]
ZERO, ONE = [0.0] * 4, [1.0] * 4


def examples() -> Any:
    x = np.random.default_rng(0).integers(1, 200, (5, 4, 12)).astype(np.int32)
    x[:, :, 9:] = 0
    return x


def made(net: TextNet) -> tuple[Any, dict[str, Any], Any]:
    torch.manual_seed(0)
    ops = net.ops((4, 12), 3, ids=200)
    module = TorchNet(ops).eval()
    assert sum(p.numel() for p in module.parameters()) == ops.weights
    with torch.no_grad():
        shares = module(torch.from_numpy(examples()).float())[:, 0].softmax(1).numpy()
    return ops, {k: v.numpy() for k, v in module.state_dict().items()}, shares


def by_onnx(packed: bytes) -> Any:
    session = onnxruntime.InferenceSession(packed, providers=["CPUExecutionProvider"])
    return session.run(None, {"examples": examples()})[0]


@pytest.mark.parametrize("net", NETS)
def test_onnx_and_source_answer_as_training_did(net: TextNet) -> None:
    ops, state, shares = made(net)
    assert np.abs(by_onnx(onnx_of(ops, state, ZERO, ONE)) - shares).max() < 1e-6
    names: dict[str, Any] = {}
    exec(source_of(ops, ["a", "b", "c"], ZERO, ONE), names)
    plain = names["Network"]()
    weights = plain_weights(ops, state)
    plain.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
    found = plain.eval().shares(torch.from_numpy(examples())).numpy()
    assert np.abs(found - shares).max() < 1e-6


def test_networks_side_by_side_answer_with_their_mean() -> None:
    found = [made(net) for net in NETS]
    ops = side_by_side([o for o, _, _ in found])
    state = side_by_side_weights([o for o, _, _ in found], [s for _, s, _ in found])
    mean = np.mean([shares for _, _, shares in found], axis=0)
    assert np.abs(by_onnx(onnx_of(ops, state, ZERO, ONE)) - mean).max() < 1e-6
    names: dict[str, Any] = {}
    exec(source_of(ops, ["a", "b", "c"], ZERO, ONE), names)
    plain = names["Network"]()
    weights = plain_weights(ops, state)
    plain.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
    assert np.abs(plain.eval().shares(torch.from_numpy(examples())).numpy() - mean).max() < 1e-6


def test_padding_changes_nothing_that_is_taken_as_the_largest() -> None:
    ops, state, _ = made(TextNet((), pooling="max", forget=0.0))
    module = TorchNet(ops).eval()
    module.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    x = examples()
    with torch.no_grad():
        embedded = module.layers[0](torch.from_numpy(x).float())
    assert float(embedded[:, :, 9:].abs().max()) == 0.0


def test_the_space_of_texts_holds_its_designs() -> None:
    space = Space(TextDesign)
    for net in NETS:
        assert space.load(space.dump(TextDesign(net))) == TextDesign(net)
