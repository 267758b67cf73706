"""The zero-cost rung: which proxies are kept, who is let through, and what it may take."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from statistics import fmean

import pytest

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.problem import ZERO_COST, Budget, Goal, Limit, Rungs
from modelwright.core.trial import Evidence, Proposal, Trial
from modelwright.core.view import Brief, View, ViewBuilder
from modelwright.designers.evolution import Evolution
from modelwright.designers.portfolio import Portfolio
from modelwright.designers.random_search import Random
from modelwright.designers.zero_cost import ENOUGH, ZeroCost
from modelwright.spaces import Space
from modelwright.stats.proxies import MIN_PAIRS, ensemble, judged
from modelwright.testing.simulation import Simulation
from modelwright.testing.zoo import Mixed, Tiny

SPACE = Space(Mixed)
ALL = ("params", "synflow", "naswot")


def truth(design: Mixed) -> float:
    return design.x**2 + design.y**2


def objective(design: Mixed, fidelity: float) -> float | Mapping[str, float]:
    """Fewer `params` go with better results, `synflow` misleads, `naswot` says nothing."""
    if fidelity:
        return truth(design)
    noise = random.Random(SPACE.dump(design)).random
    loss = truth(design)
    return {"params": loss + 0.2 * noise(), "synflow": loss + 0.2 * noise(), "naswot": noise()}


def played(designer: ZeroCost | Portfolio, n: int, **more: object) -> View:
    brief = Brief(SPACE, (Goal("value"),), rungs=Rungs((1.0, 3.0)), **more)  # type: ignore[arg-type]
    return Simulation(designer, brief, objective).run(n)


def first_results(view: View) -> list[float]:
    return [o.loss for o in view.searched if o.trial.rung == 0]


def test_what_tells_is_kept_and_what_misleads_or_says_nothing_is_dropped() -> None:
    view = played(ZeroCost(Random(), ALL), 120)
    params, synflow, naswot = judged(view, ALL)
    assert params.kept
    assert params.weight < 0
    assert (synflow.kept, naswot.kept) == (False, False)
    assert "misleads" in synflow.why
    assert "not shown" in naswot.why
    # What is let through is better than what random search draws; its first designs were not.
    results = first_results(view)
    chosen = [o for o in view.searched if "measured without training" in o.trial.reason]
    assert len(chosen) > 10
    assert fmean(o.loss for o in chosen) < 0.6 * fmean(results[:MIN_PAIRS])
    assert all(o.trial.by == "random" for o in chosen)
    # Four or so are measured for one that is trained, and none of it is charged as a trial.
    roles = Counter(trial.role for trial in view.trials.values())
    assert view.trials_spent == roles["search"]
    assert view.full_runs_spent == pytest.approx(
        sum(t.cost for t in view.trials.values() if t.role == "search")
    )
    untrained = len(view.measured) - len(results)
    assert 2 * len(chosen) < untrained <= 4 * len(chosen)


def test_nothing_useful_is_given_up_and_designs_go_straight_on() -> None:
    view = played(ZeroCost(Random(), ("naswot",)), 110)
    assert view.measured
    assert len(view.measured) <= ENOUGH + 1
    assert first_results(view)[: ENOUGH // 2] == first_results(played(Random(), 60))[: ENOUGH // 2]  # type: ignore[arg-type]


def test_the_same_rows_give_the_same_study_with_two_slots_and_whatever_arrives_first() -> None:
    def orders(arrival: int | None) -> list[Trial]:
        brief = Brief(SPACE, (Goal("value"),), rungs=Rungs((1.0, 3.0)), slots=2, seed=3)
        designer = ZeroCost(Evolution(initial=4), ALL)
        return list(Simulation(designer, brief, objective, arrival=arrival).run(70).trials.values())

    found = orders(None)
    assert found == orders(1)
    assert {t.rung for t in found} == {ZERO_COST, 0, 1}


def test_a_portfolio_is_never_held_back_and_a_small_space_is_searched_to_its_end() -> None:
    documents = tuple(SPACE.dump(SPACE.sample(Key.of(i))) for i in range(12))
    view = played(Portfolio(documents, ZeroCost(Random(), ALL)), 60)
    assert [t.candidate.document for t in list(view.trials.values()) if t.by == "portfolio"] == [
        *documents
    ]

    tiny = Space(Tiny)
    brief = Brief(tiny, (Goal("value"),), seed=1)
    play = Simulation(
        ZeroCost(Random(), ("params",)), brief, lambda d, f: {"value": 1.0, "params": f}
    )
    assert len(first_results(play.run(100))) == 6


def view_of(
    seconds: float, budget: Budget, n_measured: int, limits: tuple[Limit, ...] = ()
) -> View:
    """Ten trained designs of 10 s each; so many of these and of others measured, each in `seconds`.

    The measurements come after the trainings.
    """
    builder = ViewBuilder(Brief(SPACE, (Goal("value"),), limits), budget)
    designs = [SPACE.sample(Key.of(i)) for i in range(20)]
    for i, design in enumerate([*designs[:10], *designs[:n_measured]]):
        rung = 0 if i < 10 else ZERO_COST
        role = "search" if i < 10 else "zero_cost"
        builder.order(Trial(i, SPACE.candidate(design), rung, 1.0, 1.0, 0, role))  # type: ignore[arg-type]
        scores = {"value": truth(design)} if i < 10 else {"params": truth(design)}
        builder.evidence(Evidence(i, scores, seconds=10.0 if i < 10 else seconds))
    return builder.view


def asked(view: View) -> Proposal:
    designer = ZeroCost(Random(), ("params",))
    return designer.propose(designer.start(view.brief), view, 1, Key.of(0))[0]


def test_measuring_keeps_to_its_share_of_the_time() -> None:
    timed = Budget(seconds=300)
    assert asked(view_of(1.0, timed, 4)).role == "zero_cost"  # 4 s and 1 s more, of 100 s
    assert asked(view_of(1.0, timed, 5)).role == "search"
    assert asked(view_of(1.0, Budget(trials=30), 5)).role == "zero_cost"
    # Enough pairs: the proxy is kept, another design is measured, and it goes by limits first.
    assert asked(view_of(0.1, timed, 9)).rung == ZERO_COST


def test_the_first_by_the_kept_is_trained_and_limits_come_before() -> None:
    waiting = [SPACE.sample(Key.of(i)) for i in range(10, 14)]
    losses = [truth(design) for design in waiting]
    chosen = asked(view_of(0.1, Budget(trials=30), 14))
    assert (chosen.rung, chosen.role) == (0, "search")
    assert chosen.candidate.document == SPACE.dump(waiting[losses.index(min(losses))])
    heavy = (Limit("params", ">=", max(losses)),)
    chosen = asked(view_of(0.1, Budget(trials=30), 14, heavy))
    assert chosen.candidate.document == SPACE.dump(waiting[losses.index(max(losses))])


def test_places_by_an_ensemble() -> None:
    view = view_of(0.1, Budget(trials=30), 10)
    kept = judged(view, ("params",))
    assert kept[0].kept
    values = ensemble(kept, [{"params": 3.0}, {"params": 1.0}, {}])
    assert values[1] > values[2] > values[0]
    with pytest.raises(InputError, match="at least 1"):
        ZeroCost(Random(), each=0)
