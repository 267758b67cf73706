"""Series with one answer each: from a long table, or arrays, to a model that answers new ones."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwright as mw
from modelwright.apps.using import predict
from modelwright.core.errors import InputError
from modelwright.data import load_part, read_table, read_target
from modelwright.data.kernels import TAPS, TRIPLES, Kernels
from modelwright.data.labelled_series import read_labelled, read_wide, wide_inputs
from modelwright.data.series_front import SeriesFront
from modelwright.data.series_statistics import statistics
from modelwright.policy import LAPTOP
from modelwright.recipes.automl import plan_build
from modelwright.recipes.question import Question
from modelwright.recipes.series_table import read_series


def waves(n: int, seed: int) -> pd.DataFrame:
    """Slow and quick waves of any phase, unequal in length, at irregular times, with gaps."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        times = np.sort(rng.uniform(0, rng.integers(30, 60), rng.integers(50, 80)))
        period, phase = (5.0, 12.0)[i % 2], rng.uniform(0, 6.3)
        x = np.sin(6.283 * times / period + phase) + rng.normal(0, 0.3, len(times))
        x[rng.uniform(size=len(x)) < 0.05] = np.nan
        rows.append(pd.DataFrame({
            "id": f"s{seed}-{i}", "t": times, "x": x, "site": "ab"[i % 3 > 0],
            "person": f"p{i // 4}",
            "kind": ("quick", "slow")[i % 2],
        }))  # fmt: skip
    return pd.concat(rows).sample(frac=1, random_state=seed, ignore_index=True)


QUICK: dict[str, Any] = {
    "budget": "1trials", "policy": replace(LAPTOP, families=("KNearest",)),
    "student": False, "slots": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    where = tmp_path_factory.mktemp("series")
    waves(32, 0).to_csv(where / "waves.csv", index=False)
    return mw.build(
        where / "waves.csv", "kind", series="id", time="t", group="person", workspace=where, **QUICK
    )


def test_new_series_are_told_apart_and_named(built: Any, tmp_path: Path) -> None:
    new = waves(20, 1)
    truth = new.groupby("id")["kind"].first()
    new.drop(columns=["kind", "person"]).to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "answers.csv"
    assert (
        predict(str(built.run.path), str(tmp_path / "new.csv"), str(out), False, False, "", False)
        == 0
    )
    answers = pd.read_csv(out).set_index("series")["prediction"]
    assert sorted(answers.index) == sorted(truth.index)
    assert (answers == truth[answers.index]).mean() >= 0.9
    # The model at another place answers alike, whatever else is asked and in which order it comes.
    moved = shutil.copytree(built.run.model_path, tmp_path / "moved")
    some = new[new["id"].isin(answers.index[:3])].iloc[::-1]
    found = mw.load_model(moved).answer(some)
    assert dict(zip(found.names, found.values, strict=True)) == answers[list(found.names)].to_dict()


def test_the_run_says_what_the_data_were_understood_to_be(built: Any) -> None:
    notes = " ".join(built.notes)
    for words in ("are 32 series of 'id'", "not regular", "1 channel: 'x'", "per series: 'site'"):
        assert words in notes
    groups = np.load(built.run.path / "data" / "dev" / "groups.npy")
    parts = np.load(built.run.path / "data" / "dev" / "parts.npy")
    for fold in parts if len(parts) < len(groups) else parts.T:
        assert not set(groups[fold == 1]) & set(groups[fold == 2])


def test_what_cannot_be_is_told_in_a_sentence(built: Any) -> None:
    table = waves(12, 2)
    model = mw.load_model(built.run.model_path)
    with pytest.raises(InputError, match="needs the column 'x'"):
        model.predict(table.drop(columns="x"))
    changed = table.assign(kind=np.where(table["t"] > 5, "a", "b"))
    with pytest.raises(InputError, match=r"same in all rows of a series.*give --horizon"):
        read_labelled(read_table(changed), "id", "kind", "t")
    with pytest.raises(InputError, match="at least 10"):
        read_labelled(read_table(table[table["id"] < "s2-3"]), "id", "kind", "t")
    with pytest.raises(InputError, match="series COLUMN for one answer"):
        mw.build("x.csv", "kind", kind="series")


def test_arrays_of_series(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = np.cumsum(rng.normal(size=(40, 30, 2)), axis=1)
    x[5, 20:] = np.nan
    np.savez(tmp_path / "wide.npz", x_train=x, y_train=y, x_test=x[:12], y_test=y[:12])
    asked = Question(str(tmp_path / "wide.npz"), "", kind="series")
    plan = plan_build(asked, budget="2trials", folder=tmp_path / "run")
    about = plan.study.problem.about
    assert (about["headline"], about["n_sealed"]) == ("40 series; binary", 12)
    assert "20 to 30 steps a series, 2 channels" in " ".join(plan.notes)
    front = SeriesFront.load(tmp_path / "run" / "data")
    assert front is not None
    sealed = load_part(tmp_path / "run" / "data" / "sealed")
    given = front.encoded(sealed.schema, wide_inputs(tmp_path / "wide.npz")[:12])
    assert np.array_equal(given.features.numeric, sealed.features.numeric)
    with pytest.raises(InputError, match="takes 2 channels; got 3"):
        front.encoded(sealed.schema, rng.normal(size=(4, 30, 3)))
    np.savez(tmp_path / "odd.npz", x=x, y=np.arange(40) % 13, x_test=x[:5], y_test=y[:4])
    with pytest.raises(InputError, match="5 series in x_test and 4 answers in y_test"):
        read_wide(tmp_path / "odd.npz")
    np.savez(tmp_path / "many.npz", x=x, y=np.arange(40) % 13)
    assert read_wide(tmp_path / "many.npz").codes


@pytest.mark.parametrize("task", [None, "regression"])
def test_codes_are_classes_and_a_column_may_be_called_steps(tmp_path: Path, task: Any) -> None:
    table = waves(12, 3)
    number = table["id"].str.split("-").str[1].astype(int)
    times = pd.concat([table.assign(id=table["id"] + end) for end in "abc"])
    times = times.assign(kind=pd.concat([number] * 3), steps=pd.concat([number % 5] * 3))
    asked = Question("<DataFrame>", "kind", task=task, series="id", time="t", drop=("person",))
    found, _, made = read_series(asked, times, tmp_path)
    assert read_target(found, "kind", task).task == (task or "multiclass")
    assert any("are codes of classes" in note for note in found.info.notes) == (task is None)
    assert found.info.column("steps").n_unique == 5
    assert "all steps" in made


def test_kernels_are_convolutions_and_ends_do_not_count() -> None:
    rng = np.random.default_rng(3)
    grids = rng.normal(size=(6, 2, 40)).astype(np.float32)
    lengths = np.array([40, 40, 40, 40, 25, 25])
    kernels = Kernels.draw(grids, lengths, 60, seed=1)
    found = kernels.shares(grids, lengths)
    assert np.array_equal(found, Kernels.draw(grids, lengths, 60, seed=1).shares(grids, lengths))
    assert np.array_equal(Kernels.from_json(kernels.to_json()).shares(grids, lengths), found)
    longer = np.concatenate([grids, np.full((6, 2, 9), 99, np.float32)], axis=2)
    assert np.array_equal(kernels.shares(longer, lengths), found)
    k = int(np.flatnonzero(kernels.differences == 0)[-1])
    weights = np.full(TAPS, -1.0)
    weights[TRIPLES[kernels.triples[k]]] = 2
    spread = np.zeros((TAPS - 1) * kernels.dilations[k] + 1)
    spread[:: kernels.dilations[k]] = weights[::-1]
    wide = np.pad(grids[0], ((0, 0), (len(spread) // 2,) * 2), mode="edge")
    answers = sum(
        np.convolve(wide[c], spread, "valid") for c in np.flatnonzero(kernels.channels[k])
    )
    expected = [(answers > t).mean() for t in kernels.thresholds[k]]
    assert found[0].reshape(-1, 2)[k] == pytest.approx(expected, abs=1e-6)


def test_statistics_are_of_the_own_moments_only() -> None:
    x = np.array([[[0.0, 1, 2, 3, 4, 5, 6, 7, 9, 9]], [[3.0] * 10]])
    told, names = statistics(x, np.array([8, 10]), ["x"])
    by_name = dict(zip(names, told[0], strict=True))
    assert np.isfinite(told).all()
    assert by_name["x: mean"] == 3.5
    assert by_name["x: last value"] == 7
    assert by_name["x: mean of part 2/2"] == 5.5
    assert by_name["x: share of rises"] == 1
    assert SeriesFront.load(Path("nowhere")) is None
