"""Decision thresholds of their own for groups of people, two classes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.data.protected import LEAST_ROWS, Protected, cells_of, joint_cells
from modelwright.families.base import FloatArray

if TYPE_CHECKING:
    from modelwright.models.decision import Decision
    from modelwright.models.metrics import Metric

Aim = Literal["selection_rate", "tpr", "fpr"]
_PLACES = 25  # common rates that are tried


@dataclass(frozen=True)
class GroupThresholds:
    """A threshold for each joint group of the protected columns, `[joint groups]`.

    Small groups have that of all rows. The columns must come with the rows that are answered.
    """

    protected: tuple[Protected, ...]
    thresholds: tuple[float, ...]

    def of(self, cells: npt.NDArray[np.int64]) -> FloatArray:
        """The threshold of each row, `[n]`, by joint group numbers."""
        return np.asarray(np.array(self.thresholds)[cells])

    def joint(self, rows: Any, comma: bool | None = None, like: bool | None = None) -> Any:
        """Joint group numbers `[n]` of raw rows; see `cells_of`."""
        return joint_cells(self.protected, cells_of(self.protected, rows, comma, like))

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        columns = [p.to_json() for p in self.protected]
        return {"protected": columns, "thresholds": list(self.thresholds)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> GroupThresholds | None:
        """What `to_json` wrote; None of None."""
        if data is None:
            return None
        columns = tuple(Protected.from_json(p) for p in data["protected"])
        return cls(columns, tuple(data["thresholds"]))


@dataclass(frozen=True)
class Equalise:
    """What thresholds are to make alike: the rate `aim`, to within `gap` between any two groups."""

    protected: tuple[Protected, ...]
    aim: Aim = "selection_rate"
    gap: float = 0.0

    def decide(
        self,
        plain: Decision,
        metric: Metric,
        y: npt.NDArray[Any],
        shares: FloatArray,
        weights: FloatArray | None,
        cells: npt.NDArray[np.int64],
    ) -> Decision:
        """The decision with a threshold per group whose metric is best on these rows.

        Each group's rate is moved from what `plain` gives it towards a common one, as little as
        keeps all groups within `gap`; of 25 common rates the best for the metric is taken (accuracy
        where no threshold is tuned for it). Post-processing after Hardt, Price and Srebro
        (2016), "Equality of opportunity in supervised learning", without their randomised answers:
        one rate is made alike, a second one only as far as it follows. Groups with fewer than 50
        rows that count keep the common threshold.
        """
        if plain.threshold is None:
            return plain
        p = shares[:, 1]
        counts = np.ones(len(y), bool) if self.aim == "selection_rate" else _where(y, self.aim)
        large = [g for g in np.unique(cells) if (counts & (cells == g)).sum() >= LEAST_ROWS]
        if len(large) < 2:
            return plain
        ranked = {int(g): np.sort(p[counts & (cells == g)]) for g in large}
        rates = {g: float((q >= plain.threshold).mean()) for g, q in ranked.items()}
        spread = max(rates.values()) - min(rates.values())
        kept = 1.0 if spread <= self.gap else self.gap / spread
        thresholds = np.full(_count(self.protected), plain.threshold)
        best: tuple[float, tuple[float, ...]] | None = None
        low, high = min(rates.values()), max(rates.values())
        for middle in np.linspace(low, high, _PLACES):
            for g, q in ranked.items():
                thresholds[g] = _threshold(q, middle + kept * (rates[g] - middle))
            loss = _loss(metric, y, p >= thresholds[cells], weights)
            if best is None or loss < best[0] - 1e-12:
                best = loss, tuple(float(f"{t:.9g}") for t in thresholds)
        assert best is not None
        return replace(plain, groups=GroupThresholds(self.protected, best[1]))


def _where(y: npt.NDArray[Any], aim: Aim) -> npt.NDArray[np.bool_]:
    return np.asarray(y == (1 if aim == "tpr" else 0))


def _count(protected: Sequence[Protected]) -> int:
    return int(np.prod([len(p.names) for p in protected]))


def _threshold(ranked: FloatArray, rate: float) -> float:
    """Between the two shares at which that part of the rising ones is chosen."""
    above = int(np.clip(round(rate * len(ranked)), 0, len(ranked)))
    if above == 0:
        return float(min(1.0, ranked[-1] + 1e-6)) if ranked[-1] < 1 else 1.0 + 1e-6
    if above == len(ranked):
        return 0.0
    return float((ranked[-above] + ranked[-above - 1]) / 2)


def _loss(
    metric: Metric, y: npt.NDArray[Any], chosen: npt.NDArray[np.bool_], weights: FloatArray | None
) -> float:
    from modelwright.models.metrics import METRICS, score_predictions

    judge = metric if metric.needs == "labels" else METRICS["accuracy"]
    labels = chosen.astype(np.int64)
    shares = np.column_stack([~chosen, chosen]).astype(float)
    return judge.goal.loss(score_predictions(judge, y, shares, weights, labels))
