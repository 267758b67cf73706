"""What the tabs of a run, one candidate, and two beside each other show, as plain dicts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from modelwright.apps.ui import charts
from modelwright.apps.ui.commands import build_command, command, word_command
from modelwright.apps.ui.frame import TABS, Shown, champion_of, frame
from modelwright.core.canonical import digest
from modelwright.core.errors import InputError
from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.ledger.chain import Verification
from modelwright.policy import RulePolicy
from modelwright.readers.coaching import order_lines
from modelwright.readers.decisions import KINDS
from modelwright.readers.decisions import decisions as decisions_of
from modelwright.readers.design_words import design_difference
from modelwright.readers.energy import cost_account, cost_words, energy_account, energy_words
from modelwright.readers.explain import (
    against,
    explain_candidate,
    explain_run,
    find_outcome,
)
from modelwright.readers.explained import explained_sections
from modelwright.readers.fairness import fairness_section, read_fairness
from modelwright.readers.leaderboard import described, fold_bounds
from modelwright.readers.lineage import lineage as lineage_of
from modelwright.readers.lineage_page import lineage_svg, who_and_what
from modelwright.readers.network import network_sections
from modelwright.readers.network_picture import network_picture
from modelwright.readers.policy import policy_lines
from modelwright.readers.report import data_section
from modelwright.readers.runs import RunFolder, open_run, settings_of, study_of
from modelwright.readers.series import series_sections
from modelwright.readers.student import student_section
from modelwright.readers.sure import sure_sections

CHOICES = 50  # candidates that a list of them offers
DECIDED = 300  # decisions that are listed
TIES = 200  # of a lineage, in its table
WORDS = ("pin", "ban", "prefer")


def tab(
    name: str,
    run: RunFolder,
    record: Record,
    query: Mapping[str, str] | None = None,
    checked: Verification | None = None,
) -> Shown:
    """`tab.html`: the frame, and what one of `TABS` shows. Raises InputError for another name."""
    if name not in TABS:
        raise InputError(f"there is no tab {name!r}; there are {', '.join(TABS)}.")
    return frame(run, record, name, checked) | {"tab": name} | _SHOWN[name](run, record)


def run_command(record: Record) -> str:
    """The build that makes this run again: the same seed gives the same with a budget in trials."""
    question = settings_of(record).get("question", {})
    about = settings_of(record).get("source", {})
    return build_command(
        question, str(record.view.budget), str(record.policy.get("name", "")),
        str(about.get("name", "")),
    )  # fmt: skip


def _models(run: RunFolder, record: Record) -> Shown:
    view, kind = record.view, record.settings["problem"]["kind"]
    best = champion_of(record)
    listed = view.best(CHOICES)
    own: Mapping[str, Callable[[], str]] = {
        "network": lambda: network_sections(record, curves=False),
        "series": lambda: series_sections(run, record),
    }
    if kind in own:
        parts = [own[kind](), student_section(record)]
    else:
        parts = [explained_sections(run, record), sure_sections(run, record),
                 student_section(record)]  # fmt: skip
    other = next((o for o in listed if best is not None and o is not best), None)
    return {
        "choices": _choices(listed),
        "a": "" if best is None else best.trial.candidate.id,
        "b": "" if other is None else other.trial.candidate.id,
        "has_curves": bool(charts.curve(record)["series"]),
        "sections": [Markup(part) for part in parts if part],
        "story": explain_run(record)[:60],
        "orders": list(order_lines(record)) if record.coach_orders else [],
        "command": command("explain", run.name),
    }


def _decisions(run: RunFolder, record: Record) -> Shown:
    from modelwright.apps.ui.shown import decisions

    with open_run(run) as ledger:
        found = decisions_of(ledger.rows(study_of(ledger), kinds=KINDS))
    return {
        **decisions(run, record),
        "all": [d.to_json() for d in reversed(found[-DECIDED:])],
        "n_all": len(found),
        "policy": policy_lines(RulePolicy.from_json(record.policy)),
        "command": command("decisions", run.name),
    }


def _lineage(run: RunFolder, record: Record) -> Shown:
    with open_run(run) as ledger:
        whole = lineage_of({run.name: ledger.rows(study_of(ledger))})
    models = whole.of_kind("model")
    runs = whole.of_kind("run")
    graph = whole.ancestors(models[0].id if models else runs[0].id)
    ties = [(graph.nodes[e.source].label, e.word, graph.nodes[e.target].label)
            for e in graph.edges]  # fmt: skip
    return {
        "shipped": bool(models),
        "told": who_and_what(graph),
        "svg": Markup(lineage_svg(graph, alone=False)),
        "ties": ties[:TIES],
        "n_ties": len(ties),
        "command": command("lineage", run.name),
    }


def _fairness(run: RunFolder, record: Record) -> Shown:
    facts = read_fairness(run)
    return {
        "protected": list(settings_of(record).get("question", {}).get("protect", ())),
        "section": Markup(fairness_section(run)) if facts else "",
        "command": command("fairness", run.name),
    }


def _energy(run: RunFolder, record: Record) -> Shown:
    joules, money, view = energy_account(record), cost_account(record), record.view
    seconds = sum(o.evidence.seconds or 0.0 for o in view.finished)
    rows = [
        ("measured", f"{joules['measured_joules']:,.1f} J"),
        ("of it by the graphics card", f"{joules['accelerator_joules']:,.1f} J"),
        ("estimated", f"{joules['estimated_joules']:,.1f} J"),
        ("power assumed of a busy core", f"{joules['watts_per_core']:g} W"),
        ("processor time of trials", f"{joules['cpu_seconds']:,.1f} s"),
        ("wall time of trials, added up", f"{seconds:,.1f} s"),
        ("trials that left no figure", str(joules["trials_unknown"])),
    ]
    return {
        "energy": energy_words(joules),
        "cost": cost_words(money),
        "rows": rows,
        "method": joules["method"],
        "command": command("status", run.name, "--json"),
    }


def _data(run: RunFolder, record: Record) -> Shown:
    about = settings_of(record)
    source, question = about.get("source", {}), about.get("question", {})
    kept = ("n_rows", "n_dev", "n_sealed")
    names = ("rows", "rows for learning and choosing", "rows in the sealed part")
    facts = [(name, f"{about[k]:,}") for k, name in zip(kept, names, strict=True) if k in about]
    facts += [("file", str(source["name"]))] if source.get("name") else []
    facts += [("SHA-256 of the file", str(source["sha256"]))] if source.get("sha256") else []
    facts += [("target", str(question.get("target", "")))] if question.get("target") else []
    facts += [("purpose", str(question.get("purpose") or "not stated")),
              ("rights", str(question.get("rights") or "not stated"))]  # fmt: skip
    return {
        "facts": facts,
        "section": Markup(data_section(about)),
        "classes": [str(c) for c in about.get("classes", ())][:30],
        "command": run_command(record),
    }


def _audit(run: RunFolder, record: Record) -> Shown:
    with open_run(run) as ledger:
        head = ledger.head(study_of(ledger))
    archive = f"{run.name}.zip"
    ships = [
        {"folder": str(ship.get("folder", "model")), "candidate": str(ship["candidate"]),
         "bundle": str(ship.get("bundle", ""))}
        for ship in record.ships
    ]  # fmt: skip
    return {
        "head": {"n": head.n, "hash": head.hash},
        "study": head.study,
        "policy": policy_lines(RulePolicy.from_json(record.policy)),
        "policy_hash": digest(record.policy),
        "sessions": [dict(s) for s in record.sessions][-10:],
        "n_sessions": len(record.sessions),
        "ships": ships,
        "looks": [str(look["sentence"]) for look in record.looks],
        "commands": [
            ("check the chain of rows, and who signed", command("verify", run.name)),
            ("keep the signed head elsewhere",
             command("verify", run.name, "--export-head", "head.json")),
            ("the whole run as one archive", command("export", run.name, "--out", archive)),
            ("check that archive on another machine", command("audit", archive)),
            ("make the run again", run_command(record)),
        ],
    }  # fmt: skip


_SHOWN: Mapping[str, Callable[[RunFolder, Record], Shown]] = {
    "models": _models, "decisions": _decisions, "lineage": _lineage, "fairness": _fairness,
    "energy": _energy, "data": _data, "audit": _audit,
}  # fmt: skip


def candidate(
    run: RunFolder, record: Record, id: str, checked: Verification | None = None
) -> Shown:
    """`candidate.html`: one design in words, numbers and a drawing; InputError for an unknown."""
    outcome = find_outcome(record.view, id)
    trial, name = outcome.trial, outcome.trial.candidate.id
    best = champion_of(record)
    view = record.view
    mark = (
        "pinned" if view.pinned == name else "banned" if name in view.banned
        else "preferred" if view.preferred.get(name) else ""
    )  # fmt: skip
    return frame(run, record, "models", checked) | {
        "id": name,
        "trial": trial.number,
        "name": described(outcome),
        "is_best": best is outcome,
        "best": "" if best is None else best.trial.candidate.id,
        "mark": mark,
        "lines": [x for x in explain_candidate(record, outcome) if not x.startswith("Design: ")],
        "scores_rows": _scores(record, [outcome]),
        "curve": len(outcome.evidence.curve) > 1,
        "drawing": _drawing(outcome),
        "document": json.dumps(json.loads(trial.candidate.document), indent=1, ensure_ascii=False),
        "parents": list(trial.candidate.parents),
        "commands": {word: word_command(word, run.name, name) for word in WORDS}
        | {"explain": command("explain", run.name, name)},
    }


def compare(
    run: RunFolder, record: Record, a: str, b: str, checked: Verification | None = None
) -> Shown:
    """`compare.html`: two designs beside each other, and the difference with its interval."""
    one, other = find_outcome(record.view, a), find_outcome(record.view, b)
    told = ""
    if one.ok and other.ok and one is not other:
        looks = max(1, record.view.looks)
        told = against(record.view, one, other, f"trial {other.trial.number}", looks)
    documents = [json.loads(o.trial.candidate.document) for o in (other, one)]
    return frame(run, record, "models", checked) | {
        "sides": [
            {"id": o.trial.candidate.id, "trial": o.trial.number, "name": described(o),
             "reason": o.trial.reason, "drawing": _drawing(o)}
            for o in (one, other)
        ],
        "told": told,
        "scores_rows": _scores(record, [one, other]),
        "changes": design_difference(*documents)[:40],
        "curve": any(len(o.evidence.curve) > 1 for o in (one, other)),
        "choices": _choices([one, other, *record.view.best(CHOICES)]),
        "a": one.trial.candidate.id,
        "b": other.trial.candidate.id,
        "command": command("explain", run.name, one.trial.candidate.id),
    }  # fmt: skip


def _choices(outcomes: Sequence[Outcome]) -> list[Shown]:
    """Candidates to choose from, each once."""
    found = {o.trial.candidate.id: o for o in reversed(outcomes)}
    return [{"id": id, "words": _short(o)} for id, o in reversed(found.items())]


def _short(outcome: Outcome) -> str:
    words = described(outcome)
    words = words if len(words) <= 50 else words[:49] + "…"
    return f"trial {outcome.trial.number}: {words}"


def _scores(record: Record, outcomes: Sequence[Outcome]) -> list[Shown]:
    """A row for each thing that was measured of any of them; the goals first."""
    goals = [goal.metric for goal in record.view.goals]
    limits = [limit.metric for limit in record.view.limits]
    every = sorted({name for o in outcomes for name in o.evidence.scores})
    names = list(dict.fromkeys([*goals, *limits, *every]))
    rows = []
    for name in names:
        cells = []
        for o in outcomes:
            score, bounds = o.evidence.scores.get(name), fold_bounds(o, name)
            told = "not measured" if score is None else _number(score)
            cells.append(told + (f" [{bounds[0]:.4g}, {bounds[1]:.4g}]" if bounds else ""))
        rows.append({"name": name, "cells": cells, "goal": name in goals, "limit": name in limits})
    return rows


def _number(score: float) -> str:
    """Five digits, and large numbers whole."""
    return f"{score:,.0f}" if abs(score) >= 1e4 else f"{score:.5g}"


def _drawing(outcome: Outcome) -> Markup:
    """The network's architecture, where the design is one."""
    facts = outcome.evidence.facts
    if not facts.get("drawing"):
        return Markup("")
    drawn = network_picture(facts["drawing"], facts.get("input_shape", ()))
    return Markup(drawn)
