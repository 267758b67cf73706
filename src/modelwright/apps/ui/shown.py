"""What the templates of the page show, as plain dicts: pure functions of a run and its record.

Words and numbers come from `modelwright.readers`, as those of report and command line do.
`checked` is the last verification of the chain (the server verifies in the background), or None
while there is none. Wherever a text comes from a person or from data, it is plain text here and is
escaped by the template; what is `Markup` was made, and escaped, by our own readers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelwright.apps.inspecting import status_of
from modelwright.apps.ui.commands import command, word_command
from modelwright.apps.ui.drafts import new
from modelwright.apps.ui.frame import STATES, Shown, about_words, champion_of, frame, status
from modelwright.apps.ui.measures import NOT_MET, ago, duration, goal_rows
from modelwright.apps.ui.tabs import candidate, compare, run_command, tab
from modelwright.core.errors import ModelwrightError
from modelwright.core.record import Record
from modelwright.ledger.chain import Verification
from modelwright.readers.decisions import KINDS
from modelwright.readers.decisions import decisions as decisions_of
from modelwright.readers.doubts import reasons_to_doubt
from modelwright.readers.explain import explain_candidate
from modelwright.readers.leaderboard import described, family_of, leaderboard_page
from modelwright.readers.report import limit_rows, verdict_lines
from modelwright.readers.requests import request_parts
from modelwright.readers.runs import (
    RunFolder,
    all_runs,
    open_run,
    read_record,
    study_of,
)

__all__ = [
    "candidate", "compare", "decisions", "first", "frame", "goals", "home", "leaderboard", "new",
    "status", "tab", "trying",
]  # fmt: skip

PAGE = 20  # rows of a leaderboard's page
RECENT = 3  # decisions told on the first screen


def home(workspace: str | Path, read: Callable[[RunFolder], Record] = read_record) -> Shown:
    """`runs.html`: the runs of a workspace, newest first; `read` gives the record of one."""
    return {"runs": [_listed(run, read) for run in all_runs(workspace)],
            "commands": {"list": command("runs"),
                         "new": command("build", "FILE", "--target", "COLUMN")}}  # fmt: skip


def _listed(run: RunFolder, read: Callable[[RunFolder], Record]) -> Shown:
    path = run.ledger_path
    changed = max(p.stat().st_mtime for p in path.parent.glob(f"{path.name}*"))
    row: Shown = {"name": run.name, "when": ago(time.time() - changed), "waiting": 0, "about": "",
                  "share": None}  # fmt: skip
    try:
        record = read(run)
    except ModelwrightError as error:
        return row | {"state": "unreadable", "word": STATES["unreadable"], "sentence": str(error)}
    state = status_of(run, record)
    best = champion_of(record)
    metric = record.view.goals[0].metric
    told = "no model yet" if best is None else f"{metric} {best.evidence.scores[metric]:.4g}"
    return row | {
        "state": state, "word": STATES[state], "about": about_words(record), "sentence": told,
        "waiting": len(record.approvals.waiting(time.time())),
        "share": min(1.0, record.view.share_spent) if state == "running" else None,
    }  # fmt: skip


def first(run: RunFolder, record: Record, checked: Verification | None = None) -> Shown:
    """`run.html`, the first screen: is it good, what must be decided, what won and why."""
    return {
        **frame(run, record, "overview", checked),
        **goals(run, record),
        **decisions(run, record),
        **leaderboard(run, record),
        **trying(run, record),
    }


def goals(run: RunFolder, record: Record) -> Shown:
    """`_goals.html`: what is wanted and measured (met, not met or unknown), and the verdict."""
    rows = goal_rows(run, record)
    lines, good = verdict_lines(record)
    best = champion_of(record)
    told = lines if record.reason else lines[:-1]  # while it runs there is no why
    state = status_of(run, record)
    verdict = {
        "run": run.name,
        "title": "Best" if state == "finished" else "Best so far",
        "name": lines[0],
        "sentence": lines[1] if best is not None else "",
        "more": told[2 if best is not None else 1 :],
        "limits": _limits(record),
        "look": "bad" if not good and state != "running" else
        "open" if not good or rows[0]["state"] == NOT_MET else "",
        "best": None if best is None else _winner(record),
        "waits": bool(record.approvals.waiting(time.time())),
        "recent": _recent(run),
        "files": {name: (run.path / file).exists() for name, file in
                  (("report", "report.html"), ("card", "model/README.md"), ("model", "model"))},
        "commands": [run_command(record), command("predict", run.name, "NEW_ROWS.csv"),
                     command("explain", run.name)],
    }  # fmt: skip
    return {"goals": {"run": run.name, "rows": rows}, "verdict": verdict}


def _winner(record: Record) -> Shown:
    best = champion_of(record)
    assert best is not None, "asked only where there is one"
    verdict = record.view.verdicts.get(best.trial.number)
    doubts = [*(verdict.doubts if verdict else ()), *reasons_to_doubt(record, best)]
    return {
        "id": best.trial.candidate.id,
        "trial": best.trial.number,
        "why": "" if verdict is None else verdict.reason,
        "tried": best.trial.reason,
        "doubts": doubts,
    }


def _limits(record: Record) -> str:
    best = champion_of(record)
    if not record.view.limits:
        return "No limits were set."
    if best is None:
        return "Whether the limits are met is not known yet."
    rows = limit_rows(record.view, best)
    broken = [row["limit"] for row in rows if not row["met"]]
    if broken:
        return f"Not met: {', '.join(broken)}."
    return f"All {len(rows)} limits are met." if len(rows) > 1 else f"{rows[0]['limit']} is met."


def decisions(run: RunFolder, record: Record) -> Shown:
    """`_decisions.html`: a card for each request that waits, and promotions nobody has read."""
    waiting = [_card(run.name, asked) for asked in record.approvals.waiting(time.time())]
    unread = [o for n in record.unread if (o := record.view.outcome(n)) is not None]
    decided = [a for a in record.approvals if a.state != "waiting"]
    told = {
        "run": run.name,
        "waiting": waiting,
        "unread": [{"trial": o.trial.number, "id": o.trial.candidate.id, "name": described(o),
                    "lines": explain_candidate(record, o)[3:]} for o in unread[-5:]],
        "n_unread": len(unread),
        "decided": [{"does": request_parts(a)["does"], "state": a.state, "id": a.request.id,
                     "by": str(a.decision.get("by", "")), "why": str(a.decision.get("reason", ""))}
                    for a in decided[-5:]],
        "read": word_command("read", run.name),
        "command": command("decisions", run.name),
    }  # fmt: skip
    return {"decisions": told}


def _card(run: str, asked: Any) -> Shown:
    words = ("approve", "reject", "ask", "answer")
    return request_parts(asked) | {
        "commands": {word: word_command(word, run, asked.request.id) for word in words},
        "candidate": asked.request.candidate,
    }


def leaderboard(run: RunFolder, record: Record, page: int = 1) -> Shown:
    """`_leaderboard.html`: 20 rows, best first, of a page from 1."""
    view = record.view
    rows, total = leaderboard_page(view, (max(1, page) - 1) * PAGE, PAGE)
    pages = max(1, -(-total // PAGE))
    if not 1 <= page <= pages:
        page = min(max(1, page), pages)
        rows, _ = leaderboard_page(view, (page - 1) * PAGE, PAGE)
    shown = []
    for row in rows:
        outcome = view.outcome(row["trial"])
        words = "" if outcome is None or row["failure"] else described(outcome)
        shown.append(row | {"name": words or row["family"] or row["role"]})
    told = {
        "run": run.name, "rows": shown, "page": page, "pages": pages, "total": total,
        "metric": view.goals[0].metric, "has_limits": bool(view.limits), "top": view.rungs.top,
        "command": command("leaderboard", run.name),
    }  # fmt: skip
    return {"leaderboard": told}


def trying(run: RunFolder, record: Record) -> Shown:
    """`_trying.html`: what is being tried now, since when, and why."""
    view = record.view
    rows = [
        {"trial": t.number, "name": family_of(t.candidate.document) or t.role, "role": t.role,
         "by": t.by, "reason": t.reason, "rung": t.rung,
         "since": duration(max(0.0, view.elapsed - record.ordered_at.get(t.number, view.elapsed)))}
        for t in view.pending
    ]  # fmt: skip
    running = status_of(run, record) == "running"
    told = {"run": run.name, "rows": rows if running else [], "running": running,
            "done": view.done[0]}  # fmt: skip
    return {"trying": told}


def _recent(run: RunFolder) -> list[str]:
    """The last decisions of people, policy and run; each verdict of the gate would be too many."""
    kinds = [kind for kind in KINDS if kind != "verdict"]
    with open_run(run) as ledger:
        found = decisions_of(ledger.rows(study_of(ledger), kinds=kinds))
    return [decision.sentence for decision in found[-RECENT:]]
