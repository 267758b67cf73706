"""Any Python function as an objective: what `modelwright.search` evaluates."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import GeneratorType
from typing import Any

from modelwright.core.canonical import digest
from modelwright.core.code_hash import code_hash
from modelwright.core.errors import InputError
from modelwright.core.reference import reference
from modelwright.core.reference import resolve as resolve
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial


class FunctionEvaluator:
    """Calls `function(design)`, or `function(design, fidelity)` when it takes a second parameter.

    `space` is anything with a `design(candidate)`. The function may also take a keyword-only
    `seed`: a whole number, new for every trial. It returns a number (the first goal), a tuple or
    list (the goals in order) or a mapping from metric to number. A generator yields
    `(step, value)`, each a report of progress, and its `return` value is the score; without one
    the last yielded value is. What the function raises is not caught here: the executor makes the
    failed record.

    `goals` are the names of the goals in order. `fidelity` False hands on the design alone, True
    refuses a function that takes no second parameter; None goes by its parameters.

    >>> from modelwright.core.trial import Candidate
    >>> class Numbers:  # any space will do
    ...     def design(self, candidate): return float(candidate.document)
    >>> square = FunctionEvaluator(lambda x: x * x, Numbers())
    >>> trial = Trial(0, Candidate("3.0"), rung=0, fidelity=1.0, cost=1.0, seed=0)
    >>> [evidence.scores for evidence in square.evaluate(trial)]
    [{'value': 9.0}]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        space: Any,
        goals: tuple[str, ...] = ("value",),
        fidelity: bool | None = None,
    ) -> None:
        self.function = function
        self.space = space
        self.goals = goals
        self.takes_fidelity, self.takes_seed = _parameters(function)
        if fidelity and not self.takes_fidelity:
            raise InputError(
                "rungs need an objective of two parameters, (design, fidelity); this one takes the "
                "design only."
            )
        if fidelity is False:  # its second parameter, if any, is its own business
            self.takes_fidelity = False
        # Taken once: a function that changes what it refers to stays the same objective.
        self._protocol = {"kind": "function", "code": code_hash(function), "goals": list(goals)}
        self._hash = digest(self._protocol)

    def protocol(self) -> Mapping[str, Any]:
        """The code's hash and the goals."""
        return self._protocol

    def evaluate(self, trial: Trial, tools: Tools | None = None) -> Iterator[Progress | Evidence]:
        """Progress for each yielded value, then the evidence."""
        arguments: list[Any] = [self.space.design(trial.candidate)]
        if self.takes_fidelity:
            arguments.append(trial.fidelity)
        keywords = {"seed": trial.seed} if self.takes_seed else {}
        result = self.function(*arguments, **keywords)
        curve: list[tuple[float, float]] = []
        if isinstance(result, GeneratorType):
            value: Any = None
            while True:
                try:
                    step, value = _step(next(result))
                except StopIteration as end:
                    result = value if end.value is None else end.value
                    break
                scores = scores_of(value, self.goals)
                if self.goals[0] in scores:
                    curve.append((step, scores[self.goals[0]]))
                yield Progress(trial.number, step, scores)
        evidence = Evidence(
            trial.number, scores_of(result, self.goals), curve=tuple(curve), protocol=self._hash
        )
        yield evidence.checked(self.goals)

    def entry(self, type_reference: str | None = None) -> dict[str, Any]:
        """How a worker process builds this evaluator again: `{"entry", "arguments"}`, plain data.

        `type_reference` is the space's type as `module:Type`; without it the name is looked up,
        that of a union among the variables of the objective's module. Raises InputError when
        function or type cannot be imported by name.
        """
        kind = type_reference or named(self.space.kind, self.function)
        arguments = {
            "function": reference(self.function, "the objective"),
            "space": kind,
            "goals": list(self.goals),
            "fidelity": self.takes_fidelity,
            "folder": folder_of(self.function),
        }
        if hasattr(self.space, "max_depth"):
            arguments["max_depth"] = self.space.max_depth
        return {"entry": "modelwright.evaluators.function:load", "arguments": arguments}


def load(
    function: str,
    space: str,
    goals: list[str] | None = None,
    folder: str | None = None,
    max_depth: int = 4,
    fidelity: bool | None = None,
) -> FunctionEvaluator:
    """The evaluator from references, `module:function` and `module:Type`: a worker's entry point.

    `folder` is where the module lies, put on the path of imports when it is not on it.
    """
    from modelwright.spaces import Space as CompiledSpace

    if folder is not None and folder not in sys.path:
        sys.path.append(folder)
    compiled = CompiledSpace(resolve(space), max_depth=max_depth)
    return FunctionEvaluator(resolve(function), compiled, tuple(goals or ("value",)), fidelity)


def named(kind: Any, function: Any) -> str:
    """The reference of a space's type; a union has only the name it is bound to."""
    if not isinstance(kind, type):
        for name, value in vars(sys.modules.get(function.__module__)).items():
            if value is kind and not name.startswith("__"):
                return f"{function.__module__}:{name}"
    return reference(kind, "the type of the space")


def folder_of(function: Any) -> str | None:
    """The folder from which the function's top module was imported."""
    module = sys.modules.get(function.__module__.partition(".")[0])
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    return str(path.parent.parent if path.name == "__init__.py" else path.parent)


def _parameters(function: Callable[..., Any]) -> tuple[bool, bool]:
    """Whether the function takes a fidelity, and a seed."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a built-in without a signature
        return False, False
    placed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    seed = any(p.name == "seed" and p.kind is p.KEYWORD_ONLY for p in parameters)
    if not placed and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise InputError("the objective must take the design as its first parameter.")
    return len(placed) > 1, seed


def _step(item: Any) -> tuple[float, Any]:
    if not isinstance(item, tuple) or len(item) != 2:
        raise InputError(f"a generator objective yields (step, value); got {item!r}.")
    return float(item[0]), item[1]


def _number(value: Any) -> Any:
    """Numbers of array libraries as Python's own; anything else as it is, to be refused later."""
    if isinstance(value, float | int):
        return value
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "size", 1) == 1:
        return item()
    return value


def scores_of(value: Any, goals: tuple[str, ...]) -> dict[str, Any]:
    """What an objective returned, as scores by name; InputError for a wrong number of them."""
    if isinstance(value, Mapping):
        return {str(name): _number(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        if len(value) != len(goals):
            raise InputError(
                f"the objective returned {len(value)} values for {len(goals)} goals "
                f"({', '.join(goals)})."
            )
        return {name: _number(v) for name, v in zip(goals, value, strict=True)}
    return {goals[0]: _number(value)}
