"""The report: one HTML file with its pictures inside, which asks nothing of any other place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome, View
from modelwright.readers.energy import cost_account, cost_words, energy_account, energy_words
from modelwright.readers.explain import explain_run
from modelwright.readers.explained import explained_sections, present_explanation
from modelwright.readers.fairness import fairness_section
from modelwright.readers.leaderboard import (
    described,
    family_of,
    fold_bounds,
    leaderboard,
    ruled_out,
    trivial_outcome,
)
from modelwright.readers.network import network_sections
from modelwright.readers.novelty import with_novelty
from modelwright.readers.page import (
    bullets,
    cards,
    figure,
    folded,
    page,
    paragraph,
    section,
    table,
)
from modelwright.readers.price import price_of_glass
from modelwright.readers.runs import ROWS, RunFolder, settings_of
from modelwright.readers.series import series_sections
from modelwright.readers.student import student_section
from modelwright.readers.sure import sure_sections
from modelwright.readers.svg import (
    bars_picture,
    beyond,
    intervals_picture,
    matrix_picture,
    progress_picture,
)

SHOWN_TRIALS, SHOWN_COLUMNS = 15, 200
# By kind of problem: what the trivial baseline does, and how scores of the search are had.
TRIVIAL = {
    "table": "a model that looks at no column", "network": "a model that looks at nothing",
    "series": "last season again",
}  # fmt: skip
JUDGED = {"table": "cross-validated", "network": "validated", "series": "on windows of the past"}


def report_html(run: RunFolder, record: Record) -> str:
    """The whole page as text, computed from the run's rows."""
    about = settings_of(record)
    target = str(about.get("question", {}).get("target", "")) or run.name
    kind = record.settings["problem"]["kind"]
    own = {
        "network": lambda: network_sections(record),
        "series": lambda: series_sections(run, record),
    }.get(kind)
    parts = [_progress(record), _best(record) if own is None else own()]
    body = [
        _head(target, about),
        _verdict(record),
        _numbers(record),
        _commands(run, record),
        *(parts[::-1] if kind == "series" else parts),  # of a forecast the forecast stands first
        _look(record, run),
        "" if own else explained_sections(run, record),
        "" if own else sure_sections(run, record),
        _limits(record),
        fairness_section(run),
        student_section(record),
        _leaderboard(record),
        _families(record) if own is None else "",
        section("What happened, in words", bullets(line.strip() for line in explain_run(record))),
        data_section(about),
        _lineage(run, record),
    ]
    return page(f"{target}: modelwright report", body)


def _head(target: str, about: Mapping[str, Any]) -> str:
    data = str(about.get("question", {}).get("data", "")).rsplit("/", 1)[-1]
    parts = [about.get("task", ""), data]
    if "headline" in about:
        parts = [data, str(about["headline"])]
    elif "n_rows" in about:
        parts.append(f"{about['n_rows']} rows, {len(about.get('columns', ()))} columns")
    told = " · ".join(str(part) for part in parts if part)
    verb = "Forecasting" if about.get("task") == "forecast" else "Predicting"
    return (
        f'<header><p class="soft over">modelwright report</p><h1>{verb} {escape(target)}</h1>'
        f"{paragraph(told, 'soft')}</header>"
    )


def verdict_lines(record: Record) -> tuple[list[str], bool]:
    """What a run came to in a few sentences: what is best, its score, price, looks, why it ended.

    Also whether there is a model within the limits.
    """
    best, metric = _champion(record), record.view.goals[0].metric
    why = f"Why it ended: {record.reason or 'it is running, or was killed'}."
    if best is None:
        return ["No valid model yet.", why], False
    bounds = fold_bounds(best, metric)
    interval = f", 95 % interval {bounds[0]:.4g} to {bounds[1]:.4g} over folds" if bounds else ""
    base = _trivial(record)
    plain = TRIVIAL[record.settings["problem"]["kind"]]
    beside = "" if base is None else f"; {plain} reaches {base:.4g}"
    score = f"{metric} {best.evidence.scores[metric]:.5g}{interval}{beside}."
    name = described(best)
    if best.trial.by == "yours":
        name = "Keep yours: your present model was not beaten beyond noise"
    told = f"{name[:1].upper()}{name[1:]}"
    if best.violation > 0:
        told += ", outside the limits: it was not shipped"
    price = price_of_glass(record.view)
    looks = (look["sentence"] for look in record.looks[-1:])
    return [told, score, *([price] if price else []), *looks, why], best.violation == 0


def _verdict(record: Record) -> str:
    lines, good = verdict_lines(record)
    return f'<div class="verdict{"" if good else " bad"}">{"".join(map(paragraph, lines))}</div>'


def _numbers(record: Record) -> str:
    best, view = _champion(record), record.view
    metric = view.goals[0].metric
    base = _trivial(record)
    facts = []
    if best is not None:
        how = JUDGED[record.settings["problem"]["kind"]]
        facts.append((f"{metric}, {how}", f"{best.evidence.scores[metric]:.4g}"))
    if record.looks:
        look = record.looks[-1]
        what = "values" if record.settings["problem"]["kind"] == "series" else "rows"
        facts.append((f"{metric}, {look['n_rows']} sealed {what}", f"{look['score']:.4g}"))
    facts.append(("trivial baseline", "not measured" if base is None else f"{base:.4g}"))
    finished, failed = view.done
    facts.append((f"trials, {failed} failed", str(finished)))
    if view.measured:
        facts.append(("designs measured without training", str(len(view.measured))))
    facts.append((f"time, budget {view.budget}", f"{view.elapsed:.0f} s"))
    return cards(facts)


def _commands(run: RunFolder, record: Record) -> str:
    rows = ROWS.get(record.settings["problem"]["kind"], "NEW_ROWS.csv")
    lines = (
        f"modelwright predict {run.path} {rows} --out predictions.csv\n"
        f"modelwright resume {run.path} --add-budget 5m\n"
        f"modelwright explain {run.path}"
    )
    return section("Predict, go on, ask why", f"<pre>{escape(lines)}</pre>")


def _champion(record: Record) -> Outcome | None:
    number = record.view.champion
    return None if number is None else record.view.outcome(number)


def _trivial(record: Record) -> float | None:
    base = trivial_outcome(record.view)
    return None if base is None else base.evidence.scores[record.view.goals[0].metric]


def _progress(record: Record) -> str:
    view, goal = record.view, record.view.goals[0]
    top = [o for o in view.finished if o.ok and o.trial.rung == view.rungs.top]
    scores = [o.evidence.scores[goal.metric] for o in top if o.trial.role in ("search", "blend")]
    maximise, base = goal.direction == "maximise", _trivial(record)
    picture = progress_picture(scores, maximise, goal.metric, base)
    better = "higher" if goal.direction == "maximise" else "lower"
    caption = f"Each trial as a dot, the best so far as a line; {better} is better."
    if side := beyond(scores, maximise, base):
        caption += f" The trivial baseline, {base:.4g}, is far {side} the picture."
    return section("Progress of the search", figure(picture, caption))


def _best(record: Record) -> str:
    goal = record.view.goals[0]
    best: dict[str, tuple[str, float, float, float]] = {}
    for row in leaderboard(record.view):  # best first
        top = row["rung"] == record.view.rungs.top  # first looks are of other folds or rows
        if top and row["low"] is not None and row["by"] != "trivial":
            name = f"{row['family']} (trial {row['trial']})"
            best.setdefault(row["family"], (name, row["low"], row["score"], row["high"]))
    picture = intervals_picture(list(best.values()), goal.metric)
    caption = (
        f"Mean {goal.metric} over folds with its 95 % interval, the best trial of each family. "
        "Where intervals overlap, the difference may be chance."
    )
    return section("The best of each family", figure(picture, caption))


def _look(record: Record, run: RunFolder) -> str:
    if not record.looks:
        return ""
    look = record.looks[-1]
    body = "".join(paragraph(x["sentence"]) for x in record.looks)
    if "confusion" in look:
        picture = matrix_picture(look["labels"], look["confusion"])
        body += figure(picture, "Sealed rows by true class (down) and answer (across).")
    if present_explanation(run, record).get("importance"):  # told there over folds, with intervals
        return section("The sealed part", body)
    shown = [(name, value) for name, value in look.get("importance", [])[:15]]
    title = f"loss of {look['metric']} when a column is shuffled"
    caption = f"How much worse {look['metric']} gets when a column of the sealed rows is shuffled."
    return section("The sealed part", body) + section(
        "What the model looks at", figure(bars_picture(shown, title), caption)
    )


def limit_rows(view: View, best: Outcome) -> list[dict[str, Any]]:
    """For each limit what a model measures there, whether it is met, how, and whom it ruled out."""
    rows, out = [], ruled_out(view)
    for limit in view.limits:
        score = best.evidence.scores.get(limit.metric)
        noise = best.evidence.noise.get(limit.metric, 0.0)
        met = score is not None and limit.violation(score, noise) == 0
        value = "not measured" if score is None else f"{score:.4g} ± {noise:.2g}"
        how = best.evidence.facts.get("how", {}).get(limit.metric)
        n = out[limit.metric]
        rows.append({"limit": str(limit), "measured": value, "met": met, "how": how, "out": n})
    return rows


def _limits(record: Record) -> str:
    best = _champion(record)
    if not record.view.limits or best is None:
        return ""
    rows = limit_rows(record.view, best)
    columns = {"limit": "limit", "measured": "value", "met": "met"}
    if any(row["how"] for row in rows):
        columns["how"] = "how it is known"
    if any(row["out"] for row in rows):
        columns["out"] = "designs ruled out untrained"
    device = record.settings.get("settings", {}).get("arguments", {}).get("device")
    body = table(rows, columns)
    if device:
        source = device.get("source") or "a profile of your own"
        body += paragraph(f"For the device {device['name']}: {source}.", "soft")
    return section("Limits", body)


def _leaderboard(record: Record) -> str:
    # The model that won stands first, also an ensemble that beat its members on other folds only.
    rows = with_novelty(leaderboard(record.view), record.settings["designer"])
    rows.sort(key=lambda row: row["trial"] != record.view.champion)
    metric = record.view.goals[0].metric
    columns = {"place": "#", "family": "family", "score": metric, "interval": "95 % interval"}
    if record.view.rungs.top > 0:
        columns["rung"] = "rung"
    if record.view.limits:
        columns["within_limits"] = "in limits"
    if any(row["failure"] for row in rows):
        columns["failure"] = "failure"
    if any(row["novelty"] is not None for row in rows):
        columns["novelty"] = "novelty"
    columns |= {"seconds": "seconds", "candidate": "candidate", "reason": "why it was tried"}
    shown = [
        row | {"interval": None if row["low"] is None else f"{row['low']:.4g}–{row['high']:.4g}"}
        for row in rows[:SHOWN_TRIALS]
    ]
    low = "Rungs below the last are first looks on fewer folds or rows. "
    more = low if record.view.rungs.top > 0 else ""
    if "novelty" in columns:
        more += (
            "Novelty is the distance from the nearest design known beforehand: 0 known, 1 all new. "
        )
    more += f"{len(shown)} of {len(rows)} rows; all of them are in leaderboard.csv."
    return section("Leaderboard", table(shown, columns, first=True) + paragraph(more, "soft"))


def _families(record: Record) -> str:
    rows: dict[str, dict[str, Any]] = {}
    for row in leaderboard(record.view):  # best first, so the first of a family is its best
        name = row["family"] or row["role"]
        known = rows.setdefault(
            name, {"family": name, "trials": 0, "best": row["score"], "failed": 0, "seconds": 0.0}
        )
        known["trials"] += 1
        known["failed"] += row["failure"] is not None
        known["seconds"] += row["seconds"] or 0.0
    metric = record.view.goals[0].metric
    columns = {"family": "family", "best": f"best {metric}", "trials": "trials",
               "failed": "failed", "seconds": "seconds"}  # fmt: skip
    return section("What was tried", table(list(rows.values()), columns))


def data_section(about: Mapping[str, Any]) -> str:
    """What was assumed of the data, and its columns, folded away."""
    columns = [
        {**c, "missing": f"{c['missing']:.1%}" if c.get("missing") else ""}
        for c in about.get("columns", ())
    ]
    titles = {"name": "column", "kind": "kind", "missing": "missing", "n_unique": "values",
              "note": "note"}  # fmt: skip
    shown = folded(f"{len(columns)} columns", table(columns[:SHOWN_COLUMNS], titles))
    shown = shown if columns else ""
    return section("The data, and what was assumed", bullets(about.get("notes", ())) + shown)


def _lineage(run: RunFolder, record: Record) -> str:
    settings, best = record.settings, _champion(record)
    facts = [
        f"run {run.name}, {record.view.n_rows} rows in its ledger, {len(record.sessions)} sessions",
        f"energy: {energy_words(energy_account(record))}",
        f"cost: {cost_words(cost_account(record))}",
        f"seed {settings['problem']['seed']}, policy {record.policy.get('name', '')}",
        f"data hash {settings['problem']['about'].get('data_hash', 'unknown')}",
        f"'modelwright verify {run.path}' checks the chain of its rows",
    ]
    design = ""
    if best is not None:
        text = json.dumps(json.loads(best.trial.candidate.document), indent=1)
        name = family_of(best.trial.candidate.document)
        design = folded(f"The winner's design ({name})", f"<pre>{escape(text)}</pre>")
    text = json.dumps(settings["designer"], indent=1)
    design += folded("The designer of this search", f"<pre>{escape(text)}</pre>")
    return section("Lineage", bullets(facts) + design)
