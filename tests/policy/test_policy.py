from __future__ import annotations

from pathlib import Path

import pytest

from modelwright.core.errors import InputError
from modelwright.core.trial import Action
from modelwright.policy import LAPTOP, RulePolicy, read_policy


def test_a_file_is_read_and_denies_by_default(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        'name = "team"\nallow = ["run", "evaluate"]\nask = ["ship"]\n'
        '[budget]\nseconds = 60\n[families]\nallowed = ["Linear"]\n'
    )
    policy = read_policy(path)
    assert policy.rule(Action("ship")).word == "ask"
    assert policy.rule(Action("look")).word == "refuse"
    assert policy.rule(Action("run", {"seconds": 61.0})).word == "refuse"
    assert policy.rule(Action("run", {"seconds": 60.0})).word == "allow"
    assert policy.rule(Action("run", {"trials": 5})).word == "refuse"
    linear = {"document": '{"type":"Linear","scale":{"type":"Robust"}}', "role": "search"}
    hidden = {"document": '{"type":"Evil","pre":{"type":"Linear"}}', "role": "search"}
    assert policy.rule(Action("evaluate", hidden)).word == "refuse"
    forest = {"document": '{"type":"Forest"}', "role": "search"}
    assert policy.rule(Action("evaluate", linear)).word == "allow"
    assert policy.rule(Action("evaluate", forest)).word == "refuse"
    assert policy.rule(Action("evaluate", forest | {"role": "rival"})).word == "allow"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('allwo = ["run"]', "Did you mean 'allow'"),
        ('allow = ["shipp"]', "Did you mean 'ship'"),
        ("[budget]\nsecond = 5", "Did you mean 'seconds'"),
        ("[budget]\nseconds = -5", "positive number"),
        ("budget = 5", "expected a table"),
        ('[families]\nallowed = "Linear"', "a list of names"),
        ('allow = "run"', "a list of names"),
        ("name = ", "not valid TOML"),
    ],
)
def test_mistakes_in_a_policy_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_policy(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_policy(tmp_path / "none.toml")


def test_rules_come_back_from_their_json_with_the_same_hash() -> None:
    for policy in (LAPTOP, RulePolicy("p", ("run",), ("ship",), 5.0, 7, None, ("Linear",))):
        again = RulePolicy.from_json(policy.to_json())
        assert again == policy
        assert again.hash == policy.hash
