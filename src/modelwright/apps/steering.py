"""Commands that write to a run's inbox: stop, pause."""

from __future__ import annotations

from modelwright.apps.inspecting import status_of
from modelwright.apps.words import say
from modelwright.ledger import open_ledger
from modelwright.readers.runs import find_run, read_record, study_of


def post_word(word: str, name: str | None, workspace: str) -> int:
    """Posts `stop` or `pause`; a run that nobody works on is left alone."""
    run = find_run(name, workspace)
    record = read_record(run)
    state = status_of(run, record)
    if state != "running":
        why = f", {record.reason}" if record.reason else ""
        say(f"{run.name} is not running: {state}{why}")
        return 0
    ledger = open_ledger(run.ledger_path, create=False)
    try:
        ledger.post(study_of(ledger), {"kind": word, "by": "command line"})
    finally:
        ledger.close()
    say(f"told {run.name} to {word}; go on with: modelwright resume {run.name}")
    return 0
