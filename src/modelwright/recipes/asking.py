"""Ask and tell: the same study, driven by the caller's own loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from modelwright.core.errors import InputError
from modelwright.core.problem import Rungs
from modelwright.core.roles import Designer
from modelwright.core.trial import Evidence, Trial
from modelwright.evaluators.function import scores_of
from modelwright.policy import LAPTOP
from modelwright.recipes.result import SearchResult
from modelwright.recipes.search import WORKSPACE, Changed, open_place, plan_search, settle
from modelwright.study.session import Session

MANY = 1_000_000_000  # trials that may be out at once: the caller decides


@dataclass(frozen=True)
class Asked:
    """A design to try, and the order it belongs to."""

    trial: Trial
    design: Any

    @property
    def reason(self) -> str:
        """Why the designer wants to see it."""
        return self.trial.reason


class AskTell:
    """A study whose trials the caller runs: `ask` for a design, `tell` what came of it.

    Takes the arguments of `search` that make sense without a function. The study is durable under
    `name` in `workspace` and resumes: designs asked for and never told are handed out again first.
    It holds the study's lock until `close` (or the end of a `with` block). Proposals see what was
    told by then, so the same calls in the same order give the same designs.

    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> from annotated_types import Interval
    >>> @dataclass(frozen=True)
    ... class Point:
    ...     x: Annotated[float, Interval(ge=-2, le=2)]
    >>> with AskTell(Point, designer="random", workspace=":memory:") as study:
    ...     study.enqueue(Point(0.5))
    ...     for _ in range(10):
    ...         asked = study.ask()
    ...         study.tell(asked, asked.design.x ** 2)
    ...     best = study.result.best_value
    >>> best <= 0.25
    True
    """

    def __init__(
        self,
        space: Any,
        *,
        name: str = "ask-tell",
        goal: str | Sequence[str] = "minimise",
        limits: Sequence[str] = (),
        rungs: Rungs | Sequence[float] | None = None,
        designer: Designer | str = "bayesian",
        seed: int = 0,
        workspace: str | Path = WORKSPACE,
        if_changed: Changed = "ask",
    ) -> None:
        plan = plan_search(
            space, _told, budget=MANY, goal=goal, limits=limits, rungs=rungs, slots=MANY,
            designer=designer, seed=seed, name=name, workspace=workspace, policy=LAPTOP,
            in_order=False,
        )  # fmt: skip
        self._ledger = open_place(plan)
        try:
            self._plan = settle(plan, self._ledger, if_changed)
            self._writer = self._ledger.writer(self._plan.study.name)
        except BaseException:
            self._ledger.close()
            raise
        self._session = Session.open(
            self._plan.study, self._ledger, self._writer, self._plan.description, elsewhere=True
        )
        self._session.commit()
        self._again = list(self._session.orders())

    def ask(self) -> Asked:
        """The next design. Raises InputError when the space holds nothing that was not tried."""
        self._session.read_inbox()
        trial = self._again.pop(0) if self._again else self._session.next_trial()
        self._session.commit()
        self._session.orders()
        if trial is None:
            raise InputError(
                f"there is nothing left to ask for: {self._session.over or 'all designs are out'}."
            )
        return Asked(trial, self._plan.study.space.design(trial.candidate))

    def tell(self, asked: Asked, value: float | Sequence[float] | Mapping[str, float]) -> None:
        """Records a value: a number, one per goal, or a mapping from metric to number.

        NaN and infinities are recorded as a failed trial. Telling a trial twice changes nothing.
        Raises InputError for what is no number, and for a design this study did not hand out.
        """
        self._check(asked)
        scores = scores_of(value, tuple(goal.metric for goal in self._plan.study.problem.goals))
        for name in (goal.metric for goal in self._plan.study.problem.goals):
            score = scores.get(name)
            if isinstance(score, bool) or not isinstance(score, (int, float)):
                raise InputError(f"tell needs a number for {name!r}; got {value!r}.")
        self._session.take(Evidence(asked.trial.number, scores))
        self._session.commit()

    def fail(self, asked: Asked, message: str = "told as failed") -> None:
        """Records that the trial could not be run."""
        self._check(asked)
        self._session.take(Evidence(asked.trial.number).failed("error", message))
        self._session.commit()

    def enqueue(self, design: Any) -> None:
        """Puts a design of the user's own first in line. Raises SpaceError when it does not fit."""
        document = self._plan.study.space.dump(design)
        said: dict[str, Any] = {"kind": "enqueue", "document": document, "by": "caller"}
        self._session.note("message", said)
        self._session.commit()

    def _check(self, asked: Asked) -> None:
        if self._session.record.view.trials.get(asked.trial.number) != asked.trial:
            raise InputError("this design was not handed out by this study; tell the one that did.")

    @property
    def result(self) -> SearchResult:
        """The search as it stands: best design, front, trials."""
        study = self._plan.study
        return SearchResult(self._session.record, study.space, str(self._plan.where), study.name)

    def close(self) -> None:
        """Lets go of the study; another process may take it up."""
        self._writer.close()
        self._ledger.close()

    def __enter__(self) -> AskTell:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _told(design: Any) -> float:
    """Stands in for the objective, whose code a told study does not know."""
    raise InputError("a study of ask and tell is run by its caller, not by an executor.")
