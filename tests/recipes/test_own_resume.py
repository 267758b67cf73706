"""Networks of the user's own, interrupted: they end as if they had not been."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from own_blocks import Conv, Dense, Row, hinge, rings  # noqa: E402

from modelwright.core.trial import Candidate, Evidence, Progress, Trial  # noqa: E402
from modelwright.data.pairs import keep_pairs  # noqa: E402
from modelwright.evaluators.train_own import PAIRS, Choices, TrainOwn  # noqa: E402
from modelwright.executors import FileStore, ToolBox  # noqa: E402


def evaluator(folder: Path, step: Any) -> TrainOwn:
    x, y = rings()
    kept = keep_pairs((x, y), None, folder / PAIRS)
    choices = Choices(Row, {})
    return TrainOwn(choices, choices.space(), step, kept.hash, "accuracy", "epochs", {}, 0.0)


def stream(one: TrainOwn, folder: Path, store: str) -> Iterator[Progress | Evidence]:
    document = one.space.dump(Row((Conv(8), Dense(8))))
    trial = Trial(3, Candidate(document), 0, 6.0, 1.0, seed=5)
    return iter(one.evaluate(trial, ToolBox(folder, FileStore(folder / store))))


@pytest.mark.parametrize("step", [None, hinge])
def test_a_training_that_was_interrupted_ends_with_the_same_weights(
    tmp_path: Path, step: Any
) -> None:
    one = evaluator(tmp_path, step)
    *_, whole = stream(replace(one, keep_seconds=1e9), tmp_path, "whole")
    assert isinstance(whole, Evidence)
    path = tmp_path / "left" / "unfinished" / "3.safetensors"
    begun = stream(one, tmp_path, "left")
    for n, _ in enumerate(begun):
        if path.exists() and n > 9:
            break
    del begun
    content = path.read_bytes()
    *_, found = stream(one, tmp_path, "left")
    assert isinstance(found, Evidence)
    [at] = found.facts["checkpoints"]["resumed"]
    assert 0 < at < whole.facts["steps"]
    assert found.artefacts == whole.artefacts  # named by their content: equal to the last bit
    assert found.curve == whole.curve
    assert not path.exists()
    if step is not None:  # the same design trained by another step is another training
        path.write_bytes(content)
        *_, other = stream(evaluator(tmp_path, None), tmp_path, "left")
        assert isinstance(other, Evidence)
        assert other.facts["checkpoints"]["resumed"] == []
        assert "its protocol is another" in other.facts["checkpoints"]["note"]


def test_what_cannot_be_written_ends_checkpoints_and_not_the_training(tmp_path: Path) -> None:
    def odd(module: Any, batch: Any, optimizer: Any) -> Any:
        loss = hinge(module, batch, optimizer)
        optimizer.state[next(module.parameters())]["memory"] = {1, 2}
        return loss

    *_, found = stream(evaluator(tmp_path, odd), tmp_path, "store")
    assert isinstance(found, Evidence)
    assert found.ok
    assert "no more checkpoints" in found.facts["checkpoints"]["note"]
    assert np.isfinite(found.scores["accuracy"])
