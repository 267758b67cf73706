"""What an untrained network shows: checked against closed forms, and through the evaluator."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from modelwright.core.problem import ZERO_COST  # noqa: E402
from modelwright.core.trial import Evidence, Trial  # noqa: E402
from modelwright.data.array_part import prepare_arrays  # noqa: E402
from modelwright.data.collection import Collection  # noqa: E402
from modelwright.data.images import ImageFront  # noqa: E402
from modelwright.evaluators.train_network import load  # noqa: E402
from modelwright.families.net_ops import Ops  # noqa: E402
from modelwright.families.network_design import network_space  # noqa: E402
from modelwright.families.text_net import TextNet  # noqa: E402
from modelwright.training.proxies import proxies  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402


def small(norm: Any = "batch") -> TorchNet:
    ops = Ops((1, 8, 8))
    x = ops.act(ops.norm(ops.conv(-1, 6, 3), norm), "gelu")
    ops.head(x, "mean", 0.2, 3)
    torch.manual_seed(0)
    return TorchNet(ops)


def test_synflow_is_what_flows_through_absolute_weights() -> None:
    batch = torch.randn(4, 1, 8, 8)
    for norm in ("batch", "group", "none"):
        net = small(norm)
        weights = net.state_dict()
        kernel = weights["layers.0.weight"].abs().double()
        ones = torch.ones(1, 1, 8, 8, dtype=torch.float64)
        means = torch.nn.functional.conv2d(ones, kernel, padding=1).mean(dim=(2, 3))[0]
        head = list(weights.values())[-2][0].abs().double()
        flow = float((head @ means).sum())
        # The convolution and the head each carry all of it; biases are 0 and carry nothing.
        assert proxies(net, batch)["synflow"] == pytest.approx(math.log10(2 * flow), abs=1e-6)


def test_examples_that_are_told_apart_score_higher_and_the_network_is_left_alone() -> None:
    net = small()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    apart = torch.randn(16, 1, 8, 8)
    alike = apart[:1] + 0.05 * torch.randn(16, 1, 8, 8)
    different, similar = proxies(net, apart), proxies(net, alike)
    assert different["naswot"] > similar["naswot"]
    assert different["jacobian_covariance"] > similar["jacobian_covariance"]
    assert proxies(net, apart) == different
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    # One example 16 times: no pattern of activations is another's, which has no finite logarithm.
    assert set(proxies(net, apart[:1].repeat(16, 1, 1, 1))) <= {"synflow", "jacobian_covariance"}


def test_texts_are_looked_at_through_their_embedding() -> None:
    torch.manual_seed(0)
    net = TorchNet(TextNet((), 8).ops((1, 12), 2, 50))
    found = proxies(net, torch.randint(1, 50, (8, 1, 12)).float())
    assert set(found) == {"synflow", "jacobian_covariance"}  # a bag of words has no activation
    assert all(map(math.isfinite, found.values()))


def test_the_zero_cost_rung_trains_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (60, 1, 8, 8)).astype(np.uint8)
    found = Collection("images", pixels, np.array(["a", "b"] * 30), np.zeros(60, bool),
                       ImageFront(8, 8, True))  # fmt: skip
    told = prepare_arrays(found, tmp_path)
    tools = cast(Any, SimpleNamespace(data=told.dev, threads=1, store=None))
    space = network_space("images")
    candidate = space.candidate(space.default())

    def measured(bounds: dict[str, float], seed: int = 5) -> Evidence:
        trial = Trial(0, candidate, ZERO_COST, 0.0, 0.0, seed, "zero_cost")
        (evidence,) = load("accuracy", "epochs", bounds).evaluate(trial, tools)
        return cast(Evidence, evidence)

    one = measured({})
    assert {"params", "macs", "latency_ms", "size_kb", "synflow", "naswot"} <= set(one.scores)
    assert "accuracy" not in one.scores
    assert not one.artefacts
    again = measured({})
    clocked = {"latency_ms"}
    assert {k: v for k, v in one.scores.items() if k not in clocked} == {
        k: v for k, v in again.scores.items() if k not in clocked
    }
    refused = measured({"params": 10.0})
    assert refused.failure is not None
    assert refused.failure.cause == "limit"
