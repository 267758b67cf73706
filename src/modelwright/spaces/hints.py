"""Reading the annotations of dataclasses, strings and local names included."""

from __future__ import annotations

import dataclasses
import sys
import typing
from pathlib import Path
from types import FrameType
from typing import Any

from modelwright.core.errors import SpaceError

# The variables of this room are nobody's types.
_HERE = Path(__file__).parent


class Hints:
    """The resolved field annotations of every dataclass that can be reached from one type.

    Names written as strings are looked up in the class's module, among the classes met so far, and
    then in the functions that are being called just now, innermost first: so that types declared
    inside a function or a notebook cell may refer to themselves and to each other.
    """

    def __init__(self) -> None:
        self._names: dict[str, Any] = {}
        self._fields: dict[type, dict[str, Any]] = {}
        self._parts: dict[type, set[type]] = {}

    def root(self, kind: Any) -> Any:
        """The type with the strings inside it resolved."""
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind
        holder = type("Root", (), {"__annotations__": {"root": kind}})
        return self._resolve(holder)["root"]

    def fields(self, cls: type) -> dict[str, Any]:
        """Annotation of each field that the constructor takes, in order."""
        if cls not in self._fields:
            self._names.setdefault(cls.__name__, cls)
            hints = self._resolve(cls)
            if any(isinstance(hint, dataclasses.InitVar) for hint in hints.values()):
                raise SpaceError(f"{cls.__name__}: InitVar fields cannot be searched; use a field.")
            names = [f.name for f in dataclasses.fields(cls) if f.init]
            self._fields[cls] = {name: hints[name] for name in names}
        return self._fields[cls]

    def parts(self, cls: type) -> set[type]:
        """The dataclasses that the fields of a dataclass name."""
        if cls not in self._parts:
            self._parts[cls] = set().union(*map(_classes, self.fields(cls).values()))
        return self._parts[cls]

    def reach(self, cls: type) -> set[type]:
        """All dataclasses inside a dataclass; it is recursive when it is one of them."""
        seen: set[type] = set()
        stack = list(self.parts(cls))
        while stack:
            part = stack.pop()
            if part not in seen:
                seen.add(part)
                stack.extend(self.parts(part))
        return seen

    def _resolve(self, cls: type) -> dict[str, Any]:
        while True:
            try:
                return typing.get_type_hints(cls, localns=dict(self._names), include_extras=True)
            except NameError as error:
                name = error.name or ""
                found = _find(name)
                if name in self._names or found is None:
                    raise SpaceError(
                        f"{cls.__name__}: the name {name!r} in an annotation cannot be found; "
                        f"declare it at the top of a module, or make the space where it is visible."
                    ) from None
                self._names[name] = found
            except TypeError as error:
                raise SpaceError(f"{cls.__name__}: an annotation is no type: {error}.") from None


def classes_of(kind: Any) -> list[type]:
    """The dataclasses inside a type, itself included, by name."""
    hints = Hints()
    own = _classes(hints.root(kind))
    found = own.union(*map(hints.reach, own))
    return sorted(found, key=lambda cls: (cls.__module__, cls.__qualname__))


def _find(name: str) -> Any:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if Path(frame.f_code.co_filename).parent != _HERE:
            for names in (frame.f_locals, frame.f_globals):
                if name in names:
                    return names[name]
        frame = frame.f_back
    return None


def _classes(annotation: Any) -> set[type]:
    annotation = getattr(annotation, "__value__", annotation)
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return {annotation}
    return set().union(*map(_classes, typing.get_args(annotation)), set())
