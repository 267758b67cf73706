"""Texts as numbers: hashed word counts, or weighted n-grams in few dimensions."""

from __future__ import annotations

import itertools
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelwright.families.base import FloatArray, Inputs, IntArray

TOKENS = 64
DIMENSIONS = 32
VOCABULARY = 4000
MAX_ROWS = 20_000
MAX_CHARACTERS = 2000
_GRAMS = (3, 4)
_WORD = re.compile(r"\w+")

_CHUNK = 10_000

Texts = npt.NDArray[np.object_]


def _in_chunks(texts: Texts, part: Callable[[Texts], FloatArray]) -> FloatArray:
    """What `part` makes of the texts, some at a time: the words of all would fill the memory."""
    starts = range(0, max(1, len(texts)), _CHUNK)
    return np.concatenate([part(texts[i : i + _CHUNK]) for i in starts])


@dataclass(frozen=True)
class Hashed:
    """Length, number of words and 64 hashed word counts on a log scale; nothing is learned.

    Word order and meaning are not looked at. The first two are NaN where a text is missing.

    >>> rows = Inputs(np.zeros((1, 0)), np.zeros((1, 0), int), (), (np.array(["so so"], object),))
    >>> Hashed(0).apply(rows)[0, :2].tolist(), round(float(Hashed(0).apply(rows)[0, 2:].sum()), 3)
    ([5.0, 2.0], 1.099)
    """

    column: int

    kind: ClassVar[str] = "hashed"
    width: ClassVar[int] = TOKENS + 2

    def apply(self, X: Inputs) -> FloatArray:
        """`[n, 66]` numbers."""
        return _in_chunks(X.texts[self.column], self._part)

    def _part(self, texts: Texts) -> FloatArray:
        words, out = _lengths(texts)
        places: dict[str, int] = {}
        for found in words:
            for word in found:
                if word not in places:
                    places[word] = zlib.crc32(word.encode()) % TOKENS
        flat = np.fromiter((places[w] for found in words for w in found), np.int64)
        rows = np.repeat(np.arange(len(words)), [len(found) for found in words])
        counts = np.bincount(rows * TOKENS + flat, minlength=len(words) * TOKENS)
        return np.concatenate([out, np.log1p(counts.reshape(-1, TOKENS))], axis=1)

    def facts(self) -> dict[str, Any]:
        """The plain part of what must be stored."""
        return {"column": self.column}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Nothing: it holds no arrays."""
        return {}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Hashed:
        """What `facts` and `arrays` describe."""
        return cls(facts["column"])


@dataclass(frozen=True)
class Tfidf:
    """Length, number of words, and TF-IDF of n-grams projected on their main directions.

    Words alone and in pairs, and runs of 3 and 4 characters within words; of each kind the 4,000
    that occur in most training texts, at least in two. Weights are (1 + log count) times the log
    inverse share of texts, rows have length 1, and a truncated SVD keeps 32 directions (latent
    semantic analysis, Deerwester et al. 1990). Of a text the first 2,000 characters count.
    """

    column: int
    words: tuple[str, ...]
    grams: tuple[str, ...]
    rarity: FloatArray
    directions: FloatArray

    kind: ClassVar[str] = "tfidf"

    @classmethod
    def fit(cls, column: int, X: Inputs, seed: int) -> Tfidf:
        """Learns vocabulary, weights and directions; on 20,000 rows drawn by `seed` if more."""
        texts = X.texts[column]
        if len(texts) > MAX_ROWS:
            texts = texts[np.random.default_rng(seed).choice(len(texts), MAX_ROWS, replace=False)]
        words, grams = _vocabularies(texts)
        bare = cls(column, words, grams, np.ones(len(words) + len(grams)), np.zeros((0, 0)))
        rows, places, counts = bare._counts(_split(texts))
        present = np.bincount(places, minlength=len(bare.rarity))
        rarity = np.log((1 + len(texts)) / (1 + present)) + 1
        weighted = cls(column, words, grams, rarity, np.zeros((0, 0)))
        matrix = weighted._weights(len(texts), rows, places, counts)
        return cls(column, words, grams, rarity, _main_directions(matrix, seed))

    @property
    def width(self) -> int:
        """How many columns `apply` gives."""
        return 2 + int(self.directions.shape[1])

    def apply(self, X: Inputs) -> FloatArray:
        """`[n, width]` numbers, from the lengths on; a row depends on its own text alone."""
        return _in_chunks(X.texts[self.column], self._part)

    def _part(self, texts: Texts) -> FloatArray:
        words, out = _lengths(texts)
        if not self.directions.shape[1]:
            return out
        matrix = self._weights(len(texts), *self._counts(_cut(texts, words)))
        return np.concatenate([out, matrix @ self._double], axis=1)

    def _weights(self, n: int, rows: IntArray, places: IntArray, counts: IntArray) -> Any:
        """The rows of weights as a sparse matrix, each of length 1."""
        from scipy.sparse import csr_array

        values = (1 + np.log(counts)) * self.rarity[places]
        lengths = np.sqrt(np.bincount(rows, values**2, minlength=n))
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
        return csr_array((values / lengths[rows], places, starts), shape=(n, len(self.rarity)))

    def _counts(self, split: Sequence[Sequence[str]]) -> tuple[IntArray, IntArray, IntArray]:
        """Row, place in the vocabulary and count of every n-gram that occurs, rows rising."""
        lookup, known = self._lookup
        flat: list[int] = []
        sizes: list[int] = []
        cache: dict[str, list[int]] = {}
        for words in split:
            before = len(flat)
            flat += [lookup[w] for w in (*words, *_pairs(words)) if w in lookup]
            for word in words:
                if word not in cache:
                    cache[word] = [known[g] for g in _runs(word) if g in known]
                flat += cache[word]
            sizes.append(len(flat) - before)
        rows = np.repeat(np.arange(len(sizes)), sizes)
        size = max(1, len(self.rarity))
        keys, counts = np.unique(rows * size + np.array(flat, np.int64), return_counts=True)
        return keys // size, keys % size, counts

    @cached_property
    def _double(self) -> FloatArray:
        return self.directions.astype(float)

    @cached_property
    def _lookup(self) -> tuple[dict[str, int], dict[str, int]]:
        words = {w: i for i, w in enumerate(self.words)}
        return words, {g: len(words) + i for i, g in enumerate(self.grams)}

    def facts(self) -> dict[str, Any]:
        """The plain part of what must be stored: the vocabulary."""
        return {"column": self.column, "words": list(self.words), "grams": list(self.grams)}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What must be stored, by name."""
        return {"rarity": self.rarity, "directions": self.directions}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Tfidf:
        """What `facts` and `arrays` describe."""
        vocabulary = (tuple(facts["words"]), tuple(facts["grams"]))
        return cls(facts["column"], *vocabulary, arrays["rarity"], arrays["directions"])


def _lengths(texts: Texts) -> tuple[list[list[str]], FloatArray]:
    """The words of each text, and its length and their number `[n, 2]`, NaN where missing."""
    words = [[] if t is None else _WORD.findall(t.lower()) for t in texts]
    sizes = [
        (np.nan, np.nan) if t is None else (len(t), len(w))
        for t, w in zip(texts, words, strict=True)
    ]
    return words, np.array(sizes, float).reshape(-1, 2)


def _split(texts: Texts) -> list[list[str]]:
    return [[] if t is None else _WORD.findall(t[:MAX_CHARACTERS].lower()) for t in texts]


def _cut(texts: Texts, words: list[list[str]]) -> list[list[str]]:
    """The words of the beginnings of the texts; those of whole texts are there already."""
    return [
        w if t is None or len(t) <= MAX_CHARACTERS else _WORD.findall(t[:MAX_CHARACTERS].lower())
        for t, w in zip(texts, words, strict=True)
    ]


def _pairs(words: Sequence[str]) -> Iterable[str]:
    return (f"{a} {b}" for a, b in itertools.pairwise(words))


def _runs(word: str) -> list[str]:
    padded = f" {word} "
    return [padded[i : i + n] for n in _GRAMS for i in range(len(padded) - n + 1)]


def _vocabularies(texts: Texts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    words: Counter[str] = Counter()
    grams: Counter[str] = Counter()
    cache: dict[str, list[str]] = {}
    for found in _split(texts):
        words.update({*found, *_pairs(found)})
        runs: set[str] = set()
        for word in set(found):
            if word not in cache:
                cache[word] = _runs(word)
            runs.update(cache[word])
        grams.update(runs)
    return _commonest(words), _commonest(grams)


def _commonest(counts: Counter[str]) -> tuple[str, ...]:
    # By the word where counts are equal, so that no order of a set comes through.
    found = sorted((-n, word) for word, n in counts.items() if n > 1)
    return tuple(word for _, word in found[:VOCABULARY])


def _main_directions(matrix: Any, seed: int) -> FloatArray:
    """`[vocabulary, at most 32]`: the first right singular vectors, in single precision."""
    n = min(DIMENSIONS, *matrix.shape)
    if n == 0 or matrix.nnz == 0:
        return np.zeros((matrix.shape[1], 0), np.float32)
    from sklearn.utils.extmath import randomized_svd

    _, _, rows = randomized_svd(matrix, n, n_iter=4, random_state=seed % 2**32)
    return np.ascontiguousarray(rows.T, np.float32)
