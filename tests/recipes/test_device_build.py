"""A build for a device: what it cannot hold or do is not shipped; estimates say what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import modelwright as mw
from modelwright.core.errors import InputError
from modelwright.readers.report import report_html


def examples(folder: Path) -> Path:
    """Pictures of 8 x 8 pixels, dark or bright."""
    y = np.arange(100) % 2
    x = np.random.default_rng(0).integers(0, 90, (100, 8, 8)) + 120 * y[:, None, None]
    np.savez(folder / "pictures.npz", x=x.astype(np.uint8), y=y)
    return folder / "pictures.npz"


def built(folder: Path, budget: int, **about: Any) -> mw.BuildResult:
    """A build in this process for a device of that profile."""
    told = {"name": "board", "macs_per_second": 1e7, "watts": 0.1, **about}
    (folder / "board.json").write_text(json.dumps(told))
    return mw.build(
        examples(folder), budget=budget, slots=0, workspace=folder, device=f"{folder}/board.json",
        student=False, limits=["energy_joules<=5"], power_watts=4.0,
    )  # fmt: skip


def test_what_ships_fits_the_device(tmp_path: Path) -> None:
    kinds = ["conv", "norm", "act", "add", "mean", "linear"]
    result = built(tmp_path, 1, memory_kb=40, operations=kinds)
    assert result.exit_code == 0, result.sentence
    assert result.best is not None
    scores, how = result.best.evidence.scores, result.best.evidence.facts["how"]
    assert scores["peak_memory_kb"] <= 40
    assert scores["latency_ms"] == pytest.approx(scores["macs"] / 1e4)
    assert scores["energy_joules"] == pytest.approx(scores["latency_ms"] * 0.1)
    assert scores["latency_here_ms"] != scores["latency_ms"]
    assert how["latency_ms"].startswith("estimated for board")
    page = report_html(result.run, result.record)
    assert "estimated for board: latency times 0.1 W" in page
    assert "For the device board" in page
    energy = result.to_json()["energy"]
    assert energy["joules"] > 0
    if not energy["measured_joules"]:  # most machines let nobody read their counters
        assert energy["joules"] == pytest.approx(4 * energy["cpu_seconds"], rel=0.01)
        assert "4 W for a busy core" in page


def test_what_binds_is_named_when_nothing_fits(tmp_path: Path) -> None:
    result = built(tmp_path, 12, memory_kb=1)
    assert result.exit_code == 3
    failures = [o.evidence.failure for o in result.record.view.finished if o.failed]
    assert {f.kind for f in failures if f} == {"peak_memory_kb"}
    assert "limits that ruled designs out: 10 by peak_memory_kb" in result.sentence
    assert "designs ruled out untrained" in report_html(result.run, result.record)


def test_a_device_is_for_networks(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="--device goes with networks"):
        mw.build(tmp_path / "table.csv", "b", device="laptop", workspace=tmp_path)
    with pytest.raises(InputError, match="--coach goes with networks"):
        mw.build(tmp_path / "table.csv", "b", coach="guard", workspace=tmp_path)
    with pytest.raises(InputError, match="diverse is true or false; got 'no'"):
        mw.build(examples(tmp_path), diverse="no", workspace=tmp_path)
    limits = ["foreign_operations<=0"]
    with pytest.raises(InputError, match="needs a --device whose profile"):
        mw.build(examples(tmp_path), device="laptop", limits=limits, workspace=tmp_path)
    with pytest.raises(InputError, match="--teacher needs a budget of 300 s or more"):
        mw.build(examples(tmp_path), teacher="a.onnx", budget="1m", workspace=tmp_path)
    with pytest.raises(InputError, match="a number over 0; got '6'"):
        mw.build(tmp_path / "table.csv", "b", power_watts="6", workspace=tmp_path)
    with pytest.raises(InputError, match="Did you mean 'laptop'"):
        mw.build(examples(tmp_path), device="labtop", workspace=tmp_path)
