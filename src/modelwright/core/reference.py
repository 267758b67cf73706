"""Functions and types by name, `module:name`: how they travel to another process and back."""

from __future__ import annotations

import importlib
from typing import Any

from modelwright.core.errors import InputError, did_you_mean


def resolve(text: str) -> Any:
    """The object behind `module:name`. Raises InputError saying which part is missing.

    >>> resolve("math:sqrt")(9.0)
    3.0
    """
    module_name, colon, name = text.partition(":")
    if not colon or not module_name or not name:
        raise InputError(f"a reference is written module:name, such as 'mine:loss'; got {text!r}.")
    try:
        thing: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"{text!r} cannot be imported: {error}.") from error
    for part in name.split("."):
        if not hasattr(thing, part):
            near = did_you_mean(part, vars(thing))
            raise InputError(f"module {module_name!r} has no {name!r}.{near}")
        thing = getattr(thing, part)
    return thing


def reference(thing: Any, what: str = "the function") -> str:
    """`module:name` of a function or class that another process can import.

    Raises InputError for a lambda, a function made inside another, a callable object, and
    anything of the script that is running itself.

    >>> from modelwright.core.canonical import digest
    >>> reference(digest)
    'modelwright.core.canonical:digest'
    """
    module = getattr(thing, "__module__", None)
    name = getattr(thing, "__qualname__", None)
    advice = "put it at the top level of a module that can be imported, or run inline."
    if module is None or name is None:
        raise InputError(
            f"{what} is no plain function or class, so workers cannot run it; {advice}"
        )
    if "<" in name:
        kind = "a lambda" if "<lambda>" in name else "made inside a function"
        raise InputError(f"{what} is {kind}, which worker processes cannot import; {advice}")
    if module == "__main__":
        raise InputError(
            f"{what} {name!r} is in the running script or notebook, which worker processes cannot "
            f"import; {advice}"
        )
    return f"{module}:{name}"
