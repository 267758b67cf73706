"""Files that a table reader must refuse or handle: named ones, and mutations of valid ones."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import pickle
import random
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Maker = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A file, the question asked of it, and a word that the error or a note must hold."""

    name: str
    make: Maker
    word: str
    file: str = "data.csv"
    target: str = "y"
    options: Mapping[str, Any] = field(default_factory=dict)


def rows(n: int = 60, seed: int = 0) -> pd.DataFrame:
    """A small valid table: numbers, a category, a date and a class."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n).round(3), "b": rng.integers(0, 50, n)})
    frame["colour"] = rng.choice(["red", "green", "blue"], n)
    frame["day"] = pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d")
    frame["y"] = np.where(frame["a"] + rng.normal(size=n) > 0, "yes", "no")
    return frame


def text(content: str, encoding: str = "utf-8") -> Maker:
    return raw(content.encode(encoding))


def raw(content: bytes) -> Maker:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def table(change: Callable[[pd.DataFrame], pd.DataFrame] | None = None, **how: Any) -> Maker:
    def make(path: Path) -> None:
        frame = rows() if change is None else change(rows())
        frame.to_csv(path, **{"index": False, **how})

    return make


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    frame["y"] = np.linspace(0, 9, len(frame)) ** 2 + 0.5
    return frame


def _png() -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 4


def _zip(names: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _no_rights(path: Path) -> None:
    table()(path)
    path.chmod(0)


def _two_classes_alone(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(y=["no"] * (len(frame) - 1) + ["yes"])


def refused() -> list[Case]:
    """What cannot be learned from, and the word its one sentence must hold."""
    body = rows().to_csv(index=False)
    lines = body.splitlines(keepends=True)
    random_bytes = np.random.default_rng(1).bytes(5000)
    json_text = json.dumps(rows().to_dict("records"))
    old_excel = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    locked = old_excel + "EncryptedPackage".encode("utf-16-le") + bytes(600)
    regression = {"task": "regression"}
    cases = [
        Case("missing file", lambda path: None, "no file"),
        Case("misspelt file", lambda p: table()(p.with_name("datta.csv")), "datta.csv"),
        Case("empty file", raw(b""), "empty"),
        Case("blank file", text("\n\n  \n"), "no rows"),
        Case("header only", text("a,b,y\n"), "no rows"),
        Case("wrong target", table(), "'colour'", target="color"),
        Case("one class", table(lambda f: f.assign(y="yes")), "one value"),
        Case("target without values", table(lambda f: f.assign(y="")), "no value"),
        Case("duplicate columns", text("a,a,y\n" + "1,2,3\n" * 30), "'a'"),
        Case("two rows", text("".join(lines[:3])), "at least"),
        Case("pickle named csv", raw(pickle.dumps(rows().to_dict())), "pickle"),
        Case("old pickle named csv", raw(pickle.dumps(rows().to_dict(), protocol=0)), "pickle"),
        Case("random bytes", raw(random_bytes), "binary"),
        Case("random bytes in gzip", raw(gzip.compress(random_bytes)), "binary", "data.csv.gz"),
        Case("cut gzip", raw(gzip.compress(body.encode())[:200]), "gzip", "data.csv.gz"),
        Case("directory", lambda path: path.mkdir(), "directory"),
        Case("pipe", lambda path: os.mkfifo(path), "pipe"),
        Case("picture named csv", raw(_png()), "PNG"),
        Case("pdf named csv", raw(b"%PDF-1.7\n" + bytes(900)), "PDF"),
        Case("json named csv", text(json_text), "JSON"),
        Case("json lines named csv", text('{"a": 1, "y": 2}\n' * 30), "JSON"),
        Case("web page named csv", text("<!DOCTYPE html><html><body>x</body></html>"), "web page"),
        Case("zip named csv", raw(_zip({"data.csv": body})), "zip"),
        Case("word document", raw(_zip({"word/document.xml": "<x/>"})), "Word"),
        Case("damaged xlsx", raw(_zip({"xl/workbook.xml": "<x>"})), "Excel", "data.xlsx"),
        Case("old Excel", raw(old_excel), ".xlsx", "data.xls"),
        Case("Excel with a password", raw(locked), "password", "data.xlsx"),
        Case("damaged Parquet", raw(b"PAR1" + random_bytes + b"PAR1"), "Parquet", "data.parquet"),
        Case("infinite target", table(lambda f: _numbers(f).replace({"y": {0.5: np.inf}})),
             "infinite"),
        Case("one row of a class", table(_two_classes_alone), "two classes"),
        Case("words for regression", table(), "number", options=regression),
        Case("every row another text", table(lambda f: f.assign(y=[f"t{i}" for i in f.index])),
             "texts"),
        Case("nothing but the target", text("y\n" + "1\n2\n" * 30), "one column"),
        Case("no group column", table(), "group", options={"group": "grp"}),
        Case("no weight column", table(), "weight", options={"weight": "w"}),
        Case("negative weights", table(), "weight", options={"weight": "a"}),
        Case("words for weights", table(), "weight", options={"weight": "colour"}),
        Case("no time column", table(), "time", options={"time": "when"}),
        Case("words for time", table(), "time", options={"time": "colour"}),
        Case("unknown column to drop", table(), "'colour'", options={"drop": ("colours",)}),
        Case("unknown positive label", table(), "'yes'", options={"positive": "Yess"}),
        Case("lines of all lengths", text("a,b,y\n" + "1,2,3\n1,2,3,4,5\n1\n" * 20), "separator"),
    ]  # fmt: skip
    if os.geteuid() != 0:  # root may read everything
        cases.append(Case("no right to read", _no_rights, "permission"))
    return cases


def _excel(path: Path) -> None:
    frame = rows()
    frame["day"] = pd.to_datetime(frame["day"])
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["made for a test"]}).to_excel(
            book, sheet_name="read me", index=False
        )
        frame.to_excel(book, sheet_name="data", index=False, startrow=2, startcol=1)


def _messy_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    frame["b"] = [f"{v * 1000:,}" for v in frame["b"]]
    frame["share"] = [f"{v}%" for v in range(len(frame))]
    frame["price"] = [f"${v}.50" for v in range(len(frame))]
    return frame


def _mixed(frame: pd.DataFrame) -> pd.DataFrame:
    frame["b"] = frame["b"].astype(object)
    frame.loc[3, "b"] = "about ten"
    return frame


def _wide(frame: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    more = pd.DataFrame(rng.normal(size=(len(frame), 3000)).round(3)).add_prefix("v")
    return pd.concat([frame, more], axis=1)


def _comma(path: Path) -> None:
    rows().to_csv(path, index=False, sep=";", decimal=",")


def handled() -> list[Case]:
    """What is read with a note, and a word of that note."""
    frame = rows()
    body = frame.to_csv(index=False)
    lines = body.splitlines(keepends=True)
    accents = body.replace("red", "röt").replace("green", "grün")
    blanks = frame.to_string(index=False)
    nuls = body.replace("red", "re\0d")
    ragged = "".join([*lines[:20], "1,2,3,4,5,6,7\n", *lines[20:30], "1,2\n", *lines[30:]])
    long_field = body + f'1,2,"{"x" * 2_000_000}",2024-01-01,yes\n'
    unclosed = "".join([*lines[:9], lines[9].replace("blue", '"blue').replace("red", '"red')
                        .replace("green", '"green'), *lines[10:]])  # fmt: skip
    return [
        Case("comma", text(body), "comma"),
        Case("semicolon and decimal comma", _comma, "decimal mark is a comma"),
        Case("tab", table(sep="\t"), "tab"),
        Case("bar", table(sep="|"), "bar"),
        Case("blanks", text(blanks), "blanks"),
        Case("single quotes", table(quotechar="'", quoting=1), "quoted with '"),
        Case("byte-order mark", text(body, "utf-8-sig"), "UTF-8"),
        Case("UTF-16", text(accents, "utf-16"), "utf-16"),
        Case("UTF-16 without mark", text(accents, "utf-16-le"), "utf-16"),
        Case("Windows-1252", text(accents, "cp1252"), "Windows-1252"),
        Case("gzip", lambda p: raw(gzip.compress(body.encode()))(p), "comma", "data.csv.gz"),
        Case("gzip by another name", lambda p: raw(gzip.compress(body.encode()))(p), "comma"),
        Case("old Macintosh line ends", text(body.replace("\n", "\r")), "comma"),
        Case("Windows line ends", text(body.replace("\n", "\r\n")), "comma"),
        Case("no line end at the end", text(body.rstrip()), "comma"),
        Case("sep= line of Excel", text("sep=;\n" + body.replace(",", ";")), "skipped"),
        Case("comment lines", text("# made by hand\n# twice\n" + body), "skipped"),
        Case("title lines", text("Report of the year\n\n" + body), "skipped"),
        Case("no header", text("".join(lines[1:])), "no header", target="column_5"),
        Case("separator at each end", text(body.replace("\n", ",\n")), "cut off"),
        Case("row names", table(index_label=False, index=True), "row name"),
        Case("Parquet", lambda p: frame.to_parquet(p), "Parquet", "data.parquet"),
        Case("Parquet named csv", lambda p: frame.to_parquet(p), "Parquet"),
        Case("Excel, second sheet", _excel, "sheet 'data'", "data.xlsx"),
        Case("thousands, percent, dollars", table(_messy_numbers), "thousands"),
        Case("a word among numbers", table(_mixed), "about ten"),
        Case("empty column", table(lambda f: f.assign(none="")), "'none'"),
        Case("constant column", table(lambda f: f.assign(c=7)), "'c'"),
        Case("id column", table(lambda f: f.assign(row_id=range(1000, 1060))), "'row_id'"),
        Case("3,000 columns", table(_wide), "comma"),
        Case("rows without target", table(lambda f: f.assign(y=["", *f["y"][1:]])), "no target"),
        Case("marks for missing", table(lambda f: f.assign(b=["?", "NA", "-", *f["b"][3:]])),
             "means missing"),
        Case("two or more blanks", text(re.sub(",", "   ", body.replace("red", "dark red"))),
             "two or more blanks"),
        Case("ragged lines", text(ragged), "dropped"),
        Case("short lines", text("a,b,y\n" + "1,2,no\n3\n2,4,yes\n5,6,no\n" * 20), "no target"),
        Case("NUL characters", text(nuls), "NUL"),
        Case("a very long field", text(long_field), "comma"),
        Case("a quote never closed", text(unclosed), "never closed"),
        Case("repeated rows", text(body + "".join(lines[1:6])), "repeated"),
        Case("blanks around names", text(body.replace("colour", " colour ")), "comma"),
        Case("a copy of the target", table(lambda f: f.assign(z=f["y"].map({"yes": 1, "no": 0}))),
             "gives the target away"),
        Case("day before month", table(lambda f: f.assign(day=f["day"].map(_european))),
             "%d/%m/%Y"),
        Case("quoted lines in cells", table(lambda f: f.assign(note="first\nsecond, third")),
             "comma"),
        Case("numbers as classes", table(lambda f: f.assign(y=f["b"] % 3)), "comma"),
        Case("infinite feature", table(lambda f: f.assign(a=[np.inf, *f["a"][1:]])), "infinite"),
    ]  # fmt: skip


def _european(day: str) -> str:
    year, month, date = day.split("-")
    return f"{date}/{month}/{year}"


# -- fuzz ----------------------------------------------------------------------------------------


@functools.cache
def bodies() -> tuple[tuple[bytes, str], ...]:
    """Valid tables as bytes, and their targets: one made here and those of scikit-learn."""
    from sklearn import datasets

    out = [(rows(200).to_csv(index=False).encode(), "y")]
    for load in (datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer,
                 datasets.load_diabetes):  # fmt: skip
        out.append((load(as_frame=True).frame.to_csv(index=False).encode(), "target"))
    return tuple(out)


def mutate(body: bytes, rng: random.Random) -> tuple[bytes, list[str]]:
    """The bytes after one to four random harms, and what these were."""
    done = []
    for _ in range(rng.randint(1, 4)):
        harm = rng.choice(_HARMS)
        body = harm(body, rng) or b"\n"
        done.append(harm.__name__.strip("_"))
    return body, done


def _flip_bytes(body: bytes, rng: random.Random) -> bytes:
    out = bytearray(body)
    for _ in range(rng.choice((1, 5, 50))):
        out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def _cut(body: bytes, rng: random.Random) -> bytes:
    start = rng.choice((0, 0, rng.randrange(len(body))))
    return body[start : start + rng.randrange(1, len(body) + 1)]


def _repeat_lines(body: bytes, rng: random.Random) -> bytes:
    lines = body.splitlines(keepends=True) or [b""]
    for _ in range(rng.randint(1, 20)):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"".join(lines)


def _drop_cells(body: bytes, rng: random.Random) -> bytes:
    lines = body.splitlines()
    for _ in range(rng.randint(1, 30)):
        i = rng.randrange(len(lines)) if lines else 0
        if lines:
            cells = lines[i].split(b",")
            del cells[rng.randrange(len(cells))]
            lines[i] = b",".join(cells)
    return b"\n".join(lines) + b"\n"


def _other_separator(body: bytes, rng: random.Random) -> bytes:
    return body.replace(b",", rng.choice((b";", b"\t", b"|", b"  ", b", ", b":", b"~")))


def _other_encoding(body: bytes, rng: random.Random) -> bytes:
    head, _, rest = body.decode("latin-1").partition("\n")
    words = head + "\n" + rest.replace("e", "é").replace("2", "²")
    names = ("utf-8", "utf-16", "utf-16-be", "utf-32", "cp1252", "utf-7")
    return words.encode(rng.choice(names), "replace")


def _insert(body: bytes, rng: random.Random) -> bytes:
    what = (b"\0", b'"', b"'", b"\r", b"\n", b"\r\n", b"\x1a", b"\xff", b'""', b"\\", b"#", b",,,,",
            b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"NaN", b"1e999", b"-", b"inf")  # fmt: skip
    out = body
    for _ in range(rng.choice((1, 3, 30))):
        i = rng.randrange(len(out) + 1)
        out = out[:i] + rng.choice(what) + out[i:]
    return out


def _line_ends(body: bytes, rng: random.Random) -> bytes:
    return body.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b" \n", b",\n")))


def _quote_cells(body: bytes, rng: random.Random) -> bytes:
    mark = rng.choice((b'"', b"'"))
    return b"\n".join(
        b",".join(mark + c + mark if rng.random() < 0.3 else c for c in line.split(b","))
        for line in body.splitlines()
    )


def _on_top(body: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"# a comment\n", b"Title\n\n", b"sep=,\n", b"\n\n\n", b"a,b\n")) + body


_HARMS = (
    _flip_bytes, _cut, _repeat_lines, _drop_cells, _other_separator, _other_encoding, _insert,
    _line_ends, _quote_cells, _on_top,
)  # fmt: skip


def fuzzed(n: int, seed: int = 0) -> Iterator[tuple[int, bytes, str, list[str]]]:
    """Numbered files as bytes, the target to ask for, and the harms done; the same everywhere."""
    return (fuzzed_one(i, seed) for i in range(n))


def fuzzed_one(number: int, seed: int = 0) -> tuple[int, bytes, str, list[str]]:
    """One file of `fuzzed`."""
    sources = bodies()
    body, target = sources[number % len(sources)]
    harmed, harms = mutate(body, random.Random(f"{seed}:{number}"))
    return number, harmed, target, harms
