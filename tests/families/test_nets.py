from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from modelwright.families import family
from modelwright.families.base import Examples, Inputs, inner_split
from modelwright.families.net_fitted import FittedNet, load_net
from modelwright.families.net_shape import NetShape, outputs
from modelwright.families.net_start import first_weights
from modelwright.families.net_train import Recipe, forward, plan_rounds
from modelwright.families.onnx_graph import predict_by_onnx
from modelwright.testing.family import TASKS, toy

SMALL: dict[str, dict[str, Any]] = {
    "TabM": {"width": 32, "members": 4, "epochs": 16},
    "RealMlp": {"width": 32, "depth": 2, "epochs": 16},
    "SmallMlp": {"width": 24, "epochs": 16},
}
NAMES = list(SMALL)


def net(name: str, examples: Examples, **how: Any) -> FittedNet:
    fitted = family(name)(**SMALL[name]).fit(examples, **how)
    assert isinstance(fitted, FittedNet)
    return fitted


def bundled(name: str) -> Examples:
    import sklearn.datasets

    X, y = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    k = 0 if name == "diabetes" else int(y.max()) + 1
    task = "regression" if not k else "binary" if k == 2 else "multiclass"
    return Examples(Inputs.of(X), y, task, k)  # type: ignore[arg-type]


@pytest.mark.parametrize("numbers", ["plain", "periodic", "piecewise"])
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_numpy_answers_as_pytorch(numbers: Any, activation: Any) -> None:
    shape = NetShape(7, 5, 2, 9, 3, numbers, 6, 4, 3, 4, (16, 8), activation)
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(50, 7)).astype(np.float32)
    rows = rng.integers(0, 9, (50, 2))
    start = first_weights(shape, dense[:, :5], np.zeros(3, np.float32), 1.0, 0.5, 0)
    weights = {n: s.values for n, s in start.items()}
    tensors = {n: torch.from_numpy(w) for n, w in weights.items()}
    theirs = forward(shape, tensors, torch.from_numpy(dense), torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(outputs(shape, weights, dense, rows), theirs, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_onnx_answers_alike(name: str, task: Any) -> None:
    examples = toy(task)
    fitted = net(name, examples, rounds=5)
    X = examples.X.take(slice(0, 60))
    X.codes[:4, 1] = [29, 30, 99, -2]
    mine = fitted.predict(X)
    atol = 1e-5 * max(1.0, float(np.abs(mine).max()))
    np.testing.assert_allclose(predict_by_onnx(fitted, X), mine, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_prediction_needs_no_pytorch(name: str, tmp_path: Path) -> None:
    examples = toy("binary", 100)
    fitted = net(name, examples, rounds=3)
    fitted.export(tmp_path)
    np.save(tmp_path / "x.npy", examples.X.numeric)
    code = f"""
import sys
sys.modules["torch"] = None
import numpy as np
from pathlib import Path
from modelwright.families import load_fitted
from modelwright.families.base import Inputs
x = np.load("{tmp_path}/x.npy")
X = Inputs(x, np.zeros((len(x), 2), np.int32), (4, 30))
print(load_fitted(Path("{tmp_path}")).predict(X).sum(axis=0).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    X = Inputs(examples.X.numeric, np.zeros((100, 2), np.int32), (4, 30))
    assert done.stdout.strip() == str(fitted.predict(X).sum(axis=0).tolist())


@pytest.mark.parametrize("name", NAMES)
def test_xor_is_learnt_and_a_line_cannot(name: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (900, 3))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    train, held = (
        Examples(Inputs.of(x[s]), y[s], "binary", 2) for s in np.split(range(900), [600])
    )
    right = (net(name, train).predict(held.X).argmax(axis=1) == held.y).mean()
    line = LogisticRegression().fit(train.X.numeric, train.y).score(held.X.numeric, held.y)
    assert right > 0.88 > 0.65 > line


def test_waves_are_learnt() -> None:
    x = np.random.default_rng(2).uniform(-2, 2, (800, 2))
    y = np.sin(5 * x[:, 0]) + 0.2 * x[:, 1]
    train, held = (
        Examples(Inputs.of(x[s]), y[s], "regression") for s in np.split(range(800), [600])
    )
    for name in ("TabM", "RealMlp"):
        rmse = np.sqrt(np.mean((net(name, train).predict(held.X) - held.y) ** 2))
        assert rmse < 0.3 * held.y.std(), name


@pytest.mark.parametrize("name", NAMES)
def test_real_rows(name: str) -> None:
    for dataset, least in (("breast_cancer", 0.95), ("wine", 0.93)):
        train, held = inner_split(bundled(dataset), 0, 0.3)
        right = (net(name, train).predict(held.X).argmax(axis=1) == held.y).mean()
        assert right >= least, (dataset, right)
    train, held = inner_split(bundled("diabetes"), 0, 0.3)
    assert np.mean((net(name, train).predict(held.X) - held.y) ** 2) < 0.65 * held.y.var()


def test_losses_move_the_answer() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    y = x[:, 0] + rng.exponential(size=600)

    def shares(loss: Any, level: float = 0.5) -> float:
        examples = Examples(Inputs.of(x), y, "regression", loss=loss, quantile=level)
        return float((y < net("SmallMlp", examples).predict(examples.X)).mean())

    assert 0.45 < shares("absolute") < 0.55 < shares("squared") < 0.7
    assert 0.05 < shares("quantile", 0.1) < 0.15
    assert 0.85 < shares("quantile", 0.9) < 0.95


def test_the_best_epoch_is_kept_and_rounds_can_be_cut(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 10))
    y = ((x[:, 0] + 2 * rng.normal(size=400)) > 0).astype(int)  # noise: it overfits
    examples = Examples(Inputs.of(x), y, "binary", 2)
    train, held = examples.take(slice(0, 200)), examples.take(slice(200, None))
    fitted = net("RealMlp", train, validation=held)
    assert fitted.rounds < 16

    def loss(model: Any) -> float:
        p = model.predict(held.X)[np.arange(200), held.y]
        return float(-np.log(p).mean())

    kept = [fitted.with_rounds(r) for r in (1, 8, 16, fitted.rounds)]
    assert min(loss(m) for m in kept) == loss(fitted)
    again = net("RealMlp", train, rounds=fitted.rounds)
    np.testing.assert_array_equal(again.predict(held.X), fitted.predict(held.X))
    fitted.export(tmp_path)
    assert load_net(tmp_path).with_rounds(1).rounds == fitted.rounds


def test_work_is_bounded_by_sizes() -> None:
    shape = NetShape(30, 30, 0, 0, 1, "piecewise", 24, 8, 0, 16, (128, 128), "relu")
    recipe = Recipe(0.04, 0.0, 0.0, 0.0, 24, 1024, 1e12)
    rounds, steps = plan_rounds(shape, recipe, 10_000_000)
    assert rounds == 8
    assert 1 <= steps < 10_000_000 / 1024
    assert plan_rounds(shape, recipe, 2000) == (24, 2)


def test_threads_and_precision_are_restored() -> None:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    net("SmallMlp", toy("binary", 60), threads=1, rounds=1)
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before


def test_classes_of_the_validation_rows_only_are_left_out() -> None:
    examples = toy("multiclass", 200)
    train = examples.take(np.flatnonzero(examples.y != 1))
    fitted = net("SmallMlp", train, validation=examples)
    assert (fitted.predict(examples.X)[:, 1] == 0).all()
