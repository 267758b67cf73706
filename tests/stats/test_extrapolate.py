"""Where learning curves end: intervals that hold what they promise."""

from __future__ import annotations

import numpy as np

from modelwright.stats.extrapolate import extrapolate

SHAPES = (
    lambda t, rate: t**-rate,  # what it knows, and two that it does not
    lambda t, rate: 1 / (1 + t * rate),
    lambda t, rate: np.exp(-((rate * t) ** 0.6)),
)


def test_intervals_hold_the_end_nine_times_in_ten_and_narrow_with_more_of_the_curve() -> None:
    rng = np.random.default_rng(0)
    held: dict[int, list[bool]] = {2: [], 4: [], 12: []}
    widths: dict[int, list[float]] = {n: [] for n in held}
    errors: list[tuple[float, float]] = []
    times = np.arange(1, 17)
    for i in range(60):
        shape = SHAPES[i % 3](times, rng.uniform(0.3, 1.5))
        scores = rng.uniform(0.6, 0.97) - rng.uniform(0.1, 0.5) * shape + rng.normal(0, 0.01, 16)
        for n in held:
            seen = list(zip(times[:n].tolist(), scores[:n].tolist(), strict=True))
            found = extrapolate(seen, 16)
            assert found is not None
            held[n].append(found.low <= scores[-1] <= found.high)
            widths[n].append(found.high - found.low)
            if n == 4:
                errors.append((abs(found.estimate - scores[-1]), abs(scores[3] - scores[-1])))
    assert all(np.mean(seen) >= 0.85 for seen in held.values()), held
    assert np.mean(widths[12]) < np.mean(widths[4]) < np.mean(widths[2])
    foretold, newest = np.mean(errors, axis=0)
    assert foretold < newest


def test_what_cannot_be_told_is_none_and_one_look_is_enough() -> None:
    assert extrapolate([], 8) is None
    assert extrapolate([(8, 0.5)], 8) is None
    assert extrapolate([(1, float("nan"))], 8) is None
    found = extrapolate([(1, 0.5)], 8)
    assert found is not None
    assert found.low < 0.5 < found.high <= 1
