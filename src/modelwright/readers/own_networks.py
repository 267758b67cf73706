"""The report on a search of the user's own networks: one HTML file."""

from __future__ import annotations

from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.leaderboard import described, fold_bounds, leaderboard
from modelwright.readers.page import bullets, cards, figure, page, paragraph, section, table
from modelwright.readers.svg import progress_picture

SHOWN = 20  # trials


def own_report(record: Record) -> str:
    """The whole page as text, computed from the rows."""
    view, about = record.view, record.settings["problem"]["about"]
    best = None if view.champion is None else view.outcome(view.champion)
    shape = " x ".join(map(str, about["shape"]))
    told = f"{about['n_train']} examples of {shape} to learn from, {about['n_valid']} to validate"
    body = [
        f'<header><p class="soft over">modelwright report</p><h1>{about["name"]}</h1>'
        f"{paragraph(told, 'soft')}</header>",
        _verdict(record, best),
        "" if best is None else _numbers(record, best),
        _progress(record),
        "" if best is None else _network(best),
        "" if best is None else _training(best),
        _trials(record),
        section("What failed, and why", bullets(_failures(record))),
    ]
    return page(f"{about['name']}: modelwright report", body)


def _verdict(record: Record, best: Outcome | None) -> str:
    why = f"Why it ended: {record.reason or 'it is running, or was killed'}."
    if best is None:
        return f'<div class="verdict bad">{paragraph("No trained network.")}{paragraph(why)}</div>'
    metric = record.view.goals[0].metric
    bounds = fold_bounds(best, metric)
    interval = f", 95 % interval {bounds[0]:.4g} to {bounds[1]:.4g}" if bounds else ""
    guess = record.settings["problem"]["about"]["guess"]
    score = (
        f"{metric} {best.evidence.scores[metric]:.5g} on the validation examples{interval}; a "
        f"guess that looks at nothing reaches {guess:.4g}. The search chose by these examples: on "
        "new ones expect a little less."
    )
    outside = ", outside the limits" if best.violation > 0 else ""
    lines = [f"{best.evidence.facts['family']}: {described(best)}{outside}", score, why]
    kind = "verdict bad" if best.violation > 0 else "verdict"
    return f'<div class="{kind}">{"".join(map(paragraph, lines))}</div>'


def _numbers(record: Record, best: Outcome) -> str:
    scores, view = best.evidence.scores, record.view
    failed = sum(o.failed for o in view.finished)
    return cards([
        (view.goals[0].metric, f"{scores[view.goals[0].metric]:.4g}"),
        ("weights", f"{scores['params']:,.0f}"),
        ("multiplications for one example", f"{scores['macs']:,.0f}"),
        ("ms for one example, one thread", f"{scores['latency_ms']:.3g}"),
        (f"trials, {failed} failed", str(len(view.finished))),
        (f"time, budget {view.budget}", f"{view.elapsed:.0f} s"),
    ])  # fmt: skip


def _progress(record: Record) -> str:
    view, goal = record.view, record.view.goals[0]
    top = [o for o in view.finished if o.ok and o.trial.rung == view.rungs.top]
    scores = [o.evidence.scores[goal.metric] for o in top]
    base = record.settings["problem"]["about"]["guess"]
    picture = progress_picture(scores, goal.direction == "maximise", goal.metric, base)
    return section("Progress of the search", figure(picture, "Full runs as dots, in their order."))


def _network(best: Outcome) -> str:
    rows = [
        {"part": name, "after": " x ".join(map(str, shape)), "weights": weights,
         "put": "put in" if adapter else ""}
        for name, shape, weights, adapter in best.evidence.facts["layers"]
    ]  # fmt: skip
    columns = {"part": "part", "after": "shape after it", "weights": "weights", "put": "adapter"}
    adapters = best.evidence.facts["adapters"]
    told = bullets(adapters) or paragraph("Nothing had to be put between its parts.")
    return section("The best network", table(rows, columns) + told)


def _training(best: Outcome) -> str:
    facts = best.evidence.facts
    lines = [
        f"{facts['steps']} steps, {facts['epochs']:.3g} epochs"
        + (", by your own training step" if facts["step"] else ""),
        *(f"{row['trigger']}: {row['action']['kind']} at epoch {row['at']:.2f}, {row['verdict']}"
          for row in facts["coach"]),
    ]  # fmt: skip
    if facts.get("stopped"):
        lines.append(f"stopped: {facts['stopped']}")
    return section("Its training", bullets(lines))


def _trials(record: Record) -> str:
    view = record.view
    columns = {"place": "", "words": "network", "score": view.goals[0].metric, "rung": "rung",
               "params": "weights", "by": "by", "reason": "why it was tried"}  # fmt: skip
    rows: list[dict[str, Any]] = []
    for row in leaderboard(view, top=SHOWN):
        outcome = view.outcome(row["trial"])
        told = "" if outcome is None else described(outcome)
        rows.append({**row, "words": told, "params": int(row["scores"].get("params", 0))})
    return section("Leaderboard", table(rows, columns, first=True))


def _failures(record: Record) -> list[str]:
    return [
        f"trial {o.trial.number} ({o.evidence.failure.cause}): {o.evidence.failure.message}"
        for o in record.view.finished
        if o.evidence.failure is not None
    ]
