"""Predicts the rows of a CSV file with the model.onnx beside this script.

    python predict.py rows.csv > answers.csv
    python predict.py < rows.csv > answers.csv

Needs onnxruntime and numpy, nothing else. Cells are read as in training: decimal marks, units,
dates and texts that mean missing come from the model's own schema. One line per row comes out:
the answer, and for classes the share of each. What looks unlike training is told on standard error.
"""

from __future__ import annotations

import csv
import datetime
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

BATCH = 1000
NO_DATE = -(1 << 63)
GONE = {
    "none", "-", "--", "---", ".", "..", "*", "na", "n.a.", "nil", "empty", "missing", "unknown",
    "not available", "not applicable", "undefined", "#value!", "#div/0!", "#ref!", "#num!", "nat",
    "nan", "null", "n/a",
}  # fmt: skip
MARKS = ("", "?", "NA", "N/A", "n/a", "#N/A", "#NA", "NaN", "nan", "NaT", "NULL", "Null", "null",
         "<NA>", "(null)", "\\N")  # fmt: skip
SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2019": "'"})


class Predictor:
    """A model file ready to answer rows of texts."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        about = self.session.get_modelmeta().custom_metadata_map
        self.schema: dict[str, Any] = json.loads(about["schema"])
        self.classes: list[str] = json.loads(about["classes"])
        self.columns: list[dict[str, Any]] = [
            c for c in self.schema["columns"] if c["kind"] not in ("id", "constant")
        ]
        self.strange: dict[str, int] = {}

    def answer(self, rows: list[dict[str, str]]) -> list[np.ndarray[Any, Any]]:
        """The model's outputs for some rows: labels and shares, or values alone."""
        inputs = {c["name"]: self._read(c, [row[c["name"]] for row in rows]) for c in self.columns}
        return [np.asarray(out) for out in self.session.run(None, inputs)]

    def _read(self, column: dict[str, Any], cells: list[str]) -> np.ndarray[Any, Any]:
        cells = ["" if cell is None else cell.strip() for cell in cells]
        if column["kind"] == "numeric":
            return np.array([self._number(column, cell) for cell in cells], np.float64)
        if column["kind"] == "date":
            return np.array([self._seconds(column, cell) for cell in cells], np.int64)
        if column["kind"] == "text":
            marks = column.get("marks", MARKS)
            return np.array(["" if cell in marks else cell for cell in cells], object)
        known = {*column.get("categories", ()), *column.get("marks", MARKS)}
        if column["kind"] == "boolean":
            known |= {word.lower() for word in known}
            new = sum(cell not in known and cell.lower() not in known for cell in cells)
        else:
            new = sum(cell not in known for cell in cells)
        self._tell(column, new, "with a value that was not seen in training")
        return np.array(cells, object)

    def _number(self, column: dict[str, Any], cell: str) -> float:
        value = number(
            cell, column.get("decimal", "."), column.get("thousands", ""), column.get("affix", "")
        )
        if not math.isfinite(value):
            missing = cell in column.get("marks", MARKS) or cell.lower() in GONE
            self._tell(column, not missing, "that hold no number and count as missing")
            return math.nan
        self._check(column, value)
        return value

    def _seconds(self, column: dict[str, Any], cell: str) -> int:
        if cell in column.get("marks", MARKS) or cell.lower() in GONE:
            return NO_DATE
        how = column.get("date_format", "") or "ISO8601"
        try:
            if how == "ISO8601":
                stamp = datetime.datetime.fromisoformat(cell.replace(",", "."))
            else:
                stamp = datetime.datetime.strptime(cell, how)
        except ValueError:
            self._tell(column, 1, "that hold no date and count as missing")
            return NO_DATE
        if stamp.tzinfo is None:
            stamp = stamp.replace(tzinfo=datetime.timezone.utc)  # noqa: UP017 (any Python 3)
        start = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)  # noqa: UP017
        seconds = (stamp - start) // datetime.timedelta(seconds=1)
        self._check(column, seconds)
        return seconds

    def _check(self, column: dict[str, Any], value: float) -> None:
        low, high = column.get("low"), column.get("high")
        if low is not None and high is not None:
            room = float(self.schema["margin"]) * (high - low)
            outside = not low - room <= value <= high + room
            self._tell(column, outside, "outside of the range of training")

    def _tell(self, column: dict[str, Any], count: int, words: str) -> None:
        if count:
            key = f"{column['name']}: cells {words}"
            self.strange[key] = self.strange.get(key, 0) + int(count)


def number(text: str, decimal: str, thousands: str, affix: str) -> float:
    """The number a text stands for, NaN when it is none."""
    text = text.translate(SPACES)
    negative = text.startswith("(") and text.endswith(")")
    text = text[1:-1] if negative else text
    if affix and affix in text:
        sign = "-" if text.startswith("-") else ""
        text = sign + text.lstrip("-").removeprefix(affix).removesuffix(affix).strip()
    if thousands and thousands in text:
        whole = text.lstrip("+-").partition(decimal)[0].split(thousands)
        threes = all(len(part) == 3 for part in whole[1:]) and 1 <= len(whole[0]) <= 3
        if not threes or not "".join(whole).isdigit():
            return math.nan
        text = text.replace(thousands, "")
    if decimal != ".":
        if "." in text:
            return math.nan
        text = text.replace(decimal, ".")
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan
    return -value if negative else value


def read_csv(lines: Iterable[str], needed: list[str]) -> Iterator[dict[str, str]]:
    """Rows by column name; the separator is the one under which the header has the columns."""
    lines = iter(lines)
    head = next(lines, "").lstrip("\ufeff")
    for separator in (",", ";", "\t", "|"):
        names = [name.strip() for name in next(csv.reader([head], delimiter=separator), [])]
        if set(needed) <= set(names):
            break
    else:
        names = [name.strip() for name in next(csv.reader([head]), [])]
        missing = ", ".join(repr(n) for n in needed if n not in names)
        sys.exit(f"predict.py: the file lacks the column {missing}.")
    twice = ", ".join(repr(n) for n in needed if names.count(n) > 1)
    if twice:
        sys.exit(f"predict.py: the file has more than one column called {twice}; rename them.")
    for line, cells in enumerate(csv.reader(lines, delimiter=separator), 2):
        if len(cells) != len(names):
            if len(cells) < 2 and not "".join(cells).strip():  # an empty line
                continue
            sys.exit(f"predict.py: row {line} has {len(cells)} cells, expected {len(names)}.")
        yield dict(zip(names, cells))  # noqa: B905 (any Python 3)


def main() -> None:
    """Reads rows from a file or standard input, writes answers to standard output."""
    if len(sys.argv) > 2 or sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    model = Predictor(Path(__file__).with_name("model.onnx"))
    if len(sys.argv) == 2:
        with Path(sys.argv[1]).open(newline="", encoding="utf-8") as file:
            write(model, file)
    else:
        write(model, sys.stdin)
    for words, count in model.strange.items():
        print(f"{words} ({count})", file=sys.stderr)


def write(model: Predictor, lines: Iterable[str]) -> None:
    """Answers the rows of a CSV file as they come, a batch at a time."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    shares = [f"share_{name}" for name in model.classes]
    out.writerow(["row", "prediction", *shares])
    batch: list[dict[str, str]] = []
    done = 0
    for row in read_csv(lines, [c["name"] for c in model.columns]):
        batch.append(row)
        if len(batch) == BATCH:
            done = _write_batch(model, batch, done, out)
            batch = []
    if batch:
        _write_batch(model, batch, done, out)


def _write_batch(model: Predictor, batch: list[dict[str, str]], done: int, out: Any) -> int:
    answers = model.answer(batch)
    for i, value in enumerate(answers[0].tolist()):
        more = [] if len(answers) == 1 else [round(p, 6) for p in answers[1][i].tolist()]
        out.writerow([done + i + 1, _safe(value), *more])
    return done + len(batch)


def _safe(value: Any) -> Any:
    """A label that a spreadsheet would run as a formula gets ' before it; numbers stay."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return value
    try:
        float(value)
    except ValueError:
        return "'" + value
    return value


if __name__ == "__main__":
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # `predict.py rows.csv | head`: nobody reads on, and that is fine
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
