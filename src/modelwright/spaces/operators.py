"""Mutation, crossover and neighbours of whole designs: the nodes' operators, kept valid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.spaces.nodes import Node

CHANGE_TRIES = 48
CROSS_TRIES = 16
NEAR_LIMIT = 500
DRAW_TRIES = 20
LIST_LIMIT = 10_000


def mutate(root: Node, design: Any, rng: Random, large: bool) -> Any:
    """A valid design that differs, when the space holds another one within reach."""
    for t in range(CHANGE_TRIES):
        new = design
        for _ in range(_n_changes(root.sites(design), t, rng, large)):
            n = root.sites(new)
            new = root.change(new, rng.randrange(n), rng, large) if n else new
        if new != design and root.sound(new):
            return new
    return _another(root, design, rng)


def _n_changes(sites: int, t: int, rng: Random, large: bool) -> int:
    # Some constraints ("the sum is 10") cannot be kept by one change, so later tries make more.
    if large:
        return rng.randint(2, max(2, (sites + 1) // 2)) + t // 8
    return 1 + t // 8


def _another(root: Node, design: Any, rng: Random) -> Any:
    near = list(itertools.islice(neighbours(root, design), NEAR_LIMIT))
    if near:
        return rng.choice(near)
    own = canonical(root.plain(design))
    for _ in range(DRAW_TRIES):
        new = root.sample(rng)
        if canonical(root.plain(new)) != own:
            return new
    if root.size <= LIST_LIMIT:
        for new in root.everything():
            if canonical(root.plain(new)) != own:
                return new
    return design


def cross(root: Node, a: Any, b: Any, rng: Random) -> Any:
    """A valid design with parts of both; a repaired one when no mixture keeps the constraints."""
    child = a
    for _ in range(CROSS_TRIES):
        child = root.cross(a, b, rng)
        if root.sound(child):
            return child
    return root.mend(child, rng)


def neighbours(root: Node, design: Any) -> Iterator[Any]:
    """All valid designs at one elementary change, each once."""
    seen = {canonical(root.plain(design))}
    for near in root.around(design):
        text = canonical(root.plain(near))
        if text not in seen:
            seen.add(text)
            if root.sound(near):
                yield near
