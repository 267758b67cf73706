"""Questions the question before money is spent: metric, columns, splits, proxies, budget."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError
from modelwright.core.problem import Budget
from modelwright.recipes.plan import kind_of
from modelwright.recipes.points import Asked
from modelwright.recipes.question import Question

SCHEMA = "modelwright.question/1"


def question_facts(
    question: Question, budget: str | Budget = "5m", protect: Sequence[str] = ()
) -> dict[str, Any]:
    """What to think about before a build, as plain data (docs/json.md); nothing is kept.

    `protect` names columns that answers shall not depend on; columns whose names sound like it are
    looked at as well. Takes a few seconds: rows are bounded, and one default model is fitted once
    to tell what a budget buys. Raises InputError for a file or question that cannot be used.
    """
    from modelwright.recipes.automl import plan_build
    from modelwright.recipes.questions_of_data import budget_points, data_points
    from modelwright.recipes.questions_of_metric import metric_points
    from modelwright.recipes.questions_of_people import proxy_points

    wanted = Budget.parse(budget)
    if kind_of(question) != "table":
        raise InputError("questions are asked about tables; this is a collection of examples.")
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "plan"
        plan = plan_build(question, budget=wanted, folder=where)
        asked = _asked(question, plan, where)
        for name in protect:
            asked.table.info.column(name, "column to protect")
        points = [
            *metric_points(asked),
            *data_points(asked),
            *proxy_points(asked, protect),
            *budget_points(asked, wanted, plan),
        ]
        about = plan.study.problem.about
    order = {"warning": 0, "hint": 1, "fact": 2}
    points.sort(key=lambda p: order[p.level])
    return {
        "schema": SCHEMA, "data": Path(question.data).name, "target": question.target,
        "task": about["task"], "metric": plan.study.problem.goals[0].metric,
        "rows": about["n_rows"], "columns": len(about["columns"]), "budget": str(wanted),
        "points": [asdict(point) for point in points],
    }  # fmt: skip


def _asked(question: Question, plan: Any, where: Path) -> Asked:
    from modelwright.data import Table, load_part, read_target
    from modelwright.models.metrics import find_metric

    table = Table.open(where / "data")
    target = read_target(table, question.target, question.task, question.positive)  # type: ignore[arg-type]
    part = load_part(plan.dev)
    metric = find_metric(plan.arguments["metric"], part.schema.task)
    n_sealed = int(plan.study.problem.about["n_sealed"])
    if len(part) < 1:
        raise InputError("the table has no rows to ask about.")
    return Asked(question, table, target, part, metric, n_sealed, plan.study.slots)
