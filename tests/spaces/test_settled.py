from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from modelwright.core.keys import Key
from modelwright.spaces import Space


@dataclass(frozen=True)
class Part:
    kind: Literal["a", "b"] = "a"
    size: Annotated[int, Interval(ge=0, le=9)] = 3
    rate: Annotated[float, Interval(ge=0, le=1)] = 0.5


@dataclass(frozen=True)
class Whole:
    part: Part = Part("b", 7)
    width: Annotated[int, Interval(ge=1, le=9)] = 2


SETTLED: dict[type, tuple[str, str]] = {Part: ("kind", "size")}


def test_operators_leave_settled_fields_alone() -> None:
    space = Space(Whole, settled=SETTLED)
    start = space.default()
    assert start == Whole()
    for i in range(60):
        for other in (space.mutate(start, Key.of(i)), space.mutate(start, Key.of(i), "large")):
            assert other != start
            assert (other.part.kind, other.part.size) == ("b", 7)
    assert all(n.part.kind == "b" and n.part.size == 7 for n in space.neighbours(start))
    assert {space.sample(Key.of(i)).part.size for i in range(20)} == {3}


def test_settled_fields_have_no_column_and_any_value_is_read() -> None:
    space, wide = Space(Whole, settled=SETTLED), Space(Whole)
    assert [c.path for c in space.layout()] == ["part.rate", "width"]
    for i in range(30):
        design = wide.sample(Key.of(i))
        assert space.contains(design)
        assert space.load(space.dump(design)) == design
        assert space.dump(design) == wide.dump(design)
        assert len(space.encode(design)) == len(space.to_unit(design)) == 2
        crossed = space.cross(design, wide.sample(Key.of(i + 99)), Key.of(i))
        assert wide.contains(crossed)
