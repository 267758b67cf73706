"""What `predict` does with a network: tells the class of image or sound files."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any, TextIO
from zipfile import BadZipFile

import numpy as np

from modelwright.apps.words import emit_json, note, say, writing
from modelwright.core.cells import safe_cell
from modelwright.core.errors import InputError
from modelwright.data.collection import example_files
from modelwright.data.images import channels_first
from modelwright.data.texts import read_texts_to_answer


def predict(model: Any, file: str | None, out: str | None, as_json: bool) -> int:
    """Writes one line per file: its name, the likeliest class, the share of each; or its value.

    `file` is one file, a folder (files below it, too), or arrays (`.npy`, `.npz`); of texts a CSV
    file, or a `.txt` file with one on each line. A file that
    cannot be read is told on standard error and has no prediction; the exit code is then 2.
    """
    if file is None:
        raise InputError("name the file or folder that is to be answered.")
    names, answers, wrong = _answers(model, Path(file))
    for told in wrong:
        note(f"  - {told}")
    rows = [{"file": n, **row} for n, row in zip(names, model.told(answers), strict=True)]
    if as_json:
        emit_json({"schema": "modelwright.answers/1", "rows": rows, "unread": wrong})
    elif out is None:
        _write(rows, model.classes, sys.stdout)
    if out is not None:
        with writing(out), Path(out).open("w", newline="", encoding="utf-8") as lines:
            _write(rows, model.classes, lines)
        (note if as_json else say)(f"{len(rows)} files answered in {out}")
    return 2 if wrong else 0


def _answers(model: Any, path: Path) -> tuple[list[str], Any, list[str]]:
    """Names of what was answered, its answers, and what could not be read."""
    if not path.exists():
        raise InputError(f"there is no file or folder {str(path)!r}.")
    if model.reads_texts:
        texts = read_texts_to_answer(path)
        return [f"row {i}" for i in range(1, len(texts) + 1)], model.answers(texts), []
    if path.suffix in (".npy", ".npz"):
        answers = model.answers(_array(path))
        return [str(i + 1) for i in range(len(answers))], answers, []
    files = example_files(path)
    if not files:
        raise InputError(f"the folder {str(path)!r} holds no images or sounds.")
    names, examples, wrong = [], [], []
    for one in files:
        try:
            examples.append(model.read(one)[0])
            names.append(str(one))
        except InputError as error:
            wrong.append(str(error))
    if not examples:
        raise InputError(wrong[0])
    return names, model.answers(np.stack(examples)), wrong


def _array(path: Path) -> Any:
    """The array of an `.npy` file, or `x` (or `x_test`) of an `.npz`, channels before rows."""
    try:
        found = np.load(path, allow_pickle=False)
        if path.suffix == ".npz":
            with found:
                name = next((n for n in ("x", "x_test") if n in found.files), None)
                if name is None:
                    raise InputError(f"{path.name} has no array x, or x_test.")
                found = found[name]
    except (ValueError, OSError, BadZipFile) as error:
        raise InputError(f"{path.name} cannot be read as an array: {error}.") from None
    return channels_first(found, path)


def _write(rows: list[dict[str, Any]], classes: tuple[str, ...], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "prediction", *(f"share_{c}" for c in classes)])
    for row in rows:
        told = (safe_cell(row["file"]), safe_cell(row["prediction"]))
        writer.writerow([*told, *row.get("shares", {}).values()])
