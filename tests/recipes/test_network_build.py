"""Networks end to end: searched, trained for longer, shipped, answering without modelwright."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
image_module = pytest.importorskip("PIL.Image")

import modelwright as mw  # noqa: E402
from modelwright.core.errors import InputError  # noqa: E402
from modelwright.core.record import Record  # noqa: E402
from modelwright.core.trial import Evidence, Trial  # noqa: E402
from modelwright.core.view import View  # noqa: E402
from modelwright.evaluators.train_network import load  # noqa: E402
from modelwright.executors import FileStore, ToolBox  # noqa: E402
from modelwright.families.network_design import network_space  # noqa: E402
from modelwright.ledger import open_ledger  # noqa: E402
from modelwright.readers.report import report_html  # noqa: E402
from modelwright.recipes.automl import plan_build, resume_build  # noqa: E402
from modelwright.recipes.network_closing import TrainLonger  # noqa: E402
from modelwright.recipes.question import Question  # noqa: E402


def shapes(folder: Path, n: int = 120) -> Path:
    """Noisy pictures of 8 x 8 pixels: bars that lie, and bars that stand."""
    rng = np.random.default_rng(0)
    for i in range(n):
        pixels = rng.integers(0, 90, (8, 8))
        at = int(rng.integers(1, 7))
        name = ("lying", "standing")[i % 2]
        pixels[(at, slice(None)) if i % 2 == 0 else (slice(None), at)] += 150
        (folder / name).mkdir(parents=True, exist_ok=True)
        image_module.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def built(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    where = tmp_path_factory.mktemp("runs")
    return mw.build(photos, budget=3, workspace=where, slots=2, limits=["params<=5000"])


def test_a_build_ships_a_network_that_answers(built: mw.BuildResult, photos: Path) -> None:
    assert built.exit_code == 0
    assert built.best is not None
    assert built.best.trial.role in ("final", "blend", "student")  # one may win under limits
    assert built.best.evidence.scores["params"] <= 5000
    files = sorted(photos.rglob("*.png"))
    answers = built.model.predict(files)
    assert np.mean(answers == np.array([f.parent.name for f in files])) > 0.9
    assert built.record.looks[-1]["score"] > 0.8
    with pytest.raises(InputError, match="uint8"):
        built.model.predict(np.zeros((2, 3, 3)))


def test_the_folder_runs_without_modelwright(built: mw.BuildResult, photos: Path) -> None:
    folder = built.run.model_path
    code = (
        "import sys, numpy, torch; sys.path.insert(0, '.'); from network import Network, CLASSES\n"
        "from safetensors.torch import load_file\n"
        "net = Network(); net.load_state_dict(load_file('weights.safetensors')); net.eval()\n"
        "x = torch.from_numpy(numpy.load(sys.argv[1]))\n"
        "print(net.shares(x).numpy().tolist())"
    )
    files = sorted(photos.rglob("*.png"))[:6]
    raw = built.model.read(files)
    np.save(built.run.path / "raw.npy", raw)
    told = subprocess.run(
        [sys.executable, "-c", code, str((built.run.path / "raw.npy").absolute())],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert np.allclose(json.loads(told.stdout), built.model.shares(files), atol=1e-5)
    plain = subprocess.run(
        [sys.executable, "predict.py", *(str(f.absolute()) for f in files)],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    rows = list(csv.DictReader(plain.stdout.splitlines()))
    assert [row["prediction"] for row in rows] == built.model.predict(files).tolist()


def test_equal_seeds_give_equal_networks(
    built: mw.BuildResult, photos: Path, tmp_path: Path
) -> None:
    again = mw.build(photos, budget=3, workspace=tmp_path, slots=2, limits=["params<=5000"])

    def told(result: mw.BuildResult) -> list[Any]:
        return [
            (o.trial.candidate.document, o.trial.reason, o.losses)
            for o in result.record.seen.finished
            if o.trial.role in ("search", "rival", "final")
        ]

    assert told(again) == told(built)
    same = (again.run.model_path / "weights.safetensors").read_bytes()
    assert same == (built.run.model_path / "weights.safetensors").read_bytes()


def test_a_finished_run_goes_on_with_more_budget(photos: Path, tmp_path: Path) -> None:
    first = mw.build(photos, budget=2, workspace=tmp_path, slots=0, student=False)
    before = len(first.record.view.finished)
    assert len(resume_build(first.run).record.view.finished) == before
    more = resume_build(first.run, mw.Budget(trials=1))
    assert len(more.record.view.finished) > before


def test_the_report_shows_the_network(built: mw.BuildResult) -> None:
    page = report_html(built.run, built.record)
    assert "The network" in page
    assert "standing" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_limits_that_nothing_meets_are_told(photos: Path, tmp_path: Path) -> None:
    found = mw.build(photos, budget=2, workspace=tmp_path, slots=0, limits=["params<=20"])
    assert found.exit_code == 3
    assert not found.run.model_path.exists()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"monotone": ("a:+",)}, "--monotone goes with tables"),
        ({"limits": ("monotone_violations<=0",), "monotone": ("a:+",)}, "goes with tables"),
        ({"limits": ("flip_rate<=0.1",)}, "unknown metric 'flip_rate'"),
        ({"metric": "rmse"}, "rmse"),
        ({"group": "who"}, "has no table of paths"),
        ({"task": "regression"}, "regression needs a number"),
        ({"test": "/nowhere/at/all"}, "no file or folder"),
    ],
)
def test_what_does_not_go_with_networks(
    photos: Path, tmp_path: Path, asked: dict[str, Any], words: str
) -> None:
    question = Question(str(photos), "", **asked)
    with pytest.raises(InputError, match=words):
        plan_build(question, budget=2, workspace=tmp_path)
    assert not list(tmp_path.iterdir())


def searched(built: mw.BuildResult) -> View:
    """What the closing steps of a build saw first."""
    with open_ledger(built.run.path / "ledger.sqlite") as ledger:
        rows = list(ledger.rows(built.run.name))
    record = Record.open(rows[0].body, network_space("images"))
    for row in rows[: next(i for i, row in enumerate(rows) if row.kind == "phase")]:
        record.absorb(row.kind, row.body)
    return record.view


def test_where_examples_are_seen_few_times_one_network_gets_all_threads(
    built: mw.BuildResult, photos: Path, tmp_path: Path
) -> None:
    big = np.random.default_rng(0).integers(0, 255, (100, 128, 128, 3)).astype(np.uint8)
    np.savez(tmp_path / "big.npz", x=big, y=np.arange(100) % 2)
    short, long = (
        plan_build(Question(str(data), ""), budget="1s", workspace=tmp_path, slots=2)
        for data in (tmp_path / "big.npz", photos)
    )
    assert isinstance(short.study.closing, TrainLonger)
    assert isinstance(long.study.closing, TrainLonger)
    assert (short.study.closing.finals, long.study.closing.finals) == (1, 2)
    [proposal] = short.study.closing.propose(searched(built))
    final = json.loads(proposal.candidate.document)
    assert (final["type"], final["threads"]) == ("Final", 2)
    tools = ToolBox(long.dev, FileStore(tmp_path / "store"))
    *_, evidence = load(unit="seconds").evaluate(
        Trial(1, proposal.candidate, 0, 1.0, 1.0, seed=3), tools
    )
    assert isinstance(evidence, Evidence)
    assert evidence.facts["threads"] == 2
