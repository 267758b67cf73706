"""A candidate that is itself searched: evaluating it means running a study of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from modelwright.core.canonical import digest
from modelwright.core.code_hash import code_hash
from modelwright.core.roles import Tools
from modelwright.core.trial import Evidence, Progress, Trial

# Runs an inner study for an outer design, given a seed and the outer trial's fidelity, and hands
# back the inner record and the hash of its last row. Made by a recipe, which may know the loop.
Inner = Callable[[Any, int, float], tuple[Any, str]]


class RunStudy:
    """Evaluates an outer design by the best score of an inner study.

    `inner(design, seed, fidelity)` runs it (see `recipes.nested`): this room may not know the loop,
    so the loop is handed in. The inner study has its own ledger; the evidence keeps the hash of its
    last row, its number of trials and its best design, so that it can be checked and found again.
    """

    def __init__(self, space: Any, inner: Inner, goals: tuple[str, ...]) -> None:
        self.space, self.inner, self.goals = space, inner, goals
        self._protocol = {"kind": "study", "code": code_hash(inner), "goals": list(goals)}

    def protocol(self) -> Mapping[str, Any]:
        """The code that makes the inner study, and the goals."""
        return self._protocol

    def evaluate(self, trial: Trial, tools: Tools) -> Iterator[Progress | Evidence]:
        """One piece of evidence: the inner champion's scores, or a failure when it has none."""
        design = self.space.design(trial.candidate)
        record, head = self.inner(design, trial.seed, trial.fidelity)
        view = record.view
        champion = None if view.champion is None else view.outcome(view.champion)
        facts = {"child_head": head, "child_trials": len(view.finished), "child_end": record.reason}
        evidence = Evidence(trial.number, facts=facts, protocol=digest(self._protocol))
        if champion is None or champion.violation > 0:
            yield evidence.failed("error", f"the inner study found nothing valid: {record.reason}")
            return
        scores = {name: champion.evidence.scores[name] for name in self.goals}
        facts["child_design"] = champion.trial.candidate.document
        yield Evidence(trial.number, scores, facts=facts, protocol=evidence.protocol)
