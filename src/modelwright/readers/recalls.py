"""Recalls of a workspace: flawed models and data, and all that came of them, which are refused.

They are rows of a ledger of their own, `recalls.sqlite` beside the runs, each signed. Nothing takes
a recall back: a new model is made instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.core.errors import RefusedError, TamperedError
from modelwright.ledger import open_ledger
from modelwright.ledger.signing import verify_text

LEDGER, STUDY = "recalls.sqlite", "recalls"
SIGNED = ("signer", "signature")


@dataclass(frozen=True)
class Recall:
    """What was recalled, why and by whom; `blocked` maps identities and hashes to their labels."""

    label: str
    reason: str
    by: str
    signer: str
    blocked: Mapping[str, str]


def recall_text(body: Mapping[str, Any]) -> str:
    """What the signature of a recall is made over."""
    plain = {key: value for key, value in body.items() if key not in SIGNED}
    return canonical({"what": "modelwright recall", **plain})


def recalls_of(workspace: Path) -> list[Recall]:
    """The recalls of a workspace, oldest first.

    Raises TamperedError when the record was changed, or a signature does not hold: then nothing
    says what is blocked, and nothing may be used.
    """
    path = workspace / LEDGER
    if not path.exists():
        return []
    with open_ledger(path, create=False, read_only=True) as ledger:
        bodies = [row.body for row in ledger.rows(STUDY) if row.kind == "recall"]
    for body in bodies:
        if not verify_text(recall_text(body), str(body["signer"]), str(body["signature"])):
            raise TamperedError(f"the signature of a recall in {str(path)!r} does not hold.")
    return [
        Recall(b["label"], b["reason"], b["by"], b["signer"], b["blocked"]) for b in bodies
    ]  # fmt: skip


def refuse_recalled(workspaces: Iterable[Path], identities: Sequence[str]) -> None:
    """Raises RefusedError when one of the identities or hashes is recalled in a workspace."""
    for workspace in {path.resolve() for path in workspaces}:
        for recall in recalls_of(workspace):
            for identity in identities:
                if identity in recall.blocked:
                    came = recall.blocked[identity]
                    why = "" if came == recall.label else f", which came of {recall.label},"
                    raise RefusedError(
                        f"{came}{why} was recalled by {recall.by}: {recall.reason}. "
                        "Build a new model without it."
                    )
