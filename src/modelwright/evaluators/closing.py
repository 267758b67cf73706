"""The closing steps of a run on a table: an ensemble of earlier trials, and the final fits."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial
from modelwright.data.prepare import load_part
from modelwright.evaluators.keep import keep_array, keep_model, read_array
from modelwright.evaluators.table import TableData, examples_of
from modelwright.families.base import Examples, Fitted
from modelwright.families.pipeline import fit_design
from modelwright.models.ensemble import blend

if TYPE_CHECKING:
    from modelwright.evaluators.fit_and_score import FitAndScore


def blend_members(
    evaluator: FitAndScore,
    table: TableData,
    document: Mapping[str, Any],
    trial: Trial,
    tools: Tools,
) -> Evidence:
    """Evidence of a `Blend`: `{"members": [{"trial", "oof", "latency_ms", "size_kb", ...}]}`.

    Scores are cross-fitted on the folds of the members, so they compare with theirs. The weights
    to ship are in facts `weights`, by the members' trial numbers; they sum to 1. Latency and size
    are sums over the members that count, and say so in facts `summed`.
    """
    members: Sequence[Mapping[str, Any]] = document["members"]
    if not members:
        raise InputError("a blend needs members.")
    oofs = [np.asarray(read_array(m["oof"], tools.store), float) for m in members]
    shapes = {o.shape for o in oofs}
    if len(shapes) > 1:
        raise InputError(f"the members of a blend were validated on different rows: {shapes}.")
    weights, scored, out = blend(
        table.validation, oofs, evaluator.metric, evaluator.extra, evaluator.constraint
    )
    used = [m for m, w in zip(members, weights, strict=True) if w > 0]
    scores = dict(scored.scores)
    summed = [n for n in ("latency_ms", "size_kb", "fit_seconds") if _all_have(used, n)]
    scores |= {name: float(sum(m[name] for m in used)) for name in summed}
    facts = {
        "family": "Blend",
        "n_folds": len(table.validation.parts),
        "overlap": table.validation.overlap,
        "range": evaluator.metric.range,
        "weights": {str(m["trial"]): float(w) for m, w in zip(members, weights, strict=True)},
        "finish": scored.finish.to_json(),
        "summed": summed,
    }
    artefacts = {"oof": keep_array(out.astype(np.float32), tools.store)}
    return Evidence(trial.number, scores, scored.folds, artefacts=artefacts, facts=facts)


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
        fitted = _refit(evaluator, member, examples, trial, i, tools.threads)
        name, size = keep_model(fitted, tools.store, limit=1 << 40)
        weight = float(member["weight"]) / total
        family = type(evaluator.design(member["document"])).__name__
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
    member: Mapping[str, Any],
    examples: Examples,
    trial: Trial,
    number: int,
    threads: int,
) -> Fitted:
    design = evaluator.design(member["document"])
    seed = Key.of(int(member.get("seed", trial.seed))).child("refit", number).seed(31)
    rounds = member.get("facts", {}).get("rounds")
    return fit_design(design, examples, threads=threads, seed=seed, rounds=rounds)


def together(a: Examples, b: Examples) -> Examples:
    """The rows of both."""
    X = a.X.joined(b.X)
    weights = None
    if a.weights is not None or b.weights is not None:
        weights = np.concatenate([a.weight, b.weight])
    return replace(a, X=X, y=np.concatenate([a.y, b.y]), weights=weights)
