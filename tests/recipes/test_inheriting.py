"""First looks with inherited weights: who gives, who gets, what is kept, and what is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import modelwright as mw
from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.problem import Goal, Rungs
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Trial
from modelwright.core.view import Brief, View, ViewBuilder
from modelwright.data.array_part import load_arrays
from modelwright.designers.evolution import Evolution
from modelwright.designers.inherit import AMONG, Inherit
from modelwright.evaluators.begin import begin
from modelwright.evaluators.train_network import new_trainer, ops_of
from modelwright.executors import FileStore, Inline, ToolBox
from modelwright.families.network_design import NetworkDesign
from modelwright.readers.network_begun import begun_figures
from modelwright.readers.report import report_html
from modelwright.recipes.tidy import Tidy
from modelwright.spaces import Space
from modelwright.testing.zoo import Mixed

SPACE = Space(Mixed)
TWO_RUNGS = Brief(SPACE, (Goal("loss"),), rungs=Rungs((1.0, 3.0)))


def short_looks(n: int) -> list[Trial]:
    candidates = (SPACE.candidate(SPACE.sample(Key.of(i))) for i in range(n))
    return [Trial(i, c, 0, 1.0, 1 / 3, i) for i, c in enumerate(candidates)]


def test_a_child_begins_from_its_parent_or_from_the_nearest() -> None:
    builder = ViewBuilder(TWO_RUNGS)
    designer = Inherit(Evolution(sample=2, initial=3), among=3)
    state = designer.start(TWO_RUNGS)
    for trial in short_looks(8):
        builder.order(trial)
        artefacts = {"weights": f"w{trial.number}"}
        outcome = builder.evidence(
            Evidence(trial.number, {"loss": float(trial.number % 5)}, artefacts=artefacts)
        )
        state = designer.update(state, [outcome], Key.of(trial.number))
    view = builder.view
    best = {view.trial(n).candidate.id: f"w{n}" for n in (0, 5, 1)}
    ways = set()
    for seed in range(30):
        for proposal in designer.propose(state, view, 2, Key.of(seed)):
            parents = [best[p] for p in proposal.candidate.parents if p in best]
            assert proposal.checkpoint in (parents or [_nearest(view, proposal.candidate, best)])
            assert ("its parent" in proposal.reason) == bool(parents)
            ways.add(bool(parents))
    assert ways == {True, False}


def _nearest(view: View, candidate: Any, best: Mapping[str, str]) -> str:
    def apart(name: str) -> float:
        number = view.tried(name)
        assert number is not None
        other = SPACE.to_unit(SPACE.design(view.trial(number).candidate))
        return float(np.square(np.subtract(other, SPACE.to_unit(SPACE.design(candidate)))).sum())

    return best[min(best, key=apart)]


@dataclass(frozen=True)
class Leaving:
    """Leaves weights; later trials are better."""

    def protocol(self) -> Mapping[str, Any]:
        return {}

    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Evidence]:
        name = tools.store.put(b"%d" % trial.number, ".safetensors")
        yield Evidence(trial.number, {"loss": -float(trial.number)}, artefacts={"weights": name})


def test_only_the_weights_of_the_best_stay(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    tidy = Tidy(Inline(Leaving(), ToolBox(tmp_path, store)), store, View(TWO_RUNGS))
    for trial in short_looks(2 * AMONG + 5):
        tidy.submit(trial)
        tidy.poll(1.0)
    left = sorted(int(store.path(name).read_bytes()) for name in store.names())
    assert left == list(range(5, 2 * AMONG + 5))


def test_a_build_that_inherits_tells_both_figures_and_cleans_up(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.integers(0, 90, (60, 6, 6, 1)).astype(np.uint8)
    x[y == 1, 2] += 120
    np.savez(tmp_path / "x.npz", x=x, y=y)
    done = mw.build(
        tmp_path / "x.npz", budget=13, workspace=tmp_path / "runs", slots=0, inherit=True,
        limits=["params<=1500"], student=False,
    )  # fmt: skip
    view = done.record.view
    heirs = [o for o in view.finished if o.trial.checkpoint is not None and o.ok]
    assert heirs
    assert all(o.trial.rung == 0 and o.trial.role == "search" for o in heirs)
    for heir in heirs:
        begun = heir.evidence.facts["begun"]
        giver = view.outcome(begun["trial"])
        assert giver is not None
        assert giver.evidence.artefacts["weights"] == heir.trial.checkpoint
        assert sum(begun["tensors"].values()) == len(begun["how"])
        (row, *_) = begun_figures(done.record, heir)
        assert row["from_trial"] == begun["trial"]
    store = FileStore(done.run.path / "artefacts")
    assert not {o.evidence.artefacts.get("weights") for o in view.finished} & set(store.names())
    part = load_arrays(done.run.path / "data" / "dev")
    ops = ops_of(heirs[0].trial.candidate.document, part)
    trainer = new_trainer(NetworkDesign(), ops, part, 1.0, 0, 1)
    assert begin(trainer, ops, heirs[0].trial, store) == {"gone": True}  # a run that goes on
    shown = begun_figures(done.record, done.best) if done.best else []
    assert ("from scratch" in report_html(done.run, done.record)) == bool(shown)


def test_tables_do_not_inherit(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,0\n2,1\n")
    with pytest.raises(InputError, match="--inherit goes with networks"):
        mw.build(tmp_path / "t.csv", "y", budget=2, workspace=tmp_path, inherit=True)
