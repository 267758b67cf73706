"""From a file or a data frame to a table: one door for every format."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.errors import InputError, did_you_mean
from modelwright.data import columns as col
from modelwright.data.columns import ColumnInfo, Distinct, Kind
from modelwright.data.kinds import infer
from modelwright.data.looks import check_regular, kind_of
from modelwright.data.other_files import read_excel, read_parquet
from modelwright.data.table import Table, TableInfo, columns_are
from modelwright.data.text_file import Reading, check_names, read_text

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 10
# Identical rows are not counted beyond this many cells: the hash would take seconds.
_MAX_HASHED = 50_000_000


@dataclass(frozen=True)
class Raw:
    """Rows as they stand in the source: texts, or what a typed source has."""

    frame: pd.DataFrame
    notes: tuple[str, ...]
    source: Mapping[str, Any]
    comma: bool | None = None


def read_table(
    source: Path | str | pd.DataFrame, target: str | None = None, how: Reading | None = None
) -> Table:
    """A table from CSV of any dialect (also .gz), Parquet, Excel or a data frame.

    With a `target`, rows without it are dropped, and what cannot be learned is refused. Raises
    InputError, in one sentence, for what is not a table. Reads in this process and without limits:
    for a file that may be hostile or huge use `read_limited`.

    >>> import pandas as pd
    >>> table = read_table(pd.DataFrame({"x": range(20), "y": ["a", "b"] * 10}), target="y")
    >>> [c.kind for c in table.info.columns]
    ['numeric', 'categorical']
    """
    from modelwright.data.target import check_target, leaks

    how = how or Reading()
    wanted = (target or "").strip()
    raw = read_raw(source, how, expected=(wanted,) if wanted else ())
    _check_kinds(how, raw)
    if len(raw.frame.columns) < 2:
        raise InputError(
            f"{raw.source['name']} has one column only, {str(raw.frame.columns[0])[:60]!r}; a "
            "target and something to predict it from are needed, or the separator is unusual."
        )
    notes = list(raw.notes)
    frame = raw.frame
    if target is not None:
        frame, said = _with_target(raw, wanted, how)
        notes.extend(said)
    if len(frame) < MIN_ROWS:
        raise InputError(
            f"{raw.source['name']} has {col.counted(len(frame), 'row')}"
            f"{' with a target' * (target is not None)}; "
            f"at least {MIN_ROWS} are needed."
        )
    table = _typed(frame, raw, how, wanted)
    notes.extend(_column_notes(table.info.columns, wanted))
    notes.extend(_duplicates(table.frame))
    if target is not None:
        check_target(table, wanted)
        notes.extend(leaks(table, wanted))
    return Table(table.frame, replace(table.info, notes=tuple(notes)))


def read_raw(
    source: Path | str | pd.DataFrame, how: Reading | None = None, expected: Collection[str] = ()
) -> Raw:
    """The rows of a source without looking into its columns, as `encode_rows` takes them.

    `expected` are names that should stand in the header; they help to find it.
    """
    import pandas as pd

    how = how or Reading()
    if isinstance(source, pd.DataFrame):
        return _from_frame(source)
    path = Path(source)
    check_regular(path)
    with path.open("rb") as file:
        head = file.read(1 << 16)
    kind = kind_of(path, head)
    facts = {"name": path.name, "bytes": path.stat().st_size, "sha256": _sha256(path)}
    if kind == "parquet":
        frame, notes = read_parquet(path)
        return Raw(frame, tuple(notes), facts)
    if kind == "excel":
        frame, notes = read_excel(path, how.sheet)
        return Raw(frame, tuple(notes), facts)
    table, dialect, notes = read_text(path, kind == "gzip", how, expected)
    if not table.num_rows:
        raise InputError(f"{path.name!r} has a header and no rows below it.")
    return Raw(table.to_pandas(), tuple(notes), facts, dialect.comma)


def _from_frame(frame: pd.DataFrame) -> Raw:
    import pandas as pd

    if isinstance(frame.columns, pd.MultiIndex):
        raise InputError("the data frame has columns in several levels; give it one name for each.")
    names = [str(name).strip() for name in frame.columns]
    check_names("the data frame", names)
    notes = []
    if not isinstance(frame.index, pd.RangeIndex):
        notes.append("the index of the data frame is not used")
    plain = frame.set_axis(names, axis=1).reset_index(drop=True)
    return Raw(plain, tuple(notes), {"name": "the data frame"})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_kinds(how: Reading, raw: Raw) -> None:
    names = [str(name) for name in raw.frame.columns]
    for name, kind in how.kinds.items():
        if name not in names:
            raise InputError(f"no column is called {name!r}.{did_you_mean(name, names)}")
        if kind not in col.KINDS:
            raise InputError(
                f"{kind!r} is no kind of column.{did_you_mean(kind, col.KINDS)} "
                f"Known: {', '.join(col.KINDS)}."
            )


def _with_target(raw: Raw, target: str, how: Reading) -> tuple[pd.DataFrame, list[str]]:
    """The rows that have a target, and how many had none."""
    names = [str(name) for name in raw.frame.columns]
    if target not in names:
        raise InputError(
            f"there is no target column called {target!r} in {raw.source['name']}."
            f"{did_you_mean(target, names)} {columns_are(names)}"
        )
    column = raw.frame[target]
    info = _infer(target, column, raw, how, target)
    if info.kind == "numeric" and col.infinite(column, info).any():
        n = int(col.infinite(column, info).sum())
        raise InputError(f"the target {target!r} is infinite in {n} rows; correct or drop them.")
    gone = col.absent(column, info)
    n_gone = int(gone.sum())
    if n_gone == len(column):
        raise InputError(f"the target {target!r} has no value in any of the {len(column)} rows.")
    if not n_gone:
        return raw.frame, []
    kept = raw.frame[~gone].reset_index(drop=True)
    return kept, [f"{col.counted(n_gone, 'row')} dropped for having no target"]


def _infer(
    name: str, column: pd.Series[Any] | Distinct, raw: Raw, how: Reading, target: str
) -> ColumnInfo:
    """What the column holds; a target is never taken for an id."""
    info = infer(name, column, kind=how.kinds.get(name), comma=bool(raw.comma))
    if name == target and info.kind == "id" and name not in how.kinds:
        told: Kind = "numeric" if info.low is not None else "categorical"
        return replace(infer(name, column, kind=told, comma=bool(raw.comma)), note="")
    return info


def _typed(frame: pd.DataFrame, raw: Raw, how: Reading, target: str) -> Table:
    import pandas as pd

    infos, clean = [], {}
    for name in map(str, frame.columns):
        column = frame[name]
        known = _known(column, told=name in how.kinds, comma=bool(raw.comma))
        infos.append(_infer(name, known, raw, how, target))
        clean[name] = _clean(known, infos[-1])
    table = pd.DataFrame(clean, copy=False)
    return Table(table, TableInfo(tuple(infos), len(table), (), raw.source, raw.comma))


def _known(column: pd.Series[Any], told: bool, comma: bool) -> pd.Series[Any] | Distinct:
    """The column as numbers where that is plain, else as distinct texts; made once for all uses."""
    import pandas as pd

    if col.is_number(column) or col.is_date(column) or col.is_declared(column):
        return column
    # Where commas are decimal marks, a point may separate thousands: that takes a closer look.
    plain = None if told or comma else col.plain_numbers(column)
    return pd.Series(plain) if plain is not None else col.distinct(column)


def _clean(column: pd.Series[Any] | Distinct, info: ColumnInfo) -> Any:
    """The column in the dtype that its kind has in a `Table`."""
    import pandas as pd

    if info.kind == "numeric":
        return col.numbers(column, info)[0]
    if info.kind == "date":
        micros = np.round(col.seconds(column, info)[0] * 1e6)
        stamps = np.where(np.isnan(micros), np.iinfo(np.int64).min, micros)
        return stamps.astype(np.int64).view("datetime64[us]")
    if info.kind not in ("categorical", "boolean"):
        return pd.Series(col.texts(column, info))
    if len(info.categories) < info.n_unique:
        return pd.Categorical(col.texts(column, info))
    codes, _ = col.codes(column, info)
    return pd.Categorical.from_codes(codes, pd.Index(list(info.categories)))


def _column_notes(infos: Sequence[ColumnInfo], target: str) -> list[str]:
    """One sentence per column about which something was assumed; ids and constants together."""
    said = []
    for kind, one, many in (
        ("constant", "never changes and is left out", "never change and are left out"),
        ("id", "only names the row and is left out", "only name the row and are left out"),
    ):
        names = [c.name for c in infos if c.kind == kind and c.name != target]
        if names:
            said.append(f"{_some(names)} {one if len(names) == 1 else many}")
    alike: dict[str, list[str]] = {}
    for info in infos:
        if info.note and info.kind not in ("constant", "id"):
            alike.setdefault(info.note, []).append(info.name)
    said.extend(f"{_some(names)}: {note}" for note, names in list(alike.items())[:30])
    if len(alike) > 30:
        said.append(f"{len(alike) - 30} more such notes are left out here")
    return said


def _some(names: Sequence[str], limit: int = 8) -> str:
    shown = ", ".join(repr(n) for n in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _duplicates(frame: pd.DataFrame) -> list[str]:
    import pandas as pd

    if frame.size > _MAX_HASHED:
        return ["identical rows are not counted in a table of this size"]
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    n_same = len(hashes) - len(np.unique(hashes))
    if not n_same:
        return []
    rows = col.counted(n_same, "row")
    return [f"{rows} repeated from above: copies on both sides of a split flatter the score"]
