"""A forecaster that ships: members with weights, how large errors are, and the history so far.

model.json       format, kind, schema, members, offsets (errors by step and quantile), card
member0/ ...     each fitted forecaster in its family's own plain files
history/         the series it was fitted on, from whose end it forecasts
manifest.json    SHA-256 of every file, checked when the model is loaded
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from modelwright.core.errors import InputError
from modelwright.data.panel import FloatArray, Panel, SeriesSchema, load_panel
from modelwright.data.series import assemble, grouped, rows_of
from modelwright.data.steps import shown_time
from modelwright.families.series_all import load_forecaster
from modelwright.families.series_base import Forecaster, Paths
from modelwright.models.pack import unpack
from modelwright.models.series_blend import mixed
from modelwright.models.series_scores import HIGH, LEVELS, LOW, MIDDLE, quantiles_from

if TYPE_CHECKING:
    import pandas as pd

    from modelwright.data.table import Table

FORMAT, KIND = 2, "series"
COVERAGE = 0.8  # of the intervals, between the quantiles 0.1 and 0.9


@dataclass(frozen=True)
class SeriesModel:
    """A shipped forecaster: asked for the steps after a history, by default that of training.

    `offsets` `[horizon, levels]` are quantiles of errors in units of the widths.
    """

    schema: SeriesSchema
    members: tuple[tuple[Forecaster, float], ...]
    families: tuple[str, ...]
    offsets: FloatArray
    history: Panel
    card: Mapping[str, Any] = field(default_factory=dict)

    kind: ClassVar[str] = KIND

    def predict(self, history: pd.DataFrame | Table | None = None) -> pd.DataFrame:
        """The next steps of each series: columns time, series (where named), prediction, low, high.

        `low` and `high` bound 80 % of the values, by errors in the past. `history` has the columns
        of training; without one it is the history of training. Where columns are known ahead, rows
        of the future with these columns (and no target) go with it.

        Raises InputError for missing columns, times off the grid, and too short a history.
        """
        panel = self.history if history is None else self.panel_of(history)
        return self.table_of(panel, self.quantiles(panel))

    def quantiles(self, panel: Panel) -> FloatArray:
        """Quantile forecasts `[s, horizon, 13]` of the steps after each series of a panel."""
        paths = self.paths(panel)
        return quantiles_from(paths.centre, paths.width, self.offsets)

    def paths(self, panel: Panel) -> Paths:
        """Centres and widths of the members, weighted."""
        self._check(panel)
        found = [member.forecast(panel) for member, _ in self.members]
        weights = np.array([weight for _, weight in self.members])
        return Paths(
            mixed([p.centre for p in found], weights), mixed([p.width for p in found], weights)
        )

    def panel_of(self, history: pd.DataFrame | Table) -> Panel:
        """A history as a panel on the grid of training."""
        from modelwright.data.read import read_table
        from modelwright.data.table import Table

        table = history if isinstance(history, Table) else read_table(history)
        schema = self.schema
        rows = rows_of(table, schema)
        if rows.numbers != (schema.step.unit == "number"):
            wanted = "numbers" if schema.step.unit == "number" else "dates"
            raise InputError(f"the times in {schema.time!r} were {wanted} in training.")
        panel, _ = assemble(rows, grouped(rows, schema.series), schema)
        if panel.hash == self.history.hash:
            return self.history
        return panel

    def table_of(self, panel: Panel, quantiles: FloatArray) -> pd.DataFrame:
        """Forecasts as a table, series by series."""
        import pandas as pd

        parts = []
        for s, name in enumerate(panel.names):
            times = self.schema.step.times(panel.ends[s] + np.arange(self.schema.horizon))
            columns: dict[str, Any] = {"time": [shown_time(t) for t in times]}
            if self.schema.series is not None:
                columns["series"] = name
            for title, level in (("prediction", MIDDLE), ("low", LOW), ("high", HIGH)):
                columns[title] = quantiles[s, :, level]
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)

    def _check(self, panel: Panel) -> None:
        needed = max(member.needs for member, _ in self.members)
        short = int(np.argmin(panel.lengths))
        if panel.lengths[short] < needed:
            raise InputError(
                f"the history of {panel.names[short]!r} has {panel.lengths[short]} steps; this "
                f"forecaster needs at least {needed}."
            )
        if not self.schema.known:
            return
        for s, name in enumerate(panel.names):
            n = len(panel.y[s]) + self.schema.horizon
            if len(panel.known[s]) < n:
                missing = n - len(panel.known[s])
                raise InputError(
                    f"the next {self.schema.horizon} steps of {name!r} need the columns "
                    f"{', '.join(self.schema.known)}, and {missing} rows of them are missing: add "
                    "rows with their times and no target."
                )


def save_series(
    folder: Path,
    members: Sequence[tuple[Path, str, float]],
    offsets: FloatArray,
    history: Panel,
    card: Mapping[str, Any],
) -> None:
    """Writes the bundle's files but for the seal; members are packed files, families, weights."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    total = sum(weight for *_, weight in members)
    for i, (path, family, weight) in enumerate(members):
        where = folder / f"member{i}"
        where.mkdir()
        unpack(path, where)
        listed.append({"folder": where.name, "family": family, "weight": weight / total})
    facts = {
        "format": FORMAT, "kind": KIND, "schema": history.schema.to_json(), "members": listed,
        "levels": list(LEVELS), "offsets": np.round(offsets, 6).tolist(), "card": dict(card),
    }  # fmt: skip
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "model.json").write_text(text, "utf-8")
    history.save(folder / "history")


def load_series(folder: Path, facts: Mapping[str, Any]) -> SeriesModel:
    """The forecaster of a bundle whose files were checked; `facts` are those of model.json."""
    members = tuple(
        (load_forecaster(folder / m["folder"]), float(m["weight"])) for m in facts["members"]
    )
    return SeriesModel(
        SeriesSchema.from_json(facts["schema"]), members,
        tuple(m["family"] for m in facts["members"]), _offsets(facts),
        load_panel(folder / "history"), facts["card"],
    )  # fmt: skip


def _offsets(facts: Mapping[str, Any]) -> FloatArray:
    """The offsets at today's levels: older bundles have fewer of them."""
    rows = [np.interp(LEVELS, facts["levels"], row) for row in facts["offsets"]]
    return np.array(rows, float)


def packed_paths(members: Sequence[tuple[Path, float]], panel: Panel) -> Paths:
    """Centres and widths of packed forecasters with weights, for the end of a panel."""
    found, weights = [], []
    for path, weight in members:
        with tempfile.TemporaryDirectory() as name:
            found.append(load_forecaster(unpack(path, Path(name))).forecast(panel))
        weights.append(weight)
    shares = np.array(weights) / sum(weights)
    return Paths(mixed([p.centre for p in found], shares), mixed([p.width for p in found], shares))
