"""`build`: from data and a question to a shipped model, inside the budget."""

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
from modelwright.data.collection import is_collection
from modelwright.ledger import open_ledger
from modelwright.policy import LAPTOP, RulePolicy, in_force
from modelwright.readers.recalls import refuse_recalled
from modelwright.readers.runs import DEFAULT_WORKSPACE, RunFolder, record_of, study_of
from modelwright.recipes.notifying import Notifier
from modelwright.recipes.outcome import BuildResult
from modelwright.recipes.placing import ship_approved
from modelwright.recipes.plan import BuildPlan, kind_of, recipe
from modelwright.recipes.question import Question
from modelwright.recipes.recalling import check_given, check_recalls, data_hashes
from modelwright.recipes.under_policy import asked_under, checked
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
    A folder or archive of images or sounds, a table of their paths, or an `.npz` of images becomes
    a network; in a folder the class of a file is the name of the folder it lies in.
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
    source = str(data) if isinstance(data, (str, Path)) else "<DataFrame>"
    if target is None and isinstance(data, (str, Path)) and is_collection(Path(data)):
        target = ""  # the class of an example is the name of its folder
    if target is None:
        raise InputError("name the column to predict: target='...'.")
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
    began = time.monotonic() if began is None else began
    wanted = Budget.parse(budget)
    framed = frame is not None and question.horizon is None
    kind = "table" if framed else kind_of(question)
    planner = recipe(kind)
    question, wanted = asked_under(question, policy, kind), policy.bounded(wanted)
    planner.check(question)
    check_given(workspace, (question.data, question.baseline, question.teacher))
    path = folder or new_folder(workspace, name or _stem(question))
    try:
        plan: BuildPlan = planner.plan(
            RunFolder(path), question, frame, wanted, policy, 1 if slots == 0 else slots, began
        )  # fmt: skip
        plan = checked(plan, policy)
        refuse_recalled([Path(workspace)], data_hashes(plan.study.problem.about))
    except BaseException:
        _remove(path)
        raise
    return replace(plan, inline=slots == 0)


def play(plan: BuildPlan) -> BuildResult:
    """Runs a planned build to its end, and ships; people are told of what waits for them."""
    with Notifier(plan.run):
        return _play(plan)


def _play(plan: BuildPlan) -> BuildResult:
    from modelwright.executors import FileStore, ToolBox

    store = FileStore(plan.run.path / "artefacts")
    tools = ToolBox(plan.dev, store, threads=1)
    ledger = open_ledger(plan.run.ledger_path)
    try:
        workers = _workers(plan, tools)
        try:
            executor = workers if plan.tidy is None else plan.tidy(workers, store, plan.study)
            record = run(plan.study, ledger, executor, plan.description, plan.began, tools.kept)
        finally:
            workers.close()
        tools.sweep({trial.number for trial in record.view.pending})
        seconds = record.view.budget.seconds
        until = None if seconds is None else time.monotonic() + seconds - record.view.elapsed
        if any(asked.state == "approved" for asked in record.approvals):
            with ledger.writer(plan.study.name) as writer:
                ship_approved(plan.run, record, ledger, writer)
        shipped, student = plan.ship(plan.run, record, ledger, plan.study.policy, store, until)
        record = record_of(ledger, plan.study.name, plan.study.space)
    finally:
        ledger.close()
    took = time.monotonic() - plan.began
    return BuildResult(plan.run, record, shipped, plan.notes, took, student)


def _workers(plan: BuildPlan, tools: ToolBox) -> Executor:
    """Worker processes, or this process where the plan says so."""
    from modelwright.executors import EvaluatorSpec, Inline, Processes

    spec = EvaluatorSpec(plan.evaluator, plan.arguments)
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
        check_recalls(run_folder, record, ledger)
        plan = recipe(record.settings["problem"]["kind"]).plan_again(run_folder, record, began)
        plan = checked(plan, in_force(record))
        if add is not None:
            ledger.post(name, {"kind": "budget", "by": "resume", "add": asdict(add)})
    finally:
        ledger.close()
    return play(plan)


# -- parts ---------------------------------------------------------------------------------------


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
