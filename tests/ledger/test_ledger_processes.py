"""Several processes at one ledger: locks, readers, messages, and kill -9."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import pytest

from modelwright.core.errors import LedgerError
from modelwright.ledger import open_ledger

CHILD = Path(__file__).with_name("ledger_child.py")


@pytest.fixture
def study() -> str:
    return f"study {uuid4()}"  # the server's database is shared by the tests


@contextmanager
def child(work: str, address: str, study: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Another process and what it says; killed at the end if it still runs."""
    command = [sys.executable, str(CHILD), work, address, study]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def test_a_study_that_another_process_runs_is_refused(address: str, study: str) -> None:
    with child("hold", address, study) as (process, says):
        assert says.readline() == "ready\n"
        with open_ledger(address) as ledger:
            with pytest.raises(LedgerError, match=f"is being run by process {process.pid}\\b"):
                ledger.writer(study)
            with ledger.writer(study + " another"):
                pass
            process.kill()
            process.wait()
            writer = _within(10, lambda: ledger.writer(study))  # a server needs a moment to notice
            writer.append([("after", {})])
            assert [row.kind for row in ledger.rows(study)] == ["held", "after"]
            writer.close()


def test_a_study_is_free_when_its_process_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with child("hold", str(path), "s") as (process, says):
        assert says.readline() == "ready\n"
        process.communicate()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]  # no lock file, no log
    with open_ledger(path) as ledger:
        ledger.writer("s").close()


def test_a_worker_forked_by_a_dead_supervisor_does_not_hold_the_study(tmp_path: Path) -> None:
    """The lock is the supervisor's own: its worker lives on, the study is free."""
    code = """
import os, sys, time
from modelwright.ledger import open_ledger
writer = open_ledger(sys.argv[1]).writer("s")
if os.fork() == 0:
    os.write(1, b"ready\\n")
    time.sleep(60)
    os._exit(0)
time.sleep(60)
"""
    path = tmp_path / "ledger.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with open_ledger(path) as ledger:
            with pytest.raises(LedgerError, match="is being run"):
                ledger.writer("s")
            process.kill()
            process.wait()
            ledger.writer("s").close()
        os.killpg(process.pid, signal.SIGKILL)


def test_a_forked_process_cannot_use_its_parents_ledger(address: str, study: str) -> None:
    with child("fork", address, study) as (process, says):
        lines = says.read().splitlines()
        assert process.wait() == 0
    assert all("was opened by another process" in line for line in lines[:2]), lines
    assert lines[2:] == ["nothing", "2"]


def test_a_process_reads_while_another_writes(address: str, study: str) -> None:
    with (
        child("write", address, study) as (_, writes),
        child("read", address, study) as (reader, reads),
    ):
        while writes.readline() and reader.poll() is None:
            pass
        assert (reader.wait(), reads.read()) == (0, "5\n")


def test_a_message_from_another_process(address: str, study: str) -> None:
    with open_ledger(address) as ledger, ledger.writer(study) as writer:
        writer.append([("first", {})])
        with child("post", address, study) as (process, says):
            number = int(says.readline())
            assert process.wait() == 0
        (message,) = writer.inbox()
        assert (message.id, message.body) == (number, {"kind": "stop", "by": process.pid})
        writer.append([message.entry()])
        assert writer.inbox() == []


def test_killed_at_any_moment(address: str, study: str) -> None:
    """What was acknowledged is there, in whole transactions, the chain holds, the next goes on."""
    chance, n_kills, grown = random.Random(20), 20, 0
    with child("serve", address, study) as (server, says), open_ledger(address) as ledger:
        for _ in range(n_kills):
            assert server.stdin is not None
            server.stdin.write("go\n")
            server.stdin.flush()
            ready, pid = says.readline().split()
            assert ready == "ready"
            time.sleep(chance.uniform(0, 0.03))
            os.kill(int(pid), signal.SIGKILL)
            said = list(iter(says.readline, "dead\n"))
            acknowledged = int(said[-1]) if said else -1
            _within(10, partial(ledger.writer, study)).close()
            pairs = [row.body["pair"] for row in ledger.rows(study)]
            assert pairs == [i // 2 for i in range(len(pairs))]
            assert len(pairs) % 2 == 0
            # At most the one pair that was in flight is there without having been acknowledged.
            done = max(acknowledged + 1, grown)
            assert done <= len(pairs) // 2 <= done + 1
            assert ledger.verify(study).ok
            grown = len(pairs) // 2
    assert grown > n_kills  # the children did write


def _within(seconds: float, make: Callable[[], object]) -> Any:
    end = time.monotonic() + seconds
    while True:
        try:
            return make()
        except LedgerError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
