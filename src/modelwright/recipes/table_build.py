"""Builds on tables: read, doubted, split, planned; and handed over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError
from modelwright.core.problem import Budget
from modelwright.core.record import Record
from modelwright.policy import RulePolicy
from modelwright.readers.runs import RunFolder
from modelwright.recipes.memory import check_preparing, parse_memory, reading_bytes
from modelwright.recipes.plan import BuildPlan, absolute
from modelwright.recipes.question import Question
from modelwright.recipes.series_table import check_labelled, read_series
from modelwright.recipes.table_study import check_metric, study_plan


def check(question: Question) -> None:
    """Refuses what can be refused before a file is opened."""
    check_metric(question)
    if question.labelled_series:
        check_labelled(question)
    plain = Question("", "")
    for name in ("device", "diverse", "inherit", "coach", "backbone"):
        if getattr(question, name) != getattr(plain, name):
            raise InputError(f"--{name} goes with networks; leave it out for a table.")
    if question.series is not None and not question.labelled_series:
        raise InputError("--series goes with series, not with --kind table; leave one out.")


def plan(
    run: RunFolder,
    question: Question,
    frame: Any,
    budget: Budget,
    policy: RulePolicy,
    slots: int | None,
    began: float,
) -> BuildPlan:
    """Reads and prepares the table, and makes the study."""
    from modelwright.data import load_part, prepare
    from modelwright.evaluators.rival import check_rival, check_teacher

    question = replace(
        question, baseline=absolute(question.baseline), teacher=absolute(question.teacher)
    )
    made: tuple[str, ...] = ()
    asked = question
    if question.labelled_series:
        question = replace(question, target=question.target or "y")
        table, test, made = read_series(question, frame, run.path / "data")
        asked = replace(question, time=None, drop=())  # columns of moments, not of series
    else:
        table, test = _read(question, frame, run.path / "data")
    if question.memory is not None:
        check_preparing(parse_memory(question.memory), table)
    prepared = prepare(table, _split_question(asked, budget), run.path / "data", test)
    prepared = replace(prepared, notes=(*prepared.notes, *_doubts(table, asked, made)))
    for source in (question.baseline, question.teacher):
        if source is not None:
            check_rival(source, load_part(prepared.dev), prepared.dev)
    if question.teacher is not None:
        check_teacher(question.teacher)
    return study_plan(run, question, table.info, prepared, budget, policy, slots, began)


def plan_again(run: RunFolder, record: Record, began: float) -> BuildPlan:
    """The plan of a run that exists, from its first row and its prepared data."""
    from modelwright.data import ColumnInfo, Prepared, TableInfo, load_part
    from modelwright.designers import make_designer

    about = record.settings["problem"]["about"]
    data = run.path / "data"
    dev, sealed = data / "dev", data / "sealed"
    if not dev.exists():
        raise InputError(f"the run {run.name} has lost its data folder; build it again.")
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
        run, question, info, prepared, budget, policy, record.settings["slots"], began,
        record.settings,
    )  # fmt: skip
    # The designer of the first row, with its copy of the portfolio: a newer list changes nothing.
    designer = make_designer(record.settings["designer"])
    study = replace(plan.study, name=record.settings["name"], budget=budget, designer=designer)
    return replace(plan, study=study, description=record.settings, notes=tuple(about["notes"]))


def _split_question(question: Question, budget: Budget) -> Any:
    from modelwright.data import Question as Split

    return Split(
        question.target, question.task, question.positive, question.group, question.time,  # type: ignore[arg-type]
        question.weight, question.drop, question.sealed and question.test is None, question.seed,
        budget.seconds, question.protect, question.protect_as_input,
    )  # fmt: skip


def _doubts(table: Any, question: Question, made: tuple[str, ...] = ()) -> list[str]:
    """Columns, but those `made` of series, that likely give the target away, or repeat another."""
    from modelwright.data import read_target
    from modelwright.data.protected import parse_protected
    from modelwright.data.suspects import suspect_notes

    target = read_target(table, question.target, question.task, question.positive)  # type: ignore[arg-type]
    given = (question.group, question.weight, *question.drop, *made)
    aside = [n for n in given if n is not None]
    if not question.protect_as_input:
        known = [c.name for c in table.info.columns]
        aside += [parse_protected(text, known)[0] for text in question.protect]
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
