"""The closing steps of a run on a table: an ensemble of earlier trials, and the final fits."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.data.prepare import load_part
from modelwright.evaluators.behave import MAX_FOLDS, measure
from modelwright.evaluators.fair import equalise_in, fair_scores
from modelwright.evaluators.keep import keep_array, keep_model, read_array
from modelwright.evaluators.student import refit_student
from modelwright.evaluators.table import TableData, examples_of
from modelwright.evaluators.teacher import open_teacher
from modelwright.families.base import Examples, Fitted
from modelwright.families.pipeline import fit_design
from modelwright.families.soft import together
from modelwright.models.crossfit import Finish
from modelwright.models.ensemble import blend, gain_over_picking

if TYPE_CHECKING:
    from modelwright.evaluators.fit_and_score import FitAndScore


_SUMMED = ("latency_ms", "size_kb", "fit_seconds", "predict_seconds", "energy_joules")


def blend_members(
    evaluator: FitAndScore,
    table: TableData,
    document: Mapping[str, Any],
    trial: Trial,
    tools: Tools,
) -> Evidence:
    """Evidence of a `Blend`: `{"members": [{"trial", "oof", "latency_ms", "size_kb", ...}]}`.

    Scores are cross-fitted on the folds of the members, so they compare with theirs. The weights
    to ship are in facts `weights`, by the members' trial numbers; they sum to 1. Latency, size and
    energy (with its noise) are sums over the members that count, and say so in facts `summed`;
    `how` energy is known is what the members say. Facts `picked_gain` is how
    much less loss it has than the best member, where both are chosen on the same other rows.
    """
    members: Sequence[Mapping[str, Any]] = document["members"]
    if not members:
        raise InputError("a blend needs members.")
    oofs = [np.asarray(read_array(m["oof"], tools.store), float) for m in members]
    shapes = {o.shape for o in oofs}
    if len(shapes) > 1:
        raise InputError(f"the members of a blend were validated on different rows: {shapes}.")
    weights, scored, out = blend(
        table.validation, oofs, evaluator.metric, evaluator.extra, evaluator.constraint,
        equalise_in(document, table.part),
    )  # fmt: skip
    used = [m for m, w in zip(members, weights, strict=True) if w > 0]
    scores = dict(scored.scores)
    summed = [n for n in _SUMMED if _all_have(used, n)]
    scores |= {name: float(sum(m[name] for m in used)) for name in summed}
    facts = {
        "family": "Blend",
        "n_folds": len(table.validation.parts),
        "overlap": table.validation.overlap,
        "range": evaluator.metric.range,
        "weights": {str(m["trial"]): float(w) for m, w in zip(members, weights, strict=True)},
        "finish": scored.finish.to_json(),
        "summed": summed,
        "picked_gain": gain_over_picking(table.validation, oofs, out, evaluator.metric),
    }
    artefacts = {"oof": keep_array(out.astype(np.float32), tools.store)}
    weighed = [{**m, "weight": float(w)} for m, w in zip(members, weights, strict=True)]
    told = {"oof": artefacts["oof"], "members": weighed}
    behaves, noises = _behaviour(evaluator, table, told, scored.finish, tools)
    gaps, doubts = fair_scores(table, table.validation, scored)
    scores |= {**behaves, **gaps}
    noises = {**noises, **doubts}
    if "energy_joules" in summed:
        noises["energy_joules"] = float(sum(m.get("energy_noise", 0.0) for m in used))
        facts["how"] = used[0]["facts"].get("how", {})
    return Evidence(trial.number, scores, scored.folds, noises, artefacts=artefacts, facts=facts)


def _behaviour(
    evaluator: FitAndScore,
    table: TableData,
    told: Mapping[str, Any],
    finish: Finish,
    tools: Tools,
) -> tuple[dict[str, float], dict[str, float]]:
    """How the ensembles of the folds' models behave; nothing where their files are not kept.

    What was not measured meets no limit: an ensemble that cannot be looked at is not shipped.
    """
    if not evaluator.asked.names:
        return {}, {}
    try:
        with open_teacher(evaluator, table, told, tools) as teacher:
            if teacher.fold is None:
                return {}, {}
            predicts = [teacher.fold(f) for f in range(min(MAX_FOLDS, len(table.part.parts)))]
            return measure(
                evaluator.asked, evaluator.metric, table, table.validation, predicts, finish
            )
    except InputError:
        return {}, {}


def _all_have(members: Sequence[Mapping[str, Any]], name: str) -> bool:
    return all(isinstance(m.get(name), (int, float)) for m in members)


def refit_members(
    evaluator: FitAndScore,
    table: TableData,
    document: Mapping[str, Any],
    trial: Trial,
    tools: Tools,
) -> Generator[Progress | Evidence, str | None, None]:
    """Evidence of a `Refit`: each member of `{"rows", "members": [{"document", "seed", ...}]}`.

    `rows` is `development` or `all` (with the sealed part). Boosted members take their number of
    rounds from their facts. Artefacts are `member0`, `member1`, ... as packed models; facts
    `members` has `artefact`, `weight` and `family` of each, the weights summing to 1. Told to
    `stop` between members, it hands over those that are done, if they carry half of the weight.

    It has no score: on rows the members were fitted on, one would say nothing of their quality.
    """
    examples = table.examples
    if document["rows"] == "all" and evaluator.sealed is not None:
        examples = together(examples, examples_of(load_part(evaluator.sealed), examples.loss))
    members: Sequence[Mapping[str, Any]] = document["members"]
    total = sum(float(m["weight"]) for m in members)
    done: list[dict[str, Any]] = []
    for i, member in sorted(enumerate(members), key=lambda im: -float(im[1]["weight"])):
        fitted = _refit(evaluator, table, member, examples, trial, i, tools)
        name, size = keep_model(fitted, tools.store, limit=1 << 40)
        weight = float(member["weight"]) / total
        family = _family(evaluator, member["document"])
        done.append({"artefact": name, "weight": weight, "family": family, "size": size})
        word = yield Progress(trial.number, float(len(done)), message=f"member {i + 1} is fitted")
        if word == "stop" and sum(m["weight"] for m in done) >= 0.5:
            break
    carried = sum(m["weight"] for m in done)
    yield Evidence(
        trial.number,
        {"size_kb": sum(m.pop("size") for m in done) / 1000},
        artefacts={f"member{i}": m["artefact"] for i, m in enumerate(done)},
        facts={
            "family": "Refit",
            "rows": document["rows"],
            "n_rows": len(examples.y),
            "members": [{**m, "weight": m["weight"] / carried} for m in done],
        },
    )


def _refit(
    evaluator: FitAndScore,
    table: TableData,
    member: Mapping[str, Any],
    examples: Examples,
    trial: Trial,
    number: int,
    tools: Tools,
) -> Fitted:
    told = member.get("facts", {})
    document = json.loads(member["document"])
    if document.get("type") == "Student":
        return refit_student(evaluator, table, document, told, examples, tools)
    design = evaluator.design(member["document"])
    seed = Key.of(int(member.get("seed", trial.seed))).child("refit", number).seed(31)
    return fit_design(design, examples, threads=tools.threads, seed=seed, rounds=told.get("rounds"))


def _family(evaluator: FitAndScore, document: str) -> str:
    found = json.loads(document)
    inner = json.dumps(found["design"]) if found.get("type") == "Student" else document
    return type(evaluator.design(inner)).__name__
