"""One training of a given length, with looks at validation examples, and a coach beside it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelwright.core.trial import Progress
from modelwright.data.array_part import ArrayPart
from modelwright.data.pairs import Pairs

if TYPE_CHECKING:
    from modelwright.training.checkpoint import Checkpoint
    from modelwright.training.coach_orders import Order
    from modelwright.training.coaches import CoachName
    from modelwright.training.replay import Numbers
    from modelwright.training.trainer import Trainer

MOST_EPOCHS = 200.0  # of a training whose length is given in seconds: small sets are soon learnt
FIRST_LOOK = 1000  # validation examples, at most, below the last rung
SEGMENTS = 8  # of a training, after each of which the validation examples are looked at
LOOK, LEAST_LOOK = 500, 100  # of them, between segments
LOOKS_SHARE = 0.1  # of the length, for looks; with a clock they are the smaller for it
WARM, TIMED = 2, 4  # steps before speed is measured, and by which it is
SHIPPED_SECONDS = 0.5  # for the network's ONNX file, after the training
MARGIN = 0.03  # of the time before a deadline, kept
# What a training that goes on remembers, beside what its coach and its trainer do.
NOTED = ("curve", "losses", "bad", "right", "looking", "resumed", "_after", "_level", "_looked_at")


def first_look(valid: npt.NDArray[Any], cost: float) -> npt.NDArray[Any]:
    """The validation examples that a trial of that cost answers: below 1 up to `FIRST_LOOK`.

    To answer all of them would take longer than a short training.

    >>> first_look(np.arange(2500), 0.1)[:3].tolist(), len(first_look(np.arange(2500), 1.0))
    ([0, 3, 6], 2500)
    """
    return valid[:: max(1, -(-len(valid) // FIRST_LOOK))] if cost < 1 else valid


class Lesson:
    """Trains for a `length`: in seconds since `began` where `timed`, else to the trainer's total.

    The `coach` is one of `coaches.COACHES`; the guard is in each that trains one network. What a
    population trains side by side shares the length. Checkpoints go to `kept`; a training that was
    interrupted goes on from `found`, what `kept` had; with a clock, in the time that its length
    still has, and before `deadline` (of `time.monotonic()`).
    """

    def __init__(
        self,
        trainer: Trainer,
        part: ArrayPart | Pairs,
        timed: bool,
        length: float,
        began: float,
        coach: CoachName = "guard",
        kept: Checkpoint | None = None,
        found: Mapping[str, Any] | None = None,
        deadline: float | None = None,
    ) -> None:
        from modelwright.training.coaches import guided_by

        self.trainer, self.part, self.timed = trainer, part, timed
        self.length, self.began = length, began
        self.kept, self._found, self._deadline = kept, found, deadline
        self._look_at(LEAST_LOOK if timed else LOOK)
        self.orders: list[Order] = []  # of people, to the coach
        self._told = "accuracy" if trainer.lessons.n_classes else "r2"
        self.guided = guided_by(coach, trainer, self._look, self.orders)
        if not timed:
            trainer.total = max(1, trainer.total // self.guided.side)
        self.curve: list[tuple[float, float]] = []
        self.losses: list[float] = []
        self.bad = 0
        self.right, self.seconds = 0.0, 0.0  # accuracy (or R²) of the last look
        self.looking = 0.0  # seconds of all looks
        self.resumed: list[int] = []  # the steps at which it went on after an interruption
        self._most = trainer.total / trainer.per_epoch  # epochs
        self._level = True  # whether all that train side by side stand at the same look
        self._after = SHIPPED_SECONDS  # what follows the last step, of the length

    def run(self, number: int) -> Generator[Progress, str | None, None]:
        """Trains to the end, with progress of trial `number`; what is sent are people's orders."""
        self._hear((yield Progress(number, 0.0)))
        self._start = time.perf_counter()
        if self._found is not None:
            self.load(self._found)
        elif self.timed:
            self._measure_speed()
        for looked in self.guided.pieces(SEGMENTS):
            if looked:
                self._looked()
            self._level = looked or self.guided.side == 1
            if self.timed and self._level:  # what a coach tries takes time
                self._fit_into(time.perf_counter() - self._start)
            if self.kept is not None:
                self.kept.keep(self.state)
            self._hear((yield self._progress(number)))
        self.seconds = time.perf_counter() - self._start

    def _looked(self) -> None:
        """Notes what the last look showed."""
        if self.guided.side > 1:  # the last look was at another than the best
            self._look()
        trainer, watch = self.trainer, self.guided.history[-1]
        self.losses.append(watch.loss)
        self.bad += watch.bad
        self.curve.append((trainer.step / trainer.per_epoch, self.right))

    def _hear(self, word: str | None) -> None:
        """Takes people's orders to the coach; a word holds all there are."""
        if word is not None and word.startswith("{"):
            self.orders.extend(json.loads(word)["coach"][len(self.orders) :])

    def _progress(self, number: int) -> Progress:
        trainer = self.trainer
        epochs = trainer.step / trainer.per_epoch
        done = min(0.999, max(trainer.step / trainer.total, self._share_of_time()))
        return Progress(number, epochs, {self._told: self.right}, done=done)

    def state(self) -> dict[str, Any]:
        """All that an exact resume needs, and the seconds used so far."""
        now = time.perf_counter()
        return {
            "guided": self.guided.state(), "used": now - self.began, "taken": now - self._start,
            "loading": self.trainer.loading, "orders": self.orders,
            "taught": self.trainer.lessons.taught,
            "kept": None if self.kept is None else [self.kept.written + 1, self.kept.seconds],
            **{name: getattr(self, name) for name in NOTED},
        }  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` gave; what was lost between them is not of its length."""
        now = time.perf_counter()
        self.guided.load(state["guided"])
        self.began -= state["used"]
        self._start = now - state["taken"]
        self.trainer.loading = state["loading"]
        # The coach holds this very list; what was heard by now is as much, or more.
        self.orders += state["orders"][len(self.orders) :]
        for name in NOTED:
            setattr(self, name, state[name])
        self._look_at(self._looked_at)
        self.curve = [(float(at), float(right)) for at, right in self.curve]
        self.resumed.append(self.trainer.step)
        if self.kept is not None:
            self.kept.written, self.kept.seconds = state["kept"]
        if self.timed:
            left = math.inf if self._deadline is None else self._deadline - time.monotonic()
            self.length = min(self.length, now - self.began + (1 - MARGIN) * left)
            if self._level:
                self._fit_into(state["taken"])

    def _look_at(self, n: int) -> None:
        """Which validation examples are looked at between segments: `n`, evenly."""
        rows = self.part.valid[:: max(1, len(self.part.valid) // n)][:n]
        self._looked_at = n
        self._inputs, self._y = self.part.inputs[rows], np.asarray(self.part.y[rows])

    def _look(self) -> Numbers:
        """What the coach compares; the accuracy and what a look takes are kept."""
        from modelwright.training.replay import merits

        began = time.perf_counter()
        answers = self.trainer.answers(self._inputs)[0]
        took = time.perf_counter() - began
        self.looking += took
        each = took / len(self._y)
        self._after = SHIPPED_SECONDS + each * len(self.part.valid)
        self.right = _right(answers, self._y)
        return merits(answers, self._y, self.trainer.lessons)

    def _measure_speed(self) -> None:
        """A first total of steps, from a few of them; the schedule is slow at its beginning.

        What trains side by side begins after them, from the start.
        """
        self._look()  # the first takes longer: what it asks for is made ready
        before = self.looking
        self._look()
        each = (self.looking - before) / len(self._y)
        self._look_at(max(LEAST_LOOK, min(LOOK, int(LOOKS_SHARE * self.length / SEGMENTS / each))))
        start = self.trainer.state() if self.guided.side > 1 else None
        self.trainer.run(WARM)
        warm, step = time.perf_counter(), self.trainer.step
        self.trainer.run(TIMED)
        now = time.perf_counter()
        each = (now - warm) / max(1, self.trainer.step - step)
        if start is not None:
            self.trainer.load(start)
        self._plan(self.guided.side * each)

    def _fit_into(self, taken: float) -> None:
        """The total again, from all steps so far: looking at validation examples takes time too."""
        if self.trainer.step < self.trainer.total:
            self._plan(self.guided.side * taken / (self.trainer.step + self.guided.spent))

    def _plan(self, each: float) -> None:
        """As many steps as fit into what is left, when one takes `each` seconds."""
        step = self.trainer.step
        left = self.length - (time.perf_counter() - self.began) - self._after
        steps = step + int(left / max(1e-6, each))
        most = round(self._most * self.trainer.per_epoch)  # by the present size of a batch
        self.trainer.total = max(step + 1, min(most, steps))

    def _share_of_time(self) -> float:
        if not self.timed:
            return 0.0
        return min(1.0, (time.perf_counter() - self.began) / self.length)

    def facts(self) -> dict[str, Any]:
        """How it went, plain."""
        import torch

        trainer = self.trainer
        batch = min(trainer.recipes[0].batch, len(trainer.lessons.y))
        examples = (trainer.step + self.guided.spent) * batch
        kept = {} if self.kept is None else self.kept.facts()
        spent = {
            "loading": trainer.loading, "looks": self.looking, "checkpoints": kept.get("seconds", 0)
        }  # fmt: skip
        return {
            "steps": trainer.step,
            "epochs": round(trainer.step / trainer.per_epoch, 3),
            "per_second": round(examples / max(1e-9, self.seconds), 1),
            "losses": [plain(round(loss, 5)) for loss in self.losses],
            "bad_batches": self.bad,
            "threads": int(torch.get_num_threads()),
            "narrow": trainer.narrow,
            "device": str(trainer.device),
            "time": {name: round(s / max(1e-9, self.seconds), 4) for name, s in spent.items()},
            "checkpoints": {**kept, "resumed": self.resumed},
            "coach": [plain(row) for row in self.guided.rows],
            **({"stopped": self.guided.stopped} if self.guided.stopped else {}),
            **({"schedule": plain(self.guided.schedule)} if self.guided.schedule else {}),
        }


def _right(answers: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    """The share of right classes; of values the share of their variance that is explained (R²)."""
    if answers.ndim == 2:
        return float(np.mean(answers.argmax(axis=1) == y))
    return float(1 - np.mean((answers - y) ** 2) / max(1e-12, float(np.var(y))))


def plain(value: Any) -> Any:
    """The value with numbers that are not finite as texts: a row holds none.

    >>> plain({"loss": float("nan"), "at": [1, float("inf")]})
    {'loss': 'nan', 'at': [1, 'inf']}
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
