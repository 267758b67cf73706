"""The sets of the tabular panel as train and test files, one split per seed.

Sets come from `../shared/data` (its catalogue names files, targets and problems) and are written as
CSV into `.bench/tabular/<set>-<seed>/`, so that every system reads the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.model_selection import train_test_split

import environments
from tasks import shared

# Sets with headroom: what a default boosted model leaves on the table differs between systems.
PANEL = (
    "adult_income",
    "credit_default",
    "german_credit",
    "telco_churn",
    "letter_recognition",
    "horse_colic",
    "california_housing",
    "ames_housing",
    "wine_quality_white",
)
LONG = ("adult_income", "letter_recognition", "california_housing", "ames_housing")
TEST_SHARE = 0.25


def catalogue() -> dict[str, dict[str, Any]]:
    """The tabular sets by name."""
    listed = json.loads((shared() / "data" / "catalog.json").read_text())["datasets"]
    return {d["name"]: d for d in listed if d["kind"] == "tabular"}


def read(name: str) -> pd.DataFrame:
    """The whole set as pandas reads it."""
    path = shared() / "data" / catalogue()[name]["path"]
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def split(name: str, seed: int) -> tuple[Path, Path]:
    """Train and test files of a set; classes in proportion, a quarter of the rows for the test."""
    folder = environments.ROOT / "tabular" / f"{name}-{seed}"
    train, test = folder / "train.csv", folder / "test.csv"
    if not test.exists():
        about, frame = catalogue()[name], read(name)
        frame = frame[frame[about["target"]].notna()]
        strata = frame[about["target"]] if about["problem_type"] != "regression" else None
        a, b = train_test_split(frame, test_size=TEST_SHARE, random_state=seed, stratify=strata)
        folder.mkdir(parents=True, exist_ok=True)
        a.to_csv(train, index=False)
        b.to_csv(folder / "test.partial", index=False)
        (folder / "test.partial").rename(test)
    return train, test
