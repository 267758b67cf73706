"""Guided training: stretches of training, a coach between them, and a row for all that it does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.training.coach_rules import PERSON, Action, Coach, Rules, Watch
from modelwright.training.recipe import steered
from modelwright.training.replay import (
    SHORT,
    Arm,
    Look,
    Numbers,
    compare,
    difference,
    find_rate,
)  # fmt: skip
from modelwright.training.selection import at_random, finite_rows, row_facts, selection
from modelwright.training.trainer import Trainer

PIECES = 40  # of a training, after each of which the coach looks
BACK = 3  # pieces that a rollback goes back, at most
COST = 0.05  # of a training that a comparison may cost
WORTH = 0.01  # the least gain worth a change: two trainings differ by chance beyond the interval
MANY = 500  # examples whose errors say what the loss of values is at the start
NO_CHANGE = ("skip", "note", "pause", "resume", "veto")  # kinds of actions that are rows alone
Row = dict[str, Any]


@dataclass
class Guided:
    """A training of one network with a coach.

    `look` gives the values of validation examples (`replay.looker`). Interventions are `rows`,
    plain data: `at` (epochs), `share`, `step`, `trigger`, `action` (kind, value, compared),
    `evidence`, `alternatives`, `expected`, `before` and `after` (read from the optimiser), `kept`,
    `verdict` (helped, neutral, hurt, not judged), `interval` of a comparison and `cost` in steps.
    What they cost is taken from the steps that are left, at once. `stopped` says why it ended
    early. Decisions rest on no clock: the same seed gives the same rows, but for the notes of slow
    stretches.
    """

    trainer: Trainer
    look: Look
    coach: Coach = Rules()
    side = 1  # trainings side by side
    schedule = ()  # of a population's best
    clock: Callable[[], float] = time.perf_counter
    history: list[Watch] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    stopped: str = ""
    spent: int = 0  # steps beside those of the training itself
    weights: Numbers | None = None
    first: float | None = None
    score: float | None = None
    restarted: float | None = None  # the share at which the schedule began anew
    factor: float = 1.0  # of the rate, as decided so far
    _start: dict[str, Any] = field(default_factory=dict)
    _back: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    _unread: int | None = None  # row whose `after` is to be read
    _judged_at: tuple[int, int, float] | None = None  # row, step and loss of what was rolled back
    _seconds: list[float] = field(default_factory=list)
    _goal: float = 0.0  # the share at which is looked next; 0 before it is known

    def __post_init__(self) -> None:
        if self.trainer.net.copies != 1:
            raise InputError(
                f"a coach guides one network; this module holds {self.trainer.net.copies}. Train "
                "them without a coach, or one after the other."
            )

    @property
    def share(self) -> float:
        """How much of the training is over, 0 to 1."""
        return min(1.0, self.trainer.step / self.trainer.total)

    @property
    def done(self) -> bool:
        """True at the end, also an early one."""
        return bool(self.stopped) or self.trainer.step >= self.trainer.total

    def train(self, looks: int = 8) -> Iterator[Watch]:
        """Trains to the end; what was seen, after each of `looks` parts."""
        for looked in self.pieces(looks):
            if looked:
                yield self.history[-1]

    def pieces(self, looks: int = 8) -> Iterator[bool]:
        """The same, piece by piece: True after each look. `state` may be taken between them."""
        if self.first is None:
            self._begin()
        while not self.done or self._goal:
            self._goal = self._goal or min(1.0, (math.floor(self.share * looks + 1e-6) + 1) / looks)
            if not self.done and self.share < self._goal - 1e-9:
                self._piece(self._goal)
                yield False
                continue
            self._goal = 0.0
            self.score = float(np.mean(self.look()))
            if self.history:
                self.history[-1] = replace(self.history[-1], score=self.score)
                yield True

    def _begin(self) -> None:
        """The loss before the first step, and what the coach wants before it."""
        start = self.trainer.state()
        found = self.trainer.run(1)
        self.first = self._chance() if found.bad[0] else float(found.loss[0])
        self.trainer.load(start)
        lessons = self.trainer.lessons
        if not lessons.n_classes and self.trainer.own is None:
            # squared errors of one batch may miss the few that are large
            some = slice(None, None, max(1, len(lessons.y) // MANY))
            errors = lessons.costs(self.trainer.answers(lessons.x[some])[0], lessons.y[some])
            self.first = max(self.first, float(np.nanmean(errors)))
        self._start, self._back = start, [(0, start)]
        self._pay(1)
        action = self.coach.decide((), self.rows)
        if action is not None:
            self._act(action)

    def _piece(self, goal: float) -> None:
        """Trains for a piece, at most to the share `goal`, and lets the coach decide."""
        trainer = self.trainer
        if self._back[-1][1]["step"] != trainer.step:
            self._back = [*self._back, (len(self.history), trainer.state())][-BACK:]
        whole = max(4, math.ceil(trainer.total / PIECES))
        steps = max(1, min(whole, math.ceil(goal * trainer.total - 1e-6) - trainer.step))
        trainer.factor[:] = self.factor * self._renewed()
        began = self.clock()
        found = trainer.run(steps, self.weights)
        self._seconds.append((self.clock() - began) / found.steps)
        self.history.append(self._watch(found.steps, found))
        self._settle(self.history[-1])
        action = self.coach.decide(self.history, self.rows)
        if action is not None:
            self._act(action)

    def _watch(self, steps: int, found: Any) -> Watch:
        trainer, chance = self.trainer, self._chance()
        if self.first == math.inf and found.bad[0] < found.steps:
            self.first = float(found.loss[0])
        facts: dict[str, float] = {}
        how = trainer.recipes[0].augment
        if trainer.lessons.n_classes:
            losses = trainer.remembered[0].cpu().double().numpy()
            facts = row_facts(losses, np.asarray(trainer.lessons.y), chance)
        usual = median(self._seconds[:-1] or self._seconds)
        return Watch(
            trainer.step, self.share, trainer.step / trainer.per_epoch, steps,
            float(found.loss[0]), float(found.norm[0]), float(found.move[0]), int(found.bad[0]),
            self.first or 0.0, chance, float(trainer.optimiser.rate[0]), self.score,
            strength=how.shift + how.cut + how.mix, values=not trainer.lessons.n_classes,
            slow=self._seconds[-1] / max(1e-9, usual), **facts,
        )  # fmt: skip

    def _chance(self) -> float:
        """The loss of a guess that knows the classes or the mean alone; of a loss of the user's own
        nobody knows it, and it is infinite.
        """
        if self.trainer.own is not None:
            return math.inf
        lessons = self.trainer.lessons
        if lessons.n_classes:
            return math.log(lessons.n_classes)
        return float(np.mean(lessons.costs(lessons.guess, lessons.y)))

    def _settle(self, now: Watch) -> None:
        """Fills in what could not be known before this piece."""
        if self._unread is not None:
            self.rows[self._unread]["after"] = self.reading()
            self._unread = None
        if self._judged_at is not None and now.step >= self._judged_at[1]:
            row, _, before = self._judged_at
            self.rows[row]["verdict"] = _against(before, now.loss)
            self._judged_at = None

    # -- what is done ------------------------------------------------------------------------------

    def _act(self, action: Action) -> None:
        row = self._row(action)
        self.rows.append(row)
        if action.kind == "find_rate":
            self._find_rate(row)
        elif action.compared:
            self._compare(action, row)
        elif action.kind in ("rollback", "again"):
            if action.kind == "again":
                self._back = [(0, self._start)]
            self._roll_back(row, float(action.value or 1.0))
        elif action.kind == "stop":
            self.stopped = f"{action.trigger}: {action.expected}"
            if action.trigger not in ("patience", PERSON):  # nothing was wrong with the weights
                self.trainer.load(self._back[0][1])
            row["after"] = self.reading()
        else:
            if action.kind not in NO_CHANGE:
                before = self.trainer.per_epoch
                self.weights = self._apply(action)
                self.spent = round(self.spent * self.trainer.per_epoch / before)
            self._unread = len(self.rows) - 1

    def _row(self, action: Action) -> Row:
        return {
            "at": self.trainer.step / self.trainer.per_epoch, "share": self.share,
            "step": self.trainer.step, "trigger": action.trigger,
            "action": {
                "kind": action.kind, "value": action.value, "compared": action.compared,
            },
            "evidence": {k: v if math.isfinite(v) else str(v) for k, v in action.evidence.items()},
            "alternatives": list(action.alternatives), "expected": action.expected,
            "before": self.reading(), "after": None, "kept": True, "verdict": "not judged",
            "interval": None, "cost": 0, **action.about,
        }  # fmt: skip

    def reading(self) -> dict[str, Any]:
        """What the trainer and its optimiser hold now."""
        trainer = self.trainer
        recipe = trainer.recipes[0]
        return {
            "optimiser": "AdamW" if trainer.optimiser.momentum is None else "Sgd",
            "rate": float(trainer.optimiser.rate[0]), "factor": float(trainer.factor[0]),
            "decay": float(trainer.optimiser.decay[0]), "batch": recipe.batch,
            "augment": asdict(recipe.augment), "step": trainer.step,
            "rows_drawn": _drawn(self.weights),
        }  # fmt: skip

    def _find_rate(self, row: Row) -> None:
        found = find_rate(self.trainer, self.first or 0.0, self._chance())
        if found is None:
            row.update(kept=False, after=self.reading(), expected="the training is too short")
            return
        self.factor *= found.factor
        self._pay(found.wasted)
        row["evidence"] = {f"loss at {k:.3g} x": _plain(v) for k, v in found.losses.items()}
        row["action"]["value"] = found.factor
        changed = found.factor != 1
        row.update(kept=changed, verdict="helped" if changed else "neutral", cost=found.wasted)
        self._unread = len(self.rows) - 1

    def _roll_back(self, row: Row, factor: float) -> None:
        now = self.history[-1]
        n, state = self._back[0]
        self._back = self._back[:1]
        left = self.trainer.total - now.step
        # What was changed since stays, such as a batch size that a person asked for; steps are
        # counted as it numbers them.
        recipes = self.trainer.recipes
        self.trainer.load(state)
        self.trainer.change(recipes)
        cost = now.step - self.trainer.step
        self._pay(cost)
        if left <= 0:  # what is trained again would be more than was planned
            self.stopped = f"{row['trigger']}: no steps are left; the last good state is kept"
        self.factor *= factor
        del self.history[n:]
        row["action"]["to"] = self.trainer.step
        row["cost"] = cost
        self._judged_at = (len(self.rows) - 1, now.step, now.loss if not now.bad else math.inf)
        self._unread = len(self.rows) - 1

    def _compare(self, action: Action, row: Row) -> None:
        """Trains a little with and without the action, and keeps the better."""
        controlled = action.kind == "select"
        tail = action.kind in ("rate", "restart", "optimiser", "batch")
        each = COST / (2 if controlled else 3 if tail else 1)
        n = 3 if controlled else 2
        needed = each * (2 * n if tail else n)
        if round(each * self.trainer.total) < SHORT or needed > 1 - self.share:
            row.update(kept=False, after=row["before"], expected="too little is left to compare")
            return
        arms: dict[str, Callable[[], Numbers | None]] = {
            "without": lambda: self.weights,
            "with": lambda: self._apply(action),
        }
        if controlled:
            key = Key.of(self.trainer.seed).child("control", self.trainer.step)
            rng = np.random.default_rng(key.seed(128))
            chosen = self._apply(action)
            arms["control"] = lambda: None if chosen is None else at_random(chosen, rng)
        factor, restarted, at = self.factor, self.restarted, self.trainer.step
        found = compare(self.trainer, arms, each, self.look, self.reading, tail)
        gain = difference(found["without"], found["with"])
        better = gain[1] > WORTH * abs(float(found["without"].values.mean()))
        if controlled:
            beside = difference(found["control"], found["with"])
            row["evidence"]["over_random_low"] = beside[1]
            better = better and beside[1] > 0
        row.update(kept=better, interval=list(gain))
        row["after"] = {**found["with"].reading, "rows_drawn": _drawn(found["with"].weights)}
        row["verdict"] = "helped" if better else "hurt" if gain[2] < 0 else "neutral"
        if not better:
            self.factor, self.restarted = factor, restarted
        self._take(found["with" if better else "without"])
        steps = self.trainer.step - at
        row["cost"] = steps * (len(arms) - 1) + (steps * len(arms) if tail else 0)
        self._pay(row["cost"])

    def _take(self, arm: Arm) -> None:
        """Goes on from where this arm ended."""
        self.trainer.load(arm.state)
        self.trainer.total, self.weights = arm.total, arm.weights
        self._back = [(len(self.history), self.trainer.state())]

    def _apply(self, action: Action) -> Numbers | None:
        """Changes the trainer; the weights of rows from then on."""
        trainer, value = self.trainer, action.value
        if action.kind == "rate":
            self.factor *= float(value or 1)
            trainer.factor[:] = self.factor
        elif action.kind == "restart":
            self.restarted = self.share
            trainer.factor[:] = self.factor * self._renewed()
        elif action.kind == "select":
            return self._chosen(str(value))
        else:
            trainer.change([steered(r, action.kind, value) for r in trainer.recipes])
        return self.weights

    def _chosen(self, choice: str) -> Numbers | None:
        lessons = self.trainer.lessons
        if choice == "finite":
            weights = finite_rows(lessons.x).astype(float)
        else:
            losses = self.trainer.remembered[0].cpu().double().numpy()
            weights = selection(choice, losses, np.asarray(lessons.y), self._chance())
        weights = weights if self.weights is None else weights * self.weights
        return weights if weights.sum() > 0 and np.ptp(weights) > 0 else self.weights

    def _renewed(self) -> float:
        """What the schedule that began anew has, over what the recipe's has (SGDR, 2017)."""
        recipe = self.trainer.recipes[0]
        if self.restarted is None or self.share >= 1:
            return 1.0
        past = (self.share - self.restarted) / (1 - self.restarted)
        return recipe.rate_at(recipe.warm + past * (1 - recipe.warm)) / recipe.rate_at(self.share)

    def _pay(self, steps: int) -> None:
        self.spent += steps
        self.trainer.total = max(self.trainer.step + 1, self.trainer.total - steps)

    # -- resume ------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that an exact resume needs; between two results of `pieces`."""
        plain = ("rows", "stopped", "spent", "first", "score", "restarted", "factor")
        return {
            "trainer": self.trainer.state(), "total": self.trainer.total,
            "history": [asdict(w) for w in self.history], "back": list(self._back),
            "start": self._start,
            "weights": None if self.weights is None else self.weights.copy(),
            "open": [self._unread, self._judged_at], "seconds": list(self._seconds),
            "goal": self._goal,
            **{name: getattr(self, name) for name in plain},
        }  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` gave."""
        self.trainer.load(state["trainer"])
        self.trainer.total = int(state["total"])
        self.history = [Watch(**w) for w in state["history"]]
        self._back, self.weights = list(state["back"]), state["weights"]
        self._start = state["start"]
        self._unread, self._judged_at = state["open"]
        self._goal = float(state["goal"])
        self._seconds, self.rows = list(state["seconds"]), [dict(r) for r in state["rows"]]
        for name in ("stopped", "spent", "first", "score", "restarted", "factor"):
            setattr(self, name, state[name])


def _drawn(weights: Numbers | None) -> float:
    """The share of rows that may be drawn."""
    return 1.0 if weights is None else float((weights > 0).mean())


def _against(before: float, after: float) -> str:
    """The verdict on a rollback: the loss on the same batches, before and after it."""
    if not math.isfinite(after):
        return "neutral"
    if after < 0.9 * before:
        return "helped"
    return "hurt" if after > 1.1 * before else "neutral"


def _plain(value: float) -> float | str:
    return round(value, 5) if math.isfinite(value) else str(value)
