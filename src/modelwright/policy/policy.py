"""Rules as data: which actions are allowed, which are asked about, what may be spent and tried.

name = "team"
allow = ["run", "evaluate", "blend", "refit", "student", "look"]
ask = ["ship"]

[budget]
seconds = 3600
trials = 5000
bytes = 2000000000

[families]
allowed = ["Linear", "LightGbm"]
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelwright.core.canonical import digest
from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.trial import Action, Ruling
from modelwright.core.view import View

DESIGNED = ("search", "zero_cost")  # roles whose documents are designs of the space
ACTIONS = ("run", "evaluate", "blend", "refit", "student", "final", "look", "ship")


@dataclass(frozen=True)
class RulePolicy:
    """Rules on an action; when no rule speaks the answer is `refuse`.

    `allow` and `ask` name actions of `ACTIONS`. `max_seconds`, `max_trials` and `max_bytes` cap the
    budget of a run (None: no cap). `families` lists the model families that may be tried (empty:
    all). Random: nothing.

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

    def rule(self, action: Action, view: View | None = None) -> Ruling:
        """Allow, ask or refuse, with the reason."""
        if action.kind in self.ask:
            return Ruling("ask", f"policy {self.name!r} asks before {action.kind!r}")
        if action.kind not in self.allow:
            return Ruling("refuse", f"no rule of policy {self.name!r} allows {action.kind!r}")
        if action.kind == "run":
            return self._rule_budget(action.about)
        if action.kind == "evaluate" and self.families and action.about.get("role") in DESIGNED:
            return self._rule_families(str(action.about.get("document", "null")))
        return Ruling("allow", f"policy {self.name!r} allows {action.kind!r}")

    def _rule_budget(self, about: Mapping[str, Any]) -> Ruling:
        caps = {"seconds": self.max_seconds, "trials": self.max_trials, "bytes": self.max_bytes}
        for unit, cap in caps.items():
            asked = about.get(unit)
            if cap is not None and (asked is None or asked > cap):
                told = "no bound" if asked is None else f"{asked:g}"
                return Ruling(
                    "refuse", f"policy {self.name!r} caps {unit} at {cap:g}; asked for {told}"
                )
        return Ruling("allow", f"within the caps of policy {self.name!r}")

    def _rule_families(self, document: str) -> Ruling:
        data = json.loads(document)
        # The outermost type is the family; a document without one must name allowed types only.
        outer = data.get("type") if isinstance(data, Mapping) else None
        named = {outer} if isinstance(outer, str) else set(_types(data))
        if named and named <= set(self.families):
            return Ruling("allow", f"family allowed by policy {self.name!r}")
        shown = ", ".join(sorted(named)) or "no family"
        return Ruling(
            "refuse", f"policy {self.name!r} allows {', '.join(self.families)}; got {shown}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the study's first row."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RulePolicy:
        """The policy that `to_json` wrote."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**plain)

    @property
    def hash(self) -> str:
        """Identity of the rules, 64 hexadecimal characters."""
        return digest(self.to_json())


LAPTOP = RulePolicy()


def read_policy(path: str | Path) -> RulePolicy:
    """The policy in a TOML file. Raises InputError for unknown keys (with the nearest name)."""
    try:
        data = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise InputError(
            f"the policy file {str(path)!r} cannot be read: {error.strerror}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the policy file {str(path)!r} is not valid TOML: {error}.") from None
    return policy_from(data, str(path))


def policy_from(data: Mapping[str, Any], where: str = "policy") -> RulePolicy:
    """The policy in a table as a file has it; everything in it is checked."""
    _known(data, {"name", "allow", "ask", "budget", "families"}, where)
    budget, families = data.get("budget", {}), data.get("families", {})
    _known(budget, {"seconds", "trials", "bytes"}, f"{where} [budget]")
    _known(families, {"allowed"}, f"{where} [families]")
    for word in ("allow", "ask"):
        for action in _names(data.get(word, []), f"{where}: {word}"):
            if action not in ACTIONS:
                raise InputError(
                    f"{where}: {word} names the unknown action {action!r}."
                    f"{did_you_mean(str(action), ACTIONS)} Known: {', '.join(ACTIONS)}."
                )
    for unit, cap in budget.items():
        if isinstance(cap, bool) or not isinstance(cap, (int, float)) or not cap > 0:
            raise InputError(f"{where} [budget]: {unit} must be a positive number; got {cap!r}.")
    return RulePolicy(
        name=str(data.get("name", "unnamed")),
        allow=tuple(data.get("allow", ())),
        ask=tuple(data.get("ask", ())),
        max_seconds=budget.get("seconds"),
        max_trials=budget.get("trials"),
        max_bytes=budget.get("bytes"),
        families=tuple(_names(families.get("allowed", []), f"{where} [families]: allowed")),
    )


def _known(table: Any, known: set[str], where: str) -> None:
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table of settings; got {table!r}.")
    for name in table:
        if name not in known:
            raise InputError(
                f"{where}: unknown key {name!r}.{did_you_mean(name, known)} "
                f"Known: {', '.join(sorted(known))}."
            )


def _names(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InputError(f'{where} is a list of names, such as ["a", "b"]; got {value!r}.')
    return value


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str):
            yield value["type"]
        for part in value.values():
            yield from _types(part)
    elif isinstance(value, list):
        for part in value:
            yield from _types(part)
