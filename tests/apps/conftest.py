from __future__ import annotations

from pathlib import Path

import pytest
from command_line import POLICY, Built, call, finish, shop, spawn


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """One real build, by a process of its own; no test may change the run it left."""
    folder = tmp_path_factory.mktemp("built")
    shop(600).to_csv(folder / "shop.csv", index=False)
    (folder / "fast.toml").write_text(POLICY)
    process = spawn(
        folder, "build", "shop.csv", "--target", "bought", "--budget", "2trials",
        "--policy", "fast.toml", "--limit", "size_kb<=1000", "--json",
    )  # fmt: skip
    return Built(folder, finish(process))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose one run waits for a person, all its names meaning harm; to be copied."""
    from web_client import hostile_run

    return hostile_run(tmp_path_factory.mktemp("hostile")).path.parent


@pytest.fixture
def copied(built: Built, tmp_path: Path) -> Path:
    """A copy of the built folder that a test may harm; the run lies in it."""
    import shutil

    shutil.copytree(built.folder, tmp_path / "copy")
    assert call(tmp_path / "copy", "verify").code == 0
    return tmp_path / "copy"
