"""Trains networks that the user's own classes build: what `modelwright.search_networks` evaluates.

The documents it knows: a design of the space, and `Final`, a design to be trained for longer.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np

from modelwright.core.canonical import digest
from modelwright.core.code_hash import code_hash
from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.reference import reference, resolve
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.core.version import VERSION
from modelwright.data.pairs import Array, Pairs, read_pairs
from modelwright.evaluators.function import folder_of, named
from modelwright.evaluators.keep import keep_array
from modelwright.evaluators.latency import measure
from modelwright.evaluators.lesson import MOST_EPOCHS, Lesson, first_look
from modelwright.evaluators.network_evidence import scored
from modelwright.models.metrics import Metric, find_metric, score_predictions
from modelwright.spaces import Space
from modelwright.spaces.hints import classes_of
from modelwright.training.recipe import AdamW, Recipe, Sgd

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelwright.training.assemble import Assembled
    from modelwright.training.checkpoint import Checkpoint
    from modelwright.training.trainer import Trainer

CODE = 2  # raise it when scores of equal designs change
WIDE = 1e6  # multiplications for one example, below which a second thread has too little to do
PAIRS = "data"  # the folder with the examples, beside the ledger


@dataclass(frozen=True)
class Choices:
    """What is searched: the user's type, and networks of the user's that stand beside it.

    `own` maps a name to a module, or to what makes one. They are a part of the space of their own,
    `Yours(name=...)`, without any other choice in it.
    """

    kind: Any
    own: Mapping[str, Any]

    def space(self) -> Space:
        """The space of both."""
        if not self.own:
            return Space(self.kind)
        names: Any = Literal[tuple(self.own)]
        yours = dataclasses.make_dataclass("Yours", [("name", names)], frozen=True)
        return Space(Union[self.kind, yours])  # noqa: UP007 - made while it runs

    def thing(self, design: Any) -> Any:
        """What is assembled: the design itself, or a fresh copy of the user's own network."""
        if type(design).__name__ != "Yours" or not self.own:
            return design
        own = self.own[design.name]
        return own() if _makes(own) else deepcopy(own)

    def code(self) -> list[str]:
        """Hashes of the classes and functions, and of the weights of given modules."""
        ours = [k for k in classes_of(self.kind) if not k.__module__.startswith("modelwright.")]
        found = [code_hash(thing) for thing in ours]
        for own in self.own.values():
            found += [code_hash(own)] if _makes(own) else [digest_of(own)]
        return found


def load(
    space: str,
    own: Mapping[str, str],
    step: str | None,
    pairs: str,
    metric: str | None,
    unit: str,
    bounds: Mapping[str, float],
    folders: Sequence[str] = (),
) -> TrainOwn:
    """The evaluator from references, `module:name`: a worker's entry point.

    `folders` are where the modules lie, put on the path of imports when they are not on it.
    """
    sys.path.extend(f for f in folders if f not in sys.path)
    choices = Choices(resolve(space), {name: resolve(text) for name, text in own.items()})
    found = None if step is None else resolve(step)
    return TrainOwn(choices, choices.space(), found, pairs, metric, unit, dict(bounds))


@dataclass(frozen=True)
class TrainOwn:
    """An evaluator over the examples `pairs` below `tools.data`.

    Evidence has the metric, accuracy and log loss (or RMSE and R²) on the validation examples, also
    by tenths of them; `fit_seconds`; and of the module itself `params`, `macs` (counted while it
    answers one example, see `training.count`), `latency_ms` (median for one example with one
    thread) and `size_kb` of its weights. Facts have its `layers` and `adapters`. Artefacts of full
    runs are `shares` and `model` (safetensors). A trial's fidelity is in `unit`, `seconds` or
    `epochs`. A checkpoint follows another after `keep_seconds`
    (`training.checkpoint.EVERY`).
    """

    choices: Choices
    space: Space
    step: Any
    pairs: str
    metric: str | None
    unit: str
    bounds: Mapping[str, float]
    keep_seconds: float | None = None

    def protocol(self) -> Mapping[str, Any]:
        """The examples, the metric, and the code of all that is the user's."""
        code = [*self.choices.code(), code_hash(self.step) if self.step else "", str(CODE)]
        return {
            "kind": "train_own", "code": code, "data": self.pairs, "metric": self.metric,
            "unit": self.unit,
        }  # fmt: skip

    def entry(self) -> dict[str, Any]:
        """How a worker process makes this evaluator again; InputError for what has no name."""
        first = classes_of(self.choices.kind)[0]
        folders = [folder_of(t) for t in (first, self.step, *self.choices.own.values()) if t]
        for name, thing in self.choices.own.items():
            if not _makes(thing):
                raise InputError(
                    f"start holds a module ({name}), which worker processes cannot be given: give "
                    "the function or class that makes it, or run inline."
                )
        arguments = {
            "space": named(self.choices.kind, first),
            "own": {
                name: reference(thing, "a start network")
                for name, thing in self.choices.own.items()
            },
            "step": None if self.step is None else reference(self.step, "the training step"),
            "pairs": self.pairs, "metric": self.metric, "unit": self.unit,
            "bounds": dict(self.bounds), "folders": sorted({f for f in folders if f}),
        }  # fmt: skip
        return {"entry": "modelwright.evaluators.train_own:load", "arguments": arguments}

    def network(self, document: str, pairs: Pairs, seed: int = 0) -> Assembled:
        """The untrained network of a document, its weights drawn from `seed`."""
        import torch

        from modelwright.training.assemble import assemble

        torch.manual_seed(Key.of(seed).child("weights").seed(63))
        thing = self.choices.thing(self.space.load(design_text(document)))
        rows = pairs.train[:2]
        scale = None if pairs.classes else _moments(pairs)
        return assemble(thing, as_tensor(pairs.inputs[rows]), len(pairs.classes) or 1, scale)

    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Progress | Evidence]:
        """Progress after each segment, then the evidence."""
        import torch

        before = torch.get_num_threads()  # of the user's own process, where trials run inline
        try:
            yield from self._train(trial, tools)
        finally:
            torch.set_num_threads(before)

    def _train(self, trial: Trial, tools: Tools) -> Generator[Progress | Evidence, Any, None]:
        import torch

        from modelwright.training.count import macs_of

        began = time.perf_counter()
        pairs = read_pairs(Path(tools.data) / PAIRS, self.pairs)
        pairs = dataclasses.replace(pairs, valid=first_look(pairs.valid, trial.cost))
        found = json.loads(trial.candidate.document)
        ordered = found if found.get("type") == "Final" and "length" in found else {}
        built = self.network(trial.candidate.document, pairs, trial.seed)
        one = as_tensor(pairs.inputs[pairs.train[:1]])
        known = {"params": float(built.params), "macs": float(macs_of(built.module, one))}
        most = max(tools.threads, int(ordered.get("threads", 1)))
        torch.set_num_threads(most if known["macs"] >= WIDE else 1)
        for name, bound in self.bounds.items():
            if known[name] > bound:
                message = f"it has {known[name]:,.0f} {name}, {bound:,g} are allowed"
                yield Evidence(trial.number).failed("limit", message, name)
                return
        length = float(ordered.get("length", trial.fidelity))
        design = self.space.load(design_text(trial.candidate.document))
        timed = self.unit == "seconds"
        trainer = self._trainer(design, built, pairs, MOST_EPOCHS if timed else length, trial.seed)
        kept = self._checkpoint(trial, tools, str(trainer.device))
        found = kept.read(trainer.device)
        lesson = Lesson(
            trainer, pairs, timed, length, began, kept=kept, found=found, deadline=tools.deadline
        )
        yield from lesson.run(trial.number)
        if trainer.mean:
            trainer.net.load_state_dict(trainer.mean)
        evidence = self._evidence(built, design, pairs, trial, tools, known, lesson)
        kept.remove()
        yield evidence

    def _checkpoint(self, trial: Trial, tools: Tools, device: str) -> Checkpoint:
        """Where the training of a trial is kept; of another code, data or design it is another."""
        import torch

        from modelwright.training.checkpoint import EVERY, Checkpoint

        about = {
            "version": f"{VERSION}, PyTorch {torch.__version__}", "protocol": self.protocol(),
            "trial": trial.number, "design": trial.candidate.id, "seed": trial.seed,
            "length": trial.fidelity, "device": device, "threads": torch.get_num_threads(),
        }  # fmt: skip
        every = EVERY if self.keep_seconds is None else self.keep_seconds
        return Checkpoint(tools.scratch / f"{trial.number}.safetensors", about, every)

    def _trainer(
        self, design: Any, built: Assembled, pairs: Pairs, epochs: float, seed: int
    ) -> Trainer:
        from modelwright.training.lessons import Lessons
        from modelwright.training.plain_net import OwnStep, PlainNet
        from modelwright.training.trainer import Trainer, steps_for

        recipe = recipe_in(design)
        if pairs.ids:  # they cannot be blended
            augment = dataclasses.replace(recipe.augment, mix=0.0)
            recipe = dataclasses.replace(recipe, augment=augment)
        rows, y = pairs.train, np.asarray(pairs.y[pairs.train])
        unit = 1.0 if pairs.classes or self.step else _moments(pairs)[1]
        one = np.ones(1, np.float32)
        lessons = Lessons(
            pairs.inputs[rows], y, len(pairs.classes), 0 * one, pairs.factor * one, unit=unit,
            quantile=find_metric(self.metric, pairs.task).learnt,
        )  # fmt: skip
        net = PlainNet(built.module)
        own = None
        if self.step is not None:
            own = OwnStep(self.step, net, _optimizer(design, recipe, built.module))
        total = steps_for(len(rows), recipe.batch, epochs)
        return Trainer(net, [recipe], lessons, total, seed, own=own)

    def _evidence(
        self, built: Assembled, design: Any, pairs: Pairs, trial: Trial, tools: Tools,
        known: Mapping[str, float], lesson: Lesson,
    ) -> Evidence:  # fmt: skip
        import torch

        metric = find_metric(self.metric, pairs.task)
        found = answers(built.module, pairs.inputs[pairs.valid], bool(pairs.classes))
        scores, folds = scored(metric, np.asarray(pairs.y[pairs.valid]), found)
        content = packed(built.module)
        course = lesson.facts()  # before the threads are those of one example
        torch.set_num_threads(1)
        one = as_tensor(pairs.inputs[pairs.valid[:1]])
        with torch.inference_mode():
            latency, noise = measure(lambda: built.module(one))
        artefacts = {}
        if trial.cost >= 1:
            artefacts["shares"] = keep_array(found.astype(np.float32), tools.store)
            artefacts["model"] = tools.store.put(content, ".safetensors")
        own = [name for name, _, _, adapter in built.layers if not adapter]
        facts = {
            **course, "family": type(design).__name__, "overlap": 0.0,
            "range": metric.range, "words": f"{', '.join(own)}; {built.params:,} weights",
            "n_train": len(pairs.train),
            "layers": [[n, list(s), w, a] for n, s, w, a in built.layers],
            "adapters": list(built.adapters), "step": "yours" if self.step else "",
        }  # fmt: skip
        if pairs.classes:
            facts["tie_break"] = "log_loss"
        more = {
            **known, "latency_ms": latency, "size_kb": len(content) / 1000,
            "fit_seconds": lesson.seconds,
        }  # fmt: skip
        return Evidence(
            trial.number, {**scores, **more}, folds, {"latency_ms": noise}, tuple(lesson.curve),
            artefacts, facts,
        )  # fmt: skip


def design_text(document: str) -> str:
    """The design in a document, which may be that of a final training."""
    found = json.loads(document)
    final = found.get("type") == "Final" and "length" in found
    return json.dumps(found["design"]) if final else document


def recipe_in(design: Any) -> Recipe:
    """How a design says it is to be trained: its own field with a `Recipe`, or an optimiser."""
    for f in dataclasses.fields(design) if dataclasses.is_dataclass(design) else ():
        value = getattr(design, f.name)
        if isinstance(value, Recipe):
            return value
        if isinstance(value, AdamW | Sgd):
            return Recipe(value)
    return Recipe()


def as_tensor(x: Array) -> Tensor:
    """Examples as a network is given them: float32 (bytes as 0 to 1), or whole numbers."""
    import torch

    found = torch.from_numpy(np.array(x))
    return found.float() / 255 if found.dtype == torch.uint8 else found


def answers(module: nn.Module, x: Array, classes: bool, at_once: int = 512) -> Array:
    """Shares `[n, k]`, or values `[n]`, float64; the module stays in the mode of answering."""
    import torch

    module.eval()
    found = []
    with torch.inference_mode():
        for at in range(0, len(x), at_once):
            rows = x[at : at + at_once]
            found.append(module(as_tensor(rows)).reshape(len(rows), -1).double())
    out = torch.cat(found)
    return np.asarray(out.softmax(dim=1) if classes else out[:, 0])


def packed(module: nn.Module) -> bytes:
    """The weights as safetensors; of weights that are shared each name has its own copy."""
    from safetensors.torch import save

    state = module.state_dict()
    return bytes(save({k: v.detach().cpu().contiguous().clone() for k, v in state.items()}))


def _optimizer(design: Any, recipe: Recipe, module: nn.Module) -> Any:
    """The optimiser of PyTorch for a step of the user's: the design's own, or the recipe's."""
    import torch

    weights = list(module.parameters())
    if callable(getattr(design, "optimizer", None)):
        return design.optimizer(weights)
    chosen = recipe.optimiser
    if isinstance(chosen, Sgd):
        return torch.optim.SGD(weights, chosen.rate, chosen.momentum, 0, chosen.decay, True)
    return torch.optim.AdamW(weights, chosen.rate, weight_decay=chosen.decay)


def _moments(pairs: Pairs) -> tuple[float, float]:
    y = np.asarray(pairs.y[pairs.train], float)
    return float(y.mean()), float(y.std()) or 1.0


def guess(pairs: Pairs, metric: Metric) -> float:
    """The score of an answer that looks at nothing: the shares of the classes, or the mean."""
    y, n = np.asarray(pairs.y[pairs.train]), len(pairs.valid)
    if pairs.classes:
        counts = np.bincount(y, minlength=len(pairs.classes)) + 1.0
        told = np.tile(counts / counts.sum(), (n, 1))
    else:
        told = np.full(n, float(y.mean()))
    return score_predictions(metric, np.asarray(pairs.y[pairs.valid]), told)


def _makes(own: Any) -> bool:
    """True for a function or class that makes a network, False for a network itself."""
    return isinstance(own, type) or not hasattr(own, "state_dict")


def digest_of(module: nn.Module) -> str:
    """What a given module is: its layers as they are printed, and its weights."""
    return digest([repr(module), hashlib.sha256(packed(module)).hexdigest()])
