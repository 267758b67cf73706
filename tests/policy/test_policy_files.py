"""The policies that come along, and what a file may say beside rules and budgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwright.core.errors import InputError
from modelwright.core.problem import Budget
from modelwright.core.trial import Action
from modelwright.policy import LAPTOP, RulePolicy, read_policy
from modelwright.policy.reading import EXAMPLES, policy_from
from modelwright.readers.policy import policy_lines

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
FOLDER = Path(__file__).parents[2] / "src" / "modelwright" / "policy"


def test_the_policies_that_come_along_are_those_of_the_page() -> None:
    assert read_policy("laptop") == LAPTOP
    for name in EXAMPLES:
        text = (FOLDER / f"{name}.toml").read_text("utf-8")
        assert "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines()) in PAGE
        policy = read_policy(name)
        assert RulePolicy.from_json(policy.to_json()) == policy
        assert len({*policy_lines(policy)}) > 3
    team, regulated = read_policy("team"), read_policy("regulated")
    assert {a: team.rule(Action(a)).word for a in ("look", "look_again", "ship", "replace")} == {
        "look": "allow", "look_again": "ask", "ship": "ask", "replace": "ask"
    }  # fmt: skip
    assert regulated.rule(Action("run", {"seconds": 60, "trials": 9})).word == "refuse"  # no memory
    assert regulated.rule(Action("look_again")).word == "refuse"


FULL = """
name = "full"
allow = ["run", "evaluate", "look", "ship"]
autonomy = "ask"
expires = 2027-12-31
limits = ["flip_rate <= 0.05"]
[budget]
money = 2
memory_bytes = 4_000_000_000
generations = 3
[ask_above]
money = 1
[data]
purpose = "churn"
must_state = ["purpose", "rights"]
forbid_columns = ["*_ID"]
[cost]
per_hour = 0.5
currency = "USD"
least_gain_per_hour = 0.01
[approval]
expires_days = 2
"""


def test_money_is_time_at_a_price_and_autonomy_asks_beside_the_lists(tmp_path: Path) -> None:
    path = tmp_path / "full.toml"
    path.write_text(FULL)
    policy = read_policy(path)
    assert RulePolicy.from_json(policy.to_json()).hash == policy.hash
    assert policy.bounded(Budget(trials=5)).seconds == 4 * 3600  # 2 USD at 0.5 an hour
    words = [
        policy.rule(Action("run", {"seconds": s, "memory_bytes": 10**9})).word
        for s in (3600, 3 * 3600, 5 * 3600)
    ]
    assert words == ["allow", "ask", "refuse"]
    assert policy.rule(Action("ship")).word == "ask"
    assert policy.rule(Action("ship", {"today": "2028-01-01"})).reason.endswith("2027-12-31")
    assert policy.rule(Action("evaluate", {"generation": 4})).word == "refuse"
    assert policy.data.unstated({"rights": None}) == ["rights"]
    assert policy.data.forbidden(["user_id", "age"]) == ["user_id"]
    assert policy.limits == ("flip_rate<=0.05",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('autonomy = "actt"', "Did you mean 'act'"),
        ("expires = 'soon'", "a day such as"),
        ('limits = ["flip_rate<0"]', "METRIC<=NUMBER"),
        ("[budget]\nmoney = 5", "needs a price"),
        ("[budget]\ntrials = 2.5", "whole number"),
        ("[data]\npurpse = 'x'", "Did you mean 'purpose'"),
        ("[data]\nmust_state = ['purposes']", "Did you mean 'purpose'"),
        ("[cost]\nper_hour = true", "positive number"),
        ("[ask_above]\nsecnds = 5", "Did you mean 'seconds'"),
        ("[roster.ana]\nkey = 'x'\nroles = ['approver']", "64 hexadecimal"),
    ],
)
def test_mistakes_are_named(text: str, sentence: str) -> None:
    import tomllib

    with pytest.raises(InputError, match=sentence):
        policy_from(tomllib.loads(text))


def test_a_row_of_an_older_version_is_read_and_rules_as_it_did() -> None:
    old = {
        "name": "laptop", "ask": [], "max_seconds": None, "max_trials": None, "max_bytes": None,
        "families": [],
        "allow": ["run", "evaluate", "blend", "refit", "student", "final", "look", "ship"],
    }  # fmt: skip
    policy = RulePolicy.from_json(old)
    for action in ("look_again", "replace", "ship", "final"):
        assert policy.rule(Action(action)).word == "allow"
    assert policy.rule(Action("policy")).word == "refuse"


def test_a_name_that_is_nearly_one_is_told() -> None:
    with pytest.raises(InputError, match="Did you mean 'team'"):
        read_policy("teem")
