"""Arrays of a network's weights taken over by another of other widths and kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.intp]
Word = Literal["copied", "grown", "widened", "deepened", "cropped", "fresh"]
UNEVEN = (0.5, 1.5)  # parts of a weight that is shared out among the copies of its input


def spread(old: int, new: int) -> Ints:
    """For each of `new` channels the old one that it repeats: all in order, then from the start.

    The same for all operations of these two widths, so that what is added up stays in step.

    >>> spread(3, 5).tolist(), spread(3, 2).tolist()
    ([0, 1, 2, 0, 1], [0, 1])
    """
    return np.arange(new) % old


def taken(
    old: Floats, axes: Sequence[Ints | None], rng: np.random.Generator, shared: int | None = None
) -> Floats:
    """The old array at these indices along its first axes (None is all of one).

    Along the axis `shared`, which is that of inputs, the weights of an input that is there more
    than once are shared out among its copies in uneven parts that add up to 1. So the sum stays,
    and the copies learn different things: the function is kept and the symmetry broken. (Chen et
    al. 2016 share evenly and add noise.)
    """
    for axis, places in enumerate(axes):
        old = old if places is None else old.take(places, axis)
    if shared is None:
        return old
    places = axes[shared]
    assert places is not None, "what is shared out has indices"
    same = (places[:, None] == places[None, :]).astype(float)
    if same.sum() == len(places):  # no input is there twice
        return old
    parts = np.moveaxis(rng.uniform(*UNEVEN, old.shape), shared, -1)
    return np.asarray(old * np.moveaxis(parts / (parts @ same), -1, shared))


def fitted_kernel(old: Floats, new: Sequence[int], starts: Sequence[int]) -> Floats:
    """The last axes as long as `new`: zeros around, or what is over cut off.

    `starts` are the places where an old kernel begins in a new one, below 0 where it is cut.
    """
    places = old.shape[-len(new) :]
    out = np.zeros((*old.shape[: -len(new)], *new), old.dtype)
    into: list[Any] = [...]
    out_of: list[Any] = [...]
    for was, size, start in zip(places, new, starts, strict=True):
        n = min(was, size)
        at = max(0, min(start, size - n))
        begin = max(0, min(-start, was - n))
        into.append(slice(at, at + n))
        out_of.append(slice(begin, begin + n))
    out[tuple(into)] = old[tuple(out_of)]
    return out


def identity_kernel(
    inputs: Ints, outputs: Ints, kernel: Sequence[int], rng: np.random.Generator
) -> Floats:
    """`[outputs, inputs, *kernel]` that answers with what is in the middle of the window.

    Channels are given by what they carry; an output takes the inputs that carry the same.
    """
    alike = (outputs[:, None] == inputs[None, :]).astype(float)
    parts = alike * rng.uniform(*UNEVEN, alike.shape)
    alike = parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-12)
    out = np.zeros((*alike.shape, *kernel))
    out[_middle(kernel)] = alike
    return out


def depthwise_identity(channels: int, kernel: Sequence[int]) -> Floats:
    """`[channels, 1, *kernel]` that leaves each channel as it is."""
    out = np.zeros((channels, 1, *kernel))
    out[_middle(kernel)] = 1.0
    return out


def _middle(kernel: Sequence[int]) -> tuple[Any, ...]:
    return (..., *((k - 1) // 2 for k in kernel))


def word_for(old: Sequence[int], new: Sequence[int], kernel: int = 0) -> Word:
    """How an array of one shape came from another; its last `kernel` axes are a window's."""
    pairs = list(zip(old, new, strict=True))
    if any(b < a for a, b in pairs):
        return "cropped"
    n = len(pairs) - kernel
    if any(b > a for a, b in pairs[:n]):
        return "widened"
    return "grown" if any(b > a for a, b in pairs[n:]) else "copied"
