"""A study's lock beside a SQLite file: a locked file that holds the number of its process."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from modelwright.core.canonical import digest_text
from modelwright.core.errors import LedgerError

# POSIX record locks belong to the process: a worker forked by the supervisor does not keep the
# study locked when the supervisor dies (with flock it would). The price: the same process could
# take one twice, so those it has are listed here. The process id is in the list because a forked
# child inherits the list but not the locks.
_held: dict[tuple[int, Path], int] = {}
_guard = threading.Lock()


def lock_path(ledger: Path, study: str) -> Path:
    """The lock file of a study: beside the ledger, named by the hash of the study's name."""
    return ledger.with_name(f"{ledger.name}.{digest_text(study)[:12]}.lock")


def take(path: Path, study: str) -> None:
    """Takes the lock, or raises LedgerError saying which process has it."""
    with _guard:
        if (os.getpid(), path) in _held:
            raise busy(study, str(os.getpid()))
        _held[os.getpid(), path] = _locked_file(path, study)


def release(path: Path) -> None:
    """Lets go of the lock and removes its file."""
    with _guard:
        descriptor = _held.pop((os.getpid(), path), None)
        if descriptor is not None:
            path.unlink(missing_ok=True)  # while still locked, see _locked_file
            os.close(descriptor)


def _locked_file(path: Path, study: str) -> int:
    import fcntl  # not on every system that can import modelwright

    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise LedgerError(f"cannot make the lock file {path}: {error.strerror}.") from error
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the file between our open and our lock.
            if _is_still_there(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                return descriptor
            os.close(descriptor)
        except (BlockingIOError, PermissionError) as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace")
            os.close(descriptor)
            raise busy(study, holder or "unknown") from error
        except OSError as error:
            os.close(descriptor)
            raise LedgerError(f"cannot lock {path}: {error.strerror}.") from error


def _is_still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def busy(study: str, holder: str) -> LedgerError:
    """The error when another writer has the study."""
    return LedgerError(
        f"study {study!r} is being run by process {holder}; wait for it, or stop it first."
    )
