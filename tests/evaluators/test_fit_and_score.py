from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwright.core.canonical import canonical
from modelwright.core.errors import InputError
from modelwright.core.trial import Candidate, Evidence, Progress, Trial
from modelwright.data import Prepared, Question, load_part, prepare, read_table
from modelwright.evaluators.fit_and_score import FitAndScore, at_fidelity, load
from modelwright.evaluators.table import load_table
from modelwright.executors import EvaluatorSpec, FileStore, ToolBox
from modelwright.families.inputs import inputs_of
from modelwright.models import load_model, save_bundle
from modelwright.models.crossfit import Finish
from modelwright.models.metrics import METRICS, score_predictions
from modelwright.testing.evaluator import check_evaluator, run_trial


def table(n: int = 1200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    town = rng.choice(["Ulm", "Bonn", "Kiel"], n)
    pull = x + (town == "Ulm") + rng.normal(0, 1, n)
    return pd.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.05, np.nan, x),
            "noise": rng.normal(size=n),
            "town": town,
            "level": np.digitize(pull, [-0.5, 1.0]),
            "pull": pull,
            "churned": np.where(pull > 1.2, "yes", "no"),
        }
    )


TARGETS = {"binary": "churned", "multiclass": "level", "regression": "pull"}
Place = tuple[Prepared, ToolBox]


@pytest.fixture(scope="module")
def places(tmp_path_factory: Any) -> dict[str, Place]:
    out = {}
    for task, target in TARGETS.items():
        folder = tmp_path_factory.mktemp(task)
        drop = tuple(set(TARGETS.values()) - {target})
        question = Question(target, task=task, drop=drop)  # type: ignore[arg-type]
        prepared = prepare(read_table(table(), target=target), question, folder)
        out[task] = (prepared, ToolBox(prepared.dev, FileStore(folder / "store")))
    return out


def order(
    document: Mapping[str, Any], number: int = 0, fidelity: float = 1.0, cost: float | None = None
) -> Trial:
    spent = fidelity if cost is None else cost
    return Trial(number, Candidate(canonical(document)), 0, fidelity, spent, seed=5)


def evidence_of(evaluator: FitAndScore, trial: Trial, tools: ToolBox) -> Evidence:
    return run_trial(evaluator, trial, tools)[1]


@pytest.mark.parametrize("task", TARGETS)
def test_suite(places: dict[str, Place], task: Any) -> None:
    metric = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[task]
    trials = [order({"type": "Linear"}), order({"type": "Dummy"}, fidelity=0.2)]
    check_evaluator(
        lambda: load(task),
        trials,
        places[task][1],
        goals=(metric,),
        bad_document='{"type":"Linaer"}',
    )


def test_a_worker_builds_it_from_plain_data(places: dict[str, Place]) -> None:
    arguments: dict[str, Any] = {"task": "binary", "metric": "f1", "constraint": "precision>=0.5"}
    built = EvaluatorSpec("modelwright.evaluators.fit_and_score:load", arguments).build()
    assert built.protocol() == load(**arguments).protocol()
    assert built.protocol() != load("binary", "f1").protocol()


@pytest.mark.parametrize("name", ["Linear", "LightGbm"])
def test_evidence_can_be_recomputed(places: dict[str, Place], name: str) -> None:
    _, tools = places["binary"]
    evidence = evidence_of(load("binary"), order({"type": name}), tools)
    data = load_table(tools.data)
    oof = np.load(tools.store.path(evidence.artefacts["oof"]), allow_pickle=False)
    assert oof.shape == (1, len(data.part), 2)
    assert oof.dtype == np.float32
    per = [
        score_predictions(METRICS["roc_auc"], data.examples.y[rows], oof[r][rows])
        for r, rows in data.validation.folds
    ]
    assert evidence.folds["roc_auc"] == pytest.approx(tuple(per))
    assert evidence.scores["roc_auc"] == pytest.approx(np.mean(per))
    assert evidence.scores["roc_auc"] > 0.75
    assert {"fit_seconds", "latency_ms", "size_kb", "log_loss", "accuracy"} <= set(evidence.scores)
    assert "latency_ms" in evidence.noise


def test_the_fold_model_predicts_what_the_fold_saw(
    places: dict[str, Place], tmp_path: Path
) -> None:
    _, tools = places["binary"]
    evidence = evidence_of(load("binary"), order({"type": "LightGbm"}), tools)
    data = load_table(tools.data)
    packed = tools.store.path(evidence.artefacts["model"])
    folder = save_bundle(tmp_path / "m", [(packed, 1.0)], data.part.schema, Finish())
    rows = data.validation.folds[0][1]
    shares = load_model(folder).predict_features(data.part.features.take(rows))
    oof = np.load(tools.store.path(evidence.artefacts["oof"]), allow_pickle=False)
    assert np.array_equal(shares.astype(np.float32), oof[0, rows])


def test_a_booster_is_not_scored_at_each_folds_own_best_round(places: dict[str, Place]) -> None:
    _, tools = places["regression"]
    design = {"type": "LightGbm", "learning_rate": 0.1}
    document = load("regression").space.dump(load("regression").design(canonical(design)))
    evidence = evidence_of(load("regression"), Trial(0, Candidate(document), 0, 1.0, 1.0, 5), tools)
    assert evidence.facts["rounds"] >= 1
    assert evidence.facts["family"] == "LightGbm"


def test_low_rungs_use_fewer_folds_then_fewer_rows(places: dict[str, Place]) -> None:
    _, tools = places["binary"]
    validation = load_table(tools.data).validation
    assert [len(at_fidelity(validation, f)[0].parts) for f in (1.0, 0.6, 0.2, 0.05)] == [5, 3, 1, 1]
    assert at_fidelity(validation, 0.6)[1] == 1.0
    assert at_fidelity(validation, 0.05)[1] == pytest.approx(0.25)
    full, cheap = (
        evidence_of(load("binary"), order({"type": "Linear"}, fidelity=f), tools)
        for f in (1.0, 0.05)
    )
    assert cheap.facts["n_train"] < 0.3 * full.facts["n_train"]
    assert not cheap.artefacts
    assert cheap.scores["roc_auc"] > 0.6


def test_the_top_rung_keeps_its_models_whatever_share_of_the_rows_it_is(
    places: dict[str, Place],
) -> None:
    _, tools = places["binary"]
    top = evidence_of(load("binary"), order({"type": "Linear"}, fidelity=0.1, cost=1.0), tools)
    low = evidence_of(load("binary"), order({"type": "Linear"}, fidelity=0.1), tools)
    assert set(top.artefacts) == {"oof", "model"}
    assert "oof" not in low.artefacts


def test_progress_comes_after_each_fold(places: dict[str, Place]) -> None:
    progress, _ = run_trial(load("binary"), order({"type": "Dummy"}), places["binary"][1])
    assert [p.step for p in progress] == [1, 2, 3, 4, 5]


def test_weights_reach_fit_and_score(tmp_path: Path) -> None:
    frame = table(600)
    frame["w"] = np.where(frame.x.fillna(0) > 0, 1.0, 1e-6)
    question = Question("pull", weight="w", drop=("churned", "level"))
    prepared = prepare(read_table(frame, target="pull"), question, tmp_path)
    tools = ToolBox(prepared.dev, FileStore(tmp_path / "store"))
    evidence = evidence_of(load("regression", "mae"), order({"type": "Dummy"}), tools)
    heavy = frame.pull[frame.x.fillna(0) > 0]
    expected = float((heavy - heavy.median()).abs().mean())
    assert evidence.scores["mae"] == pytest.approx(expected, rel=0.1)


def test_a_constraint_holds_on_rows_that_did_not_choose_the_threshold(
    places: dict[str, Place],
) -> None:
    _, tools = places["binary"]
    evaluator = load("binary", "f1", constraint="sensitivity>=0.9")
    evidence = evidence_of(evaluator, order({"type": "Linear"}), tools)
    free = evidence_of(load("binary", "f1"), order({"type": "Linear"}), tools)
    assert evidence.scores["sensitivity"] > 0.85
    bound = evidence.facts["finish"]["decision"]["threshold"]
    assert bound < free.facts["finish"]["decision"]["threshold"]


def test_small_tables_are_validated_in_repeats(tmp_path: Path) -> None:
    prepared = prepare(read_table(table(200), target="churned"), Question("churned"), tmp_path)
    tools = ToolBox(prepared.dev, FileStore(tmp_path / "store"))
    evidence = evidence_of(load("binary"), order({"type": "Linear"}), tools)
    oof = np.load(tools.store.path(evidence.artefacts["oof"]), allow_pickle=False)
    assert oof.shape == (3, 200, 2)
    assert len(evidence.folds["roc_auc"]) == 15
    third = evidence_of(load("binary"), order({"type": "Linear"}, fidelity=1 / 3), tools)
    assert third.folds["roc_auc"] == evidence.folds["roc_auc"][:5]


def members(evaluator: FitAndScore, names: list[str], tools: ToolBox) -> list[dict[str, Any]]:
    out = []
    for i, name in enumerate(names):
        document = canonical({"type": name})
        evidence = evidence_of(evaluator, Trial(i, Candidate(document), 0, 1.0, 1.0, i), tools)
        out.append(
            {
                "trial": i,
                "seed": i,
                "document": document,
                "oof": evidence.artefacts["oof"],
                "facts": dict(evidence.facts),
                "latency_ms": evidence.scores["latency_ms"],
                "size_kb": evidence.scores["size_kb"],
                "score": evidence.scores[evaluator.metric.name],
            }
        )
    return out


@pytest.mark.parametrize("task", TARGETS)
def test_blend_then_refit_then_ship(places: dict[str, Place], task: Any, tmp_path: Path) -> None:
    prepared, tools = places[task]
    evaluator = load(task, sealed=str(prepared.sealed))
    metric = evaluator.metric
    offered = members(evaluator, ["Linear", "LightGbm", "Dummy"], tools)
    for member in offered:
        member |= {"energy_joules": 2.0, "energy_noise": 0.5}
        member["facts"]["how"] = {"energy_joules": "counted"}
    blended = evidence_of(evaluator, order({"type": "Blend", "members": offered}, 9), tools)
    weights = blended.facts["weights"]
    n_used = sum(w > 0 for w in weights.values())
    assert blended.scores["energy_joules"] == 2 * n_used
    assert blended.noise["energy_joules"] == n_used / 2
    assert blended.facts["how"] == {"energy_joules": "counted"}
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["2"] < 0.2  # Dummy
    best = min((m["score"] for m in offered), key=metric.goal.loss)
    # Cross-fitted, so it may be a touch worse than the best member, not much.
    assert metric.goal.loss(blended.scores[metric.name]) < metric.goal.loss(best) + 0.02
    assert len(blended.folds[metric.name]) == 5

    used = [
        {k: m[k] for k in ("document", "seed", "facts")} | {"weight": weights[str(m["trial"])]}
        for m in offered
        if weights[str(m["trial"])] > 0
    ]
    refit = order({"type": "Refit", "rows": "all", "members": used}, 10)
    progress, evidence = run_trial(evaluator, refit, tools)
    assert len(progress) == len(used)
    assert evidence.facts["n_rows"] == prepared.n_dev + prepared.n_sealed
    parts = [(tools.store.path(m["artefact"]), m["weight"]) for m in evidence.facts["members"]]
    finish = Finish.from_json(blended.facts["finish"])
    model = load_model(save_bundle(tmp_path / "m", parts, prepared.schema, finish))
    out = model.predict(table(50, seed=9))
    assert len(out) == 50
    fewer = order({"type": "Refit", "rows": "development", "members": used}, 11)
    on_dev = evidence_of(evaluator, fewer, tools)
    assert on_dev.facts["n_rows"] == prepared.n_dev
    assert prepared.sealed is not None
    sealed = load_part(prepared.sealed)
    judged = [(tools.store.path(m["artefact"]), m["weight"]) for m in on_dev.facts["members"]]
    judge = load_model(save_bundle(tmp_path / "j", judged, prepared.schema, finish))
    score = score_predictions(metric, sealed.y, judge.predict_features(sealed.features))
    folds = blended.folds[metric.name]
    assert abs(score - np.mean(folds)) < 6 * np.std(folds) + 0.02


def test_a_refit_that_is_stopped_hands_over_what_is_done(places: dict[str, Place]) -> None:
    _, tools = places["binary"]
    evaluator = load("binary")
    used = [
        {"document": canonical({"type": "Linear"}), "seed": 0, "weight": w} for w in (0.2, 0.7, 0.1)
    ]
    stream: Any = evaluator.evaluate(
        order({"type": "Refit", "rows": "all", "members": used}), tools
    )
    assert isinstance(next(stream), Progress)
    evidence = stream.send("stop")
    assert [m["weight"] for m in evidence.facts["members"]] == [1.0]


def test_members_of_other_rows_are_refused(places: dict[str, Place]) -> None:
    _, tools = places["binary"]
    store = tools.store
    a = store.put_array(np.zeros((1, 4, 2), np.float32))
    b = store.put_array(np.zeros((1, 5, 2), np.float32))
    document = {"type": "Blend", "members": [{"trial": 0, "oof": a}, {"trial": 1, "oof": b}]}
    with pytest.raises(InputError, match="different rows"):
        evidence_of(load("binary"), order(document), tools)


def test_a_folder_without_a_table_is_told(tmp_path: Path) -> None:
    tools = ToolBox(tmp_path, FileStore(tmp_path / "store"))
    with pytest.raises(InputError, match="no prepared table"):
        evidence_of(load("binary"), order({"type": "Dummy"}), tools)


def test_documents_are_read_strictly() -> None:
    evaluator = load("binary")
    assert type(evaluator.design('{"type":"Dummy"}')).__name__ == "Dummy"
    design = evaluator.space.default()
    assert evaluator.design(evaluator.space.dump(design)) == design
    single = load("binary", families=["Linear"])
    assert single.design(single.space.dump(single.space.default())) == single.space.default()
    with pytest.raises(InputError, match="no family is called 'Linaer'"):
        evaluator.design('{"type":"Linaer"}')


def test_inputs_of_a_part_are_those_of_its_rows(places: dict[str, Place]) -> None:
    _, tools = places["binary"]
    data = load_table(tools.data)
    X = inputs_of(data.part.features, data.part.schema)
    assert X.levels == (4,)  # three towns, and "another one"
    assert json.dumps(data.part.schema.classes) == '["no", "yes"]'
