"""A policy in words."""

from __future__ import annotations

from modelwright.policy import RulePolicy
from modelwright.policy.policy import ACTIONS, AUTONOMY, UNITS

LEVELS = {
    "act": "what is allowed is done",
    "ask": "a person agrees to what is looked at, shipped or changed",
    "suggest": "a person agrees to the plan, and to what is looked at, shipped or changed",
}


def policy_lines(policy: RulePolicy) -> list[str]:
    """What it says, a line for each thing; what it does not say is left out."""
    asked = [a for a in ACTIONS if a in policy.ask or a in AUTONOMY[policy.autonomy]]
    asked = [a for a in asked if a not in policy.refuse and a in (*policy.allow, *policy.ask)]
    allowed = [a for a in policy.allow if a not in (*asked, *policy.refuse)]
    caps = [f"{unit} {cap:,.10g}" for unit, cap in policy.caps.items()]
    if policy.max_generations is not None:
        caps.append(f"generations {policy.max_generations}")
    if policy.max_unread is not None:
        caps.append(f"unread promotions {policy.max_unread}")
    people = [
        f"{p.name} ({', '.join(p.roles)}{', revoked ' + p.revoked if p.revoked else ''})"
        for p in policy.roster.people
    ]
    data, cost = policy.data, policy.cost
    price = "" if cost.per_hour is None else f"{cost.per_hour:g} {cost.currency} an hour"
    least = cost.least_gain_per_hour
    gain = "" if least is None else f"stops where an hour brings less than {least:g} of the metric"
    above = [f"{unit} {policy.ask_above[unit]:,.10g}" for unit in (*UNITS, "step_seconds")
             if unit in policy.ask_above]  # fmt: skip
    told = {
        "allowed": ", ".join(allowed),
        "asked about": ", ".join(asked),
        "refused": ", ".join([*policy.refuse, "and all else"]),
        "autonomy": f"{policy.autonomy}: {LEVELS[policy.autonomy]}",
        "hard caps": ", ".join(caps),
        "asked above": ", ".join(above),
        "families": ", ".join(policy.families),
        "limits of every model": ", ".join(policy.limits),
        "purpose": data.purpose,
        "rights": data.rights,
        "to be stated of the data": ", ".join(data.must_state),
        "forbidden columns": ", ".join(data.forbid_columns),
        "cost": "; ".join(x for x in (price, gain) if x),
        "people": ", ".join(people),
        "requests stand for": f"{policy.expires_days:g} days" if policy.expires_days else "",
        "expires": policy.expires or "",
    }
    lines = [f"{name}: {words}" for name, words in told.items() if words]
    return [f"policy {policy.name!r}", *lines]
