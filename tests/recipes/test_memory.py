"""A ceiling of memory: what is read from it, dealt out, and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import modelwright
from modelwright.core.errors import InputError
from modelwright.data import Part, Table, load_part, prepare, read_table
from modelwright.data import Question as Split
from modelwright.policy import LAPTOP
from modelwright.recipes.memory import (
    IDLE,
    WAITING,
    bytes_of,
    check_preparing,
    deal,
    own_bytes,
    parse_memory,
    reading_bytes,
)
from modelwright.recipes.question import Question


def frame(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D")
    x = rng.normal(size=n)
    kind = rng.choice(["a", "b"], n)
    return pd.DataFrame({"x": x, "day": day, "kind": kind, "y": x + rng.normal(size=n)})


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Part:
    folder = tmp_path_factory.mktemp("data")
    return load_part(prepare(read_table(frame(), "y"), Split("y"), folder).dev)


@pytest.mark.parametrize("text", ["4", "4 apples", "0.5GB", "800MB", "-1GB", ""])
def test_refuses_what_is_no_ceiling(text: str) -> None:
    with pytest.raises(InputError, match="memory"):
        Question("a.csv", "y", memory=text)


def test_the_shares_stay_under_the_ceiling(part: Part) -> None:
    for text in ("2GB", "4GB", "64gb"):
        dealt = deal(text, 2, False, part)
        assert dealt.worker_bytes is not None
        total = dealt.slots * dealt.worker_bytes + WAITING + own_bytes()
        assert total <= parse_memory(text)
        assert dealt.worker_bytes >= IDLE
        assert text in dealt.notes[0]
    assert deal(None, 3, False, part).worker_bytes is None


def test_fewer_trials_run_at_once_where_rows_are_many(part: Part) -> None:
    assert bytes_of(part) == 60 * (8 * (1 + 8) + 4 + 8)
    ceiling = 1.1 * own_bytes() + WAITING + 2.2 * IDLE
    text = f"{ceiling / 1e6:.0f}MB"
    assert deal(text, 4, False, part).slots == 2
    with pytest.raises(InputError, match="fewer trials at once"):
        deal(text, 4, True, part)


def test_a_table_that_cannot_be_prepared_is_refused_before_it_is(part: Part) -> None:
    table = read_table(frame(), "y")
    check_preparing(10**9, table)
    large = Table(table.frame, replace(table.info, n_rows=50_000_000))
    with pytest.raises(InputError, match="50000000 rows of 4 columns"):
        check_preparing(4 * 10**9, large)


def test_reading_may_take_what_is_left() -> None:
    assert 4e9 < reading_bytes(4 * 10**9) < 5.5e9


def test_a_build_keeps_to_its_ceiling_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    frame(200).to_csv(path, index=False)
    result = modelwright.build(
        path, "y", budget="1trials", workspace=tmp_path / "runs", slots=1, memory="2GB",
        policy=replace(LAPTOP, families=("Linear",)), student=False,
    )  # fmt: skip
    assert result.shipped is not None
    assert any("of 2GB of memory each of 1 workers" in note for note in result.notes)
    peaks = [o.evidence.peak_bytes for o in result.record.view.finished]
    known = [peak for peak in peaks if peak]
    assert known
    assert max(known) < 2 * 10**9
