"""How sure the shipped model is: coverage, what abstaining brings, the threshold's interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelwright.core.record import Record
from modelwright.readers.page import figure, folded, paragraph, section, table
from modelwright.readers.runs import RunFolder
from modelwright.readers.svg import line_picture

RULES = {
    "least": "smallest sets",
    "adaptive": "larger where unsure",
    "by_class": "kept for each class",
}


def sure_facts(run: RunFolder, record: Record) -> Mapping[str, Any]:
    """What the last `ship` row of the run's own model says of it; empty when there is none."""
    rows = [row for row in record.ships if row.get("folder") == run.model_path.name]
    facts: Mapping[str, Any] = rows[-1].get("sure", {}) if rows else {}
    return facts


def sure_sections(run: RunFolder, record: Record) -> str:
    """The report's parts on coverage, on leaving rows to a person, and on the threshold."""
    facts = sure_facts(run, record)
    return _coverage(facts) + _abstention(facts) + _threshold(facts)


def _coverage(facts: Mapping[str, Any]) -> str:
    found = facts.get("coverage")
    if not found or not found["levels"]:
        return ""
    rules = found.get("rules") or {"": found["levels"]}
    rows = [
        {
            "rule": RULES.get(rule, ""),
            "coverage": f"{level['coverage']:.0%}",
            "measured": f"{level['measured']:.1%} ± {level['error']:.1%}",
            "size": level["size"],
        }
        for rule, levels in sorted(rules.items(), key=lambda x: list(RULES).index(x[0] or "least"))
        for level in levels
    ]
    size = "mean width" if found["kind"] == "intervals" else "mean number of classes"
    columns = {"coverage": "asked for", "measured": "rows held out that it held", "size": size}
    if found["kind"] == "sets":
        columns = {"rule": "rule", **columns}
    told = found["sentence"]
    shape = ""
    if found["kind"] == "intervals" and (found["two_sided"] or found["scaled"]):
        kinds = [
            text
            for text, is_so in (
                ("they are wider where errors are larger", found["scaled"]),
                ("their two sides differ", found["two_sided"]),
            )
            if is_so
        ]
        shape = paragraph(f"{', and '.join(kinds).capitalize()}.", "soft")
    title = "Intervals" if found["kind"] == "intervals" else "Sets of classes"
    command = paragraph("modelwright predict ... --coverage 0.9 adds them.", "soft")
    return section(title, paragraph(f"{told[:1].upper()}{told[1:]}") + shape + table(rows, columns)
                   + command)  # fmt: skip


def _abstention(facts: Mapping[str, Any]) -> str:
    found = facts.get("abstention")
    if not found or len(found["curve"]) < 2:
        return ""
    curve, ask = found["curve"], found.get("ask")
    points = [(point["answered"], point["risk"]) for point in curve]
    mark = None if ask is None else ask["answered"]
    picture = line_picture(points, "share of rows answered", found["risk"], mark)
    told = (
        f"{found['risk'].capitalize()} among the rows that are answered when the most doubtful "
        f"ones are left to a person; of rows held out."
    )
    body = figure(picture, told)
    if ask is not None:
        body += paragraph(
            f"When asking a person costs {ask['cost_of_asking']:g} a row, {ask['answered']:.0%} of "
            f"the rows are best answered: a row then costs {ask['mean_cost']:.4g} on average, and "
            f"{ask['mean_cost_answering_all']:.4g} when all are answered."
        )
    rows = [
        {
            "answered": f"{point['answered']:.0%}",
            "doubt": point["doubt"],
            "risk": point["risk"],
            "score": point["score"],
        }
        for point in curve
    ]
    columns = {"answered": "answered", "doubt": "doubt up to", "risk": found["risk"]}
    columns["score"] = found["metric"]
    body += folded("The curve as a table", table(rows, columns))
    return section("Leaving rows to a person", body)


def _threshold(facts: Mapping[str, Any]) -> str:
    found = facts.get("threshold")
    if not found:
        return ""
    told = (
        f"The positive class is answered from a share of {found['value']:.3g} on; chosen again on "
        f"rows drawn anew the threshold lies between {found['low']:.3g} and {found['high']:.3g} "
        f"(95 %)."
    )
    return section("The decision threshold", paragraph(told))
