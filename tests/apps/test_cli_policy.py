"""The commands about policies, and what a run tells of its cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from annotated_types import Interval
from command_line import Built, call

import modelwright as mw


def parabola(point: float) -> float:
    return point**2


def test_a_policy_is_checked_and_shown(built: Built, tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text('alow = ["run"]')
    answer = call(tmp_path, "policy", "check", "odd.toml")
    assert (answer.code, "Did you mean 'allow'" in answer.err) == (2, True)
    told = call(tmp_path, "policy", "check", "team")
    assert told.code == 0
    assert "asked about: look_again, replace, ship" in told.out
    shown = call(built.folder, "policy", "show", "shop", "--json").json
    assert shown["schema"] == "modelwright.policy/1"
    assert shown["policy"]["name"] == "fast"
    answer = call(built.folder, "build", "shop.csv", "--target", "bought", "--policy", "regulated")
    assert (answer.code, '--purpose "..."' in answer.err) == (4, True)
    facts = call(built.folder, "status", "shop", "--json").json
    assert facts["energy"]["joules"] > 0
    assert facts["cost"]["money"] is None


def test_a_run_is_put_under_another_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELWRIGHT_KEY", str(tmp_path / "key.pem"))
    mw.search(
        Annotated[float, Interval(ge=-1, le=1)], parabola, budget=3, workspace=tmp_path, name="s"
    )
    place = ("--workspace", ".")
    (tmp_path / "paid.toml").write_text(
        'name = "paid"\nallow = ["run", "evaluate"]\nask = ["policy"]\n[cost]\nper_hour = 3600\n'
    )
    answer = call(tmp_path, "policy", "set", "s", "paid.toml", *place)
    assert answer.out.strip() == "s is under policy 'paid' from now on"
    facts = call(tmp_path, "status", "s", "--json", *place).json
    assert facts["policy"] == "paid"
    assert facts["cost"]["money"] == pytest.approx(facts["elapsed_seconds"], abs=0.001)
    answer = call(tmp_path, "policy", "set", "s", "laptop", *place)
    assert (answer.code, "waits for a person" in answer.err) == (5, True)
    answer = call(tmp_path, "policy", "unread", "s", "--read", *place)
    assert answer.code == 0
    assert call(tmp_path, "policy", "unread", "s", *place).out.strip() == "every promotion was read"
