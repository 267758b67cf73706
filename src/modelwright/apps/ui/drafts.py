"""What the page of a new problem shows: the file, what was understood of it, the question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.apps.ui.measures import amount, duration
from modelwright.models.limits import LIMITED
from modelwright.models.metrics import METRICS

KINDS = {
    "numeric": "numbers", "categorical": "categories", "boolean": "yes or no", "date": "dates",
    "text": "texts", "id": "names of rows", "constant": "one value",
}  # fmt: skip
POLICIES = {
    "laptop": "For you alone: all is allowed, nothing is asked.",
    "team": "A person agrees before a model is shipped; 8 hours at most, 0.40 EUR an hour.",
    "regulated": "For decisions about people: readable models only, purpose and rights stated, "
    "a person agrees to the plan, to each look at sealed rows and to shipping.",
}
BUDGETS = {"1m": "1 minute", "5m": "5 minutes", "15m": "15 minutes", "1h": "1 hour",
           "4h": "4 hours"}  # fmt: skip
TASKS = {"binary": "two classes", "multiclass": "several classes", "regression": "a number"}
SHOWN = 200  # columns that are listed
Shown = dict[str, Any]


def new(state: Mapping[str, Any] | None = None) -> Shown:
    """`new.html`: without an id the upload, else a draft as `starting.Drafts.state` has it.

    `step` is `upload`, `unusable` (the file cannot be read), `question`, or `starting` (the build
    runs and has no run to show yet).
    """
    told = dict(state or {})
    table = told.get("table")
    if not told.get("id"):
        step = "upload"
    elif told.get("waiting"):
        step = "starting"
    else:
        step = "question" if table else "unusable"
    fields: Mapping[str, Sequence[str]] = told.get("fields") or {}
    columns = [] if table is None else [_column(c) for c in table["columns"]]
    return {
        "step": step,
        "draft": str(told.get("id", "")),
        "file": str(told.get("file", "")),
        "size": _size(int(told.get("bytes", 0))),
        "most": _size(int(told.get("max_upload", 0))),
        "trouble": str(told.get("trouble", "")),
        "n_rows": 0 if table is None else int(table["n_rows"]),
        "columns": columns[:SHOWN],
        "n_columns": len(columns),
        "notes": [] if table is None else [str(note) for note in table["notes"]],
        "targets": [(c["name"],) * 2 for c in columns if c["kind"] not in ("constant", "id")],
        "names": [c["name"] for c in columns],
        "one": {name: (values[0] if values else "") for name, values in fields.items()},
        "many": {name: list(values) for name, values in fields.items()},
        "plan": None if told.get("plan") is None else _plan(told["plan"]),
        "command": str(told.get("command", "")),
        "policies": [{"name": p, "words": POLICIES.get(p, "")} for p in told.get("policies", ())],
        "budgets": BUDGETS,
        "tasks": TASKS,
        "metrics": [(name, name) for name in sorted(METRICS)],
        "limited": dict(LIMITED),
    }


def _column(column: Mapping[str, Any]) -> Shown:
    """One column in words: what it holds, how much is missing, the ends or the first values."""
    kind = str(column["kind"])
    low, high = column.get("low"), column.get("high")
    values = [str(value) for value in column.get("categories", ())[:4]]
    if kind == "numeric" and low is not None and high is not None:
        holds = f"{low:,.6g} to {high:,.6g}"
    else:
        more = ", …" if len(column.get("categories", ())) > 4 else ""
        holds = ", ".join(value[:24] for value in values) + more
    missing = float(column.get("missing", 0.0))
    return {
        "name": str(column["name"]),
        "kind": kind,
        "words": KINDS.get(kind, kind),
        "holds": holds,
        "missing": f"{missing:.1%}" if missing else "",
        "n_unique": int(column.get("n_unique", 0)),
        "note": str(column.get("note", "")),
    }


def _plan(plan: Mapping[str, Any]) -> Shown:
    """The dry run in rows: what would be done, what it may take, which gates fire."""
    rows, cost = plan["rows"], plan["cost"]
    facts = [
        ("task", TASKS.get(plan["task"], str(plan["task"]))),
        ("metric", str(plan["metric"])),
        ("rows", f"{rows['n_dev']:,} to learn and choose, {rows['n_sealed']:,} kept sealed"),
        ("families", ", ".join(plan["families"])),
        ("limits", ", ".join(plan["limits"]) or "none"),
        ("budget", str(plan["budget"])),
        ("trials, likely", _range(cost["trials"], "{:,}".format)),
        ("time", _range(cost["seconds"], duration)),
        ("energy, estimated", _range(cost["joules"], amount)),
    ]
    if cost["money"][1] is not None:
        facts.append(("money", f"up to {cost['money'][1]:.2f} {cost['currency']}"))
    words = {"ask": "", "refuse": "refused: "}
    gates = [f"{words.get(gate['word'], '')}{gate['reason']}" for gate in plan["gates"]]
    return {
        "facts": facts,
        "gates": gates,
        "policy": list(plan["policy"]),
        "notes": list(plan["notes"]),
        "word": str(plan["ruling"]["word"]),
        "reason": str(plan["ruling"]["reason"]),
    }


def _range(ends: Sequence[float | None], words: Any) -> str:
    low, high = ends
    if high is None:
        return "not known"
    if low is None or low == high:
        return f"{'up to ' if low is None else ''}{words(high)}"
    return f"{words(low)} to {words(high)}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.0f} MB" if n_bytes >= 1e7 else f"{n_bytes / 1e3:,.0f} kB"
