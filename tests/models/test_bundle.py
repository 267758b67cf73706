from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.core.errors import InputError, TamperedError
from modelwright.data import Question, encode_rows, load_part, prepare, read_table
from modelwright.data.kinds import infer
from modelwright.data.prepare import Part
from modelwright.data.schema import Schema
from modelwright.families import family
from modelwright.families.base import Examples
from modelwright.families.inputs import inputs_of, places_of
from modelwright.families.pipeline import fit_design
from modelwright.models import load_model, save_bundle, verify_bundle
from modelwright.models.bundle import seal_bundle
from modelwright.models.calibration import Calibration
from modelwright.models.crossfit import Finish
from modelwright.models.decision import Decision
from modelwright.models.one_row import RowReader, row_of
from modelwright.models.pack import pack, unpack


def people(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n).astype(float)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, age),
            "income": rng.gamma(2, 1000, n),
            "town": rng.choice(["Ulm", "Bonn", "Kiel"], n),
            "member": rng.choice(["yes", "no"], n),
        }
    )
    frame["churned"] = np.where(age + 20 * (frame.town == "Ulm") + rng.normal(0, 9, n) > 55, 1, 0)
    return frame


def made(tmp: Path, frame: pd.DataFrame, target: str) -> tuple[Part, Examples]:
    prepared = prepare(read_table(frame, target=target), Question(target), tmp / "prepared")
    part = load_part(prepared.dev)
    k = len(part.schema.classes)
    X = inputs_of(part.features, part.schema)
    return part, Examples(X, np.asarray(part.y), part.schema.task, k)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: Any) -> tuple[Path, Part, Any]:
    tmp = tmp_path_factory.mktemp("bundle")
    part, examples = made(tmp, people(), "churned")
    members = [
        (family(name)().fit(examples, rounds=30), w)
        for name, w in (("Linear", 1.0), ("LightGbm", 3.0))
    ]
    finish = Finish(Calibration("temperature", (1.2,)), Decision(0.4))
    folder = save_bundle(tmp / "model", members, part.schema, finish, {"purpose": "a test"})
    expected = 0.25 * members[0][0].predict(examples.X) + 0.75 * members[1][0].predict(examples.X)
    return folder, part, finish.calibration.apply(expected)


def test_reloads_to_identical_predictions(shipped: Any) -> None:
    folder, part, expected = shipped
    model = load_model(folder)
    assert np.array_equal(model.predict_features(part.features), expected)
    assert model.card == {"purpose": "a test"}
    assert model.families == ("Linear", "LightGbm")
    assert not model.contains_rows


def test_frames_mappings_and_single_rows_agree(shipped: Any) -> None:
    folder, _, _ = shipped
    model = load_model(folder)
    frame = people(40, seed=1).drop(columns="churned")
    together = model.predict_proba(frame)
    records: list[Any] = frame.to_dict("records")
    apart = np.concatenate([model.predict_proba(row) for row in records])
    assert np.allclose(together, apart, atol=1e-12)
    shuffled = frame[["town", "member", "income", "age"]]
    assert np.array_equal(model.predict_proba(shuffled), together)
    labels = model.predict(frame)
    assert labels.tolist() == (together[:, 1] >= 0.4).astype(int).tolist()
    assert model.classes.tolist() == [0, 1]
    assert model.predict(records[0]).tolist() == labels[:1].tolist()


def test_contract_on_columns_and_cells(shipped: Any) -> None:
    model = load_model(shipped[0])
    frame = people(3, seed=2).drop(columns="churned")
    with pytest.raises(InputError, match="needs the column 'town'"):
        model.predict(frame.drop(columns="town"))
    frame.loc[1, "town"] = "Rome"
    frame.loc[2, "income"] = 1e9
    problems = model.check(frame)
    assert problems[0] == []
    assert "Rome" in problems[1][0]
    assert "outside" in problems[2][0]


def test_doubtful_rows_are_left_to_a_person(shipped: Any) -> None:
    model = load_model(shipped[0])
    frame = people(100, seed=3).drop(columns="churned")
    frame.loc[0, "town"] = "Rome"
    answers = model.answer(frame, abstain=0.8)
    assert answers.left[0]
    assert answers.flags[0]
    sure = answers.shares.max(axis=1) >= 0.8
    flagged = np.array([bool(sentences) for sentences in answers.flags])
    assert np.array_equal(answers.left, flagged | ~sure)
    assert 0 < answers.left.sum() < 100
    assert not model.answer(frame).left.any()
    with pytest.raises(InputError, match="between 0 and 1"):
        model.answer(frame, abstain=80)


@pytest.mark.parametrize("what", ["changed", "missing", "added"])
def test_a_changed_file_is_found(shipped: Any, tmp_path: Path, what: str) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(shipped[0], folder)
    path = folder / "member1" / "fitted.json"
    if what == "changed":
        path.write_text(path.read_text().replace("0", "1", 1))
    elif what == "missing":
        path.unlink()
    else:
        (folder / "extra.txt").write_text("x")
    assert any(what in sentence for sentence in verify_bundle(folder))
    with pytest.raises(TamperedError, match=what):
        load_model(folder)
    if what == "added":
        seal_bundle(folder)
        assert verify_bundle(folder) == []


def test_what_is_no_model_is_told(tmp_path: Path, shipped: Any) -> None:
    with pytest.raises(InputError, match="no model"):
        load_model(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 99, "files": {}}))
    with pytest.raises(InputError, match="format 99"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="not empty"):
        save_bundle(shipped[0], [(family("Dummy")(), 1.0)], shipped[1].schema, Finish())  # type: ignore[list-item]


def test_words_for_classes_and_regression(tmp_path: Path) -> None:
    frame = people()
    part, examples = made(tmp_path / "a", frame, "town")
    fitted = family("KNearest")().fit(examples)
    model = load_model(save_bundle(tmp_path / "m1", [(fitted, 1.0)], part.schema, Finish()))
    assert set(model.predict(frame.drop(columns="town"))) <= {"Ulm", "Bonn", "Kiel"}
    assert model.contains_rows
    part, examples = made(tmp_path / "b", frame, "income")
    fitted = family("Linear")().fit(examples)
    model = load_model(save_bundle(tmp_path / "m2", [(fitted, 1.0)], part.schema, Finish()))
    assert model.predict(frame.drop(columns="income")).dtype == float
    with pytest.raises(InputError, match="no shares"):
        model.predict_proba(frame)


def test_loading_imports_only_what_members_need(tmp_path: Path) -> None:
    part, examples = made(tmp_path, people(), "churned")
    fitted = family("Linear")().fit(examples)
    folder = save_bundle(tmp_path / "m", [(fitted, 1.0)], part.schema, Finish())
    code = (
        "import sys; from modelwright.models import load_model\n"
        f"model = load_model({str(folder)!r})\n"
        "row = {'age': 30.0, 'income': 900.0, 'town': 'Ulm', 'member': 'no'}\n"
        "model.predict(row)\n"
        "heavy = ('sklearn', 'lightgbm', 'catboost', 'scipy', 'pandas')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


CELLS: dict[str, Any] = {
    "age": st.one_of(st.floats(), st.integers(-5, 200), st.sampled_from([None, "", "44", "x"])),
    "income": st.one_of(st.floats(0, 1e4), st.none(), st.just("1,5"), st.booleans()),
    "town": st.sampled_from(["Ulm", "Bonn", " Kiel", "Rome", None, "", "NA", 3, float("nan")]),
    "member": st.sampled_from(["yes", "no", "YES", True, None, 1]),
}


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(row=st.fixed_dictionaries({}, optional=CELLS))
def test_the_quick_way_reads_as_the_thorough_one(shipped: Any, row: dict[str, Any]) -> None:
    schema = shipped[1].schema
    features = RowReader(schema).read(row)
    if features is None:
        return
    encoded = encode_rows(schema, [row])
    assert encoded.problems() == [[]]
    assert np.array_equal(features.numeric, encoded.features.numeric, equal_nan=True)
    assert np.array_equal(features.codes, encoded.features.codes)


def test_a_row_of_a_data_frame_alone_has_the_answer_it_has_among_others(shipped: Any) -> None:
    model = load_model(shipped[0])
    rows = people(60, seed=3).drop(columns="churned").reset_index(drop=True)
    rows["age"] = rows["age"].astype("float32")
    together = model.answer(rows)
    for i in range(len(rows)):
        alone = model.answer(rows.iloc[[i]])
        assert alone.values[0] == together.values[i]
        assert alone.flags[0] == together.flags[i]
        assert alone.shares is not None
        assert together.shares is not None
        assert np.allclose(alone.shares[0], together.shares[i], atol=1e-9)


DAYS: list[Any] = [
    "2020-05-01", "2020-05-01T10:30", "2020-05-01 10:30:15", "2020-02-31", "1.5.2020", "2031-01-01",
    "", None, " 2020-05-01", np.datetime64("2020-05-01"), np.datetime64("NaT"), 5,
    pd.Timestamp("2020-05-01 12:00"), pd.Timestamp("2020-05-01", tz="UTC"), pd.NaT,
]  # fmt: skip


@pytest.mark.parametrize("typed", [False, True])
def test_the_quick_way_reads_dates_as_the_thorough_one(typed: bool) -> None:
    texts = pd.Series(pd.date_range("2020-01-01", periods=300).strftime("%Y-%m-%d"))
    column = pd.to_datetime(texts) if typed else texts
    for gaps in (False, True):
        info = infer("day", column.where(column.index > 5 * gaps))
        schema = Schema((info,), "y", "regression")
        read = 0
        for day in DAYS:
            features = RowReader(schema).read({"day": day})
            if features is None:
                continue
            read += 1
            encoded = encode_rows(schema, [{"day": day}])
            assert encoded.problems() == [[]]
            assert np.array_equal(features.dates, encoded.features.dates, equal_nan=True)
        assert read >= 2 + gaps


WRITTEN: list[Any] = [
    "2020-01-06", "2021-03-04 05:06:07", "2021-03-04T05:06", "06.01.2020", "6.1.2020", "2020-1-6",
    "2020-02-30", "1.13.2020", "", "NA", "2020-01-06T00:00:00Z", "2020-01-06 00:00:00.5",
    " 2020-01-06", "01/02/2020", "2020-01-06 25:00", "1066-01-01", "5 May 2020",
    np.datetime64("2020-05-06"), np.datetime64("NaT"), dt.datetime(2020, 5, 6, 7, 8, 9, 10),
    dt.datetime(2020, 5, 6, tzinfo=dt.UTC), dt.date(2020, 5, 6), 20200506, 1.5e9, None,
    float("nan"), True,
]  # fmt: skip


@pytest.mark.parametrize(
    "how", ["", "ISO8601", "%d.%m.%Y", "%d/%m/%Y", "%Y-%m-%d %H:%M", "%d %b %Y"]
)
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_dates_are_read_the_quick_way_as_the_thorough_one(how: str, missing: float) -> None:
    from modelwright.data.columns import ColumnInfo
    from modelwright.data.schema import Schema

    info = ColumnInfo("day", "date", missing=missing, low=1.2e9, high=1.9e9, date_format=how)
    schema = Schema((info,), "y", "regression", margin=0.0)
    reader, quick = RowReader(schema), 0
    for value in WRITTEN:
        features = reader.read({"day": value})
        if features is not None:
            encoded = encode_rows(schema, [{"day": value}])
            assert encoded.problems() == [[]], value
            same = np.array_equal(features.dates, encoded.features.dates, equal_nan=True)
            assert same, (value, features.dates, encoded.features.dates)
            quick += 1
    assert quick >= 2 + 2 * (missing > 0)


def test_rows_made_again_read_back(shipped: Any) -> None:
    part = shipped[1]
    rows = [row_of(part.schema, part.features, i) for i in range(len(part))]
    encoded = encode_rows(part.schema, rows).features
    assert np.array_equal(encoded.numeric, part.features.numeric, equal_nan=True)
    assert np.array_equal(encoded.codes, part.features.codes)
    reader = RowReader(part.schema)
    assert all(reader.read(row) is not None for row in rows)


def test_dates_and_texts_come_through(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    days = pd.date_range("2020-01-06", periods=200, freq="D")
    words = np.array(["good fine", "bad poor", "so so"])
    which = rng.integers(0, 3, 200)
    notes = [f"{words[w]} number {i} of the many" for i, w in enumerate(which)]
    frame = pd.DataFrame({"day": days, "note": notes, "y": (which == 0) | (days.day_of_week == 6)})
    part, examples = made(tmp_path, frame, "y")
    assert [c.kind for c in part.schema.columns] == ["date", "text"]
    assert places_of(part.schema)["note"] == ("texts", range(0, 1))
    assert places_of(part.schema)["day"] == ("numeric", range(0, 8))
    weekday = examples.X.numeric[:, 3]
    assert np.array_equal(weekday, days.day_of_week.to_numpy()[np.asarray(part.rows)])
    design = family("LightGbm")(min_leaf=5)  # type: ignore[call-arg]
    fitted = fit_design(design, examples, rounds=40)
    model = load_model(save_bundle(tmp_path / "m", [(fitted, 1.0)], part.schema, Finish()))
    right = model.predict(frame.drop(columns="y")) == np.asarray(frame["y"].astype(str))
    assert right.mean() > 0.95
    one = row_of(part.schema, part.features, 0)
    assert np.allclose(model.predict_proba(one), fitted.predict(examples.X.take([0])))


def test_packing_is_deterministic_and_stays_inside(tmp_path: Path) -> None:
    import zipfile

    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.txt").write_text("hello")
    first = pack(tmp_path / "a")
    assert first == pack(tmp_path / "a")
    (tmp_path / "x.zip").write_bytes(first)
    assert (unpack(tmp_path / "x.zip", tmp_path / "d") / "b" / "c.txt").read_text() == "hello"
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil.txt", "x")
    with pytest.raises(InputError, match=r"\.\./evil"):
        unpack(tmp_path / "evil.zip", tmp_path / "e")
    (tmp_path / "no.zip").write_text("no")
    with pytest.raises(InputError, match="no packed model"):
        unpack(tmp_path / "no.zip", tmp_path / "e")
