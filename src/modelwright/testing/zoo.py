"""A zoo of small spaces: every shape a designer must survive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, Len

from modelwright.spaces import Log, Space


@dataclass(frozen=True)
class Empty:
    """No fields: one design."""


@dataclass(frozen=True)
class OnePoint:
    """Fields, yet only one design."""

    kind: Literal["only"] = "only"
    n: Annotated[int, Interval(ge=3, le=3)] = 3


@dataclass(frozen=True)
class Tiny:
    """Six designs."""

    flag: bool = False
    kind: Literal["a", "b", "c"] = "a"


@dataclass(frozen=True)
class Mixed:
    """Six fields, numeric and categorical, linear and log."""

    x: Annotated[float, Interval(ge=-1.0, le=1.0)] = 0.9
    y: Annotated[float, Interval(ge=-1.0, le=1.0)] = -0.9
    rate: Annotated[float, Log(1e-4, 1.0)] = 1e-4
    width: Annotated[int, Log(8, 512)] = 8
    depth: Annotated[int, Interval(ge=1, le=8)] = 1
    kind: Literal["red", "green", "blue"] = "red"


@dataclass(frozen=True)
class Sgd:
    """A choice with one field of its own."""

    rate: Annotated[float, Log(1e-4, 1.0)] = 0.01
    momentum: Annotated[float, Interval(ge=0.0, le=0.99)] = 0.9


@dataclass(frozen=True)
class Adam:
    """Another choice, with other fields."""

    rate: Annotated[float, Log(1e-5, 0.1)] = 0.001
    decoupled: bool = False


@dataclass(frozen=True)
class Plain:
    """A choice without fields."""


@dataclass(frozen=True)
class Conditional:
    """Fields that exist only under some choices."""

    optimiser: Adam | Sgd | Plain
    dropout: Annotated[float, Interval(ge=0.0, le=0.5)] = 0.1


@dataclass(frozen=True)
class Layer:
    """A repeated part."""

    width: Annotated[int, Log(8, 256)] = 32
    act: Literal["relu", "gelu"] = "relu"


@dataclass(frozen=True)
class Stack:
    """A bounded repetition."""

    layers: Annotated[tuple[Layer, ...], Len(1, 4)]
    rate: Annotated[float, Log(1e-4, 0.1)] = 0.001


@dataclass(frozen=True)
class Leaf:
    """The end of a branch."""

    value: Literal["x", "y", "1"] = "x"


@dataclass(frozen=True)
class Node:
    """A recursive type."""

    op: Literal["+", "*"]
    left: Leaf | Node
    right: Leaf | Node


@dataclass(frozen=True)
class Tree:
    """A small grammar."""

    root: Leaf | Node


def zoo() -> dict[str, Space]:
    """The spaces by name, smallest first."""
    kinds = (Empty, OnePoint, Tiny, Mixed, Conditional, Stack, Tree)
    return {kind.__name__.lower(): Space(kind) for kind in kinds}
