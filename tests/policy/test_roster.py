"""The roster: who may decide, and what a file may not say."""

from __future__ import annotations

from typing import Any

import pytest

from modelwright.core.errors import InputError
from modelwright.policy.roster import Roster, roster_from

ANA, BEN = "ab" * 32, "cd" * 32


def test_a_roster_comes_back_from_its_plain_data_and_knows_who_may_what() -> None:
    roster = roster_from(
        {
            "ana": {"key": ANA, "roles": ["approver"], "revoked": "1970-01-03"},
            "ben": {"key": BEN, "roles": ["proposer", "auditor"]},
        }
    )
    assert Roster.from_json(roster.to_json()) == roster
    day = 86_400.0
    assert roster.trouble_with(ANA, "approver", 1.9 * day) == ""
    assert "revoked on 1970-01-03" in roster.trouble_with(ANA, "approver", 2.0 * day)
    assert "ben is proposer and auditor" in roster.trouble_with(BEN, "approver", 0)
    assert "not in the policy's roster" in roster.trouble_with("ef" * 32, "approver", 0)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([], "expected a table"),
        ({"ana": {"key": ANA, "roles": ["aprover"]}}, "Did you mean 'approver'"),
        ({"ana": {"key": ANA, "roles": ["approver"], "role": 1}}, "Did you mean 'roles'"),
        ({"ana": {"key": "AB" * 32, "roles": ["approver"]}}, "64 hexadecimal"),
        ({"ana": {"key": ANA, "roles": []}}, "roles is a list"),
        ({"ana": {"key": ANA, "roles": ["approver", "proposer"]}}, "two people"),
        ({"ana": {"key": ANA, "roles": ["approver"], "revoked": "soon"}}, "revoked is a day"),
        ({"ana": {"key": ANA, "roles": ["auditor"]}}, "nobody has the role 'approver'"),
        (
            {"a": {"key": ANA, "roles": ["approver"]}, "b": {"key": ANA, "roles": ["auditor"]}},
            "the same key",
        ),
    ],
)
def test_what_is_wrong_in_a_roster_is_said_in_one_sentence(table: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        roster_from(table)
