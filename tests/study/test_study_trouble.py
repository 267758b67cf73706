"""What went wrong once: each case stopped a study, lost a trial or slipped past the policy."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from study_bench import Bench, Point, square

import modelwright as mw
from modelwright.core.errors import InputError, LedgerError
from modelwright.core.problem import Budget, Rungs
from modelwright.core.record import Record
from modelwright.core.trial import Candidate, Proposal
from modelwright.core.view import View
from modelwright.ledger import Ledger, open_ledger
from modelwright.policy import RulePolicy
from modelwright.study import Study, run
from modelwright.testing.replay import check_replay


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def play(bench: Bench, study: Study, ledger: Ledger, executor: Any = None) -> Record:
    return run(study, ledger, executor or bench.inline(), bench.description(study))


class OneRefit:
    """A closing of a single step."""

    def reserve(self, view: View) -> float:
        return 0.0

    after = reserve

    def propose(self, view: View) -> list[Proposal]:
        candidate = Candidate('{"x":0.25,"kind":"a"}')
        if view.tried(candidate.id, view.rungs.top) is not None:
            return []
        return [Proposal(candidate, "the last step", view.rungs.top, "refit", "closing")]


def test_killed_in_the_closing_steps_it_ends_once(bench: Bench) -> None:
    study = bench.study(4, closing=OneRefit())
    whole = open_ledger(":memory:")
    play(bench, study, whole)
    rows = [(row.kind, row.body) for row in whole.rows("s")]
    phase = next(i for i, (kind, _) in enumerate(rows) if kind == "phase")
    for cut in range(phase + 1, len(rows)):
        ledger = open_ledger(":memory:")
        with ledger.writer("s") as writer:
            writer.append(rows[:cut])
        record = play(bench, study, ledger)
        kinds = Counter(row.kind for row in ledger.rows("s"))
        assert record.status == "finished"
        assert kinds["end"] == 1
        assert record.reason == "budget spent: 4 trials"


@pytest.mark.parametrize("word", ["refuse", "ask"])
def test_running_again_is_no_way_around_the_policy(bench: Bench, word: str) -> None:
    closed = RulePolicy("closed", allow=(), ask=("run",) if word == "ask" else ())
    ledger = open_ledger(":memory:")
    for _ in range(3):
        record = play(bench, bench.study(5, policy=closed), ledger)
        assert record.view.n_trials == 0
        assert record.status == ("waiting" if word == "ask" else "refused")


def test_added_budget_is_ruled_on(bench: Bench) -> None:
    capped = RulePolicy("tight", max_trials=10)
    ledger = open_ledger(":memory:")
    play(bench, bench.study(5, policy=capped), ledger)
    ledger.post("s", {"kind": "budget", "add": {"trials": 90}})
    record = play(bench, bench.study(5, policy=capped), ledger)
    assert record.view.n_trials == 5
    ledger.post("s", {"kind": "budget", "add": {"trials": 5}})
    record = play(bench, bench.study(5, policy=capped), ledger)
    assert record.view.n_trials == 10


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "budget", "add": {"trials": -5}},
        {"kind": "budget", "add": {"parsecs": 5}},
        {"kind": "budget"},
        {"kind": "ban"},
        {"kind": "enqueue", "document": '{"x":99}'},
        {"kind": "enqueue"},
        {"kind": "coach", "trial": None},
        {"kind": "coach", "do": "set", "trial": None},
        {"kind": "coach", "do": "pause", "trial": None},
        {"kind": "dance"},
        {},
    ],
)
def test_a_bad_message_is_ignored_with_its_reason(bench: Bench, message: dict[str, Any]) -> None:
    ledger = open_ledger(":memory:")
    play(bench, bench.study(3), ledger)
    ledger.post("s", message)
    record = play(bench, bench.study(3), ledger)
    assert record.view.n_trials == 3
    taken = [row.body for row in ledger.rows("s", kinds=("message",))]
    assert all(body["ignored"] for body in taken)


def test_a_paused_trial_is_not_taken_for_a_killer(bench: Bench) -> None:
    ledger = open_ledger(":memory:")

    def pausing(point: Point) -> float:
        if ledger.length("s") < 60 and len(list(ledger.rows("s", kinds=("session",)))) < 5:
            ledger.post("s", {"kind": "pause"})
        time.sleep(0.11)
        return square(point)

    for _ in range(6):
        record = play(bench, bench.study(12, slots=1), ledger, bench.inline(pausing))
    assert all(o.ok for o in record.view.finished)


def test_a_curve_that_diverged_does_not_end_the_run(bench: Bench) -> None:
    def curve(point: Point) -> Any:
        yield 1, float("nan")
        yield 2, point.x**2

    record = play(bench, bench.study(4), open_ledger(":memory:"), bench.inline(curve))
    assert all(o.ok for o in record.view.finished)
    assert all(len(o.evidence.curve) == 1 for o in record.view.finished)


@pytest.mark.parametrize("value", [1.7e308, -1.7e308, 10**400])
def test_huge_values_are_recorded_or_refused(bench: Bench, value: Any) -> None:
    record = play(
        bench, bench.study(4), open_ledger(":memory:"),
        bench.inline(lambda p: value if p.x > 0 else -value),
    )  # fmt: skip
    assert record.view.n_trials == 4


def test_enqueueing_what_was_tried_holds_nothing_up(bench: Bench) -> None:
    ledger = open_ledger(":memory:")
    first = play(bench, bench.study(2), ledger).view.trial(0).candidate.document
    for document in (first, bench.space.dump(Point(0.125, "b"))):
        ledger.post("s", {"kind": "enqueue", "document": document})
    ledger.post("s", {"kind": "budget", "add": {"trials": 5}})
    record = play(bench, bench.study(2), ledger)
    assert record.view.n_trials == 7
    assert record.view.trial(2).candidate.document == bench.space.dump(Point(0.125, "b"))


def test_a_banned_leader_does_not_stop_promotion(bench: Bench) -> None:
    def at(point: Point, fidelity: float) -> float:
        return point.x**2

    study = bench.study(9, rungs=Rungs((1, 9), eta=4))
    ledger = open_ledger(":memory:")
    record = play(bench, study, ledger, bench.inline(at))
    leader = record.view.best(1, 0)[0].trial.candidate.id
    ledger.post("s", {"kind": "ban", "candidate": leader})
    ledger.post("s", {"kind": "budget", "add": {"trials": 40}})
    record = play(bench, study, ledger, bench.inline(at))
    late = [t for t in record.view.trials.values() if t.rung == 1 and t.number >= 9]
    assert late
    assert leader not in {t.candidate.id for t in late}


def test_rivals_are_all_tried_even_with_designs_in_line(bench: Bench) -> None:
    rivals = tuple(Candidate(bench.space.dump(Point(x))) for x in (0.9, 0.8, 0.8))
    ledger = open_ledger(":memory:")
    study = bench.study(2, rivals=rivals, rival_names=("trivial", "yours", "again"))
    record = play(bench, study, ledger)
    assert [t.by for t in record.view.trials.values()][:2] == ["trivial", "yours"]
    assert record.view.n_trials == 4


def test_failing_from_the_start_ends_alike_in_any_order(bench: Bench) -> None:
    def never(point: Point) -> float:
        raise RuntimeError("no")

    counts = set()
    for seed in range(4):
        executor = bench.shuffled(4, seed)
        executor.inline = bench.inline(never)
        record = play(bench, bench.study(60, slots=4), open_ledger(":memory:"), executor)
        counts.add(record.view.n_trials)
    assert len(counts) == 1
    assert counts.pop() < 20


def test_another_unit_of_budget_goes_on(bench: Bench) -> None:
    ledger = open_ledger(":memory:")
    study = bench.study(budget=Budget(seconds=0.2))
    first = play(bench, study, ledger).view.n_trials
    ledger.post("s", {"kind": "budget", "add": {"trials": 7}})
    assert play(bench, study, ledger).view.n_trials == first + 7


def test_replay_holds_with_rungs_slots_and_failures(bench: Bench) -> None:
    def at(point: Point, fidelity: float) -> float:
        if point.x > 0.8:
            raise ValueError("too far")
        return point.x**2 + 1 / fidelity

    study = bench.study(50, rungs=Rungs((1, 3, 9)), slots=3)
    ledger = open_ledger(":memory:")
    executor = bench.shuffled(3, 5)
    executor.inline = bench.inline(at)
    play(bench, study, ledger, executor)
    check_replay(study, bench.description(study), list(ledger.rows("s")))


def test_a_refused_call_adds_no_budget_twice(tmp_path: Path) -> None:
    options: dict[str, Any] = {"designer": "evolution", "workspace": tmp_path, "name": "one"}
    mw.search(Point, square, budget=5, **options)
    with open_ledger(tmp_path / "one" / "ledger.sqlite") as ledger, ledger.writer("one"):
        for _ in range(3):
            with pytest.raises(LedgerError):
                mw.search(Point, square, budget=10, **options)
    assert len(mw.search(Point, square, budget=10, **options).trials) == 10


def test_a_design_of_another_study_cannot_be_told(tmp_path: Path) -> None:
    with (
        mw.AskTell(Point, name="a", designer="random", workspace=tmp_path) as a,
        mw.AskTell(Point, name="b", designer="random", workspace=tmp_path, seed=1) as b,
    ):
        asked = a.ask()
        with pytest.raises(InputError, match="not handed out"):
            b.tell(asked, 0.5)
        with pytest.raises(InputError, match="needs a number"):
            a.tell(asked, "0.5")  # type: ignore[arg-type]
        a.tell(asked, 0.5)
    for _ in range(4):  # reopened with a design out, again and again
        with mw.AskTell(Point, name="a", designer="random", workspace=tmp_path) as a:
            out = a.ask()
    with mw.AskTell(Point, name="a", designer="random", workspace=tmp_path) as a:
        again = a.ask()
        assert again.trial == out.trial
        a.tell(again, 0.25)
        assert a.result.best_value == 0.25
