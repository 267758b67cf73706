"""A coach whose changes of rate and decay, and whose stop, come from a policy that was learned.

`benchmarks/coach_policy.py` trains the policy over many short trainings and writes it, with what
trained it and how it did, to `coach_policy.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.training.coach_rules import Action, Guard, Kind, Watch

TRIGGER = "the learned policy"
EVERY = 2  # stretches between two decisions
RECENT = 0.1  # of the training: a change younger than that is told to the policy
FEATURES = (
    "one", "share", "level", "slope", "long_slope", "move", "norm", "valid_slope", "gap",
    "last_change", "factor",
)  # fmt: skip
# What it may do: the word, the kind of action, the factor.
MOVES: tuple[tuple[str, Kind | None, float], ...] = (
    ("keep", None, 1.0), ("rate up", "rate", 2.0), ("rate down", "rate", 0.5),
    ("decay up", "decay", 3.0), ("decay down", "decay", 1 / 3), ("stop", "stop", 0.0),
)  # fmt: skip


@dataclass(frozen=True)
class Learned:
    """The guard, and between its words a policy: the move with the largest `weights @ features`.

    `weights` is `[len(MOVES), len(FEATURES)]`. Nothing is compared and no step is spent: it acts on
    what it has seen alone, which is less safe than the rules and costs less.
    """

    weights: tuple[tuple[float, ...], ...]
    guard: Guard = Guard()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def decide(self, history: Sequence[Watch], done: Sequence[Mapping[str, Any]]) -> Action | None:
        """The guard's word first; at most one change every `EVERY` stretches."""
        if not history:
            return None
        action = self.guard.decide(history, done)
        if action is not None or len(history) % EVERY or history[-1].share >= 1:
            return action
        seen = features(history, done)
        values = np.asarray(self.weights) @ seen
        best = int(np.argmax(values))
        word, kind, factor = MOVES[best]
        if kind is None:
            return None
        told = dict(zip(FEATURES, map(float, seen), strict=True))
        next_best = MOVES[int(np.argsort(values)[-2])][0]
        if kind == "stop":
            # As with the rules' patience the newest weights are kept: nothing is wrong with them.
            return Action("stop", None, "patience", told, (next_best,), "the rest gains too little")
        return Action(kind, factor, TRIGGER, told, (next_best,),
                      f"{word}: better at the end, by the trainings it learned from")  # fmt: skip


def features(
    history: Sequence[Watch], done: Sequence[Mapping[str, Any]]
) -> npt.NDArray[np.float64]:
    """What the policy sees, `[len(FEATURES)]`, each within -3 to 3."""
    now, before = history[-1], history[-2] if len(history) > 1 else history[-1]
    early = history[-5] if len(history) > 4 else history[0]
    start = max(1e-9, min(now.first, now.chance))
    looks = [w.score for w in history if w.score is not None]
    earlier = [score for score in looks if score != looks[-1]]
    score = looks[-1] if looks else None
    rates = [row for row in done if row["trigger"] == TRIGGER and row["action"]["kind"] == "rate"]
    last = rates[-1] if rates and now.share - rates[-1]["share"] < RECENT else None
    factor = sum(math.log10(row["action"]["value"]) for row in rates)
    found = (
        1.0, now.share, _ratio(now.loss, start), _ratio(now.loss, before.loss),
        _ratio(now.loss, early.loss), (_ratio(now.move, 0.01)) / math.log(10),
        _ratio(now.norm, history[0].norm) / math.log(10),
        10 * (score - earlier[-1]) if score is not None and earlier else 0.0,
        _in_training(now) - score if score is not None else 0.0,
        0.0 if last is None else math.copysign(1, math.log(last["action"]["value"])), factor,
    )  # fmt: skip
    whole = np.nan_to_num(np.array(found), nan=3.0, posinf=3.0, neginf=-3.0)
    return np.asarray(np.clip(whole, -3, 3))


def _in_training(now: Watch) -> float:
    """What `score` would be of the examples that were learnt from."""
    return -now.loss if now.values else math.exp(-min(50.0, now.loss))


def _ratio(a: float, b: float) -> float:
    """The logarithm of a over b, also where one of them is nothing or no number."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.nan
    return math.log(max(a, 1e-9) / max(b, 1e-9))


def policy_json(weights: npt.NDArray[np.float64], provenance: Mapping[str, Any]) -> str:
    """The file's text: what it sees, what it may do, its numbers, and where they come from."""
    return json.dumps(
        {"kind": "coach policy", "features": FEATURES, "moves": [word for word, _, _ in MOVES],
         "weights": np.round(weights, 4).tolist(), "provenance": dict(provenance)},
        indent=1,
    ) + "\n"  # fmt: skip


def read_policy(path: Path) -> Learned:
    """The coach that a file of `policy_json` describes.

    Raises InputError for one that was made for other features or moves.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    moves = [word for word, _, _ in MOVES]
    if data.get("features") != list(FEATURES) or data.get("moves") != moves:
        raise InputError(
            f"{path.name} holds a policy for other features or moves; train it again with "
            "benchmarks/coach_policy.py."
        )
    weights = tuple(tuple(map(float, row)) for row in data["weights"])
    return Learned(weights, provenance=data["provenance"])


@cache
def learned() -> Learned:
    """The coach with the policy that comes with the package."""
    return read_policy(Path(__file__).with_name("coach_policy.json"))
