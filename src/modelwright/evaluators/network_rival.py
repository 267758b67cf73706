"""The person's own model of images, sounds or texts: a rival, or a teacher."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.core.reference import resolve
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Trial
from modelwright.data.array_part import ArrayPart
from modelwright.evaluators.keep import keep_array
from modelwright.evaluators.latency import measure
from modelwright.evaluators.network_evidence import scored
from modelwright.evaluators.network_student import SHARE
from modelwright.evaluators.rival import CAVEAT, as_predictions, told_of
from modelwright.models.metrics import Metric

ASKED = 256  # examples answered at a time
Shares = npt.NDArray[np.float32]
Predict = Callable[[npt.NDArray[Any]], Any]


def score_network_rival(
    document: Mapping[str, Any], part: ArrayPart, metric: Metric, trial: Trial, tools: Tools
) -> Evidence:
    """Evidence of a `Rival`: `{"source": "model.onnx" | "module:function" | "answers.csv"}`.

    It is scored on the validation examples. Artefacts are `shares` of these and, of a teacher,
    `told`: what it says of the training examples, float32 `[n_train, k]`, from which students
    learn. It is asked for a quarter of the time before the deadline at most; the rest is NaN. Of
    a file, `shares` in the document are those of all examples to develop with, by `given_shares`.
    """
    teacher = trial.by == "teacher"
    source = str(document["source"])
    scores: dict[str, float] = {}
    noise: dict[str, float] = {}
    if "shares" in document:
        given = np.load(Path(tools.data) / str(document["shares"]), allow_pickle=False)
        found, told = given[part.valid], given[part.train]
    else:
        predict = predict_of(source)
        found = asked(predict, part.inputs, part.valid, part.classes)
        until = None
        if tools.deadline is not None:
            now = time.monotonic()
            until = now + SHARE * (tools.deadline - now)
        rows = part.train if teacher else part.train[:0]
        told = asked(predict, part.inputs, rows, part.classes, until)
        one = np.ascontiguousarray(part.inputs[part.valid[:1]])
        scores["latency_ms"], noise["latency_ms"] = measure(lambda: predict(one))
    if source.lower().endswith(".onnx"):
        scores["size_kb"] = Path(source).stat().st_size / 1000
    found = found if part.classes else found[:, 0]
    measured, folds = scored(metric, np.asarray(part.y[part.valid]), found)
    facts = {
        "family": trial.by or "yours", **told_of(source), "overlap": 0.0, "range": metric.range,
        "caveat": CAVEAT.replace("rows", "examples"),
        **({"tie_break": "log_loss"} if part.classes else {}),
    }  # fmt: skip
    kept = {"shares": keep_array(found, tools.store)}
    if teacher:
        kept["told"] = keep_array(told, tools.store)
    return Evidence(trial.number, {**measured, **scores}, folds, noise, artefacts=kept, facts=facts)


def predict_of(source: str) -> Predict:
    """The function, or the ONNX model of a source, of raw examples `[n, *shape]`.

    An ONNX model has one input. Where it takes bytes (or numbers of words) it gets them as they
    are; where it takes floats, bytes divided by 255. Its first output is shares, or logits.
    Raises InputError for what cannot be imported or run.
    """
    if ":" in source and not Path(source).exists():
        predict: Predict = resolve(source)
        return predict
    if not Path(source).is_file() or not source.lower().endswith(".onnx"):
        raise InputError(f"{source!r} is neither an .onnx file nor module:function.")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base but Exception
        raise InputError(f"{source!r} cannot be run as ONNX: {error}.") from None
    wanted = session.get_inputs()
    if len(wanted) != 1:
        raise InputError(f"{source!r} has {len(wanted)} inputs; a model of examples has one.")
    floats = wanted[0].type in ("tensor(float)", "tensor(double)")
    kind = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64",
            "tensor(int32)": "int32"}.get(wanted[0].type, "uint8")  # fmt: skip

    def run(examples: npt.NDArray[Any]) -> Any:
        given = examples.astype(kind) / (255 if floats and examples.dtype == np.uint8 else 1)
        return session.run(None, {wanted[0].name: given.astype(kind)})[0]

    return run


def asked(
    predict: Predict, inputs: Any, rows: Any, classes: Sequence[str], until: float | None = None
) -> Shares:
    """What a model says of the examples at `rows`, `[n, k]`; NaN after `until` (monotonic)."""
    out = np.full((len(rows), len(classes) or 1), np.nan, np.float32)
    for at in range(0, len(rows), ASKED):
        if until is not None and time.monotonic() >= until:
            break
        some = rows[at : at + ASKED]
        answers = predict(np.ascontiguousarray(inputs[some]))
        out[at : at + ASKED] = as_shares(answers, classes, len(some))
    return out


def as_shares(answers: Any, classes: Sequence[str], n: int) -> Shares:
    """Shares `[n, k]` of what a model answers: shares, logits, or labels; without classes values
    `[n, 1]`.

    One column is labels or, of two classes, shares of the second. InputError for anything else.

    >>> as_shares([[0.0, 0.0]], ("a", "b"), 1).tolist(), as_shares(["b"], ("a", "b"), 1).tolist()
    ([[0.5, 0.5]], [[0.0, 1.0]])
    """
    from modelwright.data.schema import Schema, Task

    array = np.asarray(answers) if not hasattr(answers, "columns") else answers
    several = isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] > 1
    if several and classes and array.dtype.kind == "f":
        sums = array.sum(axis=1)
        if (array < 0).any() or not np.allclose(sums, 1, atol=0.02):  # logits
            rising = np.exp(array - array.max(axis=1, keepdims=True))
            array = rising / rising.sum(axis=1, keepdims=True)
    task: Task = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
    schema = Schema((), "the class", task, tuple(classes))
    return as_predictions(array, schema, n).astype(np.float32)


def given_shares(path: Path, classes: Sequence[str], names: Sequence[str], n: int) -> Shares:
    """A CSV of predictions for all examples, as `as_shares`: in order, or by a column of names.

    Its columns are the classes with their shares, or one of labels. Raises InputError for another
    number of rows, and for a name that lacks.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(f"the predictions {str(path)!r} cannot be read as CSV: {error}.") from None
    for column in frame.columns:
        told = frame[column].astype(str)
        if names and told.is_unique and set(names) <= set(told):
            frame = frame.set_index(told).loc[list(names)].drop(columns=[column])
            return as_shares(frame.reset_index(drop=True), classes, n)
    if len(frame) != n:
        raise InputError(
            f"the predictions {str(path)!r} have {len(frame)} rows and there are {n} examples; "
            "give one row for each in their order, or a column with the names of their files."
        )
    return as_shares(frame, classes, n)
