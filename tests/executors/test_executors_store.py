"""The artefact store: names, whole files, bad names, full disks, arrays without copies."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import InputError
from modelwright.executors import FileStore


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


def test_equal_content_is_kept_once_under_its_hash(store: FileStore) -> None:
    name = store.put(b"abc", ".bin")
    assert name == hashlib.sha256(b"abc").hexdigest() + ".bin"
    assert store.put(b"abc", ".bin") == name
    assert list(store.names()) == [name]
    assert store.total_bytes() == 3
    assert store.path(name).read_bytes() == b"abc"
    assert list((store.root / "partial").iterdir()) == []


def test_put_file_equals_put(store: FileStore, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "model.txt").write_bytes(content)
    assert store.put_file(tmp_path / "model.txt") == store.put(content, ".txt")


def test_a_missing_file_or_folder_is_refused(store: FileStore, tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="is none"):
            store.put_file(path)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.text(max_size=80))
def test_a_name_never_leaves_the_folder(name: str) -> None:
    store = FileStore(Path("/nonexistent/store"))
    with pytest.raises(InputError):
        store.path(name)


@pytest.mark.parametrize(
    "name", ["../" * 5 + "etc/passwd", "0" * 64 + "/../x", "0" * 64 + ".a/b", "0" * 63, "A" * 64]
)
def test_bad_names(store: FileStore, name: str) -> None:
    for use in (store.path, store.remove, store.verify):
        with pytest.raises(InputError, match="64 hexadecimal"):
            use(name)


@pytest.mark.parametrize("suffix", ["npy", "/x", ".a/b", ". ", ".\n"])
def test_bad_suffix(store: FileStore, suffix: str) -> None:
    with pytest.raises(InputError, match="suffix"):
        store.put(b"", suffix)


def test_remove_and_verify(store: FileStore) -> None:
    name = store.put(b"abc")
    assert store.verify(name)
    store.path(name).chmod(0o644)
    store.path(name).write_bytes(b"abd")
    assert not store.verify(name)
    store.remove(name)
    store.remove(name)
    assert not store.verify(name)
    with pytest.raises(InputError, match="has no artefact"):
        store.path(name)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.arange(12.0).reshape(3, 4).T,
        np.zeros((0, 3)),
        np.array(3.5),
        np.array(["a", "bc"]),
        np.arange(2_000_000, dtype=np.int16)[::3],
    ],
)
def test_arrays_come_back_mapped_and_read_only(
    store: FileStore, array: np.ndarray[Any, Any]
) -> None:
    name = store.put_array(array)
    assert name.endswith(".npy")
    back = store.array(name)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    if array.size > 100:
        assert isinstance(back, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            back[...] = 0
    assert store.verify(name)


def test_arrays_of_objects_are_refused(store: FileStore) -> None:
    with pytest.raises(InputError, match="plain numbers"):
        store.put_array(np.array([{}], dtype=object))


def test_sweep_takes_what_dead_writers_left_and_nothing_else(store: FileStore) -> None:
    store.put(b"abc")
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    partial = store.root / "partial"
    dead, alive = partial / f"{int(gone.stdout)}-aa", partial / f"{os.getpid()}-bb"
    dead.write_bytes(b"x")
    alive.write_bytes(b"x")
    store.sweep()
    assert not dead.exists()
    assert alive.exists()


def test_many_writers_of_equal_content(store: FileStore) -> None:
    code = """
import sys
from pathlib import Path
from modelwright.executors import FileStore
store = FileStore(Path(sys.argv[1]))
for i in range(60):
    store.put(str(i).encode() * 1000, ".bin")
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, str(store.root)]) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    names = list(store.names())
    assert len(names) == 60
    assert all(store.verify(name) for name in names)


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    # A limit on file size stands for the full disk: the write fails in the kernel, half done.
    code = """
import resource, sys
from pathlib import Path
from typing import Any
from modelwright.executors import FileStore
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = FileStore(Path(sys.argv[1]))
try:
    store.put(b"x" * 1_000_000)
except Exception as error:
    print(type(error).__name__, error)
print(list((store.root / "partial").iterdir()), list(store.names()))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], stdout=-1, text=True)
    first, second = done.stdout.splitlines()
    assert first.startswith("ModelwrightError cannot keep an artefact in")
    assert "the disk is full; free some space" in first
    assert second == "[] []"
