"""The question a person asks about a table: from flags, from Python, or from `problem.toml`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.problem import Limit
from modelwright.data.collection import is_collection
from modelwright.models.limits import BEHAVIOUR, FAIRNESS, LIMITED, NETWORK_LIMITED
from modelwright.recipes.declared import Directions, parse_directions
from modelwright.recipes.memory import parse_memory
from modelwright.training.coaches import COACHES, CoachName

TASKS = ("binary", "multiclass", "regression")
KINDS = ("table", "network", "series")

INVARIANT_UP_TO = 0.01  # how far an answer may move with an invariant column, where no limit says


@dataclass(frozen=True)
class Question:
    """What is asked, as the person put it. Names are checked against the file when it is read.

    `data` is a path, or `"<DataFrame>"` when it came from Python. `target` is a column; it may be
    empty for a collection of images or sounds in folders named like their classes. `task` is
    `binary`, `multiclass`, `regression` or None (inferred). `metric` is a metric's name or
    `module:function`. `sealed` False keeps no rows aside. `costs` gives the cost of each kind of
    error, `{"true label>answer": cost}`; `constraint` bounds a metric when the decision threshold
    is chosen, `"sensitivity>=0.95"`. `invariant` are columns whose change may not change an answer
    by more than 0.01, or than a limit on `invariance_gap` says. `monotone` declares directions,
    `("age:+", "income:-")`: the answer (the share of the positive class) may only rise with the
    one, and only fall with the other. `baseline` is the person's present model, a rival; `teacher`
    one that the small models at the end learn from, instead of from the winner. `student` False
    teaches none. `memory` is a ceiling for all processes of the build together, `"4GB"`.
    `horizon` asks for a forecast of so many steps along `time`; `series` is the column that names
    the series where there are several, and `known` are columns whose future is known. With `series`
    and no horizon each series, along `time`, has one answer: the target.
    `kind` is `table`, `network` or `series`, or None (inferred). `device` is the name or the
    `.json` profile of what a network is for (docs/limits.md). `power_watts` is the power of one
    busy core of this machine, for energy where nothing counts it (10 is assumed). `diverse`
    searches networks of all sizes for the best of each (`designers/map_elites.py`). With `inherit`
    networks are first looked at with the weights of the design that they come from. `coach`
    guides the last trainings of networks: `rules`, `guard`, `learned` or `population`. `backbone`
    is a local folder with a pretrained one, as transformers saves it, to be searched beside them.
    `protect` names columns by whose groups a table's models are compared (`"sex"`, `"age:25,60"`
    with cuts); they are no inputs unless `protect_as_input`. `group_thresholds` lets groups have
    decision thresholds of their own (docs/fairness.md).
    `purpose` is what the data may be used for, `rights` by which licence or agreement; both are
    recorded, and a policy may want them stated.
    """

    data: str
    target: str
    task: str | None = None
    metric: str | None = None
    positive: str | None = None
    limits: tuple[str, ...] = ()
    test: str | None = None
    sealed: bool = True
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    drop: tuple[str, ...] = ()
    baseline: str | None = None
    teacher: str | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    constraint: str | None = None
    invariant: tuple[str, ...] = ()
    monotone: tuple[str, ...] = ()
    student: bool = True
    memory: str | None = None
    horizon: int | None = None
    series: str | None = None
    known: tuple[str, ...] = ()
    kind: str | None = None
    device: str | None = None
    power_watts: float | None = None
    diverse: bool = False
    inherit: bool = False
    coach: CoachName = "rules"
    backbone: str | None = None
    protect: tuple[str, ...] = ()
    protect_as_input: bool = False
    group_thresholds: bool = False
    purpose: str | None = None
    rights: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task not in (None, *TASKS):
            raise InputError(
                f"a task is {', '.join(TASKS)}; got {self.task!r}."
                f"{did_you_mean(str(self.task), TASKS)}"
            )
        if self.kind not in (None, *KINDS):
            raise InputError(
                f"a kind is {', '.join(KINDS)}; got {self.kind!r}."
                f"{did_you_mean(str(self.kind), KINDS)}"
            )
        for name in ("diverse", "inherit", "protect_as_input", "group_thresholds"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} is true or false; got {getattr(self, name)!r}.")
        if self.device is not None and not isinstance(self.device, str):
            raise InputError(f"a device is a name or a .json file; got {self.device!r}.")
        if self.coach not in COACHES:
            raise InputError(
                f"a coach is {', '.join(COACHES)}; got {self.coach!r}."
                f"{did_you_mean(str(self.coach), COACHES)}"
            )
        if self.test is not None and not self.sealed:
            raise InputError("a test file and --no-sealed exclude each other: give one of them.")
        self._check_forecast()
        if self.group is not None and self.time is not None and not self.labelled_series:
            raise InputError("--group and --time exclude each other: give the one that matters.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(f"a seed is a whole number from 0; got {self.seed!r}.")
        self._check_limits()
        if self.memory is not None:
            parse_memory(self.memory)
        watts = self.power_watts
        number = isinstance(watts, (int, float)) and not isinstance(watts, bool)
        if watts is not None and not (number and 0 < watts < math.inf):
            raise InputError(f"the power of a core is a number over 0; got {watts!r}.")
        self._check_teacher()
        if self.costs and self.metric is not None:
            raise InputError("costs are the metric; leave the metric out, or the costs.")
        if self.constraint is not None:
            Limit.parse(self.constraint)

    def _check_forecast(self) -> None:
        whole = isinstance(self.horizon, int) and not isinstance(self.horizon, bool)
        if self.horizon is not None and not (whole and self.horizon > 0):
            raise InputError(f"a horizon is a number of steps from 1; got {self.horizon!r}.")
        if self.horizon is None and self.known:
            raise InputError("known columns go with a forecast: give --horizon too.")
        if self.kind == "series" and self.horizon is None and not self.labelled_series:
            raise InputError(
                "series in a table need --horizon N for a forecast, or --series COLUMN for one "
                "answer for each series."
            )

    def _check_teacher(self) -> None:
        if self.teacher is None:
            return
        if not self.student:
            raise InputError("--teacher and --no-student exclude each other: leave one out.")
        if self.teacher == self.baseline:
            raise InputError(
                "the same model as --teacher and --baseline: leave --baseline out (a teacher is "
                "scored, too), or --teacher."
            )

    def _check_limits(self) -> None:
        known = {**NETWORK_LIMITED, **LIMITED}  # which kind the data are is not known yet
        named = {Limit.parse(text, known).metric for text in self.limits}
        if "invariance_gap" in named and not self.invariant:
            raise InputError("a limit on invariance_gap needs columns: --invariant COLUMN.")
        groups = sorted(named & set(FAIRNESS))
        if not self.protect and (groups or self.protect_as_input or self.group_thresholds):
            what = f"a limit on {groups[0]}" if groups else "what is said of protected columns"
            raise InputError(f"{what} needs columns: --protect COLUMN.")
        if not self.directions and "monotone_violations" in named:
            raise InputError("a limit on monotone_violations needs columns: --monotone COLUMN:+.")

    @property
    def labelled_series(self) -> bool:
        """Whether each series has one answer: rows of a table, or of arrays, named as series."""
        wide = self.kind == "series" and self.data.lower().endswith(".npz")
        named = self.series is not None and self.kind in (None, "series")
        return self.horizon is None and (named or wide)

    @property
    def directions(self) -> Directions:
        """The declared directions as names with +1 or -1."""
        return parse_directions(self.monotone)

    @property
    def bounds(self) -> tuple[Limit, ...]:
        """The limits, with those that declared columns bring along."""
        limits = [Limit.parse(text, LIMITED) for text in self.limits]
        if self.invariant and all(limit.metric != "invariance_gap" for limit in limits):
            limits.append(Limit("invariance_gap", "<=", INVARIANT_UP_TO))
        if self.directions and all(limit.metric != "monotone_violations" for limit in limits):
            limits.append(Limit("monotone_violations", "<=", 0.0))
        return tuple(limits)

    def behaviour(self) -> dict[str, Any]:
        """What the evaluator is to measure of behaviour, as plain data; empty for nothing."""
        names = sorted({x.metric for x in self.bounds if x.metric in BEHAVIOUR})
        if not names:
            return {}
        directions = [list(pair) for pair in self.directions]
        return {"names": names, "invariant": list(self.invariant), "monotone": directions}

    def to_json(self) -> dict[str, Any]:
        """Plain data that `Question(**...)` takes back (lists become tuples)."""
        return {
            k: list(v) if isinstance(v, tuple) else dict(v) if isinstance(v, Mapping) else v
            for k, v in asdict(self).items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Question:
        """The question that `to_json` wrote. Raises InputError for an unknown key."""
        known = {f.name for f in fields(cls)}
        for key in data:
            if key not in known:
                raise InputError(
                    f"unknown key {key!r} in the problem.{did_you_mean(key, known)} "
                    f"Known: {', '.join(sorted(known))}."
                )
        missing = {"data", "target"} - set(data)
        if missing == {"target"} and is_collection(Path(str(data["data"]))):
            data, missing = {**data, "target": ""}, set()
        if missing:
            raise InputError(f"the problem needs {' and '.join(sorted(missing))}.")
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**plain)


def read_question(path: str | Path) -> tuple[Question, dict[str, Any]]:
    """The question in a `problem.toml`, and its `[run]` table: budget, policy, workspace, name.

    Paths in it are relative to the file. Raises InputError with the nearest name for unknown keys.

        data = "churn.csv"
        target = "churned"
        metric = "mine:profit"
        limits = ["latency_ms<=1"]
        constraint = "sensitivity>=0.95"
        [costs]
        "yes>no" = 5.0
        [run]
        budget = "10m"
    """
    where = Path(path)
    try:
        data = tomllib.loads(where.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            f"the problem file {str(path)!r} cannot be read: {error.strerror}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the problem file {str(path)!r} is not valid TOML: {error}.") from None
    settings = data.pop("run", {})
    known = {"budget", "policy", "workspace", "name", "price_per_hour"}
    for key in settings:
        if key not in known:
            raise InputError(f"unknown key {key!r} in [run].{did_you_mean(key, known)}")
    for key in ("data", "test", "baseline", "teacher", "device", "backbone"):
        given = data.get(key)
        # The two models may be module:function, which is no path.
        if isinstance(given, str) and (key in ("data", "test") or (where.parent / given).exists()):
            data[key] = str(where.parent / given)
    try:
        return Question.from_json(data), settings
    except TypeError as error:
        raise InputError(
            f"the problem file {str(path)!r} has a value of a wrong kind: {error}."
        ) from None
