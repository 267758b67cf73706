"""A network's ONNX file with whole numbers of 8 bits, kept where that is measured to pay."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.stats import paired_interval

NAME = "model-int8.onnx"
CALIBRATED = 128  # training examples by which ranges are found
ROUNDS, CALLS = 12, 6  # of timing, the two files in turn
LEAST_SECONDS, LEAST_EXAMPLES = 1.0, 200  # to try it, and to compare answers by
FASTER, LOST = 1.05, 0.005  # at least, and at most: 95 % bounds of both
QUANTISED = ("Conv", "Gemm", "MatMul", "Add", "MaxPool", "GlobalAveragePool")
Shares = npt.NDArray[np.floating[Any]]


def int8_beside(
    folder: Path,
    examples: npt.NDArray[Any],
    inputs: npt.NDArray[Any],
    y: npt.NDArray[Any],
    seconds: float = math.inf,
) -> dict[str, Any]:
    """Puts `model-int8.onnx` beside the `model.onnx` of a folder, if it is quicker and as good.

    Weights and results of convolutions and linear layers become whole numbers of 8 bits, each
    channel of weights with a scale of its own, ranges from 128 of the training `examples` (static
    quantisation by onnxruntime; Jacob et al. 2018). It is kept when the lower end of the 95 %
    interval of `faster` (how many times, one example, one thread, both files measured in turn) is
    above 1.05, and the upper end of that of `lost`, accuracy (of values R²) on the validation
    examples `inputs` and `y`, below 0.005. What comes back are these numbers, the sizes in kB, and
    `kept`. In limited `seconds` fewer examples are answered, and nothing is kept where they are too
    few to tell.
    """
    old, new = folder / "model.onnx", folder / NAME
    until = time.perf_counter() + seconds
    if seconds < LEAST_SECONDS:
        return {"kept": False, "why": "no time was left to try it"}
    try:
        _quantise(old, new, examples)
        answers = _session(old), _session(new)
    except Exception as error:  # what the quantiser refuses has many names
        new.unlink(missing_ok=True)
        return {"kept": False, "why": f"not quantised: {type(error).__name__}: {error}"[:300]}
    faster, each = _faster(answers[0], answers[1], inputs[:1])
    n = int(min(len(y), max(0.0, until - time.perf_counter()) / (3 * each)))
    if n < min(LEAST_EXAMPLES, len(y)):
        new.unlink()
        return {"kept": False, "why": "no time was left to compare its answers", "faster": faster}
    inputs, y = inputs[:: len(y) // n][:n], y[:: len(y) // n][:n]
    right = [_right(_asked(answer, inputs), y) for answer in answers]
    what = "accuracy" if y.dtype.kind in "iu" else "R²"
    lost = _lost(right[0], right[1])
    facts = {
        "faster": faster, "lost": lost, "n_examples": n,
        "size_kb": round(new.stat().st_size / 1000, 3),
        "float_size_kb": round(old.stat().st_size / 1000, 3),
    }  # fmt: skip
    if faster[1] <= FASTER:
        why = f"not measured faster: {faster[0]:.2f} times, 95 % from {faster[1]:.2f}"
    elif lost[2] >= LOST:
        why = f"too much may be lost: {lost[0]:.4f} {what}, 95 % up to {lost[2]:.4f}"
    else:
        why = f"{faster[0]:.2f} times as fast, {lost[0]:.4f} {what} lost"
        return {"kept": True, "why": why, "file": NAME, **facts}
    new.unlink()
    return {"kept": False, "why": why, **facts}


def _quantise(old: Path, new: Path, examples: npt.NDArray[Any]) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    some = examples[:: max(1, len(examples) // CALIBRATED)][:CALIBRATED]
    batches = iter([{"examples": np.ascontiguousarray(some[at : at + 32])}
                    for at in range(0, len(some), 32)])  # fmt: skip

    class Reader:
        def get_next(self) -> dict[str, Any] | None:
            return next(batches, None)

    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / NAME
        logging.disable(logging.WARNING)  # advice to optimise the file, which the runtime does
        try:
            quantize_static(
                old, made, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                op_types_to_quantize=list(QUANTISED), activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )  # fmt: skip
        finally:
            logging.disable(logging.NOTSET)
        new.write_bytes(made.read_bytes())


def _session(path: Path) -> Callable[[npt.NDArray[Any]], Shares]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def answer(inputs: npt.NDArray[Any]) -> Shares:
        found: Shares = session.run(None, {"examples": inputs})[0]
        return found

    return answer


def _asked(answer: Callable[[npt.NDArray[Any]], Shares], inputs: npt.NDArray[Any]) -> Shares:
    return np.concatenate(
        [answer(np.ascontiguousarray(inputs[at : at + 256])) for at in range(0, len(inputs), 256)]
    )


def _right(answers: Shares, y: npt.NDArray[Any]) -> Shares:
    """Whether the likeliest class is right; of values what is explained. Means are what counts."""
    if answers.ndim == 2:
        return np.asarray(answers.argmax(axis=1) == y, float)
    return np.asarray(1 - (answers - y) ** 2 / max(float(np.var(y)), 1e-12))


def _lost(old: Shares, new: Shares) -> list[float]:
    """Accuracy (or R²) lost, with a 95 % interval over the examples."""
    found = paired_interval(old.tolist(), new.tolist(), overlap=0.0)
    return [round(x, 6) for x in (found.estimate, found.low, found.high)]


def _faster(old: Any, new: Any, inputs: npt.NDArray[Any]) -> tuple[list[float], float]:
    """How many times as fast the second is, with a 95 % interval; seconds of both for one example.

    Each round measures both.
    """
    one, logs = np.ascontiguousarray(inputs), []
    for number in range(ROUNDS + 1):
        took = [_median_seconds(answer, one) for answer in (old, new)]
        if number:  # the first warms up
            logs.append([float(np.log(seconds)) for seconds in took])
    found = paired_interval([a for a, _ in logs], [b for _, b in logs], overlap=0.0)
    each = float(np.exp(np.median(logs, axis=0)).sum())
    return [round(float(np.exp(x)), 4) for x in (found.estimate, found.low, found.high)], each


def _median_seconds(answer: Any, one: npt.NDArray[Any]) -> float:
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter()
        answer(one)
        taken.append(time.perf_counter() - began)
    return max(float(np.median(taken)), 1e-9)
