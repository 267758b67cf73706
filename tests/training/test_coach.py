"""The coach: faults put into real trainings on digits; no run is lost, and each row is true."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

torch = pytest.importorskip("torch")

from modelwright.core.errors import InputError  # noqa: E402
from modelwright.families.net_ops import Ops  # noqa: E402
from modelwright.training.coach import Guided  # noqa: E402
from modelwright.training.coach_rules import Action, Guard, Rules, Watch  # noqa: E402
from modelwright.training.lessons import Lessons  # noqa: E402
from modelwright.training.recipe import AdamW, Augment, Recipe, Sgd  # noqa: E402
from modelwright.training.replay import looker  # noqa: E402
from modelwright.training.selection import at_random, finite_rows, selection  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402
from modelwright.training.trainer import Trainer  # noqa: E402

torch.set_num_threads(1)
NET = Ops((64,))
NET.linear(NET.act(NET.norm(NET.linear(-1, 32), "batch"), "relu"), 10, name="head")
RATE = 0.03  # good for this network and length
X, Y = load_digits(return_X_y=True)
X = X.astype(np.float32)[np.random.default_rng(0).permutation(len(Y))]
Y = Y.astype(np.int64)[np.random.default_rng(0).permutation(len(Y))]
VALID, TEST, TRAIN = slice(0, 300), slice(300, 800), slice(800, None)
PLAIN = Recipe(AdamW(RATE), augment=Augment(shift=0.0))


def trainer(
    total: int = 200, recipe: Recipe = PLAIN, x: Any = None, y: Any = None, copies: int = 1
) -> Trainer:
    torch.manual_seed(3)
    one = np.ones(64, np.float32)
    scale = (one / 6).astype(np.float32)
    x, y = (X[TRAIN] if x is None else x), (Y[TRAIN] if y is None else y)
    lessons = Lessons(x, y, 10, (4.9 * one).astype(np.float32), scale)
    return Trainer(TorchNet(NET, copies), [recipe] * copies, lessons, total, 7)


def guided(one: Trainer, coach: Any = None, valid_y: Any = None) -> Guided:
    look = looker(one, X[VALID], Y[VALID] if valid_y is None else valid_y)
    return Guided(one, look, coach or Rules())


def accuracy(one: Trainer) -> float:
    return float((one.answers(X[TEST])[0].argmax(axis=1) == Y[TEST]).mean())


def finished(run: Guided) -> Guided:
    for watch in run.train():
        assert watch.score is not None
    return run


def noisy(y: Any, share: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(y)) < share
    return np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y), wrong


@pytest.fixture(scope="module")
def clean() -> float:
    one = trainer()
    one.run(160)
    return accuracy(one)


def kinds(run: Guided) -> list[str]:
    return [row["action"]["kind"] for row in run.rows]


def test_rows_with_numbers_that_are_not_finite_are_left_out(clean: float) -> None:
    x = X[TRAIN].copy()
    x[::50] = np.nan  # in most batches
    run = finished(guided(trainer(120, x=x), Rules(find_rate=False)))
    assert accuracy(run.trainer) > clean - 0.04
    row = next(row for row in run.rows if row["action"]["value"] == "finite")
    assert row["trigger"] == "NaN"
    assert row["after"]["rows_drawn"] == pytest.approx(0.98, abs=0.003)
    assert run.history[-1].bad == 0


@pytest.mark.parametrize("factor", [100, 0.1])
def test_a_rate_that_is_far_off_is_found_and_read_back(clean: float, factor: float) -> None:
    recipe = replace(PLAIN, optimiser=AdamW(RATE * factor))
    run = finished(guided(trainer(recipe=recipe)))
    assert accuracy(run.trainer) > clean - 0.04
    row = run.rows[0]
    assert row["action"]["kind"] == "find_rate"
    assert row["verdict"] == "helped"
    assert RATE / 4 < RATE * factor * row["action"]["value"] < RATE * 12
    step = row["after"]["step"] - 1
    planned = RATE * factor * recipe.rate_at(step / run.trainer.total) * row["action"]["value"]
    assert row["after"]["rate"] == pytest.approx(planned, rel=0.05)


def test_the_guard_alone_saves_a_training_that_diverges(clean: float) -> None:
    recipe = replace(PLAIN, optimiser=Sgd(10.0, momentum=0.95), clip=1000.0)
    lost = trainer(120, recipe)
    lost.run(120)
    run = finished(guided(trainer(120, recipe), Guard()))
    assert {"rollback", "again"} & set(kinds(run))
    assert accuracy(run.trainer) > accuracy(lost) + 0.3
    assert "helped" in {row["verdict"] for row in run.rows}


def test_labels_that_are_wrong_are_left_out_only_against_a_control() -> None:
    y, wrong = noisy(Y[TRAIN], 0.3, 2)
    valid_y, _ = noisy(Y[VALID], 0.3, 11)
    plain = trainer(320, y=y)
    plain.run(320)
    run = finished(guided(trainer(320, y=y), Rules(find_rate=False), valid_y))
    row = next(row for row in run.rows if row["trigger"] == "suspected label errors")
    assert row["kept"], row
    assert row["evidence"]["over_random_low"] > 0
    assert run.weights is not None
    out = run.weights == 0
    assert wrong[out].mean() > 0.8
    assert row["after"]["rows_drawn"] == pytest.approx(1 - out.mean())
    assert accuracy(run.trainer) > accuracy(plain)
    assert run.spent < 0.07 * 320


def test_a_stuck_loader_is_noted_and_changes_nothing() -> None:
    class Stuck:
        """An array of which one reading takes long, as from a disk that sleeps."""

        def __init__(self) -> None:
            self.shape, self.ndim, self.dtype, self.asked = X[TRAIN].shape, 2, X.dtype, 0

        def __len__(self) -> int:
            return len(X[TRAIN])

        def __getitem__(self, rows: Any) -> Any:
            self.asked += 1
            if self.asked == 40:
                time.sleep(0.5)
            return X[TRAIN][rows]

    coach = Rules(find_rate=False, later=False)
    stuck, usual = (finished(guided(trainer(60, x=x), coach)) for x in (Stuck(), None))
    assert {row["trigger"] for row in stuck.rows} == {"stall"}  # a busy machine may stall, too
    assert max(row["evidence"]["times_usual"] for row in stuck.rows) > 5
    assert accuracy(stuck.trainer) == accuracy(usual.trainer)


def test_nothing_to_learn_from_ends_with_an_honest_stop() -> None:
    run = guided(trainer(x=np.full_like(X[TRAIN], np.nan)), Guard())
    list(run.train())
    assert run.stopped.startswith("NaN")
    assert kinds(run) == ["select", "rollback", "rollback", "rollback", "stop"]
    assert run.done


def test_the_same_seed_gives_the_same_rows_also_after_an_interruption() -> None:
    recipe = replace(PLAIN, optimiser=AdamW(RATE / 10), average=True)
    whole = finished(guided(trainer(recipe=recipe)))
    first, second = guided(trainer(recipe=recipe)), guided(trainer(recipe=recipe))
    for _ in zip(range(3), first.train(), strict=False):
        pass
    second.load(first.state())
    finished(second)
    assert decided(second) == decided(whole)
    for name, value in whole.trainer.net.state_dict().items():
        assert torch.equal(value, second.trainer.net.state_dict()[name]), name


def decided(run: Guided) -> list[Any]:
    """The rows without the notes of slow stretches, which a busy machine makes."""
    return [row for row in run.rows if row["trigger"] != "stall"]


class Always:
    """Asks for one action at half of the training."""

    def __init__(self, action: Action) -> None:
        self.action = action

    def decide(self, history: Sequence[Watch], done: Sequence[Any]) -> Action | None:
        return self.action if history and history[-1].share >= 0.5 and not done else None


@pytest.mark.parametrize(
    ("kind", "value", "name", "expected"),
    [
        ("optimiser", "Sgd", "optimiser", "Sgd"),
        ("decay", 3.0, "decay", 0.06),
        ("batch", 128, "batch", 128),
        ("augment", 2.0, "augment", {"flip": False, "shift": 0.2, "cut": 0.2, "mix": 0.0}),
        ("rate", 0.5, "factor", 0.5),
    ],
)
def test_actions_are_read_back(kind: Any, value: Any, name: str, expected: Any) -> None:
    recipe = replace(PLAIN, augment=Augment(shift=0.1))
    run = finished(guided(trainer(60, recipe), Always(Action(kind, value, "test"))))
    row = run.rows[0]
    before, after = row["before"][name], row["after"][name]
    assert before != expected
    assert after == (pytest.approx(expected) if kind in ("decay", "rate") else expected)
    assert (
        run.trainer.step
        == run.trainer.total
        == (30 if kind == "batch" else 60) - (0 if kind == "batch" else 1)
    )


def test_a_restart_begins_the_schedule_anew() -> None:
    run = finished(guided(trainer(100), Always(Action("restart", None, "test"))))
    assert run.rows[0]["after"]["rate"] > 1.5 * run.rows[0]["before"]["rate"]


def test_what_does_not_help_is_taken_back(clean: float) -> None:
    worse = Action("rate", 100.0, "test", compared=True)
    run = finished(guided(trainer(480), Always(worse)))
    row = run.rows[0]
    assert (row["kept"], row["verdict"]) == (False, "hurt")
    assert run.factor == 1.0
    assert row["cost"] <= 0.06 * 480
    assert accuracy(run.trainer) > clean - 0.04


def test_choices_of_rows() -> None:
    losses = np.array([0.1, 3.0, 0.2, math.nan])
    y = np.array([0, 1, 0, 1])
    assert selection("unsuspected", losses, y, 2.3).tolist() == [1, 0, 1, 1]
    assert selection("hard", losses, y, 2.3).tolist() == [1, 2, 1, 2]
    assert selection("unlearnt", losses, y, 2.3).tolist() == [0.4, 1, 0.4, 1]
    control = at_random(np.array([0.0, 1, 1, 1]), np.random.default_rng(0))
    assert sorted(control) == [0, 1, 1, 1]
    assert finite_rows(np.array([[1.0, np.inf], [1, 2]])).tolist() == [False, True]
    assert finite_rows(np.zeros((2, 1), np.uint8)).all()


def test_weights_are_followed_evenly() -> None:
    one = trainer()
    weights = np.ones(len(one.lessons.y))
    weights[::2] = 0
    drawn = np.concatenate(list(_batches_of(one, weights)))
    assert (drawn % 2 == 1).all()
    counts = np.bincount(drawn, minlength=len(weights))[1::2]
    assert counts.max() <= 3


def _batches_of(one: Trainer, weights: Any) -> Any:
    for rows in one._batches(one.per_epoch, weights):
        yield rows
        one.step += 1


def test_what_is_tried_never_makes_a_training_longer() -> None:
    class Busy:
        """Wants something compared, or to go back, after every stretch."""

        def decide(self, history: Sequence[Watch], done: Sequence[Any]) -> Action | None:
            if not history:
                return None
            if len(done) % 2:
                return Action("rollback", 1.0, "test")
            return Action("decay", 0.5, "test", compared=True)

    run = finished(guided(trainer(160), Busy()))
    assert {row["action"]["kind"] for row in run.rows} == {"decay", "rollback"}
    assert run.trainer.step + run.spent <= 160 + 1  # a step is always left
    assert run.done


@pytest.mark.parametrize("kind", ["rollback", "again"])
def test_what_was_changed_before_a_rollback_stays_and_steps_are_counted_by_it(kind: Any) -> None:
    class Both:
        """Another batch size and optimiser, and then back to before them."""

        def decide(self, history: Sequence[Watch], done: Sequence[Any]) -> Action | None:
            waited = history and history[-1].share >= 0.5
            if waited and len(done) < 2:
                return (Action("batch", 128, "test"), Action("optimiser", "Sgd", "test"))[len(done)]
            return Action(kind, 1.0, "test") if waited and len(done) == 2 else None

    run = finished(guided(trainer(160), Both()))
    row = run.rows[2]
    assert row["action"]["kind"] == kind
    recipe = run.trainer.recipes[0]
    assert (recipe.batch, type(recipe.optimiser)) == (128, Sgd)
    assert row["after"]["optimiser"] == "Sgd"
    back = row["step"] - row["action"]["to"]
    assert row["cost"] == back > 0
    assert row["action"]["to"] < 40  # half of the 80 steps that it has with the larger batch
    assert abs(run.trainer.step + back - 80) <= 2


def test_it_guides_one_network_only() -> None:
    with pytest.raises(InputError, match="holds 2"):
        guided(trainer(copies=2))
