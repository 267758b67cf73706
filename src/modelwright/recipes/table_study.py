"""The study behind `build`: what is searched, with what, against which baselines."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.problem import Budget, Limit, Problem, Rungs
from modelwright.core.trial import WATTS_PER_CORE, Candidate
from modelwright.executors import default_slots
from modelwright.policy import RulePolicy
from modelwright.readers.runs import RunFolder
from modelwright.recipes.beside import ship_both
from modelwright.recipes.closing import BlendAndRefit
from modelwright.recipes.declared import check_directions, keeping
from modelwright.recipes.fairness import FAIR_SECONDS
from modelwright.recipes.memory import deal
from modelwright.recipes.plan import BuildPlan
from modelwright.recipes.portfolio import portfolio
from modelwright.recipes.protecting import check_fairness, mitigations, with_mitigated
from modelwright.recipes.question import TASKS, Question
from modelwright.recipes.students import SKETCHES, Students, sketches_for
from modelwright.recipes.tidy import tidied
from modelwright.study import Study

if TYPE_CHECKING:
    from modelwright.data import Part, Prepared, Schema, TableInfo
    from modelwright.spaces import Space

SHIP_SECONDS = 3.0  # of a budget in seconds, kept for writing the model and the report
SHIP_SHARE = 0.25  # and never more than this share of it
FEW = 20  # trials below which all of them are full runs
JUDGED = 2  # designs that should be judged on all training rows of a very large table
LARGE = 5000  # rows from which on one fold tells enough to drop a design
EVALUATOR = "modelwright.evaluators.fit_and_score:load"
TRIVIAL = '{"type":"Dummy"}'


def table_space(names: Sequence[str], schema: Schema) -> Space:
    """The space of these families, in which feature work that a table cannot feel is settled."""
    from modelwright.families import table_model
    from modelwright.families.feature_work import FeatureWork
    from modelwright.families.inputs import DATE_PARTS
    from modelwright.spaces import Space

    numbers = len(schema.numeric) + DATE_PARTS * len(schema.dates)
    gaps = any(c.missing > 0 for c in schema.columns)
    settled = FeatureWork.settled(numbers, len(schema.categorical), bool(schema.texts), gaps)
    return Space(table_model(names), settled={FeatureWork: settled})


def study_plan(
    run_folder: RunFolder,
    question: Question,
    info: TableInfo,
    prepared: Prepared,
    budget: Budget,
    policy: RulePolicy,
    slots: int | None,
    began: float,
    before: Mapping[str, Any] | None = None,
) -> BuildPlan:
    """The study of a prepared table; of a run that goes on, `before` is the first row."""
    from modelwright.data import load_part
    from modelwright.designers import designer_json
    from modelwright.gates import Paired
    from modelwright.models.behaviour import place_of
    from modelwright.models.metrics import find_metric

    fair = mitigations(question, policy, prepared.schema.task)
    types, left_out = _families(policy, question, prepared, before, fair)
    space = table_space([t.__name__ for t in types], prepared.schema)
    asked = _metric(question, prepared.schema.classes)
    metric = find_metric(asked, prepared.schema.task)
    for name in question.invariant:
        place_of(prepared.schema, name)
    part = load_part(prepared.dev)
    dealt = deal(question.memory, slots or default_slots(), slots is not None, part)
    at_once = dealt.slots
    told = check_fairness(question.bounds, part)
    notes = (*info.notes, *prepared.notes, *told, *left_out, *dealt.notes)
    about = _about(question, info, prepared, notes)
    problem = Problem("table", (metric.goal,), question.bounds, about, question.seed)
    arguments = {
        "task": prepared.schema.task,
        "metric": asked,
        "families": [t.__name__ for t in types],
        "constraint": question.constraint,
        "sealed": None if prepared.sealed is None else str(prepared.sealed.absolute()),
        "path": str(Path.cwd()) if before is None else before["settings"]["arguments"]["path"],
        "behaviour": question.behaviour(),
        "watts": _watts(question),
        "monotone": [list(pair) for pair in question.directions],
    }
    setup = time.monotonic() - began + (FAIR_SECONDS if question.protect else 0.0)
    rungs, kept = _settled(part, budget, setup, before)
    students = _students(question, policy, prepared.schema, len(part), at_once)
    study = Study(
        name=run_folder.name, problem=problem, space=space,
        designer=_designer(space, types, part, question.bounds),
        gate=Paired(), policy=policy, budget=budget, rungs=rungs, slots=at_once, kept_seconds=kept,
        rivals=_rivals(question), rival_names=_rival_names(question),
        closing=BlendAndRefit(_growth(prepared, part, rungs), at_once, kept, students,
                              n_sealed=prepared.n_sealed),
        protocol={"data": prepared.hash, "metric": metric.identity(), "evaluator": EVALUATOR},
        settings={"budget": asdict(budget), "arguments": arguments, "kept_seconds": kept},
    )  # fmt: skip
    description = study.to_json(designer_json(study.designer), policy.to_json())
    return BuildPlan(
        run_folder, study, description, EVALUATOR, arguments, prepared.dev, notes, began,
        ship_both, tidied, worker_bytes=dealt.worker_bytes,
    )  # fmt: skip


def _watts(question: Question) -> float | None:
    """The power of a core where a limit asks for energy: to measure it takes a while."""
    if any(limit.metric == "energy_joules" for limit in question.bounds):
        return question.power_watts or WATTS_PER_CORE
    return None


def _about(
    question: Question, info: TableInfo, prepared: Prepared, notes: tuple[str, ...]
) -> dict[str, Any]:
    """What the first row keeps of the question and the data, for readers."""
    series = question.labelled_series
    return {
        "question": question.to_json(),
        "task": prepared.schema.task,
        "classes": list(prepared.schema.classes),
        "n_rows": info.n_rows,
        "n_dev": prepared.n_dev,
        "n_sealed": prepared.n_sealed,
        "notes": list(notes),
        "columns": [c.to_json() for c in info.columns],
        "source": dict(info.source),
        "data_hash": prepared.hash,
        **({"headline": f"{info.n_rows} series; {prepared.schema.task}"} if series else {}),
    }


def _families(
    policy: RulePolicy,
    question: Question,
    prepared: Prepared,
    before: Mapping[str, Any] | None,
    more: Sequence[str] = (),
) -> tuple[list[Any], list[str]]:
    """The types to search that are allowed and installed (and `more`), a line for each left out.

    A run that goes on has those of its first row, whatever was installed or named since.
    """
    from modelwright.families import FAMILIES, available, family, searched

    if before is not None:
        return [family(name) for name in before["settings"]["arguments"]["families"]], []
    check_directions(question.directions, prepared.schema)
    for name in policy.families:
        if name not in FAMILIES:
            raise InputError(
                f"policy {policy.name!r} allows the unknown family {name!r}."
                f"{did_you_mean(name, FAMILIES)} Known: {', '.join(FAMILIES)}."
            )
    names = [n for n in searched() if not policy.families or n in policy.families]
    lost: list[str] = []
    if question.directions:
        names, lost = keeping(names)
        if not names:
            raise InputError(
                f"no family that policy {policy.name!r} allows keeps a column monotone; allow "
                "Linear or LightGbm, or leave the directions out."
            )
    types, left_out = available([*names, *more])
    n_rows, weighted = prepared.n_dev + prepared.n_sealed, question.weight is not None
    whys = {
        t: t.why_not(prepared.schema, n_rows, weighted) if hasattr(t, "why_not") else ""
        for t in types
    }
    unfit = [f"left out: {why}" for why in whys.values() if why]
    return [t for t, why in whys.items() if not why], [*lost, *left_out, *unfit]


def _students(
    question: Question, policy: RulePolicy, schema: Schema, n_rows: int, slots: int
) -> Students | None:
    """The small models that may be taught; None where nobody wants any."""
    from modelwright.families import FAMILIES, available

    if not question.student:
        return None
    wanted = [n for n in FAMILIES if n in {sketch.family for sketch in SKETCHES}]
    allowed = [n for n in wanted if not policy.families or n in policy.families]
    types, _ = available(keeping(allowed)[0] if question.directions else allowed)
    n_models = len(schema.classes) if schema.task == "multiclass" else 1
    names = tuple(t.__name__ for t in types)
    sketches = sketches_for(n_rows, schema.task == "regression")
    return Students(names, slots, n_models, question.seed, sketches)


def check_metric(question: Question) -> None:
    """Refuses an unknown metric, or one that cannot be imported, before a file is opened."""
    from modelwright.models.metrics import find_metric, metric_tasks

    if question.metric is None or question.costs:
        return
    tasks = TASKS if question.task is None else (question.task,)
    fitting = metric_tasks(question.metric)
    task: Any = next((t for t in tasks if t in fitting), tasks[0])
    find_metric(question.metric, task)


def _metric(question: Question, classes: tuple[str, ...]) -> Any:
    """What the evaluator is told: a name, `module:function`, a table of costs, or None."""
    from modelwright.models.metrics import costs_table

    if not question.costs:
        return question.metric
    if not classes:
        raise InputError("costs per kind of error go with classes; this target is a number.")
    return {"costs": costs_table(question.costs, classes)}


def _designer(space: Any, types: Sequence[Any], part: Part, limits: Sequence[Limit] = ()) -> Any:
    """The learned order of designs first, then a search that knows how they did."""
    from modelwright.designers import make_designer
    from modelwright.designers.portfolio import Portfolio
    from modelwright.families.mitigated import MITIGATED

    every, schema = [t.__name__ for t in types], part.schema
    names = [name for name in every if name not in MITIGATED]
    listed = portfolio(space, names, schema.task, len(part), len(schema.classes))
    fair = [name for name in every if name in MITIGATED]
    listed = with_mitigated(listed, space, fair, limits)
    documents, costs = zip(*listed, strict=True)
    return Portfolio(documents, then=make_designer("bayesian"), costs=costs)


def _rungs(part: Part, budget: Budget) -> Rungs:
    """Cheaper looks first where a full one is many fits or many rows.

    Repeated cross-validation starts with its first repeat, of which the better half goes on; a
    large table starts with one of its folds, of which the best third does. In between, all folds
    are run at once; also when the budget has so few trials that hardly any would go on. Of a table
    with so many rows that a budget in seconds would see few designs, the full look is at a share of
    the training rows, and the first one at a fifth of that.
    """
    if budget.trials is not None and budget.trials < FEW:
        return Rungs((1.0,))
    share = _rows_share(part, budget)
    if share < 1:
        return Rungs((share / 5, share))
    if part.repeats > 1:
        return Rungs((1 / part.repeats, 1.0), eta=2)
    if len(part) >= LARGE and len(part.parts) > 1:
        return Rungs((1 / len(part.parts), 1.0))
    return Rungs((1.0,))


def _settled(
    part: Part, budget: Budget, setup: float, before: Mapping[str, Any] | None
) -> tuple[Rungs, float]:
    """Rungs, and seconds kept for shipping; of a run that goes on those of its first row."""
    kept = _kept_seconds(budget, setup)
    if before is None:
        return _rungs(part, budget), kept
    told = before["settings"].get("kept_seconds", kept)  # older rows have none
    return Rungs.of(before["rungs"]), float(told)


def _growth(prepared: Prepared, part: Part, rungs: Rungs) -> float:
    """How many times the rows of one fold's fit a fit on all rows has, the sealed ones too."""
    import numpy as np

    train = float(np.median((part.parts == 1).sum(axis=1)))
    share = rungs.fidelities[rungs.top] if len(part.parts) == 1 else 1.0
    return (prepared.n_dev + prepared.n_sealed) / max(1.0, share * train)


def _rows_share(part: Part, budget: Budget) -> float:
    """The share of the training rows on which some designs can be judged in time, at least 5 %."""
    from modelwright.data.split import fits_for

    if budget.seconds is None or len(part.parts) > 1:
        return 1.0
    schema = part.schema
    fits = fits_for(len(part), len(schema.columns), len(schema.classes), budget.seconds)
    return round(min(1.0, max(0.05, fits / JUDGED)), 3)


def _rivals(question: Question) -> tuple[Candidate, ...]:
    from modelwright.core.canonical import canonical

    sources = [s for s in (question.baseline, question.teacher) if s is not None]
    brought = [Candidate(canonical({"type": "Rival", "source": source})) for source in sources]
    return (Candidate(TRIVIAL), *brought)


def _rival_names(question: Question) -> tuple[str, ...]:
    given = (("yours", question.baseline), ("teacher", question.teacher))
    return ("trivial", *(by for by, source in given if source is not None))


def _kept_seconds(budget: Budget, setup: float) -> float:
    """Seconds of the budget that writing the model and the report may take.

    Shipping loads the same libraries and reads the same rows as getting ready did, so that the
    `setup` seconds, measured on this machine at this moment, tell how long it may take.
    """
    if budget.seconds is None:
        return 0.0
    return min(SHIP_SECONDS + setup, SHIP_SHARE * budget.seconds)
