"""What is measured of a trained network: its scores, and what it would be as a shipped file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.trial import Evidence, Trial
from modelwright.data.array_part import ArrayPart
from modelwright.evaluators.latency import measure
from modelwright.families.net_onnx_ops import onnx_of
from modelwright.families.net_ops import Ops
from modelwright.models.metrics import Metric, find_metric, score_predictions

PARTS = 10  # of the validation examples, for paired comparison
CHECKED = 32  # examples whose answers by PyTorch and by ONNX are compared
Floats = npt.NDArray[np.floating[Any]]


def scored(
    metric: Metric, y: npt.NDArray[np.int64], shares: Floats
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """The metric, accuracy and log loss; and each by tenths of the examples, classes alike.

    A metric that a tenth does not have (it lacks a class) has no parts.
    """
    tenth = np.empty(len(y), np.int64)
    tenth[np.argsort(y, kind="stable")] = np.arange(len(y)) % PARTS
    task = metric.tasks[-1] if shares.shape[1] > 2 else "binary"
    always = (find_metric("accuracy", task), find_metric("log_loss", task))
    wanted = {m.name: m for m in (metric, *always)}
    scores, folds = {}, {}
    for name, one in wanted.items():
        scores[name] = score_predictions(one, y, shares)
        some = [tenth == i for i in range(min(PARTS, len(y)))]
        parts = [_finite(one, y[rows], shares[rows]) for rows in some]
        if all(part is not None for part in parts):
            folds[name] = tuple(part for part in parts if part is not None)
    return scores, folds


def _finite(metric: Metric, y: npt.NDArray[np.int64], shares: Floats) -> float | None:
    try:
        found = score_predictions(metric, y, shares)
    except ValueError:
        return None
    return found if np.isfinite(found) else None


def as_shipped(
    ops: Ops, state: Mapping[str, Any], part: ArrayPart, shares: Floats
) -> tuple[dict[str, float], float, float]:
    """Scores `latency_ms`, `size_kb`, `params`, `macs` of the network's ONNX file; the noise of the
    latency; and the largest difference of its answers to `shares` on some validation examples.

    Latency is the median for one example with one thread (docs/limits.md).
    """
    import onnxruntime

    packed = onnx_of(ops, state, part.shift.tolist(), part.scale.tolist())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(packed, options, providers=["CPUExecutionProvider"])
    some = np.ascontiguousarray(part.inputs[part.valid[:CHECKED]])
    (found,) = session.run(None, {"examples": some})
    apart = float(np.abs(found - shares[:CHECKED]).max())
    one = some[:1]
    latency, noise = measure(lambda: session.run(None, {"examples": one}))
    about = {
        "latency_ms": latency, "size_kb": len(packed) / 1000, "params": float(ops.weights),
        "macs": float(ops.macs),
    }  # fmt: skip
    return about, noise, apart


def majority(part: ArrayPart, metric: Metric, trial: Trial) -> Evidence:
    """The evidence of the model that looks at nothing: the shares of the classes."""
    counts = np.bincount(part.y[part.train], minlength=len(part.classes)) + 1.0
    shares = np.tile(counts / counts.sum(), (len(part.valid), 1))
    scores, folds = scored(metric, np.asarray(part.y[part.valid]), shares)
    zero = {"params": float(len(part.classes)), "macs": 0.0, "fit_seconds": 0.0}
    facts = {"family": "Majority", "overlap": 0.0, "range": metric.range}
    return Evidence(trial.number, {**scores, **zero}, folds, facts=facts)


def drawing(ops: Ops) -> list[list[Any]]:
    """The operations as plain data, for readers: kind, name, inputs, shape, weights, macs."""
    return [
        [op.kind, op.name, list(op.inputs), list(op.shape), op.weights, op.macs, dict(op.about)]
        for op in ops.steps
    ]
