"""Images and their classes: from a folder for each class, an archive of such folders, or arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, MissingLibraryError, did_you_mean

KINDS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
TRAIN, TEST = ("train", "training"), ("test", "testing")
MAX_SIDE = 64  # pixels to which larger images are made smaller
MAX_BYTES = 50_000_000  # of one file; a larger one is no photo
MAX_PIXELS = 50_000_000  # of one image, before it is made smaller


@dataclass(frozen=True)
class Images:
    """All images at one size: `pixels` is uint8 `[n, channels, height, width]`, 1 or 3 channels.

    `labels` are the classes' names `[n]`. `test` marks the examples that the source itself set
    aside, `[n]`. `notes` say what was assumed.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.str_]
    test: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def is_images(path: Path) -> bool:
    """True for what `read_images` is likely to take: a folder or archive of images, or arrays."""
    if path.is_dir():
        return next(_files_in(path), None) is not None
    return path.suffix.lower() in (".npz", ".zip")


def read_images(path: Path, side: int | None = None) -> Images:
    """The images of a folder, a zip, or an `.npz` with `x` and `y` (or `x_train`, `y_train`, ...).

    In folders and archives an image's class is the name of the folder it lies in, and folders
    `train` and `test` above them tell what is set aside. Images of several sizes become squares of
    the most frequent size, at most 64 pixels (or `side`). Raises InputError for what cannot be
    used.
    """
    if not path.exists():
        raise InputError(f"there is no file or folder {str(path)!r}.")
    if path.suffix.lower() == ".npz":
        return _from_arrays(path)
    if path.suffix.lower() == ".zip":
        with _opened(path) as archive:
            names = [n for n in archive.namelist() if _is_image(n)]
            return _from_files(path, names, _within(archive), side)
    names = sorted(str(p.relative_to(path)) for p in _files_in(path))
    return _from_files(path, names, lambda name: (path / name).read_bytes(), side)


def _files_in(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if _is_image(p.name) and p.is_file())


def _is_image(name: str) -> bool:
    hidden = any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)
    return name.lower().endswith(KINDS) and not hidden


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise InputError(f"{path.name} is no zip archive.") from None


def _within(archive: zipfile.ZipFile) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        if archive.getinfo(name).file_size > MAX_BYTES:
            raise InputError(f"{name} in the archive is larger than {MAX_BYTES // 10**6} MB.")
        return archive.read(name)  # never unpacked: no path of the archive is followed

    return read


def _from_files(
    path: Path, names: Sequence[str], read: Callable[[str], bytes], side: int | None
) -> Images:
    """Images by name, read one by one."""
    labels, test = [], []
    for name in names:
        parts = PurePosixPath(name).parts
        if len(parts) < 2:
            raise InputError(
                f"{name} in {path.name} lies in no class's folder; put each image into a folder "
                "that is named like its class."
            )
        labels.append(parts[-2])
        test.append(any(part.lower() in TEST for part in parts[:-2]))
    if not names:
        raise InputError(f"{path.name} holds no images ({', '.join(KINDS)}).")
    found = _decoded(names, read)
    sizes, counts = np.unique([im.shape[:2] for im in found], axis=0, return_counts=True)
    height, width = (int(v) for v in sizes[counts.argmax()])
    notes = []
    if len(sizes) > 1 or max(height, width) > (side or MAX_SIDE):
        height = width = min(side or MAX_SIDE, max(height, width))
        notes.append(f"images of {len(sizes)} sizes were made {height} x {width} pixels")
    grey = all(im.ndim == 2 or _is_grey(im) for im in found)
    pixels = np.stack([_fit(im, height, width, grey) for im in found])
    notes.append("the class of an image is the name of its folder")
    return Images(pixels, np.array(labels), np.array(test), tuple(notes))


def _decoded(names: Sequence[str], read: Callable[[str], bytes]) -> list[npt.NDArray[np.uint8]]:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingLibraryError(
            "reading images needs Pillow: pip install 'modelwright[networks]'"
        ) from None
    out = []
    for name in names:
        try:
            with Image.open(io.BytesIO(read(name))) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise InputError(f"{name} has more than {MAX_PIXELS // 10**6} million pixels.")
                plain = image.convert("L" if image.mode in ("1", "L", "I;16") else "RGB")
                plain.thumbnail((4 * MAX_SIDE, 4 * MAX_SIDE))
                out.append(np.asarray(plain, np.uint8))
        except (UnidentifiedImageError, OSError, ValueError) as error:
            raise InputError(f"{name} cannot be read as an image: {error}.") from None
    return out


def _is_grey(image: npt.NDArray[np.uint8]) -> bool:
    return bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())


def _fit(image: npt.NDArray[np.uint8], height: int, width: int, grey: bool) -> Any:
    """`[channels, height, width]`, resampled where the size is another one."""
    from PIL import Image

    if image.shape[:2] != (height, width):
        image = np.asarray(
            Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        )
    if grey:
        return (image if image.ndim == 2 else image[..., 0])[None]
    return (np.stack([image] * 3) if image.ndim == 2 else image.transpose(2, 0, 1)).copy()


def _from_arrays(path: Path) -> Images:
    """Arrays `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test`; `class_names` if there."""
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
        if len(x) != len(y) or x.ndim not in (3, 4):
            raise InputError(
                f"images are [n, height, width] or [n, height, width, channels], with one label "
                f"each; got {x.shape} and {y.shape} in {path.name}."
            )
    labels = np.concatenate([y for _, y, _ in there]).reshape(-1)
    names = arrays.get("class_names")
    if names is not None and labels.dtype.kind in "iu":
        labels = names[labels]
    pixels = np.concatenate([_channels(x, path) for x, _, _ in there])
    test = np.concatenate([np.full(len(y), t) for _, y, t in there])
    return Images(pixels, labels.astype(str), test, ("pixels and classes are arrays of the file",))


def _channels(x: npt.NDArray[Any], path: Path) -> npt.NDArray[np.uint8]:
    """Bytes `[n, channels, height, width]`."""
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
