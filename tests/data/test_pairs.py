"""Examples given from Python: what is read, and what is refused in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.core.errors import InputError
from modelwright.data.pairs import keep_pairs

X = np.linspace(0, 1, 40)
NAMES = ["a", "b"] * 20


def test_numbers_alone_are_examples_of_one_feature(tmp_path: Path) -> None:
    pairs = keep_pairs((X, np.array([NAMES]).T), None, tmp_path)
    assert pairs.shape == (1,)
    assert pairs.classes == ("a", "b")


@pytest.mark.parametrize(
    ("y", "values", "words"),
    [
        ([None, *NAMES[1:]], None, "y is missing in 1 of 40 examples, the first at 0"),
        ([*NAMES[1:], float("nan")], None, "y is missing in 1 of 40 examples, the first at 39"),
        (pd.Series([pd.NA, *NAMES[1:]]), None, "y is missing in 1 of 40"),
        (NAMES, True, "values to be estimated are numbers; y holds 'a'"),
    ],
)
def test_targets_that_cannot_be_used(
    y: Any, values: bool | None, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        keep_pairs((X, y), None, tmp_path, values=values)
