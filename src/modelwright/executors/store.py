"""Files named by their content: where trials leave arrays and models, and others find them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from modelwright.core.errors import InputError, ModelwrightError

if TYPE_CHECKING:
    import numpy as np

_NAME = re.compile(r"[0-9a-f]{64}(\.[A-Za-z0-9_.]{1,32})?")
_CHUNK = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileStore:
    """A folder of files that never change, each named by the SHA-256 of its bytes and a suffix.

    Equal content is kept once. A name appears only when its file is whole: writers fill a file
    under `partial/` and rename it, so that a killed writer leaves no half artefact. Files are
    read-only. Any number of processes may use one folder at the same time.

    Arrays are plain `.npy`, opened with `mmap_mode="r"`: every worker reads the same pages of the
    page cache, and nothing is copied.

    A write survives the death of every process. It is not synced to the disk, so that a power cut
    may take the last seconds; `verify` finds a file that does not match its name.

    >>> import tempfile
    >>> store = FileStore(Path(tempfile.mkdtemp()) / "store")
    >>> name = store.put(b"weights", ".bin")
    >>> name[:8], name[64:], store.path(name).read_bytes()
    ('9a129038', '.bin', b'weights')
    >>> store.put(b"weights", ".bin") == name, store.total_bytes()
    (True, 7)
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()

    def put(self, content: bytes, suffix: str = "") -> str:
        """Keeps the bytes and returns their name.

        Raises InputError for a suffix that is no file ending, ModelwrightError when the disk is
        full or the folder cannot be written.
        """
        return self._keep(lambda file: file.write(content), suffix)

    def put_file(self, path: Path) -> str:
        """Keeps a copy of a file and returns its name; the suffix is the file's own."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"an artefact is a file; {str(path)!r} is none.")
        with path.open("rb") as source:
            return self._keep(lambda file: shutil.copyfileobj(source, file, _CHUNK), path.suffix)

    def put_array(self, array: np.ndarray[Any, Any]) -> str:
        """Keeps an array of any shape as `.npy` and returns its name; objects are refused."""
        import numpy as np

        if array.dtype.hasobject:
            raise InputError(f"arrays of plain numbers or texts can be kept; got {array.dtype}.")
        return self._keep(
            lambda file: np.lib.format.write_array(file, array, allow_pickle=False), ".npy"
        )

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """The array of that name, mapped read-only from the file."""
        import numpy as np

        path = self.path(name)
        if path.stat().st_size <= 256:  # an empty array cannot be mapped
            return np.asarray(np.load(path, allow_pickle=False))
        mapped: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped

    def path(self, name: str) -> Path:
        """Where the artefact of that name lies. Raises InputError when there is none."""
        path = self._path(name)
        if not path.is_file():
            raise InputError(f"the store in {str(self.root)!r} has no artefact {name!r}.")
        return path

    def names(self) -> Iterator[str]:
        """The names of all artefacts, sorted."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(p.name for p in folder.iterdir() if _NAME.fullmatch(p.name))

    def total_bytes(self) -> int:
        """Bytes of all artefacts."""
        return sum(self._path(name).stat().st_size for name in self.names())

    def remove(self, name: str) -> None:
        """Deletes an artefact; a name that is not there is no error."""
        self._path(name).unlink(missing_ok=True)

    def verify(self, name: str) -> bool:
        """True when the file is there and its bytes still have the hash in its name."""
        path = self._path(name)
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == name[:64]

    def sweep(self) -> None:
        """Deletes what writers that are no longer alive left half written."""
        for path in (self.root / "partial").glob("*-*"):
            pid = path.name.partition("-")[0]
            if not (pid.isdigit() and _alive(int(pid))):
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        # Names come back from evaluators: one that is no plain name could leave the folder.
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise InputError(f"an artefact's name is 64 hexadecimal characters; got {name!r:.100}.")
        return self.root / name[:2] / name

    def _keep(self, write: Callable[[Any], object], suffix: str) -> str:
        if not _NAME.fullmatch("0" * 64 + suffix):
            raise InputError(f"a suffix is '' or like '.npy'; got {suffix!r}.")
        partial = self.root / "partial" / f"{os.getpid()}-{os.urandom(12).hex()}"
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("xb") as file:
                hashed = _Hashed(file)
                write(hashed)
            partial.chmod(0o444)
            name = hashed.total.hexdigest() + suffix
            target = self._path(name)
            target.parent.mkdir(exist_ok=True)
            partial.replace(target)
        except OSError as error:
            full = error.errno in _FULL
            what = "the disk is full" if full else (error.strerror or str(error))
            todo = "free some space, or name another folder" if full else "check the folder"
            raise ModelwrightError(
                f"cannot keep an artefact in {str(self.root)!r}: {what}; {todo}."
            ) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        return name


class _Hashed:
    """A file to write to that also hashes what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.total = hashlib.sha256()

    def write(self, part: bytes) -> int:
        self.total.update(part)
        return self._file.write(part)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
