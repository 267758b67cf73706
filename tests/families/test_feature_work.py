from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from modelwright.families import family, load_fitted
from modelwright.families.base import Examples, Fitted, Inputs
from modelwright.families.contributions import contributions
from modelwright.families.feature_codes import FOLDS, Lookup, fit_targets
from modelwright.families.feature_numbers import (
    DIFFERENCE,
    PRODUCT,
    RATIO,
    Aggregate,
    Combine,
    Gaps,
)
from modelwright.families.feature_steps import Features, Step, fit_features
from modelwright.families.feature_texts import Hashed, Tfidf
from modelwright.families.feature_work import FeatureWork
from modelwright.families.onnx_features import add_features
from modelwright.families.onnx_graph import Graph, NotExpressibleError, predict_by_onnx, run_graph
from modelwright.families.pipeline import FittedPipeline, fit_design
from modelwright.models.metrics import find_metric, score_predictions
from modelwright.spaces import Space
from modelwright.testing.family import TASKS, toy

ALL = FeatureWork(
    "beside", 2, 5.0, True, crosses=4, combinations=12, aggregates=6, gaps=True, rare=3,
    texts="tfidf",
)  # fmt: skip


def design(name: str, work: FeatureWork) -> Any:
    # Without interactions of its own, so that what is found is found by feature work.
    alone: dict[str, Any] = {"interactions": "none"} if name == "Linear" else {}
    return family(name)(features=work, **alone)  # type: ignore[call-arg]


def with_texts(examples: Examples, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    words = np.array(["red", "green", "blue", "large", "small"])
    texts = [" ".join(rng.choice(words, 4)) for _ in range(len(examples.y))]
    notes = np.array(texts, dtype=object)
    notes[::17] = None
    return replace(examples, X=replace(examples.X, texts=(notes,)))


def coded(codes: Any, y: Any, numeric: Any = None) -> Examples:
    codes = np.asarray(codes, np.int32)
    numbers = np.zeros((len(codes), 0)) if numeric is None else np.asarray(numeric, float)
    levels = tuple(int(c) + 1 for c in codes.max(axis=0))
    return Examples(Inputs(numbers, codes, levels), np.asarray(y), "binary", 2)


def validated_auc(made: Any, examples: Examples, rounds: int | None = 60) -> float:
    n = len(examples.y)
    fold = np.random.default_rng(5).permutation(n) % 4
    out: npt.NDArray[Any] = np.zeros((n, 2))
    for f in range(4):
        fitted = fit_design(made, examples.take(fold != f), seed=f, rounds=rounds)
        out[fold == f] = fitted.predict(examples.X.take(fold == f))
    return score_predictions(find_metric("auc", "binary"), examples.y, out)


@pytest.mark.parametrize("name", ["LightGbm", "Linear", "KNearest"])
@pytest.mark.parametrize("targets", ["beside", "instead"])
def test_an_id_with_random_labels_tells_nothing(name: str, targets: Any) -> None:
    rng = np.random.default_rng(0)
    examples = coded(rng.integers(0, 700, (1500, 1)), rng.integers(0, 2, 1500))
    auc = validated_auc(design(name, FeatureWork(targets, smoothing=1.0)), examples)
    assert 0.45 < auc < 0.55


def test_no_training_row_sees_its_own_label() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    examples = coded(rng.integers(0, 2000, (n, 1)), rng.integers(0, 2, n))
    T = examples.y[:, None].astype(float)
    lookup, out = fit_targets(examples.X, [(0, -1)], T, np.ones(n), 1.0, seed=3)
    assert abs(np.corrcoef(out[:, 0], examples.y)[0, 1]) < 0.05
    # The same numbers looked up, as a careless encoding would have them, give the labels away.
    assert np.corrcoef(lookup.apply(examples.X)[:, 0], examples.y)[0, 1] > 0.5


def test_encodings_are_the_means_of_the_other_folds() -> None:
    rng = np.random.default_rng(1)
    n = 300
    examples = coded(rng.integers(0, 9, (n, 1)), rng.integers(0, 2, n))
    w = rng.random(n)
    T = examples.y[:, None].astype(float)
    lookup, out = fit_targets(examples.X, [(0, -1)], T, w, 4.0, seed=8)
    fold = np.random.default_rng(8).permutation(n) % FOLDS
    codes, prior = examples.X.codes[:, 0], np.average(examples.y, weights=w)
    for i in range(20):
        others = (codes == codes[i]) & (fold != fold[i])
        held = w[others] / w.mean()
        expected = (held @ examples.y[others] + 4 * prior) / (held.sum() + 4)
        assert np.isclose(out[i, 0], expected)
    unseen = Inputs(np.zeros((2, 0)), np.array([[99], [-1]], np.int32), examples.X.levels)
    assert np.allclose(lookup.apply(unseen), prior)


@pytest.mark.parametrize("name", ["LightGbm", "Linear"])
def test_noise_stays_noise_with_everything_on(name: str) -> None:
    rng = np.random.default_rng(2)
    codes = np.column_stack([rng.integers(0, k, 1200) for k in (4, 30, 200)])
    examples = coded(codes, rng.integers(0, 2, 1200), rng.normal(size=(1200, 4)))
    auc = validated_auc(design(name, ALL), with_texts(examples))
    assert 0.45 < auc < 0.55


def test_validation_labels_change_nothing() -> None:
    examples = with_texts(toy("binary"))
    train, held = examples.take(slice(0, 160)), examples.take(slice(160, None))
    wrong = replace(held, y=1 - held.y)
    made = design("Linear", ALL)
    a, b = (fit_design(made, train, validation=v).predict(held.X) for v in (held, wrong))
    assert np.array_equal(a, b)


def test_training_rows_alone_are_learned_from() -> None:
    examples = with_texts(toy("binary"))
    train = examples.take(slice(0, 160))
    features, _ = fit_features(ALL, train, seed=1)
    again, _ = fit_features(ALL, examples.take(np.arange(160)), seed=1)
    X = examples.X
    assert np.array_equal(features.apply(X).numeric, again.apply(X).numeric, equal_nan=True)


@pytest.mark.parametrize("task", TASKS)
def test_rows_do_not_look_at_one_another(task: Any) -> None:
    examples = with_texts(toy(task))
    fitted = fit_design(design("LightGbm", ALL), examples, rounds=20)
    X = examples.X
    together = fitted.predict(X)
    apart = np.concatenate([fitted.predict(X.take([i])) for i in range(40)])
    assert np.array_equal(together[:40], apart)
    assert np.array_equal(fitted.predict(X.take(slice(None, None, -1)))[::-1], together)
    assert len(fitted.predict(X.take(slice(0, 0)))) == 0


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["LightGbm", "Linear", "KNearest", "CatBoost", "Forest"])
def test_survives_the_file(task: Any, name: str, tmp_path: Path) -> None:
    examples = with_texts(toy(task, 120))
    fitted = fit_design(design(name, ALL), examples, rounds=10)
    assert isinstance(fitted, FittedPipeline)
    fitted.export(tmp_path)
    loaded = load_fitted(tmp_path)
    assert np.array_equal(loaded.predict(examples.X), fitted.predict(examples.X))
    assert loaded.rounds == fitted.rounds
    loaded.export(tmp_path / "again")
    for path in (tmp_path / "again").glob("features.*"):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_the_same_seed_gives_the_same_work() -> None:
    examples = with_texts(toy("multiclass", 400))
    a, b = (fit_features(ALL, examples, seed=4)[1].numeric for _ in range(2))
    assert np.array_equal(a, b, equal_nan=True)


def test_rounds_are_those_of_the_model() -> None:
    examples = with_texts(toy("binary"))
    fitted = fit_design(design("LightGbm", ALL), examples, rounds=20)
    assert fitted.rounds == 20
    short = fitted.with_rounds(3)
    assert short.rounds == 3
    assert not np.array_equal(short.predict(examples.X), fitted.predict(examples.X))


def test_nothing_to_do_costs_nothing() -> None:
    examples = toy("binary")
    fitted = fit_design(family("Linear")(features=FeatureWork()), examples)  # type: ignore[call-arg]
    assert type(fitted) is type(family("Linear")().fit(examples))
    texts = fit_design(family("Dummy")(), with_texts(examples))
    assert not isinstance(texts, FittedPipeline)


def odd_tables() -> dict[str, Examples]:
    full = with_texts(toy("binary", 40))
    X, y = full.X, full.y
    texts = X.texts

    def table(numeric: Any, codes: Any = X.codes, texts: Any = texts) -> Examples:
        return Examples(Inputs(numeric, codes, X.levels, texts), y, "binary", 2)

    wild = X.numeric * 1e300
    wild[::3, 0], wild[1::3, 1] = np.inf, -np.inf
    nothing = np.array([None] * 40, dtype=object)
    strange = np.array(["", " ", "\x00", "é" * 5000, "1"] * 8, dtype=object)
    return {
        "all missing": table(np.full((40, 3), np.nan), np.full((40, 2), -1, np.int32), (nothing,)),
        "one row": full.take([0]),
        "two rows": full.take([0, 1]),
        "constant": table(np.ones((40, 3)), np.zeros((40, 2), np.int32)),
        "wild numbers": table(wild),
        "single precision": table(X.numeric.astype("f4")),
        "strange texts": table(X.numeric, X.codes, (strange,)),
        "unknown codes in training": table(X.numeric, X.codes * 50 - 3),
        "no numbers": table(np.zeros((40, 0))),
        "no weight": replace(full, weights=np.zeros(40)),
        "one class": replace(full, y=np.zeros(40, int)),
        "equal values": Examples(X, np.ones(40), "regression"),
        "huge values": Examples(X, np.where(y == 1, 1e200, -1e200), "regression"),
        "many classes": Examples(X, np.arange(40) % 20, "multiclass", 25),
    }


@pytest.mark.parametrize("what", odd_tables())
def test_odd_tables(what: str) -> None:
    examples = odd_tables()[what]
    for work in (ALL, replace(ALL, targets="instead", rare=40, texts="hashed")):
        features, X = fit_features(work, examples, seed=0)
        assert len(X) == len(examples.y)
        made = X.numeric[:, examples.X.numeric.shape[1] :]
        assert not np.isinf(made).any()
        again = features.apply(examples.X)
        assert again.numeric.shape == X.numeric.shape
        assert again.levels == X.levels


def test_unseen_cells_get_finite_answers() -> None:
    examples = with_texts(toy("regression"))
    fitted = fit_design(design("Linear", ALL), examples)
    X = examples.X.take(slice(0, 6))
    numeric, codes = X.numeric.copy(), X.codes.copy()
    codes[0], codes[1], codes[2] = 99, -1, -2
    numeric[3], numeric[4], numeric[5] = np.nan, np.inf, -1e300
    texts = (np.array([None, "", "never seen", "red", "x" * 9999, "1"], dtype=object),)
    assert np.isfinite(fitted.predict(Inputs(numeric, codes, X.levels, texts))).all()


def chosen(work: FeatureWork, examples: Examples, kind: type) -> Any:
    features, _ = fit_features(work, examples, seed=0)
    return next((step for step in features.steps if type(step) is kind), None)


@pytest.mark.parametrize(
    ("how", "make"),
    [(DIFFERENCE, lambda a, b: a - b), (PRODUCT, lambda a, b: a * b), (RATIO, lambda a, b: a / b)],
)
def test_the_true_combination_is_found(how: int, make: Any) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2000, 5))
    truth = make(x[:, 1], x[:, 3])
    y = (truth > np.median(truth)) ^ (rng.random(2000) < 0.1)
    examples = Examples(Inputs.of(x), y.astype(int), "binary", 2)
    step = chosen(FeatureWork(combinations=1), examples, Combine)
    assert {int(step.first[0]), int(step.second[0])} == {1, 3}
    if how == DIFFERENCE:
        assert int(step.how[0]) == DIFFERENCE
    plain = validated_auc(design("Linear", FeatureWork()), examples)
    made = validated_auc(design("Linear", FeatureWork(combinations=2)), examples)
    assert made > plain - 0.01
    if how == PRODUCT:
        assert made > plain + 0.2


def test_noise_gives_no_combination_cross_or_aggregate() -> None:
    work = FeatureWork(crosses=4, combinations=12, aggregates=6)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        codes, x = rng.integers(0, 6, (1500, 4)), rng.normal(size=(1500, 6))
        features, _ = fit_features(work, coded(codes, rng.integers(0, 2, 1500), x), seed)
        assert sum(len(step.arrays()) > 0 for step in features.steps) <= 1


def test_a_pair_of_categories_is_found() -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, (2000, 6))
    y = (codes[:, 1] == codes[:, 4]) ^ (rng.random(2000) < 0.1)
    examples = coded(codes, y.astype(int))
    plain = validated_auc(design("Linear", FeatureWork()), examples)
    crossed = validated_auc(design("Linear", FeatureWork(crosses=1)), examples)
    assert plain < 0.56
    assert crossed > 0.85


def test_a_number_within_its_group_is_found() -> None:
    rng = np.random.default_rng(5)
    group = rng.integers(0, 20, 3000)
    middle, width = rng.normal(0, 5, 20), rng.uniform(0.5, 4, 20)
    z = rng.normal(size=3000)
    x = np.column_stack([middle[group] + width[group] * z, rng.normal(size=3000)])
    y = (np.abs(z) > 0.7).astype(int)
    examples = coded(np.column_stack([group, rng.integers(0, 5, 3000)]), y, x)
    step = chosen(FeatureWork(aggregates=2), examples, Aggregate)
    assert (step.number == 0).all()
    assert (step.group == 0).all()
    auc = validated_auc(design("LightGbm", FeatureWork(aggregates=2)), examples)
    assert auc > validated_auc(design("LightGbm", FeatureWork()), examples) + 0.02


def test_ranks_and_distances_are_those_of_the_group() -> None:
    x = np.concatenate([np.arange(101.0), 1000 + 10 * np.arange(101.0)])
    X = Inputs(x[:, None], np.repeat([0, 1], 101)[:, None].astype(np.int32), (2,))
    step = Aggregate.fit(X, [(0, 0, 0), (0, 0, 1), (0, 0, 2)], np.ones(202), seed=0)
    out = step.apply(X)
    assert np.allclose(out[:, 0], np.repeat([50, 1500], 101))
    assert np.allclose(out[:101, 1], out[101:, 1])
    assert np.allclose(out[:101, 2], out[101:, 2])
    assert np.isclose(out[50, 2], 0.5)
    unseen = Inputs(np.array([[750.0], [np.nan]]), np.array([[7], [0]], np.int32), (2,))
    assert np.isclose(step.apply(unseen)[0, 0], x.mean())
    assert np.isnan(step.apply(unseen)[1]).all()


def test_monotone_columns_are_in_no_combination() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(1500, 3))
    codes = rng.integers(0, 4, (1500, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    free = coded(codes, y, x)
    told = replace(free, monotone=(1, 0, -1))
    work = FeatureWork(combinations=4, aggregates=4, gaps=True)
    assert chosen(work, free, Combine) is not None
    assert chosen(work, told, Combine) is None
    step = chosen(work, told, Aggregate)
    assert step is None or (step.number == 1).all()

    class SeenError(Exception):
        pass

    linear: Any = family("Linear")

    class Watched(linear):  # type: ignore[misc]
        def fit(self, examples: Examples, **how: Any) -> Fitted:
            assert examples.monotone == (1, 0, -1) + (0,) * (examples.X.numeric.shape[1] - 3)
            raise SeenError

    with pytest.raises(SeenError):
        fit_design(Watched(features=FeatureWork("beside", 2)), told)


def test_weights_of_zero_do_not_count() -> None:
    rng = np.random.default_rng(7)
    n = 600
    examples = coded(rng.integers(0, 12, (n, 2)), rng.integers(0, 2, n), rng.normal(size=(n, 2)))
    w = (np.arange(n) % 2).astype(float)
    wrong = np.where(w > 0, examples.y, 1 - examples.y)
    work = FeatureWork("beside", 2, crosses=1)
    fitted = [
        fit_features(work, replace(examples, y=y, weights=w), 0)[0] for y in (examples.y, wrong)
    ]
    a, b = (f.apply(examples.X).numeric for f in fitted)
    assert np.array_equal(a, b)


def test_what_says_nothing_new_is_dropped() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=500)
    group = np.arange(500) % 2
    examples = coded(np.column_stack([group, group]), (x > 0).astype(int), np.column_stack([x]))
    features, X = fit_features(FeatureWork("beside", 1, gaps=True), examples, seed=0)
    # Of two equal categories one encoding stays; no gap anywhere, so no count of gaps.
    assert X.numeric.shape[1] == 2
    assert features.kept is not None
    assert features.kept.tolist() == [0]


def test_rare_levels_share_one_and_unseen_ones_join_them() -> None:
    codes = np.array([[0]] * 6 + [[1]] + [[2]] * 6 + [[3]] + [[-1]])
    examples = coded(codes, np.arange(15) % 2)
    features, X = fit_features(FeatureWork(rare=3), examples, seed=0)
    assert X.levels == (3,)
    assert X.codes[:, 0].tolist() == [0] * 6 + [2] + [1] * 6 + [2, -1]
    unseen = Inputs(np.zeros((2, 0)), np.array([[9], [-2]], np.int32), (4,))
    assert features.apply(unseen).codes[:, 0].tolist() == [2, 2]


def test_tfidf_knows_meaning_where_hashes_collide() -> None:
    rng = np.random.default_rng(9)
    words = np.array([f"word{i}" for i in range(400)])
    good = words[:200]
    rows, y = [], []
    for _ in range(800):
        label = int(rng.integers(2))
        own = good if label else words[200:]
        rows.append(" ".join([*rng.choice(own, 5), *rng.choice(words, 4)]))
        y.append(label)
    X = Inputs(np.zeros((800, 0)), np.zeros((800, 0), np.int32), (), (np.array(rows, object),))
    examples = Examples(X, np.array(y), "binary", 2)
    tfidf = validated_auc(design("Linear", FeatureWork(texts="tfidf")), examples)
    assert tfidf > 0.75


def test_hashed_texts_are_counted() -> None:
    notes = np.array(["good good, Bad!", None, ""], dtype=object)
    X = Inputs(np.zeros((3, 0)), np.zeros((3, 0), np.int32), (), (notes,))
    out = Hashed(0).apply(X)
    assert out[0, :2].tolist() == [15, 3]
    assert np.isnan(out[1, :2]).all()
    assert np.allclose(np.sort(out[0, 2:])[-2:], np.log1p([1, 2]))
    assert (out[1:, 2:] == 0).all()


def test_tfidf_of_nothing_is_nothing() -> None:
    notes = np.array(["one", "two", None], dtype=object)
    X = Inputs(np.zeros((3, 0)), np.zeros((3, 0), np.int32), (), (notes,))
    step = Tfidf.fit(0, X, 0)
    assert step.apply(X).shape == (3, step.width)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["LightGbm", "Linear"])
def test_onnx_makes_the_same_columns(task: Any, name: str) -> None:
    rng = np.random.default_rng(0)
    examples = toy(task, 400)
    X, wild = examples.X, examples.X.numeric[:60].copy()
    for i, value in enumerate((np.nan, 7.0, 0.0, 1e300, -1e300)):
        wild[i::10] = value
    codes = rng.integers(-4, 40, (60, 2)).astype(np.int32)
    strange = Inputs(wild, codes, X.levels)
    for work in (ALL, replace(ALL, targets="instead", rare=20)):
        fitted = fit_design(design(name, work), examples, rounds=20)
        assert isinstance(fitted, FittedPipeline)
        for rows in (X, strange):
            found = predict_by_onnx(fitted, rows)
            np.testing.assert_allclose(found, fitted.predict(rows), 1e-9, 1e-12)


def test_onnx_has_every_kind_of_step() -> None:
    rng = np.random.default_rng(0)
    codes, x = rng.integers(0, 12, (50, 3)), rng.normal(size=(50, 4))
    X = coded(codes, np.zeros(50), x).X
    first, second = np.array([0, 1, 2]), np.array([1, -1, 0])
    levels = np.array(X.levels)
    sizes = (levels[first] + 2) * np.array([14, 1, 14])
    starts = np.cumsum([0, *sizes])[:-1]
    lookup = Lookup(first, second, levels, starts, rng.normal(size=(sizes.sum(), 2)))
    pairs = np.array([(0, 1, how) for how in (3, 1, 0, 2, 3)]).T
    told = [(j, g, how) for j in range(2) for g in range(3) for how in range(3)]
    aggregate = Aggregate.fit(X, told, np.ones(50), 0)
    every: list[Step] = [lookup, Combine(*pairs), aggregate, Gaps(np.array([1, 2]))]
    for step in every:
        features = Features((step,))
        graph = Graph()
        names = graph.input("numeric", "double", 4), graph.input("codes", "int64", 3)
        graph.output(add_features(features, graph, *names)[0], "out")
        feeds = {"numeric": X.numeric, "codes": X.codes.astype(np.int64)}
        found = run_graph(graph.model(), feeds)[0]
        np.testing.assert_allclose(found, features.apply(X).numeric, 1e-12)


def test_onnx_refuses_texts_in_a_sentence() -> None:
    examples = with_texts(toy("binary"))
    fitted = fit_design(design("Linear", FeatureWork()), examples)
    with pytest.raises(NotExpressibleError, match="text column cannot be written"):
        predict_by_onnx(fitted, examples.X)


def test_feature_work_is_searched_with_its_family() -> None:
    space = Space(family("LightGbm"))
    paths = [column.path for column in space.layout()]
    assert "features.targets" in paths
    assert space.load('{"features": {"crosses": 2}}').features == replace(
        space.default().features, crosses=2
    )
    assert space.load("{}") == space.default()


def test_many_rows_of_single_precision_stay_single() -> None:
    examples = toy("binary", 100)
    X = replace(examples.X, numeric=examples.X.numeric.astype(np.float32))
    _, made = fit_features(FeatureWork("beside", 2), replace(examples, X=X), seed=0)
    assert made.numeric.dtype == np.float32


def test_contributions_go_back_to_their_columns() -> None:
    examples = with_texts(toy("binary", 300))
    X = examples.X
    for name in ("LightGbm", "Linear"):
        fitted = fit_design(design(name, ALL), examples, rounds=20)
        found = contributions(fitted, X, X)
        assert found is not None
        parts, base, _ = found
        assert parts.shape == (300, X.numeric.shape[1] + len(X.levels) + 1)
        share = fitted.predict(X)[:, 1]
        assert np.allclose(base + parts.sum(axis=1), np.log(share / (1 - share)), atol=1e-6)
