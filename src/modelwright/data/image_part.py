"""Images ready for a network: split, written as arrays, mapped again by every worker."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.data.images import Images
from modelwright.data.split import Rows, split_rows

VALID_MAX = 5000  # examples that validate, at most: more tell little and take long


@dataclass(frozen=True)
class ImagePart:
    """`pixels` uint8 `[n, channels, height, width]` and `y` class codes `[n]`, mapped read-only.

    `train` and `valid` are positions, rising. `shift` and `scale`, one number for each channel,
    bring pixels to mean 0 and deviation 1 on the training examples.
    """

    pixels: npt.NDArray[np.uint8]
    y: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    train: Rows
    valid: Rows
    shift: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    hash: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image: channels, height, width."""
        return self.pixels.shape[1:]


@dataclass(frozen=True)
class PreparedImages:
    """Where the parts lie. Workers are given `dev` and never `sealed`."""

    dev: Path
    sealed: Path | None
    n_dev: int
    n_sealed: int
    notes: tuple[str, ...]
    hash: str


def prepare_images(
    images: Images, folder: Path, seed: int = 0, seal: bool = True
) -> PreparedImages:
    """Splits and writes into `folder/dev` and `folder/sealed`; random in `seed`.

    What the source set aside as a test is the sealed part; else a fifth is, classes in proportion.
    Raises InputError for fewer than two classes or three examples of one.
    """
    classes, y = np.unique(images.labels, return_inverse=True)
    counts = np.bincount(y[~images.test], minlength=len(classes))
    if len(classes) < 2:
        raise InputError(
            f"all images are of one class, {str(classes[0])!r}; at least 2 are needed."
        )
    if counts.min() < 3:
        rare = classes[counts.argmin()]
        raise InputError(
            f"class {str(rare)!r} has {counts.min()} images to learn from; 3 are needed."
        )
    known = np.flatnonzero(~images.test)
    split = split_rows(
        y[known], classes=True, seal=seal and not images.test.any(), seed=seed, folds=1
    )
    dev, sealed = known[split.dev], known[split.sealed]
    if images.test.any():
        sealed = np.flatnonzero(images.test)
    parts = split.parts[0]
    train, valid = np.flatnonzero(parts == 1), np.flatnonzero(parts == 2)
    if len(valid) > VALID_MAX:
        rng = np.random.default_rng(Key.of(seed).child("valid").seed(128))
        kept = np.sort(rng.choice(valid, VALID_MAX, replace=False))
        train, valid = np.sort(np.concatenate([train, np.setdiff1d(valid, kept)])), kept
    names = tuple(str(c) for c in classes)
    shift, scale = _moments(images.pixels[dev[train]])
    facts: dict[str, Any] = {"classes": names, "shift": shift.tolist(), "scale": scale.tolist()}
    hashes = [_write(folder / "dev", images.pixels[dev], y[dev], train, valid, facts)]
    if len(sealed):
        none = np.zeros(0, np.intp)
        hashes.append(
            _write(folder / "sealed", images.pixels[sealed], y[sealed], none, none, facts)
        )
    notes = (*images.notes, *split.notes)
    return PreparedImages(folder / "dev", folder / "sealed" if len(sealed) else None,
                          len(dev), len(sealed), notes, digest(hashes))  # fmt: skip


def load_image_part(folder: Path) -> ImagePart:
    """The arrays that `prepare_images` wrote there."""
    facts = json.loads((folder / "images.json").read_text("utf-8"))

    def array(name: str) -> npt.NDArray[Any]:
        out: npt.NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return out

    return ImagePart(
        array("pixels"), array("y"), tuple(facts["classes"]), array("train"), array("valid"),
        np.array(facts["shift"], np.float32), np.array(facts["scale"], np.float32), facts["hash"],
    )  # fmt: skip


def _moments(pixels: npt.NDArray[np.uint8]) -> tuple[Any, Any]:
    mean = pixels.mean(axis=(0, 2, 3), dtype=np.float64)
    spread = pixels.std(axis=(0, 2, 3), dtype=np.float64)
    return mean.astype(np.float32), (1 / np.maximum(spread, 1.0)).astype(np.float32)


def _write(
    folder: Path, pixels: Any, y: Any, train: Rows, valid: Rows, facts: dict[str, Any]
) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, array in (
        ("pixels", pixels),
        ("y", y.astype(np.int64)),
        ("train", train),
        ("valid", valid),
    ):
        array = np.ascontiguousarray(array)
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
        found[name] = hashlib.sha256(array.tobytes()).hexdigest()
    hashed = digest({**found, **facts})
    (folder / "images.json").write_text(json.dumps({**facts, "hash": hashed}, indent=1), "utf-8")
    return hashed
