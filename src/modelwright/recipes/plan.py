"""A build that is ready to run, whatever its kind of data; and which recipe plans which kind."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modelwright.core.errors import MissingLibraryError
from modelwright.core.record import Record
from modelwright.core.roles import Policy
from modelwright.ledger import Ledger
from modelwright.readers.runs import RunFolder
from modelwright.recipes.outcome import Shipped
from modelwright.study import Study

if TYPE_CHECKING:
    from modelwright.core.roles import Executor
    from modelwright.executors import FileStore
    from modelwright.recipes.question import Question


class Ship(Protocol):
    """Writes what a finished run is to hand over: the winner, and what goes beside it."""

    def __call__(
        self,
        run: RunFolder,
        record: Record,
        ledger: Ledger,
        policy: Policy,
        store: FileStore,
        until: float | None,
    ) -> tuple[Shipped | None, Shipped | None]:
        """The shipped model and the student beside it; None for what there is not.

        `until` is when the budget ends, in `time.monotonic()`.
        """  # fmt: skip


@dataclass(frozen=True)
class BuildPlan:
    """A build that is ready to run: the data is prepared, nothing was tried.

    Workers make the evaluator from `evaluator` and `arguments`, and read the data in `dev`. `ship`
    hands over what came out, and `tidy` wraps the executor so that files nobody will ship go.
    `inline` runs the trials in this process, one by one; `worker_bytes` bounds each worker.
    """

    run: RunFolder
    study: Study
    description: Mapping[str, Any]
    evaluator: str
    arguments: Mapping[str, Any]
    dev: Path
    notes: tuple[str, ...]
    began: float
    ship: Ship
    tidy: Callable[[Executor, FileStore, Study], Executor] | None = None
    inline: bool = False
    worker_bytes: int | None = None


# Kind of problem -> module with `check(question)`, `plan(run, question, frame, budget, policy,
# slots, began)` and `plan_again(run, record, began)`; the last two give a BuildPlan.
RECIPES: Mapping[str, str] = {
    "table": "modelwright.recipes.table_build",
    "network": "modelwright.recipes.network_build",
    "series": "modelwright.recipes.series_build",
}
# Fields of a question that a network understands.
OF_NETWORKS = frozenset(
    {"data", "target", "kind", "metric", "limits", "test", "sealed", "group", "student", "seed",
     "task", "baseline", "teacher", "device", "power_watts", "diverse", "inherit",
      "coach", "backbone", "purpose", "rights"}
)  # fmt: skip


def recipe(kind: str) -> Any:
    """The module that plans problems of that kind."""
    return importlib.import_module(RECIPES[kind])


def kind_of(question: Question) -> str:
    """The kind of a question's data: a key of `RECIPES`.

    A table of texts and classes, and nothing else, becomes a network where PyTorch is installed.
    """
    from modelwright.data.collection import is_collection
    from modelwright.data.texts import text_column

    if question.kind is not None and not question.labelled_series:
        return question.kind
    if question.horizon is not None:
        return "series"
    if question.labelled_series:
        return "table"
    path = Path(question.data)
    if is_collection(path):
        return "network"
    texts = not of_tables(question) and text_column(path, question.target) is not None
    return "network" if texts and find_spec("torch") is not None else "table"


def of_tables(question: Question) -> list[str]:
    """The fields of a question that say something and mean nothing for networks."""
    plain = type(question)("", "")
    names = (f.name for f in fields(question) if f.name not in OF_NETWORKS)
    return [name for name in names if getattr(question, name) != getattr(plain, name)]


def absolute(source: str | None) -> str | None:
    """A file by its whole path: a run that goes on may be started from elsewhere."""
    return str(Path(source).absolute()) if source is not None and Path(source).exists() else source


def check_torch() -> None:
    """Raises MissingLibraryError where PyTorch, without which no network learns, is not there."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingLibraryError(
            "training networks needs PyTorch: pip install 'modelwright[networks]'"
        ) from None
