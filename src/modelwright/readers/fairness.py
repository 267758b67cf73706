"""Fairness in words and tables: from a run's `fairness.json` for report, terminal and card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from modelwright.readers.page import bullets, folded, paragraph, section, table
from modelwright.readers.runs import RunFolder

FAIRNESS_FILE = "fairness.json"
NAMES = {
    "selection_rate": "positive answers", "tpr": "true positive rate", "fpr": "false positive rate",
    "calibration": "predicted less true share", "error": "wrong answers",
    "mean_error": "mean of prediction less truth", "mae": "mean size of error",
}  # fmt: skip
ROLES = {
    "chosen": "the chosen model", "plain": "the best plain model", "yours": "your present model",
    "student": "the student",
}  # fmt: skip


def read_fairness(run: RunFolder) -> dict[str, Any] | None:
    """What a run measured by group; None when it did not."""
    path = run.path / FAIRNESS_FILE
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def fairness_lines(facts: Mapping[str, Any]) -> list[str]:
    """The main sentences: gaps, limits, price, what was handed down."""
    names = ", ".join(p["column"] for p in facts["protected"])
    how = "models may look at them" if facts["as_input"] else "no model looks at them"
    few = f"groups with fewer than {facts['least_rows']} rows are left out"
    lines = [f"Compared by {names} ({how}); {few}."]
    for model in facts["models"]:
        worst = _largest(model["gaps"])
        told = f"{ROLES[model['role']].capitalize()} (trial {model['trial']}, {model['words']}): "
        told += worst or "no two groups are large enough to be compared"
        if facts["limits"]:
            broken = model["broken"]
            told += f"; outside of {', '.join(broken)}" if broken else "; within its limits"
        lines.append(told + ".")
    price = _price_line(facts)
    lines += [price] if price else []
    lines += [_inherited_line(pair) for pair in facts["inherited"]]
    return lines


def _largest(gaps: Mapping[str, Sequence[float]]) -> str:
    shown = ("selection_rate_gap", "equalized_odds_gap", "error_gap", "mean_error_gap", "mae_gap")
    return ", ".join(f"{name} {_number(gaps[name])}" for name in shown if name in gaps)


def _number(told: Sequence[float | None]) -> str:
    estimate, low, high = told
    if low is None or high is None:
        return f"{estimate:.3g}"
    return f"{estimate:.3g} [{low:.3g}, {high:.3g}]"


def _price_line(facts: Mapping[str, Any]) -> str:
    """What fairness cost in the metric, and in accuracy."""
    price = facts["price"]
    if price is None:
        return ""
    if price["chosen"] == price["plain"]:
        return "The chosen model is the best plain one: being within the limits costs nothing."
    parts = [f"{n} {_number(v)}" for n, v in price.items() if n not in ("chosen", "plain")]
    return (
        f"Beside the best plain model the chosen one changes {', '.join(parts) or 'nothing known'} "
        "(chosen less plain, paired by fold, 95 % interval): the price."
    )


def _inherited_line(pair: Mapping[str, Any]) -> str:
    """The group to which the child does worse than its parent, and gaps that grew."""
    name = "mae" if any("mae" in g for g in pair["groups"]) else "error"
    worse = [g for g in pair["groups"] if name in g]
    told = f"{pair['how'].capitalize()}, trial {pair['from']['trial']} to {pair['to']['trial']}: "
    if worse:
        worst = max(worse, key=lambda g: float(g[name][0]))
        sure = "beyond chance" if worst[name][1] > 0 else "within chance"
        told += (
            f"{NAMES[name]} change most in {worst['attribute']} {worst['group']}, by "
            f"{_number(worst[name])}, {sure}"
        )
    grown = sorted(n for n, by in pair["gaps"].items() if n.endswith("_gap") and by > 0.005)
    told += f"; grown: {', '.join(grown)}" if grown else "; no gap grew by over 0.005"
    tests = [f"{n} {a:.3g} to {b:.3g}" for n, (a, b) in pair["behaviour"].items()]
    return told + (f"; behaviour: {', '.join(tests)}." if tests else ".")


def fairness_section(run: RunFolder) -> str:
    """The report's section; empty for a run without protected columns."""
    facts = read_fairness(run)
    if facts is None:
        return ""
    parts = [bullets(facts["lines"])]
    for model in facts["models"]:
        title = f"{ROLES[model['role']]} (trial {model['trial']}) by group"
        parts.append(_table(title, model["groups"], model["role"] == "chosen"))
        if model["suppressed"] and model["role"] == "chosen":
            told = f"Left out, too few rows: {', '.join(model['suppressed'][:20])}."
            parts.append(paragraph(told, "soft"))
    for pair in facts["inherited"]:
        title = f"{pair['how']}, trial {pair['from']['trial']} to {pair['to']['trial']}: change"
        parts.append(_table(title, pair["groups"], False))
    return section("Fairness", "".join(parts))


def _table(title: str, groups: Sequence[Mapping[str, Any]], is_open: bool) -> str:
    rows, columns = group_rows(groups)
    drawn = table(rows, columns)
    head = f"<h3>{escape(title[:1].upper() + title[1:])}</h3>"
    return head + drawn if is_open else folded(title, drawn)


def group_rows(
    groups: Sequence[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of a table with an interval in each cell, and its columns with their headings."""
    measures = [name for name in NAMES if any(name in g for g in groups)]
    rows = [
        {"attribute": g["attribute"], "group": g["group"], "n_rows": g["n_rows"]}
        | {name: _number(g[name]) if name in g else "-" for name in measures}
        for g in groups
    ]
    columns = {"attribute": "by", "group": "group", "n_rows": "rows"}
    return rows, columns | {name: NAMES[name] for name in measures}
