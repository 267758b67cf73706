"""A small network that learns from a better one, and its control that does not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.roles import Tools
from modelwright.data.array_part import ArrayPart
from modelwright.evaluators.keep import read_array
from modelwright.families.net_onnx_ops import onnx_of
from modelwright.models.metrics import Metric
from modelwright.stats import paired_interval

if TYPE_CHECKING:
    from modelwright.families.net_ops import Ops

TEMPERATURE = 2.0  # at which shares are compared (Hinton et al. 2015)
TRUST = 0.7  # of the loss; the true labels have the rest
ASKED = 256  # examples that the teacher answers at a time
SHARE = 0.25  # of the length of the lesson, at most, for the teacher's answers
Shares = npt.NDArray[np.floating[Any]]


def taught_shares(
    ops: Ops, state: Mapping[str, Any], part: ArrayPart, seconds: float | None
) -> npt.NDArray[np.float32]:
    """The teacher's shares of the training examples, `[n_train, k]`, as far as `seconds` go.

    What it was not asked about is NaN; all are asked about without `seconds`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    packed = onnx_of(ops, state, part.shift.tolist(), part.scale.tolist())
    session = onnxruntime.InferenceSession(packed, options, providers=["CPUExecutionProvider"])
    out = np.full((len(part.train), len(part.classes)), np.nan, np.float32)
    began = time.perf_counter()
    for at in range(0, len(out), ASKED):
        if seconds is not None and time.perf_counter() - began > seconds:
            break
        some = np.ascontiguousarray(part.inputs[part.train[at : at + ASKED]])
        (out[at : at + ASKED],) = session.run(None, {"examples": some})
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
    same = shares.argmax(axis=1) == theirs.argmax(axis=1)
    y = np.asarray(part.y[part.valid])
    return {
        "teach": bool(document["teach"]),
        "n_made": 0,
        "fidelity": {
            "equal answers": round(float(same.mean()), 5),
            "distance": round(float(np.abs(shares - theirs).sum(axis=1).mean() / 2), 5),
        },
        "lost": _difference(metric, folds, tuple(teacher["folds"])),
        "ece": _calibration_error(shares, y),
        "teacher_ece": _calibration_error(theirs, y),
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
