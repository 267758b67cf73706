"""Commands by which people decide: decisions, approve, reject, change, ask, pin, keys ..."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from modelwright.apps.options import DEFAULT, AsJson, Run, Why, Workspace
from modelwright.apps.words import emit_json, note, say, writing

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")]
Request = Annotated[
    str | None,
    typer.Argument(metavar="[REQUEST]", help="The beginning of its id; may be left out for one."),
]
Design = Annotated[str, typer.Argument(metavar="CANDIDATE", help="A candidate's id or its trial.")]
KeyFile = Annotated[
    str | None, typer.Option("--key", help="A private key (PEM) instead of the account's own.")
]


def decisions(
    run: Run = None,
    export: Annotated[
        str | None, typer.Option(help="Write the request to a file for another machine.")
    ] = None,
    request: Annotated[str | None, typer.Option(help="Which one, where several wait.")] = None,
    answer: Annotated[
        str | None, typer.Option("--import", help="Take an answer signed on another machine.")
    ] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """What waits for a person, with reasons for and to doubt; requests out, answers in."""
    from modelwright.readers.requests import request_json, request_lines
    from modelwright.recipes import deciding

    if answer is not None:
        raise typer.Exit(_told(deciding.take_answer(answer, run, workspace)))
    if export is not None:
        with writing(export):
            asked = deciding.export_request(export, run, request, workspace)
        say(f"wrote request {asked.request.id} to {export}")
        note(f"there: modelwright decide {Path(export).name} --approve --reason '...' --out FILE")
        return
    waiting = deciding.decisions(run, workspace)
    if as_json:
        found = [request_json(asked) for asked in waiting]
        emit_json({"schema": "modelwright.decisions/1", "waiting": found})
        return
    if not waiting:
        say("nothing waits for a person")
    for asked in waiting:
        for line in request_lines(asked):
            say(line)


def approve(
    run: RunName, request: Request = None, reason: Why = "", key: KeyFile = None,
    workspace: Workspace = DEFAULT,
) -> None:  # fmt: skip
    """Agrees to one request, byte for byte; where nobody works on the run it is done at once."""
    _say("approve", run, request, reason, key, workspace)


def reject(
    run: RunName, request: Request = None, reason: Why = "", key: KeyFile = None,
    workspace: Workspace = DEFAULT,
) -> None:  # fmt: skip
    """Says no to one request."""
    _say("reject", run, request, reason, key, workspace)


def change(
    run: RunName,
    request: Request = None,
    design: Annotated[str, typer.Option(help="A file with the edited design (JSON).")] = "",
    reason: Why = "",
    key: KeyFile = None,
    workspace: Workspace = DEFAULT,
) -> None:
    """Puts an edited design in the place of one that waits; it is asked about anew."""
    from modelwright.core.errors import InputError

    try:
        document = Path(design).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"the design {design!r} cannot be read: {error}.") from None
    _say("change", run, request, reason, key, workspace, document=document)


def ask(
    run: RunName, request: Request = None, reason: Why = "", key: KeyFile = None,
    workspace: Workspace = DEFAULT,
) -> None:  # fmt: skip
    """Asks a question back about a request, with --reason; it goes on waiting."""
    _say("ask", run, request, reason, key, workspace)


def answer(
    run: RunName, request: Request = None, reason: Why = "", key: KeyFile = None,
    workspace: Workspace = DEFAULT,
) -> None:  # fmt: skip
    """Answers a question about a request, with --reason."""
    _say("answer", run, request, reason, key, workspace)


def pin(
    run: RunName, candidate: Design, reason: Why = "", key: KeyFile = None,
    workspace: Workspace = DEFAULT,
) -> None:  # fmt: skip
    """Wants this design shipped, when it is within the limits."""
    _say("pin", run, candidate, reason, key, workspace)


def ban(
    run: RunName, candidate: Design, reason: Why = "", key: KeyFile = None,
    workspace: Workspace = DEFAULT,
) -> None:  # fmt: skip
    """Wants this design neither tried nor shipped, nor an ensemble it was offered to."""
    _say("ban", run, candidate, reason, key, workspace)


def prefer(
    run: RunName, candidate: Design, reason: Why = "", key: KeyFile = None,
    workspace: Workspace = DEFAULT,
) -> None:  # fmt: skip
    """Has the search try a few designs beside this one."""
    _say("prefer", run, candidate, reason, key, workspace)


def decide(
    file: Annotated[str, typer.Argument(metavar="REQUEST.json", help="From --export.")],
    agree: Annotated[bool, typer.Option("--approve", help="Agrees.")] = False,
    refuse: Annotated[bool, typer.Option("--reject", help="Says no.")] = False,
    question: Annotated[bool, typer.Option("--ask", help="Asks back.")] = False,
    reason: Why = "",
    key: KeyFile = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="Where the answer goes.")] = None,
) -> None:
    """Shows a request from another machine and signs an answer; needs no run."""
    import json

    from modelwright.core.errors import InputError
    from modelwright.ledger.own_key import account
    from modelwright.readers.requests import answer_request, read_request, request_lines

    asked = read_request(file)
    for line in request_lines(asked):
        say(line)
    words = {"approve": agree, "reject": refuse, "ask": question}
    chosen = [word for word, said in words.items() if said]
    if not chosen and out is None:
        return
    if len(chosen) != 1 or out is None:
        raise InputError("an answer is one of --approve, --reject, --ask, and goes to --out FILE.")
    signed = answer_request(asked, chosen[0], reason, account(), _key(key))
    with writing(out):
        Path(out).write_text(json.dumps(signed, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"wrote {out}; back there: modelwright decisions RUN --import {Path(out).name}")


keys = typer.Typer(help="The keys that decisions are signed with.", no_args_is_help=True)


@keys.command("new")
def keys_new(
    path: Annotated[str, typer.Argument(metavar="FILE", help="Where the private key goes.")],
) -> None:
    """Makes a private key that only its owner can read, and prints its public half."""
    from modelwright.core.errors import InputError
    from modelwright.ledger import load_or_make_key, public_key

    if Path(path).exists():
        raise InputError(f"{path!r} is there already: a key is never written over.")
    say(public_key(load_or_make_key(path)))


@keys.command("show")
def keys_show(key: KeyFile = None) -> None:
    """Prints the public key of the account (or of a file), for a policy's roster."""
    from modelwright.ledger import public_key
    from modelwright.ledger.own_key import own_key_path

    found = _key(key)
    note(f"the public half of {key or own_key_path()}")
    say(public_key(found))


VERBS = (decisions, approve, reject, change, ask, answer, pin, ban, prefer, decide)


def _key(path: str | None) -> Any:
    from modelwright.core.errors import InputError
    from modelwright.ledger import load_or_make_key
    from modelwright.ledger.own_key import own_key

    if path is None:
        return own_key()
    if not Path(path).expanduser().exists():
        raise InputError(f"there is no key {path!r}; 'modelwright keys new {path}' makes one.")
    return load_or_make_key(path)


def _say(
    kind: str,
    run: str,
    about: str | None,
    reason: str,
    key: str | None,
    workspace: str,
    **more: Any,
) -> None:
    from modelwright.recipes.deciding import decide as decide_in

    said = decide_in(kind, run, about, reason=reason, key=_key(key), workspace=workspace, **more)
    raise typer.Exit(_told(said))


def _told(said: Any) -> int:
    say(said.sentence)
    return 4 if said.ignored else 0
