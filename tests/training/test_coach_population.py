"""Population-based training: the worst copies the best by evidence, and its schedule is enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

torch = pytest.importorskip("torch")

from modelwright.families.net_ops import Ops  # noqa: E402
from modelwright.training.coach_population import Population, follow  # noqa: E402
from modelwright.training.lessons import Lessons  # noqa: E402
from modelwright.training.recipe import AdamW, Augment, Recipe  # noqa: E402
from modelwright.training.replay import looker  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402
from modelwright.training.trainer import Trainer  # noqa: E402

torch.set_num_threads(1)
NET = Ops((64,))
NET.linear(NET.dropout(NET.act(NET.linear(-1, 24), "relu"), 0.1), 10, name="head")
X, Y = load_digits(return_X_y=True)
X, Y = ((X - 4.9) / 6).astype(np.float32), Y.astype(np.int64)
# So low a rate that members who draw a higher one leave the others behind.
SLOW = Recipe(AdamW(1e-3), augment=Augment(mix=0.1))


def trainer() -> Trainer:
    torch.manual_seed(3)
    unit = np.ones(64, np.float32)
    return Trainer(TorchNet(NET), [SLOW], Lessons(X[:1000], Y[:1000], 10, 0 * unit, unit), 48, 7)


def population() -> Population:
    one = trainer()
    return Population(one, looker(one, X[1000:1400], Y[1000:1400]))


def test_the_worst_copy_the_best_and_the_schedule_alone_gives_the_same_network() -> None:
    run = population()
    looks = sum(run.pieces(4))
    assert looks == 4
    assert run.spent == 3 * 48
    exploits = [row for row in run.rows if row["action"]["kind"] == "exploit"]
    assert exploits
    for row in exploits:
        assert row["interval"][1] > 0  # only what is worse beyond chance gives way
        assert row["verdict"] in ("helped", "neutral", "hurt")
        assert (
            row["after"]["rate"] != row["before"]["rate"]
        )  # settings are copied, not only weights
    best = max(float(member.values.mean()) for member in run.members)
    assert best == float(run.look().mean())  # the trainer holds the best of them
    assert {"rate", "decay"} <= set(run.schedule[-1]["recipe"]["optimiser"])
    again = trainer()
    follow(again, run.schedule)
    for name, value in run.trainer.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name]), name


def test_what_is_copied_is_weights_memory_and_settings_then_changed_a_little() -> None:
    run = population()
    for looked in run.pieces(4):
        if looked and run.rows:
            break
    row = run.rows[0]
    worse, better = (int(word) for word in row["action"]["value"].split() if word.isdigit())
    copy, source = run.members[worse], run.members[better]
    assert copy.origin == source.origin
    assert copy.line == source.line
    assert equal(copy.state, source.state)
    ratios = (
        copy.recipe.optimiser.rate / source.recipe.optimiser.rate,
        copy.recipe.optimiser.decay / source.recipe.optimiser.decay,
        copy.recipe.augment.mix / source.recipe.augment.mix, copy.dropout / source.dropout,
    )  # fmt: skip
    assert all(any(abs(ratio - by) < 1e-9 for by in (0.8, 1.25)) for ratio in ratios)


def test_what_a_network_was_given_is_a_members_first_weights() -> None:
    one = population()
    given = {name: 0.5 * value for name, value in one.trainer.net.state_dict().items()}
    one.trainer.net.load_state_dict(given)
    one._begin()
    assert [equal(m.state["net"], given) for m in one.members] == [True, False, False, False]


def test_an_interrupted_population_goes_on_to_the_same_network() -> None:
    whole, first, second = population(), population(), population()
    list(whole.pieces(4))
    for _ in zip(range(6), first.pieces(4), strict=False):  # the last is in the second round
        pass
    second.load(first.state())
    list(second.pieces(4))
    assert second.rows == whole.rows
    assert equal(second.trainer.net.state_dict(), whole.trainer.net.state_dict())


def equal(a: Any, b: Any) -> bool:
    """Whether nested states hold the same tensors."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if not isinstance(a, torch.Tensor):
        return bool(a == b)
    return bool(torch.equal(a.nan_to_num(-1.0), b.nan_to_num(-1.0)))
