"""Quality-diversity: an archive of the best of each size, and how new designs are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.trial import Candidate, Evidence, Trial
from modelwright.core.view import Outcome
from modelwright.designers import designer_json, make_designer
from modelwright.designers.evolution import Evolution
from modelwright.designers.map_elites import MapElites
from modelwright.families.image_net import ImageNet
from modelwright.spaces import Space
from modelwright.testing.designer import simulate

SPACE = Space(ImageNet)


def cost(design: ImageNet, fidelity: float) -> dict[str, float]:
    """Real weights and multiplications; best are 30,000 of the one and 3 million of the other.

    A stand-in for an error: it pulls the search to one size, as a limit and an error would.
    """
    ops = design.ops((1, 28, 28), 10)
    away = (math.log10(ops.weights) - 4.5) ** 2 + (math.log10(ops.macs) - 6.5) ** 2
    return {"value": away, "params": float(ops.weights), "macs": float(ops.macs)}


def test_it_fills_more_cells_than_evolution_at_equal_cost() -> None:
    filled: dict[str, list[int]] = {"map_elites": [], "evolution": []}
    for seed in range(2):
        for designer in (MapElites(), Evolution()):
            seen = simulate(designer, SPACE, cost, 60, seed=seed).searched
            cells = {MapElites().cell(o.evidence.scores) for o in seen}
            filled[designer.name].append(len(cells))
    # Measured over 6 seeds at 60 trials: about 30 cells against 18 (random points: 36).
    assert min(filled["map_elites"]) > max(filled["evolution"])


def outcome(
    number: int, name: str, loss: float, scores: Mapping[str, float], rung: int = 0
) -> Outcome:
    trial = Trial(number, Candidate(f'"{name}"'), rung, 1.0, 1.0, 0)
    return Outcome(trial, Evidence(number, {"value": loss, **scores}), (loss,), 0.0)


def test_a_cell_keeps_its_best_and_a_design_has_one_place() -> None:
    designer = MapElites()

    def after(*outcomes: Outcome) -> dict[Any, str]:
        state = designer.start(None)  # type: ignore[arg-type]
        for one in outcomes:
            state = designer.update(state, [one], Key.of(0))
        return {cell: o.trial.candidate.document for cell, o in state.items()}

    small = {"params": 1000.0, "macs": 1e5}
    large = {"params": 5e5, "macs": 1e7}
    assert after(outcome(0, "a", 0.3, small), outcome(1, "b", 0.5, small)) == {(9, 15): '"a"'}
    assert after(outcome(0, "a", 0.3, small), outcome(1, "b", 0.1, small)) == {(9, 15): '"b"'}
    two = after(outcome(0, "a", 0.3, small), outcome(1, "b", 0.9, large))
    assert set(two.values()) == {'"a"', '"b"'}
    moved = after(outcome(0, "a", 0.3, small), outcome(1, "a", 0.4, large, 1))
    assert moved == {(17, 21): '"a"'}
    assert after(outcome(0, "a", 0.3, {})) == {(None, None): '"a"'}


def test_it_is_read_back_and_refuses_nonsense() -> None:
    designer = MapElites(("params", "latency_ms"), initial=5)
    assert make_designer(designer_json(designer)) == designer
    with pytest.raises(InputError, match="names of measured values"):
        MapElites(())
    with pytest.raises(InputError, match="at least 1"):
        MapElites(per_decade=0)
