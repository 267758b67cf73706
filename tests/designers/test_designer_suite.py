"""The public suite over every registered designer, and the suite itself against bad ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from modelwright.core.keys import Key
from modelwright.core.roles import Designer
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers import DESIGNERS
from modelwright.designers.controller import Controller
from modelwright.designers.evolution import Evolution
from modelwright.designers.generator import Generator
from modelwright.designers.inherit import Inherit
from modelwright.designers.local_search import LocalSearch
from modelwright.designers.map_elites import MapElites
from modelwright.designers.nsga2 import Nsga2
from modelwright.designers.portfolio import Portfolio
from modelwright.designers.random_search import Random
from modelwright.designers.team import Team
from modelwright.designers.tpe import Tpe
from modelwright.designers.zero_cost import ZeroCost
from modelwright.testing import designer as suite
from modelwright.testing.zoo import zoo

# Short starts, so that a short run of the suite sees more of what comes after them.
ROWS: dict[str, Callable[[], Designer]] = {
    "random": Random,
    "evolution": lambda: Evolution(population=8, sample=4, initial=5),
    "local_search": lambda: LocalSearch(neighbours=20),
    "tpe": lambda: Tpe(initial=5, draws=8),
    "nsga2": lambda: Nsga2(population=5, initial=5),
    "map_elites": lambda: MapElites(("value",), initial=5),
    "portfolio": lambda: Portfolio((), Evolution(initial=3)),
    "team": lambda: Team((Random(), Evolution(initial=3), LocalSearch(), Random())),
    "controller": lambda: Controller(initial=5, hidden=8),
    "generator": lambda: Generator(initial=5, hidden=8, steps=1),
    "inherit": lambda: Inherit(Random()),
    "zero_cost": lambda: ZeroCost(Evolution(population=8, sample=4, initial=5)),
}
ELSEWHERE = {"bayesian"}  # slow enough for a file of its own
SPACES = zoo()


def test_every_registered_designer_has_a_row() -> None:
    assert set(ROWS) | ELSEWHERE == set(DESIGNERS)


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ROWS)
def test_designer_keeps_the_contract(name: str, check: Callable[..., None]) -> None:
    check(ROWS[name], SPACES)


@dataclass(frozen=True)
class Bad:
    """Random search with one thing wrong."""

    wrong: str

    name: ClassVar[str] = "bad"
    block: ClassVar[int] = 1
    count: ClassVar[list[int]] = []
    rest: ClassVar[Random] = Random()

    def start(self, brief: Brief) -> list[int]:
        return []

    def update(self, state: list[int], outcomes: Sequence[Outcome], key: Key) -> list[int]:
        if self.wrong == "changes its state":
            state.append(1)
            return state
        if self.wrong == "chokes on failures":
            return [*state, int(1 / sum(o.ok for o in outcomes))]
        return [*state, 1]

    def propose(self, state: list[int], view: View, n: int, key: Key) -> list[Proposal]:
        if self.wrong == "rolls its own dice":
            key = Key.of(random.randrange(1 << 30))
            return list(self.rest.propose(None, _later(view), n, key))
        if self.wrong == "counts its calls":
            self.count.append(1)
            key = Key.of(len(self.count))
            return list(self.rest.propose(None, _later(view), n, key))
        if self.wrong == "changes its state":
            key = key.child(len(state))
            return list(self.rest.propose(None, _later(view), n, key))
        found = list(self.rest.propose(None, view, n, key))
        if self.wrong == "repeats itself" and view.n_trials > 3:
            return [replace(found[0], candidate=view.trial(0).candidate)] if found else []
        if self.wrong == "gives no reason":
            return [replace(p, reason="") for p in found]
        if self.wrong == "stops early":
            return found if view.n_trials < 2 else []
        if self.wrong == "reads the whole record each time":
            for _ in range(3):
                sum(o.loss for a in view.finished for o in view.finished[:100] if a.ok)
        return found


def _later(view: View) -> Any:
    """The view as if trials were spent, so that random search draws by its key."""

    class Shifted:
        trials_spent = 1

        def __getattr__(self, name: str) -> Any:
            return getattr(view, name)

    class Cubeless:
        unit_dimension = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(view.space, name)

    shifted = Shifted()
    shifted.space = Cubeless()  # type: ignore[attr-defined]
    return shifted


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ("rolls its own dice", suite.check_determinism),
        ("counts its calls", suite.check_replay),
        ("changes its state", suite.check_purity),
        ("chokes on failures", suite.check_bad_rows),
        ("repeats itself", suite.check_determinism),
        ("gives no reason", suite.check_batches),
        ("stops early", suite.check_small_spaces),
        ("reads the whole record each time", suite.check_bounded_time),
    ],
)
def test_suite_finds_what_is_wrong(wrong: str, check: Callable[..., None]) -> None:
    with pytest.raises((AssertionError, ZeroDivisionError)):
        check(lambda: Bad(wrong), {name: SPACES[name] for name in ("tiny", "mixed")})


def test_suite_passes_what_is_right() -> None:
    suite.check_designer(lambda: Bad("nothing"), {"tiny": SPACES["tiny"]})
