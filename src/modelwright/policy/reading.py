"""Reads a policy from a TOML file, or by the name of one that comes along; refuses what is odd."""

from __future__ import annotations

import datetime
import math
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from modelwright.core.errors import InputError, did_you_mean
from modelwright.core.problem import Limit
from modelwright.policy.policy import ACTIONS, AUTONOMY, UNITS, RulePolicy
from modelwright.policy.roster import Roster, roster_from
from modelwright.policy.terms import STATED, Cost, DataTerms

EXAMPLES = ("laptop", "team", "regulated")  # files beside this one
WHOLE = ("trials", "bytes", "memory_bytes", "generations", "unread_promotions")
TOP = (
    "name", "allow", "ask", "refuse", "autonomy", "expires", "limits", "budget", "ask_above",
    "families", "data", "cost", "approval", "roster",
)  # fmt: skip


def read_policy(path: str | Path) -> RulePolicy:
    """The policy in a TOML file, or the one called `laptop`, `team` or `regulated`.

    Raises InputError for unknown keys (with the nearest name) and for what makes no sense.

    >>> from modelwright.core.trial import Action
    >>> read_policy("team").rule(Action("ship")).word
    'ask'
    """
    named = str(path) in EXAMPLES
    where = Path(__file__).parent / f"{path}.toml" if named else Path(path)
    try:
        data = tomllib.loads(where.read_text("utf-8"))
    except OSError as error:
        near = did_you_mean(str(path), EXAMPLES) if len(where.parts) == 1 else ""
        raise InputError(
            f"the policy file {str(path)!r} cannot be read: {error.strerror}.{near} "
            f"Known by name: {', '.join(EXAMPLES)}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the policy file {str(path)!r} is not valid TOML: {error}.") from None
    return policy_from(data, str(path))


def policy_from(data: Mapping[str, Any], where: str = "policy") -> RulePolicy:
    """The policy in a table as a file has it; everything in it is checked."""
    _known(data, TOP, where)
    caps = _numbers(data, "budget", (*UNITS, "generations", "unread_promotions"), where)
    families = _table(data, "families", ("allowed",), where)
    cost = _cost(data, where)
    if "money" in caps and cost.per_hour is None:
        raise InputError(
            f"{where} [budget]: a cap on money needs a price: per_hour = 0.40 under [cost]."
        )
    lists: Any = {word: _actions(data, word, where) for word in ("allow", "ask", "refuse")}
    most: Any = {f"max_{unit}": caps.get(unit) for unit in (*UNITS, "generations")}
    days = _numbers(data, "approval", ("expires_days",), where).get("expires_days")
    return RulePolicy(
        name=str(data.get("name", "unnamed")),
        **most,
        **lists,
        expires_days=days,
        max_unread=caps.get("unread_promotions"),  # type: ignore[arg-type]
        families=_names(families.get("allowed", []), f"{where} [families]: allowed"),
        ask_above=_numbers(data, "ask_above", (*UNITS, "step_seconds"), where),
        autonomy=_one_of(data.get("autonomy", "act"), tuple(AUTONOMY), f"{where}: autonomy"),
        limits=_limits(data, where),
        expires=_day(data.get("expires"), where),
        data=_data(data, where),
        cost=cost,
        roster=roster_from(data["roster"], f"{where} [roster]") if "roster" in data else Roster(),
    )


def _actions(data: Mapping[str, Any], word: str, where: str) -> tuple[str, ...]:
    names = _names(data.get(word, []), f"{where}: {word}")
    for action in names:
        _one_of(action, ACTIONS, f"{where}: an action of {word!r}")
    return names


def _limits(data: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Which metrics there are depends on the problem, which checks the names."""
    texts = _names(data.get("limits", []), f"{where}: limits")
    try:
        return tuple(str(Limit.parse(text)) for text in texts)
    except InputError as error:
        raise InputError(f"{where}: limits: {error}") from None


def _data(data: Mapping[str, Any], where: str) -> DataTerms:
    table = _table(data, "data", tuple(f.name for f in fields(DataTerms)), where)
    here = f"{where} [data]"
    for name in STATED:
        if not isinstance(table.get(name, ""), str):
            raise InputError(f"{here}: {name} is a text; got {table[name]!r}.")
    must = _names(table.get("must_state", []), f"{here}: must_state")
    for name in must:
        _one_of(name, STATED, f"{here}: must_state")
    return DataTerms(
        table.get("purpose", ""), table.get("rights", ""), must,
        _names(table.get("forbid_columns", []), f"{here}: forbid_columns"),
    )  # fmt: skip


def _cost(data: Mapping[str, Any], where: str) -> Cost:
    table = _table(data, "cost", tuple(f.name for f in fields(Cost)), where)
    for name in ("per_hour", "least_gain_per_hour"):
        if name in table:
            _positive(table[name], name, f"{where} [cost]")
    currency = table.get("currency", Cost.currency)
    if not isinstance(currency, str) or not currency.strip():
        raise InputError(f'{where} [cost]: currency is a text such as "EUR"; got {currency!r}.')
    return Cost(table.get("per_hour"), currency, table.get("least_gain_per_hour"))


def _day(value: Any, where: str) -> str | None:
    if value is None or type(value) is datetime.date:
        return None if value is None else value.isoformat()
    try:
        return datetime.date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise InputError(f"{where}: expires is a day such as 2027-12-31; got {value!r}.") from None


def _numbers(
    data: Mapping[str, Any], name: str, known: tuple[str, ...], where: str
) -> dict[str, float]:
    table = _table(data, name, known, where)
    for unit, number in table.items():
        _positive(number, unit, f"{where} [{name}]")
    return dict(table)


def _positive(value: Any, name: str, where: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and value > 0 and math.isfinite(value)):
        raise InputError(f"{where}: {name} must be a positive number; got {value!r}.")
    if name in WHOLE and not isinstance(value, int):
        raise InputError(f"{where}: {name} must be a whole number; got {value!r}.")


def _table(
    data: Mapping[str, Any], name: str, known: tuple[str, ...], where: str
) -> Mapping[str, Any]:
    table: Mapping[str, Any] = data.get(name, {})
    _known(table, known, f"{where} [{name}]")
    return table


def _known(table: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table of settings; got {table!r}.")
    for name in table:
        if name not in known:
            raise InputError(
                f"{where}: unknown key {name!r}.{did_you_mean(name, known)} "
                f"Known: {', '.join(sorted(known))}."
            )


def _one_of(value: Any, known: tuple[str, ...], where: str) -> str:
    if value not in known:
        raise InputError(
            f"{where} is one of {', '.join(known)}; got {value!r}.{did_you_mean(str(value), known)}"
        )
    return str(value)


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InputError(f'{where} is a list of names, such as ["a", "b"]; got {value!r}.')
    return tuple(value)
