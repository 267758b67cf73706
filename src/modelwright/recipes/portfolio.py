"""The order in which a search tries designs first: learned from measured fits, and dated.

`benchmarks/portfolio.py --choose` writes `portfolio.json` anew; a study keeps its own copy of the
list in its first row, so that a newer one never changes an old run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from modelwright.core.errors import SpaceError

SMALL = 500  # rows below which a long list would only find what fits the noise of the folds
FEW = 8
LARGE = 10_000
MANY, NETS = 10, ("RealMlp", "TabM")
SLOW = {"TabIcl": 30.0}  # a guess at the cost beside the default LightGbm, of what was not measured


def known() -> dict[str, Any]:
    """The portfolio as it lies in the package: `date`, `sets` it was learned on, and four lists.

    `classes` and `numbers` are the designs for targets of that kind; those of `classes+` and
    `numbers+` were learned on tables of more than 10,000 rows. Each has its `document`, its
    `cost` beside the default LightGbm, and the mean scaled `loss` of the ensemble of all up to it.

    >>> known()["numbers"][0]["cost"] > 0
    True
    """
    text = resources.files("modelwright.recipes").joinpath("portfolio.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def portfolio(
    space: Any, names: Sequence[str], task: str, n_rows: int, n_classes: int = 0
) -> list[tuple[str, float]]:
    """Documents of the space in the order to try, with costs: those of the families `names`.

    A family that the list does not hold comes at the end with its default, so that each is tried
    once. Below 500 rows the list is cut to 8 and one of each family. Boosted trees are fitted anew
    for each class, nets are not: with more than ten classes nets come right after the first design.
    """
    kind = "numbers" if task == "regression" else "classes"
    listed = known()[f"{kind}+" if n_rows > LARGE else kind]
    ranked = [(d["document"], float(d["cost"])) for d in listed if d["document"]["type"] in names]
    if n_rows < SMALL:
        ranked = ranked[:FEW]
    if n_classes > MANY:
        ranked = _nets_early(ranked, n_classes)
    there = {document["type"] for document, _ in ranked}
    ranked += [({"type": name}, SLOW.get(name, 1.0)) for name in names if name not in there]
    return [(text, cost) for d, cost in ranked if (text := _of_space(space, d)) is not None]


def _nets_early(
    ranked: Sequence[tuple[dict[str, Any], float]], n_classes: int
) -> list[tuple[dict[str, Any], float]]:
    """The first design, the nets, the others; costs are beside a LightGbm with so many classes."""
    nets = [(d, 2 * cost / n_classes) for d, cost in ranked[1:] if d["type"] in NETS]
    return [*ranked[:1], *nets, *(pair for pair in ranked[1:] if pair[0]["type"] not in NETS)]


def _of_space(space: Any, document: dict[str, Any]) -> str | None:
    """The document as this space writes it; None when the space does not hold it (any more)."""
    try:
        text: str = space.dump(space.load(json.dumps(document)))
    except SpaceError:
        return None
    return text
