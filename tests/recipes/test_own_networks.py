"""Networks of the user's own classes: searched, adapted, trained, kept, resumed."""

from __future__ import annotations

import functools
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from own_blocks import (  # noqa: E402
    Broken,
    Conv,
    Dense,
    Mine,
    Row,
    Trouble,
    Words,
    dies_once,
    hinge,
    rings,
)

import modelwright as mw  # noqa: E402
from modelwright.core.errors import InputError, NoModelError  # noqa: E402
from modelwright.core.trial import Candidate, Evidence, Progress, Trial  # noqa: E402
from modelwright.data.pairs import keep_pairs  # noqa: E402
from modelwright.evaluators.train_own import PAIRS, Choices, TrainOwn  # noqa: E402
from modelwright.executors import FileStore, ToolBox  # noqa: E402

X, Y = rings()


def test_blocks_that_do_not_fit_are_adapted_and_the_best_is_handed_over(tmp_path: Path) -> None:
    limits = ["params<=5000", "latency_ms<=1000"]
    options: dict[str, Any] = {"limits": limits, "workspace": tmp_path, "rungs": (4, 12)}
    start = [Mine, Row((Conv(8), Dense(8)))]
    result = mw.search_networks(Row, (X, Y), budget=3, start=start, **options)
    rivals = [o for o in result.trials if o.trial.role == "rival"]
    assert [o.evidence.facts["family"] for o in rivals] == ["Yours", "Row"]
    adapted = rivals[1].evidence.facts["adapters"]
    assert [line.partition(" (")[2] for line in adapted] == [
        "1 x 1 convolution 1 -> 4)", "flatten, linear 288 -> 12)", "linear 8 -> 2)",
    ]  # fmt: skip
    assert result.best.evidence.scores["accuracy"] > 0.9
    assert result.best.evidence.scores["params"] <= 5000
    assert result.best.trial.role == "final"
    assert result.model.score(X, Y) > 0.9
    assert result.best.evidence.scores["params"] == sum(
        p.numel() for p in result.module.parameters()
    )
    again = mw.load_network(result.model.save(tmp_path / "best"), Row, start)
    assert np.array_equal(again.shares(X), result.model.shares(X))
    assert set(again.predict(X[:9])) <= {"stands", "lies"}
    with pytest.raises(InputError, match="takes examples of shape"):
        again.predict(X[:, :, :3])
    assert "Leaderboard" in result.report().read_text()
    same = mw.search_networks(Row, (X, Y), budget=3, start=start, **options)
    assert len(same.trials) == len(result.trials)
    with pytest.raises(InputError, match="another set of examples"):
        mw.search_networks(Row, (X[:80], Y[:80]), budget=3, start=start, **options)
    with pytest.raises(InputError, match="another unit of lengths"):
        mw.search_networks(Row, (X, Y), budget="9s", start=start, limits=limits, workspace=tmp_path)


def test_failures_have_causes_and_the_search_goes_on(tmp_path: Path) -> None:
    options: dict[str, Any] = {"workspace": tmp_path, "rungs": (1,), "designer": "random"}
    result = mw.search_networks(Trouble, (X, Y), budget=8, **options)
    assert result.best_design.way == "fine"
    causes = " ".join(o.evidence.failure.message for o in result.trials if o.evidence.failure)
    assert "Trouble.build raised ValueError: the hidden reason" in causes
    assert "Trouble answers 7 for an example; 2 numbers are expected" in causes
    assert "must answer [batch, ...]" in causes
    nothing = mw.search_networks(Broken, (X, Y), budget=4, **options)
    with pytest.raises(NoModelError, match=r"no trial succeeded.*Broken cannot take 1 x 6 x 6"):
        _ = nothing.model
    assert "No trained network" in nothing.report().read_text()


def test_a_network_to_start_from_is_trained_for_longer(tmp_path: Path) -> None:
    mine = functools.partial(Mine)
    result = mw.search_networks(
        Broken, (X, Y), budget=1, rungs=(1,), start=mine, workspace=tmp_path
    )
    assert result.best_design.name == "partial"
    assert [o.trial.role for o in result.trials if o.ok] == ["rival", "final"]
    assert result.model.score(X, Y[:, None]) > 0.4


def test_ids_stay_whole_and_unblended(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    ids = np.where(rng.random((120, 6)) < 0.5, y[:, None] + 1, rng.integers(3, 9, (120, 6)))
    result = mw.search_networks(Words, (ids, y), budget=1, rungs=(8,), workspace=tmp_path)
    assert result.model.score(ids, y) > 0.8
    with pytest.raises(InputError, match=r"optimizer\(\) goes with step="):
        mw.search_networks(Steps, (X, Y), workspace=tmp_path)


@dataclass(frozen=True)
class Steps(Dense):
    """It brings an optimiser and nobody who calls it."""

    def optimizer(self, parameters: Any) -> Any:
        return torch.optim.SGD(parameters, 0.1)


def test_a_killed_search_goes_on_with_the_users_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import sys, modelwright as mw, own_blocks as o\n"
        "mw.search_networks(o.Row, o.rings(), budget=1, rungs=(2,), step=o.dies_once,\n"
        "                   workspace=sys.argv[1])\n"
    )
    monkeypatch.setenv("OWN_STEPS", str(tmp_path / "steps"))
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    died = subprocess.run(
        [sys.executable, "-c", script, tmp_path], env={**os.environ, "PYTHONPATH": path},
        capture_output=True, check=False,
    )  # fmt: skip
    assert died.returncode == -9
    options: dict[str, Any] = {"budget": 1, "rungs": (2,)}
    resumed = mw.search_networks(Row, (X, Y), step=dies_once, workspace=tmp_path, **options)
    whole = mw.search_networks(Row, (X, Y), step=hinge, workspace=tmp_path / "whole", **options)
    assert resumed.best.evidence.facts["step"] == "yours"
    assert [o.trial.candidate.id for o in resumed.trials] == [
        o.trial.candidate.id for o in whole.trials
    ]
    assert np.array_equal(resumed.model.shares(X), whole.model.shares(X))


def evaluator(folder: Path, step: Any) -> TrainOwn:
    kept = keep_pairs((X, Y), None, folder / PAIRS)
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


def test_values_from_a_data_set_in_worker_processes(tmp_path: Path) -> None:
    target = 100 + 50 * X.mean(axis=(1, 2, 3)) + 30 * X[:, 0, 0, 0]
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(target))
    result = mw.search_networks(
        "own_blocks:Row", pairs, budget=1, rungs=(15,), executor="processes", slots=1,
        workspace=tmp_path,
    )  # fmt: skip
    assert result.best.evidence.scores["r2"] > 0.3
    told = result.model.predict(X)
    assert abs(told.mean() - target.mean()) < 5
    assert "put in" in result.report().read_text()
    with pytest.raises(InputError, match="worker processes cannot be given"):
        mw.search_networks(
            Row, pairs, start=Mine(), executor="processes", workspace=tmp_path / "other"
        )


def test_the_example_of_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "own_networks.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "example.py"
    script.write_text(code.replace("budget=4", "budget=1, rungs=(1,)"))  # seconds only
    names = runpy.run_path(str(script))
    assert names["result"].best_value > 0.8
    assert (names["model"].predict(names["x"]) == names["y"]).mean() > 0.8
