"""Trains a network on a collection and scores it: what `modelwright build photos/` evaluates.

The documents it knows: a design of the space; `Final`, a design to be trained for longer; `Blend`,
trained networks that answer together; `Student`, a small design that learns from one of these, or
its control that does not; and `Majority`, the trivial baseline.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.keys import Key
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.data.array_part import ArrayPart, load_arrays
from modelwright.evaluators.keep import keep_array, read_array
from modelwright.evaluators.lesson import Lesson
from modelwright.evaluators.network_evidence import as_shipped, drawing, majority, scored
from modelwright.evaluators.network_student import (
    SHARE,
    TEMPERATURE,
    TRUST,
    student_facts,
    taught_shares,
)
from modelwright.families.net_ops import Ops, side_by_side, side_by_side_weights
from modelwright.families.network_design import Design, network_space, ops_for
from modelwright.models.metrics import Metric, find_metric

if TYPE_CHECKING:
    from modelwright.training.coach_rules import Coach
    from modelwright.training.trainer import Lessons, Trainer

CODE = 1  # raise it when scores of equal designs change
FIRST_LOOK = 1000  # validation examples, at most, below the last rung
MOST_EPOCHS = 200.0  # of a training whose length is given in seconds: small sets are soon learnt


def load(
    metric: Any = None, unit: str = "epochs", bounds: Mapping[str, float] | None = None
) -> TrainNetwork:
    """The evaluator from plain data: a worker's entry point.

    A trial's fidelity, and the length of a `Final`, is in `unit`: `seconds` of training and looking
    at validation examples, or `epochs`. `bounds` are limits on `params`, `macs`: a design beyond
    them fails at once, with what it has and what it may have.
    """
    return TrainNetwork(metric, unit, dict(bounds or {}))


@dataclass(frozen=True)
class TrainNetwork:
    """An evaluator over the collection in `tools.data`.

    Evidence has the metric, `accuracy` and `log_loss` on the validation examples (below the last
    rung on up to 1,000 of them; and by tenths of them, in `folds`), `fit_seconds`, and of the
    network as it would be shipped `params`, `macs` (of one example), `latency_ms`, `size_kb`. The
    curve is the accuracy on up to 500 of the validation examples by epochs. Artefacts of full runs
    are `shares` (float32 `[n_valid, k]`) and `model` (safetensors). With lengths in seconds results
    depend on the machine's speed; else equal trials on equal machines give equal numbers.
    """

    metric: Any
    unit: str
    bounds: Mapping[str, float]

    def protocol(self) -> Mapping[str, Any]:
        """Version of this code; the data is named by who prepared it."""
        return {"kind": "train_network", "code": CODE, "metric": self.metric, "unit": self.unit}

    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Progress | Evidence]:
        """Progress after each segment, then the evidence."""
        part = load_arrays(Path(tools.data))
        metric = find_metric(self.metric or "accuracy", part.task)  # type: ignore[arg-type]
        document = json.loads(trial.candidate.document)
        kind = document.get("type")
        if kind == "Majority":
            yield majority(part, metric, trial)
        elif kind == "Blend":
            yield self._blend(document["members"], part, metric, trial, tools)
        else:
            ordered = document if kind in ("Final", "Student") else {}
            yield from self._train(ordered, part, metric, trial, tools)

    def _train(
        self,
        ordered: Mapping[str, Any],
        part: ArrayPart,
        metric: Metric,
        trial: Trial,
        tools: Tools,
    ) -> Generator[Progress | Evidence, Any, None]:
        """Trains the trial's design, or the one of a `Final` or `Student` that was `ordered`."""
        began = time.perf_counter()
        if trial.cost < 1:  # a first look: answering all of them would take longer than training
            part = replace(part, valid=part.valid[:: -(-len(part.valid) // FIRST_LOOK)])
        inner = json.dumps(ordered["design"]) if ordered else trial.candidate.document
        length = float(ordered.get("length", trial.fidelity))
        design = design_of(inner, part)
        ops = ops_for(design, part)
        for name, most in self.bounds.items():
            has = {"params": ops.weights, "macs": ops.macs}[name]
            if has > most:
                message = f"it has {has:,} {name}, {most:,g} are allowed"
                yield Evidence(trial.number).failed("limit", message)
                return
        epochs = MOST_EPOCHS if self.unit == "seconds" else length
        threads = int(ordered.get("threads", tools.threads))
        trainer = new_trainer(design, ops, part, epochs, trial.seed, threads)
        if ordered.get("teach"):
            trainer.lessons = self._taught(trainer, ordered["teacher"], part, length, tools)
        # Loading a library is no training, but it is time: what is left of the length is used.
        coach = _coach() if ordered else None  # a search compares recipes, not what saves them
        lesson = Lesson(trainer, part, self.unit == "seconds", length, began, coach)
        yield from lesson.run(trial.number)
        shares = trainer.answers(part.inputs[part.valid])[0]
        evidence = self._evidence(ops, weights_of(trainer), shares, part, metric, trial, tools)
        facts = {
            **evidence.facts, **lesson.facts(), "words": f"{design.network.words()}, "
            f"{ops.weights:,} weights", "family": type(design).__name__,
        }  # fmt: skip
        artefacts = dict(evidence.artefacts)
        if "teacher" in ordered:
            folds = evidence.folds.get(metric.name, ())
            facts["student"] = student_facts(ordered, shares, folds, part, metric, tools)
            artefacts["oof"] = artefacts["shares"]  # by which readers find a student's control
        scores = {**evidence.scores, "fit_seconds": lesson.seconds}
        yield Evidence(trial.number, scores, evidence.folds, evidence.noise, tuple(lesson.curve),
                       artefacts, facts)  # fmt: skip

    def _taught(
        self, trainer: Trainer, teacher: Mapping[str, Any], part: ArrayPart, length: float,
        tools: Tools,
    ) -> Lessons:  # fmt: skip
        """The lessons with the teacher's answers in them."""
        ops = ops_of(teacher["document"], part)
        state = read_weights(tools.store.path(teacher["model"]))
        seconds = SHARE * length if self.unit == "seconds" else None
        told = taught_shares(ops, state, part, seconds)
        return replace(trainer.lessons, taught=told, trust=TRUST, temperature=TEMPERATURE)

    def _blend(
        self, members: Sequence[Mapping[str, Any]], part: ArrayPart, metric: Metric, trial: Trial,
        tools: Tools,
    ) -> Evidence:  # fmt: skip
        """The mean of trained networks' answers, as one network."""
        found = [np.asarray(read_array(member["shares"], tools.store), float) for member in members]
        parts = [ops_of(member["document"], part) for member in members]
        states = [read_weights(tools.store.path(member["model"])) for member in members]
        ops, state = side_by_side(parts), side_by_side_weights(parts, states)
        shares = np.mean(found, axis=0)
        evidence = self._evidence(ops, state, shares, part, metric, trial, tools)
        seconds = sum(float(member["fit_seconds"]) for member in members)
        equal = {str(member["trial"]): 1 / len(members) for member in members}
        facts = {**evidence.facts, "family": "Blend", "weights": equal}
        scores = {**evidence.scores, "fit_seconds": seconds}
        return Evidence(trial.number, scores, evidence.folds, evidence.noise,
                        artefacts=evidence.artefacts, facts=facts)  # fmt: skip

    @staticmethod
    def _evidence(
        ops: Ops, state: Mapping[str, Any], shares: Any, part: ArrayPart, metric: Metric,
        trial: Trial, tools: Tools,
    ) -> Evidence:  # fmt: skip
        """What training and blending have in common."""
        from safetensors.numpy import save

        scores, folds = scored(metric, np.asarray(part.y[part.valid]), shares)
        shipped, noise, apart = as_shipped(ops, state, part, shares)
        artefacts = {}
        if trial.cost >= 1:
            artefacts["shares"] = keep_array(shares.astype(np.float32), tools.store)
            artefacts["model"] = tools.store.put(save(dict(state)), ".safetensors")
        facts = {
            "overlap": 0.0, "tie_break": "log_loss", "range": metric.range,
            "n_train": len(part.train), "input_shape": list(part.shape),
            "drawing": drawing(ops), "parity": apart,
        }  # fmt: skip
        return Evidence(trial.number, {**scores, **shipped}, folds, {"latency_ms": noise},
                        artefacts=artefacts, facts=facts)  # fmt: skip


def new_trainer(
    design: Design, ops: Ops, part: ArrayPart, epochs: float, seed: int, threads: int
) -> Trainer:
    """A trainer of one network with drawn weights, for `epochs` of the part's training examples."""
    import torch

    from modelwright.training.speed import narrow_pays
    from modelwright.training.torch_net import TorchNet
    from modelwright.training.trainer import Lessons, Trainer, steps_for

    torch.set_num_threads(threads)
    torch.manual_seed(Key.of(seed).child("weights").seed(63))
    rows = part.train
    lessons = Lessons(
        part.inputs[rows], np.asarray(part.y[rows]), len(part.classes), part.shift, part.scale
    )
    total = steps_for(len(rows), design.recipe.batch, epochs)
    return Trainer(TorchNet(ops), [design.recipe], lessons, total, seed, narrow=narrow_pays())


def _coach() -> Coach:
    from modelwright.training.coach_rules import Rules

    return Rules()


def ops_of(document: str, part: ArrayPart) -> Ops:
    """The operations of a design, of what a `Final` or `Student` trains, or of a `Blend`."""
    found = json.loads(document)
    if found.get("type") == "Blend":
        return side_by_side([ops_of(m["document"], part) for m in found["members"]])
    inner = json.dumps(found["design"]) if found.get("type") in ("Final", "Student") else document
    return ops_for(design_of(inner, part), part)


def design_of(document: str, part: ArrayPart) -> Design:
    """The design of a document, of the space that goes with the kind of examples."""
    found: Design = network_space(part.kind).load(document)
    return found


def weights_of(trainer: Trainer) -> dict[str, Any]:
    """The trained weights (the running mean, where there is one) as arrays."""
    state = trainer.mean or trainer.net.state_dict()
    return {name: value.detach().cpu().contiguous().numpy() for name, value in state.items()}


def read_weights(path: Path) -> dict[str, Any]:
    """The arrays of a kept model."""
    from safetensors.numpy import load_file

    found: dict[str, Any] = load_file(path)
    return found
