"""What a search hands back."""

from __future__ import annotations

import html
from typing import Any

from modelwright.core.errors import NoModelError
from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.energy import energy_account
from modelwright.readers.leaderboard import leaderboard


class SearchResult:
    """The finished (or stopped) search: its best design, its Pareto front, its trials, its reasons.

    Nothing is copied: everything is read from the record, which is folded from the ledger's rows.
    """

    def __init__(self, record: Record, space: Any, where: str, name: str) -> None:
        self.record, self.space, self.where, self.name = record, space, where, name

    @property
    def reason(self) -> str:
        """Why the search ended."""
        return self.record.reason

    @property
    def best(self) -> Outcome:
        """The champion's outcome. Raises NoModelError when no trial met the limits, or none ran."""
        champion = self.record.view.champion
        outcome = None if champion is None else self.record.view.outcome(champion)
        if outcome is None:
            last = next((o for o in reversed(self.trials) if o.evidence.failure), None)
            told = (
                ""
                if last is None
                or last.evidence.failure is None
                or last.evidence.failure.message in self.reason
                else (f" The last failure: {last.evidence.failure.message}.")
            )
            raise NoModelError(f"no trial succeeded; the search ended: {self.reason}.{told}")
        if outcome.violation > 0:
            raise NoModelError(
                f"no trial met the limits {', '.join(map(str, self.record.view.limits))}; the "
                f"nearest is trial {outcome.trial.number}: {dict(outcome.evidence.scores)}."
            )
        return outcome

    @property
    def best_design(self) -> Any:
        """The best design, a value of the space's type."""
        return self.space.design(self.best.trial.candidate)

    @property
    def best_value(self) -> float:
        """Its score on the first goal, as the objective returned it."""
        return self.best.evidence.scores[self.record.view.goals[0].metric]

    @property
    def front(self) -> list[tuple[Any, dict[str, float]]]:
        """The Pareto front: designs and their scores, none better than another on all goals."""
        return [
            (self.space.design(o.trial.candidate), dict(o.evidence.scores))
            for o in self.record.view.front
        ]

    @property
    def trials(self) -> list[Outcome]:
        """All finished trials in the order they were judged, failed ones included."""
        return list(self.record.seen.finished)

    @property
    def energy(self) -> dict[str, Any]:
        """Joules of all trials, and how they are known (docs/limits.md)."""
        return energy_account(self.record)

    def leaderboard(self) -> list[dict[str, Any]]:
        """One plain row per trial, best first, failed ones last: see docs/json.md."""
        return leaderboard(self.record.view)

    def to_frame(self) -> Any:
        """The leaderboard as a pandas data frame, one column per score."""
        import pandas as pd

        rows = [{**row, **row["scores"]} for row in self.leaderboard()]
        return pd.DataFrame(rows).drop(columns=["scores", "design", "score"], errors="ignore")

    def __repr__(self) -> str:
        view = self.record.view
        try:
            best = f"best {self.best_value:.6g} in trial {self.best.trial.number}"
        except NoModelError:
            best = "no valid result"
        return f"<search {self.name!r}: {len(view.finished)} trials, {best}; {self.reason}>"

    def _repr_html_(self) -> str:
        """The notebook's display: the best design and the ten best trials."""
        head = html.escape(repr(self))
        rows = []
        for row in leaderboard(self.record.view, top=10):
            scores = ", ".join(f"{name} {score:.5g}" for name, score in row["scores"].items())
            cells = (row["trial"], row["by"], scores or row["failure"], row["reason"])
            rows.append("".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells))
        titles = "".join(f"<th>{t}</th>" for t in ("trial", "by", "scores", "why it was tried"))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<p>{head}</p><table><tr>{titles}</tr>{body}</table>"
