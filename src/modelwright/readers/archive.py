"""The archive of a quality-diversity search: the best network of each cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.page import folded, paragraph, section, table
from modelwright.stats.cells import Cell, cell_of, range_words


def archive_section(record: Record) -> str:
    """A table of the cells with the best design of each; nothing where no archive was asked for.

    Full trainings go before shorter ones, as in the search; final trainings count too.
    """
    designer = _map_elites(record.settings["designer"])
    if designer is None:
        return ""
    names, per_decade = designer["behaviours"], designer["per_decade"]
    view, best = record.view, dict[Cell, Outcome]()
    for rung in range(view.rungs.top, -1, -1):
        for outcome in view.best(view.n_ranked(rung), rung):
            cell = cell_of(outcome.evidence.scores, names, per_decade)
            if None not in cell and outcome.violation == 0:
                best.setdefault(cell, outcome)
    metric = view.goals[0].metric
    rows = [
        {name: range_words(at, per_decade) for name, at in zip(names, cell, strict=True)}
        | {"score": o.evidence.scores[metric], "trial": o.trial.number, "rung": o.trial.rung,
           "candidate": o.trial.candidate.id}
        for cell, o in sorted(best.items())
    ]  # fmt: skip
    columns = {**{name: name for name in names}, "score": metric, "rung": "rung", "trial": "trial",
               "candidate": "candidate"}  # fmt: skip
    told = paragraph(
        f"{len(best)} cells of {' and '.join(names)} have a network within the limits. "
        "'modelwright ship --candidate' hands over one whose weights were kept.", "soft",
    )  # fmt: skip
    return section(
        "The best of each size", folded(f"{len(best)} cells", table(rows, columns)) + told
    )


def _map_elites(designer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The quality-diversity designer, itself or one that is wrapped."""
    if designer.get("name") == "map_elites":
        return designer
    parts = (part for part in designer.values() if isinstance(part, Mapping))
    return next((found for part in parts if (found := _map_elites(part)) is not None), None)
