"""What people decide, from wherever they say it: commands, Python, a page, a file from elsewhere.

One function underneath, `decide`: it signs a word, leaves it in the run's inbox, and where nobody
works on the run takes it from there and does what was approved.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.approvals import ABOUT_DESIGNS, ABOUT_REQUESTS, Asked
from modelwright.core.errors import InputError, LedgerError, ModelwrightError, did_you_mean
from modelwright.core.record import Record
from modelwright.ledger import Ledger, Message, open_ledger
from modelwright.ledger.own_key import account, own_key
from modelwright.readers.explain import find_outcome
from modelwright.readers.requests import answer_of, request_file
from modelwright.readers.runs import (
    RunFolder,
    find_run,
    process_of,
    read_record,
    record_of,
    study_of,
)
from modelwright.recipes.outcome import BuildResult
from modelwright.recipes.placing import append_with, ship_approved, wrong_bytes
from modelwright.study.bounds import trouble_with_design
from modelwright.study.decisions import SIGNED, policy_hash, trouble_with_decision
from modelwright.study.oversight import set_approved

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Where = str | Path | RunFolder | BuildResult | None


@dataclass(frozen=True)
class Said:
    """What came of a person's word.

    `ignored` is why it does not count, `shipped` lists folders that were written by it. Neither is
    known when the run is alive (`alive`): its process takes the word within a tenth of a second.
    """

    run: str
    kind: str
    about: str
    alive: bool
    ignored: str = ""
    shipped: tuple[Path, ...] = ()
    left: bool = False

    @property
    def sentence(self) -> str:
        """It, in words."""
        if self.ignored:
            return f"{self.kind} {self.about}: does not count: {self.ignored}."
        if self.shipped:
            return f"{self.kind} {self.about}: shipped to {', '.join(map(str, self.shipped))}."
        if self.alive:
            return f"told {self.run}: {self.kind} {self.about}."
        verb = "left for" if self.left else "noted in"
        more = "" if self.kind in ("reject", "ask", "answer", "read", "pin", "ban") else (
            f"; go on with: modelwright resume {self.run}"
        )  # fmt: skip
        return f"{verb} {self.run}: {self.kind} {self.about}{more}."


def decisions(run: Where = None, workspace: str | Path = "modelwright-runs") -> list[Asked]:
    """The requests that wait for a person, oldest first; `show_request` renders one."""
    return read_record(_folder(run, workspace)).approvals.waiting(time.time())


def decide(
    kind: str,
    run: Where = None,
    about: str | None = None,
    *,
    reason: str,
    key: Ed25519PrivateKey | None = None,
    by: str | None = None,
    document: str | None = None,
    promotions: Sequence[int] | None = None,
    workspace: str | Path = "modelwright-runs",
) -> Said:
    """Says a word on a request (`approve`, `reject`, `change`, `ask`, `answer`) or a design (`pin`,
    `ban`, `prefer`), or that promotions were `read`; signed with `key` (default: the account's).

    `about` is the beginning of the request's id, or a candidate (id or trial number); it may be
    left out where one request waits. `change` brings the edited `document`, `read` the trials whose
    `promotions` were read (default: all that wait for it). Raises InputError when nothing or more
    than one thing is meant: there is no word for all at once.
    """
    if kind not in SIGNED:
        raise InputError(f"{kind!r} is no decision.{did_you_mean(kind, SIGNED)}")
    if not reason.strip() and kind != "read":
        raise InputError("say why, with a reason: it stays in the record.")
    folder = _folder(run, workspace)
    record = read_record(folder)
    body: dict[str, Any] = {"kind": kind, "reason": reason, "by": by or account()}
    if kind in ABOUT_REQUESTS:
        asked = find_request(record, about, any_state=kind in ("ask", "answer"))
        body |= {"request": asked.request.hash, "policy": policy_hash(record)}
        about = asked.request.id
        if kind == "change":
            body["document"] = _edited(asked, document)
    elif kind in ABOUT_DESIGNS:
        about = body["candidate"] = find_outcome(record.view, str(about)).trial.candidate.id
    else:
        told = list(record.unread if promotions is None else promotions)
        body["promotions"], about = told, f"{len(told)} promotions"
    with open_ledger(folder.ledger_path, create=False) as ledger:
        number = ledger.post(study_of(ledger), body, key or own_key())
        return _settle(folder, ledger, number, kind, str(about))


def take_answer(
    path: str | Path, run: Where = None, workspace: str | Path = "modelwright-runs"
) -> Said:
    """Takes a decision that was signed on another machine (`answer_request`)."""
    folder = _folder(run, workspace)
    answer = answer_of(path)
    with open_ledger(folder.ledger_path, create=False) as ledger:
        if answer["study"] != study_of(ledger):
            raise InputError(
                f"{str(path)!r} answers a request of the study {answer['study']!r}; this run is "
                f"{study_of(ledger)!r}."
            )
        body = answer["body"]
        number = ledger.post_signed(
            Message(
                0, answer["study"], body, answer["posted_at"], answer["signer"],
                answer["signature"],
            )
        )  # fmt: skip
        return _settle(folder, ledger, number, body["kind"], str(body["request"])[:12])


def export_request(path: str | Path, run: Where, about: str | None, workspace: str) -> Asked:
    """Writes one request to a file that another machine can show, check and answer."""
    record = read_record(_folder(run, workspace))
    asked = find_request(record, about)
    text = json.dumps(request_file(asked, record.policy), indent=1, ensure_ascii=False)
    Path(path).write_text(text + "\n", "utf-8")
    return asked


def find_request(record: Record, about: str | None, any_state: bool = False) -> Asked:
    """The request whose id begins so, or the only one that waits. Raises InputError otherwise."""
    waiting = record.approvals.waiting(time.time())
    if about is None:
        found = waiting
    else:
        known = list(record.approvals)
        found = [a for a in known if about and a.request.hash.startswith(about)]
    if len(found) == 1 and (found[0] in waiting or any_state):
        return found[0]
    if len(found) == 1:
        raise InputError(f"request {found[0].request.id} does not wait: {_state(found[0])}.")
    names = ", ".join(f"{a.request.id} ({a.request.action})" for a in waiting) or "none"
    if len(found) > 1:
        raise InputError(f"name one request; there is no word for all of them. Waiting: {names}.")
    said = "no request waits" if about is None else f"no request's id begins with {about!r}"
    raise InputError(f"{said}. Waiting: {names}.")


def settle(run: RunFolder, ledger: Ledger) -> tuple[Path, ...]:
    """Takes decisions from the inbox of a run that nobody works on, and ships what is approved.

    Raises LedgerError when another process has the run: it takes them itself. A `change` stays in
    the inbox until the run goes on, since only then its design can be checked against the space.
    """
    with ledger.writer(study_of(ledger)) as writer:
        record = record_of(ledger, writer.study)
        for message in writer.inbox():
            kind = message.body.get("kind")
            if kind not in SIGNED or kind in ("change", "policy"):
                continue
            try:
                trouble = trouble_with_design(message.body, record) or trouble_with_decision(
                    message, record, lambda request: wrong_bytes(run, request)
                )
            except (KeyError, TypeError, ModelwrightError) as error:
                trouble = f"it cannot be read: {error}"
            entry = message.entry(**({"ignored": trouble} if trouble else {}))
            append_with(writer, record, [entry])
        set_approved(record, lambda kind, body: append_with(writer, record, [(kind, body)]))
        return tuple(ship_approved(run, record, ledger, writer))


def _settle(run: RunFolder, ledger: Ledger, number: int, kind: str, about: str) -> Said:
    study = study_of(ledger)
    if process_of(run, study) is None:
        try:
            shipped = settle(run, ledger)
        except LedgerError:  # taken up at this very moment: then that process takes the word
            return Said(run.name, kind, about, alive=True)
        said = _row(ledger, study, number)
        ignored = "" if said is None else str(said.get("ignored", ""))
        return Said(run.name, kind, about, False, ignored, shipped, left=said is None)
    return Said(run.name, kind, about, alive=True)


def _row(ledger: Ledger, study: str, number: int) -> Mapping[str, Any] | None:
    rows = ledger.rows(study, kinds=["message"])
    return next((row.body for row in rows if row.body.get("inbox_id") == number), None)


def _edited(asked: Asked, document: str | None) -> str:
    if asked.request.action != "evaluate":
        raise InputError(
            f"a request to {asked.request.action} cannot be changed: reject it, and ship or try "
            "another candidate."
        )
    try:
        json.loads(document or "")
    except ValueError as error:
        raise InputError(f"the edited design is no JSON: {error}.") from None
    return str(document)


def _state(asked: Asked) -> str:
    return "it expired" if asked.state == "waiting" else f"{asked.state} {asked.why}".rstrip()


def _folder(run: Where, workspace: str | Path) -> RunFolder:
    run = run.run if isinstance(run, BuildResult) else run
    if isinstance(run, RunFolder):
        return run
    return find_run(None if run is None else str(run), workspace)
