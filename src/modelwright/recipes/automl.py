"""`build`: from a table and a question to a shipped model, inside the budget."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError
from modelwright.core.problem import Budget
from modelwright.core.record import Record
from modelwright.core.view import View
from modelwright.ledger import open_ledger
from modelwright.policy import LAPTOP, RulePolicy
from modelwright.readers.runs import DEFAULT_WORKSPACE, RunFolder, record_of, study_of
from modelwright.recipes.memory import check_preparing, parse_memory, reading_bytes
from modelwright.recipes.outcome import BuildResult
from modelwright.recipes.question import Question
from modelwright.recipes.table_study import EVALUATOR, BuildPlan, check_metric, study_plan
from modelwright.recipes.tidy import Tidy
from modelwright.study import run

if TYPE_CHECKING:
    import pandas as pd

    from modelwright.core.roles import Executor
    from modelwright.data import Table
    from modelwright.executors import ToolBox


def build(
    data: str | Path | pd.DataFrame | Question,
    target: str | None = None,
    *,
    budget: str | int | Budget = "5m",
    workspace: str | Path = DEFAULT_WORKSPACE,
    name: str | None = None,
    policy: RulePolicy = LAPTOP,
    slots: int | None = None,
    **question: Any,
) -> BuildResult:
    """Builds a model that predicts `target` from a table, and ships the best within the limits.

    `data` is a file (CSV of any dialect, gz, Parquet, Excel), a data frame, or a `Question`; the
    other fields of `Question` are keywords: `metric`, `limits`, `test`, `group`, `time`, `seed`...
    `budget` is wall time (`"5m"`) or trials. The run is a new folder in `workspace`. Trials run in
    `slots` worker processes (default: the cores of this machine, at most 4); with 0 slots they run
    one by one in this process, which starts at once and cannot stop one that hangs.

    Returns what came of it, also when no model met the limits. With a budget in trials, and no
    limit on a measured value, equal seeds give equal results.

    Raises InputError for a file or question that cannot be used; nothing was spent then.
    """
    began = time.monotonic()
    asked = data if isinstance(data, Question) else _asked(data, target, question)
    frame = None if isinstance(data, (str, Path, Question)) else data
    plan = plan_build(
        asked, frame, budget=budget, workspace=workspace, name=name, policy=policy, slots=slots,
        began=began,
    )  # fmt: skip
    return play(plan)


def _asked(data: Any, target: str | None, fields: Mapping[str, Any]) -> Question:
    if target is None:
        raise InputError("name the column to predict: target='...'.")
    source = str(data) if isinstance(data, (str, Path)) else "<DataFrame>"
    return Question.from_json({"data": source, "target": target, **fields})


def plan_build(
    question: Question,
    frame: pd.DataFrame | Table | None = None,
    *,
    budget: str | int | Budget,
    workspace: str | Path = DEFAULT_WORKSPACE,
    name: str | None = None,
    policy: RulePolicy = LAPTOP,
    slots: int | None = None,
    began: float | None = None,
    folder: Path | None = None,
) -> BuildPlan:
    """Reads and prepares the data and makes the study; spends nothing of the search.

    The run's folder is made by this call; `folder` gives one instead (a plan that is thrown away).
    """
    from modelwright.data import load_part, prepare
    from modelwright.evaluators.rival import check_rival, check_teacher

    began = time.monotonic() if began is None else began
    wanted = Budget.parse(budget)
    question = replace(
        question, baseline=_absolute(question.baseline), teacher=_absolute(question.teacher)
    )
    check_metric(question)
    path = folder or new_folder(workspace, name or _stem(question))
    try:
        table, test = _read(question, frame, path / "data")
        if question.memory is not None:
            check_preparing(parse_memory(question.memory), table)
        prepared = prepare(table, _split_question(question, wanted), path / "data", test)
        prepared = replace(prepared, notes=(*prepared.notes, *_doubts(table, question)))
        for source in (question.baseline, question.teacher):
            if source is not None:
                check_rival(source, load_part(prepared.dev), prepared.dev)
        if question.teacher is not None:
            check_teacher(question.teacher)
    except BaseException:
        _remove(path)
        raise
    at_once = 1 if slots == 0 else slots
    run_folder = RunFolder(path)
    plan = study_plan(run_folder, question, table.info, prepared, wanted, policy, at_once, began)
    return replace(plan, inline=slots == 0)


def play(plan: BuildPlan) -> BuildResult:
    """Runs a planned build to its end, ships, and writes the report."""
    from modelwright.evaluators.teacher import SCRATCH
    from modelwright.executors import FileStore, ToolBox
    from modelwright.recipes.beside import ship_student
    from modelwright.recipes.ship import ship_winner

    store = FileStore(plan.run.path / "artefacts")
    tools = ToolBox(plan.dev, store, threads=1)
    ledger = open_ledger(plan.run.ledger_path)
    try:
        workers = _workers(plan, tools)
        try:
            executor = Tidy(workers, store, View(plan.study.brief))
            record = run(plan.study, ledger, executor, plan.description, plan.began)
        finally:
            workers.close()
        shutil.rmtree(plan.dev.parent / SCRATCH, ignore_errors=True)
        seconds = record.view.budget.seconds
        until = None if seconds is None else time.monotonic() + seconds - record.view.elapsed
        policy = plan.study.policy
        shipped = ship_winner(plan.run, record, ledger, policy, store, until)
        student = ship_student(plan.run, record, ledger, policy, store, until)
        record = record_of(ledger, plan.study.name, plan.study.space)
    finally:
        ledger.close()
    took = time.monotonic() - plan.began
    return BuildResult(plan.run, record, shipped, plan.notes, took, student)


def _workers(plan: BuildPlan, tools: ToolBox) -> Executor:
    """Worker processes, or this process where the plan says so."""
    from modelwright.executors import EvaluatorSpec, Inline, Processes

    spec = EvaluatorSpec(EVALUATOR, plan.arguments)
    if plan.inline:
        return Inline(spec.build(), tools)
    # Libraries are loaded by the first trial that needs them: the first baseline comes sooner.
    slots, most = plan.study.slots, plan.worker_bytes
    return Processes(spec, tools, slots=slots, memory_bytes=most, spares=1)


def resume_build(run_folder: RunFolder, add: Budget | None = None) -> BuildResult:
    """Goes on with a run where it was; `add` is budget on top of what it had.

    Raises InputError when the run's data is gone, LedgerError when it is being run.
    """
    began = time.monotonic()
    ledger = open_ledger(run_folder.ledger_path, create=False)
    try:
        name = study_of(ledger)
        record = record_of(ledger, name)
        plan = plan_again(run_folder, record, began)
        if add is not None:
            ledger.post(name, {"kind": "budget", "by": "resume", "add": asdict(add)})
    finally:
        ledger.close()
    return play(plan)


def plan_again(run_folder: RunFolder, record: Record, began: float) -> BuildPlan:
    """The plan of a run that exists, from its first row and its prepared data."""
    from modelwright.data import ColumnInfo, Prepared, TableInfo, load_part
    from modelwright.designers import make_designer

    about = record.settings["problem"]["about"]
    data = run_folder.path / "data"
    dev, sealed = data / "dev", data / "sealed"
    if not dev.exists():
        raise InputError(f"the run {run_folder.name} has lost its data folder; build it again.")
    part = load_part(dev)
    prepared = Prepared(
        dev, sealed if sealed.exists() else None, part.schema, about["n_dev"], about["n_sealed"],
        (), about["data_hash"],
    )  # fmt: skip
    columns = tuple(ColumnInfo.from_json(c) for c in about["columns"])
    info = TableInfo(columns, about["n_rows"], (), about["source"])
    policy = RulePolicy.from_json(record.settings["policy"])
    question = Question.from_json(about["question"])
    budget = Budget(**record.settings["budget"])
    plan = study_plan(
        run_folder, question, info, prepared, budget, policy, record.settings["slots"], began,
        record.settings,
    )  # fmt: skip
    # The designer of the first row, with its copy of the portfolio: a newer list changes nothing.
    designer = make_designer(record.settings["designer"])
    study = replace(plan.study, name=record.settings["name"], budget=budget, designer=designer)
    return replace(plan, study=study, description=record.settings, notes=tuple(about["notes"]))


# -- parts ---------------------------------------------------------------------------------------


def _split_question(question: Question, budget: Budget) -> Any:
    from modelwright.data import Question as Split

    return Split(
        question.target, question.task, question.positive, question.group, question.time,  # type: ignore[arg-type]
        question.weight, question.drop, question.sealed and question.test is None, question.seed,
        budget.seconds,
    )  # fmt: skip


def _doubts(table: Any, question: Question) -> list[str]:
    """Columns that likely give the target away, or repeat another, in words."""
    from modelwright.data import read_target
    from modelwright.data.suspects import suspect_notes

    target = read_target(table, question.target, question.task, question.positive)  # type: ignore[arg-type]
    aside = [n for n in (question.group, question.weight, *question.drop) if n is not None]
    return suspect_notes(table, target, aside, table.info.notes)


def _read(question: Question, frame: Any, folder: Path) -> tuple[Any, Any]:
    from modelwright.data import Table, read_limited, read_rows_limited, read_table

    bound: dict[str, Any] = {}
    if question.memory is not None:
        bound["memory_bytes"] = reading_bytes(parse_memory(question.memory))
    if frame is not None:
        table = frame if isinstance(frame, Table) else read_table(frame, question.target)
        folder.mkdir(parents=True, exist_ok=True)
        table.save(folder)
    else:
        read_limited(Path(question.data), folder, target=question.target, **bound)
        table = Table.open(folder)
    test = None
    if question.test is not None:
        test = read_rows_limited(question.test, folder / "test", (question.target,), **bound)
    return table, test


def _absolute(source: str | None) -> str | None:
    """A file by its whole path: a run that goes on may be started from elsewhere."""
    return str(Path(source).absolute()) if source is not None and Path(source).exists() else source


def new_folder(workspace: str | Path, name: str) -> Path:
    """A folder of its own for a run: the name, or the name with the next free number."""
    base = Path(workspace)
    base.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = base / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def _stem(question: Question) -> str:
    stem = Path(question.data).name.split(".")[0] if question.data != "<DataFrame>" else "table"
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.") or "table"


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
