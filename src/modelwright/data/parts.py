"""Rows ready for a model, as arrays in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.canonical import digest
from modelwright.data.protected import Cells, Protected
from modelwright.data.schema import Features, Schema
from modelwright.data.split import How, Rows, folds_of


@dataclass(frozen=True)
class Part:
    """Rows ready for a model, mapped from the folder they were written to.

    `y` is `[n]`: int32 class codes or float64 values. `weights` is `[n]` or None. `groups` is `[n]`
    int64 codes or None. `rows` are the row numbers in the table, rising. `parts` is as in `Split`
    (no folds in a sealed part). `hash` names the content: equal hash, equal arrays. `cells` has
    the group of each row in each of the `protected` columns, `[n, n_protected]`.
    """

    schema: Schema
    features: Features
    y: npt.NDArray[Any]
    rows: Rows
    weights: npt.NDArray[np.float64] | None
    groups: npt.NDArray[np.int64] | None
    parts: npt.NDArray[np.int8]
    repeats: int = 1
    how: How = "stratified"
    hash: str = ""
    protected: tuple[Protected, ...] = ()
    cells: Cells | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def folds(self) -> list[tuple[Rows, Rows]]:
        """Per fold the positions that train and that validate, rising."""
        return list(folds_of(self.parts))


def load_part(folder: Path) -> Part:
    """The arrays that `prepare` wrote there, mapped read-only; texts are read into memory."""
    facts = json.loads((folder / "part.json").read_text("utf-8"))
    schema = Schema.from_json(facts["schema"])

    def array(name: str) -> npt.NDArray[Any]:
        out: npt.NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return out

    features = Features(array("numeric"), array("codes"), array("dates"), _load_texts(folder))
    return Part(
        schema,
        features,
        array("y"),
        array("rows"),
        array("weights") if facts["weights"] else None,
        array("groups") if facts["groups"] else None,
        array("parts"),
        facts["repeats"],
        facts["how"],
        facts["hash"],
        tuple(Protected.from_json(p) for p in facts.get("protected", ())),
        array("cells") if facts.get("protected") else None,
    )


def write_part(folder: Path, part: Part) -> str:
    """Writes the arrays into the folder; the hash of what was written (`part.hash` is not read)."""
    folder.mkdir(parents=True, exist_ok=True)
    features = part.features
    arrays = {
        "numeric": features.numeric, "codes": features.codes, "dates": features.dates,
        "y": part.y, "rows": part.rows, "weights": part.weights, "groups": part.groups,
        "parts": part.parts, "cells": part.cells if part.protected else None,
    }  # fmt: skip
    marks = {}
    for name, array in arrays.items():
        if array is not None:
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
            marks[name] = _digest_file(folder / f"{name}.npy")
    if features.texts:
        _save_texts(folder / "texts.arrow", features.texts)
        marks["texts"] = _digest_file(folder / "texts.arrow")
    schema = part.schema.to_json()
    protected = {"protected": [p.to_json() for p in part.protected]} if part.protected else {}
    facts = {
        "schema": schema, "weights": part.weights is not None, "groups": part.groups is not None,
        "repeats": part.repeats, "how": part.how, **protected,
        "hash": digest([schema, marks, *protected.values()]),
    }  # fmt: skip
    (folder / "part.json").write_text(json.dumps(facts), "utf-8")
    return str(facts["hash"])


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _save_texts(path: Path, texts: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> None:
    import pyarrow as pa

    table = pa.table({name: pa.array(v, pa.large_string()) for name, v in texts.items()})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _load_texts(folder: Path) -> dict[str, npt.NDArray[np.object_]]:
    path = folder / "texts.arrow"
    if not path.exists():
        return {}
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
        return {
            name: np.array([*table.column(name).to_pylist(), None], dtype=object)[:-1]
            for name in table.column_names
        }
