"""A table with clean typed columns, and every assumption that was made in reading it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.errors import InputError, did_you_mean
from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TableInfo:
    """What was read and what was assumed: plain data that travels and is shown.

    `notes` has one sentence per assumption; `source` has `name`, `bytes` and `sha256` of the file
    (a data frame has only its name). `comma` is True when the file writes 1,5 for one and a half,
    False for 1.5, None when it does not tell.
    """

    columns: tuple[ColumnInfo, ...]
    n_rows: int
    notes: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    comma: bool | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str, role: str = "column") -> ColumnInfo:
        """The column of that name. Raises InputError that suggests the nearest one."""
        for info in self.columns:
            if info.name == name.strip():
                return info
        raise InputError(
            f"there is no {role} called {name!r} in {self.source.get('name', 'the table')}."
            f"{did_you_mean(name, self.names)} {columns_are(self.names)}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal value."""
        return {
            "columns": [c.to_json() for c in self.columns],
            "n_rows": self.n_rows,
            "notes": list(self.notes),
            "source": dict(self.source),
            "comma": self.comma,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TableInfo:
        """The information that `to_json` wrote."""
        return cls(
            tuple(ColumnInfo.from_json(c) for c in data["columns"]),
            data["n_rows"],
            tuple(data["notes"]),
            data["source"],
            data["comma"],
        )


@dataclass(frozen=True)
class Table:
    """A data frame of clean columns and what is known of it.

    Numbers are float64 with NaN, dates are time stamps in UTC without zone, categories and
    booleans are pandas categoricals of text, all else is text with None.
    """

    frame: pd.DataFrame
    info: TableInfo

    def save(self, folder: Path) -> None:
        """Writes `table.arrow` (to be mapped) and `table.json` into the folder."""
        _save_frame(self, folder / "table.arrow")
        (folder / "table.json").write_text(json.dumps(self.info.to_json()), "utf-8")

    @classmethod
    def open(cls, folder: Path) -> Table:
        """The table that `save` wrote; its numbers stay in the file until they are looked at."""
        import pyarrow as pa

        info = TableInfo.from_json(json.loads((folder / "table.json").read_text("utf-8")))
        with pa.memory_map(str(folder / "table.arrow")) as file:
            frame = pa.ipc.open_file(file).read_all().to_pandas(split_blocks=True)
        return cls(frame, info)


def _save_frame(table: Table, path: Path) -> None:
    """Arrow's file format without compression, so that opening it copies nothing."""
    import pyarrow as pa

    arrays = [_arrow(table.frame[c.name], c) for c in table.info.columns]
    whole = pa.table(arrays, names=list(table.info.names))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, whole.schema) as writer:
        writer.write_table(whole)


def _arrow(column: pd.Series[Any], info: ColumnInfo) -> Any:
    import pyarrow as pa

    if info.kind == "numeric":
        # NaN stays NaN: a null would cost a copy of the whole column on reading.
        return pa.array(column.to_numpy(), from_pandas=False)
    if info.kind == "date":
        return pa.array(column, pa.timestamp("us"))
    if info.kind in ("categorical", "boolean"):
        codes = column.cat.codes.to_numpy()
        labels = pa.array(list(column.cat.categories), pa.large_string())
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), labels)
    return pa.array(column, pa.large_string(), from_pandas=True)


def columns_are(names: Collection[str]) -> str:
    """A sentence with the first few names."""
    shown = ", ".join(list(names)[:12])
    return f"The columns are {shown}{f' and {len(names) - 12} more' if len(names) > 12 else ''}."


def as_text_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[ColumnInfo, ...]]:
    """Raw rows in columns that can be saved: numbers and time stamps as they are, else text."""
    import pandas as pd

    out, infos = {}, []
    for name in map(str, frame.columns):
        column = frame[name]
        if col.is_number(column) and str(column.dtype).lower() not in ("bool", "boolean"):
            infos.append(ColumnInfo(name, "numeric"))
            out[name] = pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
        elif col.is_date(column):
            infos.append(ColumnInfo(name, "date"))
            out[name] = (
                column.dt.tz_convert("UTC").dt.tz_localize(None) if _zoned(column) else column
            )
        else:
            infos.append(ColumnInfo(name, "text"))
            out[name] = pd.Series(col.texts(column, ColumnInfo(name, "text", marks=())))
    return pd.DataFrame(out), tuple(infos)


def _zoned(column: pd.Series[Any]) -> bool:
    return getattr(column.dtype, "tz", None) is not None
