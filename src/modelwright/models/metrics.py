"""Metrics: what a score is called, which way is better, and how it is computed.

All are means over rows or built from them, take weights, and see predictions in one form: `[n]`
values for regression, `[n, k]` shares (probabilities) for classes. The judge recomputes every
score with `score_predictions`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.core.canonical import digest
from modelwright.core.code_hash import code_hash
from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.problem import Direction, Goal
from modelwright.core.reference import resolve
from modelwright.families.base import FloatArray, Loss, Task
from modelwright.models import formulas as f

ASK = "ask"  # among costs: what it costs to leave a row to a person
Needs = Literal["shares", "labels", "values"]
Labels = npt.NDArray[Any]
CLASSES: tuple[Task, ...] = ("binary", "multiclass")
BINARY: tuple[Task, ...] = ("binary",)
REGRESSION: tuple[Task, ...] = ("regression",)


@dataclass(frozen=True)
class Metric:
    """A score's name, direction, range and formula.

    `function(y, predictions, weights)` gets what `needs` says: `shares` `[n, k]`, `labels` `[n]`
    class numbers, or `values` `[n]`. `tuned` tells that, with two classes, the threshold that turns
    shares into labels is chosen for this metric (else it is one half). `loss` is what regression
    models should minimise for it. `level` is what follows the @ of a name such as `pinball@0.9`.
    `code` names a formula of the user's own by its hash. `costs` `[true class][answer]` belong to
    the metric `costs`.
    """

    name: str
    direction: Direction
    needs: Needs
    tasks: tuple[Task, ...]
    function: Callable[[Labels, Any, FloatArray], float] = field(compare=False, repr=False)
    low: float = 0.0
    high: float = 1.0
    tuned: bool = False
    loss: Loss = "squared"
    level: float = 0.5
    code: str = ""
    costs: tuple[tuple[float, ...], ...] = ()

    @property
    def range(self) -> list[float | None]:
        """Lowest and highest score as plain data, None where there is no bound."""
        return [bound if math.isfinite(bound) else None for bound in (self.low, self.high)]

    @property
    def quantile(self) -> float:
        """The level of the quantile that models should learn; a half where it is none."""
        return self.level if self.loss == "quantile" else 0.5

    @property
    def learnt(self) -> float | None:
        """The quantile that a network of values learns for it; None for the mean."""
        return None if self.loss == "squared" else self.quantile

    @property
    def goal(self) -> Goal:
        """The metric as a study's goal."""
        return Goal(self.name, self.direction)

    def better(self, a: float, b: float) -> bool:
        """True when score `a` is better than score `b`."""
        return a > b if self.direction == "maximise" else a < b

    def identity(self) -> dict[str, Any]:
        """What makes two scores of this metric comparable, as plain data."""
        known: dict[str, Any] = {"name": self.name, "direction": self.direction}
        if self.code:
            known["code"] = self.code
        if self.costs:
            known["costs"] = [list(row) for row in self.costs]
        return known


def _of(
    name: str,
    direction: Direction,
    needs: Needs,
    tasks: tuple[Task, ...],
    function: Any,
    **more: Any,
) -> tuple[str, Metric]:
    return name, Metric(name, direction, needs, tasks, function, **more)


METRICS: Mapping[str, Metric] = dict(
    [
        _of("roc_auc", "maximise", "shares", CLASSES, f.roc_auc),
        _of("average_precision", "maximise", "shares", BINARY, f.average_precision),
        _of("log_loss", "minimise", "shares", CLASSES, f.log_loss, high=math.inf),
        _of("brier", "minimise", "shares", CLASSES, f.brier, high=2.0),
        _of("accuracy", "maximise", "labels", CLASSES, f.accuracy),
        _of("balanced_accuracy", "maximise", "labels", CLASSES, f.balanced_accuracy, tuned=True),
        _of("f1", "maximise", "labels", BINARY, f.f1, tuned=True),
        _of("macro_f1", "maximise", "labels", CLASSES, f.macro_f1, tuned=True),
        _of("weighted_f1", "maximise", "labels", CLASSES, f.weighted_f1),
        _of("mcc", "maximise", "labels", CLASSES, f.mcc, low=-1.0, tuned=True),
        _of("kappa", "maximise", "labels", CLASSES, f.kappa, low=-1.0, tuned=True),
        _of("qwk", "maximise", "labels", CLASSES, f.qwk, low=-1.0, tuned=True),
        _of("precision", "maximise", "labels", BINARY, f.precision),
        _of("sensitivity", "maximise", "labels", BINARY, f.sensitivity),
        _of("specificity", "maximise", "labels", BINARY, f.specificity),
        _of("rmse", "minimise", "values", REGRESSION, f.rmse, high=math.inf),
        _of("mse", "minimise", "values", REGRESSION, f.mse, high=math.inf),
        _of("mae", "minimise", "values", REGRESSION, f.mae, high=math.inf, loss="absolute"),
        _of(
            "median_ae", "minimise", "values", REGRESSION, f.median_ae, high=math.inf,
            loss="absolute",
        ),
        _of("r2", "maximise", "values", REGRESSION, f.r2, low=-math.inf),
        _of("rmsle", "minimise", "values", REGRESSION, f.rmsle, high=math.inf),
        _of("mape", "minimise", "values", REGRESSION, f.mape, high=math.inf, loss="absolute"),
        _of("smape", "minimise", "values", REGRESSION, f.smape, high=2.0, loss="absolute"),
    ]
)  # fmt: skip

# Metrics that need a number, written after an @, and an example of it.
LEVELLED: Mapping[str, Metric] = dict(
    [
        _of(
            "pinball", "minimise", "values", REGRESSION, f.pinball, high=math.inf, loss="quantile",
            level=0.9,
        ),
        _of("lift", "maximise", "shares", BINARY, f.lift, high=math.inf, level=0.1),
        _of("f_beta", "maximise", "labels", BINARY, f.f_beta, tuned=True, level=2.0),
    ]
)  # fmt: skip

ALIASES: Mapping[str, str] = {
    "auc": "roc_auc", "auroc": "roc_auc", "logloss": "log_loss", "cross_entropy": "log_loss",
    "acc": "accuracy", "f1_macro": "macro_f1", "recall": "sensitivity", "ap": "average_precision",
    "pr_auc": "average_precision", "r_squared": "r2", "median_absolute_error": "median_ae",
    "mean_absolute_error": "mae", "root_mean_squared_error": "rmse", "brier_score": "brier",
    "mean_squared_error": "mse", "cohen_kappa": "kappa", "quadratic_weighted_kappa": "qwk",
    "quadratic_kappa": "qwk", "f1_weighted": "weighted_f1", "f1_micro": "accuracy",
    "micro_f1": "accuracy", "quantile": "pinball", "quantile_loss": "pinball",
}  # fmt: skip

DEFAULT: Mapping[Task, str] = {
    "binary": "roc_auc",
    "multiclass": "log_loss",
    "regression": "rmse",
}

# Scored beside the metric that was asked for, so that a report can show them.
STANDARD: Mapping[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "average_precision", "brier", "accuracy"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "macro_f1"),
    "regression": ("rmse", "mae", "r2"),
}


def find_metric(spec: str | Mapping[str, Any] | None, task: Task) -> Metric:
    """The metric that a name, `module:function` or table of costs stands for.

    None is the task's default: `roc_auc`, `log_loss` or `rmse`. `"minimise mine:error"` gives the
    direction of a function of one's own; see `own_metric`. A mapping `{"costs": [[...], ...]}` has
    one row per true class and one column per answer; see `costs_metric`. `"pinball@0.9"` has a
    level. Raises InputError for an unknown name and for a metric of another task.

    >>> find_metric("auc", "binary").name, find_metric(None, "regression").direction
    ('roc_auc', 'minimise')
    >>> find_metric("pinball@0.9", "regression").level
    0.9
    """
    if isinstance(spec, Mapping):
        return costs_metric(spec["costs"])
    text = spec or DEFAULT[task]
    words = text.split()
    if ":" in text:
        goal = Goal.parse(text) if len(words) == 2 else None
        return own_metric(words[-1], task, goal.direction if goal else None)
    name = _plain(text)
    metric = _levelled(text) if name in LEVELLED else METRICS.get(name)
    fitting = [m.name for m in METRICS.values() if task in m.tasks]
    fitting += [f"{m.name}@{m.level:g}" for m in LEVELLED.values() if task in m.tasks]
    if metric is None:
        raise InputError(
            f"unknown metric {text!r}.{did_you_mean(name, [*METRICS, *LEVELLED, *ALIASES])} "
            f"For a {task} target: {', '.join(fitting)}, or your own as module:function."
        )
    if task not in metric.tasks:
        raise InputError(
            f"metric {metric.name} is for {' and '.join(metric.tasks)} targets and this one is "
            f"{task}. Choose one of {', '.join(fitting)}."
        )
    return metric


def metric_tasks(text: str) -> tuple[Task, ...]:
    """The tasks of the metric of that name; none where no metric of ours is called so.

    >>> metric_tasks("pinball@0.9"), metric_tasks("mine:profit")
    (('regression',), ())
    """
    name = _plain(text)
    known = LEVELLED.get(name) or METRICS.get(name)
    return () if known is None or ":" in text else known.tasks


def _plain(text: str) -> str:
    """A metric's name without direction and level, aliases resolved."""
    name = text.split()[-1].lower().replace("-", "_").partition("@")[0] if text.split() else ""
    return ALIASES.get(name, name)


def _levelled(text: str) -> Metric:
    """The metric of a name with a level, such as `pinball@0.9`."""
    metric = LEVELLED[_plain(text)]
    given = text.partition("@")[2]
    try:
        level = float(given)
    except ValueError:
        level = math.nan
    if not 0 < level < (math.inf if metric.name == "f_beta" else 1):
        wanted = "a number above 0" if metric.name == "f_beta" else "a number between 0 and 1"
        raise InputError(
            f"the metric {metric.name} takes {wanted} after an @, such as "
            f"{metric.name}@{metric.level:g}; got {text!r}."
        )
    function: Any = metric.function

    def score(y: Labels, predictions: Any, weights: FloatArray) -> float:
        return float(function(y, predictions, weights, level))

    return replace(metric, name=f"{metric.name}@{level:g}", level=level, function=score)


def own_metric(text: str, task: Task, direction: Direction | None = None) -> Metric:
    """A metric from the user's `function(y_true, y_pred) -> float`, with the hash of its code.

    Class numbers stand for classes, in the order of the schema (the second of two is the positive
    one). A second parameter named `y_score`, `y_prob` or `y_proba` receives probabilities, `[n]`
    of the positive class or `[n, k]`; any other name receives predicted classes. A third named
    `sample_weight` or `weights` receives the weights. Without a direction a name with `loss`,
    `error` or `cost` in it is minimised, else maximised.
    """
    function = resolve(text)
    name = text.partition(":")[2]
    try:
        parameters = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        parameters = ["y_true", "y_pred"]
    if not callable(function) or len(parameters) < 2:
        raise InputError(f"a metric is a function of (y_true, y_pred); {text!r} is not.")
    if direction is None:
        worse = any(word in name.lower() for word in ("loss", "error", "cost"))
        direction = "minimise" if worse else "maximise"
    shares = parameters[1] in ("y_score", "y_prob", "y_proba")
    weighted = next((p for p in parameters[2:] if p in ("sample_weight", "weights")), None)

    def call(y: Labels, predictions: Any, weights: FloatArray) -> float:
        if shares and task == "binary":
            predictions = predictions[:, 1]
        more = {weighted: weights} if weighted else {}
        return float(function(y, predictions, **more))

    needs: Needs = "values" if task == "regression" else "shares" if shares else "labels"
    return Metric(
        name, direction, needs, (task,), call, -math.inf, math.inf, code=code_hash(function)
    )


def costs_metric(costs: Any) -> Metric:
    """The mean cost of the answers, from `[true class][answer]`; the diagonal is usually 0."""
    table = np.asarray(costs, dtype=float)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not np.isfinite(table).all():
        raise InputError(f"costs are a square table of numbers, a row per true class; got {costs}.")
    rows = tuple(tuple(row) for row in table.tolist())

    def mean_cost(y: Labels, answers: Labels, weights: FloatArray) -> float:
        return float(np.average(table[y.astype(int), answers], weights=weights))

    low, high = float(table.min()), float(table.max())
    return Metric(
        "costs", "minimise", "labels", CLASSES, mean_cost, low, high, tuned=True, costs=rows
    )


def costs_table(costs: Mapping[str, float], classes: Sequence[str]) -> list[list[float]]:
    """Costs by label, `{"true>answer": cost}`, as rows in the order of `classes`; gaps are 0.

    `ask`, what leaving a row to a person costs, may be among them and is no part of the table.

    >>> costs_table({"bad>good": 5, "good>bad": 1}, ("bad", "good"))
    [[0.0, 5.0], [1.0, 0.0]]
    """
    if ASK in costs and (len(costs) == 1 or costs[ASK] < 0):
        raise InputError(
            f"{ASK!r} is what leaving a row to a person costs, a number from 0; it goes with the "
            f"costs of errors, such as '{classes[0]}>{classes[-1]}' = 5."
        )
    table = [[0.0] * len(classes) for _ in classes]
    for pair, cost in costs.items():
        if pair == ASK:  # what it costs to leave a row to a person is no cost of an answer
            continue
        # A label may hold the sign itself, so every place to cut is tried.
        cuts = [i for i, letter in enumerate(pair) if letter == ">"]
        named = [(pair[:i].strip(), pair[i + 1 :].strip()) for i in cuts]
        fitting = [(a, b) for a, b in named if a in classes and b in classes]
        if not fitting:
            near = next(
                (did_you_mean(x, classes) for p in named for x in p if x not in classes), ""
            )
            raise InputError(
                f"costs are written 'true class>answer' with classes among "
                f"{', '.join(map(repr, classes))}; got {pair!r}.{near}"
            )
        a, b = fitting[0]
        table[list(classes).index(a)][list(classes).index(b)] = float(cost)
    return table


def score_predictions(
    metric: Metric,
    y: Labels,
    predictions: FloatArray,
    weights: FloatArray | None = None,
    labels: Labels | None = None,
) -> float:
    """The score of predictions, `[n, k]` shares or `[n]` values; deterministic.

    `labels` are the answers given, for metrics of labels; without them the likeliest class is the
    answer (with costs: the class whose expected cost is least).

    >>> y, shares = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> score_predictions(METRICS["accuracy"], y, shares).__round__(3)
    0.667
    """
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    predictions = np.asarray(predictions)
    if len(predictions) != len(y) or not len(y):
        raise InputError(f"{len(predictions)} predictions for {len(y)} rows.")
    if not np.isfinite(predictions).all():
        return math.nan
    if metric.needs == "labels":
        given = likeliest(metric, predictions) if labels is None else labels
        return float(metric.function(y, given, w))
    return float(metric.function(y, predictions.astype(float), w))


def likeliest(metric: Metric, shares: FloatArray) -> Labels:
    """The answer for each row when no threshold was chosen, `[n]` class numbers."""
    if metric.costs:
        return np.asarray((shares @ np.array(metric.costs)).argmin(axis=1))
    return np.asarray(shares.argmax(axis=1))


def metric_hash(metric: Metric) -> str:
    """SHA-256 of the metric's identity."""
    return digest(metric.identity())
