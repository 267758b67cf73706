"""What waits in a search: a plan, a design, more budget; and how a decision lets it go on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from study_bench import Bench

from modelwright.core.approvals import NEIGHBOURS, Asked
from modelwright.core.record import Record
from modelwright.ledger import Ledger, load_or_make_key, open_ledger, public_key
from modelwright.ledger.own_key import own_key
from modelwright.policy import RulePolicy
from modelwright.policy.roster import Person, Roster
from modelwright.study import run

NOBODY = Roster()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("MODELWRIGHT_KEY", str(tmp_path / "key.pem"))
    return Bench(tmp_path)


def play(bench: Bench, ledger: Ledger, trials: int, *ask: str, roster: Roster = NOBODY) -> Record:
    allow = tuple(a for a in RulePolicy().allow if a not in ask)
    policy = RulePolicy("asks", allow, ask, roster=roster)
    study = bench.study(trials, policy=policy)
    told = study.to_json({"name": "climber"}, policy.to_json())
    return run(study, ledger, bench.inline(), told)


def say(ledger: Ledger, asked: Asked, kind: str = "approve", **more: Any) -> None:
    about = {"request": asked.request.hash, "policy": asked.request.policy}
    ledger.post("s", {"kind": kind, "reason": "because", **about, **more}, own_key())


def waiting(record: Record) -> list[Asked]:
    return record.approvals.waiting(time.time())


def test_a_plan_and_more_budget_wait_for_a_person(bench: Bench) -> None:
    ledger = open_ledger(":memory:")
    for _ in range(2):
        record = play(bench, ledger, 3, "run")
        assert record.status == "waiting"
    (asked,) = waiting(record)  # asked once
    say(ledger, asked)
    record = play(bench, ledger, 3, "run")
    assert (record.status, record.view.n_trials) == ("finished", 3)
    ledger.post("s", {"kind": "budget", "add": {"trials": 2}})
    record = play(bench, ledger, 3, "run")
    assert record.view.n_trials == 3
    (more,) = waiting(record)
    assert more.request.action == "budget"
    say(ledger, more)
    record = play(bench, ledger, 3, "run")
    assert record.view.n_trials == 5
    assert [asked.state for asked in record.approvals] == ["done", "done"]


def test_designs_wait_and_are_tried_when_approved_or_edited_and_asked_about_anew(
    bench: Bench,
) -> None:
    ledger = open_ledger(":memory:")
    record = play(bench, ledger, 9, "evaluate")
    assert record.status == "waiting"
    assert "decisions wait" in record.reason
    first, second, third, *_ = waiting(record)
    say(ledger, first)
    say(ledger, second, "reject")
    say(ledger, third, "change", document='{"kind":"a","x":0.5}')
    record = play(bench, ledger, 9, "evaluate")
    assert [t.candidate.id for t in record.view.trials.values()] == [first.request.candidate]
    anew = [a for a in waiting(record) if a.request.subject["document"] == '{"kind":"a","x":0.5}']
    assert len(anew) == 1
    assert anew[0].request.owner == third.request.owner
    say(ledger, anew[0])
    record = play(bench, ledger, 9, "evaluate")
    assert record.view.n_trials == 2
    assert second.request.candidate in record.view.refused


def test_who_edits_a_design_proposes_it_however_it_is_written(bench: Bench) -> None:
    ana, ledger = load_or_make_key(bench.folder / "ana.pem"), open_ledger(":memory:")
    roster = Roster((Person("ana", public_key(ana), ("approver",)),))
    asked = waiting(play(bench, ledger, 3, "evaluate", roster=roster))[0].request
    said = {"policy": asked.policy, "reason": "because"}
    edit = {"kind": "change", "request": asked.hash, "document": '{ "x": 0.50, "kind": "a" }'}
    ledger.post("s", {**said, **edit}, ana)
    record = play(bench, ledger, 3, "evaluate", roster=roster)
    (anew,) = [a.request for a in waiting(record) if a.request.owner == public_key(ana)]
    assert anew.subject["document"] == '{"kind":"a","x":0.5}'
    ledger.post("s", {**said, "kind": "approve", "request": anew.hash}, ana)
    record = play(bench, ledger, 3, "evaluate", roster=roster)
    assert record.messages[1]["ignored"].startswith("who proposes never approves")


def test_a_preferred_design_has_neighbours_tried_and_a_banned_one_is_left_alone(
    bench: Bench,
) -> None:
    ledger = open_ledger(":memory:")
    record = play(bench, ledger, 6)
    liked, banned = record.view.trial(2).candidate.id, record.view.best(1)[0].trial.candidate.id
    ledger.post("s", {"kind": "prefer", "candidate": liked})
    ledger.post("s", {"kind": "ban", "candidate": banned, "reason": "leaks"})
    ledger.post("s", {"kind": "pin", "candidate": "unknown"})
    ledger.post("s", {"kind": "budget", "add": {"trials": 8}})
    record = play(bench, ledger, 6)
    beside = [t for t in record.view.trials.values() if t.by == "preferred"]
    assert len(beside) == NEIGHBOURS
    assert {t.candidate.parents for t in beside} == {(liked,)}
    assert record.messages[2]["ignored"] == "no trial has the candidate unknown"
    assert banned in record.view.banned
