"""What a finished run can tell about its winner and its data: computed here, drawn by readers.

The result is plain data in the run's folder, `explanation.json` (docs/explain.md): counts, row
numbers, names of columns and categories, ranges. No row's values are in it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.record import Record
from modelwright.executors import default_slots
from modelwright.readers.explained import EXPLANATION, SCHEMA, read_explanation
from modelwright.readers.runs import RunFolder, settings_of
from modelwright.recipes.closing import winner
from modelwright.recipes.held_out import Subject, held_out_folds, out_of_fold, subject_of

if TYPE_CHECKING:
    from modelwright.models.held_out import Clock, HeldOut

QUICK_SECONDS, FULL_SECONDS = 2.0, 60.0  # bounds of the work at a build's end, and on demand
QUICK_ROWS, FULL_ROWS, MOST_ROWS = 1500, 6000, 50_000
TOP_COLUMNS, SHOWN_ROWS = 6, 100
SHARE = 0.4  # of the time that is left, for the importance of columns: it takes all it is given


def explain_quickly(run: RunFolder, record: Record, seconds: float) -> dict[str, Any] | None:
    """What fits into some seconds, at most two, at the end of a build; None without a winner.

    Never raises: a model was shipped already, and is worth more than its explanation.
    """
    try:
        return explain_winner(run, record, min(seconds, QUICK_SECONDS), full=False)
    except Exception as error:  # the build is done; what went wrong here is told in the report
        told = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        facts = {"schema": SCHEMA, "candidate": "", "full": False, "skipped": [told]}
        (run.path / EXPLANATION).write_text(json.dumps(facts), "utf-8")
        return None


def explain_winner(
    run: RunFolder, record: Record, seconds: float = FULL_SECONDS, full: bool = True
) -> dict[str, Any] | None:
    """Computes the parts of the explanation in order of use, writes and returns them.

    Parts for which `seconds` are too short are named in `skipped`. A run that has a full
    explanation of the same candidate keeps it unless another full one is asked for. Random in the
    run's seed. Raises InputError when the run's data are gone.
    """
    from modelwright.models.held_out import Clock

    outcome = winner(record.view)
    if outcome is None or "finish" not in outcome.evidence.facts:
        return None
    candidate = outcome.trial.candidate.id
    known = read_explanation(run, candidate)
    if known is not None and known.get("full") and not full:
        return known
    if not (run.path / "data" / "dev" / "part.json").exists():
        raise InputError(f"the run {run.name} has lost its data folder; build it again.")
    began = time.monotonic()
    done = subject_of(run, record, outcome)
    goal = record.view.goals[0]
    facts: dict[str, Any] = {
        "schema": SCHEMA, "candidate": candidate, "full": full, "metric": goal.metric,
        "direction": goal.direction, "rows_dropped": _dropped(record), "skipped": [],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        _compute(done, run, facts, Clock(seconds), Path(folder))
    facts["seconds"] = round(time.monotonic() - began, 3)
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
    (run.path / EXPLANATION).write_text(text + "\n", "utf-8")
    made: dict[str, Any] = json.loads(text)
    return made


def _dropped(record: Record) -> bool:
    """Whether rows of the file were left out before they were numbered, by the plan's notes."""
    notes = settings_of(record).get("notes", ())
    return any("dropped" in note and "test rows" not in note for note in notes)


def _compute(
    done: Subject, run: RunFolder, facts: dict[str, Any], clock: Clock, folder: Path
) -> None:
    key = Key.of(done.record.settings["problem"]["seed"]).child("explain")
    full = bool(facts["full"])
    folds: list[HeldOut] = []

    def importance() -> Any:
        folds.extend(_folds(done, folder, full, key))
        return _importance(done, folds, key, clock, full)

    def dependence() -> Any:
        top = [i["columns"][0] for i in (facts.get("importance") or {}).get("single", [])]
        return _dependence(done, folds, top[:TOP_COLUMNS], clock)

    def covered() -> Any:
        top = [i["columns"][0] for i in (facts.get("importance") or {}).get("single", [])]
        return _coverage(done, top, key)

    parts: list[tuple[str, str, Callable[[], Any]]] = [
        ("doubtful", "doubtful labels", lambda: _doubtful(done)),
        ("groups", "worst groups", lambda: _groups(done, key, full)),
        ("importance", "importance of columns", importance),
        ("dependence", "partial dependence", dependence),
        ("coverage", "what the data hardly cover", covered),
    ]
    if full:
        dev = run.path / "data" / "dev"
        parts.append(("learning", "would more data help", lambda: _learning(done, dev, clock)))
    for name, words, compute in parts:
        made = None if clock.over else compute()
        if made is None:
            facts["skipped"].append(words)
        else:
            facts[name] = made
    if not full:
        facts["skipped"].append("would more data help")


def _folds(done: Subject, folder: Path, full: bool, key: Key) -> Sequence[HeldOut]:
    return held_out_folds(done, folder, FULL_ROWS if full else QUICK_ROWS, key.child("rows"))


def _importance(done: Subject, folds: Sequence[HeldOut], key: Key, clock: Clock, full: bool) -> Any:
    from modelwright.models.held_out import Clock
    from modelwright.models.importance import permutation_importance

    if not folds:
        return None
    overlap = float(done.outcome.evidence.facts.get("overlap", 0.25))
    found = permutation_importance(
        folds, done.judge, key.child("importance"), 10 if full else 2,
        Clock(None if clock.left is None else SHARE * clock.left), overlap,
    )  # fmt: skip
    return None if found is None else asdict(found)


def _dependence(done: Subject, folds: Sequence[HeldOut], top: list[str], clock: Clock) -> Any:
    from modelwright.models.dependence import partial_dependence

    if not folds or not top:
        return None
    return [asdict(d) for d in partial_dependence(folds, done.judge, top, clock)] or None


def _doubtful(done: Subject) -> Any:
    import numpy as np

    from modelwright.models.doubtful_labels import doubtful_labels, doubtful_values

    found = out_of_fold(done)
    if found is None:
        return None
    rows, out = found
    y = np.asarray(done.part.y)[rows]
    if done.schema.task == "regression":
        told = doubtful_values(y, out)
    else:
        told = doubtful_labels(y, out, done.schema.classes)
    numbers = np.asarray(done.part.rows)[rows[told.rows[:SHOWN_ROWS]]]
    facts: dict[str, Any] = {
        "count": len(told.rows), "n_rows": told.n_rows, "rows": [int(r) + 1 for r in numbers],
    }  # fmt: skip
    if done.schema.task != "regression":
        facts["estimated"] = told.estimated
        facts["pairs"] = [list(pair) for pair in told.pairs[:10]]
    return facts


def _groups(done: Subject, key: Key, full: bool) -> Any:
    import numpy as np

    from modelwright.models.groups import worst_groups
    from modelwright.models.held_out import HeldOut

    found = out_of_fold(done)
    if found is None:
        return None
    rows, out = found
    limit = 50_000 if full else 4_000
    if len(rows) > limit:
        rng = np.random.default_rng(key.child("groups").seed(128))
        chosen = np.sort(rng.choice(len(rows), limit, replace=False))
        rows, out = rows[chosen], out[chosen]
    fold = HeldOut(
        lambda _: out, done.part.features.take(rows), np.asarray(done.part.y)[rows], rows,
        done.weights(rows),
    )  # fmt: skip
    return asdict(worst_groups(fold, out, done.judge, key.child("groups")))


def _coverage(done: Subject, top: list[str], key: Key) -> Any:
    import numpy as np

    from modelwright.models.sparse import coverage

    names = top or [c.name for c in done.schema.columns if c.kind != "text"]
    n = len(done.part)
    rows = np.arange(n)
    if n > MOST_ROWS:
        rng = np.random.default_rng(key.child("covered").seed(128))
        rows = np.sort(rng.choice(n, MOST_ROWS, replace=False))
    features = done.part.features.take(rows)
    found = coverage(features, done.schema, names, key.child("coverage"))
    numbers = np.asarray(done.part.rows)[rows[found.lonely[:SHOWN_ROWS]]]
    return {
        "rare": list(found.rare[:10]), "pairs": list(found.pairs[:10]),
        "ends": list(found.ends[:10]), "lonely": [int(r) + 1 for r in numbers],
        "n_rows": len(rows), "n_lonely": len(found.lonely), "share_lonely": found.share_lonely,
    }  # fmt: skip


def _learning(done: Subject, data: Path, clock: Clock) -> Any:

    from modelwright.recipes.learning import learning_facts

    facts = learning_facts(done, data, clock, default_slots())
    return facts if facts["sentence"] else None
