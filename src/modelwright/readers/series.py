"""The report's parts on forecasts: what comes next, the last horizon, the naive, the steps."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from modelwright.core.record import Record
from modelwright.readers.leaderboard import leaderboard, trivial_outcome
from modelwright.readers.page import figure, paragraph, section, table
from modelwright.readers.runs import RunFolder
from modelwright.readers.svg import forecast_picture, steps_picture
from modelwright.stats import paired_interval

SHOWN, SCHEMA = "forecasts.json", "modelwright.forecasts/2"
MEANING = {
    "mase": "mean absolute error; 1 is that of last season again in the history",
    "wql": "loss of the quantiles 0.1 to 0.9, as a share of the values",
    "smape": "symmetric percentage error, 0 to 2",
    "rmse": "root of the mean squared error, in units of the target",
    "mae": "mean absolute error, in units of the target",
}
METRICS = tuple(MEANING)
LINES = ("prediction", "low", "high", "lowest", "highest")


def series_sections(run: RunFolder, record: Record) -> str:
    """The forecast, the newest horizon beside what came, the naive beside it, steps, families."""
    try:
        facts: dict[str, Any] = json.loads((run.path / SHOWN).read_text("utf-8"))
    except (OSError, ValueError):
        facts = {}
    if facts.get("schema") != SCHEMA:
        return _against_naive(record) + _families(record)
    return _pictures(facts) + _against_naive(record) + _by_step(facts) + _families(record)


def _pictures(facts: dict[str, Any]) -> str:
    n, step = facts["horizon"], facts["step"]
    ahead = _drawn(facts["ahead"], f"The next {n} steps of one {step}")
    if facts["sealed"]:
        told = (
            f"The sealed last {n} steps, forecast by the models of the newest windows, which saw "
            "nothing of them"
        )
    else:
        told = "The newest window of validation, forecast by a model that saw nothing of it"
    past = _drawn(facts["past"], told)
    if len(facts["past"]) > 1:
        past += paragraph("Series of small, middle and large error are drawn.", "soft")
    return section("The forecast", ahead) + section("The last horizon and what came", past)


def _drawn(pictures: Sequence[dict[str, Any]], told: str) -> str:
    found = []
    for one in pictures:
        lines = {name: _numbers(one[name]) for name in LINES}
        times = [(int(place), str(words)) for place, words in one["times"]]
        name = "" if one["series"] is None else f"{one['series']}: "
        picture = forecast_picture(
            _numbers(one["history"]), _numbers(one["came"]), lines, times,
            f"forecast of {one['series'] or 'the series'}",
        )  # fmt: skip
        found.append(figure(picture, f"{name}{told[:1].lower() if name else told[:1]}{told[1:]}."))
    return "".join(found)


def _against_naive(record: Record) -> str:
    """Each metric beside that of last season again, with the interval of the difference."""
    number, base = record.view.champion, trivial_outcome(record.view)
    if number is None or base is None:
        return ""
    best = record.view.outcome(number)
    assert best is not None, "a champion is an outcome"
    metric = record.view.goals[0].metric
    mine, other = best.evidence.folds.get(metric, ()), base.evidence.folds.get(metric, ())
    rows = []
    for name in METRICS:
        pair = best.evidence.scores.get(name), base.evidence.scores.get(name)
        if None in pair:
            continue
        a, b = float(pair[0] or 0.0), float(pair[1] or 0.0)
        rows.append({
            "metric": name, "what": MEANING[name], "mine": a, "naive": b,
            "ratio": a / b if b else None,
        })  # fmt: skip
    titles = {"metric": "metric", "what": "what it is", "mine": "this model",
              "naive": "last season again", "ratio": "ratio"}  # fmt: skip
    told = ""
    if len(mine) == len(other) and len(mine) > 1 and best is not base:
        found = paired_interval(other, mine, overlap=best.overlap)
        wins = sum(a < b for a, b in zip(mine, other, strict=True))
        alone = len(mine) == best.evidence.facts.get("n_windows")
        of = "windows" if alone else "parts of windows and series"
        told = paragraph(
            f"On the same windows of the past {metric} is {found.estimate:.4g} lower than last "
            f"season again (95 % interval {found.low:.4g} to {found.high:.4g}); it is lower in "
            f"{wins} of {len(mine)} {of}."
        )
    return section("Beside the naive forecast", table(rows, titles) + told)


def _by_step(facts: dict[str, Any]) -> str:
    mine = _numbers(facts["by_step"])
    other = None if facts["by_step_trivial"] is None else _numbers(facts["by_step_trivial"])
    across = f"steps ahead, of one {facts['step']}"
    picture = steps_picture(mine, other, across, ("this model", "last season again"))
    caption = (
        "Mean absolute error by step ahead, in units of the seasonal naive's error in the history, "
        f"over {facts['windows']} windows of the past."
    )
    titles = {"steps": "steps ahead", "error": "error", "naive": "last season again",
              "held80": "80 % intervals held", "held95": "95 % intervals held"}  # fmt: skip
    rows = [
        {k: f"{v:.0%}" if k.startswith("held") and v is not None else v for k, v in row.items()}
        for row in facts["steps"]
    ]
    return section("Error by step ahead", figure(picture, caption) + table(rows, titles))


def _families(record: Record) -> str:
    rows: dict[str, dict[str, Any]] = {}
    for row in leaderboard(record.view):  # best first, so the first of a family is its best
        name = row["family"] or row["role"]
        if row["role"] == "blend":
            name = "ensemble"
        scores = {m: row["scores"].get(m) for m in METRICS}
        known = rows.setdefault(name, {"family": name, **scores, "trials": 0})
        known["trials"] += 1
    titles = {"family": "family", **{m: m for m in METRICS}, "trials": "trials"}
    return section("The best of each family", table(list(rows.values()), titles))


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if v is None else float(v) for v in values]
