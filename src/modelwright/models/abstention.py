"""Leaving rows to a person: how doubtful a row is, and above which doubt asking is cheaper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.families.base import FloatArray
from modelwright.models.conformal import Difficulty

Kind = Literal["share", "cost", "width"]


@dataclass(frozen=True)
class Abstention:
    """How doubtful rows are, as plain numbers.

    `share`: one less the share of the likeliest class. `cost`: the expected cost of the cheapest
    answer, by `costs` `[true class][answer]` (Chow 1970, doi:10.1109/TIT.1970.1054406). `width`:
    the expected size of a value's error. `steps` are `(share of rows answered, doubt)`: the doubt
    up to which so many rows are answered. `threshold` is the doubt above which asking a person
    costs less than answering; None where that cost was not told.

    >>> rule = Abstention("cost", costs=((0.0, 1.0), (5.0, 0.0)), threshold=0.5)
    >>> rule.doubt(np.array([[0.7, 0.3], [0.99, 0.01]])).round(2).tolist()
    [0.7, 0.05]
    >>> rule.left(np.array([[0.7, 0.3], [0.99, 0.01]])).tolist()
    [True, False]
    """

    kind: Kind
    steps: tuple[tuple[float, float], ...] = ()
    threshold: float | None = None
    costs: tuple[tuple[float, ...], ...] = ()
    difficulty: Difficulty = Difficulty()

    def doubt(self, out: FloatArray) -> FloatArray:
        """The doubt of each row `[n]`, from shares `[n, k]` or values `[n]`."""
        if self.kind == "width":
            return self.difficulty.of(out)
        if self.kind == "cost":
            return np.asarray((out @ np.array(self.costs)).min(axis=1))
        return np.asarray(1 - out.max(axis=1))

    def left(self, out: FloatArray, answered: float | None = None) -> npt.NDArray[np.bool_]:
        """Which rows are left to a person, truths `[n]`.

        With `answered` about so many of rows like those of training are answered, else those whose
        doubt is at most the threshold. Raises InputError without one.
        """
        if answered is not None:
            known = [doubt for share, doubt in self.steps if share <= answered + 1e-9]
            limit = max(known, default=-np.inf)
        elif self.threshold is None:
            raise InputError(
                "this model was not told what it costs to ask a person: build with [costs] and "
                "'ask' among them, or give a confidence."
            )
        else:
            limit = self.threshold
        return np.asarray(self.doubt(out) > limit + 1e-12)

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        return {
            "kind": self.kind,
            "steps": [list(step) for step in self.steps],
            "threshold": self.threshold,
            "costs": [list(row) for row in self.costs],
            "difficulty": {"at": list(self.difficulty.at), "size": list(self.difficulty.size)},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Abstention:
        """The rule that `to_json` wrote."""
        spread = data["difficulty"]
        return cls(
            data["kind"],
            tuple((float(a), float(b)) for a, b in data["steps"]),
            data["threshold"],
            tuple(tuple(row) for row in data["costs"]),
            Difficulty(tuple(spread["at"]), tuple(spread["size"])),
        )
