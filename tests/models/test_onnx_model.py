from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.data import Question, encode_rows, load_part, prepare, read_table
from modelwright.data.prepare import Part
from modelwright.families import family
from modelwright.families.base import Examples, Inputs
from modelwright.families.inputs import inputs_of
from modelwright.families.onnx_graph import Graph, open_session, run_graph
from modelwright.models import load_model, save_bundle, verify_bundle
from modelwright.models.calibration import Calibration
from modelwright.models.crossfit import Finish
from modelwright.models.decision import Decision
from modelwright.models.model import Model
from modelwright.models.onnx_inputs import NO_DATE, feed
from modelwright.models.onnx_model import add_calibration, onnx_bytes, write_onnx
from modelwright.models.portable import add_portable


def visits(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n).astype(float)
    price = rng.gamma(2, 1000, n).round(2)
    town = rng.choice(["Ulm", "Bonn", "Kiel", "Köln", ""], n)
    day = pd.Timestamp("1968-01-31") + pd.to_timedelta(rng.integers(0, 20000, n), unit="D")
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, age),
            "price": [f"{p:,.2f} €".replace(",", " ").replace(".", ",") for p in price],
            "town": town,
            "member": rng.choice(["Yes", "No"], n),
            "since": day.strftime("%d.%m.%Y"),
        }
    )
    lean = age / 20 + (town == "Ulm") + price / 2000 + (day.month > 6) + rng.normal(size=n) / 2
    frame["spent"] = lean * 10
    frame["class"] = np.where(lean > np.quantile(lean, 0.6), "high", "low")
    frame["band"] = np.digitize(lean, np.quantile(lean, [0.3, 0.7]))
    return frame


TARGETS = ("spent", "class", "band")


def made(tmp: Path, target: str, frame: pd.DataFrame | None = None) -> tuple[Part, Examples]:
    frame = visits() if frame is None else frame
    frame = frame.drop(columns=[t for t in TARGETS if t != target and t in frame])
    frame.to_csv(tmp / "rows.csv", index=False, sep=";")
    table = read_table(tmp / "rows.csv", target=target)
    prepared = prepare(table, Question(target, seal=False), tmp / "prepared")
    part = load_part(prepared.dev)
    X = inputs_of(part.features, part.schema)
    y = np.asarray(part.y)
    return part, Examples(X, y, part.schema.task, len(part.schema.classes))


def bundle(tmp: Path, target: str, names: tuple[str, ...], finish: Finish) -> tuple[Path, Part]:
    part, examples = made(tmp, target)
    members = [(family(n)().fit(examples, rounds=20), i + 1.0) for i, n in enumerate(names)]
    return save_bundle(tmp / "model", members, part.schema, finish, {"purpose": "test"}), part


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: Any) -> tuple[Path, Part]:
    tmp = tmp_path_factory.mktemp("onnx")
    finish = Finish(Calibration("platt", (1.2, -0.1)), Decision(0.45))
    folder, part = bundle(tmp, "class", ("Linear", "LightGbm", "CatBoost"), finish)
    told = add_portable(folder, part.features)
    assert told["written"], told
    return folder, part


def raw(frame: pd.DataFrame, model: Model) -> dict[str, Any]:
    return feed(model.schema, encode_rows(model.schema, frame).features)


def test_one_file_answers_as_the_bundle(shipped: Any) -> None:
    folder, _ = shipped
    model, session = load_model(folder), open_session(str(folder / "model.onnx"))
    assert {i.name: i.type for i in session.get_inputs()} == {
        "age": "tensor(double)",
        "price": "tensor(double)",
        "town": "tensor(string)",
        "member": "tensor(string)",
        "since": "tensor(int64)",
    }
    new = visits(300, seed=1)
    labels, shares = session.run(["label", "probabilities"], raw(new, model))
    np.testing.assert_allclose(shares, model.predict_proba(new), atol=1e-9)
    assert labels.tolist() == model.predict(new).tolist()
    card = model.card["onnx"]
    assert card["max_difference"] < 1e-9
    assert card["compared_rows"] == 400
    assert model.card["purpose"] == "test"
    assert verify_bundle(folder) == []


def test_raw_cells_of_every_kind(shipped: Any) -> None:
    model, session = load_model(shipped[0]), open_session(str(shipped[0] / "model.onnx"))
    day = int(pd.Timestamp("1999-02-28").timestamp())
    row = {"age": 30.0, "price": 99.5, "town": "Ulm", "member": "Yes", "since": day}
    written = {"age": "30", "price": "99,50 €", "town": "Ulm", "member": "Yes",
               "since": "28.02.1999"}  # fmt: skip
    odd: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"age": np.nan}, {"age": None}),
        ({"age": np.inf}, {"age": None}),
        ({"town": "Rome"}, {"town": "Rome"}),
        ({"town": ""}, {"town": ""}),
        ({"town": "NA"}, {"town": "NA"}),
        ({"member": "YES"}, {"member": "YES"}),
        ({"since": NO_DATE}, {"since": ""}),
        ({"since": -86400 * 400 - 1}, {"since": "25.11.1968"}),
    ]
    for ours, theirs in odd:
        fed = {k: np.array([v], object if isinstance(v, str) else None) for k, v in
               (row | ours).items()}  # fmt: skip
        fed["since"] = fed["since"].astype(np.int64)
        found = session.run(["probabilities"], fed)[0]
        expected = model.predict_proba(pd.DataFrame([written | theirs]))
        atol = 1e-9 if "since" not in ours or ours["since"] == NO_DATE else 0.05
        np.testing.assert_allclose(found, expected, atol=atol, err_msg=str(ours))


def test_the_file_tells_what_it_is(shipped: Any) -> None:
    about = open_session(str(shipped[0] / "model.onnx")).get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == ["low", "high"]
    assert about["contains_training_rows"] == "no"
    assert json.loads(about["schema"])["target"] == "class"
    assert len(about["bundle_sha256"]) == 64


@pytest.mark.parametrize("target", ["spent", "band"])
def test_values_and_several_classes(tmp_path: Path, target: str) -> None:
    finish = (
        Finish(Calibration("temperature", (1.3,)), Decision(None)) if target == "band" else None
    )
    names = ("Forest", "KNearest", "Dummy")
    folder, part = bundle(tmp_path, target, names, finish or Finish())
    model = load_model(folder)
    written = write_onnx(model, part.features)
    assert written.data is not None, written.why
    out = run_graph(written.data, feed(model.schema, part.features))
    expected = model.predict_features(part.features)
    np.testing.assert_allclose(out[-1], expected, rtol=1e-6, atol=1e-6)
    if target == "band":
        assert out[0].tolist() == model.classes[expected.argmax(axis=1)].tolist()
        assert out[0].dtype == np.int64
    assert add_portable(folder, part.features)["written"]
    assert load_model(folder).card["contains_training_rows"] is True


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration(),
        Calibration("temperature", (0.7,)),
        Calibration("platt", (0.8, 0.3)),
        Calibration("isotonic", (0.0, 0.0, 0.3, 0.5, 0.5, 1.0, 0.05, 0.1, 0.2, 0.4, 0.8, 0.95)),
    ],
)
def test_calibrations(calibration: Calibration) -> None:
    p = np.append(np.linspace(0, 1, 101), [0.3, 0.5, 1e-12, 1 - 1e-12])
    shares = np.column_stack([1 - p, p])
    graph = Graph()
    graph.output(add_calibration(calibration, graph, graph.input("x", "double", 2)), "y")
    found = run_graph(graph.model(), {"x": shares})[0]
    np.testing.assert_allclose(found, calibration.apply(shares), atol=1e-12)


def test_costs_decide(tmp_path: Path) -> None:
    costs = ((0.0, 1.0, 5.0), (9.0, 0.0, 1.0), (9.0, 3.0, 0.0))
    folder, part = bundle(tmp_path, "band", ("Linear",), Finish(decision=Decision(None, costs)))
    model = load_model(folder)
    labels = run_graph(onnx_bytes(model), feed(model.schema, part.features))[0]
    expected = Decision(None, costs).labels(model.predict_features(part.features))
    assert labels.tolist() == model.classes[expected].tolist()
    assert (expected != model.predict_features(part.features).argmax(axis=1)).any()


def test_single_rows_go_through_the_file(shipped: Any) -> None:
    model = load_model(shipped[0])
    assert model.onnx == shipped[0] / "model.onnx"
    new = visits(30, seed=3)
    new.loc[3, "town"], new.loc[4, "since"], new.loc[5, "age"] = "Rome", "", np.nan
    together = model.predict_proba(new)
    apart = np.concatenate([model.predict_proba(new.iloc[i : i + 1]) for i in range(30)])
    np.testing.assert_allclose(apart, together, rtol=1e-9)
    bare = replace(model, onnx=None)
    assert np.array_equal(bare.predict_proba(new), together)


class Wordless:
    """A fitted model without a form in ONNX."""

    rounds = None

    def predict(self, X: Inputs) -> Any:
        return np.tile([0.5, 0.5], (len(X), 1))


class Liar(Wordless):
    """One whose form in ONNX answers otherwise."""

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        return graph.repeated([0.4, 0.6], numeric)


class Broken(Wordless):
    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        return graph.node("NoSuchOperator", numeric)


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (Wordless(), "member Linear has no form"),
        (Liar(), "answered otherwise by up to 0.1"),
        (Broken(), "failed with"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, member: Any, why: str) -> None:
    part, _ = made(tmp_path, "class")
    model = Model(part.schema, ((member, 1.0),), ("Linear",), Finish())
    written = write_onnx(model, part.features)
    assert written.data is None
    assert why in written.why


def test_no_time_is_told(tmp_path: Path) -> None:
    folder, part = bundle(tmp_path, "spent", ("Linear",), Finish())
    told = add_portable(folder, part.features, seconds=0.0)
    assert not told["written"]
    assert "budget" in told["why"]
    assert not (folder / "model.onnx").exists()
    assert "modelwright serve" not in (folder / "Dockerfile").read_text()
    assert '"serve", "/model"' in (folder / "Dockerfile").read_text()
    assert add_portable(folder, part.features)["written"]
    assert "predict.py" in (folder / "Dockerfile").read_text()
    load_model(folder)


ALONE = """
import runpy, sys
sys.modules["modelwright"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def alone(folder: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", ALONE, str(folder / "predict.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, input=given, check=False)


def test_the_script_predicts_alone(shipped: Any, tmp_path: Path) -> None:
    folder, _ = shipped
    model = load_model(folder)
    new = visits(60, seed=2).drop(columns=list(TARGETS))
    new.loc[0, "town"], new.loc[1, "price"] = "Rome", "dear"
    new.to_csv(tmp_path / "rows.csv", index=False, sep=";")
    done = alone(folder, str(tmp_path / "rows.csv"))
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["prediction"] for row in rows] == model.predict(new).tolist()
    shares = np.array([[float(row["share_low"]), float(row["share_high"])] for row in rows])
    np.testing.assert_allclose(shares, model.predict_proba(new), atol=1e-6)
    assert "town: cells with a value that was not seen in training (1)" in done.stderr
    assert "price: cells that hold no number" in done.stderr
    again = alone(folder, given=(tmp_path / "rows.csv").read_text())
    assert again.stdout == done.stdout
    fewer = alone(folder, given="age,town\n1,Ulm\n")
    assert fewer.returncode == 1
    assert "lacks the column 'price', 'member', 'since'" in fewer.stderr


def test_the_script_refuses_rows_that_would_shift(shipped: Any) -> None:
    new = visits(2, seed=2).drop(columns=list(TARGETS)).to_csv(index=False)
    head, first, second = new.splitlines()
    plain = alone(shipped[0], given=new)
    blank = alone(shipped[0], given="\n".join([head, first, "", " ", second, ""]))
    assert (blank.returncode, blank.stdout) == (0, plain.stdout), blank.stderr
    for wrong, n in ((f"9,{first}", 6), (first.rpartition(",")[0], 4)):
        done = alone(shipped[0], given=f"{head}\n{wrong}\n")
        assert done.returncode == 1
        assert f"row 2 has {n} cells, expected 5" in done.stderr
    name = head.split(",")[0]
    done = alone(shipped[0], given=f"{head},{name}\n{first},1\n")
    assert done.returncode == 1
    assert f"more than one column called '{name}'" in done.stderr
