"""What another process does with a ledger: `python ledger_child.py WORK ADDRESS STUDY`."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from modelwright.core.errors import LedgerError
from modelwright.ledger import Ledger, open_ledger


def say(text: object) -> None:
    os.write(1, f"{text}\n".encode())  # at once: what was said before a kill was said


def write(ledger: Ledger, study: str) -> None:
    """Appends pairs without end and tells the number of each pair that is in."""
    with ledger.writer(study) as writer:
        say(f"ready {os.getpid()}")
        pair = ledger.length(study) // 2
        while True:
            body = {"pair": pair, "x": "x" * (pair * 37 % 900)}
            writer.append([("order", body), ("evidence", body)], durable=pair % 17 == 0)
            say(pair)
            pair += 1


def serve(ledger: Ledger, study: str) -> None:
    """For each line on standard input a process that writes, until somebody kills it."""
    ledger.close()  # each opens its own
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                with open_ledger(address) as own:
                    write(own, study)
            finally:
                os._exit(1)
        os.waitpid(pid, 0)
        say("dead")


def hold(ledger: Ledger, study: str) -> None:
    """Keeps the study until its standard input is closed."""
    with ledger.writer(study) as writer:
        writer.append([("held", {"by": os.getpid()})])
        say("ready")
        sys.stdin.read()


def post(ledger: Ledger, study: str) -> None:
    """Leaves a message."""
    say(ledger.post(study, {"kind": "stop", "by": os.getpid()}))


def read(ledger: Ledger, study: str) -> None:
    """Reads all rows while they grow, five times, checking that pairs are whole and in order."""
    lengths: set[int] = set()
    while len(lengths) < 5:
        pairs = [row.body["pair"] for row in ledger.rows(study)]
        assert pairs == [i // 2 for i in range(len(pairs))], pairs
        assert len(pairs) % 2 == 0, len(pairs)
        lengths.add(len(pairs))
    say(len(lengths))


def fork(ledger: Ledger, study: str) -> None:
    """Tries to use the ledger in a forked process; its parent must be none the worse."""
    with ledger.writer(study) as writer:
        writer.append([("first", {})])
        pid = os.fork()
        if pid == 0:
            for use in (ledger.studies, lambda: writer.append([("bad", {})]), ledger.close):
                try:
                    use()
                    say("nothing")
                except LedgerError as error:
                    say(error)
            os._exit(0)
        os.waitpid(pid, 0)
        writer.append([("second", {})])
        say(ledger.length(study))


def fill_file(ledger: Ledger, study: str) -> None:
    """Writes up to a limit on the size of files, then has the limit lifted."""
    full, none = 300_000, resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, none))
    fill(ledger, study, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (none, none)))


def fill_disk(ledger: Ledger, study: str) -> None:
    """Writes until the disk is full, then has it made larger."""
    fill(ledger, study, lambda: remount("size=8m"))


def fill(ledger: Ledger, study: str, make_room: Callable[[], object]) -> None:
    """Writes until refused, looks at what is there, gets room and goes on with the same writer."""
    refused, i = "", -1
    with ledger.writer(study) as writer:
        writer.append([("first", {})])
        while not refused:
            i += 1
            try:
                writer.append([("a", {"i": i, "x": "x" * 500}), ("b", {"i": i})], durable=i == 99)
            except LedgerError as error:
                refused = str(error)
        length = ledger.length(study)
        assert ledger.verify(study).ok
        make_room()
        writer.append([("after", {})])
    ledger.close()
    with open_ledger(address, read_only=True) as again:
        assert again.verify(study).ok
        rows = list(again.rows(study))
    assert length == 1 + 2 * i, (length, i)
    assert [row.kind for row in rows] == ["first", *["a", "b"] * i, "after"]
    assert [row.body["i"] for row in rows[1:-1]] == [n // 2 for n in range(2 * i)]
    say(refused)


def read_only_disk(ledger: Ledger, study: str) -> None:
    """Reads where nothing can be written, not even a lock or a log."""
    with ledger.writer(study) as writer:
        writer.append([("first", {})])
    ledger.close()
    remount("ro")
    with open_ledger(address, read_only=True) as again:
        assert [row.kind for row in again.rows(study)] == ["first"]
    try:
        open_ledger(address)
    except LedgerError as error:
        say(error)


def remount(option: str) -> None:
    disk = str(Path(address).parent)
    subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)


if __name__ == "__main__":
    work, address, study = sys.argv[1:]
    with open_ledger(address) as ledger:
        globals()[work](ledger, study)
