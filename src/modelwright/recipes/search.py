"""`search`: any Python function over any frozen dataclass, resumable, with limits and reasons."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from modelwright.core.canonical import digest
from modelwright.core.code_hash import code_hash
from modelwright.core.errors import InputError
from modelwright.core.problem import ONE_RUNG, Budget, Goal, Limit, Problem, Rungs
from modelwright.core.reference import resolve
from modelwright.core.roles import Designer, Executor
from modelwright.executors import cpu_slots
from modelwright.ledger import Ledger, open_ledger
from modelwright.policy import LAPTOP, RulePolicy
from modelwright.recipes.result import SearchResult
from modelwright.study import Study, run

Changed = Literal["ask", "new", "keep"]
WORKSPACE = "modelwright-runs"
ARTEFACTS = "artefacts"  # the folder of kept models, beside the ledger
CODE = "objective (its code changed)"
KEPT = {CODE, "designer"}  # what may change under a study that goes on


@dataclass(frozen=True)
class Plan:
    """A study of a function and what runs it: built by `plan_search`, run by `search`."""

    study: Study
    description: Mapping[str, Any]
    where: str | Path
    evaluator: Any
    files: Path = field(default_factory=Path)


def search(
    space: Any,
    objective: Callable[..., Any] | str,
    *,
    budget: str | int | Budget = 100,
    goal: str | Sequence[str] = "minimise",
    limits: str | Sequence[str] = (),
    rungs: Rungs | Sequence[float] | None = None,
    executor: Literal["inline", "processes"] | Executor = "inline",
    slots: int | None = None,
    designer: Designer | str = "bayesian",
    seed: int = 0,
    name: str | None = None,
    workspace: str | Path = WORKSPACE,
    if_changed: Changed = "ask",
    policy: RulePolicy = LAPTOP,
) -> SearchResult:
    """Searches the designs of a frozen dataclass for the best value of a function.

    `space` is the dataclass (or a compiled `Space`). `objective(design)` returns a number, or a
    mapping from metric to number; `objective(design, fidelity)` is given the rung's fidelity when
    `rungs` are set, such as `(2, 6, 18)` epochs. What it raises becomes a failed trial. `budget` is
    `"5m"`, `"200trials"`, a number of trials, or a `Budget`; `goal` is `"minimise"`,
    `"maximise"`, `"maximise auc"`, or a list of these for a Pareto front. `limits` are hard
    constraints on returned metrics, such as `"latency_ms<=1"`.

    `executor="inline"` runs trials in this process, one at a time, and cannot interrupt one;
    `"processes"` runs `slots` workers, and needs an objective that can be imported
    (`"module:function"` or a function at the top of a module). `designer` is a name or a value.

    The study is kept in `workspace` (`":memory:"` keeps nothing) under `name`, by default the
    objective's own. Called again, it goes on where it was, or does nothing when its budget is
    spent; a larger budget continues it. The objective's code is part of the study: when it
    changed, `if_changed` decides: `"ask"` raises InputError saying so, `"new"` starts afresh beside
    the old, `"keep"` goes on with the old trials.

    With a budget in trials the same seed gives the same result, also in parallel.

    Raises InputError for what cannot be used, LedgerError when another process runs the study.

    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> from annotated_types import Interval
    >>> @dataclass(frozen=True)
    ... class Point:
    ...     x: Annotated[float, Interval(ge=-2, le=2)]
    >>> result = search(
    ...     Point, lambda p: (p.x - 1) ** 2, budget=30, designer="random", workspace=":memory:"
    ... )
    >>> len(result.trials), result.best_value < 0.1
    (30, True)
    """
    began = time.monotonic()
    plan = plan_search(
        space, objective, budget=budget, goal=goal, limits=limits, rungs=rungs,
        slots=slots_of(executor, slots), designer=designer, seed=seed, name=name,
        workspace=workspace, policy=policy,
    )  # fmt: skip
    ledger = open_place(plan)
    try:
        plan = settle(plan, ledger, if_changed)
        runner = make_executor(plan, executor)
        try:
            record = run(plan.study, ledger, runner, plan.description, began)
        finally:
            if not isinstance(executor, Executor):
                runner.close()
        return SearchResult(record, plan.study.space, str(plan.where), plan.study.name)
    finally:
        ledger.close()


def plan_search(
    space: Any,
    objective: Callable[..., Any] | str,
    *,
    budget: str | int | Budget,
    goal: str | Sequence[str],
    limits: str | Sequence[str],
    rungs: Rungs | Sequence[float] | None,
    slots: int,
    designer: Designer | str,
    seed: int,
    name: str | None,
    workspace: str | Path,
    policy: RulePolicy,
    in_order: bool = True,
) -> Plan:
    """The study behind `search`, checked, with nothing spent and nothing written."""
    from modelwright.designers import designer_json, make_designer
    from modelwright.evaluators.function import FunctionEvaluator
    from modelwright.gates import Best
    from modelwright.spaces import Space

    compiled = space if isinstance(space, Space) else Space(space)
    function = resolve(objective) if isinstance(objective, str) else objective
    goals = tuple(Goal.parse(g) for g in ([goal] if isinstance(goal, str) else goal))
    goals = goals if len(goals) == 1 else _named(goals)
    evaluator = FunctionEvaluator(
        function, compiled, tuple(g.metric for g in goals), fidelity=rungs is not None
    )
    ladder = (
        rungs
        if isinstance(rungs, Rungs)
        else Rungs(tuple(map(float, rungs)))
        if rungs
        else ONE_RUNG
    )
    chosen = make_designer(designer) if isinstance(designer, str) else designer
    label = _label(function) if name is None else checked_name(name)
    asked = [limits] if isinstance(limits, str) else limits
    bounds = tuple(Limit.parse(x) for x in dict.fromkeys((*asked, *policy.limits)))
    wanted = policy.bounded(Budget.parse(budget))
    study = Study(
        name=label, problem=Problem("function", goals, bounds, {"name": label}, seed),
        space=compiled, designer=chosen, gate=Best(), policy=policy, budget=wanted,
        rungs=ladder, slots=slots, in_order=in_order, protocol=evaluator.protocol(),
    )  # fmt: skip
    folder = Path(workspace) / label
    where: str | Path = folder / "ledger.sqlite"
    if str(workspace) == ":memory:" or "://" in str(workspace):
        where, folder = str(workspace), Path()
    description = study.to_json(designer_json(chosen), policy.to_json())
    return Plan(study, description, where, evaluator, folder)


def open_place(plan: Plan) -> Ledger:
    """The ledger of a plan; its folder is made when it is not there."""
    if isinstance(plan.where, Path):
        plan.where.parent.mkdir(parents=True, exist_ok=True)
    return open_ledger(plan.where)


def settle(plan: Plan, ledger: Ledger, if_changed: Changed) -> Plan:
    """Holds the plan against the study that the ledger has under its name, and adds budget."""
    if if_changed not in ("ask", "new", "keep"):
        raise InputError(f"if_changed is 'ask', 'new' or 'keep'; got {if_changed!r}.")
    name, tried = plan.study.name, 1
    while (first := first_row(ledger, name)) is not None:
        changed = _changes(first, plan.description)
        if not changed or (if_changed == "keep" and set(changed) <= KEPT):
            _add_budget(ledger, name, plan.study.budget)
            break
        if if_changed == "new":
            tried += 1
            name = f"{plan.study.name}-{tried}"
            continue
        keep = " or if_changed='keep' to go on with its trials"
        more = keep if set(changed) <= KEPT else ""
        raise InputError(
            f"study {name!r} was begun with another {', '.join(changed)} "
            f"({ledger.length(name)} rows in {plan.where}): "
            f"say if_changed='new' to start afresh beside it{more}."
        )
    study = replace(plan.study, name=name)
    return replace(plan, study=study, description={**plan.description, "name": name})


def make_executor(plan: Plan, executor: Any, threads: int = 1) -> Executor:
    """The executor that a name stands for; an executor is handed back as it is."""
    from modelwright.executors import EvaluatorSpec, FileStore, Inline, Processes, ToolBox

    if isinstance(executor, Executor):
        return executor
    tools = ToolBox(plan.files, FileStore(plan.files / ARTEFACTS), threads)
    if executor == "inline":
        return Inline(plan.evaluator, tools)
    if executor == "processes":
        entry = plan.evaluator.entry()
        spec = EvaluatorSpec(entry["entry"], entry["arguments"])
        return Processes(spec, tools, slots=plan.study.slots)
    raise InputError(f"executor is 'inline', 'processes' or an executor; got {executor!r}.")


def slots_of(executor: Any, slots: int | None) -> int:
    """How many trials run at once by an executor, or by the one that a name stands for."""
    if isinstance(executor, Executor):
        return slots or executor.slots
    if executor == "inline":
        if slots not in (None, 1):
            raise InputError("inline runs one trial at a time; use executor='processes' for slots.")
        return 1
    return slots or cpu_slots()


def _named(goals: tuple[Goal, ...]) -> tuple[Goal, ...]:
    names = [g.metric for g in goals]
    if "value" in names and len(names) > 1:  # ["minimise", "maximise"]: told apart by their place
        goals = tuple(
            Goal(f"value{i}", g.direction) if g.metric == "value" else g
            for i, g in enumerate(goals)
        )
        names = [g.metric for g in goals]
    if len(set(names)) != len(names):
        raise InputError(f"each goal needs its own metric; got {', '.join(names)}.")
    return goals


def _label(function: Any) -> str:
    module = str(getattr(function, "__module__", "") or "")
    name = f"{module}.{getattr(function, '__qualname__', type(function).__name__)}"
    if "<lambda>" in name:  # two lambdas of one module are two objectives
        name = f"{module}.lambda-{code_hash(function)[:8]}"
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name.replace("__main__.", "")).strip("-.")


def checked_name(name: str) -> str:
    """The name itself. Raises InputError where it would lead to another folder."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_. -]*", name):
        raise InputError(
            f"a name has letters, digits, '_', '-', '.' and blanks, no path; got {name!r}."
        )
    return name


def first_row(ledger: Ledger, name: str) -> Mapping[str, Any] | None:
    """What a study was begun with, None where there is none of that name."""
    return next((row.body for row in ledger.rows(name, 0, 1)), None)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between the study as recorded and as asked for now, in words."""
    pairs = {
        CODE: ("protocol", "code"), "set of examples": ("protocol", "data"), "space": ("space",),
        "unit of lengths (a budget in seconds or in trials)": ("protocol", "unit"),
        "designer": ("designer",),
        "goals": ("problem", "goals"), "limits": ("problem", "limits"),
        "seed": ("problem", "seed"), "rungs": ("rungs",), "number of slots": ("slots",),
    }  # fmt: skip

    def part(body: Mapping[str, Any], path: tuple[str, ...]) -> str:
        value: Any = body
        for step in path:
            value = value.get(step)
        return digest(value)

    return [word for word, path in pairs.items() if part(old, path) != part(new, path)]


def _add_budget(ledger: Ledger, name: str, asked: Budget) -> None:
    """Posts the part of the budget that the study was not given yet."""
    bodies = [row.body for row in ledger.rows(name, kinds=("study", "message"))]
    bodies += [message.body for message in ledger.inbox(name)]
    given: dict[str, Any] = {}
    for body in bodies:
        part = {} if "ignored" in body else body.get("add", body.get("budget", {}))
        for unit, amount in part.items():
            if amount is not None:
                given[unit] = given.get(unit, 0) + amount
    more = {
        unit: amount - given.get(unit, 0)
        for unit, amount in asdict(asked).items()
        if amount is not None and amount > given.get(unit, 0)
    }
    if more:
        ledger.post(name, {"kind": "budget", "by": "search", "add": more})
