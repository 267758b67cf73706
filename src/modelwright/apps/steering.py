"""Commands that write to a run's inbox: stop, pause, and orders to the coach of its trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelwright.apps.options import DEFAULT, Run, Why, Workspace
from modelwright.apps.words import say
from modelwright.core.errors import InputError

if TYPE_CHECKING:
    from modelwright.readers.runs import RunFolder

COACHED = ("network", "own_networks")  # kinds of problems whose trainings have a coach


def stop(run: Run = None, reason: Why = "", workspace: Workspace = DEFAULT) -> None:
    """Stops a running run; the best model so far is kept."""
    raise typer.Exit(post_word("stop", run, workspace, reason))


def pause(run: Run = None, reason: Why = "", workspace: Workspace = DEFAULT) -> None:
    """Pauses a running run; 'resume' goes on where it was."""
    raise typer.Exit(post_word("pause", run, workspace, reason))


def coach(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")],
    order: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ORDER]", help="pause, resume, veto KIND, set rate=0.01."),
    ] = None,
    trial: Annotated[
        int | None, typer.Option(help="The training it is for; all that run when left out.")
    ] = None,
    workspace: Workspace = DEFAULT,
) -> None:
    """Tells the coach of trainings that run; without an order: what was asked, and what came."""
    raise typer.Exit(tell_coach(run, order or (), trial, workspace))


def post_word(word: str, name: str | None, workspace: str, reason: str = "") -> int:
    """Posts `stop` or `pause`; a run that nobody works on is left alone."""
    from modelwright.readers.runs import find_run

    say(tell(word, find_run(name, workspace), reason, "command line"))
    return 0


def tell(word: str, run: RunFolder, reason: str, by: str) -> str:
    """Posts `stop` or `pause` for somebody, and says what came of it."""
    why = {"reason": reason} if reason else {}
    trouble = _post(run, {"kind": word, "by": by, **why})
    return trouble or f"told {run.name} to {word}; go on with: modelwright resume {run.name}"


def tell_coach(name: str, words: Sequence[str], trial: int | None, workspace: str) -> int:
    """Posts an order to the coach, or without words lists the orders and their answers."""
    from modelwright.ledger.own_key import account
    from modelwright.readers.runs import find_run
    from modelwright.training.coach_orders import order_of

    if not words:
        return _list_orders(name, workspace)
    order = order_of(words)
    run = find_run(name, workspace)
    trouble = _post(
        run, {"kind": "coach", "by": f"{account()}, command line", "trial": trial, **order}
    )
    which = "all trainings that run" if trial is None else f"trial {trial}"
    told = f"told the coach of {which} in {run.name}; what came of it: modelwright coach {run.name}"
    say(trouble or told)
    return 0


def _post(run: RunFolder, body: Mapping[str, Any]) -> str:
    """Posts a message to a run; a sentence instead where it does not run."""
    from modelwright.apps.inspecting import status_of
    from modelwright.ledger import open_ledger
    from modelwright.readers.runs import read_record, study_of

    record = read_record(run)
    if body["kind"] == "coach" and record.settings["problem"]["kind"] not in COACHED:
        raise InputError(f"{run.name} trains no network: it has no coach.")
    state = status_of(run, record)
    if state != "running":
        why = f", {record.reason}" if record.reason else ""
        return f"{run.name} is not running: {state}{why}"
    ledger = open_ledger(run.ledger_path, create=False)
    try:
        ledger.post(study_of(ledger), dict(body))
    finally:
        ledger.close()
    return ""


def _list_orders(name: str, workspace: str) -> int:
    from modelwright.readers.coaching import order_lines
    from modelwright.readers.runs import find_run, read_record

    for line in order_lines(read_record(find_run(name, workspace))):
        say(line)
    return 0
