"""What a run's trials took of energy: counted where the processor counts, else estimated."""

from __future__ import annotations

from typing import Any

from modelwright.core.record import Record
from modelwright.core.trial import WATTS_PER_CORE


def energy_account(record: Record) -> dict[str, Any]:
    """Joules of all trials together, and how they are known (docs/json.md).

    A trial whose energy was not counted is estimated by its processor seconds times the power of
    one busy core, `--power-watts`. One that left neither (it was killed) is only counted as such.
    Reading the data, the supervisor and shipping are not in it.
    """
    question = record.settings.get("problem", {}).get("about", {}).get("question", {})
    watts = float(question.get("power_watts") or WATTS_PER_CORE)
    measured = estimated = seconds = 0.0
    unknown = 0
    for outcome in record.view.finished:
        evidence = outcome.evidence
        seconds += evidence.cpu_seconds or 0.0
        if evidence.joules is not None:
            measured += evidence.joules
        elif evidence.cpu_seconds is not None:
            estimated += evidence.cpu_seconds * watts
        else:
            unknown += 1
    return {
        "joules": round(measured + estimated, 3),
        "measured_joules": round(measured, 3),
        "estimated_joules": round(estimated, 3),
        "method": _method(measured, estimated, watts),
        "cpu_seconds": round(seconds, 3),
        "watts_per_core": watts,
        "trials_unknown": unknown,
    }


def _method(measured: float, estimated: float, watts: float) -> str:
    words = []
    if measured:
        words.append("measured by the processor's counters (RAPL), shared out by processor time")
    if estimated or not measured:
        words.append(f"estimated as processor seconds times {watts:g} W for a busy core")
    return "; in part ".join(words)


def energy_words(account: dict[str, Any]) -> str:
    """The account as a sentence without its end.

    >>> energy_words({"joules": 7200.0, "method": "estimated", "trials_unknown": 0})
    '7,200 J (2 Wh) for all trials, estimated'
    """
    joules, unknown = account["joules"], account["trials_unknown"]
    more = f"; {unknown} trials left no figure" if unknown else ""
    told = f"{joules:,.0f}" if joules >= 10 else f"{joules:.2g}"
    return f"{told} J ({joules / 3600:.3g} Wh) for all trials, {account['method']}{more}"
