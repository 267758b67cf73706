"""Points that fill a cube evenly: Sobol sequences scrambled, any point at any time."""

from __future__ import annotations

import random
from functools import lru_cache

import numpy as np
import numpy.typing as npt

MAX_DIMENSION = 32
BITS = 32
N_DRAWS = 64
_BLOCK = 64


def sobol_point(dimension: int, index: int, seed: int) -> npt.NDArray[np.float64]:
    """Point `index` (from 0) of the sequence of that seed, shape [dimension], in [0, 1).

    The point is a function of its arguments alone. Beyond `MAX_DIMENSION` the further coordinates
    are plain random numbers: so far out a sequence of some hundred points gains nothing.

    Sobol, "On the distribution of points in a cube" (1967); scrambled by random triangular matrices
    and a shift (Matousek, "On the L2-discrepancy for anchored boxes", 1998). What differs: the free
    direction numbers come from no table but are chosen dimension by dimension among random draws,
    such that the first 16 to 128 points are even in the sense of Dick and Pillichshammer, "Digital
    Nets and Sequences" (2010).

    >>> sorted(int(4 * sobol_point(2, i, seed=5)[0]) for i in range(4))
    [0, 1, 2, 3]
    """
    points = _scrambled(min(dimension, MAX_DIMENSION), index // _BLOCK, seed)
    point: npt.NDArray[np.float64] = points[index % _BLOCK]
    if dimension > MAX_DIMENSION:
        rest = np.random.default_rng((seed, index)).random(dimension - MAX_DIMENSION)
        point = np.concatenate([point, rest])
    return point


@lru_cache(maxsize=64)
def _scrambled(dimension: int, block: int, seed: int) -> npt.NDArray[np.float64]:
    """Points block*64 ... block*64+63, shape [64, dimension], not to be written to."""
    generator = np.random.default_rng(seed)
    directions = _directions(dimension)
    scrambled = np.zeros_like(directions)
    for bit in range(BITS):
        # Each bit of a direction also flips bits below it, the same ones in every direction of a
        # dimension: a random lower triangular matrix. Nets stay nets.
        top = np.uint64(1 << bit)
        column = top | generator.integers(0, 1 << bit, (dimension, 1), dtype=np.uint64)
        scrambled ^= np.where(directions & top, column, np.uint64(0))
    shift = generator.integers(0, 1 << BITS, dimension, dtype=np.uint64)
    points: npt.NDArray[np.float64] = (_raw(scrambled, block * _BLOCK, _BLOCK) ^ shift) / 2.0**BITS
    points.setflags(write=False)
    return points


def _raw(directions: npt.NDArray[np.uint64], start: int, n: int) -> npt.NDArray[np.uint64]:
    """Unscrambled points as 32-bit numbers, shape [n, dimension]."""
    index = np.arange(start, start + n, dtype=np.uint64)
    points = np.zeros((n, len(directions)), dtype=np.uint64)
    for k in range(max(1, (start + n - 1).bit_length())):
        bit = ((index >> np.uint64(k)) & np.uint64(1)).astype(bool)
        points[bit] ^= directions[:, k]
    return points


@lru_cache(maxsize=8)
def _directions(dimension: int) -> npt.NDArray[np.uint64]:
    """Direction numbers, shape [dimension, 32]; the same for every seed."""
    chosen = np.array([[1 << (BITS - 1 - k) for k in range(BITS)]], dtype=np.uint64)
    generator = random.Random(20)
    kernel = _kernel(chosen)[0]
    for polynomial in _primitive_polynomials(dimension - 1):
        degree = polynomial.bit_length() - 1
        draws = [
            [2 * generator.randrange(1 << k) + 1 for k in range(degree)] for _ in range(N_DRAWS)
        ]
        options = np.array([_expanded(polynomial, draw) for draw in draws], dtype=np.uint64)
        kernels = kernel * _kernel(options)
        means = np.cumsum(kernels, axis=1)[:, [15, 31, 63, 127]] / (16, 32, 64, 128)
        best = int(np.argmin(means.sum(axis=1)))
        chosen, kernel = np.vstack([chosen, options[best]]), kernels[best]
    return chosen[:dimension]


def _kernel(directions: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """How near point i is to point 0 once scrambled, for i < 128, shape [dimension, 128].

    1 + 1/6 - 2**(-s - 2), where s is the number of leading bits that the two share.
    """
    points = _raw(directions, 0, 128).T
    shared = BITS - np.frexp(points.astype(np.float64))[1]
    return 1 + 1 / 6 - np.where(points == 0, 0.0, 0.25 * 0.5**shared)


def _expanded(polynomial: int, first: list[int]) -> list[int]:
    """All 32 direction numbers from the first few, by the recurrence of the polynomial."""
    degree = len(first)
    numbers = [m << (BITS - 1 - k) for k, m in enumerate(first)]
    for k in range(degree, BITS):
        value = numbers[k - degree] ^ (numbers[k - degree] >> degree)
        for j in range(1, degree):
            if (polynomial >> (degree - j)) & 1:
                value ^= numbers[k - j]
        numbers.append(value)
    return numbers


def _primitive_polynomials(n: int) -> list[int]:
    """The first `n` primitive polynomials over two elements, as bit masks, by rising degree."""
    found: list[int] = []
    degree = 1
    while len(found) < n:
        for polynomial in range((1 << degree) + 1, 1 << (degree + 1), 2):
            if len(found) < n and _is_primitive(polynomial, degree):
                found.append(polynomial)
        degree += 1
    return found


def _is_primitive(polynomial: int, degree: int) -> bool:
    """True when x runs through all nonzero remainders before it returns to 1."""
    value = 1
    for step in range(1, 1 << degree):
        value <<= 1
        if value >> degree:
            value ^= polynomial
        if value == 1:
            return step == (1 << degree) - 1
    return False
