"""One virtual environment per peer under `.bench/`, so that their pins never meet.

    python benchmarks/environments.py              # make every missing environment
    python benchmarks/environments.py optuna smac  # these only
    python benchmarks/environments.py --freeze smac  # rewrite smac.txt with every pin it got

`environments/<name>.txt` holds plain pinned requirements and no index address: pip's own settings
decide where wheels come from.  Our own side ("modelwright") runs in the checkout's `.venv`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE / ".bench"
# Python each peer runs on, where it is not the one that runs this file.
PYTHONS: dict[str, str] = {"hebo": "3.11", "smac": "3.11", "optuna": "3.11", "ray": "3.11", "joblib": "3.11"}
NAMES = tuple(sorted(p.stem for p in (HERE / "environments").glob("*.txt")))


def python(name: str) -> Path:
    """The interpreter of environment `name`, made or not."""
    folder = HERE.parent / ".venv" if name == "modelwright" else ROOT / name
    return folder / "bin" / "python"


def ready(name: str) -> bool:
    """Whether `name` is installed completely (a stopped install leaves no mark)."""
    if name == "modelwright":
        return python(name).exists()
    return (ROOT / name / "complete").exists()


def base_python(version: str | None) -> str:
    """An executable of Python `version` ("3.10"); looked for on the path, then in pyenv.

    Raises SystemExit naming the version where none starts.
    """
    if version is None:
        return sys.executable
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for found in [shutil.which(f"python{version}"), *map(str, reversed(pyenv))]:
        # A pyenv shim exists for versions that are not switched on: only a start tells.
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    raise SystemExit(f"no Python {version} found; install it (pyenv install {version}) and run again")


def make(name: str) -> None:
    """Create and fill environment `name`; does nothing when it is complete.

    Raises CalledProcessError where pip fails.
    """
    if ready(name):
        return
    folder = ROOT / name
    folder.mkdir(parents=True, exist_ok=True)
    if not python(name).exists():
        subprocess.run([base_python(PYTHONS.get(name)), "-m", "venv", str(folder)], check=True)
    pip = [str(python(name)), "-m", "pip", "install", "--quiet"]
    requirements = HERE / "environments" / f"{name}.txt"
    torch = [line for line in requirements.read_text().split() if line.startswith("torch==")]
    if torch:  # first and alone: else pip may fetch the much larger CUDA build for a dependant
        subprocess.run([*pip, *torch], check=True)
    subprocess.run([*pip, "-r", str(requirements)], check=True)
    (folder / "complete").touch()


def freeze(name: str) -> None:
    """Rewrite `environments/<name>.txt`: its comments, then every pin without local build tags."""
    path = HERE / "environments" / f"{name}.txt"
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    listed = subprocess.run(
        [str(python(name)), "-m", "pip", "freeze"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    pins = [line.split("+")[0] for line in listed if "==" in line]
    path.write_text("\n".join([*comments, *pins]) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the top of the file."""
    parser = argparse.ArgumentParser(description="Make the peers' virtual environments.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--freeze", action="store_true")
    chosen = parser.parse_args(arguments)
    for name in chosen.names or NAMES:
        if name not in NAMES:
            parser.error(f"no environment {name!r}; there are {', '.join(NAMES)}")
        try:
            freeze(name) if chosen.freeze else make(name)
            print(f"{name}: ready")
        except subprocess.CalledProcessError as error:
            print(f"{name}: not installed, {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
