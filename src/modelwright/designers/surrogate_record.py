"""What a surrogate remembers of a study: a bounded table of rows, losses and where they stood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.problem import Rungs
from modelwright.core.trial import Trial
from modelwright.core.view import Outcome
from modelwright.designers.surrogate_features import Encoder

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

CAPACITY = 256
N_NEWEST = 64


@dataclass(frozen=True)
class Record:
    """Finished trials as numbers, oldest first: at most `CAPACITY` of them.

    `rows` [n, n_columns] (the last one the fidelity, where there are rungs), `losses` [n, n_goals]
    (infinite when failed), `violations` [n], `numbers` and `rungs` of the trials [n], `keys` of
    their designs.
    """

    rows: Matrix
    losses: Matrix
    violations: Vector
    numbers: tuple[int, ...]
    rungs: npt.NDArray[np.intp]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def n_good(self) -> int:
        """How many of them have scores."""
        return int(np.isfinite(self.losses).all(1).sum())

    @property
    def within(self) -> npt.NDArray[np.bool_]:
        """Which of them have scores and meet all limits, [n]."""
        good: npt.NDArray[np.bool_] = np.isfinite(self.losses).all(1) & (self.violations == 0)
        return good

    @property
    def sides(self) -> Vector:
        """-1 for those within, 1 for those outside the limits or failed, [n]."""
        return np.where(self.within, -1.0, 1.0)

    def standing(self) -> npt.NDArray[np.intp]:
        """Places from the best to the worst: limits, then the rung, then the loss, then age."""
        failed = ~np.isfinite(self.losses).all(1)
        order = (np.arange(len(self)), self.losses[:, 0], -self.rungs, self.violations, failed)
        return np.lexsort(order)

    def joined(self, other: Record) -> Record:
        """This record and a later one; the best and the newest where both are too many."""
        both = Record(
            np.vstack([self.rows, other.rows]),
            np.vstack([self.losses, other.losses]),
            np.concatenate([self.violations, other.violations]),
            self.numbers + other.numbers,
            np.concatenate([self.rungs, other.rungs]),
            self.keys + other.keys,
        )
        return both if len(both) <= CAPACITY else both._trimmed()

    def _trimmed(self) -> Record:
        # The newest stay so that what was just learned counts, good or bad.
        older = self.standing()
        older = older[older < len(self) - N_NEWEST][: CAPACITY - N_NEWEST]
        kept = np.sort(np.concatenate([older, np.arange(len(self) - N_NEWEST, len(self))]))
        return self.taken(kept)

    def spread(self, n: int) -> npt.NDArray[np.intp]:
        """Places of at most `n` trials: the better half of them the best, the rest of any kind."""
        if len(self) <= n:
            return np.arange(len(self))
        order = self.standing()
        rest = order[n // 2 :]
        even = rest[np.linspace(0, len(rest) - 1, n - n // 2).astype(np.intp)]
        return np.sort(np.concatenate([order[: n // 2], even]))

    def taken(self, places: npt.NDArray[np.intp]) -> Record:
        """The trials at these places."""
        return Record(
            self.rows[places],
            self.losses[places],
            self.violations[places],
            tuple(self.numbers[i] for i in places),
            self.rungs[places],
            tuple(self.keys[i] for i in places),
        )


def with_fidelity(rows: Matrix, rungs: Rungs, rung: int | Sequence[int] | None = None) -> Matrix:
    """The rows with a column for the fidelity, 1 at the full run; unchanged with one rung only.

    `rung` is one for all rows or one each (default: the full run). The column is logarithmic.
    """
    if rungs.top == 0:
        return rows
    low, high = math.log(rungs.fidelities[0]), math.log(rungs.fidelities[-1])
    scale = (np.log(np.array(rungs.fidelities)) - low) / (high - low)
    places = np.full(len(rows), rungs.top if rung is None else rung, dtype=np.intp)
    return np.hstack([rows, scale[places][:, None]])


def record_of(outcomes: Sequence[Outcome], encoder: Encoder, rungs: Rungs, n_goals: int) -> Record:
    """Outcomes as a record."""
    designs = [encoder.space.design(o.trial.candidate) for o in outcomes]
    lost = (math.inf,) * n_goals
    at = [o.trial.rung for o in outcomes]
    losses = np.array([o.losses or lost for o in outcomes], dtype=np.float64)
    return Record(
        rows_at(designs, encoder, rungs, at),
        losses.reshape(len(outcomes), n_goals),
        np.array([o.violation for o in outcomes], dtype=np.float64),
        tuple(o.trial.number for o in outcomes),
        np.array(at, dtype=np.intp),
        tuple(encoder.key(design) for design in designs),
    )


def rows_of_trials(trials: Sequence[Trial], encoder: Encoder, rungs: Rungs) -> Matrix:
    """Rows of trials without an outcome."""
    designs = [encoder.space.design(trial.candidate) for trial in trials]
    return rows_at(designs, encoder, rungs, [trial.rung for trial in trials])


def rows_at(
    designs: Sequence[Any], encoder: Encoder, rungs: Rungs, rung: Sequence[int] | None = None
) -> Matrix:
    """Rows of designs at these rungs (default: the full run)."""
    return with_fidelity(encoder.rows(designs), rungs, rung)
