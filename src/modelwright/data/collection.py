"""Examples that are files of their own (images, sounds): found, labelled, read into one array.

Where they come from: a folder for each class; a zip archive of such folders; a table with a column
of paths (a CSV file beside them, or the one CSV file in a folder or archive); arrays in an `.npz`.
"""

from __future__ import annotations

import csv
import glob
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError, did_you_mean

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
SOUNDS = (".wav",)
TRAIN, TEST = ("train", "training"), ("test", "testing")
LABELS = ("label", "class", "target")  # columns that are the target where none is named
MAX_BYTES = 50_000_000  # of one file; a larger one is no photo and no short recording
HEAD_BYTES = 65_536  # of a table, by which a column of paths is found


class Front(Protocol):
    """Makes an example of a file's bytes, while learning and when the model answers."""

    def read(self, content: bytes, name: str) -> npt.NDArray[Any]:
        """The example, of the shape that the network takes. Raises InputError by `name`."""

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `front_of` makes it again; `kind` names it."""


@dataclass(frozen=True)
class Collection:
    """All examples as one array: `inputs` `[n, *shape]`; `labels` as they are written, `[n]`.

    Labels are texts, or floats where an array has floats; `data.asked` says what they ask for.

    `kind` is `images`, `sounds` or `texts`. `test` marks the examples that the source itself set
    aside, `[n]`; `groups`, where asked for, are names of which none may be on two sides of a split.
    `names` tell where each example came from; arrays have none. `notes` say what was assumed.
    `target` is the column of a table that the labels are from.
    """

    kind: str
    inputs: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    test: npt.NDArray[np.bool_]
    front: Front
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    groups: npt.NDArray[np.str_] | None = None
    target: str = ""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Listing:
    """Files of examples: `read` gives the bytes of one of `names`."""

    names: Sequence[str]
    read: Callable[[str], bytes]
    labels: Sequence[str]
    test: Sequence[bool]
    groups: Sequence[str] | None = None
    notes: tuple[str, ...] = field(default=())
    target: str = ""


def is_collection(path: Path) -> bool:
    """True for a folder or archive of images or sounds, a table of their paths, or arrays."""
    if path.is_dir():
        return next(_files_in(path), None) is not None
    suffix = path.suffix.lower()
    if suffix == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(_is_example(name) for name in archive.namelist())
    if suffix == ".npz":
        return path.exists()
    if suffix in (".csv", ".tsv") and path.is_file():
        with path.open("rb") as file:
            rows = _rows(file.read(HEAD_BYTES), whole=False)
        column = _path_column(rows)
        # A column of names of files that are not there is text like any other.
        return column is not None and _beside(path, rows[0][column])
    return False


def _beside(table: Path, written: str) -> bool:
    """Whether a file that a table names lies where it says, or in a folder beside the table."""
    name = PurePosixPath(written).name
    beside = (table.parent / written).is_file()
    return beside or next(table.parent.glob(f"*/{glob.escape(name)}"), None) is not None


def read_collection(
    path: Path,
    target: str | None = None,
    group: str | None = None,
    side: int | None = None,
    front: Front | None = None,
) -> Collection:
    """The examples of a folder, archive, table of paths, or `.npz` file.

    `target` and `group` name columns of a table; without a table the class is the name of the
    folder that a file lies in, and folders `train` and `test` above tell what is set aside. `side`
    is the size that images are made at most; `front` reads files as those of another collection
    were. Raises InputError for what cannot be used.
    """
    from modelwright.data.images import images_from_arrays, images_from_files
    from modelwright.data.sounds import sounds_from_files

    if not path.exists():
        raise InputError(f"there is no file or folder {str(path)!r}.")
    if path.suffix.lower() == ".npz":
        if group is not None:
            raise InputError(f"--group names a column of a table; {path.name} holds arrays.")
        return images_from_arrays(path)
    listing = _listing(path, target, group)
    kinds = {PurePosixPath(name).suffix.lower() in SOUNDS for name in listing.names}
    if len(kinds) > 1:
        raise InputError(f"{path.name} holds images and sounds; give a folder of one kind.")
    if front is not None:
        inputs = np.stack([front.read(listing.read(name), name) for name in listing.names])
        kind = str(front.to_json()["kind"])
        test = np.array(listing.test)
        return Collection(kind, inputs, np.array(listing.labels), test, front, listing.notes,
                          tuple(listing.names), target=listing.target)  # fmt: skip
    return sounds_from_files(listing) if kinds == {True} else images_from_files(listing, side)


def read_file(path: Path) -> bytes:
    """The bytes of an example's file. Raises InputError when it is too large or not there."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path.name} is larger than {MAX_BYTES // 10**6} MB.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}.") from None


def front_of(facts: Mapping[str, Any]) -> Front:
    """The front that `to_json` told of."""
    from modelwright.data.backbone import PiecesFront
    from modelwright.data.images import ImageFront
    from modelwright.data.sounds import SoundFront
    from modelwright.data.texts import TextFront

    kinds: dict[str, Any] = {
        "images": ImageFront, "sounds": SoundFront, "texts": TextFront, "pieces": PiecesFront,
    }  # fmt: skip
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
    made: Front = kinds[str(plain.pop("kind"))](**plain)
    return made


def example_files(path: Path) -> list[Path]:
    """The files of examples in a folder, in the order of their names; or the one file itself."""
    if path.is_dir():
        return sorted(_files_in(path))
    return [path]


# -- where files are and what they are called ----------------------------------------------------


def _listing(path: Path, target: str | None, group: str | None) -> Listing:
    if path.suffix.lower() == ".zip":
        names, read = _archive(path)
    elif path.is_dir():
        names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
        read = lambda name: read_file(path / name)  # noqa: E731
    else:
        near = (*path.parent.glob("*"), *path.parent.glob("*/*"))
        names = [p.relative_to(path.parent).as_posix() for p in near if p.is_file()]
        read = lambda name: read_file(path.parent / name)  # noqa: E731
    alone = path.suffix.lower() in (".csv", ".tsv")
    tables = [path.name] if alone else [n for n in names if n.lower().endswith((".csv", ".tsv"))]
    if len(tables) == 1 and (rows := _rows(read(tables[0]))) and (column := _path_column(rows)):
        if alone:  # what it names may lie deeper than was looked
            names += [w for row in rows if (path.parent / (w := row[column])).is_file()]
        return _from_table(tables[0], rows, set(names), read, target, group)
    if group is not None:
        raise InputError(f"--group names a column of a table; {path.name} has no table of paths.")
    return _from_folders(path, [n for n in names if _is_example(n)], read)


def _from_folders(path: Path, names: Sequence[str], read: Callable[[str], bytes]) -> Listing:
    if not names:
        told = ", ".join((*IMAGES, *SOUNDS))
        raise InputError(f"{path.name} holds no images or sounds ({told}).")
    labels, test = [], []
    for name in names:
        parts = PurePosixPath(name).parts
        if len(parts) < 2:
            raise InputError(
                f"{name} in {path.name} lies in no class's folder; put each file into a folder "
                "that is named like its class."
            )
        labels.append(parts[-2])
        test.append(any(part.lower() in TEST for part in parts[:-2]))
    notes = ("the class of an example is the name of its folder",)
    return Listing(names, read, labels, test, notes=notes)


def _from_table(
    table: str,
    rows: Sequence[Mapping[str, str]],
    names: set[str],
    read: Callable[[str], bytes],
    target: str | None,
    group: str | None,
) -> Listing:
    """Files named by a column of paths, which may leave out folders between table and file."""
    column = _path_column(rows)
    assert column is not None, "asked before"
    known = list(rows[0])
    label = target or next((c for name in LABELS for c in known if c.lower() == name), None)
    for name, flag in ((label, "--target"), (group, "--group")):
        if name is not None and name not in known:
            raise InputError(f"{table} has no column {name!r} ({flag}).{did_you_mean(name, known)}")
    if label is None:
        raise InputError(f"name the column of {table} to predict with --target: {known}.")
    by_end: dict[str, str | None] = {}
    for found in names:  # a bare file name is enough where only one file has it
        end = PurePosixPath(found).name
        by_end[end] = None if end in by_end else found
    folder = PurePosixPath(table).parent
    paths = [_found(row[column], folder, names, by_end, table) for row in rows]
    split = next((c for c in known if c.lower() == "split" and c != label), None)
    test = [split is not None and row[split].strip().lower() in TEST for row in rows]
    notes = [f"paths are in column {column!r} of {table}, what is to be told in {label!r}"]
    if split is not None and any(test):
        notes.append(f"rows with {split!r} test are set aside")
    groups = None if group is None else [row[group] for row in rows]
    return Listing(paths, read, [row[label] for row in rows], test, groups, tuple(notes), label)


def _found(
    written: str,
    folder: PurePosixPath,
    names: set[str],
    by_end: Mapping[str, str | None],
    table: str,
) -> str:
    near = (folder / written).as_posix()
    if near in names:
        return near
    by_name = by_end.get(PurePosixPath(written).name)
    if by_name is None:
        raise InputError(f"{table} names {written!r}, which is not there.")
    return by_name


def _rows(content: bytes, whole: bool = True) -> list[dict[str, str]]:
    """The rows of a small table; with `whole` False the last line may be cut and is left out."""
    text = content.decode("utf-8-sig", "replace")
    if not whole and len(content) >= HEAD_BYTES:
        text = text[: text.rfind("\n") + 1]
    head = text.split("\n", 1)[0]
    mark = max(",;\t", key=head.count)
    try:
        found = list(csv.DictReader(io.StringIO(text), delimiter=mark, strict=True))
    except csv.Error:
        return []
    even = all(None not in row and None not in row.values() for row in found)
    return found if even else []


def _path_column(rows: Sequence[Mapping[str, str]]) -> str | None:
    """The first column of which all values end like files of examples."""
    for column in rows[0] if rows else ():
        if all(row[column].lower().endswith((*IMAGES, *SOUNDS)) for row in rows):
            return column
    return None


def _files_in(folder: Path) -> Iterator[Path]:
    inside = (p for p in folder.rglob("*") if p.is_file())
    return (p for p in inside if _is_example(p.relative_to(folder).as_posix()))


def _is_example(name: str) -> bool:
    hidden = any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)
    return name.lower().endswith((*IMAGES, *SOUNDS)) and not hidden


def _archive(path: Path) -> tuple[list[str], Callable[[str], bytes]]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise InputError(f"{path.name} is no zip archive.") from None

    def read(name: str) -> bytes:
        if archive.getinfo(name).file_size > MAX_BYTES:
            raise InputError(f"{name} in the archive is larger than {MAX_BYTES // 10**6} MB.")
        return archive.read(name)  # never unpacked: no path of the archive is followed

    return sorted(n for n in archive.namelist() if not n.endswith("/")), read
