"""Builds on series: read onto a grid, forecast from windows of the past, and handed over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.problem import Budget, Limit, Problem
from modelwright.core.record import Record
from modelwright.core.trial import Candidate
from modelwright.executors import default_slots
from modelwright.policy import RulePolicy
from modelwright.readers.runs import RunFolder
from modelwright.recipes.closing import BlendAndRefit
from modelwright.recipes.plan import BuildPlan
from modelwright.recipes.question import Question
from modelwright.recipes.series_portfolio import portfolio
from modelwright.recipes.series_ship import ship_series
from modelwright.recipes.tidy import tidied
from modelwright.study import Study

if TYPE_CHECKING:
    from modelwright.data.panel import Panel
    from modelwright.data.table import Table

EVALUATOR = "modelwright.evaluators.forecast_windows:load"
TRIVIAL = '{"type":"SeasonalNaive"}'
SHIP_SECONDS, SHIP_SHARE = 2.0, 0.2  # of a budget in seconds, kept for the model and the report
GROWTH = 1.3  # times the rows of one window's fit that a fit on all rows has
TAKEN = frozenset(
    {"data", "target", "time", "metric", "limits", "sealed", "drop", "seed", "horizon", "series",
     "known", "student", "power_watts"}
)  # fmt: skip
LIMITED = {
    "latency_ms": "median time of one forecast of one series, in milliseconds",
    "size_kb": "size of the exported forecaster, in units of 1,000 bytes",
    "fit_seconds": "time to fit once, in seconds",
}


@dataclass(frozen=True)
class Prepared:
    """Where the series lie: `dev` without the sealed end, `whole` with it, where one is sealed."""

    dev: Path
    whole: Path | None
    n_rows: int
    n_dev: int
    hash: str
    notes: tuple[str, ...]
    source: Mapping[str, Any]
    columns: tuple[Mapping[str, Any], ...]


def check(question: Question) -> None:
    """Refuses what does not go with forecasts, before a file is opened."""
    from modelwright.models.series_scores import find_goal

    plain = Question("", "")
    for field in fields(Question):
        if field.name not in TAKEN and getattr(question, field.name) != getattr(plain, field.name):
            raise InputError(
                f"--{field.name} does not go with a forecast; leave it out, or leave --horizon out."
            )
    find_goal(question.metric)
    for text in question.limits:
        Limit.parse(text, LIMITED)


def plan(
    run: RunFolder,
    question: Question,
    frame: Any,
    budget: Budget,
    policy: RulePolicy,
    slots: int | None,
    began: float,
) -> BuildPlan:
    """Reads the series, seals their ends, and makes the study."""
    table = _read(question, frame, run.path / "data")
    prepared = _prepare(table, question, run.path / "data")
    return _study_plan(run, question, prepared, budget, policy, slots, began)


def plan_again(run: RunFolder, record: Record, began: float) -> BuildPlan:
    """The plan of a run that exists, from its first row and its prepared data."""
    from modelwright.designers import make_designer

    about = record.settings["problem"]["about"]
    dev, whole = run.path / "data" / "dev", run.path / "data" / "sealed"
    if not (dev / "panel.json").exists():
        raise InputError(f"the run {run.name} has lost its data folder; build it again.")
    prepared = Prepared(
        dev, whole if whole.exists() else None, about["n_rows"], about["n_dev"],
        about["data_hash"], tuple(about["notes"]), about["source"], tuple(about["columns"]),
    )  # fmt: skip
    budget = Budget(**record.settings["budget"])
    made = _study_plan(
        run, Question.from_json(about["question"]), prepared, budget,
        RulePolicy.from_json(record.settings["policy"]), record.settings["slots"], began,
        record.settings,
    )  # fmt: skip
    designer = make_designer(record.settings["designer"])
    study = replace(made.study, name=record.settings["name"], designer=designer)
    return replace(made, study=study, description=record.settings, notes=tuple(about["notes"]))


def _read(question: Question, frame: Any, folder: Path) -> Table:
    from modelwright.data import Table, read_limited, read_table

    folder.mkdir(parents=True, exist_ok=True)
    if frame is None:
        read_limited(Path(question.data), folder)
        return Table.open(folder)
    return frame if isinstance(frame, Table) else read_table(frame)


def _prepare(table: Table, question: Question, folder: Path) -> Prepared:
    from modelwright.data.origins import plan_origins, sealed_lengths
    from modelwright.data.series import Asked, read_panel

    assert question.horizon is not None, "a question without a horizon is no forecast"
    asked = Asked(
        question.time, question.target, question.horizon, question.series, question.known,
        question.drop,
    )  # fmt: skip
    panel, notes = read_panel(table, asked)
    lengths = sealed_lengths(panel) if question.sealed else None
    dev = panel if lengths is None else panel.cut(lengths.tolist())
    if question.sealed and lengths is None:
        notes.append("nothing is sealed: the series are shorter than three horizons")
    dev.save(folder / "dev")
    if lengths is not None:
        panel.save(folder / "sealed")
    notes.append(_windows_note(plan_origins(dev), dev))
    said = [note for note in table.info.notes if "the only" not in note]
    return Prepared(
        folder / "dev", None if lengths is None else folder / "sealed", panel.rows, dev.rows,
        panel.hash, (*said, *notes), table.info.source,
        tuple(c.to_json() for c in table.info.columns),
    )  # fmt: skip


def _windows_note(origins: Any, panel: Panel) -> str:
    count = len(origins.folds)
    told = f"candidates are scored on {count} windows of {panel.schema.horizon} steps before that"
    if count == 1:
        told += "; with a single one intervals are as wide as its own errors, which flatters"
    return told


def _study_plan(
    run: RunFolder,
    question: Question,
    prepared: Prepared,
    budget: Budget,
    policy: RulePolicy,
    slots: int | None,
    began: float,
    before: Mapping[str, Any] | None = None,
) -> BuildPlan:
    """The study; of a run that goes on, `before` is the first row."""
    from modelwright.data.panel import load_panel
    from modelwright.designers import designer_json, make_designer
    from modelwright.designers.portfolio import Portfolio
    from modelwright.families.series_all import series_model
    from modelwright.gates import Paired
    from modelwright.models.series_scores import find_goal
    from modelwright.spaces import Space

    panel, goal = load_panel(prepared.dev), find_goal(question.metric)
    names, left_out = _families(policy, before)
    space = Space(series_model(names))
    limits = tuple(Limit.parse(text, LIMITED) for text in question.limits)
    at_once = slots or default_slots()
    notes = (*prepared.notes, *left_out)
    arguments = {
        "metric": goal.metric, "families": names,
        "sealed": None if prepared.whole is None else str(prepared.whole.absolute()),
    }  # fmt: skip
    if before is not None:
        arguments = dict(before["settings"]["arguments"]) | {"sealed": arguments["sealed"]}
    kept = _kept_seconds(budget, time.monotonic() - began)
    if before is not None:
        kept = float(before["settings"]["kept_seconds"])
    study = Study(
        name=run.name,
        problem=Problem("series", (goal,), limits, _about(question, prepared, panel, notes),
                        question.seed),
        space=space,
        designer=Portfolio(portfolio(space, names, panel), then=make_designer("bayesian")),
        gate=Paired(), policy=policy, budget=budget, slots=at_once, kept_seconds=kept,
        rivals=(Candidate(TRIVIAL),), rival_names=("trivial",),
        closing=BlendAndRefit(GROWTH, at_once, kept),
        protocol={"data": prepared.hash, "metric": goal.metric, "evaluator": EVALUATOR},
        settings={"budget": asdict(budget), "arguments": arguments, "kept_seconds": kept},
    )  # fmt: skip
    description = study.to_json(designer_json(study.designer), policy.to_json())
    return BuildPlan(
        run, study, description, EVALUATOR, arguments, prepared.dev, notes, began, ship_series,
        tidied,
    )  # fmt: skip


def _families(policy: RulePolicy, before: Mapping[str, Any] | None) -> tuple[list[str], list[str]]:
    """Names of the families to search, allowed and installed, and a line for each left out."""
    from modelwright.families import FAMILIES
    from modelwright.families.series_all import SEARCHED, SERIES, series_available

    if before is not None:
        return list(before["settings"]["arguments"]["families"]), []
    for name in policy.families:
        if name not in SERIES and name not in FAMILIES:
            raise InputError(
                f"policy {policy.name!r} allows the unknown family {name!r}."
                f"{did_you_mean(name, SERIES)} Known: {', '.join(SERIES)}."
            )
    wanted = [n for n in SEARCHED if not policy.families or n in policy.families]
    if not wanted:
        raise InputError(
            f"policy {policy.name!r} allows no family of forecasters; known: {', '.join(SERIES)}."
        )
    types, left_out = series_available(wanted)
    return [t.__name__ for t in types], left_out


def _about(
    question: Question, prepared: Prepared, panel: Panel, notes: tuple[str, ...]
) -> dict[str, Any]:
    """What the first row keeps of the question and the data, for readers."""
    n, step = len(panel), panel.schema.step.words
    many = f"{n} series, {prepared.n_rows:,} steps" if n > 1 else f"{prepared.n_rows:,} steps"
    return {
        "question": question.to_json(),
        "task": "forecast",
        "headline": f"{many} of one {step}; the next {panel.schema.horizon} are asked for",
        "n_rows": prepared.n_rows,
        "n_dev": prepared.n_dev,
        "n_sealed": prepared.n_rows - prepared.n_dev,
        "notes": list(notes),
        "columns": [dict(c) for c in prepared.columns],
        "source": dict(prepared.source),
        "schema": panel.schema.to_json(),
        "data_hash": prepared.hash,
    }


def _kept_seconds(budget: Budget, setup: float) -> float:
    """Seconds of the budget that writing the model and the report may take."""
    if budget.seconds is None:
        return 0.0
    return min(SHIP_SECONDS + setup, SHIP_SHARE * budget.seconds)
