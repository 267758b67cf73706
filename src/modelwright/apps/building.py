"""Commands that build: build, resume, demo."""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from modelwright.apps.inspecting import write_report
from modelwright.apps.progress import Progress
from modelwright.apps.words import emit_json, note, say
from modelwright.core.errors import InputError
from modelwright.core.problem import Budget
from modelwright.policy import LAPTOP, RulePolicy, read_policy
from modelwright.readers.runs import find_run
from modelwright.recipes.question import Question


def target_given(file: str, target: str | None) -> str:
    """The target, or the sentence that asks for it."""
    if target is not None:
        return target
    try:
        with Path(file).open(newline="", encoding="utf-8", errors="replace") as lines:
            header = next(csv.reader(lines), [])
    except OSError:
        header = []
    columns = f" {file} seems to have: {', '.join(header[:12])}." if header else ""
    raise InputError(f"name the column to predict with --target.{columns}")


def build(
    question: Question,
    *,
    budget: str,
    policy: str | None,
    name: str | None,
    workspace: str,
    as_json: bool,
    dry_run: bool,
) -> int:
    """Plans, runs and tells about a build; returns the exit code."""
    from modelwright.recipes.automl import plan_build, play

    began = time.monotonic()
    rules = LAPTOP if policy is None else read_policy(policy)
    wanted = Budget.parse(budget)
    if dry_run:
        return _dry_run(question, wanted, rules, as_json)
    plan = plan_build(
        question, budget=wanted, workspace=workspace, name=name, policy=rules, began=began
    )
    _say_plan(plan, wanted)
    with Progress(plan.run.ledger_path):
        result = play(plan)
    return _tell(result, as_json)


def resume(name: str | None, add: str | None, workspace: str, as_json: bool) -> int:
    """Goes on with a run."""
    from modelwright.recipes.automl import resume_build

    run = find_run(name, workspace)
    more = None if add is None else Budget.parse(add)
    with Progress(run.ledger_path):
        result = resume_build(run, more)
    return _tell(result, as_json)


def demo(data: str, budget: str, workspace: str) -> int:
    """Writes a bundled set as CSV, builds, and predicts its own rows."""
    from modelwright.data.examples import write_example

    path, target = write_example(data, Path(workspace) / "demo-data")
    say(f"$ modelwright build {path} --target {target} --budget {budget}")
    question = Question(str(path), target)
    return build(
        question, budget=budget, policy=None, name=None, workspace=workspace, as_json=False,
        dry_run=False,
    )  # fmt: skip


def _say_plan(plan: Any, budget: Budget) -> None:
    about = plan.study.problem.about
    note(
        f"{about['source'].get('name', 'table')}: {about['n_rows']} rows, "
        f"{len(about['columns'])} columns; {about['task']}; "
        f"metric {plan.study.problem.goals[0].metric}; budget {budget}"
    )
    for line in plan.notes[:20]:
        note(f"  - {line}")
    if len(plan.notes) > 20:
        note(f"  - {len(plan.notes) - 20} more notes are in the report")


def _tell(result: Any, as_json: bool) -> int:
    write_report(result.run, result.record)
    if as_json:
        emit_json(result.to_json())
        return int(result.exit_code)
    facts = result.to_json()
    say(facts["sentence"])
    if facts["score"] is not None:
        say(_scores(facts))
    for look in result.record.looks[-1:]:
        say(look["sentence"])
    say(f"why it ended: {facts['reason']} ({facts['trials']} trials, {facts['seconds']:.1f} s)")
    if result.shipped is not None:
        say(f"model:    {facts['model']} (fitted on {facts['model_rows']})")
    say(f"report:   {facts['report']}")
    run = result.run.path
    if result.shipped is not None:
        say(f"predict:  modelwright predict {run} NEW_ROWS.csv --out predictions.csv")
    say(f"continue: modelwright resume {run} --add-budget 5m")
    return int(result.exit_code)


def _scores(facts: dict[str, Any]) -> str:
    bounds = facts["interval"]
    interval = "" if bounds is None else f" (95 % interval {bounds[0]:.4g} to {bounds[1]:.4g})"
    base = facts["baseline"]
    beside = "not measured" if base is None else f"{base:.5g}"
    return f"{facts['metric']} {facts['score']:.5g}{interval}; trivial baseline {beside}"


def _dry_run(question: Question, budget: Budget, policy: RulePolicy, as_json: bool) -> int:
    from dataclasses import asdict

    from modelwright.core.trial import Action
    from modelwright.recipes.automl import plan_build

    with tempfile.TemporaryDirectory() as folder:
        plan = plan_build(question, budget=budget, policy=policy, folder=Path(folder) / "plan")
        study = plan.study
        ruling = policy.rule(Action("run", {k: v for k, v in asdict(budget).items() if v}))
        facts = {
            "schema": "modelwright.plan/1",
            "task": study.problem.about["task"],
            "metric": study.problem.goals[0].metric,
            "rows": {k: study.problem.about[k] for k in ("n_rows", "n_dev", "n_sealed")},
            "families": list(plan.arguments["families"]),
            "limits": [str(limit) for limit in study.problem.limits],
            "budget": str(budget),
            "slots": study.slots,
            "repeatable": study.repeatable,
            "ruling": {"word": ruling.word, "reason": ruling.reason},
            "notes": list(plan.notes),
        }
    if as_json:
        emit_json(facts)
    else:
        sys.stdout.writelines(f"{name}: {value}\n" for name, value in facts.items())
    return 0 if ruling.word == "allow" else 4 if ruling.word == "refuse" else 5
