"""What a coach sees of a training, what it may do, and the coaches: a guard, and rules on top.

A coach is a pure function of what was seen and done, so that each decision can be made again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal, Protocol

LOWER = 0.3  # the rate after a rollback, times the one before
START_LOWER = 0.05  # after a network that learnt nothing was begun anew
MOST_ROLLBACKS = 3  # without progress between them; then it stops
RATES = (3.0, 1 / 3)  # the first steps of the search for a rate, up and down
MANY = 0.04  # the share of rows from which suspected label errors are worth a comparison
GAP = 0.1  # between shares given to the right class in training and in validation
PERSON = "a person"  # the trigger of what one asked for
SLOW = 5.0  # times the usual seconds of a step: something is stuck


@dataclass(frozen=True)
class Watch:
    """A stretch of training as a coach sees it.

    `share` of the training is over, after `step` steps and `epochs`. `loss`, `norm`, `move` and
    `bad` (of `steps`) are those of `trainer.Segment`; `first` is the loss before the first step,
    `chance` that of a guess. `rate` is read from the optimiser. `score` is the mean of the last
    look at the validation examples (larger is better), None before it. Of the rows, by their losses
    in the last epochs: `suspects` is the share that is worse than a guess while most are learnt,
    `learnt` the share far better; `hardest` the worst class's loss over the middle one's.
    `strength` is that of the augmentation, 0 without any. Of `values` scores and losses are both
    errors, of classes scores are shares and losses logarithms of these.
    `slow` is the time of a step over the usual one; it is noted, and nothing rests on it.
    """

    step: int
    share: float
    epochs: float
    steps: int
    loss: float
    norm: float
    move: float
    bad: int
    first: float
    chance: float
    rate: float
    score: float | None = None
    suspects: float = 0.0
    learnt: float = 0.0
    hardest: float = 1.0
    strength: float = 0.0
    slow: float = 1.0
    values: bool = False


Kind = Literal[
    "find_rate", "rollback", "again", "rate", "restart", "optimiser", "decay", "batch", "augment",
    "select", "exploit", "skip", "note", "stop", "pause", "resume", "veto",
]  # fmt: skip


@dataclass(frozen=True)
class Action:
    """What a coach wants done, and why.

    `rollback` goes to the last good state with `value` times the rate, `again` to the start.
    `rate`, `decay` and `augment` are factors on what is, `batch` is a size, `optimiser` a name.
    `restart` begins the schedule anew over the steps left. `select` names a choice of rows
    (`selection.CHOICES`). `find_rate` and what is `compared` are kept only where a paired
    comparison says that they help. `note`, `skip`, `pause`, `resume` and `veto` change nothing by
    themselves. `about` is put into the row as it is: who asked, and when.
    """

    kind: Kind
    value: float | str | None
    trigger: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    alternatives: tuple[str, ...] = ("go on unchanged",)
    expected: str = ""
    compared: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)


class Coach(Protocol):
    """Decides between stretches of training."""

    def decide(self, history: Sequence[Watch], done: Sequence[Mapping[str, Any]]) -> Action | None:
        """The next action, from the stretches since the start (those rolled back are left out) and
        the rows of what was done. Called with no history before the first step. Deterministic.
        """


@dataclass(frozen=True)
class Guard:
    """Watches for what ruins a training; it is always on."""

    def decide(self, history: Sequence[Watch], done: Sequence[Mapping[str, Any]]) -> Action | None:
        """A rollback, a note, a stop, or nothing."""
        if not history:
            return None
        now = history[-1]
        if now.bad and not any(row["action"]["value"] == "finite" for row in done):
            return Action(
                "select", "finite", "NaN", {"bad": float(now.bad), "steps": float(now.steps)},
                ("skip the batches they are in", "roll back"),
                "rows with numbers that are not finite are left out, and no batch is lost",
            )  # fmt: skip
        trouble = _trouble(history)
        if trouble:
            return _rescue(trouble, now, done)
        if _ruined(history) and len([r for r in done if r["trigger"] == "plateau"]) < 2:
            return Action(
                "again", START_LOWER, "plateau", {"loss": now.loss, "chance": now.chance},
                ("go on unchanged", "roll back a little"),
                "a network that says the same of everything is begun anew, and learns",
            )  # fmt: skip
        if now.bad:
            return _about_bad(now, done)
        if now.slow > SLOW and not _was(done, "stall", since=now.share - 0.25):
            return Action(
                "note", None, "stall", {"times_usual": round(now.slow, 1)},
                expected="training goes on; something else holds the machine or the data",
            )  # fmt: skip
        return None


def _trouble(history: Sequence[Watch]) -> str:
    """What ruins the training, or nothing."""
    now = history[-1]
    if not math.isfinite(now.loss) or now.bad > now.steps / 2:
        return "NaN"
    if now.first <= 0:  # of a loss of the user's own; shares of it say nothing
        return ""
    best = min((w.loss for w in history), default=now.loss)
    if now.loss > 1.5 * now.first:
        return "divergence"
    if best < 0.5 * now.first and now.loss > 0.9 * now.first:
        return "divergence"
    if len(history) >= 5:
        usual = median(w.loss for w in history[-6:-2])
        high = max(2 * usual, usual + 0.15 * now.first)
        if all(w.loss > high for w in history[-2:]):
            return "spike"
    return ""


def _ruined(history: Sequence[Watch]) -> bool:
    """True where the loss stays at that of a guess: as of units that too long a step has silenced.

    A rate that is too low looks otherwise: its loss falls, if slowly.
    """
    now = history[-1]
    if len(history) < 6 or not 0.12 <= now.share < 0.5:
        return False
    late = [w.loss for w in history[-3:]]
    early = [w.loss for w in history[-6:-3]]
    return min(late) > 0.97 * now.chance and sum(late) > 0.97 * sum(early)


def _rescue(trouble: str, now: Watch, done: Sequence[Mapping[str, Any]]) -> Action:
    evidence = {"loss": now.loss, "norm": now.norm, "bad": float(now.bad), "first": now.first}
    tries = 0
    for row in reversed(done):
        # Rollbacks within a tenth of the training of one another fight the same trouble.
        if row["action"]["kind"] == "rollback" and now.share - row["share"] < 0.1:
            tries += 1
    if tries >= MOST_ROLLBACKS:
        return Action(
            "stop", None, trouble, evidence, ("roll back once more",),
            f"{tries} rollbacks did not end it; the last good state is kept",
        )  # fmt: skip
    return Action(
        "rollback", LOWER, trouble, evidence, ("go on unchanged", "stop"),
        "the same batches with a lower rate are learnt from",
    )  # fmt: skip


def _about_bad(now: Watch, done: Sequence[Mapping[str, Any]]) -> Action | None:
    evidence = {"bad": float(now.bad), "steps": float(now.steps)}
    if _was(done, "NaN", since=now.share - 0.25):
        return None
    return Action("skip", float(now.bad), "NaN", evidence, ("roll back",),
                  "batches without a finite loss change nothing")  # fmt: skip


def _was(done: Sequence[Mapping[str, Any]], trigger: str, since: float = 0.0) -> bool:
    return any(row["trigger"] == trigger and row["share"] >= since for row in done)


@dataclass(frozen=True)
class Rules:
    """The guard, a search for the learning rate at the start, and later one change of the rest.

    Whatever is not an emergency is kept only where a paired comparison says that it helps. What is
    compared: rows that may be labelled wrongly are left out; augmentation where training and
    validation lie apart; rows that are learnt drawn less often; a hard class drawn more often.
    `patience` stops after so many looks without a better score; 0 never does, for a falling rate
    earns most at its end.
    """

    guard: Guard = Guard()
    find_rate: bool = True
    later: bool = True
    patience: int = 0

    def decide(self, history: Sequence[Watch], done: Sequence[Mapping[str, Any]]) -> Action | None:
        """The guard's word first."""
        if not history:
            return _search("start") if self.find_rate and not done else None
        action = self.guard.decide(history, done)
        if action is not None:
            return action
        now = history[-1]
        if self.patience and _waited(history) >= self.patience:
            return Action("stop", None, "patience", {"score": now.score or 0.0},
                          expected="the time is saved; no look was better for long")  # fmt: skip
        compared = any(row["action"]["compared"] for row in done)
        if self.later and not compared and 0.4 <= now.share < 0.8 and now.epochs >= 3:
            return _change(now)
        return None


def _search(trigger: str) -> Action:
    return Action(
        "find_rate", None, trigger, {}, ("the recipe's rate",),
        "the rate with which the loss falls most in a few steps from here, on the same batches",
    )  # fmt: skip


def _waited(history: Sequence[Watch]) -> int:
    """Looks since the best one."""
    looks: list[float] = []
    for w in history:
        if w.score is not None and (not looks or w.score != looks[-1]):
            looks.append(w.score)
    return len(looks) - 1 - looks.index(max(looks)) if looks else 0


def _change(now: Watch) -> Action | None:
    """The one change that what is seen speaks for."""
    told = {"suspects": now.suspects, "learnt": now.learnt, "hardest": now.hardest}
    control = ("go on unchanged", "as many rows, at random")
    if now.suspects >= MANY:
        return Action("select", "unsuspected", "suspected label errors", told, control,
                      "less of what is wrong is learnt by heart", True)  # fmt: skip
    if now.score is not None:
        in_training = -now.loss if now.values else math.exp(-now.loss)
        gap = in_training - now.score
        stronger = gap > GAP
        # Smoothing, and the mean of a logarithm, make training look worse than it is.
        if stronger or (now.strength > 0 and gap < -3 * GAP):
            return Action(
                "augment", 1.5 if stronger else 0.5, "overfitting" if stronger else "underfitting",
                {"in_training": in_training, "in_validation": now.score}, control[:1],
                "training and validation come closer, and validation gains", True,
            )  # fmt: skip
    if now.learnt > 0.7:
        return Action("select", "unlearnt", "most rows are learnt", told, control,
                      "steps go to what is not learnt yet", True)  # fmt: skip
    if now.hardest > 2.5:
        return Action("select", "hard", "one class is hard", told, control,
                      "the hard class is seen more often", True)  # fmt: skip
    return None
