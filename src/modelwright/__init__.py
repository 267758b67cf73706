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
    "NetworkResult": "modelwright.recipes.own_networks",
    "OwnModel": "modelwright.recipes.own_model",
    "Rungs": "modelwright.core.problem",
    "SearchResult": "modelwright.recipes.result",
    "Space": "modelwright.spaces",
    "answer": "modelwright.recipes.verbs",
    "approve": "modelwright.recipes.verbs",
    "ask": "modelwright.recipes.verbs",
    "ban": "modelwright.recipes.verbs",
    "build": "modelwright.recipes.automl",
    "change": "modelwright.recipes.verbs",
    "decisions": "modelwright.recipes.deciding",
    "load_model": "modelwright.models",
    "load_network": "modelwright.recipes.own_model",
    "pin": "modelwright.recipes.verbs",
    "prefer": "modelwright.recipes.verbs",
    "read": "modelwright.recipes.verbs",
    "reject": "modelwright.recipes.verbs",
    "search": "modelwright.recipes.search",
    "search_networks": "modelwright.recipes.own_networks",
}

__all__ = [
    "AskTell",
    "Budget",
    "BuildResult",
    "ModelwrightClassifier",
    "ModelwrightError",
    "ModelwrightRegressor",
    "NetworkResult",
    "OwnModel",
    "Rungs",
    "SearchResult",
    "Space",
    "__version__",
    "answer",
    "approve",
    "ask",
    "ban",
    "build",
    "change",
    "decisions",
    "load_model",
    "load_network",
    "pin",
    "prefer",
    "read",
    "reject",
    "search",
    "search_networks",
]

if TYPE_CHECKING:
    from modelwright.core.errors import ModelwrightError as ModelwrightError
    from modelwright.core.problem import Budget as Budget
    from modelwright.core.problem import Rungs as Rungs
    from modelwright.models import load_model as load_model
    from modelwright.recipes.asking import AskTell as AskTell
    from modelwright.recipes.automl import build as build
    from modelwright.recipes.deciding import decisions as decisions
    from modelwright.recipes.estimators import ModelwrightClassifier as ModelwrightClassifier
    from modelwright.recipes.estimators import ModelwrightRegressor as ModelwrightRegressor
    from modelwright.recipes.outcome import BuildResult as BuildResult
    from modelwright.recipes.own_model import OwnModel as OwnModel
    from modelwright.recipes.own_model import load_network as load_network
    from modelwright.recipes.own_networks import NetworkResult as NetworkResult
    from modelwright.recipes.own_networks import search_networks as search_networks
    from modelwright.recipes.result import SearchResult as SearchResult
    from modelwright.recipes.search import search as search
    from modelwright.recipes.verbs import answer as answer
    from modelwright.recipes.verbs import approve as approve
    from modelwright.recipes.verbs import ask as ask
    from modelwright.recipes.verbs import ban as ban
    from modelwright.recipes.verbs import change as change
    from modelwright.recipes.verbs import pin as pin
    from modelwright.recipes.verbs import prefer as prefer
    from modelwright.recipes.verbs import read as read
    from modelwright.recipes.verbs import reject as reject
    from modelwright.spaces import Space as Space


def __getattr__(name: str) -> Any:
    if name not in _FRONT:
        raise AttributeError(f"module 'modelwright' has no attribute {name!r}")
    return getattr(importlib.import_module(_FRONT[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
