"""Images as one array of bytes: decoded, and brought to one size."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, MissingLibraryError, did_you_mean
from modelwright.data.collection import Collection, Listing

MAX_SIDE = 64  # pixels to which larger images are made smaller
MAX_PIXELS = 50_000_000  # of one image, before it is made smaller
GREY = ("1", "L", "I;16")


@dataclass(frozen=True)
class ImageFront:
    """Decodes an image to uint8 `[channels, height, width]`: 1 channel where `grey`, else 3."""

    height: int
    width: int
    grey: bool

    def read(self, content: bytes, name: str) -> npt.NDArray[np.uint8]:
        """The image, resampled where its size is another one."""
        from PIL import Image

        image = _opened(content, name).convert("L" if self.grey else "RGB")
        if image.size != (self.width, self.height):
            image = image.resize((self.width, self.height), Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.uint8)
        return pixels[None] if self.grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def to_json(self) -> dict[str, Any]:
        """Plain data that `front_of` takes."""
        return {"kind": "images", **asdict(self)}


def images_from_files(listing: Listing, side: int | None = None) -> Collection:
    """All images at the most frequent size, at most 64 pixels (or `side`) high and wide.

    Where sizes differ or are larger, images become squares. Raises InputError for a file that
    cannot be decoded.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    grey = True
    for name in listing.names:  # only what stands at the beginning of the file is decoded
        image = _opened(listing.read(name), name, load=False)
        sizes[image.height, image.width] += 1
        grey = grey and image.mode in GREY
    (height, width), _ = sizes.most_common(1)[0]
    notes, most = [], side or MAX_SIDE
    if len(sizes) > 1 or max(height, width) > most:
        height = width = min(most, max(height, width))
        notes.append(f"images of {len(sizes)} sizes were made {height} x {width} pixels")
    front = ImageFront(height, width, grey)
    pixels = np.empty((len(listing.names), 1 if grey else 3, height, width), np.uint8)
    for i, name in enumerate(listing.names):
        pixels[i] = front.read(listing.read(name), name)
    if not grey and _all_grey(pixels):
        front, pixels = ImageFront(height, width, True), np.ascontiguousarray(pixels[:, :1])
        notes.append("all images are grey")
    groups = None if listing.groups is None else np.array(listing.groups)
    return Collection(
        "images", pixels, np.array(listing.labels), np.array(listing.test), front,
        (*notes, *listing.notes), tuple(listing.names), groups, listing.target,
    )  # fmt: skip


def images_from_arrays(path: Path) -> Collection:
    """Arrays `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test`; `class_names` if there.

    Images are `[n, height, width]`, or with 1 or 3 channels last or first; bytes, or numbers from 0
    to 1 or 0 to 255. Floats in `y` are values, all else is classes.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path.name} cannot be read as arrays: {error}.") from None
    pairs = [("x", "y", False), ("x_train", "y_train", False), ("x_test", "y_test", True)]
    there = [(arrays[x], arrays[y], t) for x, y, t in pairs if x in arrays and y in arrays]
    if not there:
        hint = did_you_mean("x_train", arrays)
        raise InputError(
            f"{path.name} needs arrays x and y, or x_train and y_train; it has "
            f"{', '.join(sorted(arrays))}.{hint}"
        )
    for x, y, _ in there:
        if x.ndim not in (3, 4) or len(x) != len(y):
            raise InputError(
                f"images are [n, height, width] or [n, height, width, channels], with one label "
                f"each; got {x.shape} and {y.shape} in {path.name}."
            )
    labels = np.concatenate([y for _, y, _ in there]).reshape(-1)
    names = arrays.get("class_names")
    if names is not None and labels.dtype.kind in "iu":
        labels = names[labels]
    pixels = np.concatenate([channels_first(x, path) for x, _, _ in there])
    test = np.concatenate([np.full(len(y), t) for _, y, t in there])
    front = ImageFront(pixels.shape[2], pixels.shape[3], pixels.shape[1] == 1)
    notes = ("pixels and what is to be told of them are arrays of the file",)
    labels = labels.astype(float if labels.dtype.kind == "f" else str)
    return Collection("images", pixels, labels, test, front, notes)


def _opened(content: bytes, name: str, load: bool = True) -> Any:
    """The image; without `load` only its size is known."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingLibraryError(
            "reading images needs Pillow: pip install 'modelwright[networks]'"
        ) from None
    try:
        image = Image.open(io.BytesIO(content))
        if image.width * image.height > MAX_PIXELS:
            raise InputError(f"{name} has more than {MAX_PIXELS // 10**6} million pixels.")
        if load:
            image.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{name} cannot be read as an image: {error}.") from None
    return image


def _all_grey(pixels: npt.NDArray[np.uint8]) -> bool:
    red = pixels[:, 0]
    return bool((red == pixels[:, 1]).all() and (red == pixels[:, 2]).all())


def channels_first(x: npt.NDArray[Any], path: Path) -> npt.NDArray[np.uint8]:
    """Arrays of images as bytes `[n, channels, height, width]`. Raises InputError for others."""
    if x.ndim not in (3, 4):
        raise InputError(f"images are [n, height, width], or have channels; got {x.shape}.")
    if x.dtype.kind == "f":
        top = float(np.nanmax(x, initial=0.0))
        if not np.isfinite(x).all() or float(x.min(initial=0.0)) < 0 or top > 255:
            raise InputError(f"pixels of {path.name} are numbers from 0 to 1, or from 0 to 255.")
        x = np.rint(x * (255 if top <= 1 else 1))
    x = x.astype(np.uint8)
    if x.ndim == 3:
        return x[:, None]
    if x.shape[3] in (1, 3):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    if x.shape[1] in (1, 3):
        return x
    raise InputError(f"images have 1 or 3 channels; those of {path.name} have shape {x.shape[1:]}.")
