"""The weights a net starts from, and how fast each of them may move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelwright.families.net_input import Singles
from modelwright.families.net_shape import NetShape

_BIAS, _EMBEDDING = 0.1, 0.1


@dataclass(frozen=True)
class Start:
    """First values of one group of weights.

    `speed` multiplies the learning rate; 0 marks a constant. `decays` tells that weight decay pulls
    it to zero.
    """

    values: Singles
    speed: float = 0.0
    decays: bool = False


def first_weights(
    shape: NetShape, numbers: Singles, head: Singles, scale_speed: float, spread: float, seed: int
) -> dict[str, Start]:
    """Starts by name, drawn from `seed`.

    `numbers` are the training rows' scaled numbers, from which the pieces are cut at quantiles;
    `head` `[n_outputs]` is the constant answer the net begins with; `spread` is the deviation of
    the waves' frequencies. A layer of n inputs has speed 1/sqrt(n): for an optimiser that divides
    by the gradient's size, that is the neural tangent parametrisation of Holzmüller et al. 2024,
    without its multiplications.
    """
    rng = np.random.default_rng(seed)
    out: dict[str, Start] = {}
    if shape.embeds_numbers:
        out |= _number_starts(shape, numbers, spread, rng)
    if shape.n_large:
        table = rng.normal(size=(shape.n_rows, shape.category_size)) * 0.1
        out["categories"] = Start(_single(table), _EMBEDDING)
    out["scale"] = Start(_scales(shape, rng), scale_speed)
    n = shape.n_inputs
    gain = np.sqrt(2) if shape.activation == "relu" else 1.0
    for i, width in enumerate(shape.widths):
        root = 1 / np.sqrt(n)
        weight = rng.normal(size=(n, width)) * root * gain
        out[f"layer{i}.weight"] = Start(_single(weight), float(root), True)
        out[f"layer{i}.bias"] = Start(_single(rng.uniform(-1, 1, width) * root), _BIAS)
        n = width
    size = (shape.members, n, shape.n_outputs)
    root = 1 / np.sqrt(n)
    out["head.weight"] = Start(_single(rng.normal(size=size) * root * 0.1), float(root), True)
    bias = np.broadcast_to(head, (shape.members, 1, shape.n_outputs))
    out["head.bias"] = Start(_single(bias), _BIAS)
    return out


def _number_starts(
    shape: NetShape, numbers: Singles, spread: float, rng: np.random.Generator
) -> dict[str, Start]:
    p, parts, size = shape.n_numbers, shape.number_parts, shape.number_size
    out: dict[str, Start] = {}
    if shape.numbers == "periodic":
        frequency = rng.normal(size=(p, 1, parts)) * 2 * np.pi * spread
        shift = rng.uniform(-np.pi, np.pi, (p, 1, parts))
        out["waves.frequency"] = Start(_single(frequency), _EMBEDDING)
        out["waves.shift"] = Start(_single(shift), _EMBEDDING)
    else:
        low, inverse = _pieces(numbers, parts)
        out["pieces.low"], out["pieces.inverse"] = Start(low), Start(inverse)
    root = 1 / np.sqrt(parts)
    weight = rng.uniform(-root, root, (p, parts, size))
    out["numbers.weight"] = Start(_single(weight), _EMBEDDING)
    out["numbers.bias"] = Start(_single(rng.uniform(-root, root, (p, 1, size))), _EMBEDDING)
    return out


def _pieces(numbers: Singles, parts: int) -> tuple[Singles, Singles]:
    """Lower ends and inverse widths `[p, 1, parts]` of pieces between quantiles, 0 where empty.

    A value counts by the root of how often it occurs: where most rows are 0, pieces are left for
    the others. Where no value comes twice these are the quantiles of the rows.
    """
    low = np.zeros((numbers.shape[1], 1, parts), np.float32)
    inverse = np.zeros_like(low)
    for j in range(numbers.shape[1]):
        values, counts = np.unique(numbers[:, j], return_counts=True)
        if len(values) > parts + 1:
            below = np.cumsum(np.sqrt(counts))
            at = np.linspace(below[0], below[-1], parts + 1)
            values = np.unique(np.interp(at, below, values))
        widths = np.diff(values)
        kept = widths > 1e-6
        m = int(kept.sum())
        low[j, 0, :m] = values[:-1][kept]
        inverse[j, 0, :m] = 1 / widths[kept]
    return low, inverse


def _scales(shape: NetShape, rng: np.random.Generator) -> Singles:
    """Ones for a single net; for members random scales, one for all values of the same column."""
    if shape.members == 1:
        return np.ones((1, shape.n_inputs), np.float32)
    dense = rng.normal(size=(shape.members, shape.n_dense))
    parts = [dense]
    if shape.embeds_numbers:
        parts.append(np.repeat(dense[:, : shape.n_numbers], shape.number_size, axis=1))
    if shape.n_large:
        each = rng.normal(size=(shape.members, shape.n_large))
        parts.append(np.repeat(each, shape.category_size, axis=1))
    return _single(np.concatenate(parts, axis=1))


def _single(values: object) -> Singles:
    return np.array(values, np.float32, order="C")
