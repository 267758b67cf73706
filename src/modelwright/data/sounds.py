"""Short recordings as pictures of their loudness by frequency and time (log-mel spectrograms)."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.data.collection import Collection, Listing

WINDOW, HOP = 0.032, 0.016  # seconds
MELS = 40
RANGE = 80.0  # decibels below the loudest moment that are told apart
MAX_RATE, MAX_SECONDS = 16_000, 4.0
FULL = {"i": lambda x: float(np.iinfo(x.dtype).max), "u": lambda x: 128.0, "f": lambda x: 1.0}


@dataclass(frozen=True)
class SoundFront:
    """Makes a `.wav` file uint8 `[1, mels, frames]`: 255 is its loudest moment, 0 is 80 dB below.

    Channels are averaged, the sampling rate becomes `rate`; what is shorter than `frames` is
    followed by silence, of what is longer the loudest stretch is taken. Frequencies are pooled by
    the mel scale (Davis and Mermelstein 1980).
    """

    rate: int
    frames: int
    mels: int = MELS

    def read(self, content: bytes, name: str) -> npt.NDArray[np.uint8]:
        """The picture of one recording."""
        wave = _resampled(*_decoded(content, name), self.rate)
        size, hop = _sizes(self.rate)
        wave = np.pad(wave, (0, max(0, size - len(wave))))
        frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop]
        power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)) ** 2
        loud = 10 * np.log10(power @ _filters(self.rate, size, self.mels) + 1e-10)
        steps = np.clip((loud - loud.max()) / RANGE + 1, 0, 1)
        picture = np.rint(255 * steps).astype(np.uint8).T
        if picture.shape[1] > self.frames:
            totals = np.convolve(steps.sum(axis=1), np.ones(self.frames), "valid")
            picture = picture[:, int(totals.argmax()) :][:, : self.frames]
        out = np.zeros((1, self.mels, self.frames), np.uint8)
        out[0, :, : picture.shape[1]] = picture
        return out

    def to_json(self) -> dict[str, Any]:
        """Plain data that `front_of` takes."""
        return {"kind": "sounds", **asdict(self)}


def sounds_from_files(listing: Listing) -> Collection:
    """All recordings at one rate and one length: that which nineteen of twenty fit into.

    At most 16,000 samples a second and 4 seconds. Raises InputError for a file that is no sound.
    """
    rates: Counter[int] = Counter()
    lengths = []
    for name in listing.names:
        rate, wave = _decoded(listing.read(name), name)
        rates[rate] += 1
        lengths.append(len(wave) / rate)
    rate = min(MAX_RATE, rates.most_common(1)[0][0])
    seconds = min(MAX_SECONDS, float(np.quantile(lengths, 0.95)))
    size, hop = _sizes(rate)
    front = SoundFront(rate, max(8, 1 + int((seconds * rate - size) / hop)))
    pictures = np.stack([front.read(listing.read(name), name) for name in listing.names])
    longer = sum(length > seconds + HOP for length in lengths)
    notes = [f"sounds became pictures of {MELS} frequencies by {front.frames} moments, "
             f"{rate} samples a second"]  # fmt: skip
    if longer:
        notes.append(f"{longer} recordings are longer than {seconds:.2g} s: their loudest part")
    groups = None if listing.groups is None else np.array(listing.groups)
    return Collection(
        "sounds", pictures, np.array(listing.labels), np.array(listing.test), front,
        (*notes, *listing.notes), tuple(listing.names), groups, listing.target,
    )  # fmt: skip


def _decoded(content: bytes, name: str) -> tuple[int, npt.NDArray[np.float64]]:
    """Sampling rate and samples from -1 to 1, one channel."""
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # chunks it does not know are no trouble
            rate, samples = wavfile.read(io.BytesIO(content))
    except (ValueError, EOFError, OSError, IndexError, KeyError, TypeError) as error:
        raise InputError(f"{name} cannot be read as a sound (.wav): {error}.") from None
    if not samples.size or not rate > 0:
        raise InputError(f"{name} holds no sound.")
    wave = samples.astype(np.float64)
    if samples.dtype.kind == "u":
        wave -= 128.0
    wave = wave / FULL[samples.dtype.kind](samples)
    wave = wave.mean(axis=1) if wave.ndim > 1 else wave
    if not np.isfinite(wave).all():
        raise InputError(f"{name} has samples that are no numbers.")
    return int(rate), wave


def _resampled(rate: int, wave: npt.NDArray[np.float64], wanted: int) -> npt.NDArray[np.float64]:
    if rate == wanted:
        return wave
    from scipy.signal import resample_poly

    common = gcd(rate, wanted)
    return np.asarray(resample_poly(wave, wanted // common, rate // common))


def _sizes(rate: int) -> tuple[int, int]:
    """Samples in a window and between windows."""
    return round(WINDOW * rate), round(HOP * rate)


@lru_cache(maxsize=4)
def _filters(rate: int, size: int, mels: int) -> npt.NDArray[np.float64]:
    """Triangles over frequencies, even on the mel scale, `[size // 2 + 1, mels]`."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    found = np.fft.rfftfreq(size, 1 / rate)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (found - low) / np.maximum(middle - low, 1e-9)
    falling = (high - found) / np.maximum(high - middle, 1e-9)
    return np.maximum(0.0, np.minimum(rising, falling))
