"""Commands for an auditor: export, audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelwright.apps.options import DEFAULT, AsJson, Run, Workspace


def export(
    run: Run = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Where to write.")] = "run.zip",
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Put the prepared data in, too.")
    ] = False,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Writes a whole run as one archive, for an auditor on another machine."""
    from modelwright.apps.words import emit_json, say, writing
    from modelwright.readers.export import export_run
    from modelwright.readers.runs import find_run

    found = find_run(run, workspace)
    with writing(out):
        facts = export_run(found, Path(out), with_data)
    if as_json:
        emit_json({"schema": "modelwright.export/1", "archive": out, "run": found.name,
                   "rows": facts["rows"], "files": len(facts["files"]),
                   "signer": facts["signer"]})  # fmt: skip
    else:
        say(f"{out}: {facts['rows']} rows and {len(facts['files'])} files of {found.name}")
        say(f"tell the auditor by another way who signs: {facts['signer']}")
        say(f"check it with: modelwright audit {out} --signer {facts['signer']}")


def audit(
    archive: Annotated[str, typer.Argument(metavar="ARCHIVE", help="What 'export' wrote.")],
    signer: Annotated[
        str | None, typer.Option(help="The public key that must have signed it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Checks an exported run: is the record whole, and who decided what."""
    from modelwright.apps.words import emit_json, say
    from modelwright.readers.requests import plain
    from modelwright.recipes.auditing import UNPROVEN, audit

    found = audit(Path(archive), signer)
    if as_json:
        emit_json({"schema": "modelwright.audit/1", "run": found.run, "ok": found.ok,
                   "signer": found.signer, "rows": found.rows, "proved": found.proved,
                   "problems": found.problems, "unproven": list(UNPROVEN),
                   "decisions": [d.to_json() for d in found.decisions]})  # fmt: skip
    else:
        whole = "the record is whole" if found.ok else "THE RECORD IS NOT WHOLE"
        say(f"{plain(found.run)}: {whole}")
        for title, lines in (("wrong", found.problems), ("checked", found.proved),
                             ("who decided what", [d.sentence for d in found.decisions]),
                             ("not proven", UNPROVEN)):  # fmt: skip
            if lines:
                say(f"{title}:")
                say("\n".join(f"  - {plain(line)}" for line in lines))
    raise typer.Exit(0 if found.ok else 1)
