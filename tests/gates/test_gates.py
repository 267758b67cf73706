from __future__ import annotations

import math

import pytest

from modelwright.core.problem import ONE_RUNG, Budget, Goal, Limit, Rungs
from modelwright.core.trial import Candidate, Evidence, Role, Trial
from modelwright.core.view import Brief, Outcome, View, ViewBuilder
from modelwright.gates import Best, Paired


class Rows:
    """Outcomes with scores per fold, as a gate sees them."""

    def __init__(self, limits: tuple[Limit, ...] = (), rungs: Rungs = ONE_RUNG) -> None:
        brief = Brief(None, (Goal("auc", "maximise"),), limits, rungs)
        self.builder = ViewBuilder(brief, Budget(trials=100))

    @property
    def view(self) -> View:
        return self.builder.view

    def add(
        self,
        *folds: float,
        role: Role = "search",
        by: str = "",
        rung: int = 0,
        latency: float | None = None,
        noise: float = 0.0,
    ) -> Outcome:
        number = self.view.n_trials
        trial = Trial(number, Candidate(f"[{number}]"), rung, 1.0, 1.0, 0, role, by)
        self.builder.order(trial)
        scores = {"auc": sum(folds) / len(folds)} if folds else {}
        if latency is not None:
            scores["latency_ms"] = latency
        evidence = Evidence(number, scores, {"auc": folds}, {"latency_ms": noise})
        if not folds:
            evidence = evidence.failed("error", "it broke")
        return self.builder.evidence(evidence)


@pytest.mark.parametrize("gate", [Best(), Paired()])
def test_failed_and_low_rung_trials_are_no_champions(gate: Best | Paired) -> None:
    rows = Rows(rungs=Rungs((1, 3)))
    assert gate.judge(rows.add(), None, rows.view).word == "reject"
    assert gate.judge(rows.add(0.9, 0.9, rung=0), None, rows.view).word == "hold"
    assert gate.judge(rows.add(0.9, 0.9, rung=1), None, rows.view).word == "promote"


@pytest.mark.parametrize("gate", [Best(), Paired()])
def test_limits_come_before_the_score(gate: Best | Paired) -> None:
    rows = Rows((Limit("latency_ms", "<=", 1.0),))
    slow = rows.add(0.99, 0.99, latency=5.0)
    fast = rows.add(0.70, 0.70, latency=0.5)
    edge = rows.add(0.99, 0.99, latency=0.95, noise=0.1)
    unmeasured = rows.add(0.99, 0.99)
    assert gate.judge(fast, slow, rows.view).word == "promote"
    assert gate.judge(slow, fast, rows.view).word == "reject"
    assert edge.violation > 0, "within noise of the limit counts as not met"
    assert math.isinf(unmeasured.violation)


def test_the_paired_gate_says_what_is_noise_and_counts_the_looks() -> None:
    rows = Rows()
    old = rows.add(0.80, 0.84, 0.79, 0.83, 0.81)
    lucky = rows.add(0.83, 0.82, 0.80, 0.84, 0.80)
    clear = rows.add(0.90, 0.93, 0.89, 0.93, 0.91)
    verdict = Paired().judge(lucky, old, rows.view)
    assert verdict.word == "promote"
    assert "within noise" in verdict.doubts[0]
    sure = Paired().judge(clear, old, rows.view)
    assert sure.doubts == ()
    assert sure.numbers["low"] > 0
    for number in range(3):
        rows.builder.verdict(verdict.__class__(number, "reject", "a look"))
    assert Paired().judge(clear, old, rows.view).numbers["low"] < sure.numbers["low"]


def test_your_own_model_is_replaced_only_beyond_noise() -> None:
    rows = Rows()
    yours = rows.add(0.80, 0.84, 0.79, 0.83, 0.81, role="rival", by="yours")
    lucky = rows.add(0.83, 0.82, 0.80, 0.84, 0.80)
    clear = rows.add(0.90, 0.93, 0.89, 0.93, 0.91)
    kept = Paired().judge(lucky, yours, rows.view)
    assert kept.word == "hold"
    assert "keep yours" in kept.reason
    assert Paired().judge(clear, yours, rows.view).word == "promote"


def test_evidence_of_another_protocol_is_not_compared_fold_by_fold() -> None:
    from dataclasses import replace

    rows = Rows()
    a, b = rows.add(0.8, 0.9), rows.add(0.7, 0.8)
    other = replace(a, evidence=replace(a.evidence, protocol="another"))
    assert Paired().compare(a, b, rows.view, 1) is not None
    assert Paired().compare(other, b, rows.view, 1) is None
