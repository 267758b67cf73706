"""Splits: in proportion, by group, by time, and equal by seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.errors import InputError
from modelwright.data import Split, split_rows
from modelwright.data import split as module


def classes(n: int, *shares: float, seed: int = 0) -> Any:
    return np.random.default_rng(seed).choice(len(shares), n, p=shares)


def check(split: Split, n: int) -> None:
    """What holds for every split: no row on two sides, none lost."""
    assert sorted([*split.dev, *split.sealed]) == list(range(n))
    for train, valid in split.folds:
        assert len(valid)
        assert len(train)
        assert not set(train) & set(valid)
        assert max([*train, *valid]) < len(split.dev)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(n=st.integers(10, 3000), seed=st.integers(0, 99), rare=st.floats(0.05, 0.5))
def test_classes_are_in_proportion_everywhere(n: int, seed: int, rare: float) -> None:
    y = classes(n, 1 - rare, rare, seed=seed)
    if min(np.bincount(y, minlength=2)) < 2:
        return
    split = split_rows(y, classes=True, seed=seed)
    check(split, n)
    assert len(split.sealed) == (round(0.2 * n) if n >= 1000 else 0)
    share = y.mean()
    for train, valid in split.folds:
        assert abs(y[split.dev][valid].sum() - share * len(valid)) <= 2
        assert y[split.dev][train].sum() >= 1
    if n >= 1000:
        assert abs(y[split.sealed].sum() - share * len(split.sealed)) <= 1


def test_each_repeat_validates_every_row_once() -> None:
    split = split_rows(classes(200, 0.7, 0.3), classes=True, seed=1)
    assert split.repeats == 3
    per = len(split.folds) // split.repeats
    for r in range(split.repeats):
        valid = np.concatenate([v for _, v in split.folds[r * per : (r + 1) * per]])
        assert sorted(valid) == list(range(200))
    assert (split.parts[:per] != split.parts[per : 2 * per]).any()
    assert any("too few for a sealed part" in note for note in split.notes)


def test_the_same_seed_gives_the_same_split_and_another_another() -> None:
    y = classes(2000, 0.5, 0.5)
    a, b, c = (split_rows(y, classes=True, seed=s) for s in (5, 5, 6))
    np.testing.assert_array_equal(a.sealed, b.sealed)
    np.testing.assert_array_equal(a.parts, b.parts)
    assert set(a.sealed) != set(c.sealed)


def test_values_are_balanced_by_quantile() -> None:
    y = np.random.default_rng(0).lognormal(size=1500)
    split = split_rows(y, classes=False, seed=0)
    check(split, 1500)
    medians = [np.median(y[split.dev][valid]) for _, valid in split.folds]
    assert max(medians) / min(medians) < 1.1


def test_sealing_can_be_refused_and_is_capped() -> None:
    assert len(split_rows(classes(5000, 0.5, 0.5), classes=True, seal=False).sealed) == 0
    y = classes(130_000, 0.9, 0.1)
    split = split_rows(y, classes=True)
    check(split, len(y))
    assert len(split.sealed) == module.SEALED_MAX
    assert split.parts.shape == (1, 120_000)
    assert (split.parts[0] == 2).sum() == module.HOLDOUT_MAX


@settings(deadline=None, max_examples=40, derandomize=True)
@given(n=st.integers(60, 2500), n_groups=st.integers(12, 200), seed=st.integers(0, 99))
def test_a_group_is_on_one_side_only(n: int, n_groups: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    y = rng.integers(0, 2, n)
    split = split_rows(y, classes=True, groups=groups, seed=seed)
    check(split, n)
    assert not set(groups[split.sealed]) & set(groups[split.dev])
    inner = groups[split.dev]
    for train, valid in split.folds:
        assert not set(inner[train]) & set(inner[valid])


def test_groups_are_balanced_and_few_groups_are_said() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 300, 6000)
    y = (groups % 5 == 0).astype(int)
    split = split_rows(y, classes=True, groups=groups, seed=0)
    assert abs(len(split.sealed) - 1200) < 60
    shares = [y[split.dev][valid].mean() for _, valid in split.folds]
    assert max(shares) - min(shares) < 0.05
    few = split_rows(y, classes=True, groups=groups % 4, seed=0)
    assert len(few.sealed) == 0
    assert len(few.folds) == 4
    assert "there are too few groups for a sealed part" in few.notes
    with pytest.raises(InputError, match="one group only"):
        split_rows(y, classes=True, groups=np.zeros(6000, int))


def test_very_many_groups_are_dealt_fast() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40_000, 60_000)
    split = split_rows(rng.integers(0, 2, 60_000), classes=True, groups=groups, seed=0)
    check(split, 60_000)
    assert not set(groups[split.sealed]) & set(groups[split.dev])
    assert abs(len(split.sealed) - 10_000) < 300


@settings(deadline=None, max_examples=40, derandomize=True)
@given(n=st.integers(20, 2500), span=st.integers(8, 5000), seed=st.integers(0, 99))
def test_the_past_trains_and_the_future_validates(n: int, span: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = rng.integers(0, span, n).astype(float)
    split = split_rows(rng.normal(size=n), classes=False, times=times, seed=seed)
    check(split, n)
    if len(split.sealed):
        assert times[split.dev].max() < times[split.sealed].min()
    inner = times[split.dev]
    starts = []
    for train, valid in split.folds:
        assert inner[train].max() < inner[valid].min()
        starts.append(len(train))
    assert starts == sorted(starts)


def test_one_moment_has_no_past() -> None:
    with pytest.raises(InputError, match="too few different times"):
        split_rows(np.arange(50.0), classes=False, times=np.zeros(50))
