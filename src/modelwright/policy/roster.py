"""Who may decide: people by their public keys, with roles and the day a key was revoked.

[roster.ana]
key = "6d0c...64 hexadecimal characters, printed by `modelwright keys show`"
roles = ["approver"]

[roster."Ben Okri"]
key = "a1b2..."
roles = ["proposer", "auditor"]
revoked = 2026-11-01
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from modelwright.core.errors import InputError, did_you_mean

ROLES = ("proposer", "approver", "auditor")
FIELDS = ("key", "roles", "revoked")


@dataclass(frozen=True)
class Person:
    """A name, an Ed25519 public key (64 hexadecimal characters), roles, and a day of revocation.

    `revoked` is a day as text (`2026-11-01`): from its beginning in UTC on nothing that the key
    signed counts, whatever time a signature claims. None: not revoked.
    """

    name: str
    key: str
    roles: tuple[str, ...]
    revoked: str | None = None

    def revoked_at(self, now: float) -> bool:
        """Whether the key is revoked `now`, in seconds since 1970."""
        if self.revoked is None:
            return False
        return datetime.fromtimestamp(now, UTC).date() >= date.fromisoformat(self.revoked)


@dataclass(frozen=True)
class Roster:
    """The people of a policy. Who proposes never approves: nobody has both roles.

    >>> roster = roster_from({"ana": {"key": "ab" * 32, "roles": ["approver"]}})
    >>> roster.trouble_with("ab" * 32, "approver", now=0.0)
    ''
    >>> roster.trouble_with("ab" * 32, "proposer", now=0.0)
    'ana is approver, not proposer'
    """

    people: tuple[Person, ...] = ()

    def person(self, key: str) -> Person | None:
        """Whose public key it is; None for a key that is not in the roster."""
        return next((person for person in self.people if person.key == key), None)

    def trouble_with(self, key: str, role: str, now: float) -> str:
        """Why what this key signed does not count in this role at `now`, or nothing."""
        person = self.person(key)
        if person is None:
            return f"the key {key[:16] or '(none)'} is not in the policy's roster"
        if person.revoked_at(now):
            return f"the key of {person.name} was revoked on {person.revoked}"
        if role not in person.roles:
            return f"{person.name} is {' and '.join(person.roles)}, not {role}"
        return ""

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data, for the policy's hash and the study's first row."""
        return [asdict(person) | {"roles": list(person.roles)} for person in self.people]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Roster:
        """The roster that `to_json` wrote."""
        return cls(tuple(Person(**{**one, "roles": tuple(one["roles"])}) for one in data))


def roster_from(table: Any, where: str = "policy [roster]") -> Roster:
    """The roster in a table as a file has it: settings by name. Everything in it is checked."""
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table for each person; got {table!r}.")
    people = tuple(_person(str(name), settings, where) for name, settings in table.items())
    owners: dict[str, str] = {}
    for person in people:
        other = owners.setdefault(person.key, person.name)
        if other != person.name:
            raise InputError(f"{where}: {other!r} and {person.name!r} have the same key.")
    if people and not any("approver" in person.roles for person in people):
        raise InputError(f"{where}: nobody has the role 'approver', so nothing could be approved.")
    return Roster(people)


def _person(name: str, settings: Any, where: str) -> Person:
    here = f"{where} {name!r}"
    if not isinstance(settings, Mapping):
        raise InputError(f"{here}: expected a table with {', '.join(FIELDS)}; got {settings!r}.")
    for field in settings:
        if field not in FIELDS:
            raise InputError(
                f"{here}: unknown key {field!r}.{did_you_mean(str(field), FIELDS)} "
                f"Known: {', '.join(FIELDS)}."
            )
    key = settings.get("key")
    if not isinstance(key, str) or not re.fullmatch("[0-9a-f]{64}", key):
        raise InputError(
            f"{here}: key is a public key, 64 hexadecimal characters in lower case as "
            f"'modelwright keys show' prints; got {key!r}."
        )
    return Person(name, key, _roles(settings.get("roles"), here), _day(settings, here))


def _roles(roles: Any, here: str) -> tuple[str, ...]:
    if not isinstance(roles, list) or not roles:
        raise InputError(f'{here}: roles is a list such as ["approver"]; got {roles!r}.')
    for role in roles:
        if role not in ROLES:
            raise InputError(
                f"{here}: unknown role {role!r}.{did_you_mean(str(role), ROLES)} "
                f"Known: {', '.join(ROLES)}."
            )
    if {"proposer", "approver"} <= set(roles):
        raise InputError(f"{here}: who proposes never approves; give the two roles to two people.")
    return tuple(roles)


def _day(settings: Mapping[str, Any], here: str) -> str | None:
    day = settings.get("revoked")
    if day is None:
        return None
    try:
        return date.fromisoformat(str(day)[:10]).isoformat()
    except ValueError:
        raise InputError(f"{here}: revoked is a day such as 2026-11-01; got {day!r}.") from None
