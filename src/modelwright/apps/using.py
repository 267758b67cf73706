"""Commands that use a model: predict, ship."""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from modelwright.apps.words import emit_json, note, say, writing
from modelwright.core.cells import safe_cell
from modelwright.core.errors import InputError, NoModelError
from modelwright.readers.explain import find_outcome
from modelwright.readers.runs import LEDGER, find_run, record_of, study_of

# Kind of model, where it is no table -> what answers `predict`: a function of the loaded model and
# of the command's file, out and as_json.
PREDICTS: Mapping[str, str] = {
    "network": "modelwright.apps.answering:predict",
    "series": "modelwright.apps.forecasting:forecast",
}
# Kind of problem, where it is no table -> the module whose `ship_candidate` writes a chosen one.
SHIPS: Mapping[str, str] = {
    "network": "modelwright.recipes.network_ship",
    "series": "modelwright.recipes.series_ship",
}
CONFIDENCE = 0.8  # --abstain leaves rows to a person below this share of the likeliest class


def model_folder(name: str, workspace: str) -> Path:
    """The bundle that a folder or a run's name stands for.

    Raises NoModelError when it has none, RefusedError when it, or its data, was recalled.
    """
    from modelwright.recipes.recalling import check_model

    if (Path(name) / "manifest.json").exists():
        check_model(Path(name), workspace)
        return Path(name)
    if Path(name).is_dir() and not (Path(name) / LEDGER).exists():
        raise InputError(f"the folder {name!r} holds no model: it has no manifest.json.")
    run = find_run(name, workspace)
    if not run.model_path.exists():
        raise NoModelError(
            f"the run {run.name} has no model yet; 'modelwright status {run.name}' says why."
        )
    check_model(run.model_path, workspace)
    return run.model_path


def predict(
    model: str,
    file: str | None,
    out: str | None,
    abstain: bool,
    strict: bool,
    workspace: str,
    as_json: bool,
    explain: bool = False,
    coverage: float | None = None,
    confidence: str | None = None,
) -> int:
    """Writes one line per row: the answer, its shares, whether it is left to a person, flags.

    With `explain` also what each column adds to the answer, with `coverage` an interval or a set.
    `confidence` says how sure an answer has to be, or `auto`; it implies `abstain`.
    """
    from modelwright.models import load_model

    loaded = load_model(model_folder(model, workspace))
    if loaded.kind in PREDICTS:
        of_rows = {"--abstain": abstain, "--explain": explain, "--coverage": coverage is not None,
                   "--confidence": confidence is not None, "--strict": strict}  # fmt: skip
        for flag in (name for name, given in of_rows.items() if given):
            raise InputError(f"{flag} goes with models of tables; this one is a {loaded.kind}.")
        module, _, name = PREDICTS[loaded.kind].partition(":")
        return int(getattr(import_module(module), name)(loaded, file, out, as_json))
    if file is None:
        raise InputError("name the file whose rows are to be predicted.")
    with tempfile.TemporaryDirectory() as folder:  # a hostile file cannot take this process down
        given, comma, said = _rows_of(loaded, file, Path(folder))
        abstain = abstain or confidence is not None
        sure = _confidence(loaded, confidence) if abstain else None
        answers = loaded.answer(given, sure, comma, coverage)
        why = loaded.explain(given, comma=comma) if explain else []
    for line in (*said, *answers.notes):
        note(f"  - {line}")
    rows = [answer_row(loaded, answers, i) for i in range(len(answers.values))]
    for row, attribution in zip(rows, why, strict=False):
        row["explanation"] = attribution.to_json()
    flagged = sum(bool(row["flags"]) for row in rows)
    left = int(answers.left.sum())
    if as_json:
        emit_json({"schema": "modelwright.predict/1", "rows": rows, "flagged": flagged,
                   "left": left})  # fmt: skip
    elif out is None:
        _write(rows, sys.stdout)
    if out is not None:
        with writing(out), Path(out).open("w", newline="", encoding="utf-8") as lines:
            _write(rows, lines)
        (note if as_json else say)(f"{len(rows)} rows written to {out}")
    if flagged:
        note(f"{flagged} of {len(rows)} rows are flagged: see the column 'flags'")
    if abstain:
        note(f"{left} of {len(rows)} rows are left to a person")
    return 2 if strict and flagged else 0


def _rows_of(model: Any, file: str, folder: Path) -> tuple[Any, bool | None, tuple[str, ...]]:
    """The rows (or wide series) of a file, whether commas are decimal, and what was assumed."""
    from modelwright.data import read_rows_limited
    from modelwright.data.labelled_series import wide_inputs

    if model.front is not None and file.lower().endswith(".npz"):
        return wide_inputs(Path(file)), None, ()
    raw = read_rows_limited(file, folder, tuple(c.name for c in model.row_schema.columns))
    return raw.frame, raw.comma, raw.notes


def _confidence(model: Any, text: str | None) -> Any:
    """What `--confidence` says; without it `auto` where the cost of asking is known, else 0.8."""
    if text is None:
        rule = model.finish.abstention
        return CONFIDENCE if rule is None or rule.threshold is None else "auto"
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(f"a confidence is a number from 0 to 1, or auto; got {text!r}.") from None


def answer_row(model: Any, answers: Any, i: int) -> dict[str, Any]:
    """The answer to row number `i` of some answers as plain data: its number from 1, or series."""
    value, left = answers.values[i], bool(answers.left[i])
    shares = None
    if answers.shares is not None:
        named = zip(model.classes, answers.shares[i], strict=True)
        shares = {str(label): round(float(share), 6) for label, share in named}
    more: dict[str, Any] = {}
    if answers.intervals is not None:
        more["interval"] = [float(end) for end in answers.intervals[i]]
    if answers.sets is not None:
        more["set"] = list(answers.sets[i])
    return {
        **({"series": answers.names[i]} if answers.names else {"row": i + 1}),
        "prediction": None if left else value.item() if hasattr(value, "item") else value,
        "shares": shares,
        **more,
        "left_to_person": left,
        "flags": list(answers.flags[i]),
    }


def _write(rows: list[dict[str, Any]], out: TextIO) -> None:
    """The rows as CSV: a column per class, flags joined, nothing as prediction where left."""
    if not rows:
        return
    flat = []
    for row in rows:
        shares = {f"share_{label}": share for label, share in (row["shares"] or {}).items()}
        about: dict[str, Any] = {key: row[key] for key in ("series", "row") if key in row}
        flat.append({
            **about,
            "prediction": "" if row["prediction"] is None else row["prediction"],
            **shares,
            **_sure(row),
            "left_to_person": "yes" if row["left_to_person"] else "no",
            "flags": "; ".join(row["flags"]),
            **_explained(row.get("explanation")),
        })  # fmt: skip
    writer = csv.DictWriter(out, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: safe_cell(cell) for name, cell in row.items()} for row in flat)


def _sure(row: Mapping[str, Any]) -> dict[str, Any]:
    """An interval as two columns, a set as one."""
    if "interval" in row:
        return {"low": row["interval"][0], "high": row["interval"][1]}
    return {"set": " | ".join(map(str, row["set"]))} if "set" in row else {}


def _explained(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """An attribution as columns of a line: the base, and what each column adds to it."""
    if found is None:
        return {}
    about = {"explained": f"{found['scale']} {found['label']}".strip(), "base": found["base"]}
    parts = sorted(found["parts"], key=lambda part: str(part["column"]))
    return about | {f"adds_{part['column']}": round(part["adds"], 6) for part in parts}


def ship(
    name: str | None, candidate: str | None, out: str | None, workspace: str, as_json: bool
) -> int:
    """Writes the model of a candidate, by default the winner's, into a new folder."""
    from modelwright.ledger import open_ledger
    from modelwright.models.bundle import read_card
    from modelwright.models.portable import told_of
    from modelwright.policy import in_force
    from modelwright.recipes.closing import winner

    run = find_run(name, workspace)
    ledger = open_ledger(run.ledger_path, create=False)
    try:
        record = record_of(ledger, study_of(ledger))
        view = record.view
        chosen = winner(view) if candidate is None else find_outcome(view, candidate)
        if chosen is None:
            raise NoModelError(f"the run {run.name} has no candidate to ship: {record.reason}.")
        if not chosen.ok:
            raise InputError(f"candidate {chosen.trial.candidate.id} failed; choose another.")
        where = Path(out) if out else run.path / f"model-{chosen.trial.candidate.id[:8]}"
        rules = in_force(record)
        kind = record.settings["problem"]["kind"]
        shipper = import_module(SHIPS.get(kind, "modelwright.recipes.ship"))
        with writing(where):
            shipped = shipper.ship_candidate(run, record, ledger, rules, chosen, where)
    finally:
        ledger.close()
    card = read_card(shipped.path)
    facts: Mapping[str, Any] = {
        "schema": "modelwright.ship/2",
        "model": str(shipped.path),
        "candidate": shipped.candidate,
        "fitted_on": shipped.rows,
        "within_limits": chosen.violation == 0,
        "contains_training_rows": bool(card.get("contains_training_rows", False)),
        "onnx": bool(card.get("onnx", {}).get("written", False)),
    }
    if as_json:
        emit_json(facts)
        return 0
    say(f"{shipped.path}: candidate {shipped.candidate}, fitted on {shipped.rows}")
    for line in told_of(card):
        say(f"  - {line}")
    if chosen.violation > 0:
        note("this candidate is outside the limits of the run")
    return 0
