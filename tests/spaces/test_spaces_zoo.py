"""Every operator on every kind of space: stays inside, comes back, answers alike to equal keys."""

from __future__ import annotations

import enum
import itertools
import json
import math
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any, Literal, Union
from xml.etree import ElementTree

import numpy as np
import pytest
from annotated_types import Ge, Interval, Le, Len, Lt, MultipleOf
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import SpaceError
from modelwright.core.keys import Key
from modelwright.core.roles import Space as SpaceRole
from modelwright.spaces import Depth, Log, Ordered, Space

examples = settings(deadline=None, max_examples=10, derandomize=True)
seeds = st.integers(0, 10**9)


@dataclass(frozen=True)
class Leaf:
    op: Literal["conv", "pool", "skip"]
    width: Annotated[int, Log(4, 64)] = 16


@dataclass(frozen=True)
class Join:
    left: Cell
    right: Cell
    how: Literal["add", "concat"] = "add"


@dataclass(frozen=True)
class Chain:
    cells: Annotated[tuple[Cell, ...], Len(0, 3)]


Cell = Union[Join, Leaf, Chain]  # noqa: UP007  # the name is used in strings above


@dataclass(frozen=True)
class Network:
    cell: Annotated[Cell, Depth(2)]
    repeats: Annotated[int, Ge(1), Le(5)]


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Adam:
    rate: Annotated[float, Log(1e-5, 1e-1)] = 1e-3
    decay: Annotated[float, Interval(ge=0, lt=1)] = 0.0


@dataclass(frozen=True)
class Sgd:
    rate: Annotated[float, Log(1e-4, 1)]
    momentum: Annotated[float, Interval(ge=0, lt=1)] | None = None


@dataclass(frozen=True)
class Recipe:
    optimiser: Adam | Sgd
    size: Size
    batch: Annotated[int, Log(16, 1024), MultipleOf(16)]
    dropout: Annotated[float, Interval(ge=0, le=0.5), MultipleOf(0.05)] = 0.1
    level: Annotated[Literal["low", "mid", "high", "top"], Ordered()] = "mid"
    warm: bool = False
    stop: Annotated[int, Interval(ge=1, le=9)] | Literal["never"] | None = "never"


@dataclass(frozen=True)
class Block:
    kernels: Annotated[tuple[Literal[3, 5, 7], ...], Len(1, 3)]
    stride: tuple[Annotated[int, Interval(ge=1, le=2)], Annotated[int, Interval(ge=1, le=2)]]


@dataclass(frozen=True)
class Stack:
    blocks: Annotated[tuple[Block, ...], Len(0, 3)]


@dataclass(frozen=True)
class Shares:
    """Three shares that sum to ten: no single change keeps it."""

    a: Annotated[int, Interval(ge=0, le=10)] = 10
    b: Annotated[int, Interval(ge=0, le=10)] = 0
    c: Annotated[int, Interval(ge=0, le=10)] = 0

    def valid(self) -> bool:
        return self.a + self.b + self.c == 10


@dataclass(frozen=True)
class Span:
    low: Annotated[float, Interval(ge=0, le=1)]
    high: Annotated[float, Interval(ge=0, le=1)]

    def valid(self) -> bool | str:
        return self.low < self.high or "low must be below high"


@dataclass(frozen=True)
class Spans:
    spans: Annotated[tuple[Span, ...], Len(1, 4)]
    one: Span | None = None

    def valid(self) -> bool:
        return sum(s.high - s.low for s in self.spans) <= 1


@dataclass(frozen=True)
class Empty:
    pass


@dataclass(frozen=True)
class Point:
    x: Literal["only"] = "only"
    n: Annotated[int, Interval(ge=3, le=3)] = 3


@dataclass(frozen=True, kw_only=True)
class Odd:
    word: Literal["1", 1, True, None, "x"]
    big: Annotated[int, Interval(ge=-(10**12), le=10**12)] = 5
    tiny: Annotated[float, Interval(ge=1e6, le=1e6 + 1e-3)] = 1e6
    made: tuple[bool, ...] = field(init=False, default=())
    half: Annotated[float, Ge(-1), Lt(0)] = -0.5


@dataclass(frozen=True)
class Tree:
    children: Annotated[tuple[Tree, ...], Len(0, 2)]
    weight: Annotated[float, Interval(ge=-1, le=1)] = 0.0


SPACES: dict[str, Space] = {
    "cells": Space(Cell, max_depth=3),
    "network": Space(Network),
    "recipe": Space(Recipe),
    "stack": Space(Stack),
    "shares": Space(Shares),
    "spans": Space(Spans),
    "empty": Space(Empty),
    "point": Space(Point),
    "odd": Space(Odd),
    "tree": Space(Tree, max_depth=3),
    "union": Space(Adam | Sgd),
    "number": Space(Annotated[int, Interval(ge=0, le=7)]),
    "floats": Space(Annotated[tuple[Annotated[float, Interval(ge=-5, le=5)], ...], Len(3, 3)]),
}
each = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())


def same(space: Space, a: Any, b: Any) -> bool:
    return space.dump(a) == space.dump(b)


@each
def test_keeps_the_role(space: Space) -> None:
    assert isinstance(space, SpaceRole)
    assert space.contains(space.default())
    assert space.contains(space.check(space.default()))


@each
@examples
@given(seed=seeds)
def test_every_operator_stays_in_the_space(space: Space, seed: int) -> None:
    key = Key.of(seed)
    a, b = space.sample(key.child("a")), space.sample(key.child("b"))
    small, large = space.mutate(a, key, "small"), space.mutate(a, key, "large")
    child = space.cross(a, b, key)
    near = list(itertools.islice(space.neighbours(a), 200))
    u = key.random()
    cube = space.from_unit([u.random() for _ in range(space.unit_dimension)])
    for design in (a, b, small, large, child, cube, *near):
        assert space.contains(design), design


@each
@examples
@given(seed=seeds)
def test_equal_keys_give_equal_designs(space: Space, seed: int) -> None:
    def draw() -> list[str]:
        key = Key.of(seed)
        a, b = space.sample(key.child("a")), space.sample(key.child("b"))
        made = [a, b, space.mutate(a, key), space.mutate(a, key, "large"), space.cross(a, b, key)]
        return [space.dump(d) for d in made]

    assert draw() == draw()


@each
@examples
@given(seed=seeds)
def test_mutation_differs(space: Space, seed: int) -> None:
    if space.size() == 1:
        assert same(space, space.mutate(space.default(), Key.of(seed)), space.default())
        return
    key = Key.of(seed)
    a = space.sample(key.child("a"))
    assert not same(space, a, space.mutate(a, key, "small"))
    assert not same(space, a, space.mutate(a, key, "large"))


@each
@examples
@given(seed=seeds)
def test_neighbours_are_distinct_and_others(space: Space, seed: int) -> None:
    a = space.sample(Key.of(seed))
    texts = [space.dump(d) for d in space.neighbours(a)]
    assert len(set(texts)) == len(texts)
    assert space.dump(a) not in texts


@each
@examples
@given(seed=seeds)
def test_documents_come_back(space: Space, seed: int) -> None:
    a = space.sample(Key.of(seed))
    text = space.dump(a)
    back = space.load(text)
    assert space.dump(back) == text
    assert back == a
    assert space.contains(back)
    candidate = space.candidate(a, ("parent",))
    assert candidate.document == text
    assert candidate.parents == ("parent",)
    assert space.design(candidate) == a


@each
@examples
@given(seed=seeds)
def test_unit_points_come_back(space: Space, seed: int) -> None:
    a = space.sample(Key.of(seed))
    point = space.to_unit(a)
    assert len(point) == space.unit_dimension
    assert all(0 <= u <= 1 for u in point)
    if space.layout().exact:
        assert same(space, space.from_unit(point), a)


@each
@examples
@given(seed=seeds)
def test_codes_follow_the_layout(space: Space, seed: int) -> None:
    a, b = space.sample(Key.of(seed)), space.sample(Key.of(seed + 1))
    layout = space.layout()
    row = space.encode(a)
    assert len(row) == len(layout)
    if layout.exact and not same(space, a, b):
        assert row != space.encode(b)
    wide = space.layout(one_hot=True)
    for columns, codes in ((layout, row), (wide, space.encode(a, one_hot=True))):
        assert len(columns) == len(codes)
        for column, code in zip(columns, codes, strict=True):
            when = column.when
            there = when is None or when.low - 1e-9 <= codes[when.column] <= when.high + 1e-9
            assert (code == -1.0) == (not there), column
            top = len(column.categories) - 1 if column.kind == "category" else 1
            assert not there or 0 <= code <= max(1, top)
    many = space.encode_many([a, b])
    assert many.shape == (2, len(layout))
    assert np.array_equal(many[0], np.array(row))
    assert space.encode_many([], one_hot=True).shape == (0, len(wide))


@each
@examples
@given(seed=seeds)
def test_tokens_come_back(space: Space, seed: int) -> None:
    a = space.sample(Key.of(seed))
    words = space.tokens(a)
    assert set(words) <= set(space.vocabulary())
    assert same(space, space.from_tokens(words), a)
    with pytest.raises(SpaceError, match="expected"):
        space.from_tokens([*words, "surplus"])
    if words:
        with pytest.raises(SpaceError):
            space.from_tokens(words[:-1])


@each
@examples
@given(seed=seeds)
def test_the_schema_accepts_documents(space: Space, seed: int) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = space.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    a = space.sample(Key.of(seed))
    validator.validate(json.loads(space.dump(a)))


@each
@examples
@given(seed=seeds)
def test_schema_and_load_refuse_the_same(space: Space, seed: int) -> None:
    """Damaged documents: both refuse, or both accept, unless a constraint is what is broken."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(space.json_schema())
    rng = Key.of(seed).random()
    for _ in range(6):
        data = damaged(json.loads(space.dump(space.sample(Key.of(rng.getrandbits(30))))), rng)
        try:
            space.load(json.dumps(data))
            accepted = True
        except SpaceError as error:
            accepted = "a valid" in str(error)
        assert validator.is_valid(data) == accepted, data


def damaged(data: Any, rng: Random) -> Any:
    """The data with one thing in it replaced, removed or added."""
    if isinstance(data, dict) and data and rng.random() < 0.85:
        key = rng.choice(sorted(data))
        what = rng.random()
        if what < 0.1:
            return {k: v for k, v in data.items() if k != key}
        if what < 0.2:
            return {**data, "surplus": 1}
        return {**data, key: damaged(data[key], rng)}
    if isinstance(data, list) and data and rng.random() < 0.8:
        i = rng.randrange(len(data))
        if rng.random() < 0.3:
            return [*data[:i], *data[i + 1 :]]
        return [*data[:i], damaged(data[i], rng), *data[i:]]
    return rng.choice([None, True, 0, 1, 3, 7, -1, 0.3, 3.0, 1e9, "x", "mid", "SMALL", [], {}, [3]])


@each
@examples
@given(seed=seeds)
def test_words_and_pictures(space: Space, seed: int) -> None:
    a, b = space.sample(Key.of(seed)), space.sample(Key.of(seed + 1))
    told = space.difference(a, b)
    assert (told == "no difference") == same(space, a, b)
    assert "\n" not in told + space.describe(a)
    picture = ElementTree.fromstring(space.draw_svg(a))
    assert picture.tag.endswith("svg")
    assert space.draw(a).isascii()


def test_a_bound_written_as_a_whole_number_is_the_same_bound() -> None:
    whole, point = (
        Annotated[float, Interval(ge=-1, le=1)],
        Annotated[float, Interval(ge=-1.0, le=1.0)],
    )
    assert Space(whole).hash == Space(point).hash


@each
def test_hashes_are_stable_and_distinct(space: Space) -> None:
    again = Space(space.kind, max_depth=space.max_depth)
    assert again.hash == space.hash
    assert again.layout() == space.layout()
    assert sum(other.hash == space.hash for other in SPACES.values()) == 1


@pytest.mark.parametrize("name", ["shares", "point", "empty", "number"])
def test_small_spaces_are_listed_whole(name: str) -> None:
    space = SPACES[name]
    designs = [space.dump(d) for d in space.enumerate()]
    assert len(set(designs)) == len(designs) == space.size()
    assert space.dump(space.default()) in designs
    drawn = {space.dump(space.sample(Key.of(i))) for i in range(2000)}
    assert drawn == set(designs)


def test_size_counts() -> None:
    assert SPACES["shares"].size() == 66
    assert SPACES["stack"].size() == sum((4 * 39) ** k for k in range(4))
    assert math.isinf(SPACES["recipe"].size())
    assert SPACES["empty"].size() == 1
