"""Models: metrics, ensembles, calibration, decisions, and the bundle that ships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.models.bundle import load_model, save_bundle, seal_bundle, verify_bundle
    from modelwright.models.model import Answers, Model

__all__ = ["Answers", "Model", "load_model", "save_bundle", "seal_bundle", "verify_bundle"]

_PLACES = {"Answers": "model", "Model": "model"}


def __getattr__(name: str) -> Any:
    # Late, so that looking a metric up does not load what prediction needs.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_PLACES.get(name, 'bundle')}"), name)
