"""A checkpoint gives back what it was given, to the last bit, or nothing and a note."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from modelwright.training.checkpoint import Checkpoint  # noqa: E402

ABOUT = {"design": "a", "data": "b"}


def kept(path: Path, state: Any, **about: str) -> Checkpoint:
    one = Checkpoint(path, {**ABOUT, **about}, every=0)
    one.keep(lambda: state)
    return one


def test_it_gives_back_what_it_was_given(tmp_path: Path) -> None:
    weight = torch.randn(3, 4).t()  # not contiguous
    state = {
        "net": {"w": weight, "none": torch.zeros(0), "one": torch.tensor(2.5)},
        "back": [(1, {"w": weight})], "rows": [{"loss": math.inf, "why": None, "n": np.int64(3)}],
        "weights": np.arange(5.0), "third": 1 / 3,
    }  # fmt: skip
    path = tmp_path / "new" / "7.safetensors"
    one = kept(path, state)
    found = Checkpoint(path, ABOUT).read()
    assert found is not None
    assert torch.equal(found["net"]["w"], weight)
    assert found["net"]["none"].shape == (0,)
    assert found["net"]["one"].shape == ()
    assert found["back"][0][1]["w"] is found["net"]["w"]  # kept once
    assert found["rows"] == [{"loss": math.inf, "why": None, "n": 3}]
    assert found["weights"].tolist() == [0, 1, 2, 3, 4]
    assert found["third"] == 1 / 3
    assert one.facts()["bytes"] == path.stat().st_size
    one.remove()
    assert not list(path.parent.iterdir())


def test_what_does_not_fit_is_left_aside_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "7.safetensors"
    kept(path, {"w": torch.ones(9)})
    whole = path.read_bytes()

    def note(content: bytes = whole, **about: str) -> str:
        path.write_bytes(content)
        one = Checkpoint(path, {**ABOUT, **about})
        assert one.read() is None
        return one.note

    assert "its design is another" in note(design="c")
    assert "its data is another" in note(data="c")
    assert "its more is another" in note(more="c")
    assert "cannot be read" in note(b"")
    for at in range(8, len(whole), 7):  # wherever a byte is harmed
        assert note(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert note(whole[:at])


def test_writing_takes_little_of_the_time_and_a_full_disk_ends_no_training(tmp_path: Path) -> None:
    now = 0.0

    def slow() -> dict[str, Any]:
        nonlocal now
        now += 0.2  # seconds that a state takes
        return {"w": torch.ones(1)}

    one = Checkpoint(tmp_path / "7.safetensors", ABOUT, every=5, share=0.01, clock=lambda: now)
    while now < 1000:
        now += 1
        one.keep(slow)
    assert 0.008 < one.seconds / now < 0.011
    (tmp_path / "file").write_text("")
    nowhere = Checkpoint(tmp_path / "file" / "7.safetensors", ABOUT, every=0)
    nowhere.keep(slow)
    assert "no more checkpoints" in nowhere.note
    assert nowhere.written == 0


def test_a_disk_that_takes_no_more_leaves_the_checkpoint_before_it(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "7.safetensors"
    kept(path, {"w": torch.ones(1)})
    one = Checkpoint(path, ABOUT, every=0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, before[1]))  # of any file, in bytes
    try:
        one.keep(lambda: {"w": torch.ones(5000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "no more checkpoints" in one.note
    assert [path.name for path in tmp_path.iterdir()] == ["7.safetensors"]
    assert Checkpoint(path, ABOUT).read() == {"w": torch.ones(1)}
