from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from modelwright.core.keys import Key
from modelwright.stats import bootstrap_interval, mean_interval, paired_interval


def test_the_t_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        found = mean_interval(list(rng.normal(3.0, 1.0, 8)))
        hits += found.low <= 3.0 <= found.high
    assert 0.935 < hits / 2000 < 0.965


def test_the_bootstrap_covers_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for i in range(300):
        x = rng.normal(3.0, 1.0, 60)

        def mean(rows: Any, x: Any = x) -> float:
            return float(x[rows].mean())

        found = bootstrap_interval(mean, 60, Key.of(i), rounds=200)
        hits += found.low <= 3.0 <= found.high
    assert 0.89 < hits / 300 < 0.98


def test_more_looks_and_overlap_widen() -> None:
    a, b = [0.9, 0.92, 0.91, 0.89], [0.85, 0.9, 0.88, 0.86]
    plain = paired_interval(a, b, overlap=0.0)
    assert paired_interval(a, b, looks=20, overlap=0.0).low < plain.low
    assert paired_interval(a, b, overlap=0.3).low < plain.low


def test_one_value_is_no_interval_and_lengths_must_agree() -> None:
    assert math.isinf(mean_interval([1.0]).high)
    with pytest.raises(ValueError, match="argument"):
        paired_interval([1.0, 2.0], [1.0])


def test_the_bootstrap_leaves_out_rounds_that_cannot_be_scored() -> None:
    def never(rows: object) -> float:
        never.calls += 1  # type: ignore[attr-defined]
        if never.calls > 1:  # type: ignore[attr-defined]
            raise ValueError("one class")
        return 0.5

    never.calls = 0  # type: ignore[attr-defined]
    assert math.isinf(bootstrap_interval(never, 10, Key.of(0)).low)
