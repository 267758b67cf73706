"""The target, the question's columns, and the arrays on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modelwright.core.errors import InputError
from modelwright.data import (
    Question,
    encode_rows,
    encode_target,
    load_part,
    load_prepared,
    prepare,
    read_table,
    read_target,
)
from modelwright.data.examples import EXAMPLES, write_example


def frame(n: int = 1200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    out = pd.DataFrame({"a": rng.normal(size=n), "c": rng.choice(["x", "y", "z"], n)})
    out["when"] = pd.date_range("2020-01-01", periods=n).astype(str)
    out["who"] = rng.integers(0, 100, n)
    out["w"] = rng.uniform(0.5, 2, n)
    out["y"] = rng.choice(["low", "high"], n, p=[0.7, 0.3])
    return out


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["no", "yes"] * 10, "binary", ("no", "yes")),
        ([0, 1] * 10, "binary", ("0", "1")),
        ([1, -1, 1, 1] * 5, "binary", ("-1", "1")),
        ([1.0, 2.0, 2.0] * 5, "binary", ("2", "1")),
        (["b", "a", "a"] * 5, "binary", ("a", "b")),
        ([0, 1, 2] * 5, "multiclass", ("0", "1", "2")),
        ([1, 2, 3, 4, 5] * 5, "multiclass", ("1", "2", "3", "4", "5")),
        ([3, 4, 5, 6] * 5, "regression", ()),
        (list(range(12)) * 2, "regression", ()),
        ([0.5, 1.0, 1.5] * 5, "regression", ()),
        (["c10", "c9", "c1"] * 5, "multiclass", ("c1", "c10", "c9")),
        ([True, False, False] * 5, "binary", ("False", "True")),
    ],
)
def test_the_task_and_the_positive_class(
    values: list[object], task: str, classes: tuple[str, ...]
) -> None:
    table = read_table(pd.DataFrame({"x": np.arange(len(values)) % 7, "y": values}), "y")
    target = read_target(table, "y")
    assert (target.task, target.classes) == (task, classes)
    assert target.reasons[0].startswith(f"the task is {task}")
    if task != "regression":
        said = [target.classes[code] for code in target.y]
        assert said == [str(v) if not isinstance(v, float) else f"{v:g}" for v in values]


def test_the_users_task_and_label_count_or_are_refused() -> None:
    table = read_table(pd.DataFrame({"x": range(20), "y": [3, 4, 5, 6] * 5}), "y")
    assert read_target(table, "y", task="multiclass").classes == ("3", "4", "5", "6")
    two = read_table(pd.DataFrame({"x": range(20), "y": [0, 1] * 10}), "y")
    assert read_target(two, "y", positive="0").classes == ("1", "0")
    assert read_target(two, "y", positive="0.0").classes == ("1", "0")
    assert read_target(two, "y", task="regression").y.tolist() == [0.0, 1.0] * 10
    for task, positive, word in [
        ("binry", None, "Did you mean 'binary'"),
        ("multiclass", None, "the task is binary"),
        (None, "2", "none of the classes"),
        ("regression", "1", "does not go with regression"),
    ]:
        with pytest.raises(InputError, match=word):
            read_target(two, "y", task=task, positive=positive)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs two classes"):
        read_target(table, "y", task="binary")


def test_arrays_on_disk_are_the_rows_of_the_table(tmp_path: Path) -> None:
    raw = frame()
    table = read_table(raw, "y")
    prepared = prepare(table, Question("y", weight="w", drop=("who",)), tmp_path)
    assert prepared.schema.classes == ("low", "high")
    assert [c.name for c in prepared.schema.columns] == ["a", "c", "when"]
    assert set(prepared.schema.ignored) == {"who", "w"}
    assert prepared.sealed is not None
    whole = encode_rows(prepared.schema, raw).features
    seen: list[int] = []
    for folder in (prepared.dev, prepared.sealed):
        part = load_part(folder)
        np.testing.assert_array_equal(part.features.numeric, whole.numeric[part.rows])
        np.testing.assert_array_equal(part.features.codes, whole.codes[part.rows])
        np.testing.assert_array_equal(part.features.dates, whole.dates[part.rows])
        assert part.weights is not None
        np.testing.assert_array_equal(part.weights, raw["w"].to_numpy()[part.rows])
        assert [part.schema.classes[c] for c in part.y] == raw["y"][part.rows].tolist()
        assert isinstance(part.features.numeric, np.memmap)
        assert not part.features.numeric.flags.writeable
        seen.extend(part.rows.tolist())
    assert sorted(seen) == list(range(len(raw)))
    assert len(load_part(prepared.sealed).folds) == 0
    assert load_prepared(tmp_path) == prepared


def test_equal_questions_have_equal_hashes(tmp_path: Path) -> None:
    table = read_table(frame(), "y")
    one, two, other = (
        prepare(table, Question("y", seed=seed), tmp_path / name)
        for seed, name in ((1, "a"), (1, "b"), (2, "c"))
    )
    assert one.hash == two.hash != other.hash


def test_text_columns_travel_too(tmp_path: Path) -> None:
    raw = frame(60)
    raw["story"] = [f"the story of row {i} is long enough" if i % 9 else "" for i in range(60)]
    prepared = prepare(read_table(raw, "y"), Question("y"), tmp_path)
    part = load_part(prepared.dev)
    assert part.features.texts["story"][0] is None
    assert part.features.texts["story"][1] == "the story of row 1 is long enough"


def test_group_and_time_reach_the_split(tmp_path: Path) -> None:
    table = read_table(frame(), "y")
    grouped = load_part(prepare(table, Question("y", group="who"), tmp_path / "g").dev)
    assert grouped.how == "grouped"
    assert grouped.groups is not None
    for train, valid in grouped.folds:
        assert not set(grouped.groups[train]) & set(grouped.groups[valid])
    assert "who" not in [c.name for c in grouped.schema.columns]
    ordered = prepare(table, Question("y", time="when"), tmp_path / "t")
    assert ordered.sealed is not None
    assert load_part(ordered.dev).rows.max() < load_part(ordered.sealed).rows.min()
    with pytest.raises(InputError, match="one of the two"):
        Question("y", group="who", time="when")


def test_ids_and_constants_may_still_order_rows(tmp_path: Path) -> None:
    raw = frame().assign(step=range(1200))
    table = read_table(raw, "y")
    assert table.info.column("step").kind == "id"
    prepared = prepare(table, Question("y", time="step"), tmp_path)
    assert load_part(prepared.dev).how == "time"


def test_a_test_file_is_the_sealed_part(tmp_path: Path) -> None:
    table = read_table(frame(), "y")
    test = frame(50, seed=9)
    test.loc[0, "c"] = "new"
    test.loc[1, "y"] = "middling"
    prepared = prepare(table, Question("y"), tmp_path, test)
    assert (prepared.n_dev, prepared.n_sealed) == (1200, 49)
    assert "1 test rows have no known target and are dropped" in prepared.notes
    assert any("unlike those of training" in note for note in prepared.notes)
    assert prepared.sealed is not None
    codes = load_part(prepared.sealed).features.codes
    assert codes[0, 0] == len(prepared.schema.categorical[0].categories)


def test_a_class_of_one_row_is_dropped_and_said(tmp_path: Path) -> None:
    raw = frame(200)
    raw.loc[5, "y"] = "odd"
    prepared = prepare(read_table(raw, "y"), Question("y"), tmp_path)
    assert prepared.schema.task == "binary"
    assert prepared.n_dev == 199
    assert "classes with a single row are dropped: 'odd'" in prepared.notes


def test_a_target_is_encoded_as_in_training(tmp_path: Path) -> None:
    schema = prepare(read_table(frame(), "y"), Question("y"), tmp_path).schema
    codes, known = encode_target(schema, pd.Series(["high", "low", "", "??"]))
    assert codes[:2].tolist() == [1, 0]
    assert known.tolist() == [True, True, False, False]


def test_a_target_with_a_sign_is_read_in_the_test_file_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    raw = pd.DataFrame({"a": rng.normal(size=60)})
    raw["y"] = [f"${v:,}" for v in rng.integers(500, 90_000, 60)]
    prepared = prepare(read_table(raw, "y"), Question("y"), tmp_path, raw.head(5))
    assert prepared.sealed is not None
    assert load_part(prepared.sealed).y.tolist() == load_part(prepared.dev).y[:5].tolist()


def test_a_leak_is_warned_about() -> None:
    raw = frame(100)
    raw["copy"] = raw["y"].map({"low": "L", "high": "H"})
    raw["noisy"] = raw["copy"].where(raw.index > 0, "H" if raw["y"][0] == "low" else "L")
    said = [n for n in read_table(raw, "y").info.notes if n.startswith("warning")]
    assert said == ["warning: 'copy' gives the target away: each tells the other exactly"]
    scaled = pd.DataFrame({"x": raw["a"] * 3 + 1, "z": raw["w"], "y": raw["a"]})
    said = [n for n in read_table(scaled, "y").info.notes if n.startswith("warning")]
    assert [n.split("'")[1] for n in said] == ["x"]


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_are_read_as_meant(name: str, tmp_path: Path) -> None:
    path, target = write_example(name, tmp_path)
    table = read_table(path, target)
    prepared = prepare(table, Question(target), tmp_path / "arrays")
    tasks = {"breast_cancer": "binary", "diabetes": "regression"}
    assert prepared.schema.task == tasks.get(name, "multiclass")
    assert all(c.kind == "numeric" for c in prepared.schema.columns)
    assert len(prepared.schema.columns) == {"breast_cancer": 30, "diabetes": 10, "wine": 13}.get(
        name, 4
    )
