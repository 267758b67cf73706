"""A real PostgreSQL server for the session, and the places a ledger can be in."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelwright.ledger import Ledger, open_ledger

HOW = "no PostgreSQL server programs here: apt-get install postgresql"


def _programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`: the newest of Debian's, or where PATH leads."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[4])
    )
    on_path = shutil.which("initdb")
    path = found[-1] if found else Path(on_path).resolve() if on_path else None
    return path.parent if path is not None and (path.parent / "pg_ctl").exists() else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a server that lives as long as the session, on a socket in a folder."""
    programs = _programs()
    if programs is None:
        pytest.skip(HOW)
    # PostgreSQL refuses to run as root, and pytest's own folders are closed to other users.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
    if user is not None:
        shutil.chown(folder, user)

    # The guard waits for its input to end, which it also does when this process is killed.
    clean = '"$0" -D "$1/data" -m immediate -w stop >/dev/null 2>&1; rm -r "$1"'
    guard = subprocess.Popen(
        ["sh", "-c", f"cd /; read _; {clean}", str(programs / "pg_ctl"), str(folder)],
        stdin=subprocess.PIPE,
        user=user,
        start_new_session=True,  # Ctrl-C is not for it
    )

    def program(name: str, *arguments: str) -> None:
        command = [str(programs / name), "-D", str(folder / "data"), *arguments]
        with (folder / "out").open("ab") as out:
            subprocess.run(command, check=True, user=user, stdout=out, stderr=out, cwd=folder)

    with guard:  # leaving it closes its input and waits
        program("initdb", "-A", "trust", "-U", "tester", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        program("pg_ctl", "-o", options, "-l", str(folder / "log"), "-w", "start")
        yield f"postgresql://tester@/postgres?host={folder}"


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger that lasts can be: a new file, or the server's database."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    return str(request.getfixturevalue("postgres"))


@pytest.fixture
def factory(address: str) -> Callable[[], Ledger]:
    return lambda: open_ledger(address)
