"""A network from the command line: built, asked, served, shipped again, verified."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import Built, call, finish, spawn

from modelwright.readers.runs import RunFolder, read_record

pytest.importorskip("torch")
image_module = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("networks")
    rng = np.random.default_rng(0)
    for i in range(80):
        pixels = rng.integers(0, 60, (8, 8, 3))
        pixels[:, :, i % 2] += 120
        where = folder / "photos" / ("red", "green")[i % 2]
        where.mkdir(parents=True, exist_ok=True)
        image_module.fromarray(pixels.astype(np.uint8)).save(where / f"{i}.png")
    process = spawn(folder, "build", "photos", "--budget", "2trials", "--json", "--name", "net")
    tell_its_coach(folder, process)
    return Built(folder, finish(process))


def tell_its_coach(folder: Path, process: subprocess.Popen[str]) -> None:
    """Orders to the coach of the build, as soon as it runs."""
    while process.poll() is None:
        if call(folder, "coach", "net", "veto", "find_rate").out.startswith("told"):
            call(folder, "coach", "net", "set", "rate=0.5", "--trial", "999")
            return
        time.sleep(0.1)


def test_a_running_build_hears_what_its_coach_is_told(network: Built) -> None:
    record = read_record(RunFolder(network.folder / "modelwright-runs" / "net"))
    said = [m for m in record.messages if m["kind"] == "coach"]
    assert [m["do"] for m in said] == ["veto", "set"]
    assert "trial 999 does not run" in said[1]["ignored"]
    final = next(o for o in record.view.finished if o.trial.role == "final")
    row = next(row for row in final.evidence.facts["coach"] if row.get("order") == 0)
    assert row["by"] == said[0]["by"]
    assert row["action"]["kind"] == "veto"
    assert row["after"]["rate"] > 0
    assert all(row["action"]["kind"] != "find_rate" for row in final.evidence.facts["coach"])
    told = call(network.folder, "coach", "net").out
    assert "veto find_rate, by" in told
    assert f"trial {final.trial.number}: at step" in told
    assert "not passed on, trial 999 does not run" in told
    late = call(network.folder, "coach", "net", "pause")
    assert "net is not running: finished" in late.out


def test_what_is_built_answers_files(network: Built) -> None:
    assert network.answer.code == 0, network.answer.err
    told = json.loads(network.answer.out)
    assert told["metric"] == "accuracy"
    assert told["score"] > 0.9
    done = call(network.folder, "predict", "net", "photos/red", "--json")
    answers = json.loads(done.out)
    assert set(answers) == {"schema", "rows", "unread"}
    assert answers["schema"] == "modelwright.answers/1"
    rows = answers["rows"]
    assert {row["prediction"] for row in rows} == {"red"}
    plain = call(network.folder, "predict", "net", "photos/green/1.png")
    assert plain.out.splitlines()[0] == "file,prediction,share_green,share_red"


def test_a_file_that_is_no_image_is_told_and_the_others_answered(network: Built) -> None:
    mixed = network.folder / "mixed"
    mixed.mkdir()
    (mixed / "a.png").write_bytes(b"nothing")
    (mixed / "b.png").write_bytes((network.folder / "photos" / "red" / "0.png").read_bytes())
    done = call(network.folder, "predict", "net", "mixed")
    assert done.code == 2
    assert "a.png cannot be read as an image" in done.err
    assert len(done.out.splitlines()) == 2


def test_candidates_are_shipped_and_verified(network: Built) -> None:
    done = call(network.folder, "ship", "net", "--out", "chosen")
    assert done.code == 0, done.err
    assert "model.onnx answers as the model does" in done.out
    assert call(network.folder, "verify", "chosen").code == 0
    (network.folder / "chosen" / "network.py").write_text("changed")
    assert "network.py was changed" in call(network.folder, "verify", "chosen").out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("predict", "net", "photos", "--explain"), "--explain goes with models of tables"),
        (("predict", "net", "nowhere"), "no file or folder"),
        (("serve", "net", "--strict"), "go with models of tables"),
        (("question", "photos", "--target", "y"), "asked about tables"),
        (("build", "photos", "--time", "day"), "--time goes with tables"),
        (("coach", "net", "set", "rate=20"), "from 1e-07 to 10"),
        (("build", "photos", "--coach", "stern"), "a coach is guard, rules, learned, population"),
        (("build", "photos", "--kind", "picture"), "a kind is table, network, series"),
    ],
)
def test_what_does_not_go(network: Built, command: tuple[str, ...], words: str) -> None:
    done = call(network.folder, *command)
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err


@pytest.fixture
def served(network: Built) -> Iterator[str]:
    process = spawn(network.folder, "serve", "net", "--port", "0")
    assert process.stdout is not None
    line = process.stdout.readline()
    yield line.split(" at ")[1].split()[0]
    process.terminate()
    process.communicate(timeout=20)


def test_the_server_takes_a_file_as_it_is(network: Built, served: str) -> None:
    content = (network.folder / "photos" / "green" / "1.png").read_bytes()
    asked = urllib.request.Request(f"{served}/predict", content)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        told = json.loads(answer.read())
    assert told["prediction"] == "green"
    assert sum(told["shares"].values()) == pytest.approx(1, abs=1e-5)
    with urllib.request.urlopen(f"{served}/health", timeout=20) as answer:
        assert json.loads(answer.read())["classes"] == ["green", "red"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{served}/predict", b"no image"), timeout=20)
    assert refused.value.code == 422
    refused.value.close()
