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
PYTHON = "3.11"  # of every peer
# Built by hand where pip's isolated build would leave out the compiled part, and say nothing: what
# the build needs stands in `environments/<name>-build.txt`.
COMPILED = {"hebo": "pymoo==0.6.0"}
FILES = HERE / "environments"
NAMES = tuple(sorted(p.stem for p in FILES.glob("*.txt") if not p.stem.endswith("-build")))


def python(name: str) -> Path:
    """The interpreter of environment `name`, made or not."""
    folder = HERE.parent / ".venv" if name == "modelwright" else ROOT / name
    return folder / "bin" / "python"


def ready(name: str) -> bool:
    """Whether `name` is installed completely (a stopped install leaves no mark)."""
    if name == "modelwright":
        return python(name).exists()
    return (ROOT / name / "complete").exists()


def base_python() -> str:
    """An executable of Python `PYTHON`: this one, on the path, or in pyenv.

    Raises SystemExit naming the version where none starts.
    """
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{PYTHON}.*/bin/python"))
    mine = sys.executable if "{}.{}".format(*sys.version_info) == PYTHON else None
    for found in [mine, shutil.which(f"python{PYTHON}"), *map(str, reversed(pyenv))]:
        # A pyenv shim exists for versions that are not switched on: only a start tells.
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    raise SystemExit(f"no Python {PYTHON} found; install it and run again")


def make(name: str) -> None:
    """Create and fill environment `name`; does nothing when it is complete.

    Raises CalledProcessError where pip fails.
    """
    if ready(name):
        return
    folder = ROOT / name
    folder.mkdir(parents=True, exist_ok=True)
    if not python(name).exists():
        subprocess.run([base_python(), "-m", "venv", str(folder)], check=True)
    pip = [str(python(name)), "-m", "pip", "install", "--quiet"]
    requirements, build = FILES / f"{name}.txt", FILES / f"{name}-build.txt"
    torch = [line for line in requirements.read_text().split() if line.startswith("torch==")]
    if torch:  # first and alone: else pip may fetch the much larger CUDA build for a dependant
        subprocess.run([*pip, *torch], check=True)
    if name in COMPILED:
        subprocess.run([*pip, "-r", str(build)], check=True)
        by_hand = ["--no-build-isolation", "--no-deps", "--no-cache-dir", COMPILED[name]]
        subprocess.run([*pip, *by_hand], check=True)
    subprocess.run([*pip, "-r", str(requirements)], check=True)
    (folder / "complete").touch()


def freeze(name: str) -> None:
    """Rewrite `environments/<name>.txt`: its comments, then every pin without local build tags."""
    path = FILES / f"{name}.txt"
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
