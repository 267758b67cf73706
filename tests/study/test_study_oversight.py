"""A study under a policy: what ends it, what pauses it, and how the rules change while it runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_bench import Bench, square

from modelwright.core.approvals import Asked
from modelwright.core.problem import Budget, Goal
from modelwright.core.record import Record
from modelwright.core.trial import Candidate, Evidence, Progress, Trial, Verdict
from modelwright.core.view import Brief, View, ViewBuilder
from modelwright.executors import Inline
from modelwright.ledger import Ledger, open_ledger
from modelwright.ledger.own_key import own_key
from modelwright.policy import LAPTOP, RulePolicy
from modelwright.policy.terms import Cost
from modelwright.study import Study, run
from modelwright.study.promotions import promotions
from modelwright.study.worth import not_worth, prospect


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MODELWRIGHT_KEY", str(tmp_path / "key.pem"))
    return own_key()


def play(bench: Bench, study: Study, ledger: Ledger, executor: Any = None) -> Record:
    policy: Any = study.policy
    description = study.to_json({"name": study.designer.name}, policy.to_json())
    return run(study, ledger, executor or bench.inline(), description)


class Drawing(Inline):
    """Says of every trial that it drew 10 J."""

    def poll(self, timeout: float = 0.0) -> Sequence[Progress | Evidence]:
        messages = super().poll(timeout)
        return [replace(m, joules=10.0) if isinstance(m, Evidence) else m for m in messages]


def test_a_limit_on_energy_ends_a_run_before_it_is_passed(bench: Bench) -> None:
    inline = bench.inline(square)
    inline.__class__ = Drawing
    study = bench.study(budget=Budget(trials=1000, energy_joules=105.0))
    assert not study.repeatable
    record = play(bench, study, open_ledger(":memory:"), inline)
    assert 80 <= record.view.joules_spent <= 105
    assert "J of 105 J" in record.reason


def searched(losses: Sequence[float] | np.ndarray[Any, Any]) -> View:
    """A view of trials that ended one a second with these losses, judged as they came."""
    builder = ViewBuilder(Brief(None, (Goal("loss"),)), Budget(trials=1))
    best = math.inf
    for number, loss in enumerate(losses):
        builder.order(Trial(number, Candidate(f'"{number}"'), 0, 1.0, 1.0, 0))
        builder.view.elapsed = number + 1.0
        builder.evidence(Evidence(number, {"loss": float(loss)}))
        if loss < best:
            best = loss
            builder.verdict(Verdict(number, "promote", ""))
    return builder.view


def test_what_is_expected_of_more_search_comes_true_on_the_average() -> None:
    """Of an exponential tail doubling the trials gains ln 2; of one that ends less than is said."""
    rng, n = np.random.default_rng(0), 60
    told, came, ends = [], [], []
    for _ in range(60):
        losses = -rng.exponential(size=2 * n)
        found = prospect(searched(losses[:n]))
        assert found is not None
        told.append(found.per_log_time * math.log(2))
        came.append(losses[:n].min() - losses.min())
        bounded = prospect(searched(rng.uniform(size=n)))
        ends.append(0.0 if bounded is None else bounded.per_log_time)
    assert 0.6 * np.mean(came) < np.mean(told) < 1.8 * np.mean(came)
    assert np.mean(ends) * math.log(2) > 0.5 / n  # the minimum of 2 n uniforms: 1/2n nearer to 0
    assert prospect(searched([1.0] * 9)) is None


def test_the_search_ends_where_an_hour_brings_too_little() -> None:
    view = searched([*np.linspace(1.0, 0.9, 5), *[0.95] * 3, *[0.9 - 0.0001 * i for i in range(4)],
                     *[0.95] * 588])  # fmt: skip
    found = prospect(view)
    assert found is not None
    assert found.seconds_for(found.per_log_time) == pytest.approx(600 * (math.e - 1))
    assert not_worth(view, 0.9 * found.gain_per_hour) == ""
    sentence = not_worth(view, 2 * found.gain_per_hour)
    assert sentence.startswith("it would take about 64 minutes more for")
    assert sentence.endswith("of loss, and the policy gives 10 minutes: stopping")


def test_a_study_that_gains_nothing_stops_by_its_policy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ticking:  # a clock that no load of the machine moves
        now = 0.0

        def monotonic(self) -> float:
            self.now += 0.01
            return self.now

    monkeypatch.setattr("modelwright.study.session.time", Ticking())
    policy = RulePolicy("thrifty", cost=Cost(least_gain_per_hour=0.01))
    flat = bench.inline(lambda point: 1.0)
    record = play(bench, bench.study(500, policy=policy), open_ledger(":memory:"), flat)
    assert 10 <= record.view.n_trials <= 20
    assert "it would take more than 24 more hours" in record.reason


def test_promotions_that_nobody_reads_pause_a_run(bench: Bench) -> None:
    policy = RulePolicy("read", max_unread=2)
    ledger = open_ledger(":memory:")
    record = play(bench, bench.study(300, policy=policy), ledger)
    assert record.status == "paused"
    assert record.reason.startswith("2 decisions nobody has read: pausing")
    first = list(record.unread)
    trials = record.view.n_trials
    assert play(bench, bench.study(300, policy=policy), ledger).view.n_trials == trials
    ledger.post("s", {"kind": "read", "promotions": first})
    record = play(bench, bench.study(300, policy=policy), ledger)
    assert record.view.n_trials > trials
    assert not set(first) & set(record.unread)


def test_the_rules_change_by_a_row_and_count_at_once(bench: Bench, own: Any) -> None:
    ledger = open_ledger(":memory:")
    play(bench, bench.study(3), ledger)
    tight = RulePolicy("tight", max_trials=5, max_generations=1)
    ledger.post("s", {"kind": "policy", "policy": tight.to_json(), "by": "ana"})
    ledger.post("s", {"kind": "budget", "add": {"trials": 90}})
    ledger.post("s", {"kind": "budget", "add": {"trials": 2}})
    record = play(bench, bench.study(3), ledger)
    assert record.policy["name"] == "tight"
    assert [row.body["hash"] for row in ledger.rows("s", kinds=["policy"])] == [tight.hash]
    assert "caps trials at 5" in record.messages[1]["ignored"]
    assert record.view.n_trials <= 5
    assert max(record.view.generations[t.candidate.id] for t in record.view.trials.values()) <= 2
    again = play(bench, bench.study(3), ledger)  # a new process folds the same rules
    assert again.policy == record.policy


def test_a_change_that_is_asked_about_waits_for_a_signed_word(bench: Bench, own: Any) -> None:
    careful = RulePolicy("careful", ask=("policy",))
    ledger, study = open_ledger(":memory:"), bench.study(3, policy=careful)
    play(bench, study, ledger)
    loose = RulePolicy("loose")
    ledger.post("s", {"kind": "policy", "policy": loose.to_json(), "by": "ana"})
    record = play(bench, study, ledger)
    assert record.policy["name"] == "careful"
    (asked,) = list[Asked](record.approvals)
    assert asked.request.subject["hash"] == loose.hash
    word = {"kind": "approve", "request": asked.request.hash, "policy": careful.hash, "reason": "y"}
    ledger.post("s", word)  # not signed
    assert play(bench, study, ledger).policy["name"] == "careful"
    ledger.post("s", word, own)
    assert play(bench, study, ledger).policy["name"] == "loose"


def test_a_policy_that_expired_begins_nothing_and_goes_on_with_nothing(bench: Bench) -> None:
    old = RulePolicy("old", expires="2020-01-01")
    record = play(bench, bench.study(3, policy=old), open_ledger(":memory:"))
    assert (record.status, record.view.n_trials) == ("refused", 0)
    ledger = open_ledger(":memory:")
    play(bench, bench.study(3, policy=RulePolicy("old", expires="9999-01-01")), ledger)
    ledger.post("s", {"kind": "budget", "add": {"trials": 5}})
    record = play(bench, bench.study(3, policy=old), ledger)
    assert (record.view.n_trials, "expired on 2020-01-01" in record.messages[0]["ignored"]) == (
        3,
        True,
    )


def test_a_step_that_takes_long_is_asked_about(bench: Bench, own: Any) -> None:
    policy = RulePolicy("slow", ask_above={"step_seconds": 1e-9})
    record = play(bench, bench.study(30, policy=policy), open_ledger(":memory:"))
    assert record.view.n_trials == 1  # of the first nobody could know
    assert record.status == "waiting"
    assert "asks before a step of over" in record.rulings[0]["reason"]


def test_a_new_best_waits_for_a_person_and_a_better_one_takes_its_place(
    bench: Bench, own: Any
) -> None:
    policy = RulePolicy("slow", tuple(a for a in LAPTOP.allow if a != "promote"), ("promote",))
    ledger, study = open_ledger(":memory:"), bench.study(12, policy=policy)
    record = play(bench, study, ledger)
    assert (record.status, record.view.champion, record.view.n_trials) == ("waiting", None, 12)
    (asked,) = promotions(record)
    best = record.view.best(1)[0].trial.number
    assert asked.request.subject["trial"] == best
    assert record.reason == f"the promotion of trial {best} waits for a person"
    states = [a.state for a in record.approvals]
    assert states == ["void"] * (len(states) - 1) + ["waiting"]
    assert len(states) > 1
    word = {"kind": "approve", "request": asked.request.hash, "policy": policy.hash, "reason": "y"}
    ledger.post("s", word, own)
    record = play(bench, study, ledger)
    assert (record.status, record.view.champion) == ("finished", best)
    silent = RulePolicy("silent", policy.allow)  # which does not name it
    record = play(bench, bench.study(3, policy=silent), open_ledger(":memory:"))
    assert record.view.champion is not None
    never = RulePolicy("never", refuse=("promote",))
    record = play(bench, bench.study(3, policy=never), open_ledger(":memory:"))
    assert record.view.champion is None
    assert "refuses 'promote'" in record.view.verdicts[0].reason


def test_more_budget_is_ruled_as_it_will_be_and_stays_within_money(bench: Bench, own: Any) -> None:
    """Trials for a run that is over lift its bound in seconds: then the cap on money holds."""
    policy = RulePolicy("dear", max_money=1.0, ask_above={"money": 0.5}, cost=Cost(36.0))
    ledger = open_ledger(":memory:")
    study = bench.study(policy=policy, budget=Budget(trials=2, seconds=40.0))
    assert play(bench, study, ledger).status == "finished"
    ledger.post("s", {"kind": "budget", "add": {"trials": 2}})
    record = play(bench, study, ledger)
    assert "asks above money 0.5" in record.messages[0]["ignored"]
    (asked,) = record.approvals
    word = {"kind": "approve", "request": asked.request.hash, "policy": policy.hash, "reason": "y"}
    ledger.post("s", word, own)
    record = play(bench, study, ledger)
    assert (record.view.n_trials, record.view.budget.seconds) == (4, 100.0)


@pytest.mark.parametrize(
    "policy", ["x", {"max_seconds": "x"}, {"autonomy": "all"}, {"cost": 5}, {"allow": "run"}]
)
def test_a_policy_that_makes_no_sense_stops_no_run(bench: Bench, policy: Any) -> None:
    ledger = open_ledger(":memory:")
    play(bench, bench.study(1), ledger)
    ledger.post("s", {"kind": "policy", "policy": policy})
    record = play(bench, bench.study(1), ledger)
    assert "cannot be read" in record.messages[0]["ignored"]
