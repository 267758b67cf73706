"""`search_networks`: networks of the user's own modules, designed, trained and compared."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from modelwright.core.errors import InputError
from modelwright.core.problem import Budget, Limit, Problem, Rungs
from modelwright.core.record import Record
from modelwright.core.reference import resolve
from modelwright.core.roles import Designer, Executor
from modelwright.core.trial import Candidate
from modelwright.data.pairs import Pairs, keep_pairs, read_pairs
from modelwright.evaluators.train_own import PAIRS, TrainOwn, guess
from modelwright.executors import FileStore, ToolBox, cpu_slots
from modelwright.ledger import open_ledger
from modelwright.policy import LAPTOP, RulePolicy
from modelwright.readers.own_networks import own_report
from modelwright.recipes.network_closing import TrainLonger
from modelwright.recipes.own_model import OwnModel, choices_of, restored, started
from modelwright.recipes.plan import check_torch
from modelwright.recipes.result import SearchResult
from modelwright.recipes.search import (
    ARTEFACTS,
    WORKSPACE,
    Changed,
    Plan,
    checked_name,
    first_row,
    make_executor,
    settle,
    slots_of,
)
from modelwright.recipes.tidy import tidied
from modelwright.spaces.hints import classes_of
from modelwright.study import Study, run

FEW = 9  # trials, below which all are full runs
EPOCHS, FINAL = (2.0, 6.0), 3.0  # rungs of a budget in trials; the final training, in top rungs
TOP_SHARE, FINAL_SHARE = 0.12, 0.5  # of a budget in seconds: a full run, and the final training
LEAST_SECONDS, ETA = 3.0, 3  # of the first rung; how much longer the next is
MOST_THREADS = 4  # of one training in this process
BOUNDED = ("params", "macs")  # limits that are known before anything is trained
LIMITED: Mapping[str, str] = {
    "params": "learned numbers of the network",
    "macs": "multiplications for one example, in layers and products of matrices",
    "latency_ms": "median time of one example by PyTorch with one thread, in milliseconds",
    "size_kb": "size of the weights as safetensors, in units of 1,000 bytes",
    "fit_seconds": "time to train the network once, in seconds",
}


class NetworkResult(SearchResult):
    """A finished (or stopped) search of networks: the best one trained, and all that was tried."""

    def __init__(self, record: Record, plan: Plan) -> None:
        super().__init__(record, plan.study.space, str(plan.where), plan.study.name)
        self._plan = plan
        self._model: OwnModel | None = None

    @property
    def model(self) -> OwnModel:
        """The best network, trained. Raises NoModelError when there is none."""
        if self._model is None:
            best, evaluator = self.best, self._plan.evaluator
            pairs = read_pairs(self._plan.files / PAIRS, evaluator.pairs)
            about = {
                "document": best.trial.candidate.document, "shape": list(pairs.shape),
                "inputs": str(pairs.inputs.dtype), "classes": list(pairs.classes),
                "metric": self.record.view.goals[0].metric, "scores": dict(best.evidence.scores),
            }  # fmt: skip
            weights = FileStore(self._plan.files / ARTEFACTS).path(best.evidence.artefacts["model"])
            self._model = restored(evaluator.choices, self.space, about, weights)
        return self._model

    @property
    def module(self) -> Any:
        """The best network as a PyTorch module, trained, in the mode of answering."""
        return self.model.module

    @property
    def best_design(self) -> Any:
        """The best design, a value of the user's type (or `Yours(name)`, a network given)."""
        return self.model.design

    @property
    def adapters(self) -> tuple[str, ...]:
        """What was put between the parts of the best network because shapes did not fit."""
        return tuple(self.best.evidence.facts["adapters"])

    def report(self, path: str | Path | None = None) -> Path:
        """Writes the report, one HTML file, by default beside the ledger; where it lies."""
        place = self._plan.files / f"{self.name}.html" if path is None else Path(path)
        place.write_text(own_report(self.record))
        return place


def search_networks(
    space: Any,
    train: Any,
    valid: Any = None,
    *,
    budget: str | int | Budget = "5m",
    goal: str | None = None,
    limits: str | Sequence[str] = (),
    start: Any = (),
    step: Callable[..., Any] | str | None = None,
    rungs: Sequence[float] | None = None,
    executor: Literal["inline", "processes"] | Executor = "inline",
    slots: int | None = None,
    designer: Designer | str = "evolution",
    seed: int = 0,
    name: str | None = None,
    workspace: str | Path = WORKSPACE,
    if_changed: Changed = "ask",
    policy: RulePolicy = LAPTOP,
) -> NetworkResult:
    """Searches networks made of the user's own modules, and trains the best one.

    `space` is a frozen dataclass whose fields are the choices, with a `build` that returns a module
    or a sequence of modules and designs; or without one, when its fields are such designs. See
    `training.assemble`: what does not fit is adapted, and the result says how.

    `train` is `(x, y)`, arrays or tensors, or a data set of such pairs; `valid` likewise, or a
    fifth of `train`. Networks are given x as float32 (bytes as 0 to 1) or, where x holds whole
    numbers, as these. They answer one number for each class, before softmax; or one value where y
    holds floats. `goal` is a metric's name: `accuracy` for classes and `rmse` for values by
    default. `limits` name `params`, `macs`, `latency_ms`, `size_kb` or `fit_seconds`.

    `start` holds networks of one's own (modules, or classes or functions that make one), which are
    trained as baselines and stand in the space, and designs to begin with. `step(module, batch,
    optimizer)` takes one training step and returns the loss; else the built-in trainer does, by the
    field of the design that is a `Recipe` (`modelwright.training.recipe`). The optimiser is
    PyTorch's AdamW, or what `optimizer(self, parameters)` of the design returns.

    With a `budget` in seconds rungs are seconds of training and half of it goes to a last, longer
    training of the best design; in trials they are epochs, and equal seeds give equal results.
    `executor`, `slots`, `designer`, `name`, `workspace` and `if_changed` are those of `search`;
    called again it goes on where it was, also after it was killed, and inside a training from its
    newest checkpoint. With `"processes"` all that is
    the user's must lie in a module that can be imported.

    Raises InputError for what cannot be used, MissingLibraryError without PyTorch, LedgerError when
    another process runs the search.
    """
    from modelwright.designers import designer_json

    began = time.monotonic()
    check_torch()
    files, label = _place(space, name, workspace)
    at_once, found = slots_of(executor, slots), Budget.parse(budget)
    evaluator, designs, pairs = _evaluator(
        space, train, valid, files, goal, limits, start, step, found, seed
    )
    with open_ledger(files / "ledger.sqlite") as ledger:
        study = _study(
            evaluator, designs, pairs, label, found, limits, rungs, at_once, designer, seed, policy,
            first_row(ledger, label),
        )  # fmt: skip
        told = study.to_json(designer_json(study.designer), policy.to_json())
        plan = Plan(study, told, files / "ledger.sqlite", evaluator, files)
        plan = settle(plan, ledger, if_changed)
        threads = max(1, min(MOST_THREADS, cpu_slots() // at_once))
        runner = make_executor(plan, executor, threads)
        tools = ToolBox(files, FileStore(files / ARTEFACTS))
        runner = tidied(runner, tools.store, plan.study)
        try:
            record = run(plan.study, ledger, runner, plan.description, began, tools.kept)
        finally:
            if not isinstance(executor, Executor):
                runner.close()
        tools.sweep({trial.number for trial in record.view.pending})
    return NetworkResult(record, plan)


def _place(space: Any, name: str | None, workspace: str | Path) -> tuple[Path, str]:
    """The folder of the search and its name."""
    from modelwright.spaces import Space

    if str(workspace) == ":memory:" or "://" in str(workspace):
        raise InputError(f"trained networks are kept in a folder; got workspace={workspace!r}.")
    kind = resolve(space) if isinstance(space, str) else space
    label = re.sub(r"[^A-Za-z0-9_.]+", "-", Space(kind).name)[:60].strip("-.")
    label = label if name is None else checked_name(name)
    files = Path(workspace) / label
    files.mkdir(parents=True, exist_ok=True)
    return files, label


def _evaluator(
    space: Any, train: Any, valid: Any, files: Path, goal: str | None, limits: Any, start: Any,
    step: Any, budget: Budget, seed: int,
) -> tuple[TrainOwn, list[Any], Pairs]:  # fmt: skip
    """What trains one network; the designs of the space to begin with; and the examples."""
    from modelwright.models.metrics import find_metric, metric_tasks

    choices = choices_of(space, start)
    compiled = choices.space()
    tasks = metric_tasks(goal) if goal else ()
    values = tasks == ("regression",) if tasks else None
    pairs = keep_pairs(train, valid, files / PAIRS, seed, values)
    metric = goal or ("accuracy" if pairs.classes else "rmse")
    find_metric(metric, pairs.task)
    made = resolve(step) if isinstance(step, str) else step
    if made is not None and not callable(made):
        raise InputError(f"step is a function (module, batch, optimizer) -> loss; got {made!r}.")
    kinds = classes_of(choices.kind)
    if made is None and any(callable(getattr(k, "optimizer", None)) for k in kinds):
        raise InputError(
            "optimizer() goes with step=, which calls it; without a step of yours give the design "
            "a field of the type Recipe (modelwright.training.recipe)."
        )
    unit = "epochs" if budget.seconds is None else "seconds"
    known = [x for x in _limits(limits) if x.metric in BOUNDED and x.op == "<="]
    bounds = {x.metric: x.value for x in sorted(known, key=lambda x: -x.value)}  # the lowest stays
    evaluator = TrainOwn(choices, compiled, made, pairs.hash, metric, unit, bounds)
    own = [compiled.load(f'{{"type":"Yours","name":"{name}"}}') for name in choices.own]
    given = [thing for name, thing in started(choices.kind, start) if not name]
    return evaluator, [*own, *given], pairs


def _study(
    evaluator: TrainOwn, designs: list[Any], pairs: Pairs, label: str, budget: Budget, limits: Any,
    rungs: Sequence[float] | None, slots: int, designer: Any, seed: int, policy: RulePolicy,
    before: Mapping[str, Any] | None,
) -> Study:  # fmt: skip
    from modelwright.designers import Portfolio, make_designer
    from modelwright.gates import Paired
    from modelwright.models.metrics import find_metric

    metric, space = find_metric(evaluator.metric, pairs.task), evaluator.space
    chosen = make_designer(designer) if isinstance(designer, str) else designer
    documents = [space.dump(design) for design in designs]
    first = space.dump(space.default())
    if first not in documents:
        documents.append(first)
    ladder, final = _lengths(budget, rungs, before)
    timed = evaluator.unit == "seconds"
    # Where first runs are short, one full run is sure to be there when the time is over.
    n_rivals = len(designs) or int(ladder.top > 0)
    rivals = tuple(Candidate(document) for document in documents[:n_rivals])
    about = {
        "name": label, "task": pairs.task, "classes": list(pairs.classes),
        "n_train": len(pairs.train), "n_valid": len(pairs.valid), "shape": list(pairs.shape),
        "guess": guess(pairs, metric),
    }  # fmt: skip
    return Study(
        name=label, problem=Problem("own_networks", (metric.goal,), _limits(limits), about, seed),
        space=space, designer=Portfolio(tuple(documents), then=chosen), gate=Paired(),
        policy=policy, budget=budget, rungs=ladder, slots=slots, rivals=rivals,
        rival_names=("start" if designs else "default",) * n_rivals,
        closing=TrainLonger(final, timed, slots, 0.0, alone=True),
        protocol=evaluator.protocol(), settings={"final": final},
    )  # fmt: skip


def _lengths(
    budget: Budget, rungs: Sequence[float] | None, before: Mapping[str, Any] | None
) -> tuple[Rungs, float]:
    """Rungs, and the length of the final training; of a search that goes on those it began with."""
    timed = before is not None and before["protocol"].get("unit") == "seconds"
    if before is not None and rungs is None and timed is (budget.seconds is not None):
        return Rungs.of(before["rungs"]), float(before["settings"]["final"])
    if rungs is not None or budget.seconds is None:
        few = (budget.trials or FEW) < FEW  # halving needs many to choose from
        ladder = Rungs(tuple(map(float, rungs or (EPOCHS[-1:] if few else EPOCHS))), eta=ETA)
        final = FINAL * ladder.fidelities[-1]
        return ladder, final if budget.seconds is None else FINAL_SHARE * budget.seconds
    ladder = Rungs.timed(TOP_SHARE * budget.seconds, LEAST_SECONDS, ETA)
    return ladder, FINAL_SHARE * budget.seconds


def _limits(limits: str | Sequence[str]) -> tuple[Limit, ...]:
    texts = [limits] if isinstance(limits, str) else limits
    return tuple(Limit.parse(text, LIMITED) for text in texts)
