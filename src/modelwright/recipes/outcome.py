"""What a build hands back."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from modelwright.core.errors import NoModelError
from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.energy import cost_account, energy_account
from modelwright.readers.leaderboard import (
    described,
    family_of,
    fold_bounds,
    leaderboard,
    ruled_out,
    trivial_outcome,
)
from modelwright.readers.runs import RunFolder
from modelwright.readers.student import student_facts
from modelwright.recipes.closing import winner


@dataclass(frozen=True)
class Shipped:
    """A model that was written: where, of which candidate, fitted on which rows."""

    path: Path
    candidate: str
    trial: int
    rows: str


@dataclass(frozen=True)
class BuildResult:
    """A finished, stopped or paused build: its model, its leaderboard, its report, its reasons."""

    run: RunFolder
    record: Record
    shipped: Shipped | None
    notes: tuple[str, ...]
    seconds: float
    student: Shipped | None = None

    @cached_property
    def model(self) -> Any:
        """The shipped model, loaded. Raises NoModelError when none was written."""
        from modelwright.models import load_model

        if self.shipped is None:
            raise NoModelError(self.sentence)
        return load_model(self.shipped.path)

    @property
    def best(self) -> Outcome | None:
        """The outcome of the best candidate, within the limits or nearest to them."""
        return winner(self.record.view)

    @property
    def keep_yours(self) -> bool:
        """True when the person's own model was not beaten beyond noise."""
        champion = self.record.view.champion
        return champion is not None and self.record.view.trial(champion).by == "yours"

    @property
    def exit_code(self) -> int:
        """What the command line returns: see docs/json.md."""
        if self.shipped is not None:
            return 0
        ended = {"refused": 4, "waiting": 5, "stopped": 130, "paused": 130}
        held = self._held
        if self.record.status == "finished" and held is not None:
            return 5 if held["word"] == "ask" else 4
        return ended.get(self.record.status, 3)

    @property
    def sentence(self) -> str:
        """One sentence: what came out, or which limit was in the way and what was nearest."""
        view, best = self.record.view, self.best
        learnt = self.record.settings["problem"]["kind"] != "network"
        learnt = learnt or (best is not None and "model" in best.evidence.artefacts)
        if best is None or not learnt:  # the trivial network is no model to ship
            return f"no model was built: {self.record.reason}{self._failures()}."
        metric = view.goals[0].metric
        score = f"{metric} {best.evidence.scores[metric]:.5g}"
        family = described(best)
        if best.violation > 0:
            binding = [x for x in view.limits if self._over(best, x.metric)]
            told = ", ".join(f"{x} (measured {self._measured(best, x.metric)})" for x in binding)
            return f"no model met the limits; nearest is {family}, {score}, but {told}."
        if self.keep_yours:
            return f"keep yours: {family} reached {score}, which is within noise of your model."
        held = self._held
        kept = "" if held is None or self.shipped else f"; not shipped: {held['reason']}"
        return f"best model: {family}, {score}{kept}."

    @property
    def _held(self) -> Mapping[str, Any] | None:
        """The ruling that kept a model within the limits, or any model, from being shipped."""
        if self.best is not None and self.best.violation > 0:
            return None
        actions = ("ship", "evaluate") if self.best is None else ("ship",)
        held = [r for r in self.record.rulings if r["action"] in actions]
        return held[-1] if held and held[-1]["word"] != "allow" else None

    def _failures(self) -> str:
        finished = [o for o in self.record.view.finished if o.trial.role != "zero_cost"]
        failed = [o.evidence.failure for o in finished if o.evidence.failure is not None]
        if not failed:
            return ""
        last = f"the last by {failed[-1].cause}: {failed[-1].message.rstrip('.')}"
        binding = ruled_out(self.record.view).most_common()
        bound = ", ".join(f"{n} by {name}" for name, n in binding)
        bound = f"; limits that ruled designs out: {bound}" if bound else ""
        return f"; {len(failed)} of {len(finished)} trials failed, {last}{bound}"

    def _over(self, outcome: Outcome, metric: str) -> bool:
        evidence = outcome.evidence
        score, noise = evidence.scores.get(metric, float("nan")), evidence.noise.get(metric, 0.0)
        return any(
            x.violation(score, noise) > 0 for x in self.record.view.limits if x.metric == metric
        )

    @staticmethod
    def _measured(outcome: Outcome, metric: str) -> str:
        score = outcome.evidence.scores.get(metric)
        noise = outcome.evidence.noise.get(metric, 0.0)
        return "nothing" if score is None else f"{score:.4g} ± {noise:.2g}"

    def leaderboard(self) -> list[dict[str, Any]]:
        """One plain row per trial, best first: see docs/json.md."""
        return leaderboard(self.record.view)

    def report(self) -> Path:
        """The report's file."""
        return self.run.report_path

    def to_json(self) -> dict[str, Any]:
        """The facts that `build --json` prints (docs/json.md)."""
        view, best = self.record.view, self.best
        metric = view.goals[0].metric
        bounds = None if best is None else fold_bounds(best, metric)
        base = trivial_outcome(view)
        look = self.record.looks[-1] if self.record.looks else None
        return {
            "schema": "modelwright.build/3",
            "exit_code": self.exit_code,
            "run": self.run.name,
            "folder": str(self.run.path),
            "status": self.record.status,
            "reason": self.record.reason,
            "sentence": self.sentence,
            "model": None if self.shipped is None else str(self.shipped.path),
            "model_rows": None if self.shipped is None else self.shipped.rows,
            "candidate": None if best is None else best.trial.candidate.id,
            "family": None if best is None else family_of(best.trial.candidate.document),
            "metric": metric,
            "direction": view.goals[0].direction,
            "score": None if best is None else best.evidence.scores[metric],
            "interval": None if bounds is None else list(bounds),
            "baseline": None if base is None else base.evidence.scores[metric],
            "sealed_score": None if look is None else look["score"],
            "sealed_interval": None if look is None else look["interval"],
            "limits": [str(limit) for limit in view.limits],
            "within_limits": best is not None and best.violation == 0,
            "keep_yours": self.keep_yours,
            "trials": view.done[0],
            "failed": view.done[1],
            "measured_untrained": len(view.measured),
            "seconds": round(self.seconds, 3),
            "energy": energy_account(self.record),
            "cost": cost_account(self.record),
            "report": str(self.run.report_path),
            "student": None if self.student is None else str(self.student.path),
            "students": student_facts(self.record),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return f"<build {self.run.name!r}: {self.sentence} {self.record.reason}>"

    def _repr_html_(self) -> str:
        """The notebook's display: what came out, and the ten best candidates."""
        titles = ("place", "family", "score", "low", "high", "by", "reason")
        head = "".join(f"<th>{t}</th>" for t in titles)
        rows = []
        for row in leaderboard(self.record.view, top=10):
            cells = (f"{row[t]:.5g}" if isinstance(row[t], float) else row[t] or "" for t in titles)
            rows.append("".join(f"<td>{html.escape(str(c))}</td>" for c in cells))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<p>{html.escape(self.sentence)}</p><table><tr>{head}</tr>{body}</table>"
