"""What is measured of a trained network: its scores, and what it would be as a shipped file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.trial import WATTS_PER_CORE, Evidence, Trial
from modelwright.data.array_part import ArrayPart
from modelwright.evaluators.energy import energy_joules
from modelwright.evaluators.latency import measure
from modelwright.executors import cpu_slots
from modelwright.families.device import Device, known_costs
from modelwright.families.net_onnx_ops import onnx_of
from modelwright.families.net_ops import Ops
from modelwright.models.metrics import Metric, find_metric, score_predictions

PARTS = 10  # of the validation examples, for paired comparison
MEANS = ("accuracy", "log_loss", "brier", "costs")  # over examples, whatever their classes
DEFAULT = "accuracy"  # the metric where none is named; of values it is RMSE
CHECKED = 32  # examples whose answers by PyTorch and by ONNX are compared
Floats = npt.NDArray[np.floating[Any]]


def metric_of(asked: Any, part: ArrayPart) -> Metric:
    """The metric that was asked for, or the default for what the examples ask for."""
    return find_metric(asked or (DEFAULT if part.classes else None), part.task)


def scored(
    metric: Metric, y: npt.NDArray[Any], shares: Floats
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """The metric, accuracy and log loss; and each by tenths of the examples, classes alike.

    Of values `[n]` it is RMSE and R² beside the metric. Where a tenth has examples of one class
    alone, only means over examples have parts: of the rest it knows nothing.
    """
    tenth = np.empty(len(y), np.int64)
    tenth[np.argsort(y, kind="stable")] = np.arange(len(y)) % PARTS
    task = metric.tasks[-1] if shares.ndim == 1 or shares.shape[1] > 2 else "binary"
    names = ("rmse", "r2") if shares.ndim == 1 else ("accuracy", "log_loss")
    always = [find_metric(name, task) for name in names]
    wanted = {m.name: m for m in (metric, *always)}
    scores, folds = {}, {}
    for name, one in wanted.items():
        scores[name] = score_predictions(one, y, shares)
        some = [tenth == i for i in range(min(PARTS, len(y)))]
        if shares.ndim == 2 and name not in MEANS and any(np.ptp(y[rows]) == 0 for rows in some):
            continue
        parts = [_finite(one, y[rows], shares[rows]) for rows in some]
        if all(part is not None for part in parts):
            folds[name] = tuple(part for part in parts if part is not None)
    return scores, folds


def _finite(metric: Metric, y: npt.NDArray[Any], shares: Floats) -> float | None:
    try:
        found = score_predictions(metric, y, shares)
    except ValueError:
        return None
    return found if np.isfinite(found) else None


def as_shipped(
    ops: Ops,
    state: Mapping[str, Any],
    part: ArrayPart,
    shares: Floats,
    device: Device | None = None,
    watts: float = WATTS_PER_CORE,
) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    """Scores of the network's ONNX file, the noise of some of them, and facts (docs/limits.md).

    Scores are `latency_ms` (the median for one example), `energy_joules` (of 1,000), `size_kb`,
    `params`, `macs`, `peak_memory_kb`, and what a `device` adds; measured on this machine with the
    device's threads, one without a device, or estimated where the device's speed or power is known:
    then `latency_here_ms` is what was measured. Facts are `parity`, the largest difference of its
    answers to `shares` on some validation examples, and `how` latency and energy are known.
    """
    packed, session, threads = opened(ops, state, part, device)
    some = np.ascontiguousarray(part.inputs[part.valid[:CHECKED]])
    (found,) = session.run(None, {"examples": some})
    apart = float(np.abs(found - shares[:CHECKED]).max())
    one = some[:1]
    latency, noise = measure(lambda: session.run(None, {"examples": one}))
    known = known_costs(ops, device)
    scores = {"latency_ms": latency, "size_kb": len(packed) / 1000, **known}
    noises = {"latency_ms": noise}
    many = "1 thread" if threads == 1 else f"{threads} threads"
    how = {"latency_ms": f"measured on this machine with {many}"}
    if "latency_ms" in known and device is not None:
        scores["latency_here_ms"], noises = latency, {"latency_here_ms": noise}
        how["latency_ms"] = (
            f"estimated for {device.name}: multiplications at {device.macs_per_second:.3g} a second"
        )
    if device is not None and device.watts is not None:
        scores["energy_joules"] = scores["latency_ms"] * device.watts
        noises["energy_joules"] = noises.get("latency_ms", 0.0) * device.watts
        how["energy_joules"] = f"estimated for {device.name}: latency times {device.watts:g} W"
    else:
        scores["energy_joules"], noises["energy_joules"], how["energy_joules"] = energy_joules(
            lambda: session.run(None, {"examples": one}), watts
        )
    return scores, noises, {"parity": apart, "how": how}


def opened(
    ops: Ops, state: Mapping[str, Any], part: ArrayPart, device: Device | None
) -> tuple[bytes, Any, int]:
    """The network's ONNX file, a session of onnxruntime with it, and the threads of that."""
    import onnxruntime

    packed = onnx_of(ops, state, part.shift.tolist(), part.scale.tolist())
    options = onnxruntime.SessionOptions()
    threads = min(1 if device is None else device.threads, cpu_slots())
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(packed, options, providers=["CPUExecutionProvider"])
    return packed, session, threads


def majority(part: ArrayPart, metric: Metric, trial: Trial) -> Evidence:
    """The evidence of the model that looks at nothing: the shares of the classes.

    Of values it is the mean; the median, or a quantile, where the metric asks for that.
    """
    y, n = part.y[part.train], len(part.valid)
    if part.classes:
        counts = np.bincount(y, minlength=len(part.classes)) + 1.0
        shares = np.tile(counts / counts.sum(), (n, 1))
    else:
        middle = y.mean() if metric.learnt is None else np.quantile(y, metric.learnt)
        shares = np.full(n, float(middle))
    scores, folds = scored(metric, np.asarray(part.y[part.valid]), shares)
    zero = {"params": float(len(part.classes) or 1), "macs": 0.0, "fit_seconds": 0.0}
    name = "Majority" if part.classes else "Mean" if metric.learnt is None else "Quantile"
    facts = {"family": name, "overlap": 0.0, "range": metric.range}
    return Evidence(trial.number, {**scores, **zero}, folds, facts=facts)


def drawing(ops: Ops) -> list[list[Any]]:
    """The operations as plain data, for readers: kind, name, inputs, shape, weights, macs."""
    places = ("folder", "onnx")  # of a backbone's files on this machine
    return [
        [op.kind, op.name, list(op.inputs), list(op.shape), op.weights, op.macs,
         {k: v for k, v in op.about.items() if k not in places}]
        for op in ops.steps
    ]  # fmt: skip
