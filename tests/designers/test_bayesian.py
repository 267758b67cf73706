"""The Bayesian designer: what every designer keeps, and that it finds what others do not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Interval

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.problem import Goal, Limit, Rungs
from modelwright.core.view import Brief
from modelwright.designers import Bayesian, Random
from modelwright.spaces import Log, Space
from modelwright.testing.designer import CHECKS, Simulation, simulate
from modelwright.testing.zoo import zoo


@dataclass(frozen=True)
class Net:
    rate: Annotated[float, Log(1e-5, 1.0)] = 1e-4
    depth: Annotated[int, Interval(ge=1, le=9)] = 1
    dropout: Annotated[float, Interval(ge=0.0, le=0.9)] = 0.0
    act: Literal["relu", "gelu", "tanh"] = "relu"


@dataclass(frozen=True)
class Pair:
    """Two numbers whose order says nothing."""

    a: Annotated[int, Interval(ge=0, le=4)] = 0
    b: Annotated[int, Interval(ge=0, le=4)] = 0

    def features(self) -> tuple[float, ...]:
        return (float(self.a + self.b),)

    def canonical_key(self) -> str:
        return str(sorted((self.a, self.b)))


def loss(design: Net, fidelity: float) -> float:
    bowl = (math.log10(design.rate) + 2.0) ** 2 / 4 + (design.depth - 6) ** 2 / 16
    return bowl + (design.dropout - 0.3) ** 2 + 0.3 * (design.act != "gelu") + 0.2 / fidelity


def noisy(noise: list[float], design: Net, fidelity: float) -> float:
    return loss(design, fidelity) + noise.pop()


# The suite over the whole zoo takes minutes; each check meets the spaces that strain it most.
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_keeps_the_contract(check: Any) -> None:
    spaces = zoo()
    chosen = {
        "check_small_spaces": ("empty", "onepoint", "tiny"),
        "check_finished": ("tiny", "conditional"),
        "check_bounded_time": ("conditional",),
        "check_purity": ("tiny", "tree"),
    }.get(check.__name__, ("tiny", "conditional"))
    check(Bayesian, {name: spaces[name] for name in chosen})


def test_finds_what_random_search_does_not() -> None:
    space = Space(Net)
    ours = [simulate(Bayesian(), space, loss, 30, seed=s).best()[0].loss for s in range(3)]
    drawn = [simulate(Random(), space, loss, 120, seed=s).best()[0].loss for s in range(3)]
    assert max(ours) < 0.21  # the optimum is 0.2
    assert np.mean(ours) < np.mean(drawn)


def test_says_what_it_expects_and_what_is_new() -> None:
    view = simulate(Bayesian(), Space(Net), loss, 12, seed=1)
    reason = view.trial(11).reason
    assert reason.startswith("predicted loss")
    assert "expected improvement" in reason
    assert "nearest to trial" in reason


def test_learns_from_low_rungs_and_keeps_proposing_there() -> None:
    view = simulate(Bayesian(), Space(Net), loss, 70, rungs=Rungs((1.0, 3.0, 9.0)), seed=0)
    assert all(t.rung == 0 for t in view.trials.values() if t.by == "bayesian")
    full = Space(Net)
    assert view.best(1)[0].loss < loss(full.default(), 9.0) - 1.0
    assert view.best(1)[0].loss < 0.15  # the optimum is 0.022


def test_stays_within_limits() -> None:
    def objective(design: Net, fidelity: float) -> dict[str, float]:
        return {"value": loss(design, fidelity), "size": float(design.depth)}

    view = simulate(
        Bayesian(), Space(Net), objective, 40, limits=(Limit("size", "<=", 3.0),), seed=2
    )
    # The best within the limit has depth 3 and loss 0.2 + 9/16.
    assert view.best(1)[0].violation == 0
    assert view.best(1)[0].loss < 0.79
    assert sum(o.violation > 0 for o in view.searched[10:]) < 15


def test_covers_a_front() -> None:
    def objective(design: Net, fidelity: float) -> tuple[float, float]:
        return loss(design, fidelity), float(design.depth)

    goals = (Goal("value"), Goal("size"))
    view = simulate(Bayesian(), Space(Net), objective, 60, goals=goals, seed=3)
    assert len({o.losses[1] for o in view.front}) >= 5


def test_recommends_by_the_mean_where_scores_are_noisy() -> None:
    rng = np.random.default_rng(0)
    found, seen = [], []
    for seed in range(4):
        noise = rng.normal(0.0, 0.3, 200).tolist()
        brief = Brief(Space(Net), (Goal("value"),), seed=seed)
        run = Simulation(Bayesian(), brief, partial(noisy, noise))
        run.run(40)
        best = Bayesian().recommend(run.fold(), run.view)
        assert best is not None
        space = run.brief.space
        found.append(loss(space.design(best.trial.candidate), 1.0))
        seen.append(loss(space.design(run.view.best(1)[0].trial.candidate), 1.0))
    assert np.mean(found) < np.mean(seen)


def test_recommends_nothing_before_anything_finished() -> None:
    run = Simulation(Bayesian(), Brief(Space(Net), (Goal("value"),)), loss)
    assert Bayesian().recommend(run.fold(), run.view) is None


def test_proposals_of_one_call_differ_and_spread() -> None:
    run = Simulation(Bayesian(), Brief(Space(Net), (Goal("value"),), seed=5), loss)
    run.run(20)
    proposals = run.propose(6)
    assert len({p.candidate.id for p in proposals}) == 6
    assert run.designer.propose(run.fold(), run.view, 6, Key.of(1)) == run.designer.propose(
        run.fold(), run.view, 6, Key.of(1)
    )


def test_asks_only_one_of_designs_that_do_the_same() -> None:
    def objective(design: Pair, fidelity: float) -> float:
        return -float(sum(design.features()))

    view = simulate(Bayesian(), Space(Pair), objective, 15, seed=1)
    keys = [Pair.canonical_key(t.candidate.design) for t in view.trials.values()]
    assert len(set(keys)) == 15  # of 25 designs
    assert view.best(1)[0].loss == -8.0


def test_refuses_a_negative_start() -> None:
    with pytest.raises(InputError, match="initial"):
        Bayesian(initial=-1)
