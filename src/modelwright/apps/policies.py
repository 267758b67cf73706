"""Commands about policies: check a file, show one, set another for a run, read its promotions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from modelwright.apps.options import DEFAULT, AsJson, Run, Workspace
from modelwright.apps.words import emit_json, say

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
SCHEMA = "modelwright.policy/1"


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A policy.toml, or a known name.")],
    as_json: AsJson = False,
) -> None:
    """Reads a policy, complains about what is odd, and tells what it says."""
    from modelwright.policy import read_policy

    _tell(read_policy(file).to_json(), as_json)


@app.command()
def show(run: Run = None, workspace: Workspace = DEFAULT, as_json: AsJson = False) -> None:
    """The rules a run is under; of `laptop`, `team` or `regulated` what they say."""
    from modelwright.policy import read_policy
    from modelwright.policy.reading import EXAMPLES
    from modelwright.readers.runs import all_runs, find_run, read_record

    named = run in EXAMPLES and all(found.name != run for found in all_runs(workspace))
    if named:
        rules: Mapping[str, Any] = read_policy(str(run)).to_json()
    else:
        rules = read_record(find_run(run, workspace)).policy
    _tell(rules, as_json)


@app.command("set")
def change(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="A policy.toml, or a known name.")],
    workspace: Workspace = DEFAULT,
) -> None:
    """Puts a run under another policy from now on, where the old one allows it or a person does."""
    from modelwright.ledger.own_key import account
    from modelwright.policy import read_policy
    from modelwright.readers.runs import find_run
    from modelwright.recipes.under_policy import set_policy

    say(set_policy(find_run(run, workspace), read_policy(file), account()))


@app.command()
def unread(
    run: Run = None,
    read: Annotated[bool, typer.Option("--read", help="Note that you have read them.")] = False,
    workspace: Workspace = DEFAULT,
) -> None:
    """The promotions of a run that nobody has read yet; with --read they are read."""
    from modelwright.readers.explain import explain_candidate
    from modelwright.readers.runs import find_run, read_record

    record = read_record(find_run(run, workspace))
    for number in record.unread:
        outcome = record.view.outcome(number)
        if outcome is not None:
            lines = explain_candidate(record, outcome)
            say("\n".join([lines[0], *(f"  {x}" for x in lines[3:])]))
    if not record.unread:
        say("every promotion was read")
    elif read:
        from modelwright.recipes.verbs import read as note_read

        shown = list(record.unread)  # not what was promoted since
        say(note_read(run, promotions=shown, workspace=workspace).sentence)


def _tell(rules: Mapping[str, Any], as_json: bool) -> None:
    from modelwright.core.canonical import digest
    from modelwright.policy import RulePolicy
    from modelwright.readers.policy import policy_lines

    if as_json:
        emit_json({"schema": SCHEMA, "hash": digest(rules), "policy": dict(rules)})
    else:
        say("\n".join(policy_lines(RulePolicy.from_json(rules))))
        say(f"hash: {digest(rules)}")
