"""What another process does with a ledger: `python ledger_child.py WORK ADDRESS STUDY`."""

from __future__ import annotations

import os
import resource
import sys

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


def fill(ledger: Ledger, study: str) -> None:
    """Writes up to a limit on the size of files, is refused, gets room again and goes on."""
    with ledger.writer(study) as writer:
        writer.append([("first", {})])
        full = 300_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        refused = ""
        for i in range(1000):
            try:
                writer.append([("a", {"i": i, "x": "x" * 500}), ("b", {"i": i})])
            except LedgerError as error:
                refused = str(error)
                break
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        say(ledger.length(study))
        writer.append([("after", {})])
        say(refused)


if __name__ == "__main__":
    work, address, study = sys.argv[1:]
    with open_ledger(address) as ledger:
        globals()[work](ledger, study)
