"""Tells the class, or the value, of images, sounds or texts with the model.onnx beside this script.

    python predict.py photo.png another.png > answers.csv
    python predict.py folder/ > answers.csv
    python predict.py texts.txt > answers.csv        # one text on each line

Needs onnxruntime and numpy, Pillow for images or SciPy for sounds, and tokenizers for texts that a
pretrained backbone reads.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import zlib
from collections.abc import Iterator
from functools import partial
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


def image(path: Path, front: dict[str, Any]) -> Any:
    """uint8 [channels, height, width]."""
    from PIL import Image

    picture = Image.open(path).convert("L" if front["grey"] else "RGB")
    if picture.size != (front["width"], front["height"]):
        size = (front["width"], front["height"])
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, np.uint8)
    return pixels[None] if front["grey"] else pixels.transpose(2, 0, 1)


def sound(path: Path, front: dict[str, Any]) -> Any:
    """uint8 [1, mels, frames]: loudness by frequency and time, 80 dB below the loudest."""
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    rate, samples = wavfile.read(path)
    wave = samples.astype(np.float64)
    kind = samples.dtype.kind
    wave = wave - 128.0 if kind == "u" else wave
    wave /= float(np.iinfo(samples.dtype).max) if kind == "i" else 128.0 if kind == "u" else 1.0
    wave = wave.mean(axis=1) if wave.ndim > 1 else wave
    wanted, mels, length = front["rate"], front["mels"], front["frames"]
    if rate != wanted:
        wave = resample_poly(wave, wanted // gcd(rate, wanted), rate // gcd(rate, wanted))
    size, hop = round(0.032 * wanted), round(0.016 * wanted)
    wave = np.pad(wave, (0, max(0, size - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)) ** 2
    top = 2595 * np.log10(1 + wanted / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    at = np.fft.rfftfreq(size, 1 / wanted)[:, None]
    rising = (at - edges[:-2]) / np.maximum(edges[1:-1] - edges[:-2], 1e-9)
    falling = (edges[2:] - at) / np.maximum(edges[2:] - edges[1:-1], 1e-9)
    loud = 10 * np.log10(power @ np.maximum(0.0, np.minimum(rising, falling)) + 1e-10)
    steps = np.clip((loud - loud.max()) / 80.0 + 1, 0, 1)
    picture = np.rint(255 * steps).astype(np.uint8).T
    if picture.shape[1] > length:
        totals = np.convolve(steps.sum(axis=1), np.ones(length), "valid")
        picture = picture[:, int(totals.argmax()) :][:, :length]
    out = np.zeros((1, mels, length), np.uint8)
    out[0, :, : picture.shape[1]] = picture
    return out


def text(content: str, front: dict[str, Any]) -> Any:
    """int32 [4, length]: numbers of the words, of their beginnings and ends, and of pairs."""
    known = {word: i + 2 for i, word in enumerate(front["words"])}
    out = np.zeros((4, front["length"]), np.int32)
    first, before = 2 + len(known), "<"
    for i, word in enumerate(re.findall(r"\w+|[^\w\s]", content.lower())[: front["length"]]):
        parts = (word[:3], word[-3:], f"{before} {word}")
        hashed = [first + 4096 * k + zlib.crc32(p.encode()) % 4096 for k, p in enumerate(parts)]
        out[:, i] = [known.get(word, 1), *hashed]
        before = word
    return out


def pieces(content: str, front: dict[str, Any]) -> Any:
    """int32 [5, length]: the rows of `text`, and numbers of pieces for a pretrained backbone."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(front["tokenizer"])
    tokenizer.no_padding()
    tokenizer.enable_truncation(front["pieces"])
    above, found = text(content, front["words"]), tokenizer.encode(content).ids
    out = np.zeros((len(above) + 1, max(above.shape[1], front["pieces"])), np.int32)
    out[:-1, : above.shape[1]] = above
    out[-1, : len(found)] = np.array(found) + 1
    return out


def examples(names: list[str], front: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names, and examples that are still to be read: functions."""
    files: list[Path] = []
    for name in names:
        path = Path(name)
        files += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for path in files:
        if front["kind"] in ("texts", "pieces"):
            read = text if front["kind"] == "texts" else pieces
            for i, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
                yield f"{path}:{i}", partial(read, line, front)
        else:
            yield str(path), partial(sound if front["kind"] == "sounds" else image, path, front)


def main(names: list[str]) -> int:
    """Writes a line for each file: its name, the likeliest class, shares; or the value."""
    here = Path(__file__).parent
    facts = json.loads((here / "model.json").read_text("utf-8"))
    if not names:
        print("usage: python predict.py FILE_OR_FOLDER...", file=sys.stderr)
        return 2
    session = onnxruntime.InferenceSession(
        str(here / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["file", "prediction", *(f"share_{c}" for c in facts["classes"])])
    failed = 0
    for name, read in examples(names, facts["front"]):
        try:
            example = np.ascontiguousarray(read())[None]
        except (OSError, ValueError) as error:
            print(f"predict.py: {name} cannot be read: {error}", file=sys.stderr)
            failed += 1
            continue
        (answers,) = session.run(None, {"examples": example})
        if not facts["classes"]:
            out.writerow([_safe(name), str(answers[0])])
            continue
        likeliest = facts["classes"][int(answers[0].argmax())]
        out.writerow([_safe(name), _safe(likeliest), *(f"{share:.6f}" for share in answers[0])])
    return 2 if failed else 0


def _safe(text: str) -> str:
    """A name that a spreadsheet would run as a formula gets ' before it; numbers stay."""
    if not text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
