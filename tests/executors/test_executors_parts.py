"""The small parts: frames, the machine's limits, process trees, the watching thread."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.trial import Evidence, Progress
from modelwright.executors import FileStore, ToolBox, cpu_slots, hardware_class, memory_bytes, tree
from modelwright.executors.frames import MAX_MESSAGE, Unpacker, decode, encode, pack, to_message
from modelwright.testing.executor import ended

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(PLAIN, max_size=6), st.lists(st.integers(1, 40), max_size=40))
def test_messages_arrive_however_the_wire_cuts_them(bodies: list[Any], cuts: list[int]) -> None:
    wire = b"".join(pack(encode("progress", body)) for body in bodies)
    unpacker, texts, at = Unpacker(), [], 0
    for cut in [*cuts, len(wire)]:
        texts += unpacker.feed(wire[at : at + cut])
        at += cut
    assert [decode(text) for text in texts] == [("progress", body) for body in bodies]


def test_infinite_numbers_travel() -> None:
    _, body = decode(encode("evidence", {"a": math.inf, "b": math.nan}))
    assert body["a"] == math.inf
    assert math.isnan(body["b"])


def test_a_length_over_the_bound_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="over"):
        Unpacker().feed((MAX_MESSAGE + 1).to_bytes(4, "big"))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"a":1,"b":2}', b"\xff", b"nonsense"])
def test_what_is_no_message_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode(text)


def test_messages_of_trials() -> None:
    assert to_message("progress", {"trial": 1, "step": 2.0}) == Progress(1, 2.0)
    evidence = Evidence(1, {"a": 1.0}, folds={"a": (1.0, 2.0)}, curve=((0.0, 1.0),))
    assert to_message(*decode(encode("evidence", evidence.to_json()))) == evidence
    with pytest.raises(ValueError, match="scores must map"):
        to_message("evidence", {"trial": 1, "scores": [1.0]})
    with pytest.raises(ValueError, match="no message of a trial"):
        to_message("ready", {})


# -- the machine ---------------------------------------------------------------------------------


def _put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


V2 = {"proc/self/cgroup": "0::/user/job\n"}
V1 = {"proc/self/cgroup": "9:name=systemd:/\n4:memory:/job\n2:cpu,cpuacct:/job\n0::/\n"}
ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
TOTAL = psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("files", "slots", "memory"),
    [
        ({}, ALL, TOTAL),
        ({**V2, "sys/fs/cgroup/user/job/cpu.max": "100000 100000\n"}, 1, TOTAL),
        ({**V2, "sys/fs/cgroup/user/cpu.max": "50000 100000\n"}, 1, TOTAL),
        ({**V2, "sys/fs/cgroup/user/cpu.max": "max 100000\n"}, ALL, TOTAL),
        ({**V2, "sys/fs/cgroup/user/job/memory.max": "5000000\n"}, ALL, 5_000_000),
        ({**V2, "sys/fs/cgroup/memory.max": "max\n"}, ALL, TOTAL),
        ({**V2, "sys/fs/cgroup/memory.max": "7000000\n"}, ALL, 7_000_000),
        (
            {
                **V1,
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "120000\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "6000000\n",
            },
            1,
            6_000_000,
        ),
        (
            {
                **V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            ALL,
            TOTAL,
        ),
        ({"proc/self/cgroup": "0::/not/seen/from/here\n"}, ALL, TOTAL),
    ],
)
def test_control_groups_bound_the_machine(
    tmp_path: Path, files: dict[str, str], slots: int, memory: int
) -> None:
    root = _put(tmp_path, files)
    assert cpu_slots(root) == slots
    assert memory_bytes(root) == memory


def test_the_class_of_the_machine_names_model_and_cores(tmp_path: Path) -> None:
    cores = f"{ALL} core{'s' if ALL > 1 else ''}"
    intel = {"proc/cpuinfo": "processor\t: 0\nmodel name\t: Some   CPU @ 2 GHz\n"}
    arm = {"proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"}
    assert hardware_class(_put(tmp_path / "intel", intel)) == f"Some CPU @ 2 GHz, {cores}"
    found = hardware_class(_put(tmp_path / "arm", arm))
    assert found == f"ARM implementer 0x41 part 0xd0c, {cores}"
    assert hardware_class() == hardware_class()


# -- process trees -------------------------------------------------------------------------------

_SLEEP = [sys.executable, "-S", "-c", "import time; print(flush=True); time.sleep(60)"]


def test_trees_are_the_same_with_and_without_proc() -> None:
    with subprocess.Popen(_SLEEP, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            assert child.pid in tree.descendants(os.getpid())
            assert child.pid in tree._psutil_descendants(os.getpid())
            own, all_pages = tree.private_bytes([child.pid]), tree._psutil_bytes([child.pid])
            assert 1 << 20 < own < all_pages < 100 << 20
            assert 0 < tree.shared_once([child.pid]) <= own
        finally:
            child.kill()
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
        assert child.pid not in tree.descendants(os.getpid())
        assert child.pid not in tree._psutil_descendants(os.getpid())
    assert tree.descendants(child.pid) == tree._psutil_descendants(child.pid) == []
    assert tree.private_bytes([child.pid]) == tree._psutil_bytes([child.pid]) == 0
    tree.kill_tree(child.pid)
    tree.freeze(child.pid)


_WATCH = """
import os, subprocess, sys, threading, time
from modelwright.executors.guard import _wait_for_the_end
threading.Thread(target=_wait_for_the_end, args=(int(sys.argv[1]),), daemon=True).start()
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_where_the_kernel_cannot_a_thread_ends_the_group() -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", _WATCH, str(reading)],
        stdout=subprocess.PIPE, pass_fds=[reading], start_new_session=True,
    ) as worker:  # fmt: skip
        os.close(reading)
        assert worker.stdout is not None
        grandchild = int(worker.stdout.readline())
        start = time.monotonic()
        os.close(writing)
        assert worker.wait(10) == -signal.SIGKILL
        assert ended(grandchild, 2.0)
        assert time.monotonic() - start < 2.0


def test_what_finished_trials_left_unfinished_is_swept(tmp_path: Path) -> None:
    tools = ToolBox(tmp_path, FileStore(tmp_path / "store"))
    tools.sweep([])  # nothing there yet
    tools.scratch.mkdir(parents=True)
    for name in ("1.safetensors", "1.partial", "11.safetensors"):
        (tools.scratch / name).write_bytes(b"")
    tools.sweep([11])
    assert [path.name for path in tools.scratch.iterdir()] == ["11.safetensors"]
    tools.sweep([])
    assert not tools.scratch.exists()
    assert list(tools.store.names()) == []
