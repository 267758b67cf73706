"""A small network that learns from a better one, and its control that does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.roles import Tools
from modelwright.data.array_part import ArrayPart
from modelwright.evaluators.keep import read_array
from modelwright.evaluators.student_facts import fidelity
from modelwright.families.net_onnx_ops import onnx_of
from modelwright.families.net_thin import thinned_weights
from modelwright.models.metrics import Metric
from modelwright.stats import paired_interval

if TYPE_CHECKING:
    from modelwright.families.net_ops import Ops
    from modelwright.training.trainer import Trainer

TEMPERATURE = 2.0  # at which shares are compared (Hinton et al. 2015)
TRUST = 0.7  # of the loss; the true labels have the rest
ASKED = 256  # examples that the teacher answers at a time
SHARE = 0.25  # of the length of the lesson, at most, for the teacher's answers
Shares = npt.NDArray[np.floating[Any]]
Opened = Callable[[Mapping[str, Any]], "tuple[Ops, Mapping[str, Any]]"]

# How a student is taught: by what a teacher says of the examples as they are; by what it says of
# copies of them, changed once as the student's recipe changes pictures; or by a network of this run
# that looks at the very pictures that the student sees, without or with its maps.
WAYS = ("answers", "copies", "same pictures", "attention", "hints")
COPIES, MOST_COPIED = 8, 60_000  # of each example; examples in all


def teach(
    trainer: Trainer, ordered: Mapping[str, Any], opened: Opened, part: ArrayPart,
    seconds: float | None, tools: Tools, taught: npt.NDArray[np.float32] | None = None,
) -> None:  # fmt: skip
    """Gives the training of a `Student` its first weights and its teacher, where it has them.

    `opened` are operations and weights of a trained network by its `document` and `model`. Up to a
    quarter of the `seconds` are for a teacher that answers beforehand; one that had answered when
    the training was interrupted is not asked again: these are `taught`.
    """
    if "thin" in ordered:
        ops, state = opened(ordered["thin"])
        _load(trainer.net, thinned_weights(ops, state, ordered["thin"]["keep"]))
    if not ordered["teach"]:
        return
    teacher, way, told = ordered["teacher"], ordered.get("way", WAYS[0]), None
    if "told" in teacher:
        told = np.array(read_array(teacher["told"], tools.store), np.float32)
    elif way in ("answers", "copies"):
        most = None if seconds is None else SHARE * seconds
        if way == "copies":
            _copy(trainer)
        told = taught
        if told is None:
            told = taught_shares(*opened(teacher), part, trainer.lessons.x, most)
    else:
        _guide(trainer, way, *opened(teacher))
    trainer.lessons = replace(trainer.lessons, taught=told, trust=TRUST, temperature=TEMPERATURE)


def _copy(trainer: Trainer) -> None:
    """Takes changed copies into the lessons, and what they bring out of the recipe."""
    from modelwright.training.guide import with_copies

    (recipe,), n = trainer.recipes, len(trainer.lessons.y)
    how = recipe.augment
    copies = min(COPIES, MOST_COPIED // n) if how.flip or how.shift else 1
    if copies > 1 and trainer.lessons.x.ndim == 4:
        trainer.learn(with_copies(trainer.lessons, how, copies, trainer.seed))
        trainer.change([replace(recipe, augment=replace(how, flip=False, shift=0.0))])


def _guide(trainer: Trainer, way: str, ops: Ops, state: Mapping[str, Any]) -> None:
    from modelwright.training.guide import Guide
    from modelwright.training.torch_net import TorchNet

    assert isinstance(trainer.net, TorchNet), "students are designs of the space"
    net = TorchNet(ops).to(trainer.device)
    _load(net, state)
    signals: Any = () if way == "same pictures" else (way,)
    trainer.guide = Guide(net, trainer.net.ops, signals)


def _load(net: Any, state: Mapping[str, Any]) -> None:
    import torch

    net.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in state.items()})


def taught_shares(
    ops: Ops,
    state: Mapping[str, Any],
    part: ArrayPart,
    examples: npt.NDArray[Any],
    seconds: float | None,
) -> npt.NDArray[np.float32]:
    """The teacher's shares (or values, k = 1) of raw examples `[n, *shape]`, `[n, k]`.

    As far as `seconds` go:

    What it was not asked about is NaN; all are asked about without `seconds`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    packed = onnx_of(ops, state, part.shift.tolist(), part.scale.tolist())
    session = onnxruntime.InferenceSession(packed, options, providers=["CPUExecutionProvider"])
    out = np.full((len(examples), len(part.classes) or 1), np.nan, np.float32)
    began = time.perf_counter()
    for at in range(0, len(out), ASKED):
        if seconds is not None and time.perf_counter() - began > seconds:
            break
        some = np.ascontiguousarray(examples[at : at + ASKED])
        out[at : at + ASKED] = session.run(None, {"examples": some})[0].reshape(len(some), -1)
    return out


def student_facts(
    document: Mapping[str, Any],
    shares: Shares,
    folds: tuple[float, ...],
    part: ArrayPart,
    metric: Metric,
    tools: Tools,
) -> dict[str, Any]:
    """What a student kept, lost and gained, on the validation examples; plain, for readers.

    `lost` is its loss less the teacher's, with a 95 % interval over tenths of the examples;
    `fidelity` is the share of equal answers and the mean distance of shares.
    """
    teacher = document["teacher"]
    theirs = np.asarray(read_array(teacher["shares"], tools.store), float)
    y = np.asarray(part.y[part.valid])
    return {
        "teach": bool(document["teach"]),
        "way": str(document.get("way", WAYS[0])) if document["teach"] else "",
        "n_made": 0,
        "teacher_may_have_seen_rows": "told" in teacher,  # it is a model of the person's
        "teacher_named": "told" in teacher,
        "fidelity": _fidelity(shares, theirs),
        "lost": _difference(metric, folds, tuple(teacher["folds"])),
        "ece": _calibration_error(shares, y) if part.classes else None,
        "teacher_ece": _calibration_error(theirs, y) if part.classes else None,
    }


def _fidelity(shares: Shares, theirs: Shares) -> dict[str, float]:
    """How alike a student and its teacher answer; of values as `student_facts.fidelity` has it."""
    if shares.ndim == 1:
        return fidelity(shares[:, None], theirs[:, None])
    same = shares.argmax(axis=1) == theirs.argmax(axis=1)
    return {
        "equal answers": round(float(same.mean()), 5),
        "distance": round(float(np.abs(shares - theirs).sum(axis=1).mean() / 2), 5),
    }


def _difference(
    metric: Metric, worse: tuple[float, ...], better: tuple[float, ...]
) -> dict[str, Any]:
    """How much more loss the first has, over common parts."""
    losses = [[metric.goal.loss(x) for x in parts] for parts in (worse, better)]
    if len(worse) != len(better) or len(worse) < 2:
        return {"estimate": float(np.mean(losses[0]) - np.mean(losses[1])), "folds": None,
                "rows": None}  # fmt: skip
    found = paired_interval(*losses, overlap=0.0)
    return {"estimate": found.estimate, "folds": [found.low, found.high], "rows": None}


def _calibration_error(shares: Shares, y: npt.NDArray[np.int64], bins: int = 10) -> float:
    """Expected calibration error of the likeliest class (Guo et al. 2017), equal widths."""
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == y
    place = np.minimum((sure * bins).astype(int), bins - 1)
    apart = 0.0
    for i in range(bins):
        own = place == i
        if own.any():
            apart += float(own.mean()) * abs(float(right[own].mean()) - float(sure[own].mean()))
    return round(apart, 5)
