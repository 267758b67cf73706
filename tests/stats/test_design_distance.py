"""The distance between designs, and the novelty that readers tell."""

from __future__ import annotations

import random
from typing import Any

from modelwright.readers import novelty
from modelwright.readers.novelty import with_novelty
from modelwright.stats.design_distance import distance, edits, nearest


def by_table(one: str, other: str) -> int:
    """Levenshtein's distance as the textbooks compute it."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def test_edits_are_levenshteins() -> None:
    rng = random.Random(0)
    for _ in range(60):
        one, other = ("".join(rng.choices("abc", k=rng.randrange(80))) for _ in range(2))
        assert edits(tuple(one), tuple(other)) == by_table(one, other)


def test_distance_is_a_share_of_the_words() -> None:
    two = '{"stages":[{"width":16},{"width":32}],"lr":0.1}'
    three = '{"stages":[{"width":16},{"width":16},{"width":32}],"lr":0.1}'
    assert distance(two, two) == 0.0
    assert distance(two, three) == distance(three, two) == 2 / 8  # a comma and a width, of 8 words
    assert distance(two, two.replace("0.1", "0.104")) == 0.0  # the same to one digit
    assert distance("1", '["a","b"]') == 1.0
    assert nearest(two, []) is None
    assert nearest(two, [three, two]) == 0.0


def row(trial: int, design: Any, role: str = "search") -> dict[str, Any]:
    return {"trial": trial, "role": role, "design": design}


def test_novelty_is_from_the_known_and_from_those_before(monkeypatch: Any) -> None:
    designer = {"name": "inherit", "then": {"documents": ['{"a":1,"b":1}']}}
    rows = [
        row(3, {"type": "Final", "design": {"a": 2, "b": 2}}, "final"),
        row(2, {"a": 2, "b": 2}),
        row(1, {"a": 1, "b": 2}),
        row(0, {"b": 1, "a": 1}),
        row(4, {"members": []}, "blend"),
    ]
    told = [(r["novelty"], r["novelty_seen"]) for r in with_novelty(rows, designer)]
    assert told == [(1.0, 0.5), (1.0, 0.5), (0.5, 0.5), (0.0, None), (None, None)]
    numbers = [row(0, 3), row(1, 4)]  # of a search whose space is no dataclass
    assert [r["novelty_seen"] for r in with_novelty(numbers, {"name": "random"})] == [None, 1.0]
    monkeypatch.setattr(novelty, "MOST_PAIRS", 4)
    few = [r["novelty"] for r in with_novelty(rows, designer)]
    assert few == [1.0, None, None, None, None]
