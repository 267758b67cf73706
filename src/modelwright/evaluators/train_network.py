"""Trains a network on images and scores it: what `modelwright build photos/` evaluates.

The documents it knows: a design of the space, and `{"type": "Majority"}`, the trivial baseline.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.keys import Key
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.data.image_part import ImagePart, load_image_part
from modelwright.evaluators.keep import keep_array
from modelwright.evaluators.latency import measure
from modelwright.families.image_design import ImageDesign
from modelwright.families.net_ops import Ops
from modelwright.spaces import Space

CODE = 1  # raise it when scores of equal designs change
SEGMENTS = 8  # of a training, after each of which the validation examples are looked at
LOOK = 1000  # of them, between segments
PARTS = 10  # of the validation examples, for paired comparison


def load(bounds: Mapping[str, float] | None = None) -> TrainNetwork:
    """The evaluator from plain data: a worker's entry point.

    `bounds` are limits on `params`, `macs`.
    """
    return TrainNetwork(dict(bounds or {}))


@dataclass(frozen=True)
class TrainNetwork:
    """An evaluator over the images in `tools.data`.

    A trial's fidelity is a number of epochs. Evidence has `accuracy` and `log_loss` on the
    validation examples (and by tenths of them, in `folds`), `params`, `macs` (of one image),
    `fit_seconds`, `latency_ms` and `size_kb`; the curve is the accuracy on up to 1,000 of them by
    epochs; artefacts `shares` (float32 `[n_valid, k]`) and `weights` (safetensors). A design beyond
    `bounds` fails at once, with what it has and what it may have.
    """

    bounds: Mapping[str, float]

    def protocol(self) -> Mapping[str, Any]:
        """Version of this code; the data is named by who prepared it."""
        return {"kind": "train_network", "code": CODE}

    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Progress | Evidence]:
        """Progress after each segment, then the evidence."""
        part = load_image_part(Path(tools.data))
        if json.loads(trial.candidate.document).get("type") == "Majority":
            yield majority(part, trial)
            return
        design: ImageDesign = Space(ImageDesign).load(trial.candidate.document)
        ops = design.network.ops(part.shape, len(part.classes))
        for name, most in self.bounds.items():
            has = {"params": ops.weights, "macs": ops.macs}[name]
            if has > most:
                message = f"it has {has} {name}, {most:g} are allowed"
                yield Evidence(trial.number).failed("limit", message)
                return
        yield from self._train(design, ops, part, trial, tools)

    def _train(
        self, design: ImageDesign, ops: Ops, part: ImagePart, trial: Trial, tools: Tools
    ) -> Iterator[Progress | Evidence]:
        import torch

        from modelwright.training.speed import narrow_pays
        from modelwright.training.torch_net import TorchNet
        from modelwright.training.trainer import Lessons, Trainer, steps_for

        torch.set_num_threads(tools.threads)
        torch.manual_seed(Key.of(trial.seed).child("weights").seed(63))
        lessons = Lessons(
            part.pixels[part.train], part.y[part.train], len(part.classes), part.shift, part.scale
        )
        total = steps_for(len(lessons.y), design.recipe.batch, trial.fidelity)
        trainer = Trainer(TorchNet(ops), [design.recipe], lessons, total, trial.seed,
                          narrow=narrow_pays())  # fmt: skip
        look = part.valid[:LOOK]
        curve, began = [], time.perf_counter()
        segments = []
        while trainer.step < total:
            segments.append(trainer.run(-(-total // SEGMENTS)))
            right = np.mean(trainer.answers(part.pixels[look])[0].argmax(axis=1) == part.y[look])
            epochs = trainer.step / trainer.per_epoch
            curve.append((epochs, float(right)))
            done = trainer.step / total
            yield Progress(trial.number, epochs, {"accuracy": float(right)}, done=done * 0.98)
        seconds = time.perf_counter() - began
        shares = trainer.answers(part.pixels[part.valid])[0]
        scores, folds = scored(part.y[part.valid], shares)
        one = np.ascontiguousarray(part.pixels[part.valid[:1]])
        latency, noise = measure(lambda: trainer.answers(one))
        packed = weights_bytes(trainer)
        scores |= {
            "params": float(ops.weights), "macs": float(ops.macs), "fit_seconds": seconds,
            "latency_ms": latency, "size_kb": len(packed) / 1000,
        }  # fmt: skip
        facts = {
            "family": type(design.network).__name__,
            "steps": total,
            "losses": [round(float(s.loss[0]), 5) for s in segments],
            "bad_batches": int(sum(int(s.bad[0]) for s in segments)),
            "overlap": 0.0,
            "n_train": len(lessons.y),
        }
        artefacts = {"shares": keep_array(shares.astype(np.float32), tools.store)}
        if trial.cost >= 1:
            artefacts["weights"] = tools.store.put(packed, ".safetensors")
        yield Evidence(trial.number, scores, folds, {"latency_ms": noise}, tuple(curve),
                       artefacts, facts)  # fmt: skip


def scored(
    y: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """Accuracy and log loss, and both by tenths of the examples."""
    right = (shares.argmax(axis=1) == y).astype(float)
    loss = -np.log(np.clip(shares[np.arange(len(y)), y], 1e-15, 1))
    tenth = np.arange(len(y)) % PARTS
    scores, folds = {}, {}
    for name, values in (("accuracy", right), ("log_loss", loss)):
        scores[name] = float(values.mean())
        folds[name] = tuple(float(values[tenth == i].mean()) for i in range(min(PARTS, len(y))))
    return scores, folds


def majority(part: ImagePart, trial: Trial) -> Evidence:
    """The evidence of the model that looks at nothing: the shares of the classes."""
    counts = np.bincount(part.y[part.train], minlength=len(part.classes)) + 1.0
    shares = np.tile(counts / counts.sum(), (len(part.valid), 1))
    scores, folds = scored(np.asarray(part.y[part.valid]), shares)
    zero = {"params": float(len(part.classes)), "macs": 0.0, "fit_seconds": 0.0}
    facts = {"family": "Majority", "overlap": 0.0}
    return Evidence(trial.number, {**scores, **zero}, folds, facts=facts)


def weights_bytes(trainer: Any) -> bytes:
    """The trained weights (the running mean, where there is one) as safetensors."""
    from safetensors.torch import save

    state = trainer.mean or trainer.net.state_dict()
    return bytes(save({name: value.detach().contiguous().cpu() for name, value in state.items()}))
