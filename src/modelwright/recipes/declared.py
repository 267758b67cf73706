"""Declared directions: what a person knows of a column, and who can keep to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from modelwright.core.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from modelwright.data.schema import Schema

Directions = tuple[tuple[str, int], ...]
_SIGNS = {"+": 1, "-": -1}


def parse_directions(texts: Sequence[str]) -> Directions:
    """Names with +1 (the answer may only rise with it) or -1 (only fall), from `"age:+"`.

    Raises InputError for another form, and for a column that is named twice.

    >>> parse_directions(["age:+", "rate: of:-"])
    (('age', 1), ('rate: of', -1))
    """
    out: dict[str, int] = {}
    for text in texts:
        name, _, sign = text.rpartition(":")
        if not name.strip() or sign.strip() not in _SIGNS:
            raise InputError(
                f"a monotone column is written column:+ (the answer may only rise with it) or "
                f"column:- (only fall); got {text!r}."
            )
        if name.strip() in out:
            raise InputError(f"the column {name.strip()!r} is declared monotone twice.")
        out[name.strip()] = _SIGNS[sign.strip()]
    return tuple(out.items())


def check_directions(directions: Directions, schema: Schema) -> None:
    """Refuses columns that cannot be monotone, and a target that has no direction."""
    if not directions:
        return
    if schema.task == "multiclass":
        raise InputError(
            f"monotone columns go with two classes or a number to predict; {schema.target!r} has "
            f"{len(schema.classes)} classes. Leave --monotone out."
        )
    kinds = {c.name: c.kind for c in schema.columns}
    for name, _ in directions:
        if name not in kinds:
            raise InputError(
                f"there is no column {name!r} to be monotone.{did_you_mean(name, kinds)} "
                f"Columns that are ids, constant, dropped or the target do not count."
            )
        if kinds[name] != "numeric":
            raise InputError(
                f"the column {name!r} holds {kinds[name]} values; only a numeric one has a "
                "direction to be monotone in."
            )


def keeping(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The families that keep declared directions, and a line for those that are left out.

    >>> keeping(["Linear", "KNearest", "Forest"])[1]
    ['left out: KNearest, Forest cannot keep a column monotone']
    """
    from modelwright.families import available

    known, missing = available(names)
    kept = [kind.__name__ for kind in known if kind.keeps_monotone]
    lost = [kind.__name__ for kind in known if not kind.keeps_monotone]
    said = [f"left out: {', '.join(lost)} cannot keep a column monotone"] if lost else []
    return kept, [*missing, *said]
