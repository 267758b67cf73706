"""The families of forecasters by name, and the space of them all."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError, MissingLibraryError, did_you_mean
from modelwright.families.series_base import Forecaster, SeriesFamily

# name -> (module, library it is fitted with, what to install for it)
SERIES: Mapping[str, tuple[str, str, str]] = {
    "SeasonalNaive": ("modelwright.families.series_naive", "numpy", "numpy"),
    "Drift": ("modelwright.families.series_naive", "numpy", "numpy"),
    "Theta": ("modelwright.families.series_smoothing", "numpy", "numpy"),
    "Ets": ("modelwright.families.series_smoothing", "numpy", "numpy"),
    "LagLinear": ("modelwright.families.series_linear", "numpy", "numpy"),
    "Harmonic": ("modelwright.families.series_harmonic", "numpy", "numpy"),
    "BoostedLags": ("modelwright.families.series_boosted", "lightgbm", "lightgbm"),
    "LagNet": ("modelwright.families.series_net", "torch", "'modelwright[networks]'"),
}
ONLY_TO_FIT = ("torch",)  # libraries that a fitted forecaster does without
SEARCHED = ("LagLinear", "Theta", "Ets", "Harmonic", "BoostedLags", "LagNet", "Drift")


def series_family(name: str, to_fit: bool = True) -> type[SeriesFamily]:
    """The type of that name. Raises InputError for an unknown one.

    Raises MissingLibraryError without the library that it needs.

    >>> series_family("Theta")().share
    0.5
    """
    if name not in SERIES:
        raise InputError(
            f"no family of forecasters is called {name!r}.{did_you_mean(name, SERIES)} "
            f"Known: {', '.join(SERIES)}."
        )
    module, library, package = SERIES[name]
    needed = to_fit or library not in ONLY_TO_FIT
    if needed and importlib.util.find_spec(library) is None:
        raise MissingLibraryError(f"family {name} needs {library}: pip install {package}")
    found: type[SeriesFamily] = getattr(importlib.import_module(module), name)
    return found


def series_available(
    names: Iterable[str] = SEARCHED,
) -> tuple[list[type[SeriesFamily]], list[str]]:
    """The families that can be used here, and one line for each that cannot."""
    types, left_out = [], []
    for name in names:
        try:
            types.append(series_family(name))
        except MissingLibraryError as error:
            left_out.append(f"left out: {error}")
    return types, left_out


def series_model(names: Iterable[str] = SEARCHED) -> Any:
    """The union of these families' types. A single one is joined by another, to be named."""
    types, _ = series_available(names)
    if not types:
        raise InputError("no family of forecasters is available.")
    if len(types) == 1:
        types.append(
            series_family("SeasonalNaive" if types[0].__name__ != "SeasonalNaive" else "Drift")
        )
    union: Any = types[0]
    for kind in types[1:]:
        union = union | kind
    return union


def load_forecaster(folder: Path) -> Forecaster:
    """The forecaster in a folder that `export` wrote."""
    facts = json.loads((folder / "fitted.json").read_text("utf-8"))
    return series_family(facts["family"], to_fit=False).load(folder)
