"""From a type to its tree of nodes."""

from __future__ import annotations

import dataclasses
import enum
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

import annotated_types as at

from modelwright.core.errors import SpaceError
from modelwright.spaces.category import Category
from modelwright.spaces.choice import Choice
from modelwright.spaces.hints import Hints
from modelwright.spaces.metadata import Depth, Log, Ordered
from modelwright.spaces.nodes import Node
from modelwright.spaces.number import Number
from modelwright.spaces.product import Product
from modelwright.spaces.repeat import Repeat
from modelwright.spaces.settled import Settled

_UNIONS = (typing.Union, types.UnionType)


def compile_type(
    kind: Any, max_depth: int, settled: Mapping[type, Collection[str]] | None = None
) -> Node:
    """The tree of a type; raises SpaceError, naming the field, for what cannot be searched.

    `settled` names the fields of classes that are not to be searched: numbers and named values.
    """
    hints = Hints()
    compiler = _Compiler(hints, max_depth, settled or {})
    node = compiler.node(hints.root(kind), None, (), "the type")
    if node is None:
        raise SpaceError(f"no value of {name_of(kind)} fits into a recursion depth of {max_depth}.")
    return node


class _Compiler:
    """Builds nodes. `depth` is how many recursive types may still open; None before the first.

    A node is None when no value fits in the depth that is left.
    """

    def __init__(
        self, hints: Hints, max_depth: int, settled: Mapping[type, Collection[str]]
    ) -> None:
        self.hints, self.max_depth, self.settled = hints, max_depth, settled
        self._products: dict[tuple[type, int | None], Product | None] = {}

    def node(self, kind: Any, depth: int | None, meta: Sequence[Any], where: str) -> Node | None:
        while hasattr(kind, "__value__"):  # `type X = ...`
            kind = kind.__value__
        origin = typing.get_origin(kind)
        if origin is Annotated:
            base, *own = typing.get_args(kind)
            return self.node(base, depth, (*_flat(own), *meta), where)
        for word in meta:
            if isinstance(word, Depth):
                depth = word.limit if depth is None else min(depth, word.limit)
        if origin in _UNIONS:
            return self._union(typing.get_args(kind), depth, meta, where)
        if origin is tuple or kind is tuple:
            return self._tuple(typing.get_args(kind), kind, depth, meta, where)
        if origin is None and isinstance(kind, type) and dataclasses.is_dataclass(kind):
            _only(meta, (), where, "a dataclass")
            return self._product(kind, depth, where)
        return _leaf(kind, origin, meta, where)

    def _union(
        self, kinds: Sequence[Any], depth: int | None, meta: Sequence[Any], where: str
    ) -> Node | None:
        _only(meta, (Ordered,), where, "a union")
        nodes: list[Node] = []
        tagged = len(_declared_classes(kinds)) > 1
        for kind in kinds:
            node = self.node(kind, depth, (), where)
            if isinstance(node, Choice):
                nodes.extend(node.alternatives)
                tagged = tagged or node.tagged
            elif node is not None:
                nodes.append(node)
        if not nodes:
            return None
        if all(isinstance(n, Category) for n in nodes):
            parts = typing.cast(list[Category], nodes)
            values = [v for n in parts for v in n.values]
            words = [w for n in parts for w in n.words]
            return _named(values, words, any(isinstance(m, Ordered) for m in meta), where)
        _refuse_overlap(nodes, tagged, where)
        return Choice(nodes, tagged)

    def _tuple(
        self, args: Sequence[Any], kind: Any, depth: int | None, meta: Sequence[Any], where: str
    ) -> Node | None:
        _only(meta, (at.MinLen, at.MaxLen), where, "a tuple")
        if kind is tuple:
            raise SpaceError(f"{where} is a bare tuple: write tuple[X, ...] with a Len(low, high).")
        if len(args) == 2 and args[1] is ...:
            low = max((m.min_length for m in meta if isinstance(m, at.MinLen)), default=0)
            high = min((m.max_length for m in meta if isinstance(m, at.MaxLen)), default=None)
            if high is None or low > high:
                raise SpaceError(
                    f"{where} is a tuple of any length: write Annotated[tuple[X, ...], "
                    f"Len(low, high)]; got bounds {low} and {high}."
                )
            item = self.node(args[0], depth, (), f"an item of {where}")
            if item is None:  # no item fits in the depth that is left, so the tuple is empty
                return Repeat(Category((None,), (None,)), 0, 0) if low == 0 else None
            return Repeat(item, low, high)
        names = [str(i) for i in range(len(args))]
        nodes = [self.node(a, depth, (), f"{where}[{n}]") for a, n in zip(args, names, strict=True)]
        parts = [n for n in nodes if n is not None]
        if len(parts) < len(nodes):
            return None
        return Product(None, "tuple", names, parts, {}, tuple)

    def _product(self, cls: type, depth: int | None, where: str) -> Product | None:
        if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise SpaceError(
                f"{cls.__name__} ({where}) can be changed after it is made: "
                f"write @dataclass(frozen=True)."
            )
        inside = self.hints.reach(cls)
        recursive = cls in inside
        if recursive:
            depth = self.max_depth if depth is None else depth
            if depth == 0:
                return None
        elif not any(part in self.hints.reach(part) for part in inside):
            # Depth says nothing here: share the node. Depth() inside still reads its own.
            depth = None
        key = (cls, depth)
        if key not in self._products:
            inner = depth - 1 if recursive and depth is not None else depth
            self._products[key] = self._build(cls, inner, recursive)
        return self._products[key]

    def _build(self, cls: type, depth: int | None, recursive: bool) -> Product | None:
        annotations = self.hints.fields(cls)
        if isinstance(getattr(cls, "valid", None), property):
            raise SpaceError(f"{cls.__name__}.valid is a property; make it a method.")
        parts: list[Node] = []
        settled = self.settled.get(cls, ())
        fixed = {f.name: _default_of(f) for f in dataclasses.fields(cls) if f.name in settled}
        for name, kind in annotations.items():
            node = self.node(kind, depth, (), f"field {name!r} of {cls.__name__}")
            if node is None:
                return None
            if name in fixed:
                start = fixed[name]
                node = Settled(node, start if node.fits(start) else node.start)
            parts.append(node)
        declared = {}
        for field, part in zip((f for f in dataclasses.fields(cls) if f.init), parts, strict=True):
            given = _default_of(field)
            if given is dataclasses.MISSING:
                continue
            if part.fits(given):
                declared[field.name] = given
            elif not (part.recursive or self._recurses(annotations[field.name])):
                raise SpaceError(
                    f"field {field.name!r} of {cls.__name__} has the default {given!r}; "
                    f"expected {part.expects()}."
                )
        return Product(
            cls, cls.__name__, list(annotations), parts, declared, _maker(cls), recursive
        )

    def _recurses(self, kind: Any) -> bool:
        # A default that is too deep at the limit is no mistake: the node's own start stands in.
        return any(c in self.hints.reach(c) for c in _declared_classes((kind,)))


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _maker(cls: type) -> Callable[[Sequence[Any]], Any]:
    fields = [f for f in dataclasses.fields(cls) if f.init]
    names = [f.name for f in fields]
    make: Callable[[Sequence[Any]], Any] = lambda values: cls(*values)  # noqa: E731
    if any(f.kw_only for f in fields):
        make = lambda values: cls(**dict(zip(names, values, strict=True)))  # noqa: E731
    if not hasattr(cls, "__post_init__"):
        return make

    def careful(values: Sequence[Any]) -> Any:
        try:
            return make(values)
        except ValueError as error:
            shown = ", ".join(f"{n}={v!r}" for n, v in zip(names, values, strict=True))
            raise SpaceError(
                f"{cls.__name__}({shown}) cannot be built: {error}; put what must hold between "
                f"fields into a method valid(self) -> bool."
            ) from error

    return careful


def _leaf(kind: Any, origin: Any, meta: Sequence[Any], where: str) -> Node:
    ordered = any(isinstance(m, Ordered) for m in meta)
    if kind is int or kind is float:
        return _number(kind, meta, where)
    _only(meta, (Ordered,), where, "named values")
    if kind is None or kind is type(None):
        return Category((None,), (None,))
    if kind is bool:
        return Category((False, True), (False, True))
    if origin is Literal:
        values = list(typing.get_args(kind))
        words = [v.name if isinstance(v, enum.Enum) else v for v in values]
        if not all(isinstance(w, (str, int, float, type(None))) for w in words):
            raise SpaceError(f"{where}: Literal values must be texts, numbers, booleans or None.")
        return _named(values, words, ordered, where)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _named(list(kind), [member.name for member in kind], ordered, where)
    if kind is str:
        raise SpaceError(f"{where} is a text without a list of values: write Literal['a', 'b'].")
    raise SpaceError(
        f"{where} has the type {name_of(kind)}, which cannot be searched; use int and float with "
        f"ranges, bool, Literal, Enum, tuple, a frozen dataclass, or a union of these."
    )


def _named(values: list[Any], words: list[Any], ordered: bool, where: str) -> Category:
    try:
        if not values:
            raise SpaceError("there is no value to choose")
        return Category(values, words, ordered)
    except SpaceError as error:
        raise SpaceError(f"{where}: {error}.") from None


def _number(kind: type, meta: Sequence[Any], where: str) -> Number:
    whole = kind is int
    _only(meta, (Log, at.Ge, at.Gt, at.Le, at.Lt, at.MultipleOf), where, "a number")
    low, high, multiple, log = -math.inf, math.inf, None, False
    for word in meta:
        if isinstance(word, Log):
            low, high, log = max(low, word.low), min(high, word.high), True
        elif isinstance(word, at.Ge):
            low = max(low, typing.cast(float, word.ge))
        elif isinstance(word, at.Gt):
            low = max(low, _beyond(word.gt, math.inf, whole))
        elif isinstance(word, at.Le):
            high = min(high, typing.cast(float, word.le))
        elif isinstance(word, at.Lt):
            high = min(high, _beyond(word.lt, -math.inf, whole))
        elif isinstance(word, at.MultipleOf):
            multiple = typing.cast(float, word.multiple_of)
    if not math.isfinite(high - low):
        example = "Annotated[int, Interval(ge=1, le=10)]"
        if not whole:
            example = "Annotated[float, Interval(ge=0, le=1)]"
        article = "an int" if whole else "a float"
        raise SpaceError(f"{where} is {article} without a range: write {example}.")
    if multiple is not None and (multiple <= 0 or (whole and multiple != int(multiple))):
        raise SpaceError(f"{where}: MultipleOf({multiple}) does not fit {kind.__name__} values.")
    try:
        return Number(whole, low, high, log, multiple)
    except SpaceError as error:
        raise SpaceError(f"{where}, from {low:g} to {high:g}: {error}.") from None


def _beyond(bound: Any, towards: float, whole: bool) -> float:
    if not whole:
        return math.nextafter(bound, towards)
    return float(math.floor(bound) + 1 if towards > 0 else math.ceil(bound) - 1)


def _flat(meta: Sequence[Any]) -> list[Any]:
    out: list[Any] = []
    for word in meta:
        out.extend(word if isinstance(word, at.GroupedMetadata) else [word])
    return out


_WORDS = (
    Log, Ordered, at.Ge, at.Gt, at.Le, at.Lt, at.MultipleOf, at.MinLen, at.MaxLen, at.Predicate,
)  # fmt: skip


def _only(meta: Sequence[Any], known: tuple[type, ...], where: str, what: str) -> None:
    """Refuses words that mean something elsewhere; strangers' metadata is left alone."""
    for word in meta:
        if isinstance(word, at.Predicate):
            raise SpaceError(f"{where}: write a method valid(self) -> bool instead of a Predicate.")
        if isinstance(word, _WORDS) and not isinstance(word, known):
            raise SpaceError(f"{where}: {word!r} says nothing about {what}.")


def _declared_classes(kinds: Sequence[Any]) -> set[type]:
    """Dataclasses standing directly in a union, nested unions included."""
    found: set[type] = set()
    for kind in kinds:
        kind = getattr(kind, "__value__", kind)
        origin = typing.get_origin(kind)
        if origin is Annotated:
            found |= _declared_classes(typing.get_args(kind)[:1])
        elif origin in _UNIONS:
            found |= _declared_classes(typing.get_args(kind))
        elif isinstance(kind, type) and dataclasses.is_dataclass(kind):
            found.add(kind)
    return found


def _refuse_overlap(nodes: Sequence[Node], tagged: bool, where: str) -> None:
    """Every value belongs to one alternative, or a document could be read two ways."""
    products = [n for n in nodes if isinstance(n, Product) and n.cls]
    names = [p.name for p in products]
    if len(set(names)) < len(names):
        raise SpaceError(f"{where}: two alternatives are called alike; rename one of {names}.")
    for product in products:
        if tagged and "type" in product.names:
            raise SpaceError(
                f"{where}: rename the field 'type' of {product.name}; documents use it."
            )
    others = [n for n in nodes if n not in products]
    if sum(not isinstance(n, (Number, Category)) for n in others) > 1:
        raise SpaceError(f"{where}: at most one alternative may be a tuple; use dataclasses.")
    numbers = [n for n in others if isinstance(n, Number)]
    words = [w for n in others if isinstance(n, Category) for w in n.words]
    if len({(type(w), w) for w in words}) < len(words):
        raise SpaceError(f"{where}: the same value stands in two alternatives.")
    for i, a in enumerate(numbers):
        clash = [b for b in numbers[:i] if a.low <= b.high and b.low <= a.high]
        if clash or any(isinstance(w, (int, float)) and a.fits(w) for w in words):
            raise SpaceError(f"{where}: two alternatives share {a.expects()}; keep them apart.")


def name_of(kind: Any) -> str:
    """A type's name for people."""
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
