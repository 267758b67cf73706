"""Networks in trials: a training that is killed at any moment ends as one that never was."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

pytest.importorskip("torch")

from modelwright.core.trial import Candidate, Evidence, Progress, Trial
from modelwright.data.array_part import prepare_arrays
from modelwright.data.collection import read_collection
from modelwright.evaluators.train_network import load
from modelwright.executors import EvaluatorSpec, FileStore, Processes, ToolBox
from modelwright.families.image_net import Double, ImageNet, Stage
from modelwright.families.network_design import NetworkDesign, network_space
from modelwright.training.recipe import AdamW, Augment, Recipe

NET = ImageNet((Stage(16, (Double(),), "stride"),), 8, dropout=0.1)
RECIPE = Recipe(AdamW(0.02), augment=Augment(shift=0.1, mix=0.2), average=True)
ENTRY = "modelwright.evaluators.train_network:load"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    x, y = load_digits(return_X_y=True)
    np.savez(folder / "digits.npz", x=(x.reshape(-1, 8, 8) * 15).astype(np.uint8), y=y)
    return prepare_arrays(read_collection(folder / "digits.npz"), folder / "data").dev


def final(length: float) -> Trial:
    design = json.loads(network_space("images").dump(NetworkDesign(NET, RECIPE)))
    document = json.dumps({"type": "Final", "design": design, "length": length})
    return Trial(4, Candidate(document), 0, 1.0, 1.0, seed=3)


class Bench:
    """A trial's tools, and its training begun in them."""

    def __init__(self, data: Path, folder: Path, unit: str = "epochs") -> None:
        self.tools = ToolBox(data, FileStore(folder / "store"))
        self.unit = unit
        self.kept = self.tools.scratch / "4.safetensors"

    def whole(self, trial: Trial, deadline: float | None = None) -> Evidence:
        """The trial in this process, from its start or its checkpoint."""
        tools = replace(self.tools, deadline=deadline)
        *_, last = load(unit=self.unit).evaluate(trial, tools)
        assert isinstance(last, Evidence)
        return last

    def killed(self, trial: Trial, pieces: int) -> None:
        """Begins the trial in a worker, and kills that some pieces after a checkpoint."""
        spec, heard = EvaluatorSpec(ENTRY, {"unit": self.unit, "keep_seconds": 0.0}), 0
        with Processes(spec, self.tools, slots=1) as executor:
            executor.submit(trial)
            until = time.monotonic() + 120
            while heard <= pieces and time.monotonic() < until:
                messages = executor.poll(0.05)
                assert all(isinstance(m, Progress) for m in messages)
                heard += len(messages) * self.kept.exists()

    def left(self, trial: Trial) -> None:
        """Begins the trial in this process, and leaves it after its first checkpoint."""
        stream = load(unit=self.unit, keep_seconds=0.0).evaluate(trial, self.tools)
        while not self.kept.exists():
            next(stream)


def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(
    data: Path, tmp_path: Path
) -> None:
    trial = final(length=5)
    expected = Bench(data, tmp_path / "whole").whole(trial)
    bench = Bench(data, tmp_path / "killed")
    bench.killed(trial, int(np.random.default_rng().integers(8)))  # any moment will do
    found = bench.whole(trial)
    [step] = found.facts["checkpoints"]["resumed"]
    assert 0 < step < expected.facts["steps"]
    assert found.artefacts == expected.artefacts  # named by their content: equal to the last bit
    assert found.curve == expected.curve
    # A note tells that batches came late: a clock's matter, and nothing is changed by it.
    done = [
        [row["action"] for row in one.facts["coach"] if row["action"]["kind"] != "note"]
        for one in (found, expected)
    ]
    assert done[0] == done[1]
    assert not bench.kept.exists()


def test_of_a_population_the_best_is_told_and_not_the_last(data: Path, tmp_path: Path) -> None:
    tools = ToolBox(data, FileStore(tmp_path / "store"))
    *_, found = load(coach="population").evaluate(final(length=2), tools)
    assert isinstance(found, Evidence)
    assert found.curve[-1][1] == found.scores["accuracy"]  # of the network that is kept
    assert len(found.curve) == len(found.facts["losses"])


def test_with_a_clock_a_training_goes_on_in_the_time_that_is_left(
    data: Path, tmp_path: Path
) -> None:
    trial, bench = final(length=30), Bench(data, tmp_path, "seconds")
    bench.left(trial)
    found = bench.whole(trial, deadline=time.monotonic() + 1)
    assert found.scores["fit_seconds"] < 15  # not the 30 s of its length: the deadline counts
    assert 0 < found.facts["checkpoints"]["resumed"][0] < found.facts["steps"]


def test_a_harmed_checkpoint_is_left_aside(data: Path, tmp_path: Path) -> None:
    trial, bench = final(length=1), Bench(data, tmp_path)
    bench.left(trial)
    content = bytearray(bench.kept.read_bytes())
    content[-9] ^= 1
    bench.kept.write_bytes(content)
    found = bench.whole(trial)
    assert found.ok
    assert "its content is not what was written" in found.facts["checkpoints"]["note"]
    assert found.facts["checkpoints"]["resumed"] == []
    assert not bench.kept.exists()
