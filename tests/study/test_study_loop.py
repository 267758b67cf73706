from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from study_bench import Bench, Point, square

from modelwright.core.problem import Budget, Rungs
from modelwright.core.record import Record
from modelwright.core.trial import Candidate
from modelwright.executors import FileStore, ToolBox
from modelwright.ledger import Ledger, open_ledger
from modelwright.policy import RulePolicy
from modelwright.study import Study, run
from modelwright.study.session import Session


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def orders(ledger: Ledger) -> list[tuple[Any, ...]]:
    """Everything decided, without what was measured."""
    return [
        tuple(row.body[k] for k in ("number", "document", "rung", "seed", "by", "reason"))
        for row in ledger.rows("s", kinds=("order",))
    ]


def play(bench: Bench, study: Study, ledger: Ledger, executor: Any = None) -> Record:
    return run(study, ledger, executor or bench.inline(), bench.description(study))


def test_spends_exactly_its_trials_and_promotes_the_best(bench: Bench) -> None:
    record = play(bench, bench.study(25), open_ledger(":memory:"))
    losses = [o.loss for o in record.view.finished]
    assert len(losses) == 25
    assert record.status == "finished"
    assert record.reason == "budget spent: 25 trials"
    assert record.view.champion == losses.index(min(losses))


def test_a_finished_study_run_again_adds_nothing(bench: Bench) -> None:
    ledger = open_ledger(bench.folder / "l.sqlite")
    play(bench, bench.study(5), ledger)
    head = ledger.head("s")
    again = play(bench, bench.study(5), ledger)
    assert ledger.head("s") == head
    assert again.view.n_trials == 5


@pytest.mark.parametrize("slots", [1, 3])
def test_stopped_after_any_row_it_goes_on_as_if_never_stopped(bench: Bench, slots: int) -> None:
    study = bench.study(12, slots=slots)
    whole = open_ledger(":memory:")
    play(bench, study, whole, bench.shuffled(slots, 0))
    rows = [(row.kind, row.body) for row in whole.rows("s")]
    for cut in range(1, len(rows)):
        ledger = open_ledger(":memory:")
        with ledger.writer("s") as writer:
            writer.append(rows[:cut])
        play(bench, study, ledger, bench.shuffled(slots, cut))
        assert orders(ledger) == orders(whole), f"cut after row {cut}"
        assert ledger.verify("s").ok


def test_parallel_runs_repeat_whatever_finishes_first(bench: Bench) -> None:
    results = []
    for seed in range(4):
        ledger = open_ledger(":memory:")
        play(bench, bench.study(20, slots=3), ledger, bench.shuffled(3, seed))
        results.append(orders(ledger))
    assert all(result == results[0] for result in results)


def test_another_seed_is_another_run(bench: Bench) -> None:
    from dataclasses import replace

    found = []
    for seed in (0, 1):
        study = bench.study(5)
        ledger = open_ledger(":memory:")
        play(bench, replace(study, problem=replace(study.problem, seed=seed)), ledger)
        found.append(orders(ledger))
    assert found[0] != found[1]


def test_more_budget_continues(bench: Bench) -> None:
    ledger = open_ledger(":memory:")
    play(bench, bench.study(5), ledger)
    ledger.post("s", {"kind": "budget", "add": {"trials": 4}})
    record = play(bench, bench.study(5), ledger)
    whole = open_ledger(":memory:")
    play(bench, bench.study(9), whole)
    assert record.reason == "budget spent: 9 trials"
    assert orders(ledger) == orders(whole)


@pytest.mark.parametrize(("word", "status"), [("stop", "stopped"), ("pause", "paused")])
def test_a_word_in_the_inbox_ends_the_session_and_resume_goes_on(
    bench: Bench, word: str, status: str
) -> None:
    ledger = open_ledger(":memory:")

    def posting(point: Point) -> float:
        if ledger.head("s").n < 9:
            ledger.post("s", {"kind": word})
        time.sleep(0.12)
        return square(point)

    record = play(bench, bench.study(6), ledger, bench.inline(posting))
    assert record.status == status
    assert 0 < record.view.n_trials < 6
    record = play(bench, bench.study(6), ledger)
    assert record.status == "finished"
    assert record.view.n_trials == 6
    whole = open_ledger(":memory:")
    play(bench, bench.study(6), whole)
    assert orders(ledger) == orders(whole)


def test_an_enqueued_design_is_tried_next(bench: Bench) -> None:
    ledger = open_ledger(":memory:")
    play(bench, bench.study(1), ledger)
    document = bench.space.dump(Point(0.125, "b"))
    ledger.post("s", {"kind": "enqueue", "document": document})
    ledger.post("s", {"kind": "budget", "add": {"trials": 2}})
    record = play(bench, bench.study(1), ledger)
    assert record.view.trial(1).candidate.document == document
    assert record.view.trial(1).by == "enqueued"
    assert record.view.trial(2).by == "climber"


def test_failed_trials_are_rows_and_the_loop_goes_on(bench: Bench) -> None:
    calls = itertools.count()

    def sometimes(point: Point) -> float:
        n = next(calls)
        if n % 3 == 0:
            raise ValueError("bad luck")
        return float("nan") if n % 3 == 1 else point.x

    ledger = open_ledger(":memory:")
    record = play(bench, bench.study(9), ledger, bench.inline(sometimes))
    causes = [o.evidence.failure.cause for o in record.view.finished if o.evidence.failure]
    assert causes == ["error", "bad_score"] * 3
    assert record.view.n_trials == 9


def test_ten_failures_from_the_start_end_the_run(bench: Bench) -> None:
    def never(point: Point) -> float:
        raise RuntimeError("no such column")

    record = play(bench, bench.study(500), open_ledger(":memory:"), bench.inline(never))
    assert record.view.n_trials == 10
    assert "no such column" in record.reason


def test_rungs_promote_the_best_third(bench: Bench) -> None:
    study = bench.study(60, rungs=Rungs((1, 3, 9)))

    def at(point: Point, fidelity: float) -> float:
        return point.x**2 + 1 / fidelity

    record = play(bench, study, open_ledger(":memory:"), bench.inline(at))
    counts = [sum(t.rung == r for t in record.view.trials.values()) for r in range(3)]
    assert sum(counts) == 60
    # Whoever was among the best third once stays promoted: somewhat more than a third go on.
    assert counts[0] // 2 >= counts[1] >= counts[0] // 3
    assert counts[1] // 2 >= counts[2] > 0
    for trial in record.view.trials.values():
        if trial.promoted_from is not None:
            base = record.view.trial(trial.promoted_from)
            assert (base.candidate.id, base.rung + 1) == (trial.candidate.id, trial.rung)


def test_a_budget_in_full_runs_counts_declared_cost(bench: Bench) -> None:
    study = bench.study(rungs=Rungs((1, 3, 9)), budget=Budget(full_runs=5))
    record = play(bench, study, open_ledger(":memory:"), bench.inline(lambda p, f: p.x**2))
    assert 4.8 < record.view.full_runs_spent <= 5 + 1e-9


def test_the_policy_refuses_designs_and_budgets(bench: Bench) -> None:
    capped = RulePolicy("tight", max_trials=10)
    record = play(bench, bench.study(11, policy=capped), open_ledger(":memory:"))
    assert record.view.n_trials == 0
    assert "caps trials at 10" in record.reason
    nothing = RulePolicy("closed", families=("Linear",))
    record = play(bench, bench.study(5, policy=nothing), open_ledger(":memory:"))
    assert record.view.n_trials == 0
    assert "allows Linear" in record.reason


def test_a_trial_that_kills_two_supervisors_is_not_tried_a_third_time(bench: Bench) -> None:
    study = bench.study(3)
    whole = open_ledger(":memory:")
    play(bench, study, whole)
    rows = [(row.kind, row.body) for row in whole.rows("s")]
    first_order = next(i for i, (kind, _) in enumerate(rows) if kind == "order")
    ledger = open_ledger(":memory:")
    with ledger.writer("s") as writer:
        writer.append(rows[: first_order + 1])
        for _ in range(2):
            writer.append([("session", {"at": 0.1, "ordered_again": [0]})])
    record = play(bench, study, ledger)
    outcome = record.view.outcome(0)
    assert outcome is not None
    assert outcome.evidence.failure is not None
    assert outcome.evidence.failure.cause == "interrupted"
    assert record.view.n_trials == 3


def test_a_trial_that_gets_further_between_two_deaths_is_ordered_again(
    bench: Bench, tmp_path: Path
) -> None:
    study, tools = bench.study(3), ToolBox(tmp_path, FileStore(tmp_path / "store"))
    whole = open_ledger(":memory:")
    play(bench, study, whole)
    rows = [(row.kind, row.body) for row in whole.rows("s")]
    first_order = next(i for i, (kind, _) in enumerate(rows) if kind == "order")
    ledger = open_ledger(":memory:")
    with ledger.writer("s") as writer:
        writer.append(rows[: first_order + 1])
    tools.scratch.mkdir(parents=True)
    told: list[Any] = []
    # What lies there at each start: thrice more than before, then the same, until it is given up.
    for step in (b"", b"5", b"9", b"14", b"14", b"14"):
        if step:
            (tools.scratch / "0.safetensors").write_bytes(step)
        (tools.scratch / "0.partial").write_bytes(b"half" * len(told))
        with ledger.writer("s") as writer:  # a supervisor that dies at once
            session = Session.open(study, ledger, writer, {}, kept=tools.kept)
            session.commit()
        told.append([trial.number for trial in session.orders()])
    assert told == [[0]] * 5 + [[]]
    record = play(bench, study, ledger)
    outcome = record.view.outcome(0)
    assert outcome is not None
    assert outcome.evidence.failure is not None
    assert "it got no further" in outcome.evidence.failure.message
    again = [row.body["kept"] for row in ledger.rows("s") if row.kind == "session"][1:]
    assert [list(kept) for kept in again] == [[], ["0"], ["0"], ["0"], ["0"], [], []]


def test_rivals_come_first_and_cost_no_search_budget(bench: Bench) -> None:
    rival = Candidate(bench.space.dump(Point(0.9)))
    study = bench.study(4, rivals=(rival,), rival_names=("simple",))
    record = play(bench, study, open_ledger(":memory:"))
    assert [t.role for t in record.view.trials.values()] == ["rival"] + ["search"] * 4


def test_seconds_end_the_run_and_say_so(bench: Bench) -> None:
    record = play(bench, bench.study(budget=Budget(seconds=0.3)), open_ledger(":memory:"))
    assert record.reason.startswith("budget spent: 0.3 s")
    assert 0.3 <= record.view.elapsed < 2.3
