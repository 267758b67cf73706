"""The hash of a Python function: what it computes with, not how it is laid out."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from modelwright.core.canonical import digest


def code_hash(function: Callable[..., Any]) -> str:
    """SHA-256 over a function's code and what it refers to; 64 hexadecimal characters.

    Counted: its source without comments and layout (for a lambda its byte code, since the source
    of a lambda is the whole line around it), the plain constants it closes over, its defaults,
    plain constants, functions and classes of its own module that it names, and theirs in turn (of
    a class its source, its bases, and what its methods name). Not counted: code of other modules,
    data behind references, and module variables that the function itself writes. A callable object
    counts by its `__call__` and its plain fields.

    >>> def twice(x): return 2 * x
    >>> code_hash(twice) == code_hash(twice), code_hash(twice) == code_hash(lambda x: 2 * x)
    (True, False)
    """
    return digest(list(_parts(function, set())))


def _parts(thing: Any, seen: set[int]) -> Iterator[Any]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    inner = getattr(thing, "__wrapped__", None)
    if callable(inner):  # what functools.wraps, lru_cache and the like were put around
        yield from _parts(inner, seen)
    if isinstance(thing, functools.partial):
        yield from _parts(thing.func, seen)
        yield [_said(a) for a in thing.args if _plain(a)]
        yield {k: _said(v) for k, v in sorted(thing.keywords.items()) if _plain(v)}
    elif isinstance(thing, MethodType):
        yield from _parts(thing.__func__, seen)
        yield _fields(thing.__self__)
    elif isinstance(thing, FunctionType):
        yield from _function(thing, seen)
    elif isinstance(thing, type):
        yield _class(thing)
        yield from _inside(thing, seen)
    elif isinstance(getattr(type(thing), "__call__", None), FunctionType):  # noqa: B004
        yield from _parts(type(thing).__call__, seen)
        yield _fields(thing)
    else:  # written in another language: its name is all there is
        yield str(getattr(thing, "__qualname__", type(thing).__qualname__))


def _function(function: FunctionType, seen: set[int]) -> Iterator[Any]:
    yield _text(function)
    yield [_said(d) for d in function.__defaults__ or () if _plain(d)]
    yield {k: _said(d) for k, d in sorted((function.__kwdefaults__ or {}).items()) if _plain(d)}
    yield from _named(function, seen)


def _inside(kind: type, seen: set[int]) -> Iterator[Any]:
    """What a class is built on and what its methods name; their text is in that of the class."""
    for base in kind.__bases__:
        if base.__module__ == kind.__module__:
            yield from _parts(base, seen)
    for _, member in sorted(vars(kind).items()):
        wrapped = ("fget", "func", "__func__")  # property, cached_property, class and static method
        held = next((getattr(member, a) for a in wrapped if hasattr(member, a)), member)
        if not isinstance(held, FunctionType) or held.__module__ != kind.__module__:
            continue
        if inspect.unwrap(held).__code__.co_filename != "<string>":  # a dataclass makes its own
            yield from _named(held, seen)


def _named(function: FunctionType, seen: set[int]) -> Iterator[Any]:
    """What a function closes over, and what it names of its module."""
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            held = cell.cell_contents
            if isinstance(held, FunctionType):  # a decorator's function, from whatever module
                yield from _parts(held, seen)
            else:
                yield from _reference(name, held, function, seen)
        except ValueError:  # the cell is still empty
            yield name
    for name in sorted(_globals_read(code)):
        if name in function.__globals__:
            yield from _reference(name, function.__globals__[name], function, seen)


def _reference(name: str, value: Any, function: FunctionType, seen: set[int]) -> Iterator[Any]:
    if _plain(value):
        yield [name, _said(value)]
    elif isinstance(value, ModuleType):
        yield [name, value.__name__]
    elif getattr(value, "__module__", None) == function.__module__ and (
        isinstance(value, FunctionType | type | functools.partial)
    ):
        yield name
        yield from _parts(value, seen)


def _text(function: FunctionType) -> Any:
    """Source without comments and layout, or the byte code where there is no usable source."""
    if function.__name__ != "<lambda>":
        try:
            return ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(function))))
        except (OSError, TypeError, SyntaxError):
            pass
    return _bytecode(function.__code__)


def _class(kind: type) -> Any:
    try:
        return ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(kind))))
    except (OSError, TypeError, SyntaxError):
        return kind.__qualname__


def _bytecode(code: CodeType) -> Any:
    consts = [_bytecode(c) if isinstance(c, CodeType) else _said(c) for c in code.co_consts]
    return [code.co_code.hex(), consts, list(code.co_names), list(code.co_varnames)]


def _globals_read(code: CodeType) -> set[str]:
    """Module names that the code reads and does not write, nested functions included."""
    read: set[str] = set()
    written: set[str] = set()
    todo = [code]
    while todo:
        here = todo.pop()
        todo.extend(c for c in here.co_consts if isinstance(c, CodeType))
        for step in dis.get_instructions(here):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                read.add(str(step.argval))
            elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                written.add(str(step.argval))
    return read - written


def _plain(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, bool | int | float | complex | str | bytes)


def _said(value: Any) -> str:
    """A text that is the same in every process: the order of a set is not."""
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(_said, value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_said, value))})"
    return repr(value)


def _fields(thing: Any) -> dict[str, str]:
    fields = getattr(thing, "__dict__", {})
    return {k: _said(v) for k, v in sorted(fields.items()) if _plain(v)}
