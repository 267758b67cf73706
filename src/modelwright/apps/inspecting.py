"""Commands that read a run: status, runs, leaderboard, explain, report."""

from __future__ import annotations

import time
from typing import Any

from modelwright.apps.progress import status_line
from modelwright.apps.words import emit_json, say, table
from modelwright.core.errors import InputError, ModelwrightError
from modelwright.core.record import Record
from modelwright.readers.energy import cost_account, cost_words, energy_account, energy_words
from modelwright.readers.explain import explain_candidate, explain_run, find_outcome
from modelwright.readers.explained import explained_lines, present_explanation
from modelwright.readers.leaderboard import as_csv, leaderboard
from modelwright.readers.novelty import with_novelty
from modelwright.readers.price import price_of_glass
from modelwright.readers.runs import RunFolder, all_runs, find_run, process_of, read_record

STATUS = "modelwright.status/2"
FACTS = (
    "schema", "run", "folder", "status", "phase", "reason", "elapsed_seconds", "budget",
    "share_spent", "trials", "failed", "measured_untrained", "running", "metric", "candidate",
    "score", "within_limits", "energy", "cost", "policy", "unread", "model", "report",
)  # fmt: skip
SHOWN = (
    "place", "candidate", "family", "rung", "score", "low", "high", "within_limits", "by",
    "seconds", "failure",
)  # fmt: skip


def summary(run: RunFolder, record: Record) -> dict[str, Any]:
    """The plain facts of a run, as `status --json` prints them (docs/json.md)."""
    view = record.view
    best = None if view.champion is None else view.outcome(view.champion)
    metric = view.goals[0].metric
    return {
        "schema": STATUS,
        "run": run.name,
        "folder": str(run.path),
        "status": status_of(run, record),
        "phase": record.phase,
        "reason": record.reason,
        "elapsed_seconds": round(view.elapsed, 3),
        "budget": str(view.budget),
        "share_spent": round(view.share_spent, 4),
        "trials": view.done[0],
        "failed": view.done[1],
        "measured_untrained": len(view.measured),
        "running": [trial.number for trial in view.pending],
        "metric": metric,
        "candidate": None if best is None else best.trial.candidate.id,
        "score": None if best is None else best.evidence.scores[metric],
        "within_limits": best is not None and best.violation == 0,
        "energy": energy_account(record),
        "cost": cost_account(record),
        "policy": str(record.policy.get("name", "")),
        "unread": list(record.unread),
        "model": str(run.model_path) if run.model_path.exists() else None,
        "report": str(run.report_path) if run.report_path.exists() else None,
    }


def status_of(run: RunFolder, record: Record) -> str:
    """The status in the rows; `killed` when a session is open and its process is gone."""
    gone = record.status == "running" and process_of(run, record.settings["name"]) is None
    return "killed" if gone else record.status


def status(name: str | None, workspace: str, as_json: bool) -> int:
    """Prints where a run is."""
    run = find_run(name, workspace)
    record = read_record(run)
    if as_json:
        emit_json(summary(run, record))
        return 0
    state = status_of(run, record)
    say(f"{run.name}: {state}, {status_line(record)}")
    if record.reason:
        say(f"why: {record.reason}")
    if waiting := record.approvals.waiting(time.time()):
        say(f"decisions that wait: {len(waiting)} (modelwright decisions {run.name})")
    say(f"energy: {energy_words(energy_account(record))}")
    cost = cost_account(record)
    if cost["money"] is not None:
        say(f"cost: {cost_words(cost)}")
    if state in ("killed", "paused", "stopped"):
        say(f"go on with: modelwright resume {run.name}")
    if run.model_path.exists():
        say(f"model: {run.model_path}")
    return 0


def runs(workspace: str, as_json: bool) -> int:
    """Lists the runs, newest first; one that cannot be read is listed with the reason."""
    rows: list[dict[str, Any]] = []
    for run in all_runs(workspace):
        try:
            rows.append(summary(run, read_record(run)))
        except ModelwrightError as error:
            empty = {"schema": STATUS, "run": run.name, "folder": str(run.path)}
            rows.append(dict.fromkeys(FACTS) | empty | {"status": "unreadable",
                                                        "reason": str(error)})  # fmt: skip
    if as_json:
        emit_json(rows)
    elif rows:
        columns = ("run", "status", "trials", "metric", "score", "reason")
        say("\n".join(table(rows, columns)))
    else:
        say(f"no runs in {workspace}; start one with 'modelwright build'")
    return 0


def show_leaderboard(name: str | None, top: int, workspace: str, as_json: bool) -> int:
    """Prints the candidates, best first."""
    record = read_record(find_run(name, workspace))
    rows = leaderboard(record.view)
    if as_json:
        emit_json(with_novelty(rows, record.settings["designer"]))
        return 0
    if not rows:
        say("no trial has finished yet")
        return 0
    say(f"metric: {record.view.goals[0].metric}; low and high bound its mean over folds (95 %)")
    unused = {"failure"} if not any(row["failure"] for row in rows) else set()
    unused |= {"rung"} if record.view.rungs.top == 0 else set()
    columns = [column for column in SHOWN if column not in unused]
    say("\n".join(table(rows[: top or len(rows)], columns)))
    if 0 < top < len(rows):
        say(f"{len(rows) - top} more; --top 0 shows all")
    if price := price_of_glass(record.view):
        say(price)
    return 0


def explain(
    name: str | None, candidate: str | None, full: bool, workspace: str, as_json: bool
) -> int:
    """Prints the run, or one candidate, in words. `explain CANDIDATE` means the newest run's.

    With `full` all explanations of the winner are computed, kept, and written into the report.
    """
    if candidate is None and name is not None and not _is_run(name, workspace):
        name, candidate = None, name
    run = find_run(name, workspace)
    record = read_record(run)
    found = None if candidate is None else find_outcome(record.view, candidate)
    if full:
        from modelwright.recipes.explaining import explain_winner

        explain_winner(run, record)
        write_report(run, record)
    if found is None:
        lines = [*explain_run(record), *explained_lines(run, record)]
    else:
        lines = explain_candidate(record, found)
    if as_json:
        about = None if found is None else found.trial.candidate.id
        facts = present_explanation(run, record) or None
        emit_json({"schema": "modelwright.explain/2", "run": run.name, "candidate": about,
                   "lines": lines, "explanation": facts})  # fmt: skip
    else:
        say("\n".join(lines))
    return 0


def _is_run(name: str, workspace: str) -> bool:
    try:
        find_run(name, workspace)
    except InputError:
        return False
    return True


def report(name: str | None, workspace: str, as_json: bool) -> int:
    """Writes `report.html` and `leaderboard.csv` of a run again."""
    run = find_run(name, workspace)
    write_report(run, read_record(run))
    if as_json:
        emit_json({"schema": "modelwright.report/1", "run": run.name,
                   "report": str(run.report_path)})  # fmt: skip
    else:
        say(str(run.report_path))
    return 0


def write_report(run: RunFolder, record: Record) -> None:
    """The report and the leaderboard, from the rows alone."""
    from modelwright.readers.report import report_html

    run.report_path.write_text(report_html(run, record), "utf-8")
    rows = with_novelty(leaderboard(record.view), record.settings["designer"])
    (run.path / "leaderboard.csv").write_text(as_csv(rows), "utf-8")
