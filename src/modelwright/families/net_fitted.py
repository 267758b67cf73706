"""A trained net: arrays and NumPy, without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modelwright.families.base import (
    FloatArray,
    Inputs,
    IntArray,
    read_fitted,
    spread,
    write_fitted,
)
from modelwright.families.net_input import NetInput, Singles
from modelwright.families.net_shape import NetShape, outputs

if TYPE_CHECKING:
    from modelwright.families.onnx_graph import Graph


@dataclass(frozen=True)
class NetTarget:
    """What raw outputs mean: shares of `classes` out of `n_classes`, or scaled values.

    A value is `centre + scale * output`, held between `low` and `high`.
    """

    classes: IntArray
    n_classes: int
    centre: float = 0.0
    scale: float = 1.0
    low: float = -np.inf
    high: float = np.inf

    def answers(self, raw: Singles) -> FloatArray:
        """The members' raw outputs `[members, n, n_outputs]` as answers, averaged as answers."""
        if not self.n_classes:
            values = self.centre + self.scale * raw[:, :, 0].astype(float).mean(axis=0)
            return np.asarray(np.clip(values, self.low, self.high))
        wide = raw.astype(float)
        wide -= wide.max(axis=2, keepdims=True)
        np.exp(wide, out=wide)
        wide /= wide.sum(axis=2, keepdims=True)
        return spread(wide.mean(axis=0), self.classes, self.n_classes)


@dataclass(frozen=True, eq=False)
class FittedNet:
    """A net after `rounds` passes over its rows.

    `others` are its weights after other numbers of rounds; they serve `with_rounds` until it is
    exported. Products are in float32: a row alone and the same row among others may differ in the
    last digits of that.
    """

    family: str
    input: NetInput
    shape: NetShape
    target: NetTarget
    rounds: int
    weights: Mapping[str, Singles]
    others: Mapping[int, Mapping[str, Singles]]

    def predict(self, X: Inputs) -> FloatArray:
        """`[n, n_classes]` probabilities, or `[n]` values."""
        if not len(X):
            raw = np.zeros((self.shape.members, 0, self.shape.n_outputs), np.float32)
            return self.target.answers(raw)
        return self.target.answers(outputs(self.shape, self.weights, *self.input.apply(X)))

    def with_rounds(self, rounds: int) -> FittedNet:
        """The same net at the kept round nearest to that one; itself once loaded from a file."""
        kept = {**self.others, self.rounds: self.weights}
        near = min(kept, key=lambda r: (abs(r - rounds), r))
        if near == self.rounds:
            return self
        weights = kept.pop(near)
        return replace(self, rounds=near, weights=weights, others=kept)

    def export(self, folder: Path) -> None:
        """Writes one JSON file and one file of arrays, the weights that count only."""
        target = self.target
        facts = {
            "rounds": self.rounds,
            "shape": self.shape.to_json(),
            "n_classes": target.n_classes,
            **self.input.facts(),
        }
        values = np.array([target.centre, target.scale, target.low, target.high])
        weights = {f"net.{name}": array for name, array in self.weights.items()}
        arrays = {"target": values, "classes": target.classes, **self.input.arrays(), **weights}
        write_fitted(folder, self.family, facts, arrays)

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The same net as ONNX nodes: the name of its answers."""
        from modelwright.families.net_onnx import add_net

        return add_net(self, graph, numeric, codes)


def load_net(folder: Path) -> FittedNet:
    """The net that `export` wrote, without the weights of other rounds."""
    facts, arrays = read_fitted(folder)
    values = [float(v) for v in arrays["target"]]
    target = NetTarget(arrays["classes"], facts["n_classes"], *values)
    weights = {k.removeprefix("net."): v for k, v in arrays.items() if k.startswith("net.")}
    return FittedNet(
        facts["family"],
        NetInput.from_arrays(facts, arrays),
        NetShape.from_json(facts["shape"]),
        target,
        facts["rounds"],
        weights,
        {},
    )
