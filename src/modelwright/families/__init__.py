"""Families: what can be built from a table. One file each, its type the search space.

`FAMILIES` names them; `family` imports one, so that a library is loaded only when it is used.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError, MissingLibraryError, did_you_mean

if TYPE_CHECKING:
    from modelwright.families.base import Family, Fitted

# name -> (module, library it needs, what to install for it)
FAMILIES: Mapping[str, tuple[str, str, str]] = {
    "Dummy": ("modelwright.families.dummy", "numpy", "numpy"),
    "Linear": ("modelwright.families.linear", "sklearn", "scikit-learn"),
    "KNearest": ("modelwright.families.nearest", "scipy", "scipy"),
    "Forest": ("modelwright.families.forest", "sklearn", "scikit-learn"),
    "Tree": ("modelwright.families.tree", "sklearn", "scikit-learn"),
    "GlassBox": ("modelwright.families.glass_box", "lightgbm", "lightgbm"),
    "LightGbm": ("modelwright.families.lightgbm", "lightgbm", "lightgbm"),
    "CatBoost": ("modelwright.families.catboost", "catboost", "catboost"),
    "TabM": ("modelwright.families.tabm", "torch", "'modelwright[networks]'"),
    "RealMlp": ("modelwright.families.realmlp", "torch", "'modelwright[networks]'"),
    "SmallMlp": ("modelwright.families.mlp", "torch", "'modelwright[networks]'"),
    "Reweighed": ("modelwright.families.mitigated", "lightgbm", "lightgbm"),
    "Reduced": ("modelwright.families.mitigated", "lightgbm", "lightgbm"),
    "Thresholded": ("modelwright.families.mitigated", "lightgbm", "lightgbm"),
    "TabIcl": ("modelwright.families.tabicl", "tabicl", "'modelwright[tabicl]'"),
}
ONLY_TO_FIT = ("torch",)  # libraries that a fitted model does without

# In the order in which a search tries their defaults: cheap and strong first.
SEARCHED = ("LightGbm", "Linear", "CatBoost", "Forest", "GlassBox", "KNearest", "TabM", "RealMlp")
# And these where an environment variable names the folder of their weights; with the licence.
WITH_WEIGHTS: Mapping[str, tuple[str, str]] = {"TabIcl": ("MODELWRIGHT_TABICL", "BSD-3-Clause")}


def family(name: str, to_fit: bool = True) -> type[Family]:
    """The type of that name. Raises InputError for an unknown one.

    Raises MissingLibraryError without the library that it fits with, or, unless it is `to_fit`,
    that its fitted models need to load and predict.

    >>> family("Linear")().strength
    1.0
    """
    if name not in FAMILIES:
        raise InputError(
            f"unknown family {name!r}.{did_you_mean(name, FAMILIES)} Known: {', '.join(FAMILIES)}."
        )
    module, library, package = FAMILIES[name]
    needed = to_fit or library not in ONLY_TO_FIT
    if needed and importlib.util.find_spec(library) is None:
        raise MissingLibraryError(f"family {name} needs {library}: pip install {package}")
    found: type[Family] = getattr(importlib.import_module(module), name)
    return found


def available(names: Iterable[str] = SEARCHED) -> tuple[list[type[Family]], list[str]]:
    """The families that can be used here, and one line for each that cannot, saying why.

    >>> types, left_out = available(["Dummy", "Linear"])
    >>> [t.__name__ for t in types], left_out
    (['Dummy', 'Linear'], [])
    """
    types, left_out = [], []
    for name in names:
        try:
            types.append(family(name))
        except MissingLibraryError as error:
            left_out.append(f"left out: {error}")
    return types, left_out


def searched() -> tuple[str, ...]:
    """The families that a search tries, if policy and table allow."""
    named = (name for name, (where, _) in WITH_WEIGHTS.items() if os.environ.get(where))
    return (*SEARCHED, *named)


def licences_of(names: Iterable[str]) -> dict[str, str]:
    """The licences of the foundation models among these families."""
    return {name: WITH_WEIGHTS[name][1] for name in sorted(set(names) & set(WITH_WEIGHTS))}


def table_model(names: Iterable[str] = SEARCHED) -> Any:
    """The union of these families' types: the space of models for a table.

    A single family is joined by Dummy, so that its designs, too, name their family.
    """
    types, _ = available(names)
    if not types:
        raise InputError("no family is available; install lightgbm or scikit-learn.")
    if len(types) == 1:
        types.append(family("Linear" if types[0].__name__ == "Dummy" else "Dummy"))
    union: Any = types[0]
    for kind in types[1:]:
        union = union | kind
    return union


def load_fitted(folder: Path) -> Fitted:
    """The fitted model in a folder that `export` wrote, with its feature work if it has some."""
    facts = json.loads((folder / "fitted.json").read_text(encoding="utf-8"))
    fitted = family(facts["family"], to_fit=False).load(folder)
    if not (folder / "features.json").exists():
        return fitted
    from modelwright.families.pipeline import with_features

    return with_features(folder, fitted)
