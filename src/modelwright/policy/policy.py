"""Rules as data: what is allowed, what is asked about, what may be spent, tried and used.

How a file says it is in `reading.py` and docs/policy.md; three that come along are beside this one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError
from modelwright.core.problem import Budget
from modelwright.core.record import Record, hard_caps
from modelwright.core.roles import Policy
from modelwright.core.trial import Action, Ruling
from modelwright.core.view import View
from modelwright.policy.roster import Roster
from modelwright.policy.terms import Cost, DataTerms

DESIGNED = ("search", "zero_cost")  # roles whose documents are designs of the space
ACTIONS = (
    "run", "evaluate", "promote", "blend", "refit", "student", "final", "look", "look_again",
    "replace", "ship", "policy", "code", "designer", "group_thresholds",
)  # fmt: skip
# A narrower action that a policy does not name is ruled like the wider one.
WIDER = {"look_again": "look", "replace": "ship"}
WRAPPERS = ("Reweighed", "Reduced", "Thresholded")  # families of designs around other designs
# What is asked about whatever the lists say, by the level of autonomy.
HANDED_OVER = ("look", "look_again", "replace", "ship", "policy", "code", "designer")
AUTONOMY: Mapping[str, tuple[str, ...]] = {
    "act": (), "ask": HANDED_OVER, "suggest": ("run", *HANDED_OVER),
}  # fmt: skip
UNITS = ("seconds", "trials", "bytes", "memory_bytes", "energy_joules", "money")


@dataclass(frozen=True)
class RulePolicy:
    """Rules on an action; when no rule speaks the answer is `refuse`.

    `allow`, `ask` and `refuse` name actions of `ACTIONS`; the stricter list wins, and `autonomy`
    (`act`, `ask`, `suggest`) asks beside them. `max_...` are hard caps of a run and `ask_above`
    asks beyond a number: of a run's budget by a unit of `UNITS`, of one step by `step_seconds`
    (None, or not named: no bound). `families` lists the model families that may be tried (empty:
    all), `limits` are limits of every problem, `max_generations` is how long a line of parents may
    be, and `max_unread` how many promotions nobody has read may come about before a run pauses.
    After the day `expires` (`2027-12-31`) nothing is begun, read or shipped; the caller of `rule`
    tells the day in `about["today"]`. What is asked stands for `expires_days`. Random: nothing.

    >>> LAPTOP.rule(Action("ship")).word
    'allow'
    >>> LAPTOP.rule(Action("deploy"))
    Ruling(word='refuse', reason="no rule of policy 'laptop' allows 'deploy'")
    """

    name: str = "laptop"
    allow: tuple[str, ...] = ACTIONS
    ask: tuple[str, ...] = ()
    max_seconds: float | None = None
    max_trials: int | None = None
    max_bytes: int | None = None
    families: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()
    max_memory_bytes: int | None = None
    max_energy_joules: float | None = None
    max_money: float | None = None
    max_generations: int | None = None
    max_unread: int | None = None
    ask_above: Mapping[str, float] = field(default_factory=dict)
    autonomy: str = "act"
    limits: tuple[str, ...] = ()
    expires: str | None = None
    data: DataTerms = DataTerms()
    cost: Cost = Cost()
    expires_days: float | None = None
    roster: Roster = Roster()

    def __post_init__(self) -> None:
        """Refuses what could not be ruled by, also where a row or a message brings it."""
        numbers = [getattr(self, name) for name in vars(self) if name.startswith("max_")]
        numbers += [self.expires_days, self.cost.per_hour, self.cost.least_gain_per_hour]
        for number in (*numbers, *self.ask_above.values()):
            whole = isinstance(number, (int, float)) and not isinstance(number, bool)
            if number is not None and not (whole and number > 0 and math.isfinite(number)):
                raise InputError(f"a policy's bounds are positive numbers; got {number!r}.")
        for names in (self.allow, self.ask, self.refuse, self.families, self.limits):
            if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
                raise InputError(f"a policy's lists are lists of names; got {names!r}.")
        if self.autonomy not in AUTONOMY:
            raise InputError(f"autonomy is one of {', '.join(AUTONOMY)}; got {self.autonomy!r}.")

    def rule(self, action: Action, view: View | None = None) -> Ruling:
        """Allow, ask or refuse, with the reason."""
        today = action.about.get("today")
        if self.expires is not None and today is not None and today > self.expires:
            return Ruling("refuse", f"policy {self.name!r} expired on {self.expires}")
        kind = self._named(action.kind)
        if kind == "promote" and kind not in (*self.allow, *self.ask, *self.refuse):
            return Ruling("allow", "what may be tried may be promoted")
        if kind in self.refuse:
            return Ruling("refuse", f"policy {self.name!r} refuses {action.kind!r}")
        if kind not in (*self.allow, *self.ask):
            return Ruling("refuse", f"no rule of policy {self.name!r} allows {action.kind!r}")
        ruling = self._rule_details(action)
        if ruling.word == "refuse":
            return ruling
        if kind in self.ask or action.kind in AUTONOMY[self.autonomy]:
            return Ruling("ask", f"policy {self.name!r} asks before {action.kind!r}")
        return ruling

    def _named(self, kind: str) -> str:
        said = (*self.allow, *self.ask, *self.refuse)
        return WIDER.get(kind, kind) if kind not in said else kind

    def _rule_details(self, action: Action) -> Ruling:
        about = action.about
        if action.kind == "run":
            return self._rule_budget(about)
        if action.kind == "evaluate":
            depth, most = about.get("generation", 0), self.max_generations
            if most is not None and depth > most:
                return Ruling("refuse", f"policy {self.name!r} stops at generation {most}")
            if self.families and about.get("role") in DESIGNED:
                ruling = self._rule_families(str(about.get("document", "null")))
                if ruling.word != "allow":
                    return ruling
        step, bound = about.get("step_seconds", 0.0), self.ask_above.get("step_seconds")
        if bound is not None and step > bound:
            return Ruling(
                "ask", f"policy {self.name!r} asks before a step of over {bound:g} s; this one "
                f"would take about {step:.3g} s",
            )  # fmt: skip
        return Ruling("allow", f"policy {self.name!r} allows {action.kind!r}")

    def _rule_budget(self, about: Mapping[str, Any]) -> Ruling:
        seconds = about.get("seconds")
        if "money" not in about and seconds is not None:
            about = {**about, "money": self.cost.money(seconds)}
        for unit, cap in self.caps.items():
            asked = about.get(unit)
            if asked is None or asked > cap:
                told = "no bound" if asked is None else f"{asked:g}"
                return Ruling(
                    "refuse", f"policy {self.name!r} caps {unit} at {cap:g}; asked for {told}"
                )
        for unit in UNITS:
            bound, asked = self.ask_above.get(unit), about.get(unit)
            if bound is not None and (asked is None or asked > bound):
                told = "no bound" if asked is None else f"{asked:g}"
                return Ruling("ask", f"policy {self.name!r} asks above {unit} {bound:g}; {told}")
        return Ruling("allow", f"within the caps of policy {self.name!r}")

    def _rule_families(self, document: str) -> Ruling:
        data = json.loads(document)
        # The outermost type is the family; a document without one must name allowed types only.
        outer = data.get("type") if isinstance(data, Mapping) else None
        if outer in WRAPPERS and outer not in self.families:  # what is inside is what is tried
            data = data["design"]
            outer = data.get("type")
        named = {outer} if isinstance(outer, str) else set(_types(data))
        if named and named <= set(self.families):
            return Ruling("allow", f"family allowed by policy {self.name!r}")
        shown = ", ".join(sorted(named)) or "no family"
        return Ruling(
            "refuse", f"policy {self.name!r} allows {', '.join(self.families)}; got {shown}"
        )

    @property
    def caps(self) -> dict[str, float]:
        """The hard caps that there are, by unit."""
        found = {unit: getattr(self, f"max_{unit}") for unit in UNITS}
        return {unit: cap for unit, cap in found.items() if cap is not None}

    def bounded(self, budget: Budget) -> Budget:
        """The budget, with what it leaves open bounded by the caps."""
        return budget.bounded(hard_caps(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the study's first row."""
        roster = {"roster": self.roster.to_json(), "ask_above": dict(self.ask_above)}
        terms = {"data": _listed(asdict(self.data)), "cost": asdict(self.cost)}
        return _listed(asdict(self)) | terms | roster

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RulePolicy:
        """The policy that `to_json` wrote; rows of older versions have fewer keys."""
        plain: dict[str, Any] = {k: _tupled(v) for k, v in data.items()}
        if "roster" in data:
            plain["roster"] = Roster.from_json(data["roster"])
        for name, terms in (("data", DataTerms), ("cost", Cost)):
            if name in data:
                plain[name] = terms(**{k: _tupled(v) for k, v in data[name].items()})
        return cls(**plain)

    @property
    def hash(self) -> str:
        """Identity of the rules, 64 hexadecimal characters."""
        return digest(self.to_json())


LAPTOP = RulePolicy()


def in_force(record: Record, begun_with: Policy | None = None) -> Any:
    """The policy a run is under: the one that was set last, else the one it was begun with.

    `begun_with` is that one where the caller has it, which need not be a `RulePolicy`.
    """
    if begun_with is not None and record.policy is record.settings.get("policy"):
        return begun_with
    return RulePolicy.from_json(record.policy)


def rule_on(record: Record, begun_with: Policy, kind: str, about: Mapping[str, Any]) -> Ruling:
    """What the policy in force says today of shipping a candidate, or a look with it.

    A further look at the sealed part is `look_again`; a model that takes the place of the one that
    the person has (`--baseline`) is `replace`.
    """
    question = record.settings["problem"]["about"].get("question", {})
    if kind == "look" and record.looks:
        kind = "look_again"
    if kind == "ship" and question.get("baseline"):
        kind = "replace"
    today = {"today": date.today().isoformat()}
    policy: Policy = in_force(record, begun_with)
    return policy.rule(Action(kind, {**about, **today}), record.view)


def _listed(data: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in data.items()}


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str):
            yield value["type"]
        for part in value.values():
            yield from _types(part)
    elif isinstance(value, list):
        for part in value:
            yield from _types(part)
