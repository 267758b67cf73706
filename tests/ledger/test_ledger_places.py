"""Where a ledger may be, and what is said when it cannot."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path, PurePath
from uuid import uuid4

import pytest

from modelwright.core.errors import LedgerError
from modelwright.ledger import open_ledger, sqlite
from modelwright.ledger.place import file_system_of, refuse_network

CHILD = Path(__file__).with_name("ledger_child.py")
MOUNTS = """\
proc /proc proc rw 0 0
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/me/disk xfs rw 0 0
//box/share /mnt/a\\040share cifs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
C: /mnt/c 9p rw 0 0
/dev/sdc1 /mnt/over nfs rw 0 0
/dev/sdc1 /mnt/over ext4 rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/run.sqlite", "ext4"),
        ("/home/me/run.sqlite", "nfs4"),
        ("/homer/run.sqlite", "ext4"),
        ("/home/me/disk/run.sqlite", "xfs"),
        ("/home/me/diskette/run.sqlite", "nfs4"),
        ("/mnt/a share/run.sqlite", "cifs"),
        ("/mnt/ssh/x/y/z.sqlite", "fuse.sshfs"),
        ("/mnt/c/Users/run.sqlite", "9p"),
        ("/mnt/over/run.sqlite", "ext4"),
    ],
)
def test_a_network_file_system_is_refused(path: str, kind: str) -> None:
    assert file_system_of(PurePath(path), MOUNTS) == kind
    if kind in ("ext4", "xfs"):
        refuse_network(Path(path), MOUNTS)
    else:
        with pytest.raises(LedgerError, match=rf"network file system \({kind}\).*PostgreSQL"):
            refuse_network(Path(path), MOUNTS)


def test_without_a_mount_table_nothing_is_refused() -> None:
    assert file_system_of(PurePath("/x"), "") is None
    refuse_network(Path("/x"), "")


def test_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(LedgerError, match="there is no ledger at"):
            open_ledger(path, **options)
    assert not path.exists()
    with pytest.raises(LedgerError, match="does its folder exist"):
        open_ledger(tmp_path / "none" / "ledger.sqlite")
    with pytest.raises(LedgerError, match="starts with 'mysql'"):
        open_ledger("mysql://me:secret@host/base")


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no ledger " * 100)
    other = tmp_path / "other"
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE mine (x)")
    before = text.read_bytes(), other.read_bytes()
    for read_only in (False, True):
        with pytest.raises(LedgerError, match="no SQLite file"):
            open_ledger(text, read_only=read_only)
        with pytest.raises(LedgerError, match="a SQLite file, but not a ledger"):
            open_ledger(other, read_only=read_only)
    assert (text.read_bytes(), other.read_bytes()) == before
    (tmp_path / "empty").touch()
    with pytest.raises(LedgerError, match="holds no ledger"):
        open_ledger(tmp_path / "empty", read_only=True)
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_ledger(tmp_path)


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    open_ledger(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO ledger_schema VALUES (2)")
    with pytest.raises(LedgerError, match="version 2, this program knows version 1"):
        open_ledger(path)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with open_ledger(path) as ledger, ledger.writer("s") as writer:
        writer.append([("a", {"x": "x" * 900})] * 200)
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="damaged"), open_ledger(path) as ledger:
        list(ledger.rows("s"))


def test_read_only_reads_and_refuses_to_write(address: str) -> None:
    study = f"study {uuid4()}"
    with open_ledger(address) as ledger, ledger.writer(study) as writer:
        made = writer.append([("a", {}), ("b", {})])
        with open_ledger(address, read_only=True) as reader:
            assert list(reader.rows(study)) == made
            with pytest.raises(LedgerError, match="read-only"):
                reader.post(study, {"kind": "stop"})
            with pytest.raises(LedgerError, match="read-only"):
                reader.writer("another")


def test_durable_appends_are_synced(tmp_path: Path) -> None:
    """No power cut can be tried here; that SQLite is told to sync the commit can be seen."""
    with open_ledger(tmp_path / "ledger.sqlite") as ledger, ledger.writer("s") as writer:
        store = ledger._store
        assert isinstance(store, sqlite.SqliteStore)
        said: list[str] = []
        store._connection.set_trace_callback(said.append)
        writer.append([("a", {})])
        assert not any("synchronous" in word for word in said)
        writer.append([("b", {})], durable=True)
        assert said.index("PRAGMA synchronous = FULL") < len(said) - said[::-1].index("COMMIT")
        assert store.query("PRAGMA synchronous") == [(1,)]


def test_a_sqlite_ledger_loads_no_heavy_library(tmp_path: Path) -> None:
    """SQLAlchemy alone takes half a second, which a search would pay at its start."""
    code = """
import sys
from modelwright.ledger import open_ledger
with open_ledger(sys.argv[1]) as ledger, ledger.writer("s") as writer:
    writer.append([("a", {})])
print(sorted({"sqlalchemy", "psycopg", "cryptography", "numpy"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "ledger.sqlite")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"[]\n"


def test_a_link_and_its_file_have_one_lock(tmp_path: Path) -> None:
    path, link = tmp_path / "ledger.sqlite", tmp_path / "link.sqlite"
    link.symlink_to(path)
    with (
        open_ledger(path) as ledger,
        open_ledger(link) as other,
        ledger.writer("s"),
        pytest.raises(LedgerError, match="is being run"),
    ):
        other.writer("s")


def test_a_ledger_that_stays_locked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    path = tmp_path / "ledger.sqlite"
    with open_ledger(path) as ledger, ledger.writer("s") as writer:
        writer.append([("first", {})])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="locked by another process"):
                writer.append([("second", {})])
            other.execute("ROLLBACK")
        writer.append([("third", {})])
        assert [row.kind for row in ledger.rows("s")] == ["first", "third"]


def test_many_openers_at_once_make_one_ledger(address: str) -> None:
    problems: list[Exception] = []

    def open_and_close() -> None:
        try:
            open_ledger(address).close()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=open_and_close) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_full_disk_costs_only_the_step(tmp_path: Path) -> None:
    """A limit on the size of files, in another process, stands for the disk."""
    said = run_child("fill_file", tmp_path / "ledger.sqlite")
    assert "nothing of this step was recorded" in said


def test_a_really_full_disk(tmp_path: Path) -> None:
    said = run_child("fill_disk", tmp_path / "ledger.sqlite", *on_a_small_disk(tmp_path))
    assert "nothing of this step was recorded" in said
    assert "full" in said


def test_a_read_only_disk_is_read(tmp_path: Path) -> None:
    said = run_child("read_only_disk", tmp_path / "ledger.sqlite", *on_a_small_disk(tmp_path))
    assert "may it be written?" in said


def on_a_small_disk(folder: Path) -> list[str]:
    """What to put before a command to give it a disk of 1 MB at `folder`, that nobody else sees.

    The disk goes with the process: nothing stays mounted, whatever happens to the test.
    """
    if shutil.which("unshare") is None:
        pytest.skip("a disk of its own needs Linux with unshare: apt-get install util-linux")
    mount = f"mount -t tmpfs -o size=1m tmpfs {shlex.quote(str(folder))}"
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*own, mount], capture_output=True).returncode:
        pytest.skip("this system lets no user mount a disk of their own (user namespaces)")
    return [*own, f'{mount} && exec "$@"', "sh"]


def run_child(work: str, path: Path, *before: str) -> str:
    """What another process says that does this work; it must end well."""
    command = [*before, sys.executable, str(CHILD), work, str(path), "s"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
