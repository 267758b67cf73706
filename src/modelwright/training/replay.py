"""Short trainings from one state, on the same batches: what an action of a coach is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwright.training.coach_rules import RATES
from modelwright.training.lessons import Lessons
from modelwright.training.trainer import Trainer

Numbers = npt.NDArray[np.float64]
Look = Callable[[], Numbers]
SHORT, ENOUGH, LONG = 8, 16, 40  # steps with each rate that is tried
SHARE = 0.01  # of a long training; of a short one up to 1 / LEAST, for eight steps tell too little
LEAST = 20  # times the steps with one rate: shorter trainings cannot pay for the search
TRIED = 6  # rates at most
MARGIN = 0.15  # of the fall of the loss below that of a guess: so much better must a first step be
LEARNT = 0.85  # of the loss of a guess, below which the steps of a trial are worth keeping
TAIL = (0.8, 0.5, 0.25, 0.1)  # of the rate, by quarters of a tail
SURE = 1.96  # standard errors of a paired difference


def looker(trainer: Trainer, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Look:
    """Looks at validation examples with the one network of `trainer`; see `merits`."""
    return lambda: merits(trainer.answers(x)[0], y, trainer.lessons)


def merits(out: npt.NDArray[Any], y: npt.NDArray[Any], lessons: Lessons) -> Numbers:
    """One number for each example, larger is better, `[n]`, from what a network answers.

    It is the share given to the right class, which tells two states apart sooner than accuracy
    does, and under labels wrong at random ranks them as right labels would (Ghosh et al. 2017); for
    values (no classes) their loss, negative.

    >>> of_two = Lessons(np.zeros((2, 1)), np.zeros(2), 2, np.zeros(1), np.ones(1))
    >>> merits(np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([1, 0]), of_two)
    array([0.75, 0.5 ])
    """
    if lessons.n_classes:
        return np.asarray(out[np.arange(len(y)), y])
    return np.asarray(-lessons.costs(out, y))


@dataclass(frozen=True)
class Found:
    """The best factor of the rate, the loss with each, and the steps that lead nowhere.

    Where the best one learnt more than a guess its steps count: the trainer stands at their end.
    """

    factor: float
    losses: Mapping[float, float]
    wasted: int


def find_rate(trainer: Trainer, first: float, chance: float) -> Found | None:
    """Tries rates three times apart, as long as the loss falls further; None where it cannot fit.

    Each rate has the same few batches, the last half of them with a falling rate, so that a high
    one is not judged by its noise. `first` is the loss before training, `chance` that of a guess,
    where a network stays that too high a rate has ruined. After Smith 2017 (the range test), with
    one short training for each rate instead of one with a rising rate. On four sets of pictures
    sixteen steps each told the rate with the best end in 13 of 16 trainings and one three times as
    high, hardly better, in 3; eight steps are fewer than the first losses need to settle.
    """
    steps = max(min(ENOUGH, trainer.total // LEAST), min(LONG, round(SHARE * trainer.total)))
    if steps < SHORT:
        return None
    start, base = trainer.state(), trainer.factor.clone()
    losses: dict[float, float] = {}
    states: dict[float, dict[str, Any]] = {}

    def tried(rate: float) -> float:
        trainer.load(start)
        losses[rate], states[rate] = _tried(trainer, rate, steps)
        for other in set(states) - {min(losses, key=lambda r: losses[r]), 1.0}:
            del states[other]
        return losses[rate]

    tried(1.0)
    # Where the loss rises with the rate there is, a still higher one is only chance.
    sides = RATES if losses[1.0] < first else RATES[1:]
    by = min(sides, key=tried)
    best = 1.0
    least = min(first, chance)
    margin = MARGIN * max(0.0, least - losses[1.0])
    while losses[best] == np.inf or losses[best * by] < losses[best] - margin:
        best, margin = best * by, 0.0  # to leave the recipe's rate takes more than to go on
        if len(losses) == TRIED:
            break
        tried(best * by)
    if losses[best] == np.inf:
        best = 1.0  # the batches are bad, not the rate
    learnt = losses[best] < LEARNT * least and best in states
    trainer.load(states[best] if learnt else start)
    trainer.factor = base * best
    return Found(best, losses, (len(losses) - learnt) * steps)


def _tried(trainer: Trainer, factor: float, steps: int) -> tuple[float, dict[str, Any]]:
    """The loss at the end of a short training with that rate, and the state there."""
    base, losses = trainer.factor.clone(), []
    shape = np.minimum(np.linspace(0.3, 1.7, steps), np.linspace(2, 0.1, steps)).clip(max=1)
    for share in shape:
        usual = trainer.recipes[0].rate_at(trainer.step / trainer.total)
        trainer.factor = base * (factor * float(share) / usual)
        found = trainer.run(1)
        losses.append(np.nan if found.bad[0] else float(found.loss[0]))
    tail = np.array(losses[-max(3, steps // 4) :])
    fine = np.isfinite(tail)  # a bad batch is bad at any rate; most are where a rate is too high
    return (float(tail[fine].mean()) if fine.mean() > 0.5 else np.inf), trainer.state()


@dataclass(frozen=True)
class Arm:
    """Where one of the compared trainings ended: its answers' values and its state."""

    values: Numbers
    state: Mapping[str, Any] = field(repr=False)
    total: int
    weights: Numbers | None
    reading: Mapping[str, Any]


def difference(a: Arm, b: Arm) -> tuple[float, float, float]:
    """How much better `b` is; see `paired`."""
    return paired(a.values, b.values)


def paired(a: Numbers, b: Numbers) -> tuple[float, float, float]:
    """The mean of `b - a`, `[n]` both, and its 95 % interval."""
    each = b - a
    middle = float(each.mean())
    half = SURE * float(each.std(ddof=1)) / len(each) ** 0.5 if len(each) > 1 else np.inf
    return middle, middle - half, middle + half


def compare(
    trainer: Trainer,
    arms: Mapping[str, Callable[[], Numbers | None]],
    share: float,
    look: Look,
    reading: Callable[[], Mapping[str, Any]],
    tail: bool = False,
) -> dict[str, Arm]:
    """Trains each arm from here for `share` of the whole, on the same batches.

    An arm is a function that changes the trainer and gives the weights of rows. Where a running
    mean of weights is kept, the newest weights are looked at: the mean moves too slowly to tell.
    With `tail` each arm trains on for as long again while its rate falls to nothing, and is looked
    at there: else the lower of two rates would always seem better (Wu et al. 2018).
    """
    start, total = trainer.state(), trainer.total
    until = trainer.step / total + share
    out = {}
    for name, prepare in arms.items():
        trainer.load(start)
        trainer.total = total
        weights = prepare()
        trainer.run(max(1, round(until * trainer.total) - trainer.step), weights)
        state, told = trainer.state(), reading()
        end = trainer.total
        for part in TAIL if tail else ():
            trainer.factor = state["factor"] * part
            trainer.run(max(1, round(share * end / len(TAIL))), weights)
        trainer.mean = {}
        out[name] = Arm(look(), state, end, weights, told)
    trainer.load(start)
    trainer.total = total
    return out
