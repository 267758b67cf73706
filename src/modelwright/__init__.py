"""modelwright: an AI that designs, trains, selects and documents models, with people in charge."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from modelwright.core.version import VERSION

__version__ = VERSION

# Names of the front and where they live; loaded when first used, so that the import stays light.
_FRONT = {
    "AskTell": "modelwright.recipes.asking",
    "Budget": "modelwright.core.problem",
    "BuildResult": "modelwright.recipes.outcome",
    "ModelwrightClassifier": "modelwright.recipes.estimators",
    "ModelwrightError": "modelwright.core.errors",
    "ModelwrightRegressor": "modelwright.recipes.estimators",
    "Rungs": "modelwright.core.problem",
    "SearchResult": "modelwright.recipes.result",
    "Space": "modelwright.spaces",
    "build": "modelwright.recipes.automl",
    "load_model": "modelwright.models",
    "search": "modelwright.recipes.search",
}

__all__ = [
    "AskTell",
    "Budget",
    "BuildResult",
    "ModelwrightClassifier",
    "ModelwrightError",
    "ModelwrightRegressor",
    "Rungs",
    "SearchResult",
    "Space",
    "__version__",
    "build",
    "load_model",
    "search",
]

if TYPE_CHECKING:
    from modelwright.core.errors import ModelwrightError as ModelwrightError
    from modelwright.core.problem import Budget as Budget
    from modelwright.core.problem import Rungs as Rungs
    from modelwright.models import load_model as load_model
    from modelwright.recipes.asking import AskTell as AskTell
    from modelwright.recipes.automl import build as build
    from modelwright.recipes.estimators import ModelwrightClassifier as ModelwrightClassifier
    from modelwright.recipes.estimators import ModelwrightRegressor as ModelwrightRegressor
    from modelwright.recipes.outcome import BuildResult as BuildResult
    from modelwright.recipes.result import SearchResult as SearchResult
    from modelwright.recipes.search import search as search
    from modelwright.spaces import Space as Space


def __getattr__(name: str) -> Any:
    if name not in _FRONT:
        raise AttributeError(f"module 'modelwright' has no attribute {name!r}")
    return getattr(importlib.import_module(_FRONT[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
