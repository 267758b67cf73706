"""What a file is, from its first bytes: so that a picture named .csv is called a picture."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from modelwright.core.errors import InputError

_MAGIC = (
    (b"\x80\x02", "a Python pickle"), (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"), (b"\x80\x05", "a Python pickle"),
    (b"%PDF", "a PDF document"), (b"\x89PNG", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"), (b"II*\x00", "a TIFF picture"), (b"MM\x00*", "a TIFF picture"),
    (b"SQLite format 3\x00", "an SQLite database"), (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"), (b"ARROW1", "an Arrow or Feather file"),
    (b"ORC", "an ORC file"), (b"Obj\x01", "an Avro file"), (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"), (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"), (b"\x7fELF", "a program"), (b"MZ\x90", "a program"),
    (b"{\\rtf", "an RTF document"), (b"RIFF", "a sound, video or WebP file"), (b"OggS", "a sound"),
    (b"ID3", "a sound"), (b"fLaC", "a sound"), (b"$FL2", "an SPSS file"),
    (b"<stata_dta>", "a Stata file"), (b"PAR1", "Parquet within gzip"),
    (b"PK\x03\x04", "a zip or Excel file within gzip"), (b"\x1f\x8b", "gzip within gzip"),
    (b"version https://git-lfs", "a Git LFS pointer"),
)  # fmt: skip


def check_regular(path: Path) -> None:
    """Raises InputError unless `path` is a file that can be opened and has bytes in it."""
    try:
        mode, size = path.stat().st_mode, path.stat().st_size
    except FileNotFoundError:
        raise InputError(f"there is no file {str(path)!r}.{_near(path)}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {_reason(error)}.") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{str(path)!r} is a directory; name the file with the table.")
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{str(path)!r} is a pipe, a socket or a device; write the table to a file first."
        )
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {_reason(error)}.") from None
    if size == 0:
        raise InputError(f"{str(path)!r} is empty.")


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "permission denied"
    return (getattr(error, "strerror", None) or str(error)).lower().rstrip(".")


def _near(path: Path) -> str:
    from modelwright.core.errors import did_you_mean

    try:
        names = [p.name for p in path.parent.iterdir()][:10_000]
    except (OSError, ValueError):
        return ""
    return did_you_mean(path.name, names)


def kind_of(path: Path, head: bytes) -> str:
    """`text`, `gzip`, `parquet` or `excel`. Raises InputError that says what else it looks like."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _kind_of_zip(path)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(
            f"{path.name!r} is {_old_excel(path)}; save it as .xlsx without a password, or as CSV."
        )
    check_text(path.name, head)
    return "text"


def check_text(name: str, head: bytes) -> None:
    """Raises InputError unless the bytes can be a table as text."""
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise InputError(_not_a_table(name, what))
    if len(head) > 12 and head[4:8] == b"ftyp":
        raise InputError(_not_a_table(name, "a video"))
    if wide_encoding(head):
        return
    start = head[:400].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<svg")):
        raise InputError(_not_a_table(name, "a web page or XML"))
    if start.startswith((b"{", b"[")) and _is_json(head):
        raise InputError(_not_a_table(name, "JSON"))
    if start.startswith(
        (b"(dp", b"(lp", b"ccopy_reg", b"c__builtin__", b"cnumpy", b"ccollections")
    ):
        raise InputError(_not_a_table(name, "a Python pickle"))
    controls = sum(b < 32 and b not in (9, 10, 12, 13, 27) for b in head if b != 0)
    nuls = head.count(0)
    if controls > 0.02 * len(head) or nuls > 0.3 * len(head):
        raise InputError(_not_a_table(name, "binary data"))


def _not_a_table(name: str, what: str) -> str:
    return f"{name!r} looks like {what}, not a table; give CSV, Parquet or Excel."


def wide_encoding(head: bytes) -> str:
    """The encoding of several bytes per letter that a text begins with, or nothing.

    Without a mark at the start: nearly every second byte is zero, and nearly none of the others.
    """
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = head[0:4000:2], head[1:4000:2]
    if len(odd) < 8:
        return ""
    zero_even, zero_odd = even.count(0) / len(even), odd.count(0) / len(odd)
    if zero_even < 0.05 and zero_odd > 0.7:
        return "utf-16-le"
    return "utf-16-be" if zero_odd < 0.05 and zero_even > 0.7 else ""


def _is_json(head: bytes) -> bool:
    text = head.decode("utf-8", "replace").strip()
    first = text.splitlines()[0].rstrip(",")
    for piece in (text, first):
        try:
            found = json.loads(piece)
        except (ValueError, RecursionError):
            continue
        return isinstance(found, (dict, list))
    # The head of a long document does not parse; `{"name":` and `[{` begin no CSV.
    squeezed = "".join(text[:200].split())
    return squeezed.startswith(('{"', "[{", "[[")) and ":" in squeezed[:200]


def _kind_of_zip(path: Path) -> str:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            locked = any(i.flag_bits & 1 for i in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise InputError(f"{path.name!r} looks like a damaged zip or Excel file.") from None
    if "xl/workbook.xml" in names and not locked:
        return "excel"
    if locked:
        raise InputError(
            f"{path.name!r} is locked with a password; save the table without one, or as CSV."
        )
    what = "a zip archive"
    if "word/document.xml" in names:
        what = "a Word document"
    elif "content.xml" in names and "mimetype" in names:
        what = "an OpenDocument file"
    elif any(n.endswith("data.pkl") for n in names):
        what = "a PyTorch file"
    elif "xl/workbook.bin" in names:
        what = "a binary Excel workbook (.xlsb)"
    raise InputError(
        f"{path.name!r} looks like {what}, not a table; unpack or save it as CSV, Parquet or .xlsx."
    )


def _old_excel(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(1 << 20)
    if "EncryptedPackage".encode("utf-16-le") in head:
        return "locked with a password"
    return "an old Excel or Word file"
