"""The command that forecasts: from a history, or from where training ended."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from modelwright.apps.words import emit_json, note, say, writing
from modelwright.core.cells import safe_cell


def forecast(model: Any, file: str | None, out: str | None, as_json: bool) -> int:
    """Writes one line per series and step: time, series, prediction, low and high.

    `file` is a history with the columns of training; without one the history of training goes on.
    """
    from modelwright.data import Table, read_limited

    if file is None:
        note("no history was given: the forecast goes on where training ended")
        table = model.predict()
    else:
        with tempfile.TemporaryDirectory() as folder:  # a hostile file cannot take us down
            read_limited(Path(file), Path(folder))
            table = model.predict(Table.open(Path(folder)))
    if as_json:
        rows = table.to_dict("records")
        emit_json({"schema": "modelwright.forecast/1", "horizon": model.schema.horizon,
                   "coverage": 0.8, "rows": rows})  # fmt: skip
    for place, kind in enumerate(table.dtypes):
        if kind.kind not in "biufM":  # names of series are anybody's
            table.isetitem(place, [safe_cell(cell) for cell in table.iloc[:, place]])
    table.columns = [safe_cell(name) for name in table.columns]
    if not as_json and out is None:
        table.to_csv(sys.stdout, index=False, lineterminator="\n")
    if out is not None:
        with writing(out):
            table.to_csv(out, index=False, lineterminator="\n")
        (note if as_json else say)(f"{len(table)} steps written to {out}")
    return 0
