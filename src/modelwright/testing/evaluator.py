"""The public suite of an evaluator: `check_evaluator(make, trials, tools)`.

>>> import tempfile
>>> from pathlib import Path
>>> from modelwright.core.trial import Candidate
>>> from modelwright.executors import FileStore, ToolBox
>>> from modelwright.testing.evaluators import toy
>>> folder = Path(tempfile.mkdtemp())
>>> order = Trial(3, Candidate('{"x":0.5}'), rung=0, fidelity=1.0, cost=1.0, seed=0)
>>> check_evaluator(toy, [order], ToolBox(folder, FileStore(folder / "store")), goals=("loss",))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.core.roles import Evaluator, Tools
from modelwright.core.trial import Candidate, Evidence, Progress, Trial

Make = Callable[[], Evaluator]

# Scores that a clock gives; two runs of one trial differ in them.
MEASURED = frozenset(
    {"latency_ms", "latency_here_ms", "fit_seconds", "predict_seconds", "peak_mb", "energy_joules"}
)


def check_evaluator(
    make: Make,
    trials: Sequence[Trial],
    tools: Tools,
    *,
    goals: tuple[str, ...],
    bad_document: str | None = None,
) -> None:
    """Runs every check on the evaluators that `make()` gives, over good trials.

    `goals` are the metrics that a study of it would have. `bad_document` is one it cannot
    evaluate: it must raise, or yield failed evidence. Raises AssertionError saying what broke.
    """
    protocol_is_plain_and_stable(make)
    for trial in trials:
        evidence = ends_with_one_evidence(make, trial, tools)
        scores_are_sound(evidence, goals)
        travels(evidence)
        artefacts_are_kept(evidence, tools)
        needs_no_design(make, trial, tools, evidence)
        same_seed_same_scores(make, trial, tools, evidence)
    if bad_document is not None:
        bad_candidate_fails(make, trials[0], tools, bad_document)


def run_trial(evaluator: Evaluator, trial: Trial, tools: Tools) -> tuple[list[Progress], Evidence]:
    """The progress and the evidence of one trial."""
    *progress, last = evaluator.evaluate(trial, tools)
    assert isinstance(last, Evidence), "the last message must be Evidence"
    assert all(isinstance(p, Progress) for p in progress), "only Progress may come before Evidence"
    return [p for p in progress if isinstance(p, Progress)], last


def protocol_is_plain_and_stable(make: Make) -> None:
    """`protocol` is plain JSON and equal for equal evaluators."""
    first, second = make(), make()
    assert isinstance(first, Evaluator), "an evaluator has `evaluate` and `protocol`"
    text = canonical(first.protocol())
    assert text == canonical(first.protocol()), "protocol changes between calls"
    assert text == canonical(second.protocol()), "equal evaluators have different protocols"


def ends_with_one_evidence(make: Make, trial: Trial, tools: Tools) -> Evidence:
    """Any number of Progress, then one Evidence, all of the trial asked for."""
    progress, evidence = run_trial(make(), trial, tools)
    numbers = {p.trial for p in progress} | {evidence.trial}
    assert numbers == {trial.number}, f"messages of trials {numbers}, asked for {trial.number}"
    steps = [p.step for p in progress]
    assert steps == sorted(steps), f"steps must not go back: {steps}"
    return evidence


def scores_are_sound(evidence: Evidence, goals: tuple[str, ...]) -> None:
    """Good trials have finite scores for all goals; folds belong to scores and are as many."""
    checked = evidence.checked(goals)
    assert checked.ok, f"a good trial failed: {checked.failure}"
    unknown = set(evidence.folds) - set(evidence.scores)
    assert not unknown, f"folds of {unknown} without a score"
    assert len({len(v) for v in evidence.folds.values()}) <= 1, "metrics have unequal folds"
    assert set(evidence.noise) <= set(evidence.scores), "noise of something not scored"


def travels(evidence: Evidence) -> None:
    """Evidence is plain JSON and reads back equal."""
    text = json.dumps(evidence.to_json(), allow_nan=False)
    again = Evidence.from_json(json.loads(text)).to_json()
    assert json.dumps(again) == text, "the evidence changes on its way through JSON"


def artefacts_are_kept(evidence: Evidence, tools: Tools) -> None:
    """Every artefact that is named lies in the store."""
    for name, artefact in evidence.artefacts.items():
        assert tools.store.path(artefact).is_file(), f"artefact {name!r} is not in the store"


def needs_no_design(make: Make, trial: Trial, tools: Tools, evidence: Evidence) -> None:
    """A trial that came as JSON, without the design, gives the same scores."""
    came = Trial.from_json(json.loads(json.dumps(trial.to_json())))
    assert came.candidate.design is None
    _, again = run_trial(make(), came, tools)
    _same(evidence.scores, again.scores, "a trial that came as JSON scores otherwise")


def same_seed_same_scores(make: Make, trial: Trial, tools: Tools, evidence: Evidence) -> None:
    """The same trial again, also on an evaluator that has worked before, scores the same."""
    evaluator = make()
    run_trial(evaluator, replace(trial, number=trial.number + 1), tools)
    _, again = run_trial(evaluator, trial, tools)
    _same(evidence.scores, again.scores, "the same trial scores otherwise")
    assert again.folds == evidence.folds or _measured_only(again.folds), "folds differ"


def bad_candidate_fails(make: Make, trial: Trial, tools: Tools, document: str) -> None:
    """What cannot be evaluated raises or comes back failed; it never has scores."""
    bad = replace(trial, candidate=Candidate(document))
    try:
        _, evidence = run_trial(make(), bad, tools)
    except AssertionError:
        raise
    except Exception:  # the executor makes the failed record of it
        return
    assert not evidence.ok, "a candidate that cannot be evaluated got scores"


def _measured_only(names: Iterable[str]) -> bool:
    return set(names) <= MEASURED


def _same(a: Mapping[str, Any], b: Mapping[str, Any], sentence: str) -> None:
    assert set(a) == set(b), f"{sentence}: {sorted(a)} and {sorted(b)}"
    other = {n: (a[n], b[n]) for n in a if n not in MEASURED and a[n] != b[n]}
    assert not other, f"{sentence}: {other}"
