"""Trains a lineage of small networks in three ways. Request: {"problem", "seed"}.

Designs and lineage are the same for all ways: four starts, then eight children, each a mutation of
the best of four drawn by the long training from scratch. What comes back are validation accuracy
and log loss of each design after a long training from scratch, a short one from scratch, and one of
equal length that began with the weights its parent had after its own short training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from worker import serve

SHORT, LONG = 2.0, 10.0  # epochs
STARTS, CHILDREN, DRAWN, LARGE = 4, 8, 4, 0.2
MACS, BATCH, LEARNT = 2e5, 64, {"digits": 800, "fashion_14x14": 1000}


@dataclass
class Tried:
    """A design and how its trainings went; `state` are its weights after the short one."""

    design: Any
    ops: Any
    parent: int | None
    long: dict[str, float]
    scratch: dict[str, float]
    inherited: dict[str, float]
    state: dict[str, Any]
    exact: bool | None


def cell(request: dict[str, Any]) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    lineage = Lineage(request["problem"], request["seed"])
    lineage.grow()
    return {
        "designs": [
            {"parent": t.parent, "exact": t.exact, "weights": t.ops.weights, "long": t.long,
             "scratch": t.scratch, "inherited": t.inherited}
            for t in lineage.tried
        ]
    }  # fmt: skip


class Lineage:
    def __init__(self, problem: str, seed: int) -> None:
        from modelwright.families.network_design import network_space

        self.seed, self.rng = seed, np.random.default_rng(seed + 100)
        self.lessons, self.x, self.y = examples(problem, seed)
        self.space = network_space("images")
        self.tried: list[Tried] = []

    def grow(self) -> None:
        from modelwright.core.keys import Key
        from modelwright.recipes.network_portfolio import narrow

        for design in [d for d in narrow()[1:] if self._fits(d)][: STARTS - 1]:
            self.add(design, None)
        number = 0
        while len(self.tried) < STARTS + CHILDREN:
            number += 1
            if len(self.tried) < STARTS:
                parent, design = None, self.space.sample(Key.of(self.seed).child("start", number))
            else:
                drawn = self.rng.choice(len(self.tried), DRAWN, replace=False)
                parent = int(min(drawn, key=lambda j: self.tried[j].long["log_loss"]))
                size: Any = "large" if self.rng.random() < LARGE else "small"
                key = Key.of(self.seed).child("child", number)
                design = self.space.mutate(self.tried[parent].design, key, size)
            if self._fits(design) and all(design != other.design for other in self.tried):
                self.add(design, parent)

    def _fits(self, design: Any) -> bool:
        return bool(design.network.ops(self.lessons.x.shape[1:], 10).macs <= MACS)

    def add(self, design: Any, parent: int | None) -> None:
        ops = design.network.ops(self.lessons.x.shape[1:], 10)
        seed = self.seed * 1000 + len(self.tried)
        long, _, _ = self.trained(design, ops, LONG, seed + 500)
        scratch, state, exact = self.trained(design, ops, SHORT, seed)
        inherited = scratch
        if parent is not None:
            start = self.tried[parent]
            inherited, state, exact = self.trained(
                design, ops, SHORT, seed, (start.ops, start.state)
            )
        self.tried.append(Tried(design, ops, parent, long, scratch, inherited, state, exact))

    def trained(
        self, design: Any, ops: Any, epochs: float, seed: int, start: Any = None
    ) -> tuple[dict[str, float], dict[str, Any], bool | None]:
        import torch

        from modelwright.core.keys import Key
        from modelwright.training.inherit import inherit
        from modelwright.training.torch_net import TorchNet
        from modelwright.training.trainer import Trainer, steps_for

        torch.manual_seed(Key.of(seed).child("weights").seed(63))
        net, exact = TorchNet(ops), None
        if start is not None:
            found = inherit(*start, ops, _arrays(net.state_dict()), seed)
            net.load_state_dict({k: torch.from_numpy(v) for k, v in found.state.items()})
            exact = found.exact
        total = steps_for(len(self.lessons.y), BATCH, epochs)
        trainer = Trainer(net, [replace(design.recipe, batch=BATCH)], self.lessons, total, seed)
        trainer.run(total)
        shares = np.nan_to_num(trainer.answers(self.x)[0], nan=0.1)
        right = shares[np.arange(len(self.y)), self.y]
        scores = {
            "accuracy": float(np.mean(shares.argmax(axis=1) == self.y)),
            "log_loss": float(-np.log(np.clip(right, 1e-9, 1)).mean()),
        }
        return scores, _arrays(trainer.mean or net.state_dict()), exact


def _arrays(state: Any) -> dict[str, Any]:
    return {name: value.detach().numpy().copy() for name, value in state.items()}


def examples(problem: str, seed: int) -> tuple[Any, Any, Any]:
    """What is learnt, and pictures and classes that validate: 797, or 2,000."""
    from sklearn.datasets import load_digits

    from modelwright.training.lessons import Lessons
    from tasks import shared

    if problem == "digits":
        found = load_digits()
        x, y = found.images[:, None].astype(np.float32), found.target
    else:
        with np.load(shared() / "data" / "image" / "fashion_mnist.npz") as file:
            x, y = file["x_train"], file["y_train"]
        x = x.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5)).astype(np.float32)
    order, n = np.random.default_rng(seed).permutation(len(y)), LEARNT[problem]
    learnt, valid = order[:n], order[n : n + 2000]
    shift, scale = x[learnt].mean(), 1 / x[learnt].std()
    lessons = Lessons(
        x[learnt], y[learnt].astype(np.int64), 10, np.array([shift]), np.array([scale])
    )
    return lessons, x[valid], y[valid].astype(np.int64)


if __name__ == "__main__":
    serve(cell)
