"""The public suite on every kind of store, and appends against a plain list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.canonical import canonical
from modelwright.ledger import Ledger, open_ledger
from modelwright.testing.ledger import CHECKS, Factory, check_ledger


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_suite(check: Callable[[Factory], None], factory: Factory) -> None:
    check(factory)


def test_suite_in_memory() -> None:
    check_ledger(lambda: open_ledger(":memory:"), keeps=False)


class Forgetful(Ledger):
    """A ledger that loses a row, to see that the suite notices."""

    def rows(self, *arguments: Any, **options: Any) -> Any:
        return iter(list(super().rows(*arguments, **options))[1:])


def test_the_suite_notices_a_lost_row() -> None:
    def forgetful() -> Ledger:
        return Forgetful(open_ledger(":memory:")._store)

    with pytest.raises(AssertionError, match="rows"):
        check_ledger(forgetful, keeps=False)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
words = st.sampled_from(["order", "evidence", "verdict", "ключ", "a'b\"c"])
entries = st.lists(st.tuples(words, st.dictionaries(texts, json_values, max_size=4)), max_size=4)
Batch = tuple[str, bool, list[tuple[str, dict[str, Any]]]]
batches = st.lists(st.tuples(st.sampled_from(["one", "two"]), st.booleans(), entries), max_size=8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(batches=batches)
def test_appends_are_a_list(batches: list[Batch]) -> None:
    """Two studies, any batches, writers kept or taken anew: each study is a list of its entries."""
    model: dict[str, list[tuple[str, str]]] = {"one": [], "two": []}
    with open_ledger(":memory:") as ledger:
        writers = {study: ledger.writer(study) for study in model}
        for study, anew, entries in batches:
            if anew:
                writers[study].close()
                writers[study] = ledger.writer(study)
            writers[study].append(entries, durable=anew)
            model[study] += [(kind, canonical(body)) for kind, body in entries]
        for study, expected in model.items():
            rows = list(ledger.rows(study))
            assert [(row.kind, canonical(row.body)) for row in rows] == expected
            assert ledger.length(study) == len(expected)
            assert ledger.verify(study).ok
            for kind in {kind for kind, _ in expected}:
                assert list(ledger.rows(study, kinds=[kind])) == [r for r in rows if r.kind == kind]
