"""Whether a folder may hold a SQLite ledger: not when it lies on a network file system."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from modelwright.core.errors import LedgerError

# Their locks and shared memory do not hold between machines, which SQLite's write-ahead log needs.
# fmt: off
NETWORK = frozenset((
    "9p", "afs", "afpfs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "fuse.ceph",
    "fuse.cephfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys", "fuse.juicefs",
    "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb", "smb3", "smbfs", "webdav",
))
# fmt: on


def file_system_of(path: PurePath, mounts: str) -> str | None:
    """The type of the file system that holds `path`, from a table in the form of /proc/mounts.

    The longest mount point that is a folder above `path` counts; of equal ones the last, which
    hides the earlier. None when no mount point is above it.

    >>> table = "/dev/sda1 / ext4 rw 0 0\\nserver:/x /home/my\\\\040data nfs4 rw 0 0"
    >>> file_system_of(PurePath("/home/my data/run/ledger.sqlite"), table)
    'nfs4'
    >>> file_system_of(PurePath("/home/my database"), table)
    'ext4'
    """
    best, found = -1, None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = PurePath(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), fields[1]))
        if (point == path or point in path.parents) and len(point.parts) >= best:
            best, found = len(point.parts), fields[2]
    return found


def refuse_network(path: Path, mounts: str | None = None) -> None:
    """Raises LedgerError when `path` lies on a network file system.

    `mounts` is the mount table; by default this machine's, and where there is none nothing is
    refused.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(errors="replace")
        except OSError:
            return
    kind = file_system_of(path, mounts)
    if kind in NETWORK:
        raise LedgerError(
            f"{path} is on a network file system ({kind}), where a SQLite ledger can be damaged; "
            f"use a folder on a local disk, or a PostgreSQL address (postgresql://...)."
        )
