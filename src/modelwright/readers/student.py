"""What students cost and kept, from the rows: for the report and for `--json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome, View
from modelwright.readers.leaderboard import trivial_outcome
from modelwright.readers.page import bullets, paragraph, section, table
from modelwright.stats import paired_interval


def student_facts(record: Record) -> list[dict[str, Any]]:
    """One plain row per student, best first: see docs/json.md for the fields."""
    view = record.view
    found = [o for o in view.best(view.n_ranked()) if "student" in o.evidence.facts]
    taught = [o for o in found if o.evidence.facts["student"]["teach"]]
    return [_facts(view, outcome, _control(found, outcome)) for outcome in taught]


def _control(found: list[Outcome], student: Outcome) -> Outcome | None:
    """The control that a student was compared with: it is named by its out-of-fold answers, or has
    the same design and teacher."""
    own = json.loads(student.trial.candidate.document)
    told = own.get("control") or {}
    for outcome in found:
        if "control" not in own and not outcome.evidence.facts["student"]["teach"]:
            other = json.loads(outcome.trial.candidate.document)
            alike = ("design", "teacher", "thin")
            if all(other.get(name) == own.get(name) for name in alike):
                return outcome
            continue
        if outcome.evidence.artefacts.get("oof") == told.get("oof"):
            return outcome
    return None


def _facts(view: View, outcome: Outcome, control: Outcome | None) -> dict[str, Any]:
    evidence, metric = outcome.evidence, view.goals[0].metric
    told: Mapping[str, Any] = evidence.facts["student"]
    document = json.loads(outcome.trial.candidate.document)
    teacher = view.outcome(int(document["teacher"]["trial"]))
    scores = {} if teacher is None else teacher.evidence.scores
    return {
        "candidate": outcome.trial.candidate.id,
        "trial": outcome.trial.number,
        "family": str(evidence.facts.get("words") or document["design"]["type"]),
        "way": told.get("way"),
        "teacher": document["teacher"]["candidate"],
        "score": evidence.scores[metric],
        "teacher_score": scores.get(metric),
        "control_score": None if control is None else control.evidence.scores[metric],
        "kept": kept_gain(view, outcome, teacher),
        "within_limits": outcome.violation == 0,
        "latency_ms": evidence.scores.get("latency_ms"),
        "teacher_latency_ms": scores.get("latency_ms"),
        "size_kb": evidence.scores.get("size_kb"),
        "teacher_size_kb": scores.get("size_kb"),
        "seconds": evidence.seconds,
        "n_made": told["n_made"],
        "fidelity": dict(told["fidelity"]),
        "lost": dict(told["lost"]),
        "gain": told.get("gain") or _gain(view, outcome, control),
        "ece": told.get("ece"),
        "teacher_ece": told.get("teacher_ece"),
        "worst_group": told.get("worst_group"),
        "attribution": told.get("attribution"),
        "teacher_may_have_seen_rows": bool(told.get("teacher_may_have_seen_rows")),
    }


def _gain(view: View, student: Outcome, control: Outcome | None) -> dict[str, Any] | None:
    """What a teacher was worth: the control's loss less the student's, over common parts."""
    goal = view.goals[0]
    if control is None:
        return None
    parts = [
        [goal.loss(x) for x in o.evidence.folds.get(goal.metric, ())] for o in (control, student)
    ]
    gain = control.loss - student.loss
    if len(parts[0]) != len(parts[1]) or len(parts[0]) < 2:
        return {"estimate": gain, "folds": None, "rows": None}
    found = paired_interval(*parts, overlap=student.overlap)
    return {"estimate": gain, "folds": [found.low, found.high], "rows": None}


def kept_gain(view: View, student: Outcome, teacher: Outcome | None) -> float | None:
    """The share of the teacher's gain over the trivial baseline that a student has kept."""
    base = trivial_outcome(view)
    if base is None or teacher is None or not teacher.ok or not base.loss - teacher.loss > 0:
        return None
    return (base.loss - student.loss) / (base.loss - teacher.loss)


def student_section(record: Record) -> str:
    """The report's section on students; empty when there are none."""
    rows = student_facts(record)
    if not rows:
        return ""
    metric = record.view.goals[0].metric
    columns = {
        "family": "student", "score": metric, "control_score": "the same without a teacher",
        "teacher_score": "teacher", "kept_text": "gain kept", "latency_ms": "ms for one row",
        "size_kb": "kB", "attribution": "looks at the same columns",
    }  # fmt: skip
    if any(row["way"] for row in rows):
        columns["way"] = "learns by"
    shown = [{**row, "kept_text": _percent(row["kept"])} for row in rows]
    told = paragraph(
        "A student is a small model that learns from a better one, its teacher. Its control has "
        "the same design and size and learns from the true labels alone. Of what the teacher gains "
        "over a model that looks at no column, 'gain kept' is the student's share.",
        "soft",
    )
    lines = [*_lines(rows[0], metric), *_int8_lines(record)]
    return section("Students", told + table(shown, columns) + bullets(lines))


def _int8_lines(record: Record) -> list[str]:
    """What whole numbers of 8 bits brought, where they were tried."""
    found = {row["folder"]: row["int8"] for row in record.ships if "int8" in row}
    return [
        f"whole numbers of 8 bits for {folder}/model.onnx, {'kept' if told['kept'] else 'left'}: "
        f"{told['why']}"
        for folder, told in found.items()
    ]


def _lines(row: Mapping[str, Any], metric: str) -> list[str]:
    """The best student in words."""
    lines = [
        f"loss of {metric} against the teacher: {_difference(row['lost'])} (below 0 it is better)"
    ]
    if row["teacher_may_have_seen_rows"]:
        lines.append(
            "its teacher, your model, may have seen the rows that this was measured on: these "
            "figures may be too good"
        )
    if row["gain"] is not None:
        lines.append(f"gain of {metric} over its control: {_difference(row['gain'])}")
    fidelity = ", ".join(f"{k} {v:.4g}" for k, v in row["fidelity"].items())
    lines.append(f"fidelity to the teacher on rows neither was fitted on: {fidelity}")
    if row["ece"] is not None:
        lines.append(
            f"calibration error before calibration {row['ece']:.3g}, teacher "
            f"{row['teacher_ece']:.3g}"
        )
    worst = row["worst_group"]
    if worst is not None:
        lines.append(
            f"worst group: {worst['group']} ({worst['n_rows']} rows), {metric} "
            f"{worst['score']:.4g}, teacher {worst['teacher']:.4g}"
        )
    return lines


def _difference(told: Mapping[str, Any]) -> str:
    parts = [f"{told['estimate']:.4g}"]
    for name, bounds in (("folds", told["folds"]), ("rows", told["rows"])):
        if bounds is not None:
            parts.append(f"95 % interval over {name} {bounds[0]:.4g} to {bounds[1]:.4g}")
    return ", ".join(parts)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
