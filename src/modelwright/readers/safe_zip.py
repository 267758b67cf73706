"""Reading an archive that a stranger made: nothing is written, and nothing may be larger than told.

Refused: absolute names, `..`, backslashes, drive letters, the same name twice (also in other
capitals), links and devices, passwords, unknown packings, too many files, too many bytes, and a
ratio that only a bomb has. Bytes are counted as they come, since the sizes in a header are a claim.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from modelwright.core.errors import InputError

MAX_FILES, MAX_BYTES, MAX_IN_MEMORY = 50_000, 20 * 2**30, 256 * 2**20
MAX_RATIO, RATIO_FROM = 200, 2**20  # a file of over 1 MiB may not unpack to 200 times its size
_CHUNK = 2**20


class SafeZip:
    """A ZIP file whose members are read in memory, checked when it is opened.

    Raises InputError for what is no such file, or is refused as above.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(f"{str(path)!r} cannot be read as an archive: {error}.") from None
        try:
            self._members = self._checked()
        except BaseException:
            self._zip.close()
            raise

    @property
    def names(self) -> list[str]:
        """The names of all files, in their order."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of a member, at most 256 MiB. Raises InputError when it is not there."""
        if name in self._members and self._members[name].file_size > MAX_IN_MEMORY:
            raise self._refused(f"{name!r} is too large to be read at once")
        return b"".join(self.chunks(name))

    def digest(self, name: str) -> str:
        """SHA-256 of a member, 64 hexadecimal characters."""
        found = hashlib.sha256()
        for chunk in self.chunks(name):
            found.update(chunk)
        return found.hexdigest()

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a member, without their ends; one is at most 256 MiB long."""
        rest = b""
        for chunk in self.chunks(name):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            if len(rest) > MAX_IN_MEMORY:
                raise self._refused(f"a line of {name!r} is too long")
        if rest:
            yield rest

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a member, a MiB at a time."""
        member = self._members.get(name)
        if member is None:
            raise self._refused(f"it has no {name!r}")
        read = 0
        try:
            with self._zip.open(member) as file:
                while chunk := file.read(_CHUNK):
                    read += len(chunk)
                    if read > member.file_size:
                        raise self._refused(f"{name!r} is larger than it says")
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise self._refused(f"{name!r} cannot be unpacked: {error}") from None

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        found: dict[str, zipfile.ZipInfo] = {}
        seen: set[str] = set()
        infos = self._zip.infolist()
        if len(infos) > MAX_FILES:
            raise self._refused(f"it has {len(infos)} files, over {MAX_FILES}")
        if sum(info.file_size for info in infos) > MAX_BYTES:
            raise self._refused(f"it would unpack to over {MAX_BYTES / 2**30:g} GiB")
        for info in infos:
            if trouble := _trouble(info):
                raise self._refused(f"{info.orig_filename!r} {trouble}")
            if info.filename.casefold() in seen:
                raise self._refused(f"{info.filename!r} is there twice")
            seen.add(info.filename.casefold())
            found[info.filename] = info
        return found

    def _refused(self, why: str) -> InputError:
        return InputError(f"the archive {self.path.name!r} is refused: {why}.")

    def __enter__(self) -> SafeZip:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._zip.close()


def _trouble(info: zipfile.ZipInfo) -> str:
    """What is wrong with a member by its header, or nothing."""
    name = info.orig_filename
    parts = name.split("/")
    if not name or "\\" in name or "\0" in name or ":" in name or name.startswith("/"):
        return "is no plain relative name"
    if any(part in ("", ".", "..") for part in parts):
        return "leads out of the archive, or is a folder"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "is a link or a device"
    if info.flag_bits & 0x1:
        return "has a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a way that is not taken"
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(1, info.compress_size):
        return f"unpacks to over {MAX_RATIO} times its size"
    return ""
