from __future__ import annotations

import fcntl
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from command_line import POLICY, Answer, Built, call, finish, shop, spawn


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Built:
    """One real build, by a process of its own; no test may change the run it left.

    Where tests run on several workers, whoever comes first builds, and each has a copy.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if hasattr(request.config, "workerinput") else base) / "built"
    with (base.parent / "built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "answer.json").exists():
            answer = _build(shared)
            (shared / "answer.json").write_text(json.dumps(asdict(answer)))
    answer = Answer(**json.loads((shared / "answer.json").read_text()))
    return Built(shutil.copytree(shared, tmp_path_factory.mktemp("own") / "built"), answer)


def _build(folder: Path) -> Answer:
    folder.mkdir()
    shop(600).to_csv(folder / "shop.csv", index=False)
    (folder / "fast.toml").write_text(POLICY)
    process = spawn(
        folder, "build", "shop.csv", "--target", "bought", "--budget", "2trials",
        "--policy", "fast.toml", "--limit", "size_kb<=1000", "--json",
    )  # fmt: skip
    return finish(process)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose one run waits for a person, all its names meaning harm; to be copied."""
    from web_client import hostile_run

    return hostile_run(tmp_path_factory.mktemp("hostile")).path.parent


@pytest.fixture
def copied(built: Built, tmp_path: Path) -> Path:
    """A copy of the built folder that a test may harm; the run lies in it."""
    shutil.copytree(built.folder, tmp_path / "copy")
    assert call(tmp_path / "copy", "verify").code == 0
    return tmp_path / "copy"
