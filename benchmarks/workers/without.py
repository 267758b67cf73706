"""modelwright with one of its parts taken out: what the ablation compares.

Importing a worker's evaluator from here (`plain_ensemble`) takes the guard out in the worker, too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

PARTS = ("portfolio", "features", "nets", "guard", "search", "ensemble")


def without(part: str) -> dict[str, Any]:
    """Takes the part out of this process; further keywords for `modelwright.build`."""
    from modelwright.families import SEARCHED
    from modelwright.policy import RulePolicy
    from modelwright.recipes import closing, table_study

    if part not in PARTS:
        raise SystemExit(f"no part {part!r}; there are {', '.join(PARTS)}")
    if part == "nets":
        kept = tuple(name for name in SEARCHED if name not in ("TabM", "RealMlp"))
        return {"policy": RulePolicy("without nets", families=kept)}
    if part in ("portfolio", "search"):
        table_study._designer = _designer_without(part)
    elif part == "features":
        _without_features(table_study)
    elif part == "ensemble":
        closing.BlendAndRefit._blends = lambda self, view: []  # type: ignore[method-assign]
    else:
        _take_guard_out()
        here = str(Path(__file__).parent)
        os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
        table_study.EVALUATOR = "without:plain_ensemble"
    return {}


def _designer_without(part: str) -> Any:
    from modelwright.designers import make_designer
    from modelwright.designers.portfolio import Portfolio
    from modelwright.recipes.portfolio import portfolio

    def designer(space: Any, types: Any, part_of_rows: Any) -> Any:
        if part == "portfolio":
            return make_designer("bayesian")
        names, schema = [t.__name__ for t in types], part_of_rows.schema
        listed = portfolio(space, names, schema.task, len(part_of_rows), len(schema.classes))
        documents, costs = zip(*listed, strict=True)
        return Portfolio(documents, then=make_designer("random"), costs=costs)

    return designer


def _without_features(table_study: Any) -> None:
    """Every design works on the columns as they are: in the search and in the portfolio."""
    import json
    from dataclasses import asdict, fields

    from modelwright.families import table_model
    from modelwright.families.feature_work import FeatureWork
    from modelwright.recipes.portfolio import portfolio
    from modelwright.spaces import Space

    none = asdict(FeatureWork())
    names = frozenset(f.name for f in fields(FeatureWork))

    def plain(space: Any, *how: Any) -> Any:
        found = []
        for text, cost in portfolio(space, *how):
            document = json.loads(text)
            if "features" in document:
                document["features"] = none
            found.append((space.dump(space.load(json.dumps(document))), cost))
        return list(dict(found).items())

    table_study.portfolio = plain
    table_study.table_space = lambda families, schema: Space(
        table_model(families), settled={FeatureWork: names}
    )


def _take_guard_out() -> None:
    """One greedy run over all members, and the ensemble's score taken at its word."""
    from modelwright.gates import paired
    from modelwright.models import ensemble

    ensemble._RowLoss.far_behind = lambda *_: True  # type: ignore[method-assign]
    paired._picked_gain = lambda *_: None  # type: ignore[assignment]


def plain_ensemble(**arguments: Any) -> Any:
    """The evaluator of a build whose ensembles have no guard."""
    from modelwright.evaluators.fit_and_score import load

    _take_guard_out()
    return load(**arguments)
