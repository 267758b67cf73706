"""A portfolio that knows costs passes over what would not end in time."""

from __future__ import annotations

from modelwright.core.keys import Key
from modelwright.core.problem import Budget, Goal
from modelwright.core.trial import Evidence, Trial
from modelwright.core.view import Brief, ViewBuilder
from modelwright.designers.portfolio import Portfolio
from modelwright.designers.random_search import Random
from modelwright.spaces import Space
from modelwright.testing.zoo import Tiny

SPACE = Space(Tiny)
DOCUMENTS = tuple(SPACE.dump(d) for d in (Tiny(True, "a"), Tiny(True, "b"), Tiny(False, "c")))


def _next(budget: Budget, elapsed: float) -> tuple[str, str]:
    brief = Brief(SPACE, (Goal("value"),))
    builder = ViewBuilder(brief, budget)
    trial = Trial(0, SPACE.candidate(Tiny(True, "a")), 0, 1.0, 1.0, seed=0)
    builder.order(trial)
    builder.evidence(Evidence(0, {"value": 1.0}, seconds=2.0))
    builder.view.elapsed = elapsed
    designer = Portfolio(DOCUMENTS, Random(), costs=(1.0, 10.0, 3.0))
    [proposal] = designer.propose(designer.start(brief), builder.view, 1, Key.of(0))
    return proposal.candidate.document, proposal.by


def test_what_would_not_end_in_time_is_passed_over() -> None:
    # The first took 2 s for a cost of 1, so the second takes about 20 s and the third 6 s.
    assert _next(Budget(seconds=60), elapsed=10) == (DOCUMENTS[1], "portfolio")
    assert _next(Budget(seconds=60), elapsed=45) == (DOCUMENTS[2], "portfolio")
    assert _next(Budget(seconds=60), elapsed=58)[1] == "random"


def test_without_a_clock_nothing_is_passed_over() -> None:
    assert _next(Budget(trials=60), elapsed=1e9) == (DOCUMENTS[1], "portfolio")
