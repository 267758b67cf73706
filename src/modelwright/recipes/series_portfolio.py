"""The order in which a search tries forecasters first: cheap and different ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.data.panel import Panel

# Chosen by hand: one of each family, then the variants that differ most from it.
DESIGNS: tuple[dict[str, Any], ...] = (
    {"type": "LagLinear", "scope": "each"},
    {"type": "Theta"},
    {"type": "Harmonic", "share": 0.3},
    {"type": "LagLinear", "scope": "each", "centre": "last", "pull": False},
    {"type": "BoostedLags"},
    {"type": "Ets"},
    {"type": "LagLinear", "scope": "each", "harmonics": 0, "pull": False},
    {"type": "LagNet", "centre": "mean", "covariates": True},
    {"type": "Drift", "seasons": 4, "drift": 0.5},
    {"type": "LagLinear"},
    {"type": "LagLinear", "covariates": True},
    {"type": "LagLinear", "scope": "each", "way": "recursive", "memory": 2.5},
    {"type": "LagLinear", "scope": "each", "way": "recursive", "pull": False, "log": True},
    {"type": "Harmonic"},
    {"type": "LagNet"},
    {"type": "BoostedLags", "loss": "squared", "leaves": 12, "level": 3},
    {"type": "Theta", "log": False, "share": 0.25},
    {"type": "Harmonic", "trend": "flat", "share": 0.5, "order": 12},
    {"type": "LagLinear", "scope": "each", "memory": 4.0, "harmonics": 4},
    {"type": "Ets", "trend": "damped"},
    {"type": "Drift"},
)


def portfolio(space: Any, names: Sequence[str], panel: Panel) -> tuple[str, ...]:
    """Documents of the space in the order to try; those that say the same here come once.

    Without covariates their variants are left out, without positive values those of logarithms.
    """
    covariates = bool(panel.schema.past or panel.schema.static)
    positive = all(float(y.min()) > 0 for y in panel.y)
    found: list[str] = []
    for design in DESIGNS:
        if design["type"] not in names:
            continue
        plain = dict(design)
        if not covariates and plain.pop("covariates", None):
            plain["harmonics"] = 0  # another variant instead
        if not positive:
            plain.pop("log", None)
        if len(panel) == 1:
            plain.pop("scope", None)
        document = space.dump(space.load(json.dumps(plain)))
        if document not in found:
            found.append(document)
    return tuple(found)
