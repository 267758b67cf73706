"""Networks that learn numbers: from pictures and texts, end to end, in the target's unit."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import modelwright as mw  # noqa: E402
from modelwright.apps.serving_network import NetworkService  # noqa: E402
from modelwright.core.errors import InputError  # noqa: E402
from modelwright.families.net_ops import Ops  # noqa: E402
from modelwright.readers.report import report_html  # noqa: E402
from modelwright.readers.student import student_facts  # noqa: E402
from modelwright.training.lessons import Lessons  # noqa: E402
from modelwright.training.recipe import AdamW, Recipe  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402
from modelwright.training.trainer import Trainer  # noqa: E402


def bars(n: int = 160) -> tuple[Any, Any]:
    """Pictures of 8 x 8 pixels; the number is a year, by where a bar stands."""
    rng = np.random.default_rng(0)
    x, at = rng.integers(0, 60, (n, 8, 8)), rng.integers(0, 8, n)
    x[np.arange(n), :, at] += 150
    return x.astype(np.uint8), 1990 + 4.5 * at


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    where = tmp_path_factory.mktemp("bars")
    x, y = bars()
    np.savez(where / "bars.npz", x=x, y=y)
    with (where / "told.csv").open("w") as file:
        csv.writer(file).writerows([["year"], *([value + 0.5] for value in y)])
    return mw.build(
        where / "bars.npz", metric="mae", budget=1, workspace=where, slots=0,
        limits=["params<=1500"], teacher=where / "told.csv",
    )  # fmt: skip


def test_a_network_answers_in_the_unit_of_the_target(built: mw.BuildResult) -> None:
    x, y = bars()
    scores = {o.trial.by or o.trial.role: o.evidence.scores for o in built.record.view.finished}
    known = np.load(built.run.path / "data" / "dev" / "y.npy")
    train, valid = (known[np.load(built.run.path / "data" / "dev" / f"{n}.npy")]
                    for n in ("train", "valid"))  # fmt: skip
    middle = np.abs(valid - np.median(train)).mean()  # what has the least absolute error
    assert scores["trivial"]["mae"] == pytest.approx(middle)
    assert scores["teacher"]["mae"] == pytest.approx(0.5)
    assert built.best is not None
    assert built.best.evidence.scores["mae"] < 0.5 * middle
    assert built.best.evidence.facts["parity"] < 1e-2
    answers = built.model.predict(x[:, None])
    assert np.abs(answers - y).mean() < 0.5 * middle
    assert built.record.looks[-1]["score"] == pytest.approx(np.abs(answers - y).mean(), rel=0.6)
    with pytest.raises(InputError, match="no shares of classes"):
        built.model.shares(x[:, None])
    page = report_html(built.run, built.record)
    assert "R² on validation examples" in page
    assert "a number each" in page


def test_students_learn_values_and_are_compared_with_their_control(built: mw.BuildResult) -> None:
    (facts,) = student_facts(built.record)
    assert facts["kept"] > 0.5
    assert facts["fidelity"]["explained"] > 0.5
    assert facts["control_score"] is not None
    assert facts["ece"] is None


def test_the_files_answer_as_the_model_does(built: mw.BuildResult, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    x, _ = bars(6)
    for i, picture in enumerate(x):
        image.fromarray(picture).save(tmp_path / f"{i}.png")
    wanted = built.model.predict(x[:, None])
    plain = subprocess.run(
        [sys.executable, "predict.py", str(tmp_path)], cwd=built.run.model_path, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    rows = list(csv.DictReader(plain.stdout.splitlines()))
    assert np.allclose([float(row["prediction"]) for row in rows], wanted)
    status, told = NetworkService(built.model).predict((tmp_path / "0.png").read_bytes(), {})
    assert (status, list(told)) == (200, ["prediction"])
    assert told["prediction"] == pytest.approx(wanted[0])
    scope: dict[str, Any] = {}
    exec((built.run.model_path / "network.py").read_text(), scope)  # our own source
    from safetensors.torch import load_file

    network = scope["Network"]().eval()
    network.load_state_dict(load_file(built.run.model_path / "weights.safetensors"))
    assert np.allclose(network.values(torch.from_numpy(x[:, None])), wanted, atol=1e-2)


def test_a_column_of_texts_with_numbers_beside_it_asks_for_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    words = {"cheap": -3.0, "old": -1.0, "plain": 0.0, "large": 1.5, "golden": 6.0}
    with (tmp_path / "offers.csv").open("w") as file:
        out = csv.writer(file)
        out.writerow(["offer", "price"])
        for i in range(300):
            some = rng.choice(list(words), 4)
            out.writerow(
                [f"lot {i}: a {' '.join(some)} ring", 40 + sum(words[str(word)] for word in some)]
            )
    result = mw.build(
        tmp_path / "offers.csv", "price", budget=1, workspace=tmp_path, slots=0, student=False,
        limits=["params<=120000"],
    )  # fmt: skip
    assert any("the task is regression" in note for note in result.notes)
    assert result.record.view.goals[0].metric == "rmse"
    assert result.best is not None
    assert result.best.evidence.scores["r2"] > 0.5
    low, high = result.model.predict(
        ["a cheap cheap cheap old ring", "a golden golden golden ring"]
    )
    assert low < 40 < high
    with (tmp_path / "offers.csv").open("a") as file:
        csv.writer(file).writerow(["lot 400: a plain plain plain old ring", "much"])
    with pytest.raises(InputError, match="'price' is 'much' in one of 1 that have none"):
        mw.build(tmp_path / "offers.csv", "price", task="regression", workspace=tmp_path / "other")


def test_another_unit_changes_nothing_and_quantiles_are_learnt() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 4)).astype(np.float32)
    y = x[:, 0] + rng.exponential(1.0, 400)
    flat = np.zeros(1, np.float32), np.ones(1, np.float32)

    def answers(y: Any, quantile: float | None) -> Any:
        net = Ops((4,))
        net.unit(net.linear(-1, 1), float(y.mean()), float(y.std()))
        torch.manual_seed(0)
        lessons = Lessons(x, y.astype(np.float32), 0, *flat, unit=float(y.std()), quantile=quantile)
        trainer = Trainer(TorchNet(net), [Recipe(AdamW(0.1), batch=64)], lessons, 120, seed=0)
        trainer.run(120)
        return trainer.answers(x)[0]

    plain = answers(y, None)
    assert np.allclose((answers(1000 * y - 7, None) + 7) / 1000, plain, atol=1e-3)
    assert abs(np.mean(plain - y)) < 0.1
    assert np.mean(y < answers(y, 0.9)) == pytest.approx(0.9, abs=0.03)


def test_whole_numbers_of_folders_are_classes_unless_told(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    from modelwright.data.array_part import load_arrays, prepare_arrays
    from modelwright.data.collection import read_collection

    x, _ = bars(20)
    for i, picture in enumerate(x):
        place = tmp_path / "ages" / str(30 + 10 * (i % 4))
        place.mkdir(parents=True, exist_ok=True)
        image.fromarray(picture).save(place / f"{i}.png")
    found = read_collection(tmp_path / "ages")
    classes = load_arrays(prepare_arrays(found, tmp_path / "a").dev)
    ages = load_arrays(prepare_arrays(found, tmp_path / "b", task="regression").dev)
    assert (classes.classes, classes.task) == (("30", "40", "50", "60"), "multiclass")
    assert (ages.classes, ages.task) == ((), "regression")
    assert set(ages.y.tolist()) == {30.0, 40.0, 50.0, 60.0}
    assert json.loads((tmp_path / "b" / "dev" / "part.json").read_text())["unit"] == list(ages.unit)
