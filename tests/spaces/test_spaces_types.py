"""What may be a space, what may not, and how the refusal sounds."""

from __future__ import annotations

import typing
from dataclasses import InitVar, dataclass, field, make_dataclass
from typing import Annotated, Any, Literal, Union

import pytest
from annotated_types import Ge, Gt, Interval, Len, Lt, MultipleOf, Predicate

from modelwright.core.errors import SpaceError
from modelwright.core.keys import Key
from modelwright.spaces import Depth, Log, Ordered, Space

Unit = Annotated[float, Interval(ge=0, le=1)]


def of(**fields: Any) -> Any:
    return make_dataclass("Made", fields.items(), frozen=True)


@dataclass
class Open:
    x: Unit


@dataclass(frozen=True)
class Typed:
    type: Unit


@dataclass(frozen=True)
class Other:
    x: Unit


@dataclass(frozen=True)
class Third:
    pass


@dataclass(frozen=True)
class High:
    x: Unit = 1.5


@dataclass(frozen=True)
class Never:
    x: Unit

    def valid(self) -> bool | str:
        return f"{self.x:g} is never enough"


@dataclass(frozen=True)
class Property:
    @property
    def valid(self) -> bool:
        return True


@dataclass(frozen=True)
class Starting:
    x: Unit
    y: InitVar[int]


@dataclass(frozen=True)
class Strict:
    a: Unit
    b: Unit

    def __post_init__(self) -> None:
        if self.a < self.b:
            raise ValueError("a is below b")


@dataclass(frozen=True)
class Endless:
    next: Endless


REFUSED: list[tuple[Any, str]] = [
    (Open, r"Open .* write @dataclass\(frozen=True\)"),
    (of(x=float), r"field 'x' of Made is a float without a range: write Annotated\[float, Int"),
    (of(x=int), r"field 'x' of Made is an int without a range: write Annotated\[int, Interval"),
    (of(x=Annotated[float, Ge(0)]), "without a range"),
    (of(x=str), r"field 'x' of Made is a text without a list of values: write Literal"),
    (of(x=list[int]), r"field 'x' of Made has the type list\[int\], which cannot be searched"),
    (of(x=Any), "which cannot be searched"),
    (of(x=tuple), "bare tuple"),
    (of(x=tuple[Unit, ...]), "tuple of any length"),
    (of(x=Annotated[tuple[Unit, ...], Len(3, 1)]), "tuple of any length"),
    (of(x=Annotated[int, Len(1, 2)]), "says nothing about a number"),
    (of(x=Annotated[tuple[Unit, ...], Len(0, 2), Log(1, 2)]), "says nothing about a tuple"),
    (of(x=Annotated[Other, Ordered()]), "says nothing about a dataclass"),
    (of(x=Annotated[int, Predicate(str.isdigit)]), r"write a method valid\(self\)"),
    (of(x=Annotated[int, Interval(ge=3, le=2)]), "holds no number"),
    (of(x=Annotated[int, Interval(ge=1, le=2), MultipleOf(5)]), "holds no number"),
    (of(x=Annotated[int, Interval(ge=1, le=9), MultipleOf(0.5)]), r"MultipleOf\(0.5\)"),
    (of(x=Annotated[float, Interval(ge=0, le=1), MultipleOf(1e-9)]), "too fine"),
    (of(x=Literal[b"bytes"]), "Literal values must be"),
    (of(x=Unit | Annotated[int, Interval(ge=1, le=3)]), "share a whole number from 1 to 3"),
    (of(x=Unit | Literal[0]), "share a number from 0 to 1"),
    (of(x=tuple[bool] | tuple[bool, bool]), "at most one alternative may be a tuple"),
    (of(x=Typed | Other), "rename the field 'type' of Typed"),
    (of(x=Other | make_dataclass("Other", [], frozen=True)), "two alternatives are called alike"),
    (High, r"field 'x' of High has the default 1.5; expected a number from 0 to 1"),
    (Never, r"no valid Never was found .*is never enough.*loosen Never.valid"),
    (Property, "Property.valid is a property"),
    (Starting, "InitVar"),
    (Endless, "no value of Endless fits into a recursion depth of 4"),
    (Annotated[Endless, Depth(0)], "fits into a recursion depth"),
]


@pytest.mark.parametrize(("kind", "sentence"), REFUSED)
def test_refusals_are_clear(kind: Any, sentence: str) -> None:
    with pytest.raises(SpaceError, match=sentence):
        Space(kind)


def test_log_and_depth_refuse_nonsense() -> None:
    with pytest.raises(SpaceError, match="0 < low <= high"):
        Log(0, 1)
    with pytest.raises(SpaceError, match="whole number from 0"):
        Depth(-1)


def test_what_a_type_refuses_when_built_is_told() -> None:
    space = Space(Strict)
    with pytest.raises(SpaceError, match=r"a is below b; put what must hold .* valid\(self\)"):
        space.load('{"a": 0.1, "b": 0.2}')


def test_types_inside_a_function() -> None:
    @dataclass(frozen=True)
    class Leaf:
        x: Unit

    @dataclass(frozen=True)
    class Node:
        left: Tree
        right: Tree

    Tree = Union[Node, Leaf]  # noqa: UP007
    space = Space(Tree, max_depth=2)
    deep = Node(Node(Leaf(0.1), Leaf(0.2)), Leaf(0.3))
    assert space.contains(deep)
    assert not space.contains(Node(deep, deep))
    assert space.load(space.dump(deep)) == deep


def test_a_name_that_cannot_be_found() -> None:
    with pytest.raises(SpaceError, match="the name 'Missing' in an annotation cannot be found"):
        Space(make_dataclass("Lost", [("x", "Missing")], frozen=True))


def test_strings_inside_an_alias() -> None:
    space = Space(Annotated[tuple["Other", ...], Len(1, 2)])
    assert space.contains((Other(0.5),))


def test_type_aliases() -> None:
    # What `type Alias = ...` makes from Python 3.12 on.
    alias = getattr(typing, "TypeAliasType", None)
    kind = alias("Alias", Other | Typed) if alias else Other | None
    assert Space(of(x=kind)).size() == float("inf")


@dataclass(frozen=True)
class Fields:
    """Defaults of every sort."""

    items: Annotated[tuple[Literal["a", "b"], ...], Len(1, 3)]
    rate: Annotated[float, Log(1e-4, 1e-2)]
    n: Annotated[int, Interval(ge=0, le=10)]
    other: Other | Third
    flag: bool
    maybe: Unit | None = None
    listed: tuple[Unit, Unit] = (0.25, 0.75)
    made: Other = field(default_factory=lambda: Other(0.125))


def test_defaults() -> None:
    start = Space(Fields).default()
    assert start == Fields(
        items=("a",), rate=0.001, n=5, other=Other(0.5), flag=False,
    )  # fmt: skip
    assert start.made == Other(0.125)


def test_a_default_in_conflict_gives_way_to_a_valid_start() -> None:
    @dataclass(frozen=True)
    class Both:
        a: bool = True
        b: bool = True

        def valid(self) -> bool:
            return not (self.a and self.b)

    start = Space(Both).default()
    assert (start.a, start.b) == (False, True)


def test_open_bounds_and_floats_given_as_ints() -> None:
    space = Space(of(x=Annotated[float, Gt(0), Lt(1)], n=Annotated[int, Gt(0), Lt(3)]))
    assert space.contains(space.kind(0.5, 1))
    assert not space.contains(space.kind(0.0, 1))
    assert not space.contains(space.kind(1.0, 1))
    assert not space.contains(space.kind(0.5, 3))
    assert not space.contains(space.kind(0.5, True))
    wide = Space(of(x=Unit))
    assert wide.dump(wide.kind(1)) == wide.dump(wide.kind(1.0)) == '{"x":1.0}'
    assert wide.dump(wide.kind(-0.0)) == '{"x":0.0}'


def test_check_names_what_is_wrong() -> None:
    space = Space(Fields)
    good = space.sample(Key.of(0))
    assert space.check(good) is good
    with pytest.raises(SpaceError, match="n: expected a whole number from 0 to 10; got 11"):
        space.check(Fields(("a",), 0.001, 11, Other(0.5), True))
    for stranger in (None, 3, "x", Other(0.1), Fields(("a",), 0.001, 1, None, True)):  # type: ignore[arg-type]
        assert not space.contains(stranger)
        with pytest.raises(SpaceError):
            space.check(stranger)


DOCUMENTS = [
    ("{", "not JSON"),
    ("[" * 100_000, "nested deeper"),
    ('{"x": NaN}', "NaN is no number"),
    ('{"x": 1, "x": 1}', "'x' stands twice"),
    ("3", "expected an object for Other; got 3"),
    ("{}", "with the key 'x'"),
    ('{"y": 1}', "key 'y' is unknown"),
    ('{"x": "1"}', "x: expected a number from 0 to 1; got '1'"),
    ('{"x": 1e999}', "got inf"),
    ('{"x": true}', "got True"),
]


@pytest.mark.parametrize(("document", "sentence"), DOCUMENTS)
def test_documents_are_refused_clearly(document: str, sentence: str) -> None:
    with pytest.raises(SpaceError, match=sentence):
        Space(Other).load(document)


def test_nearest_names_and_paths() -> None:
    space = Space(Fields)
    body = '{"items":["a"],"rate":0.001,"n":1,"flag":true,"other":%s}'
    assert space.load(body % '{"type":"Other","x":0.5}').other == Other(0.5)
    with pytest.raises(SpaceError, match=r"other: .*'Other', 'Third'; got 'Othr'. Did you mean 'O"):
        space.load(body % '{"type":"Othr","x":0.5}')
    with pytest.raises(SpaceError, match=r"other\.x: expected a number from 0 to 1; got 2"):
        space.load(body % '{"type":"Other","x":2}')
    with pytest.raises(SpaceError, match=r"items\[1\]: expected one of \"a\", \"b\"; got 'c'"):
        space.load(body.replace('["a"]', '["a","c"]') % '{"type":"Other","x":0}')
