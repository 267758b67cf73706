"""Trials that would end too late are dropped, and say so."""

from __future__ import annotations

import pytest

from modelwright.core.trial import Candidate, Evidence, Progress, Trial
from modelwright.study.pace import Pace


def _trial(number: int) -> Trial:
    return Trial(number, Candidate("{}"), 0, 1.0, 1.0, seed=0)


def test_a_trial_that_would_end_too_late_is_named_once_and_explained() -> None:
    pace = Pace()
    pace.start([_trial(0), _trial(1)], now=0.0)
    pace.hear(Progress(0, 1, done=0.2), now=5.0)  # 3 s of them may be for libraries: 8 s to go
    pace.hear(Progress(1, 4, done=0.8), now=5.0)  # half a second to go
    assert pace.too_long(deadline=8.0, now=5.0) == [0]
    assert pace.too_long(deadline=8.0, now=5.0) == []
    told = pace.explain(Evidence(0).failed("cancelled", "cancelled while it ran"))
    assert told.failure is not None
    assert "20% of its work done" in told.failure.message
    assert "about 8.0 s, and 3.0 s were left" in told.failure.message


def test_a_slow_start_is_no_slow_trial() -> None:
    pace = Pace()
    pace.start([_trial(0)], now=0.0)
    pace.hear(Progress(0, 1, done=0.1), now=3.0)  # libraries were loaded
    assert pace.too_long(deadline=4.0, now=3.0) == []
    pace.hear(Progress(0, 2, done=0.2), now=3.1)  # 0.8 s to go at that speed
    assert pace.too_long(deadline=4.0, now=3.1) == []
    pace.hear(Progress(0, 3, done=0.3), now=5.0)  # 7 s to go
    assert pace.too_long(deadline=7.0, now=5.0) == [0]


def test_words_heard_late_do_not_slow_a_trial_down() -> None:
    pace = Pace()
    pace.start([_trial(0)], now=0.0)
    pace.hear(Progress(0, 1, done=0.2), now=0.5)
    pace.hear(Progress(0, 2, done=0.4), now=4.0)  # said at 1.0, while a designer thought
    assert pace.too_long(deadline=10.0, now=4.0) == []


@pytest.mark.parametrize("done", [None, 0.0, 1.0])
def test_without_a_usable_share_nothing_is_projected(done: float | None) -> None:
    pace = Pace()
    pace.start([_trial(0)], now=0.0)
    pace.hear(Progress(0, 1, done=done), now=100.0)
    assert pace.too_long(deadline=1.0, now=100.0) == []


def test_a_projection_near_the_deadline_is_given_the_benefit_of_the_doubt() -> None:
    pace = Pace()
    pace.start([_trial(0)], now=0.0)
    pace.hear(Progress(0, 1, done=0.5), now=8.0)  # would end at 13
    assert pace.too_long(deadline=12.5, now=8.0) == []
    assert pace.too_long(deadline=12.0, now=8.0) == [0]


def test_other_failures_keep_their_words() -> None:
    pace = Pace()
    pace.start([_trial(0)], now=0.0)
    pace.hear(Progress(0, 1, done=0.1), now=5.0)
    assert pace.too_long(deadline=6.0, now=5.0) == [0]
    crashed = Evidence(0).failed("crash", "SIGSEGV")
    assert pace.explain(crashed) is crashed
