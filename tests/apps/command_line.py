"""Runs the command line for the tests: in this process for speed, or as a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

POLICY = """name = "fast"
allow = ["run", "evaluate", "blend", "refit", "look", "ship"]
[families]
allowed = ["Linear"]
"""

COMMAND = [sys.executable, "-c", "from modelwright.apps.cli import main; main()"]


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Built:
    """A folder with a finished run called `shop`, and what its build said."""

    folder: Path
    answer: Answer

    @property
    def run(self) -> Path:
        return self.folder / "modelwright-runs" / "shop"


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    before, path = Path.cwd(), list(sys.path)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path


def call(folder: Path, *words: object) -> Answer:
    """`modelwright WORDS` in a folder, in this process."""
    from modelwright.apps.cli import main

    out, err = io.StringIO(), io.StringIO()
    argv = ["modelwright", *map(str, words)]
    with (
        inside(folder),
        mock.patch.object(sys, "argv", argv),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code: Any = 0
        except SystemExit as end:
            code = end.code
    return Answer(int(code or 0), out.getvalue(), err.getvalue())


def spawn(folder: Path, *words: object) -> subprocess.Popen[str]:
    """`modelwright WORDS` in a folder, as a process; nothing is a terminal."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)], cwd=folder, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], seconds: float = 120) -> Answer:
    out, err = process.communicate(timeout=seconds)
    return Answer(process.returncode, out, err)


def shop(n: int, seed: int = 0) -> pd.DataFrame:
    """A small shop: two numbers and a colour say, with noise, who buys."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "price": rng.normal(size=n).round(3),
            "visits": rng.normal(size=n).round(3),
            "colour": rng.choice(["red", "green", "blue"], n),
        }
    )
    lean = table.price + (table.colour == "red") - 0.5 * table.visits
    table["bought"] = np.where(rng.uniform(size=n) < 1 / (1 + np.exp(-2 * lean)), "yes", "no")
    return table
