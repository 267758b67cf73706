"""Trains a network on a collection and scores it: what `modelwright build photos/` evaluates.

The documents it knows: a design of the space; `Final`, a design to be trained for longer; `Blend`,
trained networks that answer together; `Student`, a small design that learns from one of these, or
its control that does not; `Rival`, a model of the person's; and `Majority` (of values `Mean` or
`Quantile`), the trivial baseline.
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
from modelwright.core.problem import ZERO_COST
from modelwright.core.roles import Tools
from modelwright.core.trial import WATTS_PER_CORE, Evidence, Progress, Trial
from modelwright.core.version import VERSION
from modelwright.data.array_part import FEATURES, ArrayPart, load_arrays
from modelwright.evaluators.begin import begin, keep_weights
from modelwright.evaluators.keep import keep_array, read_array
from modelwright.evaluators.lesson import MOST_EPOCHS, Lesson, first_look, plain
from modelwright.evaluators.network_evidence import (
    as_shipped,
    drawing,
    majority,
    metric_of,
    scored,
)
from modelwright.evaluators.network_rival import score_network_rival
from modelwright.evaluators.network_student import student_facts, teach
from modelwright.evaluators.zero_cost import measure_untrained
from modelwright.executors import memory_bytes
from modelwright.families.backbone import BackboneDesign
from modelwright.families.device import Device, beyond
from modelwright.families.net_costs import training_bytes
from modelwright.families.net_ops import Ops, side_by_side, side_by_side_weights
from modelwright.families.net_thin import thinned
from modelwright.families.network_design import Design, network_space, ops_for
from modelwright.models.metrics import Metric

if TYPE_CHECKING:
    from modelwright.training.checkpoint import Checkpoint
    from modelwright.training.coaches import CoachName
    from modelwright.training.trainer import Trainer

CODE = 2  # raise it when scores of equal designs change
MEMORY_SHARE = 0.125  # of the machine's, for the results of one step: up to four train at a time


def load(
    metric: Any = None,
    unit: str = "epochs",
    bounds: Mapping[str, float] | None = None,
    device: Mapping[str, Any] | None = None,
    watts: float = WATTS_PER_CORE,
    inherit: bool = False,
    coach: CoachName = "rules",
    keep_seconds: float | None = None,
) -> TrainNetwork:
    """The evaluator from plain data: a worker's entry point.

    A trial's fidelity, and the length of a `Final`, is in `unit`: `seconds` of training and looking
    at validation examples, or `epochs`. `bounds` are limits on what is known before training
    (`families.device.known_costs`): a design beyond them fails at once, with what it has and what
    it may have. `device` is the profile of what the network is for, `watts` one busy core's power.
    With `inherit` trials at the first of several rungs leave their weights for others. `coach` is
    that of the final trainings and the students; those of the search have the guard. A checkpoint
    follows another after `keep_seconds` (`training.checkpoint.EVERY`).
    """
    profile = None if device is None else Device.from_json(device)
    return TrainNetwork(
        metric, unit, dict(bounds or {}), profile, watts, inherit, coach, keep_seconds
    )


@dataclass(frozen=True)
class TrainNetwork:
    """An evaluator over the collection in `tools.data`.

    Evidence has the metric, `accuracy` and `log_loss` (of values `rmse` and `r2`) on the validation
    examples (below the last rung on up to 1,000 of them; and by tenths of them, in `folds`),
    `fit_seconds`, and of the network as it would be shipped what `as_shipped` tells: `params`,
    `macs`, `latency_ms`... The curve is the accuracy (of values R²) on up to 500 of the validation
    examples by epochs. Artefacts of full runs are `shares` (float32 `[n_valid, k]`, or values
    `[n_valid]`) and `model` (safetensors). At the zero-cost rung nothing is trained, see
    `measure_untrained`. With lengths in seconds results depend on the machine's speed; else equal
    trials on equal machines give equal numbers.
    """

    metric: Any
    unit: str
    bounds: Mapping[str, float]
    device: Device | None = None
    watts: float = WATTS_PER_CORE
    inherit: bool = False
    coach: CoachName = "rules"
    keep_seconds: float | None = None

    def protocol(self) -> Mapping[str, Any]:
        """Version of this code; the data is named by who prepared it."""
        return {"kind": "train_network", "code": CODE, "metric": self.metric, "unit": self.unit}

    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Progress | Evidence]:
        """Progress after each segment, then the evidence."""
        part = load_arrays(Path(tools.data))
        metric = metric_of(self.metric, part)
        document = json.loads(trial.candidate.document)
        kind = document.get("type")
        if kind in ("Majority", "Mean", "Quantile"):
            yield majority(part, metric, trial)
        elif kind == "Rival":
            yield score_network_rival(document, part, metric, trial, tools)
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
        # Loading PyTorch is no training: the first trial of a worker would get less of it.
        import modelwright.training.trainer  # noqa: F401

        began = time.perf_counter()
        part = replace(part, valid=first_look(part.valid, trial.cost))
        inner = json.dumps(ordered["design"]) if ordered else trial.candidate.document
        design = design_of(inner, part)
        ops = ops_of(trial.candidate.document, part)
        bound, told = beyond(ops, self.bounds, self.device)
        if bound:
            yield Evidence(trial.number).failed("limit", told, bound)
            return
        if trial.rung == ZERO_COST:
            yield measure_untrained(ops, part, trial, tools.threads, self.device)
            return
        seen = as_features(design, part, Path(tools.data))
        lesson, begun = self._prepared(ordered, design, ops, seen, trial, tools, began)
        yield from lesson.run(trial.number)
        evidence = self._learnt(ordered, ops, lesson, part, metric, trial, tools)
        facts = {
            **evidence.facts, **begun, "family": type(design).__name__,
            "words": f"{design.network.words()}, {ops.weights:,} weights",
        }  # fmt: skip
        if lesson.kept is not None:
            lesson.kept.remove()
        yield replace(evidence, facts=facts)

    def _prepared(
        self, ordered: Mapping[str, Any], design: Design, ops: Ops, part: ArrayPart, trial: Trial,
        tools: Tools, began: float,
    ) -> tuple[Lesson, dict[str, Any]]:  # fmt: skip
        """The training of a trial, with its teacher or first weights; and facts of those."""
        timed = self.unit == "seconds"
        length = float(ordered.get("length", trial.fidelity))
        threads = int(ordered.get("threads", tools.threads))
        epochs = MOST_EPOCHS if timed else length
        learnt = metric_of(self.metric, part).learnt
        trainer = new_trainer(design, ops, part, epochs, trial.seed, threads, learnt)
        # A search compares recipes, not what saves them.
        coach: CoachName = self.coach if ordered else "guard"
        kept = _checkpoint(trial, trainer, part, tools, coach, self.keep_seconds)
        found = kept.read(trainer.device)
        if "teacher" in ordered:
            teach(
                trainer, ordered, lambda told: _opened(told, part, tools), part,
                length if timed else None, tools, None if found is None else found["taught"],
            )  # fmt: skip
        begun = {"begun": begin(trainer, ops, trial, tools.store)} if trial.checkpoint else {}
        lesson = Lesson(trainer, part, timed, length, began, coach, kept, found, tools.deadline)
        return lesson, begun

    def _learnt(
        self, ordered: Mapping[str, Any], ops: Ops, lesson: Lesson, part: ArrayPart, metric: Metric,
        trial: Trial, tools: Tools,
    ) -> Evidence:  # fmt: skip
        """The evidence of a training that is over."""
        shares = lesson.trainer.answers(lesson.part.inputs[part.valid])[0]
        state = weights_of(lesson.trainer)
        evidence = self._evidence(ops, state, shares, part, metric, trial, tools)
        facts, artefacts = {**evidence.facts, **lesson.facts()}, dict(evidence.artefacts)
        if self.inherit and trial.rung == 0 and trial.cost < 1:
            weights = keep_weights(ops, state, trial, tools.store)
            artefacts |= {} if weights is None else {"weights": weights}
        if "teacher" in ordered:
            folds = evidence.folds.get(metric.name, ())
            facts["student"] = plain(student_facts(ordered, shares, folds, part, metric, tools))
            artefacts["oof"] = artefacts["shares"]  # by which readers find a student's control
        scores = {**evidence.scores, "fit_seconds": lesson.seconds}
        return replace(evidence, scores=scores, curve=tuple(lesson.curve), artefacts=artefacts,
                       facts=facts)  # fmt: skip

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

    def _evidence(
        self, ops: Ops, state: Mapping[str, Any], shares: Any, part: ArrayPart, metric: Metric,
        trial: Trial, tools: Tools,
    ) -> Evidence:  # fmt: skip
        """What training and blending have in common."""
        from safetensors.numpy import save

        scores, folds = scored(metric, np.asarray(part.y[part.valid]), shares)
        shipped, noise, known = as_shipped(ops, state, part, shares, self.device, self.watts)
        artefacts = {}
        if trial.cost >= 1:
            artefacts["shares"] = keep_array(shares.astype(np.float32), tools.store)
            artefacts["model"] = tools.store.put(save(dict(state)), ".safetensors")
        facts = {
            "overlap": 0.0, "range": metric.range, "n_train": len(part.train),
            "input_shape": list(part.shape), "drawing": drawing(ops), **known,
            **({"tie_break": "log_loss"} if part.classes else {}),
        }  # fmt: skip
        return Evidence(trial.number, {**scores, **shipped}, folds, noise,
                        artefacts=artefacts, facts=plain(facts))  # fmt: skip


def new_trainer(
    design: Design, ops: Ops, part: ArrayPart, epochs: float, seed: int, threads: int,
    quantile: float | None = None,
) -> Trainer:  # fmt: skip
    """A trainer of one network with drawn weights, for `epochs` of the part's training examples.

    Of values it learns the mean, or a `quantile`.
    """
    import torch

    from modelwright.training.lessons import Lessons
    from modelwright.training.speed import best_device, narrow_pays
    from modelwright.training.torch_net import TorchNet
    from modelwright.training.trainer import Trainer, steps_for

    torch.set_num_threads(threads)
    torch.manual_seed(Key.of(seed).child("weights").seed(63))
    rows = part.train
    y = np.asarray(part.y[rows])
    lessons = Lessons(
        part.inputs[rows], y if part.classes else y.astype(np.float32), len(part.classes),
        part.shift, part.scale, unit=part.unit[1], quantile=quantile,
    )  # fmt: skip
    total = steps_for(len(rows), design.recipe.batch, epochs)
    device = best_device()
    at_once = max(1, int(MEMORY_SHARE * memory_bytes() / training_bytes(ops)))
    return Trainer(
        TorchNet(ops), [design.recipe], lessons, total, seed, device, narrow_pays(device.type),
        at_once if device.type == "cpu" else None,
    )  # fmt: skip


def as_features(design: Design, part: ArrayPart, folder: Path) -> ArrayPart:
    """The examples as the design's training sees them: of a frozen backbone its features."""
    if not isinstance(design, BackboneDesign) or design.network.mode != "frozen":
        return part
    found = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False)
    none, one = np.zeros(found.shape[1], np.float32), np.ones(found.shape[1], np.float32)
    return replace(part, inputs=found, shift=none, scale=one)


def _checkpoint(
    trial: Trial, trainer: Trainer, part: ArrayPart, tools: Tools, coach: str, every: float | None
) -> Checkpoint:
    """Where the training of a trial is kept; equal numbers need all that is named here equal."""
    import torch

    from modelwright.training.checkpoint import EVERY, Checkpoint

    about = {
        "version": f"{VERSION}, {CODE}, PyTorch {torch.__version__}", "data": part.hash,
        "trial": trial.number, "design": trial.candidate.id, "seed": trial.seed,
        "length": trial.fidelity, "device": str(trainer.device), "narrow": trainer.narrow,
        "threads": torch.get_num_threads(), "coach": coach, "at once": trainer.at_once,
    }  # fmt: skip
    path = tools.scratch / f"{trial.number}.safetensors"
    return Checkpoint(path, about, EVERY if every is None else every)


def _opened(told: Mapping[str, Any], part: ArrayPart, tools: Tools) -> tuple[Ops, dict[str, Any]]:
    return ops_of(told["document"], part), read_weights(tools.store.path(told["model"]))


def ops_of(document: str, part: ArrayPart) -> Ops:
    """The operations of a design, of what a `Final` or `Student` trains, or of a `Blend`."""
    found = json.loads(document)
    if "thin" in found:
        return thinned(ops_of(found["thin"]["document"], part), found["thin"]["keep"])
    if found.get("type") == "Blend":
        return side_by_side([ops_of(m["document"], part) for m in found["members"]])
    inner = json.dumps(found["design"]) if found.get("type") in ("Final", "Student") else document
    return ops_for(design_of(inner, part), part)


def design_of(document: str, part: ArrayPart) -> Design:
    """The design of a document, of the space that goes with the kind of examples."""
    found: Design = network_space(part.kind, part.backbone).load(document)
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
