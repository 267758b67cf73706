"""What an executor is given: how to make the evaluator, and the tools that trials may use."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwright.core.canonical import Json
from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.roles import Evaluator
from modelwright.executors.store import FileStore

_ENTRY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class ToolBox:
    """What a trial may use: a folder of data, a store for what it leaves, a number of threads.

    `deadline` is a time of `time.monotonic()` past which the trial is stopped.

    Data reaches workers without copies: arrays lie in `data` as `.npy` and are opened with
    `np.load(path, mmap_mode="r", allow_pickle=False)`, so that all workers read the same pages.
    """

    data: Path
    store: FileStore
    threads: int = 1
    deadline: float | None = None

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InputError(f"threads is 1 or more; got {self.threads}.")

    @property
    def scratch(self) -> Path:
        """Where trials leave what they can go on from, in files `NUMBER.*`; it may not exist."""
        return self.store.root / "unfinished"

    def kept(self, number: int) -> str:
        """A name for what a trial left in `scratch`, by its content; empty where there is none."""
        # A writer that was killed leaves a `.partial`, and nobody goes on from that.
        files = [p for p in self.scratch.glob(f"{number}.*") if p.suffix != ".partial"]
        total = hashlib.sha256()
        for path in sorted(files):
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        return total.hexdigest()[:16] if files else ""

    def sweep(self, running: Collection[int]) -> None:
        """Deletes from `scratch` what belongs to none of the trials `running`."""
        for path in self.scratch.glob("*.*"):
            if path.name.partition(".")[0] not in map(str, running):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not there, or not empty
            self.scratch.rmdir()


@dataclass(frozen=True)
class EvaluatorSpec:
    """How a worker makes the evaluator: `entry(**arguments)`, entry as "package.module:function".

    Raises InputError when the entry has another form or the arguments are not plain JSON.

    >>> spec = EvaluatorSpec("modelwright.testing.evaluators:toy", {})
    >>> sorted(spec.build().protocol())
    ['code', 'data', 'metric']
    """

    entry: str
    arguments: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _ENTRY.fullmatch(self.entry):
            raise InputError(
                f"an evaluator's entry is 'package.module:function'; got {self.entry!r}."
            )
        if self.entry.partition(":")[0] == "__main__":
            raise InputError(
                f"{self.entry!r} lives in the running script or notebook, which a worker process "
                "cannot import; move it to a module, or evaluate inline."
            )
        try:
            json.dumps(self.arguments)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"arguments of {self.entry!r} must be plain JSON, to travel to workers: {error}."
            ) from error

    def build(self) -> Evaluator:
        """Imports the entry and calls it. Raises InputError when it cannot be found or used.

        What the entry itself raises passes through.
        """
        module_name, _, name = self.entry.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            raise InputError(f"the evaluator's module {module_name!r} cannot be found.") from error
        entry: Any = getattr(module, name, None)
        if not callable(entry):
            near = did_you_mean(name, [n for n in vars(module) if not n.startswith("_")])
            raise InputError(f"module {module_name!r} has no function {name!r}.{near}")
        evaluator = entry(**self.arguments)
        if not isinstance(evaluator, Evaluator):
            raise InputError(
                f"{self.entry!r} must return an evaluator (evaluate and protocol); "
                f"it returned {type(evaluator).__name__}."
            )
        return evaluator
