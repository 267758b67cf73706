"""Texts as numbers of words: a vocabulary learned from the examples, and hashed parts of words."""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, did_you_mean
from modelwright.data.collection import HEAD_BYTES, LABELS, TEST, Collection

WORDS = 20_000  # of a vocabulary, at most
BUCKETS = 4096  # for each of: beginnings of words, ends of words, pairs of neighbours
MAX_LENGTH = 256  # words of a text that are read
ROWS = 4  # numbers for each place: the word, its beginning, its end, it and the one before
LONG, UNLIKE = 3.0, 0.7  # mean words of a column of texts; share of its values that are unlike
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class TextFront:
    """Makes a text int32 `[4, length]`: for each word its number, and those of three hashed parts.

    0 is no word, 1 a word that is not in `words`. Longer texts are cut. Hashed are the first and
    the last three letters, and the word with the one before it (Joulin et al. 2017, with fewer
    kinds of parts).
    """

    words: tuple[str, ...]
    length: int

    @property
    def ids(self) -> int:
        """How many different numbers there are."""
        return 2 + len(self.words) + 3 * BUCKETS

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {word: i + 2 for i, word in enumerate(self.words)}

    def read(self, content: bytes, name: str) -> npt.NDArray[np.int32]:
        """The numbers of one text, UTF-8."""
        return self.numbers(content.decode("utf-8", "replace"))

    def numbers(self, text: str) -> npt.NDArray[np.int32]:
        """The numbers of one text."""
        out = np.zeros((ROWS, self.length), np.int32)
        first = 2 + len(self.words)
        before = "<"
        for place, word in enumerate(tokens(text)[: self.length]):
            out[0, place] = self._numbers.get(word, 1)
            out[1, place] = first + _bucket(word[:3])
            out[2, place] = first + BUCKETS + _bucket(word[-3:])
            out[3, place] = first + 2 * BUCKETS + _bucket(f"{before} {word}")
            before = word
        return out

    def to_json(self) -> dict[str, Any]:
        """Plain data that `front_of` takes."""
        return {"kind": "texts", "words": list(self.words), "length": self.length}

    @classmethod
    def of(cls, texts: Sequence[str]) -> TextFront:
        """The front for these texts: words that occur twice, the commonest first."""
        counts: Counter[str] = Counter()
        lengths = []
        for text in texts:
            found = tokens(text)
            lengths.append(len(found))
            counts.update(found)
        common = sorted((-n, word) for word, n in counts.items() if n > 1)[:WORDS]
        length = int(np.clip(np.quantile(lengths, 0.95), 4, MAX_LENGTH))
        return cls(tuple(word for _, word in common), length)


def tokens(text: str) -> list[str]:
    """Words in small letters, and marks.

    >>> tokens("It's fine!")
    ['it', "'", 's', 'fine', '!']
    """
    return _TOKEN.findall(text.lower())


def text_column(path: Path, target: str) -> str | None:
    """The one column of texts of a table that has nothing else to learn from; None for others.

    A column `split` may be there, too. Only the beginning of the file is looked at.
    """
    if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return None
    with path.open("rb") as file:
        rows = _rows(file.read(HEAD_BYTES), whole=False)
    if len(rows) < 5 or target not in rows[0]:
        return None
    rest = [c for c in rows[0] if c != target and c.lower() != "split"]
    if len(rest) != 1:
        return None
    values = [row[rest[0]] for row in rows]
    words = sum(len(value.split()) for value in values) / len(values)
    unlike = len(set(values)) / len(values)
    return rest[0] if words >= LONG and unlike >= UNLIKE else None


def read_texts(
    path: Path,
    target: str,
    front: Any = None,
    wider: Callable[[TextFront, Sequence[str]], Any] | None = None,
) -> Collection:
    """The texts and the classes (or numbers) of a CSV file with one column of texts.

    The vocabulary is learned from texts that are not set aside, unless `front` is given; `wider`
    makes of it, and of these texts, a front that reads more of a text. Raises
    InputError for a file without such columns; rows without a label are left out.
    """
    column = text_column(path, target)
    rows = _rows(path.read_bytes()) if path.is_file() else []
    if rows and target not in rows[0]:
        hint = did_you_mean(target, rows[0])
        raise InputError(f"{path.name} has no column {target!r} (--target).{hint}")
    if column is None or not rows:
        raise InputError(f"{path.name} has no column of texts beside {target!r}.")
    kept = [row for row in rows if row[target].strip()]
    split = next((c for c in rows[0] if c.lower() == "split"), None)
    test = np.array([split is not None and r[split].strip().lower() in TEST for r in kept])
    texts = [row[column] for row in kept]
    known = [text for text, aside in zip(texts, test, strict=True) if not aside]
    if not (texts if front else known):
        raise InputError(f"{path.name} has no row with {target!r} to learn from.")
    made = front or TextFront.of(known)
    notes = [f"texts are in column {column!r}, what is to be told in {target!r}"]
    if front is None:
        notes.append(f"{len(made.words)} words are known, {made.length} of a text are read")
    if wider is not None:
        made = wider(made, known)
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} rows without {target!r} were left out")
    inputs = np.stack([made.numbers(text) for text in texts])
    labels = np.array([row[target].strip() for row in kept])
    names = tuple(f"row {i}" for i in range(1, len(kept) + 1))
    return Collection("texts", inputs, labels, test, made, tuple(notes), names, target=target)


def read_texts_to_answer(path: Path) -> list[str]:
    """The texts of a CSV file's column of texts, or the lines of a `.txt` file."""
    if path.suffix.lower() == ".txt":
        return path.read_text("utf-8", "replace").splitlines()
    rows = _rows(path.read_bytes())
    if not rows:
        raise InputError(f"{path.name} is no CSV file with a line of names and one text a row.")

    def length(column: str) -> int:
        return sum(len(row[column].split()) for row in rows)

    labels = [c for c in rows[0] if c.lower() not in (*LABELS, "split")]
    return [row[max(labels or list(rows[0]), key=length)] for row in rows]


def _rows(content: bytes, whole: bool = True) -> list[dict[str, str]]:
    """Rows of a CSV file by its column names; none when it is not even."""
    text = content.decode("utf-8-sig", "replace")
    if not whole and len(content) >= HEAD_BYTES:
        text = text[: text.rfind("\n") + 1]
    head = text.split("\n", 1)[0]
    mark = max(",;\t", key=head.count)
    try:
        found = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=mark, strict=whole))
    except csv.Error:
        return []
    if not whole and len(content) >= HEAD_BYTES:
        found = found[:-1]  # the last row may be cut within quotes
    even = all(None not in row and None not in row.values() for row in found)
    return found if even else []


def _bucket(part: str) -> int:
    return zlib.crc32(part.encode()) % BUCKETS
