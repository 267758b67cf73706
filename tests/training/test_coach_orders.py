"""What a person may tell a coach, and what a training does with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from modelwright.core.errors import InputError  # noqa: E402
from modelwright.families.net_ops import Ops  # noqa: E402
from modelwright.training.coach import Guided  # noqa: E402
from modelwright.training.coach_learned import FEATURES, MOVES, Learned, learned  # noqa: E402
from modelwright.training.coach_orders import Steered, order_of  # noqa: E402
from modelwright.training.coach_rules import Action, Watch  # noqa: E402
from modelwright.training.lessons import Lessons  # noqa: E402
from modelwright.training.recipe import AdamW, Recipe  # noqa: E402
from modelwright.training.replay import looker  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402
from modelwright.training.trainer import Trainer  # noqa: E402

torch.set_num_threads(1)
RECIPE = Recipe(AdamW(0.01))
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 8)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


class Eager:
    """Halves the decay after every stretch."""

    def decide(self, history: Sequence[Watch], done: Sequence[Any]) -> Action | None:
        return Action("decay", 0.5, "test") if history else None


def guided(coach: Any, total: int = 40) -> tuple[Guided, list[Any]]:
    net = Ops((8,))
    net.linear(net.act(net.linear(-1, 8), "relu"), 2, name="head")
    unit, orders = np.ones(8, np.float32), []  # type: ignore[var-annotated]
    torch.manual_seed(0)
    one = Trainer(TorchNet(net), [RECIPE], Lessons(X[:300], Y[:300], 2, 0 * unit, unit), total, 1)
    return Guided(one, looker(one, X[300:], Y[300:]), Steered(coach, one, orders)), orders


def told(n: int, *words: str) -> dict[str, Any]:
    return {**order_of(words), "n": n, "by": "ada", "posted_at": 0.0, "trial": None}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sing"], "pause, resume, veto, set; got 'sing'"),
        (["pause", "now"], "takes no more words"),
        (["veto", "rollback"], "save a spoiled training"),
        (["set", "rte=1"], "Did you mean 'rate'"),
        (["set", "rate=nan"], "rate is a number from 1e-07 to 10; got 'nan'"),
        (["set", "rate=-1"], "got '-1'"),
        (["set", "batch=7"], "batch is 32, 64, 128, 256"),
        (["set", "optimiser=Lion"], "AdamW, Sgd"),
        (["set"], "takes one word, as in: set rate=0.01"),
    ],
)
def test_what_is_no_order_is_refused_in_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        order_of(words)


def test_orders_are_obeyed_between_stretches_each_with_its_row() -> None:
    run, orders = guided(Eager())
    steps = run.pieces()
    next(steps)
    orders += [told(0, "veto", "decay"), told(1, "set", "rate=0.002"), told(2, "set", "rate=9")]
    for _ in steps:
        pass
    rows = {row["order"]: row for row in run.rows if "order" in row}
    assert {row["by"] for row in rows.values()} == {"ada"}
    assert rows[1]["asked"] == "1970-01-01T00:00:00+00:00"
    decays = [row for row in run.rows if row["action"]["kind"] == "decay"]
    assert len(decays) == 1  # the one before the veto
    assert [r["action"]["value"] for r in run.rows if r["trigger"] == "vetoed by a person"] == [
        "decay"
    ]
    planned = 0.002 if rows[1]["share"] >= RECIPE.warm else 0.002 * RECIPE.rate_at(4 / 40)
    assert rows[1]["after"]["rate"] == pytest.approx(planned, rel=0.1)  # of the optimiser
    assert rows[1]["before"]["rate"] != rows[1]["after"]["rate"]
    assert "from 1e-05 to 0.3; got 9" in rows[2]["refused"]
    assert not rows[2]["kept"]
    assert rows[2]["after"]["factor"] == rows[1]["after"]["factor"]  # nothing was changed


def test_while_paused_the_guard_alone_is_on() -> None:
    run, orders = guided(Eager())
    orders.append(told(0, "pause"))
    for at, _ in enumerate(run.pieces()):
        if at == 4:
            assert [row["action"]["kind"] for row in run.rows] == ["pause"]
            orders.append(told(1, "resume"))
    after = [row["action"]["kind"] for row in run.rows][1:]
    assert after[:2] == ["resume", "decay"]
    orders.append(told(2, "set", "stop"))


def test_a_person_may_end_a_training_and_its_weights_stay() -> None:
    run, orders = guided(Eager())
    steps = run.pieces()
    for _ in zip(range(5), steps, strict=False):
        pass
    before = run.trainer.step
    orders.append(told(0, "set", "stop"))
    list(steps)
    assert run.stopped.startswith("a person")
    assert run.trainer.step == before + 4  # of the stretch in which it was said


def test_the_learned_policy_acts_by_its_weights_and_leaves_the_guard_on() -> None:
    shipped = learned()
    assert shipped.provenance["seed"] == 1
    assert np.shape(shipped.weights) == (len(MOVES), len(FEATURES))
    weights = np.zeros((len(MOVES), len(FEATURES)))
    weights[[word for word, _, _ in MOVES].index("rate down"), 0] = 1.0
    run, _ = guided(Learned(tuple(map(tuple, weights))), 20)
    list(run.pieces())
    rows = [row for row in run.rows if row["action"]["kind"] == "rate"]
    assert run.factor == 0.5 ** len(rows)
    assert rows[0]["alternatives"] == ["stop"]
    assert set(rows[0]["evidence"]) == set(FEATURES)
