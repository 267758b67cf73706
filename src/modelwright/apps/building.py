"""Commands that build: build, resume, demo."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelwright.apps.inspecting import write_report
from modelwright.apps.progress import Progress
from modelwright.apps.words import emit_json, note, say
from modelwright.core.errors import InputError
from modelwright.core.problem import Budget
from modelwright.data.collection import is_collection
from modelwright.policy import LAPTOP, RulePolicy, read_policy
from modelwright.readers.energy import cost_words, energy_words
from modelwright.readers.runs import DEFAULT_WORKSPACE, ROWS, find_run
from modelwright.recipes.question import Question, read_question

REPORT_SECONDS = 0.3  # kept for writing the report
SETTINGS = {
    "budget": "5m", "policy": None, "name": None, "workspace": DEFAULT_WORKSPACE,
    "price_per_hour": None,
}  # fmt: skip


def question_from(
    file: str, asked: Mapping[str, Any], wanted: Mapping[str, Any]
) -> tuple[Question, dict[str, Any]]:
    """The question and the settings of the run; what flags say goes before `problem.toml`."""
    fields: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in asked.items() if v is not None
    }
    settings: dict[str, Any] = {}
    if file.endswith(".toml"):
        question, settings = read_question(file)
        question = replace(question, **fields)
    else:
        question = Question(data=file, target=_target(file, fields), **fields)
    given = {k: v for k, v in wanted.items() if v is not None}
    return question, {**SETTINGS, **settings, **given}


def _target(file: str, fields: dict[str, Any]) -> str:
    if "target" in fields:
        return str(fields.pop("target"))
    if not Path(file).exists():
        raise InputError(f"there is no file {file!r}.")
    if is_collection(Path(file)):
        return ""  # the class of an example is its folder's name, or a column found by its name
    try:
        with Path(file).open(newline="", encoding="utf-8") as lines:
            header = next(csv.reader([lines.readline(10_000)]), [])
    except (OSError, ValueError, csv.Error):  # not plain text; the flag is missing all the same
        header = []
    columns = f" {file} seems to have: {', '.join(header[:12])}." if header else ""
    raise InputError(f"name the column to predict with --target.{columns}")


def build(
    question: Question, settings: Mapping[str, Any], began: float, as_json: bool, dry_run: bool
) -> int:
    """Plans, runs and tells about a build; returns the exit code.

    `settings` has the keys of `SETTINGS`; `began` is when the command started, in the time of
    `time.monotonic()`, from which a budget in seconds is counted.
    """
    from modelwright.recipes.automl import plan_build, play
    from modelwright.recipes.under_policy import priced

    rules = LAPTOP if settings["policy"] is None else read_policy(settings["policy"])
    rules = priced(rules, settings["price_per_hour"])
    wanted = Budget.parse(settings["budget"])
    if dry_run:
        return _dry_run(question, wanted, rules, as_json)
    plan = plan_build(
        question, budget=wanted, workspace=settings["workspace"], name=settings["name"],
        policy=rules, began=began,
    )  # fmt: skip
    _say_plan(plan, plan.study.budget)
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
    """Writes a bundled set as CSV, builds a model for it, and predicts the same rows with it."""
    from modelwright.apps.using import predict
    from modelwright.data.examples import write_example

    path, target = write_example(data, Path(workspace) / "demo-data")
    say(f"$ modelwright build {path} --target {target} --budget {budget}")
    settings = {**SETTINGS, "budget": budget, "workspace": workspace}
    code = build(Question(str(path), target), settings, time.monotonic(), False, False)
    if code != 0:
        return code
    run = find_run(None, workspace)
    out = run.path / "predictions.csv"
    say(f"\n$ modelwright predict {run.path} {path} --out {out}")
    return predict(str(run.path), str(path), str(out), False, False, workspace, False)


def _say_plan(plan: Any, budget: Budget) -> None:
    about = plan.study.problem.about
    told = about.get("headline")
    if told is None:
        told = f"{about['n_rows']} rows, {len(about['columns'])} columns; {about['task']}"
    note(
        f"{about['source'].get('name', 'table')}: {told}; "
        f"metric {plan.study.problem.goals[0].metric}; budget {budget}"
    )
    for line in plan.notes[:20]:
        note(f"  - {line}")
    if len(plan.notes) > 20:
        note(f"  - {len(plan.notes) - 20} more notes are in the report")


def _tell(result: Any, as_json: bool) -> int:
    _explain(result)
    write_report(result.run, result.record)
    if as_json:
        emit_json(result.to_json())
        return int(result.exit_code)
    facts = result.to_json()
    say(facts["sentence"])
    if facts["score"] is not None:
        say(_scores(facts))
    for rival in result.record.view.finished:
        if rival.trial.brought and rival.evidence.failure is not None:
            word = "model" if rival.trial.by == "yours" else "teacher"
            say(f"your {word} could not be scored: {rival.evidence.failure.message}")
    for look in result.record.looks[-1:]:
        say(look["sentence"])
    say(f"why it ended: {facts['reason']} ({facts['trials']} trials, {facts['seconds']:.1f} s)")
    say(f"energy: {energy_words(facts['energy'])}")
    if facts["cost"]["money"] is not None:
        say(f"cost: {cost_words(facts['cost'])}")
    if result.shipped is not None:
        say(f"model:    {facts['model']} (fitted on {facts['model_rows']})")
    if result.student is not None:
        say(f"student:  {facts['student']}{_student(facts)}")
    say(f"report:   {facts['report']}")
    run = result.run.path
    if result.shipped is not None:
        rows = ROWS.get(result.record.settings["problem"]["kind"], "NEW_ROWS.csv")
        say(f"predict:  modelwright predict {run} {rows} --out predictions.csv")
    if result.exit_code == 5:
        say(f"decide:   modelwright decisions {run}")
    if result.exit_code in (0, 3, 130):
        more = "" if facts["status"] in ("paused", "stopped") else " --add-budget 5m"
        say(f"continue: modelwright resume {run}{more}")
    return int(result.exit_code)


def _explain(result: Any) -> None:
    """Explains a table's winner in what is left of a budget in seconds, at most two."""
    if result.record.settings["problem"]["kind"] != "table":
        return
    from modelwright.recipes.explaining import QUICK_SECONDS, explain_quickly

    seconds = result.record.view.budget.seconds
    left = QUICK_SECONDS if seconds is None else seconds - result.seconds - REPORT_SECONDS
    if result.shipped is not None and left > 0:
        explain_quickly(result.run, result.record, left)


def _student(facts: dict[str, Any]) -> str:
    """What the shipped student keeps, where one was taught."""
    if not facts["students"]:
        return ""
    best = facts["students"][0]
    kept = "" if best["kept"] is None else f"{best['kept']:.1%} of the gain, "
    return f" ({best['family']}: {kept}{best['latency_ms']:.2g} ms, {best['size_kb']:.3g} kB)"


def _scores(facts: dict[str, Any]) -> str:
    bounds = facts["interval"]
    interval = "" if bounds is None else f" (95 % interval {bounds[0]:.4g} to {bounds[1]:.4g})"
    base = facts["baseline"]
    beside = "not measured" if base is None else f"{base:.5g}"
    return f"{facts['metric']} {facts['score']:.5g}{interval}; trivial baseline {beside}"


def _say_facts(facts: Mapping[str, Any]) -> None:
    for name, value in facts.items():
        if name == "schema":
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        if name == "notes":
            say("notes:")
            say("\n".join(f"  - {line}" for line in value))
        elif name in ("policy", "gates"):
            say(f"{name}:")
            say("\n".join(f"  - {x if isinstance(x, str) else x['word'] + ': ' + x['reason']}"
                          for x in value or ["none: nothing will be asked"]))  # fmt: skip
        else:
            say(f"{name}: {', '.join(value) if isinstance(value, list) else value}")


def _dry_run(question: Question, budget: Budget, policy: RulePolicy, as_json: bool) -> int:
    from modelwright.readers.policy import policy_lines
    from modelwright.recipes.automl import plan_build
    from modelwright.recipes.under_policy import cost_range, gates
    from modelwright.study.spending import rule_budget

    with tempfile.TemporaryDirectory() as folder:
        plan = plan_build(question, budget=budget, policy=policy, folder=Path(folder) / "plan")
        study = plan.study
        ruling = rule_budget(study, policy, study.budget)
        facts = {
            "schema": "modelwright.plan/2",
            "task": study.problem.about["task"],
            "metric": study.problem.goals[0].metric,
            "rows": {k: study.problem.about[k] for k in ("n_rows", "n_dev", "n_sealed")},
            "families": list(plan.arguments.get("families", ())),
            "limits": [str(limit) for limit in study.problem.limits],
            "budget": str(study.budget),
            "cost": cost_range(plan, policy),
            "policy": policy_lines(policy),
            "gates": gates(plan, policy),
            "slots": study.slots,
            "repeatable": study.repeatable,
            "ruling": {"word": ruling.word, "reason": ruling.reason},
            "notes": list(plan.notes),
        }
    if as_json:
        emit_json(facts)
    else:
        _say_facts(facts)
    return 0 if ruling.word == "allow" else 4 if ruling.word == "refuse" else 5
