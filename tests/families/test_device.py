"""Device profiles, and what is computed of a network before it is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelwright.core.errors import InputError
from modelwright.core.problem import Limit
from modelwright.families.device import (
    DEVICES,
    Device,
    beyond,
    bounds_of,
    known_costs,
    read_device,
)
from modelwright.families.image_net import Attention, Depthwise, ImageNet, Stage
from modelwright.families.net_costs import KINDS, TRAINING_ONLY, peak_bytes
from modelwright.families.net_ops import Ops, side_by_side
from modelwright.families.text_net import Recurrent, TextNet

SEEING = ImageNet((Stage(16, (Depthwise(squeeze=True), Attention(4))),), dropout=0.1)


def test_peak_memory_is_what_must_be_held_at_once() -> None:
    net = Ops((2, 4, 4))  # 32 numbers
    wide = net.norm(net.conv(-1, 8, 3), "batch")  # 32 + 128; the norm writes over its input
    assert peak_bytes(net) == 4 * (32 + 128)
    inner = net.act(net.conv(wide, 8, 3), "relu")  # the input is gone: 128 + 128
    net.add(inner, wide)  # over one of the two
    assert peak_bytes(net) == 4 * 256
    held = net.conv(-1, 8, 1)  # the input had to stay all the while, and the sum beside it
    assert peak_bytes(net) == 4 * (32 + 256)
    net.join(held, wide)
    assert peak_bytes(net) > 4 * (32 + 256)
    lone = Ops((8, 4, 4))
    lone.attention(-1, 2)  # input, result, three projections, 2 x 16 x 16 weights
    assert peak_bytes(lone) == 4 * (5 * 128 + 512)


def test_kinds_are_those_that_networks_write() -> None:
    picture = SEEING.ops((3, 16, 16), 10)
    text = TextNet((Recurrent(8),), 16, forget=0.2).ops((1, 32), 3, 100)
    together = side_by_side([picture, picture])
    used = {op.kind for net in (picture, text, together) for op in net.steps}
    assert used <= set(KINDS)
    assert used >= TRAINING_ONLY | {"attention", "scale", "recurrent", "embed", "vote"}


def test_a_device_bounds_what_is_known_before_training() -> None:
    board = DEVICES["microcontroller_256k"]
    ops = SEEING.ops((3, 16, 16), 10)
    assert board.foreign(ops) == ("attention",)
    values = Ops((3, 8, 8))
    values.unit(values.linear(values.mean(-1), 1), 50.0, 9.0)
    assert board.foreign(values) == ()
    limits = (Limit("latency_ms", "<=", 100.0), Limit("accuracy", ">=", 0.9), *board.limits)
    bounds = bounds_of(limits, board)
    assert set(bounds) == {"latency_ms", "peak_memory_kb", "foreign_operations"}
    known = known_costs(ops, board)
    assert known["latency_ms"] == pytest.approx(1000 * ops.macs / 8e6)
    assert known["energy_joules"] == pytest.approx(known["latency_ms"] * 0.01)
    name, told = beyond(ops, bounds, board)
    assert (name, told) == (
        "foreign_operations", "microcontroller_256k has no operation attention",
    )  # fmt: skip
    # Without flash the weights lie in memory, too; without a device only memory itself is known.
    assert known_costs(ops)["peak_memory_kb"] > known["peak_memory_kb"]
    assert "latency_ms" not in bounds_of(limits)
    assert beyond(ops, {"peak_memory_kb": 1.0})[0] == "peak_memory_kb"
    assert beyond(ops, {"params": ops.weights}) == ("", "")


def test_profiles_are_read_and_nonsense_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    told = {"name": "board", "memory_kb": 64, "operations": ["conv", "linear"], "watts": 0.5}
    file.write_text(json.dumps(told))
    board = read_device(str(file))
    assert Device.from_json(board.to_json()) == board
    assert [str(limit) for limit in board.limits] == ["peak_memory_kb<=64", "foreign_operations<=0"]
    for change, sentence in (
        ({"memroy_kb": 3}, "unknown key 'memroy_kb'.*Did you mean 'memory_kb'"),
        ({"operations": ["conf"]}, "got 'conf'.*Did you mean 'conv'"),
        ({"operations": "conv"}, "are a list"),
        ({"watts": -1}, "watts is a number over 0; got -1"),
        ({"threads": 0}, "threads are 1 or more"),
        ({"name": ""}, "needs a name"),
    ):
        file.write_text(json.dumps({**told, **change}))
        with pytest.raises(InputError, match=sentence):
            read_device(str(file))
    with pytest.raises(InputError, match="Did you mean 'raspberry_pi_4'"):
        read_device("raspbery_pi4")
    with pytest.raises(InputError, match="cannot be read"):
        read_device(str(tmp_path / "none.json"))
    assert all(device.source for device in DEVICES.values())
