"""Reads Parquet and Excel files into a data frame, as far as a table has to be found in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError, did_you_mean
from modelwright.data.text_file import check_names

if TYPE_CHECKING:
    import pandas as pd


def read_parquet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The table of a Parquet file; nested columns become text, with a note."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):
        raise InputError(f"{path.name!r} is a Parquet file that is damaged or locked.") from None
    names = [str(name).strip() for name in table.column_names]
    check_names(path.name, names)
    # What pandas wrote about its index is for pandas: an index column is a column here.
    table = table.rename_columns(names).replace_schema_metadata(None)
    # Days come as Python objects otherwise: slow, and 30 times larger.
    for i, field in enumerate(table.schema):
        if pa.types.is_date(field.type):
            days = table.column(i).cast(pa.timestamp("s"))
            table = table.set_column(i, field.name, days)
    nested = [f.name for f in table.schema if pa.types.is_nested(f.type)]
    frame = table.to_pandas()
    notes = ["the file is Parquet"]
    for name in nested:
        frame[name] = [None if v is None else str(v) for v in frame[name]]
        notes.append(f"{name!r} holds lists or records, which are read as text")
    return frame, notes


def read_excel(path: Path, sheet: str | None) -> tuple[pd.DataFrame, list[str]]:
    """The named sheet, or the first sheet that holds a table."""
    import warnings

    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and validations that openpyxl does not keep
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            names = list(book.sheetnames)
            if sheet is not None and sheet not in names:
                raise InputError(
                    f"{path.name!r} has no sheet called {sheet!r}.{did_you_mean(sheet, names)}"
                )
            for name in [sheet] if sheet is not None else names:
                rows = _rows(book[name])
                if len(rows) > 1 and len(rows[0]) > 1:
                    frame, said = _frame(path.name, rows)
                    others = f" of {len(names)}" if len(names) > 1 else ""
                    return frame, [f"the file is Excel, sheet {name!r}{others}", *said]
    except InputError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # openpyxl has no error of its own for a damaged file
        kind = type(error).__name__
        raise InputError(f"{path.name!r} is a damaged Excel file ({kind} in reading).") from None
    raise InputError(f"{path.name!r} has no sheet with a table of two columns and two rows.")


def _rows(sheet: Any) -> list[list[Any]]:
    """The rows of a sheet without the empty rows and columns around the table."""
    if not hasattr(sheet, "iter_rows"):
        return []  # a chart
    if hasattr(sheet, "reset_dimensions"):
        sheet.reset_dimensions()  # the stated size may be a lie, or missing
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    rows = [row for row in rows if any(cell not in (None, "") for cell in row)]
    width = max((_last(row) for row in rows), default=0)
    rows = [row[:width] + [None] * (width - len(row)) for row in rows]
    first = min((_first(row) for row in rows), default=0)
    return [row[first:] for row in rows]


def _last(row: list[Any]) -> int:
    return max((i + 1 for i, cell in enumerate(row) if cell not in (None, "")), default=0)


def _first(row: list[Any]) -> int:
    return min((i for i, cell in enumerate(row) if cell not in (None, "")), default=len(row))


def _frame(file: str, rows: list[list[Any]]) -> tuple[pd.DataFrame, list[str]]:
    """Takes the first row that is filled as the ones below as the header."""
    import pandas as pd

    filled = [sum(cell not in (None, "") for cell in row) for row in rows]
    typical = sorted(filled)[len(filled) // 2]
    start = next(i for i, n in enumerate(filled) if n >= max(2, 0.6 * typical) or n == max(filled))
    notes = [f"the first {start} rows are no part of the table and skipped"] if start else []
    head, body = rows[start], rows[start + 1 :]
    if all(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in head):
        head, body = [f"column_{i + 1}" for i in range(len(head))], rows[start:]
        notes.append(f"there is no header: the columns are called column_1 to column_{len(head)}")
    names = [
        f"column_{i + 1}" if cell in (None, "") else str(cell).strip()
        for i, cell in enumerate(head)
    ]
    check_names(file, names)
    columns = {name: _plain([row[i] for row in body]) for i, name in enumerate(names)}
    return pd.DataFrame(columns), notes


def _plain(cells: list[Any]) -> pd.Series[Any]:
    """Numbers as floats and dates as time stamps where a column has nothing else."""
    import datetime

    import pandas as pd

    there = [c for c in cells if c not in (None, "")]
    if there and all(isinstance(c, (int, float)) and not isinstance(c, bool) for c in there):
        return pd.Series([None if c in (None, "") else float(c) for c in cells], dtype="float64")
    if there and all(isinstance(c, datetime.datetime) for c in there):
        return pd.Series([c or pd.NaT for c in cells], dtype="datetime64[us]")
    return pd.Series(cells, dtype=object)
