"""The controller and the generator: what they learn, and what they refuse."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.problem import Goal
from modelwright.core.view import Brief, Outcome
from modelwright.designers import designer_json, make_designer
from modelwright.designers.controller import Controller, Policy, rewards_of
from modelwright.designers.generator import Generator, Model
from modelwright.designers.random_search import Random
from modelwright.designers.token_policy import Rows, Sampler
from modelwright.spaces import Space
from modelwright.testing.designer import Simulation, simulate
from modelwright.testing.zoo import Mixed, Tiny, zoo

SPACES = zoo()
BRIEF = Brief(SPACES["mixed"], (Goal("value"),), seed=1)


def mixed(d: Mixed, fidelity: float = 1.0) -> float:
    return d.x**2 + (d.y - 0.5) ** 2 + 0.5 * (d.kind != "green") + (d.depth - 5) ** 2 / 16


def outcomes(n: int, seed: int = 0, objective: Any = mixed) -> Sequence[Outcome]:
    """Finished trials of drawn designs."""
    return simulate(Random(), SPACES["mixed"], objective, n, seed=seed).searched


def folded(designer: Any, seen: Sequence[Outcome], brief: Brief = BRIEF) -> Any:
    state = designer.start(brief)
    for i in range(len(seen) // designer.block):
        block = seen[i * designer.block : (i + 1) * designer.block]
        state = designer.update(state, block, Key.of(i))
    return state


def test_controller_comes_to_prefer_what_is_good() -> None:
    designer, seen = Controller(), outcomes(60)
    state: Policy = folded(designer, seen)

    def mean(flat: Any) -> float:
        drawn = Sampler(state.net, flat).draw(200, np.zeros((200, 0)), 1.0, Key.of(3))
        return float(np.mean([mixed(d) for d in drawn.designs]))

    fresh = designer.start(BRIEF)
    assert mean(state.weights.flat) < 0.75 * mean(fresh.weights.flat)


def test_rewards_are_ranks_and_failures_get_none() -> None:
    def failing(d: Mixed, fidelity: float) -> float:
        return math.nan if d.kind == "red" else mixed(d)

    seen = outcomes(30, objective=failing)
    space = SPACES["mixed"]
    places = Controller().start(BRIEF).net.places
    rows = Rows().joined(places, space, seen, 256)
    rewards = rewards_of(rows)
    good = [i for i, o in enumerate(seen) if o.ok]
    assert 0 < len(good) < 30
    assert all(rewards[i] == 0 for i in range(30) if i not in good)
    best = min(good, key=lambda i: seen[i].loss)
    assert rewards[best] == 1.0
    ranked = sorted(good, key=lambda i: seen[i].loss)
    assert list(rewards[ranked]) == sorted(rewards[good], reverse=True)


def test_rows_forget_the_old_and_keep_the_best() -> None:
    seen, space = outcomes(60), SPACES["mixed"]
    places = Controller().start(BRIEF).net.places
    rows = Rows()
    for outcome in seen:
        rows = rows.joined(places, space, [outcome], 20)
    assert len(rows.outcomes) == len(rows.steps) == 20
    best = sorted(seen, key=lambda o: o.loss)[:5]
    assert {o.trial.number for o in best} <= {o.trial.number for o in rows.outcomes}
    assert rows.best is best[0]
    for outcome, steps in zip(rows.outcomes, rows.steps, strict=True):
        assert list(steps) == places.read(space.design(outcome.trial.candidate))


def drawn_for(state: Model, told: Sequence[float], n: int = 200) -> list[Mixed]:
    asked = np.tile(np.array(told, dtype=float), (n, 1))
    return list(Sampler(state.net, state.weights.flat, 1.0).draw(n, asked, 1.0, Key.of(5)).designs)


def test_generator_gives_what_it_is_asked_for() -> None:
    state: Model = folded(Generator(steps=8), outcomes(60))
    high = np.mean([mixed(d) for d in drawn_for(state, (1, 2.2, 0, 0))])
    low = np.mean([mixed(d) for d in drawn_for(state, (1, 0.0, 0, 0))])
    assert high < 0.6 * low


def test_generator_is_told_costs_where_they_are_measured() -> None:
    def costly(d: Mixed, fidelity: float) -> dict[str, float]:
        return {"value": mixed(d), "params": float(d.width)}

    designer = Generator(steps=10, costs=("macs", "params"))
    state: Model = folded(designer, outcomes(80, objective=costly))
    told = designer.conditions(state.rows)
    widths = [SPACES["mixed"].design(o.trial.candidate).width for o in state.rows.outcomes]
    assert np.all(told[:, 3] == 1)
    assert told[int(np.argmax(widths)), 2] == 1
    assert told[int(np.argmin(widths)), 2] == -1
    dear = np.median([d.width for d in drawn_for(state, (1, 1.0, 1.0, 1))])
    cheap = np.median([d.width for d in drawn_for(state, (1, 1.0, -1.0, 1))])
    assert cheap < 0.5 * dear
    untold = Generator().conditions(state.rows)
    assert np.all(untold[:, 2:] == 0)


def test_ranks_are_told_in_bits() -> None:
    state: Model = folded(Generator(steps=1), outcomes(16)[:12])
    told = Generator().conditions(state.rows)
    order = state.rows.order()
    assert told[order[0], 1] == pytest.approx(math.log2(13) / 3)
    assert list(told[order, 1]) == sorted(told[:, 1], reverse=True)


def test_a_prior_of_earlier_studies_helps_at_once() -> None:
    studies = [outcomes(40, seed) for seed in (10, 11, 12)]
    learned = Generator.learned(SPACES["mixed"], studies, n_steps=100, initial=1)
    assert learned == Generator.learned(SPACES["mixed"], studies, n_steps=100, initial=1)

    def first(designer: Any, seed: int) -> float:
        view = simulate(designer, SPACES["mixed"], mixed, 8, seed=seed)
        return view.best()[0].loss

    with_prior = [first(learned, s) for s in range(4)]
    without = [first(Generator(initial=1), s) for s in range(4)]
    assert np.mean(with_prior) < 0.6 * np.mean(without)


def test_a_prior_is_plain_data_and_belongs_to_its_space() -> None:
    learned = Generator.learned(SPACES["tiny"], [tiny_outcomes()], n_steps=5, hidden=4)
    text = json.dumps(designer_json(learned))
    again = make_designer(json.loads(text))
    assert again == learned
    assert hash(again) == hash(learned)
    assert learned != Generator(hidden=4)
    with pytest.raises(InputError, match="weights, and this space"):
        learned.start(BRIEF)
    with pytest.raises(InputError, match="at least one finished trial"):
        Generator.learned(SPACES["tiny"], [[]])


def tiny_outcomes() -> Sequence[Outcome]:
    def objective(d: Tiny, fidelity: float) -> float:
        return float("abc".index(d.kind))

    return simulate(Random(), SPACES["tiny"], objective, 6).searched


@pytest.mark.parametrize("designer", [Controller(), Generator(steps=2)], ids=lambda d: d.name)
def test_reasons_tell_what_was_computed(designer: Any) -> None:
    run = Simulation(designer, BRIEF, mixed)
    run.run(16)
    reasons = [t.reason for t in run.view.trials.values()]
    assert "default" in reasons[0]
    assert "even spread" in reasons[5]
    assert all("probability e^" in reason for reason in reasons[10:])


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "controller", "initial": 0},
        {"name": "controller", "rate": 0.0},
        {"name": "controller", "entropy": -1.0},
        {"name": "generator", "steps": 0},
        {"name": "generator", "drop": 1.0},
        {"name": "generator", "guide": -1.0},
    ],
    ids=lambda w: "-".join(map(str, list(w.items())[1])),
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="got"):
        make_designer(wrong)


Op = Literal["none", "skip", "conv", "pool"]


@dataclass(frozen=True)
class Chain:
    """Eight operations in a row."""

    a: Op
    b: Op
    c: Op
    d: Op
    e: Op
    f: Op
    g: Op
    h: Op


def chain_loss(d: Chain, fidelity: float) -> float:
    """Convolutions help, more so behind one another; an absent operation cuts what is before it."""
    ops = [d.a, d.b, d.c, d.d, d.e, d.f, d.g, d.h]
    run = sum(x == y == "conv" for x, y in itertools.pairwise(ops))
    return 8 - 0.5 * ops.count("conv") - 0.5 * run + 2 * ops.count("none") - ops.count("pool") / 4


@pytest.mark.parametrize("designer", [Controller(), Generator()], ids=lambda d: d.name)
def test_beats_random_search_where_designs_are_tokens(designer: Any) -> None:
    space = Space(Chain)

    def mean_best(who: Any) -> float:
        runs = [simulate(who, space, chain_loss, 50, seed=s) for s in range(4)]
        return math.fsum(view.best()[0].loss for view in runs) / 4

    found, drawn = mean_best(designer), mean_best(Random())
    assert found < 0.5 * drawn
