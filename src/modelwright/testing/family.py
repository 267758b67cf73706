"""The public suite of a family of models: `check_family(MyFamily)` raises at the first broken rule.

def test_mine() -> None:
    check_family(MyFamily)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from modelwright.core.keys import Key
from modelwright.families.base import Examples, Family, Fitted, Inputs, Task
from modelwright.families.onnx_graph import (
    Expressible,
    NotExpressibleError,
    predict_by_onnx,
)
from modelwright.families.pipeline import fit_design
from modelwright.models.metrics import find_metric, score_predictions
from modelwright.spaces import Space

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
_PARTS = ("fitted.json", ".safetensors", ".txt", ".cbm", ".json", ".npy", ".onnx", ".txt.gz")


Make = Callable[[], Family]


def check_family(make: Make) -> None:
    """Runs every check in `CHECKS` on the designs that `make()` gives: the type, or a quick design.

    Raises AssertionError naming the family and what broke. Takes seconds to a minute.
    """
    for check in CHECKS:
        check(make)


def toy(task: Task, n: int = 240, seed: int = 0) -> Examples:
    """Learnable rows with gaps, a constant column, an empty one and two categorical columns."""
    rng = np.random.default_rng(seed)
    numeric = rng.normal(size=(n, 5))
    codes = np.column_stack([rng.integers(0, 4, n), rng.integers(0, 30, n)]).astype(np.int32)
    signal = numeric[:, 0] - numeric[:, 1] + 1.5 * (codes[:, 0] == 2)
    numeric[rng.random(n) < 0.1, 2] = np.nan
    numeric[:, 3], numeric[:, 4] = 7.0, np.nan
    codes[rng.random(n) < 0.1, 1] = -1
    X = Inputs(numeric, codes, (4, 30))
    if task == "regression":
        return Examples(X, 10 + 3 * signal, task)
    cuts = [0.4] if task == "binary" else [-0.5, 1.0]
    return Examples(X, np.digitize(signal, cuts), task, len(cuts) + 1)


def default_is_in_its_space(make: Make) -> None:
    """Fields have defaults, ranges hold them, and random designs can be fitted."""
    family: Any = type(make())
    if not fields(family):
        return
    space = Space(family)
    _must(
        space.contains(make()) and space.contains(family()),
        make,
        "a design of its own is outside of its space",
    )
    for i in range(3):
        design = space.sample(Key.of(i))
        examples = toy("binary", 60)
        shares = fit_design(design, examples, seed=i, rounds=5).predict(examples.X)
        _must(np.isfinite(shares).all(), make, f"{design} predicts what is no number")


def answers_have_the_right_shape(make: Make) -> None:
    """Shares are in 0..1 and sum to 1; values are finite; no row gives no answer."""
    for task, examples, fitted in _fits(make):
        out = fitted.predict(examples.X)
        n = len(examples.y)
        shape = (n,) if task == "regression" else (n, examples.n_classes)
        _must(out.shape == shape, make, f"{task}: answers have shape {out.shape}, not {shape}")
        _must(np.isfinite(out).all(), make, f"{task}: an answer is no finite number")
        if task != "regression":
            good = (out >= 0).all() and np.allclose(out.sum(axis=1), 1)
            _must(good, make, f"{task}: shares are not probabilities")
        empty = fitted.predict(examples.X.take(slice(0, 0)))
        _must(len(empty) == 0, make, f"{task}: no rows give {len(empty)} answers")


def survives_the_file(make: Make) -> None:
    """Exported and loaded, it predicts identically, and no file is a pickle."""
    from modelwright.families import load_fitted

    for task, examples, fitted in _fits(make):
        with tempfile.TemporaryDirectory() as folder:
            fitted.export(Path(folder))
            for path in Path(folder).iterdir():
                _must(path.name.endswith(_PARTS), make, f"writes {path.name}: not a plain format")
            named = load_fitted(Path(folder))
            alone = not (Path(folder) / "features.json").exists()
            loaded = type(make()).load(Path(folder)) if alone else named
        same = np.array_equal(fitted.predict(examples.X), loaded.predict(examples.X))
        _must(same, make, f"{task}: predicts otherwise once exported and loaded")
        same = np.array_equal(fitted.predict(examples.X), named.predict(examples.X))
        _must(same, make, f"{task}: the registry loads something else")
        _must(loaded.rounds == fitted.rounds, make, "rounds are lost in the file")


def leaves_its_inputs_alone(make: Make) -> None:
    """Fitting and predicting change neither features, answers nor weights."""
    for task in TASKS:
        examples = toy(task)
        before = [examples.X.numeric.copy(), examples.X.codes.copy(), examples.y.copy()]
        for array in (examples.X.numeric, examples.X.codes, examples.y):
            array.flags.writeable = False
        fit_design(make(), examples, rounds=5).predict(examples.X)
        after = [examples.X.numeric, examples.X.codes, examples.y]
        same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))
        _must(same, make, f"{task}: its inputs were changed")


def many_rows_equal_one_by_one(make: Make) -> None:
    """A row's answer does not depend on the rows beside it, nor on their order."""
    for task, examples, fitted in _fits(make):
        X = examples.X
        together = fitted.predict(X)[:20]
        apart = np.concatenate([fitted.predict(X.take([i])) for i in range(20)])
        least = 1e-6 * float(np.abs(together).max())  # single precision
        same = np.allclose(together, apart, rtol=1e-5, atol=least)
        _must(same, make, f"{task}: a row alone gets another answer")
        turned = fitted.predict(X.take(slice(None, None, -1)))[::-1][:20]
        same = np.allclose(together, turned, rtol=1e-5, atol=least)
        _must(same, make, f"{task}: the order of rows matters")


def takes_what_was_never_seen(make: Make) -> None:
    """New categories, new gaps and wild numbers get a finite answer."""
    for task, examples, fitted in _fits(make):
        X = examples.X.take(slice(0, 6))
        numeric, codes = X.numeric.copy(), X.codes.copy()
        codes[0], codes[1], codes[2] = 99, -1, -2
        numeric[3], numeric[4], numeric[5] = np.nan, 1e12, -np.inf
        out = fitted.predict(Inputs(numeric, codes, X.levels))
        _must(np.isfinite(out).all(), make, f"{task}: rows unlike training get no finite answer")


def fits_odd_tables(make: Make) -> None:
    """30 rows, one column, no column, one class only, an absent class, equal answers."""
    for task in TASKS:
        full = toy(task, 30)
        k = full.n_classes
        X = full.X
        none = np.zeros((30, 0))
        tables = {
            "30 rows": X,
            "one number": Inputs(X.numeric[:, :1], X.codes[:, :0], ()),
            "one category": Inputs(none, X.codes[:, :1], X.levels[:1]),
            "constant columns": Inputs(X.numeric[:, 3:], X.codes[:, :0], ()),
            "huge numbers": Inputs(X.numeric[:, :2] * 1e300, X.codes[:, :0], ()),
            "no column": Inputs(none, X.codes[:, :0], ()),
        }
        for name, table in tables.items():
            _fit_and_look(make, Examples(table, full.y, task, k), f"{task}, {name}")
        _fit_and_look(make, Examples(X, np.zeros_like(full.y), task, k), f"{task}, equal answers")
        if task == "multiclass":
            two = np.where(full.y == 1, 2, full.y)
            out = _fit_and_look(make, Examples(X, two, task, k), "an absent class")
            _must(bool((out[:, 1] < 0.5).all()), make, "an absent class is thought likely")


def same_seed_same_model(make: Make) -> None:
    """Equal seeds give equal predictions."""
    for task in TASKS:
        examples = toy(task)
        design = make()
        a, b = (
            fit_design(design, examples, seed=3, rounds=20).predict(examples.X) for _ in range(2)
        )
        _must(np.array_equal(a, b), make, f"{task}: the same seed gives another model")


def weights_matter(make: Make) -> None:
    """Rows of weight nearly 0 nearly do not count (a constant answer cannot tell rows apart)."""
    if _constant(make):
        return
    for task in TASKS:
        examples = toy(task)
        swapped = examples.y.copy()
        half = np.arange(len(swapped)) % 2 == 0
        swapped[half] = swapped.max() if task == "regression" else 0
        w = np.where(half, 1e-6, 1.0)
        X, k = examples.X, examples.n_classes
        heavy = make().fit(Examples(X, swapped, task, k, w), rounds=30).predict(X)
        plain = make().fit(Examples(X, swapped, task, k), rounds=30).predict(X)
        truth = examples.y.astype(float)
        if task == "regression":
            closer = np.abs(heavy - truth).mean() < np.abs(plain - truth).mean()
        else:
            rows = np.arange(len(truth))
            closer = heavy[rows, examples.y].mean() > plain[rows, examples.y].mean()
        _must(bool(closer), make, f"{task}: weights make no difference")


def rounds_can_be_cut(make: Make) -> None:
    """A boosted model stops on validation rows, and can be cut to fewer rounds."""
    examples = toy("binary")
    fitted = make().fit(examples.take(slice(0, 180)), validation=examples.take(slice(180, None)))
    if fitted.rounds is None:
        return
    short = fitted.with_rounds(1)
    _must(short.rounds == 1, make, "with_rounds(1) does not have one round")
    differs = not np.array_equal(short.predict(examples.X), fitted.predict(examples.X))
    _must(differs or fitted.rounds == 1, make, "cutting the rounds changes nothing")


def beats_the_constant(make: Make) -> None:
    """On rows it has not seen, it is better than the answer that looks at nothing."""
    from modelwright.families.dummy import Dummy

    if _constant(make):
        return
    for task in TASKS:
        examples = toy(task, 600)
        train, held = examples.take(slice(0, 400)), examples.take(slice(400, None))
        metric = find_metric("rmse" if task == "regression" else "log_loss", task)
        mine = make().fit(train, rounds=60).predict(held.X)
        plain = Dummy().fit(train).predict(held.X)
        a = score_predictions(metric, held.y, mine)
        b = score_predictions(metric, held.y, plain)
        _must(a < 0.85 * b, make, f"{task}: {metric.name} {a:.3f}, the constant answer's {b:.3f}")


def answers_alike_as_onnx(make: Make) -> None:
    """Where a fitted model has `add_to`, its ONNX form answers alike, or it says why not."""
    for task, examples, fitted in _fits(make):
        if not isinstance(fitted, Expressible):
            return
        try:
            found = predict_by_onnx(fitted, examples.X)
        except NotExpressibleError:
            continue
        expected = fitted.predict(examples.X)
        scale = max(1.0, float(np.abs(expected).max()))
        same = np.allclose(found, expected, rtol=1e-5, atol=1e-6 * scale)
        _must(same, make, f"{task}: answers otherwise as ONNX")


CHECKS: tuple[Callable[[Make], None], ...] = (
    default_is_in_its_space,
    answers_have_the_right_shape,
    survives_the_file,
    leaves_its_inputs_alone,
    many_rows_equal_one_by_one,
    takes_what_was_never_seen,
    fits_odd_tables,
    same_seed_same_model,
    weights_matter,
    rounds_can_be_cut,
    beats_the_constant,
    answers_alike_as_onnx,
)


def _constant(make: Make) -> bool:
    return not fields(type(make()))  # type: ignore[arg-type]


def _fits(make: Make) -> Iterator[tuple[Task, Examples, Fitted]]:
    design: Any = make()
    for task in TASKS:
        yield task, toy(task), _fit(design, task)


@lru_cache(maxsize=len(TASKS))
def _fit(design: Family, task: Task) -> Fitted:
    """What several checks look at, one after the other: designs are values, so once is enough."""
    return fit_design(design, toy(task), rounds=20)


def _fit_and_look(make: Make, examples: Examples, what: str) -> Any:
    out = fit_design(make(), examples, rounds=5).predict(examples.X)
    _must(len(out) == len(examples.y) and np.isfinite(out).all(), make, f"{what}: bad answers")
    return out


def _must(holds: bool | np.bool_, make: Make, sentence: str) -> None:
    if not holds:
        raise AssertionError(f"{type(make()).__name__}: {sentence}.")
