"""An explanation that was computed and kept in a run's folder: read, told, and drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import View
from modelwright.readers.choices import between_families, important_choices
from modelwright.readers.page import bullets, figure, folded, paragraph, section, table
from modelwright.readers.pictures import curve_picture, dependence_picture
from modelwright.readers.runs import RunFolder
from modelwright.readers.svg import bars_picture, intervals_picture

EXPLANATION = "explanation.json"
SCHEMA = "modelwright.explanation/1"
SHOWN = 12
HARD = 0.1  # share of doubtful labels above which classes overlap (docs/notebook.md, 2026-11-22)
Facts = Mapping[str, Any]


def read_explanation(run: RunFolder, candidate: str | None = None) -> dict[str, Any] | None:
    """The run's explanation; None when there is none, or it is of another candidate."""
    try:
        facts: dict[str, Any] = json.loads((run.path / EXPLANATION).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if facts.get("schema") != SCHEMA or candidate not in (None, facts.get("candidate")):
        return None
    return facts


def present_explanation(run: RunFolder, record: Record) -> dict[str, Any]:
    """The run's explanation where it is of the present winner, or says why it failed; else empty.

    A run that went on may have another winner than the one that was explained.
    """
    facts = read_explanation(run) or {}
    view = record.view
    best = None if view.champion is None else view.outcome(view.champion)
    if best is None or best.trial.brought:  # then the best of ours is shipped
        best = next((o for o in view.best(view.n_ranked()) if not o.trial.brought), None)
    present = None if best is None else best.trial.candidate.id
    return facts if facts.get("candidate") in ("", present) else {}


def explained_sections(run: RunFolder, record: Record) -> str:
    """The report's parts that explain the winner; what was not computed is named with its command.

    The importance of design choices comes from the record itself.
    """
    facts = present_explanation(run, record)
    parts = [
        _importance(facts.get("importance"), str(facts.get("metric", ""))),
        _dependence(facts.get("dependence") or ()),
        section("Would more data help?", _learning(facts.get("learning"))),
        section("Where the model does worst", _groups(facts.get("groups"), facts)),
        section(_doubtful_title(facts.get("doubtful")), _doubtful(facts.get("doubtful"), facts)),
        section("What the data hardly cover", _coverage(facts.get("coverage"), facts)),
        section("Which design choices mattered", _choices(record.view)),
        _skipped(facts, run),
    ]
    return "".join(parts)


def explained_lines(run: RunFolder, record: Record) -> list[str]:
    """The same in plain sentences, for the terminal."""
    facts = present_explanation(run, record)
    lines: list[str] = []
    importance = facts.get("importance")
    if importance:
        metric = facts["metric"]
        lines.append(f"Columns by how much {metric} suffers when they are shuffled, out of fold:")
        for row in importance["single"][:8]:
            lines.append(f"  {row['columns'][0]}: {_interval(row)}")
        lines += [
            f"  {' and '.join(g['columns'])} tell one another; together: {_interval(g)}"
            for g in importance["groups"][:5]
        ]
    if facts.get("learning"):
        lines.append(facts["learning"]["sentence"])
    lines += group_lines(facts.get("groups"), facts)
    lines += doubtful_lines(facts.get("doubtful"), facts)
    coverage = facts.get("coverage")
    if coverage:
        lines += [f"Thin: {line}." for kind in ("rare", "pairs", "ends") for line in
                  coverage[kind][:3]]  # fmt: skip
        lines += _lonely(coverage, facts)
    lines += choice_lines(record.view)
    if facts.get("skipped"):
        lines.append(f"Not computed: {', '.join(facts['skipped'])}; see 'explain --full'.")
    return lines


# -- columns -------------------------------------------------------------------------------------


def _interval(row: Facts) -> str:
    return f"{row['mean']:.4g}, 95 % interval {row['low']:.4g} to {row['high']:.4g}"


def _importance(found: Facts | None, metric: str) -> str:
    if not found:
        return ""
    rows = [(r["columns"][0], r["low"], r["mean"], r["high"]) for r in found["single"][:SHOWN]]
    finite = all(abs(value) != float("inf") for row in rows for value in row[1:])
    drawn = (
        intervals_picture(rows, f"loss of {metric}", zero=True)
        if finite
        else bars_picture([(row[0], row[2]) for row in rows], f"loss of {metric}")
    )
    where = f"{found['n_folds']} folds" if found["n_folds"] > 1 else "parts of one fold"
    times = "once" if found["repeats"] == 1 else f"{found['repeats']} times each"
    caption = (
        f"How much {metric} suffers on {found['n_rows']} rows that the models did not see, when a "
        f"column is shuffled ({times}); 95 % intervals over {where}. An interval that includes 0 "
        "may be chance."
    )
    told = [
        f"{', '.join(g['columns'])} tell one another: alone each may look unimportant; shuffled "
        f"together they cost {_interval(g)}."
        for g in found["groups"][:8]
    ]
    return section("What the model looks at", figure(drawn, caption) + bullets(told))


def _dependence(found: Sequence[Facts]) -> str:
    if not found:
        return ""
    drawn = "".join(dependence_picture(d) for d in found)
    caption = (
        f"The mean answer when a column takes other values, all else as it is, for "
        f"{found[0]['n_rows']} held-out rows. The band holds the middle four fifths of single "
        "rows, moved to one mean: where it is wide, the effect depends on other columns. Columns "
        "that go together in the data are torn apart here."
    )
    return section("How the answer changes", f'<div class="grid">{drawn}</div>'
                   + paragraph(caption, "soft"))  # fmt: skip


def _learning(found: Facts | None) -> str:
    if not found:
        return ""
    caption = (
        f"{found['metric']} of {found['family']} on growing shares of the training rows (mean of "
        f"{found['repeats']} folds), and the power law through them, drawn on to twice the rows."
    )
    picture = curve_picture(found)
    return paragraph(found["sentence"]) + figure(picture, caption)


# -- rows ----------------------------------------------------------------------------------------


def group_lines(found: Facts | None, facts: Facts) -> list[str]:
    """A sentence per group on which the model is worse than chance explains."""
    if not found:
        return []
    metric = facts["metric"]
    head = (
        f"{found['looked']} groups were looked at; {metric} of all rows is {found['overall']:.4g}"
    )
    if not found["groups"]:
        return [f"{head}, and no group is worse beyond chance."]
    lines = [
        f"{g['words']}: {metric} {g['score']:.4g}, interval {g['low']:.4g} to {g['high']:.4g}, "
        f"{g['n_rows']} rows."
        for g in found["groups"]
    ]
    return [f"{head}; worse beyond chance:", *(f"  {line}" for line in lines)]


def _groups(found: Facts | None, facts: Facts) -> str:
    lines = [line.strip() for line in group_lines(found, facts)]
    if not lines:
        return ""
    more = "Intervals hold for all groups at once (95 %). Predictions are out of fold."
    if facts["metric"] in ("roc_auc", "average_precision"):
        more += (
            " A ranking within a group cannot use what tells the groups apart, so that it is often "
            "lower than over all rows."
        )
    return paragraph(lines[0]) + bullets(lines[1:]) + paragraph(more, "soft")


def doubtful_lines(found: Facts | None, facts: Facts) -> list[str]:
    """How many labels look wrong, which, and where they stand."""
    if not found:
        return []
    n, rows = found["count"], found["rows"]
    if not n:
        return [f"No label of {found['n_rows']} rows looks wrong out of fold."]
    share = n / found["n_rows"]
    head = f"{n} of {found['n_rows']} rows ({share:.1%}) have a label that looks wrong"
    if "pairs" not in found:
        head = f"{n} of {found['n_rows']} rows ({share:.2%}) have a value far from all predictions"
    listed = ", ".join(map(str, rows[:15])) + (" ..." if len(rows) > 15 else "")
    if share > HARD:
        head += ", so many that the question is hard rather than the labels wrong"
    lines = [f"{head}; the clearest are data rows {listed} ({_counted(facts)})."]
    lines += [
        f"  called {a!r}, looks like {b!r}: {count}" for a, b, count in found.get("pairs", ())
    ]
    return lines


def _counted(facts: Facts) -> str:
    if facts.get("rows_dropped"):
        return "counted without the rows that were dropped"
    return "the first row is 1"


def _doubtful_title(found: Facts | None) -> str:
    return "Values that look wrong" if found and "pairs" not in found else "Labels that look wrong"


def _doubtful(found: Facts | None, facts: Facts) -> str:
    lines = [line.strip() for line in doubtful_lines(found, facts)]
    if not lines or found is None:
        return ""
    more = (
        "Candidates for a look, not errors: where classes overlap, rows on the wrong side look the "
        "same (confident learning, Northcutt et al. 2021)."
        if "pairs" in found
        else "Candidates for a look, not errors: more than six robust deviations from the "
        "prediction of models that did not see the row."
    )
    every = ", ".join(map(str, found["rows"]))
    rest = folded(f"The clearest {len(found['rows'])} row numbers", paragraph(every))
    tail = paragraph(more, "soft") + rest if found["count"] else ""
    return paragraph(lines[0]) + bullets(lines[1:]) + tail


def _lonely(found: Facts, facts: Facts) -> list[str]:
    if not found["n_lonely"]:
        return []
    listed = ", ".join(map(str, found["lonely"][:15]))
    more = " ..." if found["n_lonely"] > 15 else ""
    return [
        f"{found['n_lonely']} rows ({found['share_lonely']:.1%} of those looked at) lie far from "
        f"all others: data rows {listed}{more} ({_counted(facts)})."
    ]


def _coverage(found: Facts | None, facts: Facts) -> str:
    if not found:
        return ""
    lines = [*found["rare"], *found["pairs"], *found["ends"], *_lonely(found, facts)]
    if not lines:
        return paragraph("No rare category, empty combination, thin end or lonely row was found.")
    words = f"Of {found['n_rows']} rows; the model has hardly learned anything here:"
    return paragraph(words) + bullets(lines)


# -- choices -------------------------------------------------------------------------------------


def choice_lines(view: View) -> list[str]:
    """Which design choices mattered, in sentences; and why nothing is told of the others."""
    lines = []
    between = between_families(view)
    if between is not None:
        lines.append(
            f"Which family: {between[0]:.0%} of the variance of the scores of {between[1]} trials "
            "lies between families."
        )
    for family in important_choices(view):
        if family.refused:
            lines.append(f"{family.family}: not told, {family.refused}.")
            continue
        top = ", ".join(
            f"{c.name} {c.share:.0%} (± {2 * c.error:.0%}; best: {c.best})"
            for c in family.choices[:5]
            if c.share >= 0.01
        )
        lines.append(
            f"{family.family}, {family.n_trials} trials, explained {family.fit:.0%} of unseen "
            f"scores: {top}; several together {family.combined:.0%}."
        )
    return lines


def _choices(view: View) -> str:
    lines, body = [], ""
    between = between_families(view)
    if between is not None:
        body += paragraph(
            f"{between[0]:.0%} of the variance of the scores of {between[1]} trials lies between "
            "families."
        )
    for family in important_choices(view):
        if family.refused:
            lines.append(f"{family.family}: not told, {family.refused}.")
            continue
        rows = [
            {"choice": c.name, "share": f"{c.share:.0%}", "error": f"± {2 * c.error:.0%}",
             "best": c.best}
            for c in family.choices[:6]
        ]  # fmt: skip
        words = (
            f"{family.family}: {family.n_trials} trials; the choices explain {family.fit:.0%} of "
            f"the scores of trials not looked at, of which several together {family.combined:.0%}."
        )
        titles = {"choice": "choice", "share": "alone", "error": "", "best": "the best quarter had"}
        body += paragraph(words) + table(rows, titles)
    if not body and not lines:
        return ""
    note = (
        "Shares of the variance of the scores over the designs that were tried (functional ANOVA "
        "of a forest, Hutter et al. 2014)."
    )
    return body + bullets(lines) + (paragraph(note, "soft") if body else "")


def _skipped(facts: Facts, run: RunFolder) -> str:
    names = facts.get("skipped") or ([] if facts else ["importance of columns and much else"])
    if not names:
        return ""
    command = f"modelwright explain {run.path} --full"
    return paragraph(f"Not computed yet: {', '.join(names)}. '{command}' does it.", "soft")
