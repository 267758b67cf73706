"""Whole numbers of 8 bits: kept or left by what is measured, and numbers either way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from modelwright.families.image_net import Conv, ImageNet, Stage  # noqa: E402
from modelwright.families.net_onnx_ops import onnx_of  # noqa: E402
from modelwright.models import int8  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402


@pytest.mark.parametrize(
    ("bounds", "kept", "word"),
    [
        ({"FASTER": 0.0, "LOST": 1.0}, True, "times as fast"),
        ({"FASTER": 1e3}, False, "not measured faster"),
        ({"FASTER": 0.0, "LOST": -1.0}, False, "too much may be lost"),
    ],
)
def test_it_is_kept_by_its_numbers(
    bounds: dict[str, float], kept: bool, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bounds.items():
        monkeypatch.setattr(int8, name, value)
    torch.manual_seed(0)
    ops = ImageNet((Stage(8, (Conv(),), "max"),), 8, "full").ops((1, 8, 8), 3)
    state = {k: v.numpy() for k, v in TorchNet(ops).state_dict().items()}
    (tmp_path / "model.onnx").write_bytes(onnx_of(ops, state, [127.0], [0.01]))
    x = np.random.default_rng(0).integers(0, 255, (200, 1, 8, 8)).astype(np.uint8)
    told = int8._asked(int8._session(tmp_path / "model.onnx"), x)
    facts = int8.int8_beside(tmp_path, x, x, told.argmax(axis=1))
    assert facts["kept"] is kept
    assert word in facts["why"]
    assert (tmp_path / int8.NAME).exists() is kept
    assert facts["lost"][1] <= facts["lost"][0] <= facts["lost"][2]
    assert facts["n_examples"] == 200
    if kept:
        other = int8._asked(int8._session(tmp_path / int8.NAME), x)
        assert 0 < np.abs(other - told).max() < 0.2
