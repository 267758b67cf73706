"""Optuna's engine with its random sampler, over its four kinds of storage.

Files lie in a temporary folder of the system's default place: a RAM disk there would make durable
writes look free, so the row says which file system it was.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import event

from throughput import file_system, objective, timed
from worker import serve

optuna.logging.set_verbosity(optuna.logging.ERROR)


def storage(kind: str, folder: Path) -> optuna.storages.BaseStorage | None:
    """`kind`: memory, sqlite (as shipped), sqlite_wal (with synchronous NORMAL) or journal."""
    if kind == "memory":
        return None
    if kind == "journal":
        backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
        return optuna.storages.JournalStorage(backend)
    made = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}")
    if kind == "sqlite_wal":

        @event.listens_for(made.engine, "connect")
        def pragmas(connection: Any, _: object) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        made.engine.dispose()  # connections opened while the tables were made know no pragmas
    return made


def cell(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def setup() -> Callable[[Callable[[int], bool]], None]:
            sampler = optuna.samplers.RandomSampler(seed=request["seed"])
            study = optuna.create_study(
                storage=storage(request["storage"], folder), sampler=sampler
            )

            def run(tell: Callable[[int], bool]) -> None:
                def stop(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
                    if not tell(trial.number + 1):
                        study.stop()

                study.optimize(lambda t: objective(t.suggest_float("x", 0, 1)), callbacks=[stop])

            return run

        row = timed(setup)
        bytes_written = sum(f.stat().st_size for f in folder.iterdir())
        return {
            **row,
            "file_mb": round(bytes_written / 2**20, 2),
            "file_system": file_system(folder),
        }


if __name__ == "__main__":
    serve(cell, "optuna", "sqlalchemy")
