"""Named values: `Literal`, `Enum`, `bool`, `None`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.core.errors import SpaceError, did_you_mean
from modelwright.spaces.nodes import Node, refuse


class Category(Node):
    """A few values without parts. `words` are their JSON forms, `labels` distinct texts for them.

    With `ordered` nearby values are alike: steps then go to the next ones.
    """

    __slots__ = ("_index", "_read", "labels", "ordered", "values", "words")

    def __init__(self, values: Sequence[Any], words: Sequence[Any], ordered: bool = False) -> None:
        self.values, self.words, self.ordered = tuple(values), tuple(words), ordered
        # 1, 1.0 and True are equal in Python and different in JSON; the type tells them apart.
        self._index = {(type(v), v): i for i, v in enumerate(self.values)}
        self._read = {(type(w), w): i for i, w in enumerate(self.words)}
        if len(self._read) < len(self.words):
            raise SpaceError("two of the values have the same JSON form")
        labels = [w if isinstance(w, str) else canonical(w) for w in self.words]
        if len(set(labels)) < len(labels):
            labels = [canonical(w) for w in self.words]
        self.labels = tuple(labels)
        self.size = len(self.values)
        self.n_sites = int(self.size > 1)
        self.constrained = self.recursive = False
        self.start = self.values[0]

    def index(self, value: Any) -> int:
        """The place of a value of this node."""
        return self._index[type(value), value]

    def label(self, value: Any) -> str:
        """The text of a value of this node."""
        return self.labels[self._index[type(value), value]]

    def has_word(self, data: Any) -> bool:
        """True when the JSON data is the form of one of the values."""
        return self._place(data) is not None

    def _place(self, data: Any) -> int | None:
        if not isinstance(data, (str, int, float, type(None))):
            return None
        place = self._read.get((type(data), data))
        if place is None and isinstance(data, float) and data.is_integer():
            place = self._read.get((int, int(data)))  # JSON does not tell 3.0 from 3
        if place is None and type(data) is int:
            place = self._read.get((float, data))
        return place

    def sample(self, rng: Random) -> Any:
        return self.values[int(rng.random() * len(self.values))]

    def fits(self, value: Any) -> bool:
        try:
            return (type(value), value) in self._index
        except TypeError:  # not hashable, so none of ours
            return False

    def change(self, value: Any, site: int, rng: Random, large: bool) -> Any:
        i, n = self.index(value), len(self.values)
        if self.ordered and not large:
            return self.values[rng.choice([j for j in (i - 1, i + 1) if 0 <= j < n])]
        j = int(rng.random() * (n - 1))
        return self.values[j + (j >= i)]

    def cross(self, a: Any, b: Any, rng: Random) -> Any:
        return a if rng.random() < 0.5 else b

    def around(self, value: Any) -> Iterator[Any]:
        i = self.index(value)
        for j, other in enumerate(self.values):
            if j != i and (not self.ordered or abs(i - j) == 1):
                yield other

    def plain(self, value: Any) -> Any:
        return self.words[self._index[type(value), value]]

    def read(self, data: Any, path: str) -> Any:
        place = self._place(data)
        if place is not None:
            return self.values[place]
        texts = [w for w in self.words if isinstance(w, str)]
        hint = did_you_mean(data, texts) if isinstance(data, str) else ""
        return refuse(path, self.expects(), data, hint)

    def everything(self) -> Iterator[Any]:
        return iter(self.values)

    def expects(self) -> str:
        shown = [canonical(w) for w in self.words]
        if len(shown) > 12:
            shown = [*shown[:11], f"... ({len(shown)} in all)"]
        return shown[0] if len(shown) == 1 else "one of " + ", ".join(shown)
