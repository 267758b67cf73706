"""Unions: one of several alternatives, each with its own parts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from modelwright.core.errors import did_you_mean
from modelwright.spaces.category import Category
from modelwright.spaces.nodes import Node, refuse, sum_of
from modelwright.spaces.number import Number
from modelwright.spaces.product import Product, zip_


class Choice(Node):
    """A value of one of the alternatives. `labels` are distinct names for them.

    With `tagged` an object carries its class name under the key `type`. At a depth limit only the
    alternatives that still fit are here; the document keeps its form.
    """

    __slots__ = ("_by_class", "_others", "alternatives", "labels", "tagged")

    def __init__(self, alternatives: Sequence[Node], tagged: bool) -> None:
        self.alternatives, self.tagged = tuple(alternatives), tagged
        self.labels = _labels(self.alternatives)
        self._by_class = {
            a.cls: i for i, a in enumerate(alternatives) if isinstance(a, Product) and a.cls
        }
        self._others = [i for i in range(len(alternatives)) if i not in self._by_class.values()]
        self.size = sum_of(a.size for a in alternatives)
        self.recursive = any(a.recursive for a in alternatives)
        self.n_sites = 0 if self.size == 1 else None
        self.constrained = any(a.constrained for a in alternatives)
        # The first choice; of a recursive union the first that ends the recursion.
        simple = [a for a in alternatives if not a.recursive]
        self.start = (simple or alternatives)[0].start

    def which(self, value: Any) -> int:
        """The place of the alternative that a value has the shape of, else -1.

        It may break a constraint of that alternative: operators ask before they repair.
        """
        i = self._by_class.get(type(value))
        if i is not None:
            return i
        for i in self._others:
            other = self.alternatives[i]
            leaf = isinstance(other, (Number, Category))
            if other.fits(value) if leaf else type(value) is tuple:
                return i
        return -1

    def sample(self, rng: Random) -> Any:
        return self.alternatives[int(rng.random() * len(self.alternatives))].sample(rng)

    def fits(self, value: Any) -> bool:
        i = self.which(value)
        return i >= 0 and self.alternatives[i].fits(value)

    def sites(self, value: Any) -> int:
        own = len(self.alternatives) > 1
        return own + self.alternatives[self.which(value)].sites(value)

    def sound(self, value: Any) -> bool:
        return not self.constrained or self.alternatives[self.which(value)].sound(value)

    def mend(self, value: Any, rng: Random) -> Any:
        return self.alternatives[self.which(value)].mend(value, rng)

    def change(self, value: Any, site: int, rng: Random, large: bool) -> Any:
        i, n = self.which(value), len(self.alternatives)
        if n > 1:
            if site == 0:
                return self._switched(value, i, rng, large)
            site -= 1
        if large and rng.random() < 0.3:
            return self.alternatives[i].sample(rng)
        return self.alternatives[i].change(value, site, rng, large)

    def _switched(self, value: Any, i: int, rng: Random, large: bool) -> Any:
        if self.recursive and not large and rng.random() < 0.5:
            moves = [*self._inner(value, i), *self._outer(value)]
            if moves:
                return rng.choice(moves)
        j = int(rng.random() * (len(self.alternatives) - 1))
        j += j >= i
        new = self.alternatives[j].sample(rng)
        return new if large else self._kept(value, i, j, new)

    def _kept(self, value: Any, i: int, j: int, new: Any) -> Any:
        """The new alternative with the old one's parts of the same name, where they fit."""
        a, b = self.alternatives[i], self.alternatives[j]
        if not (isinstance(a, Product) and isinstance(b, Product) and a.cls and b.cls):
            return new
        old = dict(zip_(a.names, a.values(value)))
        shared = {
            k: old[name]
            for k, name in enumerate(b.names)
            if name in old and b.parts[k].fits(old[name])
        }
        changed = b.with_parts(new, shared) if shared else new
        return changed if b.objection(changed) is None else new

    def _inner(self, value: Any, i: int) -> Iterator[Any]:
        """Parts of the value that could stand in its place."""
        a = self.alternatives[i]
        if isinstance(a, Product):
            for part in a.values(value):
                for inner in part if isinstance(part, tuple) else (part,):
                    if type(inner) in self._by_class and self.fits(inner):
                        yield inner

    def _outer(self, value: Any) -> Iterator[Any]:
        """Alternatives that could hold the value as a part."""
        for b in self.alternatives:
            if isinstance(b, Product) and b.recursive:
                for k, part in enumerate(b.parts):
                    if isinstance(part, Choice) and part.recursive_for(value):
                        yield b.with_parts(b.start, {k: value})

    def recursive_for(self, value: Any) -> bool:
        """True when the value, of a class known here, fits with the depth that is left."""
        return type(value) in self._by_class and self.fits(value)

    def cross(self, a: Any, b: Any, rng: Random) -> Any:
        i = self.which(a)
        if i == self.which(b):
            return self.alternatives[i].cross(a, b, rng)
        return a if rng.random() < 0.5 else b

    def around(self, value: Any) -> Iterator[Any]:
        i = self.which(value)
        for j, other in enumerate(self.alternatives):
            if j != i and isinstance(other, Category):
                yield from other.values
            elif j != i:
                yield self._kept(value, i, j, other.start)
        if self.recursive:
            yield from itertools.chain(self._inner(value, i), self._outer(value))
        yield from self.alternatives[i].around(value)

    def plain(self, value: Any) -> Any:
        i = self.which(value)
        data = self.alternatives[i].plain(value)
        if self.tagged and type(data) is dict:
            data["type"] = self.labels[i]
        return data

    def read(self, data: Any, path: str) -> Any:
        if isinstance(data, dict) and self._by_class:
            return self._read_object(data, path)
        others = [self.alternatives[i] for i in self._others]
        # A value of the very kind first: 3.0 is a float before it is a whole number.
        for other in others:
            if _is_form_of(data, other):
                return other.read(data, path)
        if isinstance(data, float) and data.is_integer():
            for other in others:
                if isinstance(other, Number) and other.fits(int(data)):
                    return other.read(data, path)
        words = [w for a in others if isinstance(a, Category) for w in a.words]
        texts = [w for w in words if isinstance(w, str)]
        hint = did_you_mean(data, texts) if isinstance(data, str) else ""
        return refuse(path, self.expects(), data, hint)

    def _read_object(self, data: dict[str, Any], path: str) -> Any:
        if not self.tagged:
            return self.alternatives[next(iter(self._by_class.values()))].read(data, path)
        named = {self.labels[i]: i for i in self._by_class.values()}
        tag = data.get("type")
        if not isinstance(tag, str) or tag not in named:
            hint = did_you_mean(tag, named) if isinstance(tag, str) else ""
            known = ", ".join(repr(n) for n in named)
            refuse(path, f"an object whose 'type' is one of {known}", tag if tag else data, hint)
        rest = {k: v for k, v in data.items() if k != "type"}
        return self.alternatives[named[tag]].read(rest, path)

    def everything(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(a.everything() for a in self.alternatives)

    def expects(self) -> str:
        return " or ".join(a.expects() for a in self.alternatives)


def _is_form_of(data: Any, node: Node) -> bool:
    if isinstance(node, Number):
        return node.fits(data)
    if isinstance(node, Category):
        return node.has_word(data)
    return isinstance(data, list)


def _labels(alternatives: Sequence[Node]) -> tuple[str, ...]:
    labels: list[str] = []
    for node in alternatives:
        if isinstance(node, Product):
            label = node.name
        elif isinstance(node, Number):
            label = "int" if node.whole else "float"
        elif isinstance(node, Category):
            label = node.labels[0] if len(node.labels) == 1 else "literal"
        else:
            label = "tuple"
        n = sum(known == label or known.startswith(label + "#") for known in labels)
        labels.append(f"{label}#{n + 1}" if n else label)
    return tuple(labels)
