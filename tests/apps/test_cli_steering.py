"""A running build, steered from outside: killed, resumed, interrupted, paused, stopped."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import POLICY, call, finish, shop, spawn

from modelwright.core.errors import ModelwrightError
from modelwright.core.record import Record
from modelwright.readers.runs import RunFolder, read_record

PATIENCE = 90.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shop(400).to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "fast.toml").write_text(POLICY)
    return tmp_path


@pytest.fixture
def begin(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts commands; what a failing test leaves running is ended."""
    begun: list[subprocess.Popen[str]] = []

    def start(*words: object) -> subprocess.Popen[str]:
        begun.append(spawn(folder, *words))
        return begun[-1]

    yield start
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def until(folder: Path, wanted: Callable[[Record], bool]) -> Record:
    """The run's record as soon as it is as wanted."""
    run = RunFolder(folder / "modelwright-runs" / "shop")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            record = read_record(run)
        except ModelwrightError:
            record = None
        if record is not None and wanted(record):
            return record
        time.sleep(0.1)
    raise AssertionError("the run did not come so far in time")


def searched(at_least: int) -> Callable[[Record], bool]:
    return lambda record: (
        record.status == "running" and sum(o.ok for o in record.view.searched) >= at_least
    )


def test_a_build_is_killed_resumed_stopped_and_interrupted(
    folder: Path, begin: Callable[..., subprocess.Popen[str]]
) -> None:
    words = ("build", "shop.csv", "--target", "bought", "--policy", "fast.toml")
    process = begin(*words, "--budget", "1h", "--json")
    known = until(folder, searched(1)).view.finished
    assert call(folder, "status", "--json").json["status"] == "running"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert call(folder, "status", "--json").json["status"] == "killed"
    assert "is not running: killed" in call(folder, "stop").out
    kept = numbers(folder)
    assert set(kept) >= {o.trial.number for o in known}

    process = begin("resume", "--json")
    until(folder, searched(len(kept) + 1))
    assert numbers(folder)[: len(kept)] == kept  # none lost, none twice
    busy = call(folder, "resume")
    assert busy.code != 0
    assert f"process {process.pid}" in busy.err
    assert "told shop to stop" in call(folder, "stop").out
    told = time.monotonic()
    record = until(folder, lambda record: record.status == "stopped")
    assert time.monotonic() - told < 2
    assert record.reason == "stopped by the user"
    answer = finish(process, PATIENCE)
    assert answer.code == 0, answer.err  # a valid model was written, whatever ended the run
    assert (folder / answer.json["model"] / "manifest.json").exists()

    stopped = numbers(folder)
    process = begin("resume", "--json")
    until(folder, searched(len(stopped) + 1))
    process.send_signal(signal.SIGINT)
    answer = finish(process, PATIENCE)
    assert answer.code == 0, answer.err
    facts = answer.json
    assert (facts["status"], facts["exit_code"]) == ("stopped", 0)
    assert facts["trials"] > len(stopped)
    assert len(numbers(folder)) == len(set(numbers(folder)))
    assert call(folder, "verify").code == 0
    assert call(folder, "predict", "shop", "shop.csv", "--out", "p.csv").code == 0


@pytest.mark.parametrize("way", ["interrupted", "paused"])
def test_ended_before_there_is_a_model_is_130(
    way: str, folder: Path, begin: Callable[..., subprocess.Popen[str]]
) -> None:
    words = ("build", "shop.csv", "--target", "bought", "--policy", "fast.toml")
    process = begin(*words, "--budget", "9trials")
    until(folder, lambda record: record.status == "running")  # workers have yet to start
    if way == "paused":
        assert "told shop to pause" in call(folder, "pause").out
    else:
        process.send_signal(signal.SIGINT)
    answer = finish(process, PATIENCE)
    assert answer.code == 130
    assert "Traceback" not in answer.err
    assert "no model was built" in answer.out
    assert call(folder, "status", "--json").json["status"] in ("paused", "stopped")


def numbers(folder: Path) -> list[int]:
    """The trials that finished, in order."""
    run = RunFolder(folder / "modelwright-runs" / "shop")
    return [outcome.trial.number for outcome in read_record(run).view.finished]
