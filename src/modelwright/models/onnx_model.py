"""A whole model as one ONNX file: raw columns in, probabilities and labels (or values) out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.version import VERSION
from modelwright.data.schema import Features, Schema
from modelwright.families.base import FloatArray
from modelwright.families.inputs import inputs_of
from modelwright.families.onnx_graph import (
    Expressible,
    Graph,
    NotExpressibleError,
    open_session,
)
from modelwright.models.calibration import Calibration
from modelwright.models.onnx_inputs import add_cells, add_inputs, blank, feed

if TYPE_CHECKING:
    from modelwright.models.decision import Decision
    from modelwright.models.model import Model

SHARE_LIMIT = 1e-4  # how far probabilities may be apart
VALUE_LIMIT = 1e-5  # how far values may be apart, as a part of their spread
_LEAST = 1e-7


@dataclass(frozen=True)
class Written:
    """What came of writing a model as ONNX, for its card.

    `data` is the file, None when there is none; `why` then is the reason in one sentence.
    `difference` is the largest between its answers and the model's over `n_rows` rows.
    """

    data: bytes | None
    why: str = ""
    difference: float | None = None
    n_rows: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data for the card."""
        if self.data is None:
            return {"written": False, "why": self.why}
        return {
            "written": True,
            "kilobytes": round(len(self.data) / 1000, 1),
            "max_difference": self.difference,
            "compared_rows": self.n_rows,
        }


def write_onnx(model: Model, features: Features, facts: Mapping[str, Any] | None = None) -> Written:
    """The model as an ONNX file, if all of it can be expressed and its answers agree.

    `features` are rows to compare answers on; `facts` are added to the file's metadata. Nothing is
    raised for a model that cannot be written: the reason is in the answer.
    """
    try:
        data = onnx_bytes(model, facts)
        difference = _difference(model, data, features)
    except NotExpressibleError as error:
        return Written(None, str(error))
    except Exception as error:  # the file is an extra: its failure must not cost the model
        told = " ".join(str(error).split())[:200]
        return Written(None, f"writing it failed with {type(error).__name__}: {told}")
    limit = SHARE_LIMIT if model.task != "regression" else VALUE_LIMIT
    if not difference <= limit:
        return Written(
            None,
            f"its ONNX form answered otherwise by up to {difference:.2g} on {len(features):,} "
            f"rows, more than the {limit:g} allowed.",
        )
    return Written(data, difference=difference, n_rows=len(features))


def onnx_bytes(model: Model, facts: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of the `.onnx` file, not compared with the model yet.

    Outputs are `label` `[n]` and `probabilities` `[n, k]`, or `value` `[n]`; a column that has such
    a name already pushes the output to another, so take them by their order. Raises
    NotExpressibleError, naming the member.
    """
    graph = Graph()
    numeric, codes = add_inputs(graph, model.schema)
    total = ""
    for number, (fitted, weight) in enumerate(model.members):
        part = _member(graph, fitted, model.families[number], numeric, codes)
        if len(model.members) > 1:
            part = graph.node("Mul", part, graph.constant(np.float64(weight)))
        total = graph.node("Add", total, part) if total else part
    if model.task == "regression":
        value = graph.node("Squeeze", total, graph.constant([1]))
        graph.output(value, "value", "double", None)
    else:
        shares = add_calibration(model.finish.calibration, graph, total)
        place = _decided(model.finish.decision, graph, shares, model.schema)
        label = graph.node("Gather", graph.constant(model.classes), place)
        whole = model.classes.dtype.kind == "i"
        graph.output(label, "label", "int64" if whole else "string", None)
        width = len(model.schema.classes)
        graph.output(shares, "probabilities", "double", width)
    return graph.model(metadata(model, facts))


def metadata(model: Model, facts: Mapping[str, Any] | None = None) -> dict[str, str]:
    """What the file says about itself: all that `predict.py` needs, as texts."""
    schema = json.dumps(model.row_schema.to_json(), ensure_ascii=False)
    about = {
        "made_by": f"modelwright {VERSION}",
        "task": model.task,
        "target": model.schema.target,
        "schema": schema,
        "schema_sha256": hashlib.sha256(schema.encode()).hexdigest(),
        "classes": json.dumps(list(model.schema.classes), ensure_ascii=False),
        "contains_training_rows": "yes" if model.contains_rows else "no",
    }
    return about | {str(k): str(v) for k, v in (facts or {}).items()}


def add_calibration(calibration: Calibration, graph: Graph, shares: str) -> str:
    """Calibrated shares `[n, k]`, as `Calibration.apply` gives them."""
    if calibration.kind == "none":
        return shares
    if calibration.kind == "temperature":
        logs = graph.node("Log", graph.clip(shares, _LEAST, 1.0))
        cold = graph.node("Div", logs, graph.constant(np.float64(calibration.numbers[0])))
        return graph.node("Softmax", cold, axis=1)
    positive = graph.columns(shares, [1])
    if calibration.kind == "platt":
        slope, shift = calibration.numbers
        p = graph.clip(positive, _LEAST, 1 - _LEAST)
        rest = graph.node("Sub", graph.constant(np.float64(1)), p)
        odds = graph.node("Sub", graph.node("Log", p), graph.node("Log", rest))
        odds = graph.node("Mul", odds, graph.constant(np.float64(slope)))
        odds = graph.node("Add", odds, graph.constant(np.float64(shift)))
        return graph.both_classes(graph.node("Sigmoid", odds))
    half = len(calibration.numbers) // 2
    at, height = np.array(calibration.numbers[:half]), np.array(calibration.numbers[half:])
    return graph.both_classes(_pieces(graph, positive, at, height))


def _pieces(graph: Graph, x: str, at: FloatArray, height: FloatArray) -> str:
    """Straight pieces between rising places `[m]`: how far x is on each, times its rise."""
    width, rise = np.diff(at), np.diff(height)
    slope = np.where(width > 0, 1 / np.where(width > 0, width, 1), 0.0)
    over = graph.node("Sub", x, graph.constant(at[:-1][None]))
    way = graph.clip(graph.node("Mul", over, graph.constant(slope[None])), 0.0, 1.0)
    if (width <= 0).any():
        reached = graph.node("GreaterOrEqual", over, graph.constant(np.float64(0)))
        jump = graph.constant((width <= 0)[None])
        way = graph.where(jump, graph.cast(reached, "double"), way)
    risen = graph.summed(graph.node("Mul", way, graph.constant(rise[None])), keep=True)
    return graph.node("Add", risen, graph.constant(np.float64(height[0])))


def _decided(decision: Decision, graph: Graph, shares: str, schema: Schema) -> str:
    """The class number of each row, as `Decision.labels` gives it."""
    n_classes = len(schema.classes)
    if n_classes == 2 and decision.threshold is not None:
        if decision.groups is None:
            least = graph.constant(np.float64(decision.threshold))
        else:
            cells = add_cells(graph, decision.groups.protected, schema)
            own = graph.constant(np.array(decision.groups.thresholds, np.float64))
            least = graph.node("Unsqueeze", graph.node("Gather", own, cells), graph.constant([1]))
        second = graph.node("GreaterOrEqual", graph.columns(shares, [1]), least)
        return graph.node("Squeeze", graph.cast(second, "int64"), graph.constant([1]))
    if decision.costs:
        costs = graph.weighted(shares, np.array(decision.costs), np.zeros(n_classes))
        return graph.node("ArgMin", costs, axis=1, keepdims=0)
    return graph.node("ArgMax", shares, axis=1, keepdims=0)


def _member(graph: Graph, fitted: Any, family: str, numeric: str, codes: str) -> str:
    if not isinstance(fitted, Expressible):
        raise NotExpressibleError(f"member {family} has no form in ONNX.")
    try:
        return fitted.add_to(graph, numeric, codes)
    except NotExpressibleError as error:
        raise NotExpressibleError(f"member {family} cannot be written: {error}") from None


def _difference(model: Model, data: bytes, features: Features) -> float:
    """The largest difference of answers; that of values as a part of their spread."""
    more = model.row_schema.columns[len(model.schema.columns) :]
    fed = {**feed(model.schema, features), **blank(more, len(features))}
    found = np.asarray(open_session(data).run(None, fed)[-1], float)
    expected = model.combined(inputs_of(features, model.schema))
    if not len(expected):
        return 0.0
    apart = np.abs(found - expected)
    if model.task == "regression":
        apart = apart / max(float(np.std(expected)), 1e-6 * float(np.abs(expected).max()), 1e-300)
    return float(apart.max()) if np.isfinite(apart).all() else float("inf")
