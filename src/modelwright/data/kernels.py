"""Convolution kernels that are not learned, as features of series: MiniRocket.

After Dempster, Schmidt and Webb 2021: the 84 kernels of length 9 with three weights of 2 and six of
-1, at dilations up to the length of the series, each answered by the shares of moments at which it
lies above some thresholds, which are quantiles of what it gives for a series of training. Other
than there: half of the features are of the first differences (Tan et al. 2022, MultiRocket), series
may have different lengths (only their own moments count), beyond their ends the last value goes on,
and what answers is a whole family of models, so that there are hundreds of features, not 10,000.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]

TAPS = 9
TRIPLES = np.array(list(combinations(range(TAPS), 3)))  # where the three weights of 2 stand
MOST_CHANNELS = 9  # that one kernel looks at together
_CELLS = 4_000_000  # of one block of series at work, times the taps


@dataclass(frozen=True)
class Kernels:
    """A drawn set of kernels: of each its triple, dilation, channels and thresholds.

    `triples` and `dilations` are `[k]`; `channels` is `[k, c]`, 1 where the kernel looks;
    `differences` `[k]` is 1 for kernels on first differences; `thresholds` is `[k, q]`, rising.
    """

    triples: Whole
    dilations: Whole
    channels: Whole
    differences: Whole
    thresholds: Floats

    @classmethod
    def draw(cls, grids: Floats, lengths: Whole, n_features: int, seed: int) -> Kernels:
        """About `n_features` kernels times thresholds for series `[n, c, t]`, of those lengths.

        Which channels a kernel looks at, and by which series its thresholds are set, is random.
        """
        rng = np.random.default_rng(seed)
        n_channels, reach = grids.shape[1], max(1.0, (float(np.median(lengths)) - 1) / (TAPS - 1))
        exponents = np.arange(int(np.log2(reach)) + 1)
        pairs = [(d, t) for d in 2**exponents for t in range(len(TRIPLES))]
        n_kernels = max(1, n_features // 2)
        # Each pair as often as any other, and the rest drawn.
        times, rest = divmod(n_kernels, 2 * len(pairs))
        listed = [(*pair, diff) for diff in (0, 1) for pair in pairs]
        drawn = [listed[i] for i in np.sort(rng.permutation(len(listed))[:rest])]
        every = np.array(sorted(listed * times + drawn, key=lambda p: (p[2], p[0], p[1])))
        most = min(n_channels, MOST_CHANNELS)
        sizes = (2 ** rng.uniform(0, np.log2(most + 1), len(every))).astype(int)
        channels = np.zeros((len(every), n_channels), np.int64)
        for row, size in zip(channels, sizes, strict=True):
            row[rng.permutation(n_channels)[:size]] = 1
        blank = np.zeros((len(every), 2), np.float32)
        found = cls(every[:, 1], every[:, 0], channels, every[:, 2], blank)
        shares = (np.arange(2 * len(every)) * (np.sqrt(5) + 1) / 2 % 1).reshape(-1, 2)
        seen = rng.integers(len(grids), size=len(every))
        for k, answers in found._answers(grids, lengths, seen):
            blank[k] = np.sort(np.quantile(answers, shares[k]))
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal set."""
        return {name: array.tolist() for name, array in self.__dict__.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Kernels:
        """The kernels that `to_json` wrote."""
        whole = {k: np.array(v, np.int64) for k, v in data.items() if k != "thresholds"}
        return cls(**whole, thresholds=np.array(data["thresholds"], np.float32))

    def shares(self, grids: Floats, lengths: Whole) -> Floats:
        """Of each series the share of moments above each threshold, `[n, k * q]`."""
        n, n_channels, width = grids.shape
        out = np.zeros((n, *self.thresholds.shape), np.float32)
        size = max(1, _CELLS // (TAPS * n_channels * width))
        for start in range(0, n, size):
            at = slice(start, start + size)
            own = np.arange(width) < lengths[at, None]
            counts = lengths[at].astype(np.float32)
            for k, answers in self._convolved(grids[at], lengths[at]):
                for q, threshold in enumerate(self.thresholds[k]):
                    above = (answers > threshold) & own
                    out[at, k, q] = above.sum(axis=1) / counts
        return out.reshape(n, -1)

    def _answers(self, grids: Floats, lengths: Whole, seen: Whole) -> Iterator[tuple[int, Floats]]:
        """Per kernel what it gives for the own moments of the one series `seen[k]`."""
        for i in np.unique(seen):
            for k, answers in self._convolved(grids[[i]], lengths[[i]], np.flatnonzero(seen == i)):
                yield k, answers[0, : lengths[i]]

    def _convolved(
        self, grids: Floats, lengths: Whole, only: Whole | None = None
    ) -> Iterator[tuple[int, Floats]]:
        """Each kernel's number, and its convolution with the series `[n, t]`."""
        wanted = np.arange(len(self.triples)) if only is None else only
        last = held(grids, lengths)
        for diff in (0, 1):
            values = np.diff(last, axis=2, prepend=last[:, :, :1]) if diff else last
            of_kind = wanted[self.differences[wanted] == diff]
            for dilation in np.unique(self.dilations[of_kind]):
                taps = _taps(values, int(dilation), "constant" if diff else "edge")
                base = -taps.sum(axis=0)
                for k in of_kind[self.dilations[of_kind] == dilation]:
                    looked = np.flatnonzero(self.channels[k])
                    i, j, m = TRIPLES[self.triples[k]]
                    answers = base[:, looked] + 3 * (
                        taps[i][:, looked] + taps[j][:, looked] + taps[m][:, looked]
                    )
                    yield int(k), answers.sum(axis=1)


def held(grids: npt.NDArray[Any], lengths: Whole) -> npt.NDArray[Any]:
    """Series `[n, c, t]` whose last value goes on beyond their length."""
    places = np.minimum(np.arange(grids.shape[2]), lengths[:, None] - 1)
    return np.take_along_axis(grids, places[:, None, :], axis=2)


def _taps(values: Floats, dilation: int, beyond: Literal["edge", "constant"]) -> Floats:
    """What each tap of a kernel sees at each moment, `[9, n, c, t]`."""
    reach, width = dilation * (TAPS // 2), values.shape[2]
    wide = np.pad(values, ((0, 0), (0, 0), (reach, reach)), mode=beyond)
    return np.stack([wide[:, :, d : d + width] for d in range(0, TAPS * dilation, dilation)])
