"""A person's orders to the coach of a training that runs: pause, resume, veto, set.

`modelwright coach RUN ...` posts them, the study's loop keeps each as a row and passes them on, and
the training takes them between two stretches. Each becomes a row of the training's coach with who
asked, when, and what was read back from the optimiser.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from modelwright.core.errors import InputError, did_you_mean
from modelwright.training.coach_rules import PERSON, Action, Coach, Guard, Kind, Watch
from modelwright.training.recipe import AdamW, Recipe, Sgd
from modelwright.training.selection import CHOICES

if TYPE_CHECKING:
    from modelwright.training.trainer import Trainer

Order = Mapping[str, Any]
VETOED = "vetoed by a person"
WORDS = ("pause", "resume", "veto", "set")
VETOABLE = (
    "find_rate", "rate", "restart", "optimiser", "decay", "batch", "augment", "select", "exploit",
    "stop",
)  # fmt: skip
ALONE = ("restart", "stop")  # what is set without a value
NAMED = {
    "optimiser": ("AdamW", "Sgd"),
    "select": CHOICES,
    "batch": tuple(map(str, get_args(get_type_hints(Recipe)["batch"]))),
}  # fmt: skip
NUMBERS = {"rate": (1e-7, 10.0), "decay": (1e-9, 1.0), "augment": (0.1, 3.0)}
BEYOND = 10.0  # times past what a search may choose, a person's rate is refused
LEAST_LEFT = 0.02  # of the schedule's rate: below it the training is at its end


def order_of(words: Sequence[str]) -> dict[str, Any]:
    """The order that a command's words say, as plain data. InputError says what is not understood.

    >>> order_of(["set", "rate=0.01"])
    {'do': 'set', 'what': 'rate', 'value': 0.01}
    >>> order_of(["veto", "select"])
    {'do': 'veto', 'what': 'select'}
    """
    do, rest = words[0], list(words[1:])
    if do not in WORDS:
        raise InputError(
            f"a coach is told {', '.join(WORDS)}; got {do!r}.{did_you_mean(do, WORDS)}"
        )
    if do in ("pause", "resume"):
        if rest:
            raise InputError(f"{do} takes no more words; got {' '.join(rest)!r}.")
        return {"do": do}
    if len(rest) != 1:
        example = "select" if do == "veto" else "rate=0.01"
        raise InputError(f"{do} takes one word, as in: {do} {example}; got {len(rest)}.")
    if do == "veto":
        if rest[0] not in VETOABLE:
            raise InputError(
                f"what may be vetoed is {', '.join(VETOABLE)} (not the guard's rollbacks, which "
                f"save a spoiled training); got {rest[0]!r}.{did_you_mean(rest[0], VETOABLE)}"
            )
        return {"do": do, "what": rest[0]}
    what, _, text = rest[0].partition("=")
    return {"do": do, "what": what, "value": _value(what, text)}


def _value(what: str, text: str) -> float | str | None:
    """What a setting is to be; refuses what no training can use."""
    if what in ALONE:
        if text:
            raise InputError(f"{what} takes no value; got {text!r}.")
        return None
    if what in NAMED:
        if text not in NAMED[what]:
            raise InputError(f"{what} is {', '.join(NAMED[what])}; got {text!r}.")
        return int(text) if what == "batch" else text
    if what not in NUMBERS:
        known = (*NUMBERS, *NAMED, *ALONE)
        raise InputError(f"set takes {', '.join(known)}; got {what!r}.{did_you_mean(what, known)}")
    low, high = NUMBERS[what]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise InputError(f"{what} is a number from {low:g} to {high:g}; got {text!r}.")
    return value


@dataclass
class Steered:
    """A coach under a person's orders, which come first; the guard is on in any case.

    `orders` grows while the training runs; each has a number `n`. `trainer` is asked for what its
    optimiser holds, since a person says a rate and not a factor.
    """

    coach: Coach
    trainer: Trainer
    orders: list[Order] = field(default_factory=list)
    guard: Guard = Guard()

    def decide(self, history: Sequence[Watch], done: Sequence[Mapping[str, Any]]) -> Action | None:
        """The oldest order without a row; else what the coach decides, where it is not vetoed."""
        if history:
            answered = {row["order"] for row in done if "order" in row}
            waiting = [order for order in self.orders if order["n"] not in answered]
            if waiting:
                return self._obeyed(waiting[0], history)
        vetoed = {order["what"] for order in self.orders if order["do"] == "veto"}
        coach = self.guard if paused(self.orders) else self.coach
        action = coach.decide(history, done)
        if action is None or action.kind not in vetoed:
            return action
        if any(row["trigger"] == VETOED and row["action"]["value"] == action.kind for row in done):
            return None
        return Action("note", action.kind, VETOED, action.evidence, action.alternatives,
                      f"not done: {action.expected}")  # fmt: skip

    def _obeyed(self, order: Order, history: Sequence[Watch]) -> Action:
        about = answer(order)
        do, what = order["do"], order.get("what")
        if do != "set":
            return Action(do, what, PERSON, about=about)
        trouble, value = self._translated(str(what), order["value"], history[-1])
        if trouble:
            told = {**about, "refused": trouble, "kept": False}
            return Action("note", what, PERSON, expected=f"refused: {trouble}", about=told)
        kind: Kind = what  # type: ignore[assignment]
        return Action(kind, value, PERSON, expected="as the person says", about=about)

    def _translated(self, what: str, value: Any, now: Watch) -> tuple[str, Any]:
        """Why it is refused, or nothing; and the factor on what is, where a number was said."""
        recipe = self.trainer.recipes[0]
        if what == "rate":
            low, high = rate_bounds(recipe.optimiser)
            if not low <= value <= high:
                kind = type(recipe.optimiser).__name__
                return f"a rate for {kind} is from {low:g} to {high:g}; got {value:g}.", None
            # In the warm-up what is said is the rate after it; the schedule would exceed it else.
            planned = 1.0 if now.share < recipe.warm else recipe.rate_at(now.share)
            if planned < LEAST_LEFT:
                return "the schedule is at its end, where another rate changes nothing.", None
            return "", value / (float(self.trainer.factor[0]) * recipe.optimiser.rate * planned)
        if what == "decay":
            return "", value / float(self.trainer.optimiser.decay[0])
        if what == "select" and not self.trainer.lessons.n_classes:
            return "rows are chosen by their classes, and these have none.", None
        return "", value


def paused(orders: Sequence[Order]) -> bool:
    """Whether the last word on it was a pause."""
    said = [order["do"] for order in orders if order["do"] in ("pause", "resume")]
    return bool(said) and said[-1] == "pause"


def rate_bounds(optimiser: AdamW | Sgd) -> tuple[float, float]:
    """The rates that a person may set: ten times past those that a search may choose."""
    bounds = get_type_hints(type(optimiser), include_extras=True)["rate"].__metadata__[0]
    return float(bounds.low) / BEYOND, float(bounds.high) * BEYOND


def answer(order: Order) -> dict[str, Any]:
    """What a row says of the order it answers: its number, who asked, and when."""
    asked = datetime.fromtimestamp(order["posted_at"], UTC).isoformat(timespec="seconds")
    return {"order": order["n"], "by": order["by"], "asked": asked}
