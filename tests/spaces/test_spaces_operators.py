"""What the operators do to a design, in numbers and in words."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Union

import numpy as np
import pytest
from annotated_types import Interval, Len, MultipleOf

from modelwright.core.errors import SpaceError
from modelwright.core.keys import Key
from modelwright.spaces import Log, Ordered, Space

Unit = Annotated[float, Interval(ge=0, le=1)]


@dataclass(frozen=True)
class Flat:
    x: Unit = 0.5
    rate: Annotated[float, Log(1e-4, 1)] = 1e-2
    n: Annotated[int, Interval(ge=1, le=100)] = 50
    op: Literal["a", "b", "c"] = "a"
    size: Annotated[Literal["s", "m", "l"], Ordered()] = "m"
    on: bool = False


@dataclass(frozen=True)
class Sgd:
    rate: Annotated[float, Log(1e-4, 1)] = 0.1
    momentum: Unit = 0.9


@dataclass(frozen=True)
class Adam:
    rate: Annotated[float, Log(1e-5, 1e-1)] = 1e-3


@dataclass(frozen=True)
class Leaf:
    name: Literal["x", "y"]


@dataclass(frozen=True)
class Add:
    left: Term
    right: Term


Term = Union[Add, Leaf]  # noqa: UP007


def keys(n: int) -> list[Key]:
    return [Key.of(0).child(i) for i in range(n)]


def test_small_mutation_changes_one_part_a_little() -> None:
    space = Space(Flat)
    a = space.default()
    changed: Counter[str] = Counter()
    steps = []
    for key in keys(600):
        b = space.mutate(a, key)
        names = [n for n in Flat.__dataclass_fields__ if getattr(a, n) != getattr(b, n)]
        assert len(names) == 1
        changed.update(names)
        if names == ["x"]:
            steps.append(abs(b.x - a.x))
        if names == ["size"]:
            assert b.size in ("s", "l")
    assert min(changed.values()) > 60  # of 100 expected for each of the six parts
    assert 0.08 < float(np.mean(steps)) < 0.16  # a normal step of 0.15 is 0.12 on average


def test_large_mutation_changes_several_parts() -> None:
    space = Space(Flat)
    a = space.default()
    n_changed = [
        sum(getattr(a, n) != getattr(space.mutate(a, key, "large"), n) for n in a.__dict__)
        for key in keys(200)
    ]
    assert 1.5 < float(np.mean(n_changed)) < 4.0


def test_sampling_is_uniform_on_its_scale() -> None:
    space = Space(Flat)
    drawn = [space.sample(key) for key in keys(2000)]
    assert abs(float(np.mean([d.x for d in drawn])) - 0.5) < 0.03
    assert abs(float(np.mean([math.log10(d.rate) for d in drawn])) + 2) < 0.12
    counts = Counter(d.op for d in drawn)
    assert all(abs(counts[op] - 667) < 90 for op in "abc")
    ints = Space(Annotated[int, Interval(ge=0, le=4)])
    counts = Counter(ints.sample(key) for key in keys(2000))
    assert all(abs(counts[i] - 400) < 80 for i in range(5))


def test_neighbours_by_name() -> None:
    @dataclass(frozen=True)
    class Small:
        op: Literal["a", "b", "c"]
        n: Annotated[int, Interval(ge=0, le=3)]
        on: bool

    space = Space(Small)
    near = set(space.neighbours(Small("b", 1, True)))
    assert near == {
        Small("a", 1, True), Small("c", 1, True), Small("b", 0, True), Small("b", 2, True),
        Small("b", 1, False),
    }  # fmt: skip


def test_neighbours_of_tuples_and_unions() -> None:
    space = Space(Annotated[tuple[Literal["a", "b"], ...], Len(1, 3)])
    near = set(space.neighbours(("a", "b")))
    assert near == {
        ("b", "b"), ("a", "a"),  # an item changed
        ("a",), ("b",),  # removed
        ("a", "a", "b"), ("a", "b", "a"), ("a", "b", "b"),  # inserted, doubled
        ("b", "a"),  # swapped
    }  # fmt: skip
    union = Space(Sgd | Adam | None)
    near_sgd = list(union.neighbours(Sgd(0.05, 0.5)))
    assert Adam(0.05) in near_sgd  # the shared field stays
    assert None in near_sgd
    assert Adam() in list(union.neighbours(Sgd(1.0, 0.5)))  # 1.0 does not fit there


def test_ints_on_a_log_scale_move_by_one_and_by_shares() -> None:
    space = Space(Annotated[int, Log(1, 1024)])
    # The whole range is a factor of about 2,000: a fifth of it is 4.6, a twentieth 1.46.
    assert sorted(space.neighbours(100)) == [22, 68, 99, 101, 146, 460]
    assert list(space.neighbours(1)) == [2, 5]


def test_grammars_wrap_and_unwrap() -> None:
    space = Space(Term, max_depth=3)
    x, y = Leaf("x"), Leaf("y")
    near = list(space.neighbours(Add(x, y)))
    assert x in near
    assert y in near
    assert Add(Add(x, y), x) in near
    full = space.from_tokens(["Add"] * 3 + ["Leaf", "x"] * 4)
    assert not any(isinstance(d, Add) and d.left == full for d in space.neighbours(full))


def test_crossing_mixes_parts() -> None:
    space = Space(Flat)
    a = Flat(0.1, 1e-3, 10, "a", "s", False)
    b = Flat(0.9, 1e-1, 90, "b", "l", True)
    children = [space.cross(a, b, key) for key in keys(100)]
    assert all(a.x <= c.x <= b.x and a.n <= c.n <= b.n for c in children)
    assert {c.op for c in children} == {"a", "b"}
    assert sum(0.1 < c.x < 0.9 for c in children) > 5
    assert sum(c not in (a, b) for c in children) > 80


def test_crossing_tuples_of_two_lengths() -> None:
    space = Space(Annotated[tuple[Literal["a", "b"], ...], Len(1, 6)])
    lengths = {len(space.cross(("a",), ("b",) * 5, key)) for key in keys(100)}
    assert len(lengths) >= 4


@dataclass(frozen=True)
class Tight:
    """About one draw in 4,000 is valid."""

    shares: Annotated[tuple[Annotated[int, Interval(ge=0, le=40)], ...], Len(4, 4)] = (10,) * 4
    name: Literal["a", "b"] = "a"

    def valid(self) -> bool | str:
        return sum(self.shares) == 40 or "the shares must sum to 40"


def test_tight_constraints_hold_everywhere() -> None:
    space = Space(Tight)
    made = []
    for key in keys(25):
        a, b = space.sample(key), space.sample(key.child("b"))
        made += [a, b, space.mutate(a, key), space.mutate(a, key, "large"), space.cross(a, b, key)]
        made.append(space.from_unit([key.child(i).random().random() for i in range(5)]))
    assert all(space.contains(d) for d in made)
    assert len({space.dump(d) for d in made}) > 40
    assert space.sample(Key.of(1)) == space.sample(Key.of(1))


def test_repair_leaves_valid_designs_alone() -> None:
    space = Space(Tight)
    assert space.repair(space.default()) is space.default()
    broken = replace(space.default(), shares=(10, 10, 10, 11))
    mended = space.repair(broken)
    assert space.contains(mended)
    assert mended == space.repair(broken)


def test_the_unit_cube_covers_the_space() -> None:
    space = Space(Flat)
    axis = np.linspace(0.001, 0.999, 5)
    assert {space.from_unit([0.5, 0.5, 0.5, u, 0.5, 0.5]).op for u in axis} == {"a", "b", "c"}
    ends = [space.from_unit([u] * 6) for u in (0.0, 1.0)]
    assert [d.n for d in ends] == [1, 100]
    assert [d.x for d in ends] == [0, 1]
    assert [d.rate for d in ends] == pytest.approx([1e-4, 1])
    with pytest.raises(SpaceError, match="has 6 coordinates; got 5"):
        space.from_unit([0.5] * 5)


def test_codes_are_on_the_declared_scale() -> None:
    space = Space(Flat)
    assert space.encode(Flat(0.25, 1e-2, 1, "c", "l", True)) == pytest.approx(
        (0.25, 0.5, 0.0, 2.0, 1.0, 1.0)
    )
    assert space.encode(Flat(op="b"), one_hot=True)[3:6] == (0.0, 1.0, 0.0)
    kinds = [c.kind for c in space.layout()]
    assert kinds == ["number", "number", "number", "category", "ordinal", "category"]
    assert space.layout().categorical == (3, 5)


def test_layouts_tell_what_depends_on_what() -> None:
    @dataclass(frozen=True)
    class Deep:
        optimiser: Sgd | Adam | None
        widths: Annotated[tuple[Annotated[int, Log(8, 64)], ...], Len(1, 3)]

    layout = Space(Deep).layout()
    told = [(c.path, c.kind, c.when and (c.when.column, c.when.low)) for c in layout]
    assert told == [
        ("optimiser", "category", None),
        ("optimiser<Sgd>.rate", "number", (0, 0.0)),
        ("optimiser<Sgd>.momentum", "number", (0, 0.0)),
        ("optimiser<Adam>.rate", "number", (0, 1.0)),
        ("widths", "length", None),
        ("widths[0]", "number", None),
        ("widths[1]", "number", (4, 0.5)),
        ("widths[2]", "number", (4, 1.0)),
    ]
    assert layout.columns[0].categories == ("Sgd", "Adam", "null")


@pytest.mark.parametrize("limit", [16, 64, 256])
def test_deep_spaces_are_capped_and_summarised(limit: int) -> None:
    space = Space(Term, max_depth=9, max_columns=limit)
    layout = space.layout()
    assert limit / 2 <= len(layout) <= limit + 8
    assert not layout.exact
    assert any(c.kind == "summary" for c in layout)
    assert space.unit_dimension == sum(c.kind != "summary" for c in layout)
    assert [layout.columns[i].kind for i in space.unit_columns].count("summary") == 0
    for key in keys(20):
        u = [key.child(i).random().random() for i in range(space.unit_dimension)]
        assert space.contains(space.from_unit(u))
        codes = space.encode(space.sample(key))
        assert all(c == -1 or c >= 0 for c in codes)
    # Two designs that differ only below the unrolled part still differ in the counts.
    left_only = ["Add"] * 9 + ["Leaf", "x"] * 9
    a = space.from_tokens([*left_only, "Leaf", "x"])
    b = space.from_tokens(["Add"] * 9 + ["Leaf", "y"] + ["Leaf", "x"] * 9)
    assert space.encode(a) != space.encode(b)


def test_long_tuples_keep_their_first_items() -> None:
    space = Space(Annotated[tuple[Unit, ...], Len(0, 1000)], max_columns=40)
    assert len(space.layout()) <= 40
    assert len(space.from_unit([0.9999] * space.unit_dimension)) == 1000
    flat = Space(tuple[(Unit,) * 300], max_columns=40)  # type: ignore[misc]
    assert len(flat.layout()) == 300
    assert flat.layout().exact


def test_numbers_on_a_grid() -> None:
    space = Space(Annotated[float, Interval(ge=0, le=1), MultipleOf(0.1)])
    assert list(space.enumerate()) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert space.contains(0.3)
    assert not space.contains(0.35)
    assert space.size() == 11
    with pytest.raises(SpaceError, match="free floats cannot be listed"):
        Space(Unit).enumerate()


def test_difference_in_words() -> None:
    @dataclass(frozen=True)
    class Net:
        layers: Annotated[tuple[Literal["conv", "pool", "norm"], ...], Len(0, 5)]
        optimiser: Sgd | Adam
        dropout: Unit = 0.1

    space = Space(Net)
    a = Net(("conv", "pool", "norm"), Sgd(), 0.1)
    told = [
        (Net(("conv", "norm"), Sgd(), 0.3), "layers: 2nd removed; dropout 0.1 -> 0.3"),
        (Net(("conv", "pool", "norm", "pool"), Sgd(), 0.1), "layers: pool added as 4th"),
        (Net(("conv", "conv", "norm"), Sgd(), 0.1), "layers[1] pool -> conv"),
        (Net(("norm", "pool", "conv"), Sgd(), 0.1), "layers: 1st and 3rd swapped"),
        (Net(("pool", "norm", "conv"), Sgd(), 0.1), "layers: order changed"),
        (replace(a, optimiser=Sgd(0.2)), "optimiser.rate 0.1 -> 0.2"),
        (
            replace(a, optimiser=Adam()),
            "optimiser Sgd(rate=0.1, momentum=0.9) -> Adam(rate=0.001)",
        ),
        (replace(a, dropout=0.100000001), "dropout 0.1 -> 0.100000001"),
        (a, "no difference"),
    ]
    for b, words in told:
        assert space.difference(a, b) == words
    assert space.describe(a) == (
        "Net(layers=[conv, pool, norm], optimiser=Sgd(rate=0.1, momentum=0.9), dropout=0.1)"
    )
    assert space.draw(a) == (
        "Net\n|-- layers: [conv, pool, norm]\n|-- dropout: 0.1\n"
        "`-- optimiser: Sgd\n    |-- rate: 0.1\n    `-- momentum: 0.9"
    )


def test_drawings_carry_text_safely() -> None:
    space = Space(Literal["<script>", "&"])
    assert "<script>" not in space.draw_svg("<script>")
    assert "http" not in space.draw_svg("&").replace("http://www.w3.org/2000/svg", "")


def test_schema_speaks_of_scale_default_and_constraint() -> None:
    schema = Space(Tight).json_schema()["$defs"]["Tight"]
    assert schema["description"].startswith("About one draw in 4,000 is valid.")
    rate = Space(Adam).json_schema()["$defs"]["Adam"]["properties"]["rate"]
    assert rate["x-scale"] == "log"
    assert rate["default"] == 1e-3
    json.dumps(Space(Term, max_depth=6).json_schema())


def test_the_hash_follows_the_space() -> None:
    assert Space(Term, max_depth=2).hash != Space(Term, max_depth=3).hash
    assert Space(Unit).hash != Space(Annotated[float, Interval(ge=0, le=2)]).hash
    assert Space(Annotated[int, Log(1, 9)]).hash != Space(Annotated[int, Interval(ge=1, le=9)]).hash
