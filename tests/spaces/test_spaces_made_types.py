"""Types made at random: whatever compiles keeps every promise."""

from __future__ import annotations

import itertools
import json
from dataclasses import field, make_dataclass
from random import Random
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Interval, Le, Len, MultipleOf
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import SpaceError
from modelwright.core.keys import Key
from modelwright.spaces import Log, Ordered, Space


def made_type(rng: Random, depth: int, names: itertools.count[int]) -> Any:
    """An annotation drawn from everything a space can hold, at most `depth` levels deep."""
    kinds = ["int", "float", "log", "grid", "literal", "bool", "ordered"]
    kinds += ["product", "product", "union", "repeat", "fixed", "optional"] if depth else []
    kind = rng.choice(kinds)
    low = rng.randint(-5, 5)
    if kind == "int":
        return Annotated[int, Ge(low), Le(low + rng.choice([0, 1, 3, 100]))]
    if kind == "float":
        return Annotated[float, Interval(ge=low, le=low + rng.choice([0, 0.5, 1000]))]
    if kind == "log":
        whole = rng.random() < 0.5
        return Annotated[int, Log(1, 300)] if whole else Annotated[float, Log(1e-6, 10)]
    if kind == "grid":
        if rng.random() < 0.5:
            return Annotated[int, Interval(ge=low, le=low + 40), MultipleOf(7)]
        return Annotated[float, Interval(ge=low, le=low + 2), MultipleOf(0.1)]
    if kind == "literal":
        return Literal[tuple(rng.sample(["a", "b", "c", 1, 2, True, None], rng.randint(1, 4)))]
    if kind == "ordered":
        return Annotated[Literal["s", "m", "l"], Ordered()]
    if kind == "bool":
        return bool
    if kind == "repeat":
        least = rng.randint(0, 2)
        item = made_type(rng, depth - 1, names)
        return Annotated[tuple[item, ...], Len(least, least + rng.randint(0, 2))]  # type: ignore[valid-type]
    if kind == "fixed":
        items = tuple(made_type(rng, depth - 1, names) for _ in range(rng.randint(0, 3)))
        return tuple[items]  # type: ignore[valid-type]
    if kind == "optional":
        return made_type(rng, depth - 1, names) | None
    if kind == "union":
        union = made_class(rng, depth - 1, names)
        for _ in range(rng.randint(1, 2)):
            union = union | made_class(rng, depth - 1, names)
        return union
    return made_class(rng, depth, names)


def made_class(rng: Random, depth: int, names: itertools.count[int]) -> Any:
    shared = ["x", "y", "z", "w"]
    fields: list[tuple[str, Any, Any]] = []
    for name in shared[: rng.choice([0, 1, 2, 3, 4, 4])]:
        kind = made_type(rng, max(0, depth - 1), names)
        if rng.random() < 0.3:
            start = Space(kind).sample(Key.of(rng.getrandbits(20)))
            fields.append((name, kind, field(default=start, kw_only=True)))
        else:
            fields.append((name, kind, field()))
    body: dict[str, Any] = {}
    if len(fields) > 1 and rng.random() < 0.4:
        first, second = fields[0][0], fields[1][0]
        # About half of all pairs, whatever their types are.
        body["valid"] = lambda d: len(repr((getattr(d, first), getattr(d, second)))) % 2 == 0
    return make_dataclass(f"C{next(names)}", fields, frozen=True, namespace=body)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(seed=st.integers(0, 10**9))
def test_promises_hold_for_made_types(seed: int) -> None:
    rng = Random(seed)
    make = rng.choice([made_class, made_class, made_type])
    try:
        kind = make(rng, 4, itertools.count())
        space = Space(kind, max_columns=rng.choice([8, 40, 256]))
    except SpaceError as error:
        # Two alternatives that overlap, or a constraint that nothing of the shape can meet.
        if not any(words in str(error) for words in ("share", "same", "no valid", "tuple")):
            raise
        return
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(space.json_schema())
    layout = space.layout()
    key = Key.of(seed)
    a, b = space.sample(key.child("a")), space.sample(key.child("b"))
    u = key.random()
    made = [a, b, space.default(), space.mutate(a, key), space.mutate(a, key, "large")]
    made += [space.cross(a, b, key), *itertools.islice(space.neighbours(a), 30)]
    made.append(space.from_unit([u.random() for _ in range(space.unit_dimension)]))
    for design in made:
        assert space.contains(design)
        text = space.dump(design)
        assert space.dump(space.load(text)) == text
        assert validator.is_valid(json.loads(text))
        assert space.dump(space.from_tokens(space.tokens(design))) == text
        assert len(space.encode(design)) == len(layout)
        if layout.exact:
            assert space.dump(space.from_unit(space.to_unit(design))) == text
        space.describe(design), space.draw(design), space.draw_svg(design)
        assert (space.difference(a, design) == "no difference") == (space.dump(a) == text)
    if space.size() > 1 and not space.root.constrained:
        assert space.dump(made[3]) != space.dump(a)
        assert space.dump(made[4]) != space.dump(a)
    if space.size() <= 300:
        listed = [space.dump(d) for d in space.enumerate()]
        assert len(set(listed)) == len(listed) == space.size()
