"""`Space`: a Python type as a search space."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from modelwright.core.canonical import canonical, digest
from modelwright.core.errors import SpaceError
from modelwright.core.keys import Key
from modelwright.core.trial import Candidate
from modelwright.spaces import draw, operators, schema, text, tokens
from modelwright.spaces.compile import compile_type, name_of
from modelwright.spaces.encode import Unroller, blank
from modelwright.spaces.layout import Layout, is_wide
from modelwright.spaces.nodes import Node

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

COUNT_LIMIT = 10_000


class Space:
    """A type compiled for search.

    `kind` is a frozen dataclass, a union of them, or any annotation a field may have. `max_depth`
    is how many values of recursive types may stand inside one another; `max_columns` bounds the
    encoding of recursive and repeated parts (see `encode.py`). `settled` names fields of classes
    (numbers and named values) that no operator changes, though any of their values may be loaded.

    A method `valid(self) -> bool | str` on a dataclass is a constraint between its fields; a text
    says why a value is refused. Every operator keeps it. Operators are pure functions of their
    arguments and take designs of this space; `contains` and `check` take anything. Raises
    SpaceError for types that cannot be searched, or in which no valid design is found.

    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> from annotated_types import Interval
    >>> from modelwright.spaces import Log, Space
    >>> @dataclass(frozen=True)
    ... class Adam:
    ...     rate: Annotated[float, Log(1e-5, 1e-1)] = 1e-3
    >>> @dataclass(frozen=True)
    ... class Sgd:
    ...     rate: Annotated[float, Log(1e-4, 1)]
    ...     momentum: Annotated[float, Interval(ge=0, lt=1)] = 0.9
    >>> @dataclass(frozen=True)
    ... class Recipe:
    ...     optimiser: Adam | Sgd
    ...     layers: Annotated[int, Interval(ge=1, le=8)] = 2
    >>> space = Space(Recipe)
    >>> space.default()
    Recipe(optimiser=Adam(rate=0.001), layers=2)
    >>> space.dump(space.default())
    '{"layers":2,"optimiser":{"rate":0.001,"type":"Adam"}}'
    >>> design = space.sample(Key.of(1))
    >>> space.contains(design), space.load(space.dump(design)) == design
    (True, True)
    >>> [column.path for column in space.layout()][:3]
    ['optimiser', 'optimiser<Adam>.rate', 'optimiser<Sgd>.rate']
    """

    def __init__(
        self,
        kind: Any,
        *,
        max_depth: int = 4,
        max_columns: int = 256,
        settled: Mapping[type, Collection[str]] | None = None,
    ) -> None:
        self.kind, self.max_depth, self.max_columns = kind, max_depth, max_columns
        self.root: Node = compile_type(kind, max_depth, settled)

    # -- operators ---------------------------------------------------------------------------

    def default(self) -> Any:
        """The start: declared defaults, else the first choice, shortest tuple, (log) middle."""
        return self.root.start

    def sample(self, key: Key) -> Any:
        """A design drawn at random.

        Uniform over the alternatives of each union, the lengths of each tuple and the (log) range
        of each number. Designs that break a constraint are drawn again, and repaired after 64
        tries, so that rare regions come nearer to the default than they should.
        """
        return self.root.sample(key.random())

    def mutate(self, design: Any, key: Key, size: Literal["small", "large"] = "small") -> Any:
        """A changed design, different from the given one unless the space holds no other in reach.

        `small` changes one elementary part: a number by a normal step of 0.15 of its (log) range,
        a category, the length of a tuple or the order of its items, an alternative of a union
        (fields of the same name stay). `large` draws several parts anew.
        """
        return operators.mutate(self.root, design, key.random(), size == "large")

    def cross(self, a: Any, b: Any, key: Key) -> Any:
        """A design with parts of both: each part from either, numbers sometimes in between."""
        return operators.cross(self.root, a, b, key.random())

    def neighbours(self, design: Any) -> Iterator[Any]:
        """Every valid design at one elementary change, each once, in a fixed order."""
        return operators.neighbours(self.root, design)

    def repair(self, design: Any) -> Any:
        """The design itself when valid, else a valid one near it: a function of the design alone.

        The design must have the right shape and may break constraints.
        """
        if self.root.sound(design):
            return design
        return self.root.mend(design, Random(self.dump(design)))

    # -- numbers -----------------------------------------------------------------------------

    @cached_property
    def _unrolled(self) -> Unroller:
        return Unroller(self.root, self.max_columns)

    @cached_property
    def _layouts(self) -> tuple[Layout, Layout]:
        plain = self._unrolled.layout
        return plain, plain.one_hot()

    def layout(self, one_hot: bool = False) -> Layout:
        """What each column of `encode` means and when it exists."""
        return self._layouts[one_hot]

    def encode(self, design: Any, one_hot: bool = False) -> tuple[float, ...]:
        """The design as numbers, one for each column of `layout(one_hot)`; absent parts are -1."""
        row = self._blank.copy()
        self._code(design, row)
        return tuple(self._widened(row) if one_hot else row)

    def encode_many(self, designs: Sequence[Any], one_hot: bool = False) -> Matrix:
        """The codes of several designs, [n_designs, n_columns], float64."""
        import numpy as np

        rows = []
        for design in designs:
            row = self._blank.copy()
            self._code(design, row)
            rows.append(self._widened(row) if one_hot else row)
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.layout(one_hot)))

    @cached_property
    def _blank(self) -> list[float]:
        return blank(self.layout())

    @cached_property
    def _code(self) -> Any:
        return self._unrolled.part.code

    def _widened(self, row: Sequence[float]) -> list[float]:
        wide: list[float] = []
        for n, code in zip(self._spread, row, strict=True):
            if not n:
                wide.append(code)
            elif code < 0:
                wide += [code] * n
            else:
                wide += [0.0] * n
                wide[int(code) - n] = 1.0
        return wide

    @cached_property
    def _spread(self) -> list[int]:
        """How many one-hot columns each column widens to; 0 where it stays."""
        return [len(c.categories) if is_wide(c) else 0 for c in self.layout()]

    @property
    def unit_dimension(self) -> int:
        """How many coordinates a point of the unit cube has: one per column, summaries aside."""
        return len(self._unrolled.unit_columns)

    @property
    def unit_columns(self) -> Sequence[int]:
        """For each unit coordinate its column in `layout()`: 0, 1, 2... where it is exact."""
        return self._unrolled.unit_columns

    def from_unit(self, point: Sequence[float]) -> Any:
        """The design at a point of the unit cube; coordinates of parts it lacks say nothing.

        Every design of a space with an exact layout is reached (free floats: up to rounding).
        Where constraints refuse the point, a valid design near it is given.
        """
        if len(point) != self.unit_dimension:
            raise SpaceError(
                f"a point of this space has {self.unit_dimension} coordinates; got {len(point)}."
            )
        return self.repair(self._unrolled.part.build([float(u) for u in point]))

    def to_unit(self, design: Any) -> tuple[float, ...]:
        """A point that `from_unit` maps to the design; 1/2 where a part does not exist."""
        row = [0.5] * self.unit_dimension
        self._unrolled.part.point(design, row)
        return tuple(row)

    # -- documents ---------------------------------------------------------------------------

    def dump(self, design: Any) -> str:
        """The canonical JSON of a design: equal texts are equal designs."""
        return canonical(self.root.plain(design))

    def load(self, document: str) -> Any:
        """The design that a JSON text describes; fields with a default may be left out.

        Raises SpaceError that names the path, what was expected and what came.
        """
        try:
            data = json.loads(document, object_pairs_hook=_once, parse_constant=_no_constant)
        except ValueError as error:
            raise SpaceError(f"the design is not JSON: {error}.") from None
        except RecursionError:
            raise SpaceError("the design is nested deeper than any of this space.") from None
        return self.root.read(data, "")

    def contains(self, design: Any) -> bool:
        """True for the valid designs of this space."""
        return self.root.fits(design)

    def check(self, design: Any) -> Any:
        """The design itself; raises SpaceError that says why it is not one of this space."""
        if self.root.fits(design):
            return design
        try:
            self.load(self.dump(design))
        except SpaceError:
            raise
        except (KeyError, AttributeError, TypeError, IndexError, ValueError):
            pass
        raise SpaceError(f"expected {self.root.expects()} of this space; got {design!r}.")

    def candidate(self, design: Any, parents: Sequence[str] = ()) -> Candidate:
        """The design as a candidate, with the ids of the candidates it came from."""
        return Candidate(canonical(self.root.plain(design)), tuple(parents), design)

    def design(self, candidate: Candidate) -> Any:
        """The design of a candidate, read from its document where it did not travel along."""
        return candidate.design if candidate.design is not None else self.load(candidate.document)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of the documents `load` takes; `valid` is not in it."""
        return schema.json_schema(self.root)

    def tokens(self, design: Any) -> tuple[str, ...]:
        """The design as a sequence of words of `vocabulary()`, for sequence models."""
        return tuple(tokens.tokens(self.root, design))

    def from_tokens(self, sequence: Sequence[str]) -> Any:
        """The design that `tokens` wrote; raises SpaceError at the first word out of place."""
        return tokens.from_tokens(self.root, sequence)

    def vocabulary(self) -> tuple[str, ...]:
        """Every word that `tokens` can use in this space, sorted."""
        return tokens.vocabulary(self.root)

    # -- words and pictures ------------------------------------------------------------------

    def describe(self, design: Any) -> str:
        """The design on one line."""
        return text.describe(self.root, design)

    def difference(self, a: Any, b: Any) -> str:
        """What changed from `a` to `b`, in words, such as `dropout 0.1 -> 0.3`."""
        return text.difference(self.root, a, b)

    def draw(self, design: Any) -> str:
        """The design as a tree of ASCII lines."""
        return draw.draw(self.root, design)

    def draw_svg(self, design: Any) -> str:
        """The design as a self-contained SVG document."""
        return draw.draw_svg(self.root, design)

    # -- the whole ---------------------------------------------------------------------------

    def size(self) -> float:
        """How many designs there are; infinite with free floats.

        With constraints it is exact up to 10,000 designs of the right shape, and an upper bound
        beyond.
        """
        return self._size

    @cached_property
    def _size(self) -> float:
        if self.root.constrained and self.root.size <= COUNT_LIMIT:
            return sum(1 for _ in self.root.everything())
        return self.root.size

    @property
    def name(self) -> str:
        """The name of the type."""
        return name_of(self.kind)

    @cached_property
    def hash(self) -> str:
        """Identity of the space: the hash of its JSON Schema without descriptions."""
        return digest(schema.json_schema(self.root, described=False))

    def __repr__(self) -> str:
        return f"Space({self.name})"

    def enumerate(self) -> Iterator[Any]:
        """All valid designs, each once, in a fixed order; raises SpaceError with free floats."""
        return self.root.everything()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")
