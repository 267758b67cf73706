"""Who writes candidates, knowing the record of how earlier ones scored.

To add a designer: one file with a frozen dataclass that keeps the role `Designer` of `core.roles`,
and one row here. `modelwright.testing.designer.check_designer` then checks it.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.roles import Designer

# Name -> where the class is. Imported when asked for: the numerical libraries take a while.
DESIGNERS: Mapping[str, str] = {
    "random": "random_search:Random",
    "evolution": "evolution:Evolution",
    "local_search": "local_search:LocalSearch",
    "tpe": "tpe:Tpe",
    "nsga2": "nsga2:Nsga2",
    "map_elites": "map_elites:MapElites",
    "portfolio": "portfolio:Portfolio",
    "team": "team:Team",
    "bayesian": "bayesian:Bayesian",
    "controller": "controller:Controller",
    "generator": "generator:Generator",
    "inherit": "inherit:Inherit",
    "zero_cost": "zero_cost:ZeroCost",
}

# What a wrapper gets when only its name is given.
WITH: Mapping[str, Mapping[str, Any]] = {
    "team": {"members": [{"name": "bayesian"}, {"name": "evolution"}, {"name": "local_search"}]},
    "inherit": {"then": {"name": "evolution"}},
    "zero_cost": {"then": {"name": "evolution"}},
}


def designer_class(name: str) -> type[Designer]:
    """The class of that name. Raises InputError, with the nearest name, when there is none."""
    if name not in DESIGNERS:
        raise InputError(
            f"a designer is one of {', '.join(DESIGNERS)}; got {name!r}."
            f"{did_you_mean(name, DESIGNERS)}"
        )
    module, _, kind = DESIGNERS[name].partition(":")
    found: type[Designer] = getattr(importlib.import_module(f"{__name__}.{module}"), kind)
    return found


def make_designer(spec: str | Mapping[str, Any] | Designer) -> Designer:
    """The designer of a name, of what `designer_json` wrote, or itself.

    Fields that are left out keep their default. Raises InputError for unknown names and fields.

    >>> make_designer({"name": "evolution", "population": 10}).population
    10
    """
    if isinstance(spec, str):
        spec = {"name": spec, **WITH.get(spec, {})}
    if not isinstance(spec, Mapping):
        if isinstance(spec, Designer):
            return spec
        raise InputError(f"a designer is a name, its JSON or a designer; got {spec!r}.")
    if not isinstance(spec.get("name"), str):
        raise InputError(f"a designer's JSON has its name under 'name'; got {dict(spec)!r}.")
    kind = designer_class(spec["name"])
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for field in spec:
        if field != "name" and field not in known:
            raise InputError(
                f"{spec['name']} has the fields {', '.join(known) or 'none'}; got {field!r}."
                f"{did_you_mean(field, known)}"
            )
    try:
        return kind(**{name: _read(value) for name, value in spec.items() if name != "name"})
    except TypeError as error:
        raise InputError(f"{spec['name']} cannot be made from {dict(spec)!r}: {error}.") from error


def designer_json(designer: Designer) -> dict[str, Any]:
    """Plain data that `make_designer` reads back to an equal designer: its name and its fields.

    >>> designer_json(make_designer("random"))
    {'name': 'random'}
    """
    fields = dataclasses.fields(designer)  # type: ignore[arg-type]
    return {"name": designer.name} | {f.name: _plain(getattr(designer, f.name)) for f in fields}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return designer_json(value)  # type: ignore[arg-type]
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _read(value: Any) -> Any:
    if isinstance(value, Mapping):
        return make_designer(value)
    return tuple(_read(v) for v in value) if isinstance(value, (list, tuple)) else value


def __getattr__(name: str) -> Any:
    for place in DESIGNERS.values():
        module, _, kind = place.partition(":")
        if kind == name:
            return getattr(importlib.import_module(f"{__name__}.{module}"), kind)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
