"""How far two designs are from one another: the edits that lead from one document to the other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4096)
def words(document: str) -> tuple[str, ...]:
    """A design's JSON as words, depth first: one for each value, for each item and end of a list.

    Numbers keep one significant digit: what differs by less is no other design.

    >>> words('{"lr":0.0012,"stages":[{"type":"Conv","width":16}]}')
    ('lr 0.001', ',', 'type Conv', 'width 2e+01', 'stages ]')
    """
    return tuple(_words("", json.loads(document)))


def _words(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _words(key, part)
    elif isinstance(value, list):
        for part in value:
            yield ","
            yield from _words("", part)
        yield f"{name} ]"
    elif isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        yield f"{name} {value:.1g}"
    else:
        yield f"{name} {value}"


@lru_cache(maxsize=65536)
def distance(a: str, b: str) -> float:
    """The share of words that must change to make one document of the other: 0 alike, 1 all.

    Levenshtein's distance (a word put in, left out or replaced) over the longer document's words,
    by Hyyrö's bit-parallel algorithm ("Explaining and Extending the Bit-Parallel Approximate String
    Matching Algorithm of Myers", 2001).

    >>> distance('{"width":16,"type":"Conv"}', '{"width":64,"type":"Conv"}')
    0.5
    """
    one, other = words(a), words(b)
    longest = max(len(one), len(other))
    return edits(one, other) / longest if longest else 0.0


def edits(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """The smallest number of words to put in, leave out or replace.

    >>> edits(("a", "b", "c"), ("a", "c", "d"))
    2
    """
    if not one:
        return len(other)
    places: dict[str, int] = {}
    for i, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << i
    every, last, found = (1 << len(one)) - 1, 1 << (len(one) - 1), len(one)
    more, less = every, 0  # where the column of the table rises and falls from row to row
    for word in other:
        alike = places.get(word, 0)
        steps = (((alike & more) + more) ^ more) | alike | less
        up, down = less | (every & ~(steps | more)), more & steps
        found += (up & last > 0) - (down & last > 0)
        up, down = (up << 1 | 1) & every, (down << 1) & every
        more, less = down | (every & ~(steps | up)), up & steps
    return found


def nearest(document: str, others: Iterable[str]) -> float | None:
    """The distance from the nearest of the others; None where there are none."""
    return min((distance(document, other) for other in others), default=None)
