"""One training of a given length, with looks at validation examples, and a coach beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.trial import Progress
from modelwright.data.array_part import ArrayPart

if TYPE_CHECKING:
    from modelwright.training.coach_rules import Coach
    from modelwright.training.replay import Numbers
    from modelwright.training.trainer import Trainer

SEGMENTS = 8  # of a training, after each of which the validation examples are looked at
LOOK = 500  # of them, between segments
WARM, TIMED = 2, 4  # steps before speed is measured, and by which it is
SHIPPED_SECONDS = 0.5  # for the network's ONNX file, after the training


class Lesson:
    """Trains for a `length`: in seconds since `began` where `timed`, else to the trainer's total.

    Without a `coach` there is the guard, which is always on.
    """

    def __init__(
        self,
        trainer: Trainer,
        part: ArrayPart,
        timed: bool,
        length: float,
        began: float,
        coach: Coach | None = None,
    ) -> None:
        from modelwright.training.coach import Guided
        from modelwright.training.coach_rules import Guard

        self.trainer, self.part, self.timed = trainer, part, timed
        self.length, self.began = length, began
        looked_at = part.valid[:: max(1, len(part.valid) // LOOK)][:LOOK]
        self._inputs, self._y = part.inputs[looked_at], np.asarray(part.y[looked_at])
        # Comparisons are paid in steps, or where a clock decides by what they take.
        self.guided = Guided(trainer, self._look, coach or Guard(), charge=not timed)
        self.curve: list[tuple[float, float]] = []
        self.losses: list[float] = []
        self.bad = 0
        self.right, self.seconds = 0.0, 0.0  # accuracy of the last look
        self._most = trainer.total
        self._after = SHIPPED_SECONDS  # what follows the last step, of the length

    def run(self, number: int) -> Iterator[Progress]:
        """Trains to the end, with progress of trial `number` after each segment."""
        trainer, start = self.trainer, time.perf_counter()
        if self.timed:
            self._measure_speed()
        for watch in self.guided.train(SEGMENTS):
            self.losses.append(watch.loss)
            self.bad += watch.bad
            epochs = trainer.step / trainer.per_epoch
            self.curve.append((epochs, self.right))
            if self.timed:
                self._fit_into(time.perf_counter() - start)
            done = min(0.999, max(trainer.step / trainer.total, self._share_of_time()))
            yield Progress(number, epochs, {"accuracy": self.right}, done=done)
        self.seconds = time.perf_counter() - start

    def _look(self) -> Numbers:
        """What the coach compares; the accuracy and what a look takes are kept."""
        from modelwright.training.replay import merits

        began = time.perf_counter()
        answers = self.trainer.answers(self._inputs)[0]
        each = (time.perf_counter() - began) / len(self._y)
        self._after = SHIPPED_SECONDS + each * len(self.part.valid)
        self.right = float(np.mean(answers.argmax(axis=1) == self._y))
        return merits(answers, self._y, self.trainer.lessons.n_classes)

    def _measure_speed(self) -> None:
        """A first total of steps, from a few of them; the schedule is slow at its beginning."""
        self._look()
        self.trainer.run(WARM)
        warm, step = time.perf_counter(), self.trainer.step
        self.trainer.run(TIMED)
        now = time.perf_counter()
        self._plan((now - warm) / max(1, self.trainer.step - step))

    def _fit_into(self, taken: float) -> None:
        """The total again, from all steps so far: looking at validation examples takes time too."""
        if self.trainer.step < self.trainer.total:
            self._plan(taken / (self.trainer.step + self.guided.spent))

    def _plan(self, each: float) -> None:
        """As many steps as fit into what is left, when one takes `each` seconds."""
        step = self.trainer.step
        left = self.length - (time.perf_counter() - self.began) - self._after
        steps = step + int(left / max(1e-6, each))
        self.trainer.total = max(step + 1, min(self._most, steps))

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
        return {
            "steps": trainer.step,
            "epochs": round(trainer.step / trainer.per_epoch, 3),
            "per_second": round(examples / max(1e-9, self.seconds), 1),
            "losses": [plain(round(loss, 5)) for loss in self.losses],
            "bad_batches": self.bad,
            "threads": int(torch.get_num_threads()),
            "narrow": trainer.narrow,
            "coach": [plain(row) for row in self.guided.rows],
            **({"stopped": self.guided.stopped} if self.guided.stopped else {}),
        }


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
