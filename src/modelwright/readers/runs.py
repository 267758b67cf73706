"""Finding runs in a workspace, and reading one back from its ledger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.record import Record
from modelwright.ledger import Ledger, open_ledger
from modelwright.ledger.lockfile import lock_path

LEDGER = "ledger.sqlite"
DEFAULT_WORKSPACE = "modelwright-runs"
# What the model of a kind of problem answers, as the commands to copy say it; else rows.
ROWS = {"network": "NEW_FILES/", "series": "HISTORY.csv"}


@dataclass(frozen=True)
class RunFolder:
    """A folder of the workspace that holds a run: its ledger, its model, its report."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name, which is what commands call the run."""
        return self.path.name

    @property
    def ledger_path(self) -> Path:
        """The run's SQLite file."""
        return self.path / LEDGER

    @property
    def model_path(self) -> Path:
        """Where the shipped bundle lies, when there is one."""
        return self.path / "model"

    @property
    def student_path(self) -> Path:
        """Where the best student lies, when it is not the shipped model itself."""
        return self.path / "student"

    @property
    def key_path(self) -> Path:
        """Where the workspace keeps the key that signs heads."""
        return self.path.parent / "keys" / "heads.pem"

    @property
    def report_path(self) -> Path:
        """The self-contained report."""
        return self.path / "report.html"


def all_runs(workspace: str | Path) -> list[RunFolder]:
    """The runs of a workspace, newest first (by the last change of their ledger)."""
    found = [RunFolder(p.parent) for p in Path(workspace).glob(f"*/{LEDGER}")]
    return sorted(found, key=_changed, reverse=True)


def _changed(run: RunFolder) -> float:
    log = run.ledger_path.with_name(LEDGER + "-wal")
    return max(p.stat().st_mtime for p in (run.ledger_path, log) if p.exists())


def find_run(name: str | None, workspace: str | Path = DEFAULT_WORKSPACE) -> RunFolder:
    """The run of that name or path; without a name, the newest.

    Raises InputError when there is none, with the nearest name.
    """
    if name is not None and (Path(name) / LEDGER).exists():
        return RunFolder(Path(name))
    runs = all_runs(workspace)
    if name is None and runs:
        return runs[0]
    if name is None:
        raise InputError(
            f"no run in the workspace {str(workspace)!r}; start one with 'modelwright build', "
            f"or name another with --workspace."
        )
    for run in runs:
        if run.name == name:
            return run
    raise InputError(
        f"no run named {name!r} in the workspace {str(workspace)!r}."
        f"{did_you_mean(name, [r.name for r in runs])} 'modelwright runs' lists them."
    )


def open_run(run: RunFolder) -> Ledger:
    """The run's ledger, for reading."""
    return open_ledger(run.ledger_path, create=False, read_only=True)


def study_of(ledger: Ledger) -> str:
    """The name of the run's own study: the first in its ledger."""
    studies = ledger.studies()
    if not studies:
        raise InputError("the run's ledger is empty: it was stopped before its first row.")
    return studies[0]


def read_record(run: RunFolder, space: Any = None) -> Record:
    """The run's rows, folded. Raises InputError when it has none."""
    ledger = open_run(run)
    try:
        return record_of(ledger, study_of(ledger), space)
    finally:
        ledger.close()


def process_of(run: RunFolder, study: str) -> int | None:
    """The process that works on the run now, by its lock; None when nobody does.

    A run whose process was killed keeps the status `running` in its rows; this tells the two apart.
    """
    try:
        process = int(lock_path(run.ledger_path, study).read_text("ascii"))
        os.kill(process, 0)
    except (OSError, ValueError, OverflowError) as error:
        return process if isinstance(error, PermissionError) else None
    return process


def record_of(ledger: Ledger, study: str, space: Any = None) -> Record:
    """One study's rows, folded."""
    record: Record | None = None
    for row in ledger.rows(study):
        if record is None:
            record = Record.open(row.body, space)
        record.absorb(row.kind, row.body)
    if record is None:
        raise InputError(f"the ledger has no rows of study {study!r}.")
    return record


def settings_of(record: Record) -> Mapping[str, Any]:
    """What the recipe noted in the first row about the run: file, task, columns."""
    about: Mapping[str, Any] = record.settings["problem"]["about"]
    return about
