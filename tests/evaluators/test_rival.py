from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.core.canonical import canonical
from modelwright.core.errors import InputError
from modelwright.core.trial import Candidate, Evidence, Trial
from modelwright.data import Question, load_part, prepare, read_table
from modelwright.data.schema import Schema
from modelwright.evaluators.fit_and_score import load
from modelwright.evaluators.rival import _column, as_predictions, onnx_model, raw_rows
from modelwright.executors import FileStore, ToolBox
from modelwright.models.onnx_inputs import NO_DATE
from modelwright.testing.evaluator import run_trial


def churn(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "customer": [f"c{i:05d}" for i in range(n)],
            "x": x,
            "town": rng.choice(["Ulm", "Bonn"], n),
            "churned": np.where(x + rng.normal(0, 0.7, n) > 0.3, "yes", "no"),
        }
    )
    frame.loc[5, "churned"] = None  # a row that the table drops
    return frame


@pytest.fixture
def tools(tmp_path: Path) -> ToolBox:
    kept = read_table(churn(), target="churned")
    folder = tmp_path / "data"
    folder.mkdir()
    kept.save(folder)
    prepared = prepare(kept, Question("churned"), folder)
    return ToolBox(prepared.dev, FileStore(tmp_path / "store"))


def rival(source: Any, tools: ToolBox, metric: str = "roc_auc") -> Evidence:
    document = canonical({"type": "Rival", "source": str(source)})
    trial = Trial(0, Candidate(document), 0, 1.0, 1.0, seed=0, role="rival", by="yours")
    return run_trial(load("binary", metric), trial, tools)[1]


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("tensor(int64)", NO_DATE), ("tensor(double)", np.nan), ("tensor(float)", np.nan)],
)
def test_dates_reach_an_onnx_model_in_its_own_type(kind: str, missing: float) -> None:
    wanted = SimpleNamespace(name="day", type=kind, shape=["n"])
    days = pd.DataFrame({"day": pd.to_datetime(["1970-01-02", "NaT"])})
    out = _column(days, wanted)
    assert out.dtype == {"int64": "int64", "double": "float64", "float": "float32"}[kind[7:-1]]
    assert out[0] == 86400
    assert out[1] == missing or np.isnan([out[1], missing]).all()
    nothing = pd.DataFrame({"day": [None, None]})
    assert _column(nothing, wanted)[0] == missing or np.isnan(missing)


def test_a_function_sees_the_rows_as_the_person_knows_them(
    tools: ToolBox, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "my_rules.py").write_text(
        "def by_x(frame):\n"
        "    assert list(frame.columns) == ['customer', 'x', 'town'], list(frame.columns)\n"
        "    return 1 / (1 + 2.718 ** -frame['x'])\n"
        "def by_rule(frame): return ['yes' if x > 0 else 'no' for x in frame['x']]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    evidence = rival("my_rules:by_x", tools)
    assert 0.8 < evidence.scores["roc_auc"] < 1
    assert "latency_ms" in evidence.scores
    assert len(evidence.folds["roc_auc"]) == 15
    assert "may have been trained on some of these rows" in evidence.facts["caveat"]
    assert evidence.facts["finish"]["calibration"]["kind"] == "none"
    ruled = rival("my_rules:by_rule", tools, "accuracy")
    assert 0.7 < ruled.scores["accuracy"] < 1


def test_predictions_by_key_and_by_order(tools: ToolBox, tmp_path: Path) -> None:
    frame = churn()
    share = 1 / (1 + np.exp(-frame.x))
    keyed = pd.DataFrame({"customer": frame.customer, "churn_probability": share})
    keyed.sample(frac=1, random_state=0).to_csv(tmp_path / "keyed.csv", index=False)
    by_key = rival(tmp_path / "keyed.csv", tools)
    assert by_key.scores["roc_auc"] > 0.8
    assert "latency_ms" not in by_key.scores
    kept = frame.churned.notna()  # the table has these rows, in this order
    ordered = pd.DataFrame({"no": 1 - share[kept], "yes": share[kept]})
    ordered.to_csv(tmp_path / "ordered.csv", index=False)
    assert rival(tmp_path / "ordered.csv", tools).scores == by_key.scores
    ordered.iloc[:100].to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(InputError, match="have 100 rows and the table has 399"):
        rival(tmp_path / "short.csv", tools)


def test_an_onnx_model(tools: ToolBox, tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])
    p = helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["p"])], "g", [x], [p])
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(tmp_path / "m.onnx"))
    evidence = rival(tmp_path / "m.onnx", tools)
    assert evidence.scores["roc_auc"] > 0.8
    assert evidence.scores["size_kb"] < 1


def test_what_cannot_be_a_rival_is_told(tools: ToolBox, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a file"):
        rival(tmp_path / "nothing.csv", tools)
    with pytest.raises(InputError, match="cannot be imported"):
        rival("no_such_module:f", tools)
    (tmp_path / "bad.onnx").write_bytes(b"not onnx")
    with pytest.raises(InputError, match="cannot be run as ONNX"):
        rival(tmp_path / "bad.onnx", tools)


def test_an_onnx_model_reads_no_file_outside_its_folder(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    np.arange(4, dtype=np.float32).tofile(tmp_path / "secret.bin")
    weights = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    weights.external_data.add(key="location", value="../secret.bin")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weights]
    )
    opset = [helper.make_opsetid("", 17)]
    (tmp_path / "model").mkdir()
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    (tmp_path / "model" / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="escapes model directory"):
        onnx_model(tmp_path / "model" / "model.onnx")
    model.graph.initializer[0].external_data[0].value = "secret.bin"
    (tmp_path / "beside.onnx").write_bytes(model.SerializeToString())  # beside it: it is read
    assert callable(onnx_model(tmp_path / "beside.onnx"))


def test_rows_are_made_again_when_the_table_is_not_there(tmp_path: Path) -> None:
    prepared = prepare(read_table(churn(), target="churned"), Question("churned"), tmp_path)
    part = load_part(prepared.dev)
    frame = raw_rows(part, prepared.dev)
    assert list(frame.columns) == ["x", "town"]
    expected = churn().dropna(subset=["churned"]).reset_index(drop=True)
    assert np.allclose(frame.x, expected.x[np.asarray(part.rows)])


BINARY = Schema((), "y", "binary", ("no", "yes"))
THREE = Schema((), "y", "multiclass", ("a", "b", "c"))
VALUES = Schema((), "y", "regression")


@pytest.mark.parametrize(
    ("answers", "schema", "expected"),
    [
        ([0.2, 0.9], BINARY, [[0.8, 0.2], [0.1, 0.9]]),
        (["yes", "no"], BINARY, [[0, 1], [1, 0]]),
        (pd.DataFrame({"yes": [0.2], "no": [0.8]}), BINARY, [[0.8, 0.2]]),
        ([[2.0, 1.0, 1.0]], THREE, [[0.5, 0.25, 0.25]]),
        (["b"], THREE, [[0, 1, 0]]),
        ([[1.5], [2.5]], VALUES, [[1.5], [2.5]]),
    ],
)
def test_answers_in_any_form(answers: Any, schema: Schema, expected: Any) -> None:
    assert np.allclose(as_predictions(answers, schema, len(expected)), expected)


@pytest.mark.parametrize(
    ("answers", "schema", "message"),
    [
        ([0.2], BINARY, "1 predictions for 2 rows"),
        ([0.2, 1.9], BINARY, "between 0 and 1"),
        (["yes", "maybe"], BINARY, "got 'maybe'"),
        ([[0.2, 0.8]] * 2, THREE, "2 shares for 3 classes"),
        (["x", "y"], VALUES, "no finite numbers"),
        ([np.nan, 1.0], VALUES, "no finite numbers"),
        (pd.DataFrame({"p": [1, 2], "q": [1, 2]}), BINARY, "one column"),
    ],
)
def test_answers_that_make_no_sense(answers: Any, schema: Schema, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_predictions(answers, schema, 2)
