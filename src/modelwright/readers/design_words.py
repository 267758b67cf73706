"""What tells two designs apart, from their documents alone: for readers that have no space."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelwright.core.canonical import canonical


def design_difference(a: Any, b: Any) -> list[str]:
    """What changed from the document `a` to `b` (plain data), one short text each.

    As `Space.difference` says it, but for names that only the space knows.

    >>> design_difference({"width": 16, "down": "max"}, {"width": 24, "down": "max"})
    ['width 16 -> 24']
    """
    return list(_changes(a, b, ""))


def design_words(value: Any) -> str:
    """A part of a document on one line.

    >>> design_words([{"type": "Conv", "kernel": 3}, 0.123456])
    '[Conv(kernel=3), 0.1235]'
    """
    if isinstance(value, Mapping):
        inside = ", ".join(f"{k}={design_words(v)}" for k, v in value.items() if k != "type")
        return f"{value.get('type', '')}({inside})" if inside else str(value.get("type", ""))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(design_words, value))}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    return {True: "yes", False: "no", None: "none"}[value] if _is_word(value) else str(value)


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _changes(a: Any, b: Any, path: str) -> Iterator[str]:
    if canonical(a) == canonical(b):
        return
    if isinstance(a, Mapping) and isinstance(b, Mapping) and a.get("type") == b.get("type"):
        for name in dict.fromkeys([*a, *b]):
            inside = f"{path}.{name}" if path else str(name)
            if name in a and name in b:
                yield from _changes(a[name], b[name], inside)
            else:
                word = "added" if name in b else "left out"
                yield f"{inside} {design_words((b if name in b else a)[name])} {word}"
        return
    if isinstance(a, list) and isinstance(b, list):
        yield from _item_changes(a, b, path)
        return
    before, after = design_words(a), design_words(b)
    if before == after:  # alike in four digits
        before, after = canonical(a), canonical(b)
    yield f"{path or 'design'} {before} -> {after}"


def _item_changes(a: Sequence[Any], b: Sequence[Any], path: str) -> Iterator[str]:
    old, new = ([canonical(item) for item in side] for side in (a, b))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for what, i, i_end, j, j_end in matcher.get_opcodes():
        if what == "equal":
            continue
        shared = min(i_end - i, j_end - j)
        for k in range(shared):
            yield from _changes(a[i + k], b[j + k], f"{path}[{i + k + 1}]")
        for k in range(i + shared, i_end):
            yield f"{path}[{k + 1}] {design_words(a[k])} left out"
        for k in range(j + shared, j_end):
            yield f"{path}[{k + 1}] {design_words(b[k])} added"
