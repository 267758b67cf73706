"""The report's parts on forecasts: the last windows as pictures, the error by step ahead."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from typing import Any

from modelwright.core.record import Record
from modelwright.readers.leaderboard import leaderboard
from modelwright.readers.page import figure, paragraph, section, table
from modelwright.readers.runs import RunFolder
from modelwright.readers.svg import forecast_picture, steps_picture

SHOWN, SCHEMA = "forecasts.json", "modelwright.forecasts/1"
METRICS = ("mase", "wql", "smape", "rmse", "mae")


def series_sections(run: RunFolder, record: Record) -> str:
    """Forecasts of the newest window, the error by step ahead, and the best of each family."""
    try:
        facts: dict[str, Any] = json.loads((run.path / SHOWN).read_text("utf-8"))
    except (OSError, ValueError):
        facts = {}
    if facts.get("schema") != SCHEMA:
        return _families(record)
    return _pictures(facts) + _by_step(facts) + _families(record)


def _pictures(facts: dict[str, Any]) -> str:
    drawn = []
    for one in facts["pictures"]:
        picture = forecast_picture(
            _numbers(one["history"]), _numbers(one["came"]), _numbers(one["prediction"]),
            _numbers(one["low"]), _numbers(one["high"]), f"forecast of {one['series']}",
        )  # fmt: skip
        begins = _time(one["begins"], bool(facts.get("numbers")))
        caption = (
            f"{one['series']}: the newest window of validation, which begins at {begins}. "
            "Grey is what was known and what came, the line the forecast, the band its 80 % "
            "interval; both were made without the window."
        )
        drawn.append(figure(picture, caption))
    more = paragraph(
        f"Candidates were scored on {facts['windows']} such windows; series of small, middle and "
        "large error are drawn.",
        "soft",
    )
    return section("Forecasts", "".join(drawn) + more)


def _by_step(facts: dict[str, Any]) -> str:
    mine = _numbers(facts["by_step"])
    other = None if facts["by_step_trivial"] is None else _numbers(facts["by_step_trivial"])
    picture = steps_picture(mine, other, f"step ahead, in {facts['step']}s")
    caption = (
        "Mean absolute error by step ahead, in units of the seasonal naive's error in the history; "
        "the dashed line is the trivial baseline on the same windows."
    )
    return section("Error by step ahead", figure(picture, caption))


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


def _time(seconds: float, number: bool) -> str:
    if number:
        return f"{seconds:g}"
    began = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return str(began).removesuffix(" 00:00:00")
