"""A finished bundle on its way: put in its place, or set aside until a person approves it."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modelwright.core.approvals import Asked, Request
from modelwright.core.errors import InputError, RefusedError, WaitingError
from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.ledger import Ledger, Writer
from modelwright.readers.doubts import reasons_to_doubt
from modelwright.readers.leaderboard import described
from modelwright.readers.runs import RunFolder
from modelwright.recipes.closing import banned
from modelwright.recipes.outcome import Shipped
from modelwright.recipes.papers import sign_papers
from modelwright.recipes.recalling import check_recalls
from modelwright.study.decisions import request_for, trouble_before_acting

ASIDE = "waiting"  # the folder of a run where drafts wait for an approval


def append(ledger: Ledger, record: Record, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Appends rows when no loop runs, synced to the disk, under the study's lock."""
    with ledger.writer(record.settings["name"]) as writer:
        append_with(writer, record, rows)


def append_with(writer: Writer, record: Record, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """The same for who holds the study's lock already."""
    stamped = [(kind, {**body, "at": round(record.view.elapsed, 4)}) for kind, body in rows]
    writer.append(stamped, durable=True)
    for kind, body in stamped:
        record.absorb(kind, body)


def place(
    run: RunFolder, draft: Path, out: Path, approval: Mapping[str, Any] | None = None
) -> None:
    """Signs a sealed draft and moves it into its place: no half model is ever seen.

    The signature also names who approved these bytes, where a person did.
    """
    sign_papers(run, draft, out.name, approval)
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(draft, out)


def set_aside(
    run: RunFolder, record: Record, ledger: Ledger, outcome: Outcome, draft: Path, out: Path,
    row: Mapping[str, Any], reason: str,
) -> WaitingError:  # fmt: skip
    """Keeps a sealed draft for a person to decide on, as a request; the error to raise.

    The request holds the `ship` row that will be written and so the hash of the bundle's manifest,
    which holds those of all its files. Nothing new is asked while the same model waits; a request
    for an older model in the same place is void.
    """
    where = out.name if out.parent == run.path else str(out.absolute())
    fitted = {"candidate": outcome.trial.candidate.id, "rows": row["rows"], "out": where}
    replaced = []
    for asked in record.approvals.waiting(time.time()):
        told = asked.request
        if told.action != "ship" or told.subject["out"] != where:
            continue
        same = {name: told.subject[name] for name in fitted} == fitted
        if same and not wrong_bytes(run, told):
            return _waits(run, told)
        replaced.append(asked)
    aside = run.path / ASIDE / str(row["bundle"])[:16]
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(exist_ok=True)
    shutil.move(draft, aside)
    size = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
    subject = {
        **fitted,
        "trial": outcome.trial.number,
        "draft": aside.name,
        "row": dict(row),
        "described": described(outcome),
    }
    reasons = reasons_on(record, outcome)
    cost = f"{size / 1e6:.3g} MB on the disk"
    request = request_for(record, "ship", subject, reason, *reasons, cost)
    why = f"replaced by request {request.id}"
    void = [
        ("acted", {"request": a.request.hash, "state": "void", "reason": why}) for a in replaced
    ]
    append(ledger, record, [*void, ("request", request.to_json())])
    for old in replaced:
        shutil.rmtree(run.path / ASIDE / str(old.request.subject["draft"]), ignore_errors=True)
    return _waits(run, request)


def _waits(run: RunFolder, request: Request) -> WaitingError:
    return WaitingError(
        f"not shipped yet: {request.reason}; to see what: modelwright decisions {run.name}; "
        f"to agree: modelwright approve {run.name} {request.id} --reason '...'"
    )


def unless_waiting(write: Callable[[], Shipped]) -> Shipped | None:
    """What was shipped, or None when it waits for a person."""
    try:
        return write()
    except WaitingError:
        return None


def reasons_on(record: Record, outcome: Outcome) -> tuple[list[str], list[str]]:
    """What speaks for a candidate and what against, a sentence each, all computed from rows."""
    view, metric = record.view, record.view.goals[0].metric
    verdict = view.verdicts.get(outcome.trial.number)
    told = [] if verdict is None else [verdict.reason]
    doubts = [*([] if verdict is None else verdict.doubts), *reasons_to_doubt(record, outcome)]
    if metric in outcome.evidence.scores:
        told.insert(0, f"{metric} {outcome.evidence.scores[metric]:.5g} on the validation rows")
    candidate = outcome.trial.candidate.id
    look = next((x for x in reversed(record.looks) if x["candidate"] == candidate), None)
    if look is None:
        doubts.append("no sealed rows were looked at with it")
    else:
        told.append(look["sentence"])
    if outcome.violation > 0:
        doubts.append("it is outside the limits of the run")
    return told, doubts


def wrong_bytes(run: RunFolder, request: Request) -> str:
    """What is wrong with the draft that a request to ship is about, or nothing."""
    from modelwright.models.bundle import MANIFEST, verify_bundle

    if request.action != "ship":
        return ""
    draft = run.path / ASIDE / str(request.subject["draft"])
    try:
        manifest = hashlib.sha256((draft / MANIFEST).read_bytes()).hexdigest()
        wrong = verify_bundle(draft)
    except (OSError, InputError, ValueError, KeyError):
        return "the model that was asked about is not there any more"
    if manifest != request.subject["row"]["bundle"]:
        wrong.append("its list of files was changed")
    return f"not the bytes that were asked about: {'; '.join(wrong[:3])}" if wrong else ""


def ship_approved(run: RunFolder, record: Record, ledger: Ledger, writer: Writer) -> list[Path]:
    """Ships what people approved, each once, after all checks were made again; where it lies now.

    What a check forbids is void, with the reason in a row.
    """
    done = []
    for asked in [a for a in record.approvals if a.state == "approved"]:
        if asked.request.action == "ship":
            out = _ship(run, record, ledger, writer, asked)
            if out is not None:
                done.append(out)
    return done


def _ship(
    run: RunFolder, record: Record, ledger: Ledger, writer: Writer, asked: Asked
) -> Path | None:
    subject, name = asked.request.subject, asked.request.hash
    draft, out = run.path / ASIDE / str(subject["draft"]), run.path / str(subject["out"])
    # First a copy that nobody else writes to, so that what was checked is what ships.
    own = out.with_name(f".{out.name}.{asked.request.id}")
    trouble = trouble_before_acting(asked, record, lambda request: wrong_bytes(run, request))
    trouble = trouble or _unwanted(run, record, ledger, int(subject["trial"]))
    if not trouble and out not in (run.model_path, run.student_path) and out.exists():
        trouble = f"{out} is there already"
    if not trouble:
        shutil.rmtree(own, ignore_errors=True)
        shutil.copytree(draft, own)
        trouble = _changed(own, str(subject["row"]["bundle"]))
    if trouble:
        shutil.rmtree(own, ignore_errors=True)
        void = {"request": name, "state": "void", "reason": trouble}
        append_with(writer, record, [("acted", void)])
        return None
    acted = {"request": name, "state": "done", "reason": f"shipped to {out.name}"}
    append_with(writer, record, [("ship", dict(subject["row"])), ("acted", acted)])
    place(run, own, out, {**asked.decision, "study": asked.request.study})
    shutil.rmtree(draft, ignore_errors=True)
    return out


def _unwanted(run: RunFolder, record: Record, ledger: Ledger, trial: int) -> str:
    """Why the trial's model may not ship since it was asked about: banned, or recalled."""
    outcome = record.view.outcome(trial)
    if outcome is not None and banned(record.view, outcome):
        return "it was banned since"
    try:
        check_recalls(run, record, ledger, outcome)
    except RefusedError as error:
        return str(error)
    return ""


def _changed(folder: Path, bundle: str) -> str:
    from modelwright.models.bundle import MANIFEST, verify_bundle

    same = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest() == bundle
    return "" if same and not verify_bundle(folder) else "the files changed while they were read"
