"""The shape of a net for tables, its weights as plain arrays, and its answers in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from modelwright.families.base import IntArray
from modelwright.families.net_input import Singles

Activation = Literal["relu", "silu"]
Numbers = Literal["plain", "periodic", "piecewise"]
NetLoss = Literal["classes", "squared", "pinball"]
Weights = Mapping[str, Singles]
_CHUNK = 1 << 19  # activations of one layer at a time: they stay in the processor's cache


@dataclass(frozen=True)
class NetShape:
    """One net: embedded columns, a scale per member and column, shared layers, a head per member.

    `n_dense` columns of which the first `n_numbers` are numbers; `n_large` categorical columns look
    up rows of `category_size` numbers each in a table of `n_rows`. A number goes on as it is and,
    unless `numbers` is `plain`, with `number_size` values computed from `number_parts` waves or
    pieces of it. `members` nets share the layers of `widths`; each has its own scale of the layers'
    inputs and its own head with `n_outputs` values.
    """

    n_dense: int
    n_numbers: int
    n_large: int
    n_rows: int
    n_outputs: int
    numbers: Numbers
    number_parts: int
    number_size: int
    category_size: int
    members: int
    widths: tuple[int, ...]
    activation: Activation

    @property
    def embeds_numbers(self) -> bool:
        """Whether numbers are embedded."""
        return self.numbers != "plain" and self.n_numbers > 0

    @property
    def n_inputs(self) -> int:
        """How many values the first layer sees."""
        more = self.n_numbers * self.number_size if self.embeds_numbers else 0
        return self.n_dense + more + self.n_large * self.category_size

    @property
    def products(self) -> int:
        """Multiplications of one row through the net, all members."""
        sizes = (self.n_inputs, *self.widths, self.n_outputs)
        layers = sum(a * b for a, b in pairwise(sizes))
        parts = self.n_numbers * self.number_parts * self.number_size if self.embeds_numbers else 0
        return self.members * layers + parts

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NetShape:
        """The shape that `to_json` wrote."""
        return cls(**{**data, "widths": tuple(data["widths"])})


def outputs(shape: NetShape, weights: Weights, dense: Singles, rows: IntArray) -> Singles:
    """The members' raw outputs `[members, n, n_outputs]`, a chunk of rows at a time."""
    width = max(shape.members * max(shape.widths), shape.n_numbers * shape.number_parts, 1)
    step = max(16, _CHUNK // width)
    if len(dense) <= step:
        return _outputs(shape, weights, dense, rows)
    parts = [
        _outputs(shape, weights, dense[i : i + step], rows[i : i + step])
        for i in range(0, len(dense), step)
    ]
    return np.concatenate(parts, axis=1)


def _outputs(shape: NetShape, weights: Weights, dense: Singles, rows: IntArray) -> Singles:
    n, k = len(dense), shape.members
    h = _inputs(shape, weights, dense, rows)
    h = (h[None] * weights["scale"][:, None]).reshape(k * n, -1)
    for i in range(len(shape.widths)):
        h = h @ weights[f"layer{i}.weight"]
        h += weights[f"layer{i}.bias"]
        if shape.activation == "relu":
            np.maximum(h, 0, out=h)
        else:
            h /= 1 + np.exp(np.minimum(-h, np.float32(80)))
    heads = h.reshape(k, n, -1) @ weights["head.weight"]
    return np.asarray(heads + weights["head.bias"], np.float32)


def _inputs(shape: NetShape, weights: Weights, dense: Singles, rows: IntArray) -> Singles:
    """What the first layer sees, `[n, n_inputs]`: dense columns, embedded numbers, categories."""
    n = len(dense)
    parts = [dense]
    if shape.embeds_numbers:
        z = dense[:, : shape.n_numbers].T[:, :, None]
        if shape.numbers == "periodic":
            seen = np.cos(z * weights["waves.frequency"] + weights["waves.shift"])
        else:
            seen = np.clip((z - weights["pieces.low"]) * weights["pieces.inverse"], 0, 1)
        made = seen @ weights["numbers.weight"] + weights["numbers.bias"]
        parts.append(made.transpose(1, 0, 2).reshape(n, -1))
    if shape.n_large:
        parts.append(weights["categories"][rows].reshape(n, -1))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
