"""Designs as decisions, the recurrent network over them, and its gradients."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Interval, Len

from modelwright.core.keys import Key
from modelwright.designers.controller import Controller
from modelwright.designers.token_net import Net, Sequences, Weights, chosen, minus_picks
from modelwright.designers.token_places import MAX_SPOTS, MAX_STEPS, Floats, Places
from modelwright.designers.token_policy import Sampler
from modelwright.spaces import Log, Space
from modelwright.testing.zoo import Stack, zoo

SPACES = zoo()


@dataclass(frozen=True)
class Pair:
    """Two numbers of which the first is the smaller one."""

    low: Annotated[int, Interval(ge=0, le=100)] = 0
    high: Annotated[int, Interval(ge=0, le=100)] = 100

    def valid(self) -> bool:
        return self.low < self.high


@dataclass(frozen=True)
class Long:
    """A long tuple of several decisions each."""

    items: Annotated[tuple[Pair, ...], Len(0, 3000)]


@dataclass(frozen=True)
class Few:
    """Numbers of few values, on a linear and a logarithmic scale."""

    depth: Annotated[int, Interval(ge=2, le=5)] = 2
    width: Annotated[int, Log(8, 64)] = 8
    kind: Literal["a", "b"] = "a"


def replayed(places: Places, steps: list[tuple[int, int]]) -> Any:
    """The design that these decisions make; fails where another place is asked."""
    walk = places.write(Random(0))
    try:
        at = next(walk)
        for place, option in steps:
            assert at == place
            assert places.offered[place, option]
            at = walk.send(option)
    except StopIteration as end:
        return end.value
    raise AssertionError("the decisions of a design do not complete it")


@pytest.mark.parametrize("name", [*SPACES, "few"])
def test_decisions_come_back(name: str) -> None:
    space = SPACES[name] if name in SPACES else Space(Few)
    places = Places(space.root)
    # Numbers come back within a cell of the 64 and half a step of their grid.
    near = 0.03 if name in ("mixed", "stack", "conditional", "few") else 0.0
    for i in range(60):
        design = space.sample(Key.of(i))
        again = replayed(places, places.read(design))
        assert space.contains(again)
        code, other = np.array(space.encode(design)), np.array(space.encode(again))
        assert np.all(np.abs(code - other) <= near + 1e-12)


def test_few_values_are_one_decision_each() -> None:
    places = Places(Space(Few).root)
    assert next(len(set(row)) for row in places.options.tolist()) >= 4
    assert len(places.read(Few(depth=4))) == 4  # depth, two digits of width, kind
    assert replayed(places, places.read(Few(depth=4))).depth == 4


def test_places_stay_few_and_designs_whole_in_large_spaces() -> None:
    tree, long = Space(SPACES["tree"].kind, max_depth=9), Space(Long)
    for space in (tree, long):
        places = Places(space.root)
        assert len(places) < 3 * MAX_SPOTS
        for i in range(3):
            assert len(places.read(space.sample(Key.of(i)))) <= MAX_STEPS
        net = Net(places, 8)
        drawn = Sampler(net, net.start(0)).draw(4, np.zeros((4, 0)), 1.0, Key.of(0))
        for design in drawn.designs:
            assert space.contains(space.repair(design))


@pytest.mark.parametrize("guide", [0.0, 2.0])
def test_every_draw_is_legal(guide: float) -> None:
    for name, space in {**SPACES, "pair": Space(Pair)}.items():
        net = Net(Places(space.root), 8, 2)
        flat = np.random.default_rng(1).standard_normal(net.n_parameters)
        drawn = Sampler(net, flat, guide).draw(12, np.ones((12, 2)), 1.5, Key.of(2))
        again = Sampler(net, flat, guide).draw(12, np.ones((12, 2)), 1.5, Key.of(2))
        assert drawn.designs == again.designs, name
        assert len(drawn.designs) == 12
        for design in drawn.designs:
            assert space.contains(space.repair(design)), name
            assert name == "pair" or space.contains(design), name


def test_log_p_of_a_draw_is_that_of_its_decisions() -> None:
    space = SPACES["tree"]
    net = Net(Places(space.root), 8, 2)
    flat, asked = np.random.default_rng(3).standard_normal(net.n_parameters), np.ones((9, 2))
    drawn = Sampler(net, flat).draw(9, asked, 1.0, Key.of(4))
    given = Sequences.of(net.places, [net.places.read(d) for d in drawn.designs])
    total = chosen(net.forward(flat, given, asked).log_p, given).sum(axis=0)
    assert np.allclose(drawn.log_p, total)
    none = chosen(net.forward(flat, given, 0 * asked).log_p, given).sum(axis=0)
    guided = Sampler(net, flat, 1e-9).draw(9, asked, 1.0, Key.of(4))
    assert guided.designs == drawn.designs
    assert np.allclose(guided.log_p, total - none)


def test_an_untaught_network_draws_lengths_as_the_space_does() -> None:
    space = Space(Stack)
    net = Net(Places(space.root), 8)
    drawn = Sampler(net, net.start(0)).draw(800, np.zeros((800, 0)), 1.0, Key.of(5))
    counts = Counter(len(design.layers) for design in drawn.designs)
    assert set(counts) == {1, 2, 3, 4}
    assert all(150 < n < 250 for n in counts.values()), counts


def net_and_batch(name: str) -> tuple[Net, Floats, Sequences, Floats]:
    space, rng = SPACES[name], np.random.default_rng(0)
    net = Net(Places(space.root), 6, 3)
    flat = net.start(0) + 0.3 * rng.standard_normal(net.n_parameters)
    designs = [space.sample(Key.of(i)) for i in range(5)]
    given = Sequences.of(net.places, [net.places.read(d) for d in designs])
    return net, flat, given, rng.standard_normal((5, 3))


def check_slope(loss: Callable[[Floats], float], flat: Floats, slope: Floats) -> None:
    """Each of 60 numbers and a direction over all, by central differences."""
    rng, step = np.random.default_rng(7), 1e-5
    ways = [np.eye(1, len(flat), i)[0] for i in rng.choice(len(flat), 60, replace=False)]
    for way in [*ways, rng.standard_normal(len(flat))]:
        measured = (loss(flat + step * way) - loss(flat - step * way)) / (2 * step)
        assert measured == pytest.approx(float(slope @ way), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", ["tree", "conditional", "stack", "tiny"])
def test_gradient_of_the_likelihood(name: str) -> None:
    net, flat, given, told = net_and_batch(name)
    pull = np.where(given.real, np.linspace(-1, 2, 5), 0.0)

    def loss(at: Floats) -> float:
        return -float((pull * chosen(net.forward(at, given, told).log_p, given)).sum())

    made = net.forward(flat, given, told)
    d_logits = minus_picks(np.exp(made.log_p) * pull[..., None], given, pull)
    check_slope(loss, flat, net.backward(flat, made, d_logits))


def test_gradient_of_the_clipped_policy_loss() -> None:
    net, flat, given, told = net_and_batch("tree")
    designer, gains = Controller(entropy=0.3), np.array([1.5, -1.0, 0.5, -0.2, 0.0])
    old = chosen(net.forward(net.start(1), given, told).log_p, given)

    def loss(at: Floats) -> float:
        log_p = net.forward(at, given, told).log_p
        ratio = np.exp(chosen(log_p, given) - old)
        kept = np.clip(ratio, 1 - designer.clip, 1 + designer.clip)
        gained = np.where(given.real, np.minimum(ratio * gains, kept * gains), 0.0).sum()
        p = np.exp(log_p)
        entropy = -np.where(given.real[..., None] & (p > 0), p * log_p, 0.0).sum()
        return -float(gained + designer.entropy * entropy) / len(gains)

    made = net.forward(flat, given, told)
    ratio = np.exp(chosen(made.log_p, given) - old)
    assert np.any(np.abs(ratio - 1)[given.real] > designer.clip), "some ratios are clipped"
    d_logits = designer.slope(made.log_p, given, ratio, gains)
    check_slope(loss, flat, net.backward(flat, made, d_logits))


def test_padding_teaches_nothing() -> None:
    """A design's gradient is the same alone as beside longer ones."""
    net, flat, _, told = net_and_batch("tree")
    designs = sorted((SPACES["tree"].sample(Key.of(i)) for i in range(8)), key=repr)
    steps = sorted((net.places.read(d) for d in designs), key=len)
    assert len(steps[0]) < len(steps[-1])

    def slope(which: list[list[tuple[int, int]]], weight: list[float]) -> Floats:
        given = Sequences.of(net.places, which)
        made = net.forward(flat, given, told[: len(which)])
        pull = np.where(given.real, weight, 0.0)
        return net.backward(
            flat, made, minus_picks(np.exp(made.log_p) * pull[..., None], given, pull)
        )

    alone, beside = slope(steps[:1], [1.0]), slope([steps[0], steps[-1]], [1.0, 0.0])
    assert np.allclose(alone, beside)


def test_adam_descends_and_keeps_what_it_was_given() -> None:
    net, flat, given, told = net_and_batch("stack")
    weights = Weights.of(flat)
    before, losses = flat.copy(), []
    real = given.real.astype(float)
    for _ in range(40):
        made = net.forward(weights.flat, given, told)
        losses.append(-chosen(made.log_p, given).sum())
        d_logits = minus_picks(np.exp(made.log_p) * real[..., None], given, real)
        weights = weights.step(net.backward(weights.flat, made, d_logits), 0.03)
    assert losses[-1] < 0.3 * losses[0]
    assert np.array_equal(flat, before)


def test_a_draw_is_quick() -> None:
    net = Net(Places(SPACES["stack"].root), 32, 4)
    sampler, asked = Sampler(net, net.start(0), 3.0), np.ones((16, 4))
    times = []
    for i in range(5):
        begin = time.process_time()
        sampler.draw(16, asked, 1.0, Key.of(i))
        times.append(time.process_time() - begin)
    assert min(times) < 0.02
