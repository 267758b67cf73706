"""Why this answer: what each column of a row adds to the model's answer for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.data.one_column import feature_columns
from modelwright.data.schema import Features
from modelwright.families.base import FloatArray
from modelwright.families.contributions import contributions
from modelwright.families.inputs import inputs_of, places_of
from modelwright.models.background import background_rows

if TYPE_CHECKING:
    import pandas as pd

    from modelwright.models.model import Model

Scale = Literal["value", "share", "log-odds"]
MAX_MADE = 40_000  # rows that are asked of the model for one explanation


@dataclass(frozen=True)
class Attribution:
    """`base` plus the `parts` (column, contribution; largest first) is `answer`, on `scale`.

    `label` is the class whose share or log-odds it is, empty for numbers. `errors` has the standard
    error of each part by column (0 where exact). `gap` is what the sum misses: the check.
    """

    label: str
    scale: Scale
    base: float
    answer: float
    parts: tuple[tuple[str, float], ...]
    errors: Mapping[str, float]
    gap: float
    method: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "label": self.label, "scale": self.scale, "base": self.base, "answer": self.answer,
            "parts": [{"column": c, "adds": v, "error": self.errors.get(c, 0.0)}
                      for c, v in self.parts],
            "gap": self.gap, "method": self.method,
        }  # fmt: skip


def explain_rows(
    model: Model,
    rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    method: Literal["auto", "sampled"] = "auto",
    samples: int = 64,
    seed: int = 0,
    comma: bool | None = None,
) -> list[Attribution]:
    """An attribution per row, by raw columns.

    `auto` is exact where it can be: for a single member (for numbers: all) that is linear, a glass
    box, LightGBM or CatBoost, with two classes or a number, on the scale of log-odds or values.
    Else, and with `sampled`, Shapley values are estimated from `samples` orders of the columns,
    each run forwards and backwards, on the scale of shares or values (Štrumbelj and Kononenko
    2014; columns are unknown as in `models.background`, one by one, which asks the model about
    rows that may not exist). Their sum is exact, the parts are not: see `errors`. With more than
    two classes the answer is the share of the likeliest one. Random in `seed`.

    Raises InputError as `data.encode_rows` does, and for fewer than two samples.
    """
    if samples < 2:
        raise InputError(f"an explanation needs at least 2 samples; got {samples}.")
    features = model.encoded(rows, comma).features
    background = background_rows(model.schema, model.card.get("background", {}))
    if not len(features):
        return []
    exact = _exact(model, features, background) if method == "auto" else None
    if exact is not None:
        return exact
    return [
        _sampled(model, features.take(slice(i, i + 1)), background, samples, Key.of(seed).child(i))
        for i in range(len(features))
    ]


def _exact(model: Model, features: Features, background: Features) -> list[Attribution] | None:
    classes = model.schema.task != "regression"
    calibration = model.finish.calibration
    if classes and (len(model.schema.classes) != 2 or len(model.members) != 1):
        return None
    if classes and calibration.kind not in ("none", "platt", "temperature"):
        return None
    X, other = inputs_of(features, model.schema), inputs_of(background, model.schema)
    total: FloatArray | None = None
    base, names = 0.0, []
    for fitted, weight in model.members:
        made = contributions(fitted, X, other)
        if made is None:
            return None
        parts, start, name = made
        total = weight * parts if total is None else total + weight * parts
        base += weight * start
        names.append(name)
    assert total is not None, "a model has members"
    out = model.combined(X)
    if classes:
        slope, shift = _line(calibration.kind, calibration.numbers)
        total, base = slope * total, slope * base + shift
        share = np.clip(out[:, 1], 1e-12, 1 - 1e-12)
        out = np.log(share / (1 - share))
    p = X.numeric.shape[1]
    before = {"numeric": 0, "codes": p, "texts": p + len(X.levels)}
    owners = {
        name: [j + before[block] for j in places]
        for name, (block, places) in places_of(model.schema).items()
    }
    label = model.schema.classes[1] if classes else ""
    scale: Scale = "log-odds" if classes else "value"
    how = ", ".join(sorted(set(names)))
    return [
        _made(
            label, scale, base, float(out[i]),
            {name: float(total[i, places].sum()) for name, places in owners.items()}, {}, how,
        )
        for i in range(len(features))
    ]  # fmt: skip


def _line(kind: str, numbers: Sequence[float]) -> tuple[float, float]:
    """The calibration as a line over log-odds."""
    if kind == "platt":
        return float(numbers[0]), float(numbers[1])
    return (1 / float(numbers[0]), 0.0) if kind == "temperature" else (1.0, 0.0)


def _sampled(
    model: Model, row: Features, background: Features, samples: int, key: Key
) -> Attribution:
    schema = model.schema
    names = [info.name for info, _, _ in feature_columns(schema)]
    d, n_background = len(names), len(background)
    pairs = max(1, min(samples // 2, MAX_MADE // (2 * (d + 1))))
    rng = np.random.default_rng(key.seed(128))
    column, label = 0, ""
    scale: Scale = "value"
    out = np.asarray(model.predict_features(row))
    if schema.task != "regression":
        column = 1 if len(schema.classes) == 2 else int(out[0].argmax())
        scale, label = "share", schema.classes[column]
    orders, starts = [], []
    for i in range(pairs):
        chosen = i % n_background
        order = rng.permutation(d)
        orders += [order, order[::-1]]
        starts += [chosen, chosen]
    masks = np.zeros((len(orders), d + 1, d), bool)
    for m, order in enumerate(orders):
        for step, j in enumerate(order):
            masks[m, step + 1 :, j] = True
    made = _mixed(row, background.take(np.repeat(starts, d + 1)), masks.reshape(-1, d), model)
    values = np.asarray(model.predict_features(made))
    values = (values[:, column] if values.ndim == 2 else values).reshape(len(orders), d + 1)
    steps = np.empty((len(orders), d))
    for m, order in enumerate(orders):
        steps[m, order] = np.diff(values[m])
    each = steps.reshape(pairs, 2, d).mean(axis=1)
    errors = each.std(axis=0, ddof=1) / math.sqrt(pairs) if pairs > 1 else np.full(d, np.nan)
    answer = float(out[0, column] if out.ndim == 2 else out[0])
    return _made(
        label, scale, float(values[:, 0].mean()), answer,
        dict(zip(names, map(float, each.mean(axis=0)), strict=True)),
        dict(zip(names, map(float, errors), strict=True)), f"Shapley values, {2 * pairs} orders",
    )  # fmt: skip


def _mixed(row: Features, unknown: Features, known: Any, model: Model) -> Features:
    """Rows with the known columns of `row` and the others of `unknown`; `known` `[n, columns]`."""
    blocks: dict[str, Any] = {
        name: np.array(getattr(unknown, name)) for name in ("numeric", "codes", "dates")
    }
    texts = dict(unknown.texts)
    for i, (info, block, j) in enumerate(feature_columns(model.schema)):
        if block == "texts":
            texts[info.name] = np.where(known[:, i], row.texts[info.name][0], texts[info.name])
        else:
            cell = getattr(row, block)[0, j]
            blocks[block][:, j] = np.where(known[:, i], cell, blocks[block][:, j])
    return Features(**blocks, texts=texts)


def _made(
    label: str,
    scale: Scale,
    base: float,
    answer: float,
    parts: Mapping[str, float],
    errors: Mapping[str, float],
    method: str,
) -> Attribution:
    ordered = tuple(sorted(parts.items(), key=lambda part: -abs(part[1])))
    gap = abs(base + sum(parts.values()) - answer)
    return Attribution(label, scale, base, answer, ordered, errors, gap, method)
