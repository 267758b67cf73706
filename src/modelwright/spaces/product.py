"""Values with parts: a frozen dataclass, or a tuple of fixed length."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from random import Random
from typing import Any

from modelwright.core.errors import SpaceError, did_you_mean
from modelwright.spaces.nodes import Node, product_of, refuse

SAMPLE_TRIES = 64
MEND_TRIES = 60
START_TRIES = 4000


class Product(Node):
    """One value for each part. `cls` is None for a fixed tuple, which has no constraint of its own.

    `declared` holds the dataclass defaults of the parts that have one.
    """

    __slots__ = ("_own", "_take", "cls", "declared", "make", "name", "names", "parts")

    def __init__(
        self,
        cls: type | None,
        name: str,
        names: Sequence[str],
        parts: Sequence[Node],
        declared: dict[str, Any],
        make: Callable[[Sequence[Any]], Any],
        recursive: bool = False,
    ) -> None:
        """Raises SpaceError when no valid value is found in a bounded search."""
        self.cls, self.name = cls, name
        self.names, self.parts, self.declared = tuple(names), tuple(parts), declared
        self.make = make
        self._take = _taker(cls, self.names)
        own = getattr(cls, "valid", None) if "valid" not in names else None
        self._own = own if callable(own) else None
        self.size = product_of(p.size for p in parts)
        counts = [p.n_sites for p in parts]
        self.n_sites = None if None in counts else sum(c for c in counts if c)
        self.constrained = self._own is not None or any(p.constrained for p in parts)
        self.recursive = recursive
        self.start = self._find_start()

    def values(self, value: Any) -> Sequence[Any]:
        """The parts of a value, in order."""
        return self._take(value)

    def with_parts(self, value: Any, changes: dict[int, Any]) -> Any:
        """A copy with some parts replaced, by their place."""
        values = list(self._take(value))
        for i, part in changes.items():
            values[i] = part
        return self.make(values)

    def objection(self, value: Any) -> str | None:
        """Why the type's own `valid` refuses this value, or None when it does not."""
        if self._own is None:
            return None
        answer = self._own(value)
        if answer is True:
            return None
        return answer if isinstance(answer, str) else f"{self.name}.valid() says no"

    def _find_start(self) -> Any:
        value = self.make([self.declared.get(n, p.start) for n, p in zip_(self.names, self.parts)])
        reason = self.objection(value)
        if reason is None:
            return value
        for near in itertools.islice(self.around(value), START_TRIES):
            if self.sound(near):
                return near
        rng = Random(0)
        for _ in range(START_TRIES):
            drawn = self.make([p.sample(rng) for p in self.parts])
            if self.objection(drawn) is None:
                return drawn
        raise SpaceError(
            f"no valid {self.name} was found in {2 * START_TRIES} tries (its default: {reason}); "
            f"loosen {self.name}.valid or give the fields defaults that are valid together."
        )

    def sample(self, rng: Random) -> Any:
        for _ in range(SAMPLE_TRIES):
            value = self.make([p.sample(rng) for p in self.parts])
            if self._own is None or self.objection(value) is None:
                return value
        return self.mend(value, rng)

    def fits(self, value: Any) -> bool:
        if self.cls is None:
            if type(value) is not tuple or len(value) != len(self.parts):
                return False
        elif type(value) is not self.cls:
            return False
        parts = self._take(value)
        return all(p.fits(v) for p, v in zip_(self.parts, parts)) and self.objection(value) is None

    def sites(self, value: Any) -> int:
        if self.n_sites is not None:
            return self.n_sites
        return sum([p.sites(v) for p, v in zip_(self.parts, self._take(value))])

    def sound(self, value: Any) -> bool:
        if not self.constrained:
            return True
        for part, v in zip_(self.parts, self._take(value)):
            if part.constrained and not part.sound(v):
                return False
        return self.objection(value) is None

    def mend(self, value: Any, rng: Random) -> Any:
        if not self.constrained:
            return value
        values = [p.mend(v, rng) for p, v in zip_(self.parts, self._take(value))]
        value = self.make(values)
        if self.objection(value) is None:
            return value
        for t in range(MEND_TRIES):
            new = value
            for _ in range(1 + t // 12):
                n = self.sites(new)
                new = self.change(new, rng.randrange(n), rng, t >= 12) if n else new
            if self.sound(new):
                return new
        start = self._take(self.start)
        for i in rng.sample(range(len(values)), len(values)):
            values[i] = start[i]
            new = self.make(values)
            if self.objection(new) is None:
                return new
        return self.start

    def change(self, value: Any, site: int, rng: Random, large: bool) -> Any:
        values = list(self._take(value))
        for i, (part, v) in enumerate(zip_(self.parts, values)):
            n = part.sites(v)
            if site < n:
                values[i] = part.change(v, site, rng, large)
                return self.make(values)
            site -= n
        raise IndexError(site)

    def cross(self, a: Any, b: Any, rng: Random) -> Any:
        pairs = zip_(self.parts, self._take(a), self._take(b))
        return self.make([p.cross(x, y, rng) for p, x, y in pairs])

    def around(self, value: Any) -> Iterator[Any]:
        values = list(self._take(value))
        for i, part in enumerate(self.parts):
            for near in part.around(values[i]):
                yield self.make([*values[:i], near, *values[i + 1 :]])

    def plain(self, value: Any) -> Any:
        parts = [p.plain(v) for p, v in zip_(self.parts, self._take(value))]
        return parts if self.cls is None else dict(zip(self.names, parts, strict=True))

    def read(self, data: Any, path: str) -> Any:
        if self.cls is None:
            if not isinstance(data, list) or len(data) != len(self.parts):
                refuse(path, self.expects(), data)
            pairs = enumerate(zip_(self.parts, data))
            return tuple(p.read(v, f"{path}[{i}]") for i, (p, v) in pairs)
        if not isinstance(data, dict):
            refuse(path, self.expects(), data)
        for key in data:
            if key not in self.names:
                known = ", ".join(self.names) or "none"
                hint = f"{did_you_mean(key, self.names)} Known: {known}."
                refuse(
                    path, self.expects(), {key: data[key]}, f" The key {key!r} is unknown.{hint}"
                )
        values = []
        for name, part in zip_(self.names, self.parts):
            if name in data:
                values.append(part.read(data[name], f"{path}.{name}" if path else name))
            elif name in self.declared:
                values.append(self.declared[name])
            else:
                refuse(path, f"{self.expects()} with the key {name!r}", data)
        value = self.make(values)
        if (reason := self.objection(value)) is not None:
            refuse(path, f"a valid {self.name}", data, f" Reason: {reason}.")
        return value

    def everything(self) -> Iterator[Any]:
        for value in self._lists(0):
            made = self.make(value)
            if self.objection(made) is None:
                yield made

    def _lists(self, i: int) -> Iterator[list[Any]]:
        # itertools.product would hold every part's values in memory before the first one comes.
        if i == len(self.parts):
            yield []
            return
        for head in self.parts[i].everything():
            for tail in self._lists(i + 1):
                yield [head, *tail]

    def expects(self) -> str:
        if self.cls is None:
            return f"a list of {len(self.parts)} values"
        return f"an object for {self.name}"


def zip_(*lists: Sequence[Any]) -> Iterator[Any]:
    """zip() for lists known to be of equal length: called too often to check it each time."""
    return zip(*lists)  # noqa: B905


def _taker(cls: type | None, names: tuple[str, ...]) -> Callable[[Any], Sequence[Any]]:
    if cls is None:
        return lambda value: value
    if not names:
        return lambda value: ()
    if len(names) == 1:
        get = attrgetter(names[0])
        return lambda value: (get(value),)
    return attrgetter(*names)
