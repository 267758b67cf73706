"""What a run took: energy, counted where something counts and else estimated, and money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Energy, Outcome


def energy_account(record: Record) -> dict[str, Any]:
    """Joules of all trials together, and how they are known (docs/json.md).

    A trial whose processor's energy was not counted is estimated by its processor seconds times the
    power of one busy core, `--power-watts`. One that left neither (it was killed) is taken to have
    kept its slot's core busy. Reading the data, the supervisor and shipping are not in it.
    """
    spent, watts = record.view.energy, record.view.brief.watts
    estimated = (spent.uncounted_cpu + spent.slot_seconds) * watts
    return {
        "joules": round(spent.counted + estimated, 3),
        "measured_joules": round(spent.counted, 3),
        "accelerator_joules": round(spent.accelerator, 3),
        "estimated_joules": round(estimated, 3),
        "limit_joules": record.view.budget.energy_joules,
        "method": _method(record, estimated),
        "cpu_seconds": round(spent.cpu_seconds, 3),
        "watts_per_core": watts,
        "trials_unknown": spent.unknown,
    }


def _method(record: Record, estimated: float) -> str:
    spent, words = record.view.energy, []
    if spent.counted > spent.accelerator:
        words.append("measured by the processor's counters (RAPL), shared out by processor time")
    if spent.accelerator:
        words.append("measured by the graphics card's counter (NVML)")
    if estimated or not words:
        watts = record.view.brief.watts
        words.append(f"estimated as processor seconds times {watts:g} W for a busy core")
    if spent.cards_unmeasured:
        words.append(f"the graphics card of {spent.cards_unmeasured} trials was not measured")
    return "; in part ".join(words)


def energy_words(account: Mapping[str, Any]) -> str:
    """The account as a sentence without its end.

    >>> energy_words({"joules": 7200.0, "method": "estimated", "trials_unknown": 0})
    '7,200 J (2 Wh) for all trials, estimated'
    """
    joules, unknown = account["joules"], account["trials_unknown"]
    more = f"; {unknown} were killed and left but their time" if unknown else ""
    told = f"{joules:,.0f}" if joules >= 10 else f"{joules:.2g}"
    limit = account.get("limit_joules")
    of = "" if limit is None else f" of {limit:,.0f} J"
    return f"{told} J{of} ({joules / 3600:.3g} Wh) for all trials, {account['method']}{more}"


def cost_account(record: Record) -> dict[str, Any]:
    """What the run cost in money so far: its time at the price of an hour, all sessions together.

    `money` is None where nobody told a price (`--price-per-hour`, or `[cost]` of the policy).
    """
    terms, cap = record.policy.get("cost", {}), record.policy.get("max_money")
    price = terms.get("per_hour")
    money = None if price is None else round(price * record.view.elapsed / 3600, 6)
    currency = None if price is None else terms.get("currency")
    return {"money": money, "currency": currency, "per_hour": price, "limit_money": cap,
            "hours": round(record.view.elapsed / 3600, 6)}  # fmt: skip


def cost_words(account: Mapping[str, Any]) -> str:
    """The cost as a sentence without its end.

    >>> cost_words({"money": 0.034, "currency": "EUR", "per_hour": 0.4, "limit_money": 2.0,
    ...             "hours": 0.085})
    '0.03 EUR of 2 EUR, for 5 minutes at 0.4 EUR an hour'
    """
    if account["money"] is None:
        return "not counted: no price per hour was told"
    name, limit = account["currency"], account["limit_money"]
    of = "" if limit is None else f" of {limit:g} {name}"
    told = f"{account['money']:.2f}" if account["money"] >= 0.01 else f"{account['money']:.2g}"
    time = f"{60 * account['hours']:.0f} minutes"
    return f"{told} {name}{of}, for {time} at {account['per_hour']:g} {name} an hour"


def trial_cost(record: Record, outcome: Outcome) -> str:
    """What one trial took of time and energy, in words.

    Joules are counted where something counted them, and else estimated, which is said.
    """
    evidence, watts = outcome.evidence, record.view.brief.watts
    time = "an unknown time" if evidence.seconds is None else f"{evidence.seconds:.3g} s"
    one = Energy()
    one.add(evidence)
    joules = one.counted + one.uncounted_cpu * watts
    if not joules:
        return f"{time}; its energy is not known"
    how = "measured" if not one.uncounted_cpu else "estimated" if not one.counted else "in part"
    how = "measured in part, else estimated" if how == "in part" else how
    return f"{time} and {joules:.3g} J ({how})"
