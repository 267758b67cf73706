"""The report: one HTML file with its pictures inside, which asks nothing of any other place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.explain import explain_run
from modelwright.readers.leaderboard import family_of, leaderboard
from modelwright.readers.runs import RunFolder, settings_of
from modelwright.readers.svg import (
    bars_picture,
    intervals_picture,
    matrix_picture,
    progress_picture,
)

STYLE = """
:root{color-scheme:light dark;--ink:#1c2330;--soft:#5d6878;--line:#d9dee6;--back:#fff;
--tint:#f4f6f9;--accent:#1f6feb;--warn:#b4540a}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b6;--line:#333c49;--back:#12161c;
--tint:#1b212a;--accent:#6ea8ff;--warn:#f0a35e}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:60rem;
margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2.2rem}
.soft{color:var(--soft)}.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));
gap:.8rem;margin:1.2rem 0}
.card{background:var(--tint);border-radius:.5rem;padding:.7rem .9rem}
.card b{display:block;font-size:1.3rem}.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;width:100%}th,td{text-align:left;
padding:.25rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}td.n{text-align:right;
font-variant-numeric:tabular-nums}pre{background:var(--tint);padding:.8rem;border-radius:.5rem;
overflow-x:auto}svg{max-width:100%;height:auto}svg .label{font:12px system-ui,sans-serif;
fill:var(--soft)}svg .strong{fill:var(--ink)}svg .faint{stroke:var(--line)}
svg .accent{stroke:var(--accent);stroke-width:2;fill:none}svg .warn{stroke:var(--warn)}
svg .dashed{stroke-dasharray:5 4}svg .dot{fill:var(--soft);fill-opacity:.55}
svg .solid,svg .bar,svg .cell{fill:var(--accent)}
"""


def report_html(run: RunFolder, record: Record) -> str:
    """The whole page as text, computed from the run's rows."""
    about = settings_of(record)
    body = [
        _headline(run, record, about),
        _commands(run),
        _pictures(record),
        _look(record),
        _limits(record),
        _leaderboard(record),
        _section("What happened, in words", _list(explain_run(record))),
        _data(about),
        _proof(record),
    ]
    title = escape(f"{about.get('question', {}).get('target', run.name)}: modelwright report")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _headline(run: RunFolder, record: Record, about: Mapping[str, Any]) -> str:
    question = about.get("question", {})
    best, metric = _champion(record), record.view.goals[0].metric
    heading = f"<h1>{escape(str(question.get('target', run.name)))}</h1>"
    told = f"{escape(str(about.get('task', '')))} on {escape(str(question.get('data', '')))}"
    if best is None:
        return f"{heading}<p class=soft>{told}</p><p>No valid model: {escape(record.reason)}.</p>"
    base = _trivial(record)
    cards = [
        ("best model", family_of(best.trial.candidate.document)),
        (f"{metric}, cross-validated", f"{best.evidence.scores[metric]:.4g}"),
        ("trivial baseline", "not measured" if base is None else f"{base:.4g}"),
        ("trials", str(len(record.view.finished))),
        ("seconds", f"{record.view.elapsed:.0f}"),
    ]
    if record.looks:
        look = record.looks[-1]
        cards.insert(2, (f"{metric}, sealed rows", f"{look['score']:.4g}"))
    drawn = "".join(f"<div class=card>{escape(k)}<b>{escape(v)}</b></div>" for k, v in cards)
    why = f"<p>Why it ended: {escape(record.reason or 'it is running')}.</p>"
    return f"{heading}<p class=soft>{told}</p><div class=cards>{drawn}</div>{why}"


def _commands(run: RunFolder) -> str:
    lines = (
        f"modelwright predict {run.path} NEW_ROWS.csv --out predictions.csv\n"
        f"modelwright resume {run.path} --add-budget 5m\n"
        f"modelwright explain {run.path}"
    )
    return f"<h2>Use it, go on, ask why</h2><pre>{escape(lines)}</pre>"


def _champion(record: Record) -> Outcome | None:
    number = record.view.champion
    return None if number is None else record.view.outcome(number)


def _trivial(record: Record) -> float | None:
    metric = record.view.goals[0].metric
    for outcome in record.view.finished:
        if outcome.trial.role == "rival" and outcome.trial.by == "trivial" and outcome.ok:
            return outcome.evidence.scores[metric]
    return None


def _pictures(record: Record) -> str:
    view, goal = record.view, record.view.goals[0]
    top = [o for o in view.finished if o.ok and o.trial.rung == view.rungs.top]
    scores = [o.evidence.scores[goal.metric] for o in top if o.trial.role in ("search", "blend")]
    base = _trivial(record)
    progress = progress_picture(scores, goal.direction == "maximise", goal.metric, base)
    rows = [
        (f"{row['family']} (trial {row['trial']})", row["low"], row["score"], row["high"])
        for row in leaderboard(view)[:10]
        if row["low"] is not None
    ]
    pictures = _section("Progress of the search", progress)
    pictures += _section(
        "The ten best, with 95 % intervals over folds", intervals_picture(rows, goal.metric, None)
    )
    importance = record.looks[-1].get("importance", []) if record.looks else []
    shown = [(name, value) for name, value in importance[:15]]
    title = f"loss of {goal.metric} when a column is shuffled"
    return pictures + _section("What the model looks at", bars_picture(shown, title))


def _look(record: Record) -> str:
    parts = [f"<p>{escape(look['sentence'])}</p>" for look in record.looks]
    if record.looks and "confusion" in record.looks[-1]:
        parts.append(matrix_picture(record.looks[-1]["labels"], record.looks[-1]["confusion"]))
    return _section("The sealed part", "".join(parts))


def _limits(record: Record) -> str:
    best = _champion(record)
    if not record.view.limits or best is None:
        return ""
    rows = []
    for limit in record.view.limits:
        score = best.evidence.scores.get(limit.metric)
        noise = best.evidence.noise.get(limit.metric, 0.0)
        met = score is not None and limit.violation(score, noise) == 0
        value = None if score is None else f"{score:.4g} ± {noise:.2g}"
        rows.append({"limit": str(limit), "measured": value, "met": "yes" if met else "NO"})
    return _section("Limits", _table(rows, ("limit", "measured", "met")))


def _leaderboard(record: Record) -> str:
    columns = (
        "place", "family", "score", "low", "high", "by", "seconds", "failure", "candidate",
        "reason",
    )  # fmt: skip
    rows = leaderboard(record.view)
    more = f"<p class=soft>{len(rows)} rows; all of them in leaderboard.csv</p>"
    return _section("Leaderboard", _table(rows[:15], columns) + more)


def _data(about: Mapping[str, Any]) -> str:
    notes = _list(about.get("notes", ()))
    columns = [
        {**c, "missing": f"{c['missing']:.1%}" if c.get("missing") else ""}
        for c in about.get("columns", ())
    ]
    shown = _table(columns[:60], ("name", "kind", "missing", "n_unique", "note"))
    return _section("The data, and what was assumed", notes + shown if notes or columns else "")


def _proof(record: Record) -> str:
    settings = record.settings
    facts = {
        "problem": settings["problem"]["seed"],
        "designer": json.dumps(settings["designer"]),
        "policy": settings["policy"].get("name", ""),
        "budget": str(record.view.budget),
        "sessions": len(record.sessions),
        "rows": record.view.n_rows,
    }
    facts["seed"] = facts.pop("problem")
    lines = [f"{name}: {value}" for name, value in facts.items()]
    return _section("Lineage", _list(lines))


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>{body}" if body else ""


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(str(line))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    lines = []
    for row in rows:
        cells = []
        for name in columns:
            value = row.get(name)
            kind = " class=n" if isinstance(value, (int, float)) else ""
            shown = "" if value is None else f"{value:.5g}" if isinstance(value, float) else value
            cells.append(f"<td{kind}>{escape(str(shown))}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<div class=wide><table><tr>{head}</tr>{''.join(lines)}</table></div>"
