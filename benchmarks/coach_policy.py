"""Trains the coach's policy by evolution strategies over many short trainings, and writes it.

    python benchmarks/coach_policy.py --generations 120     # writes coach_policy.json
    python benchmarks/coach_policy.py --judge               # the policy beside the rules, unseen

A generation draws a few problems (digits with 64 inputs, or made ones: clusters, a random network's
answers), each with a perceptron, an optimiser, a length, a rate that is up to 30 times off and
perhaps wrong labels. All policies of the generation coach one network each of one stacked module,
on the same batches from the same weights, so that they differ by what the policies did alone. Their
rank by test examples that no coach sees, less a little for each step, moves the policy (Salimans et
al. 2017; pairs of mirrored perturbations, ranks instead of scores).

`--judge` coaches problems of other kinds (spirals, breast cancer, wine, sparse parity of digits'
halves) and seeds by the rules and by the policy, each as `Guided` would in a build, and prints the
paired difference. `networks_coach.py` has convolutional networks on pictures.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from modelwright.families.net_ops import Ops
from modelwright.training import coach_learned
from modelwright.training.coach import PIECES, Guided
from modelwright.training.coach_learned import EVERY, FEATURES, MOVES, TRIGGER, features
from modelwright.training.coach_rules import Coach, Rules, Watch
from modelwright.training.lessons import Lessons
from modelwright.training.recipe import AdamW, Recipe, Sgd
from modelwright.training.replay import looker
from modelwright.training.torch_net import TorchNet, stack_copies
from modelwright.training.trainer import Trainer
from regret import interval

FILE = Path(coach_learned.__file__).with_name("coach_policy.json")
ROWS = Path(__file__).with_name("results") / "coach_policy.jsonl"
PAIRS, EACH = 16, 2  # mirrored pairs of policies in a generation, and problems that all of them see
SPREAD, STEP = 0.3, 0.25  # of the perturbations, and how far a generation moves the policy
OFF = 1.5  # powers of ten by which a rate may be off
STEP_COST = 0.01  # of the mean share given to the right class, for the whole length
LOOKS = 8
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """A short training: data in three parts, a network, a recipe and a length."""

    name: str
    x: Mapping[str, Any]
    y: Mapping[str, Any]
    ops: Ops
    recipe: Recipe
    total: int
    seed: int

    def trainer(self, copies: int = 1) -> Trainer:
        """A trainer of so many networks with the same weights."""
        torch.manual_seed(self.seed)
        one = TorchNet(self.ops)
        net = TorchNet(self.ops, copies)
        net.load_state_dict(stack_copies([one.state_dict()] * copies))
        unit = np.ones(self.x["train"].shape[1], np.float32)
        classes = int(max(y.max() for y in self.y.values())) + 1
        lessons = Lessons(self.x["train"], self.y["train"], classes, 0 * unit, unit)
        return Trainer(net, [self.recipe] * copies, lessons, self.total, self.seed)


# -- problems --------------------------------------------------------------------------------------


def digits(rng: np.random.Generator) -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x, y


def clusters(rng: np.random.Generator) -> tuple[Any, Any]:
    k, each = int(rng.integers(2, 9)), int(rng.integers(1, 4))
    middles = rng.normal(size=(k * each, 64)) * rng.uniform(0.15, 0.5)
    at = rng.integers(0, k * each, 1500)
    return middles[at] + rng.normal(size=(1500, 64)), at % k


def network(rng: np.random.Generator) -> tuple[Any, Any]:
    x = rng.normal(size=(1500, 64))
    inner = np.tanh(x @ rng.normal(size=(64, 16)) / 5)
    return x, np.argmax(inner @ rng.normal(size=(16, int(rng.integers(2, 7)))), axis=1)


def spirals(rng: np.random.Generator) -> tuple[Any, Any]:
    y = rng.integers(0, 3, 1500)
    far = rng.uniform(0.1, 1, 1500)
    turn = 5 * far + y * 2 * np.pi / 3 + 0.1 * rng.normal(size=1500)
    flat = np.column_stack([far * np.cos(turn), far * np.sin(turn)])
    return flat @ rng.normal(size=(2, 16)) + 0.02 * rng.normal(size=(1500, 16)), y


def halves(rng: np.random.Generator) -> tuple[Any, Any]:
    """Two digits side by side, halved in height: is their sum even."""
    x, y = digits(rng)
    a, b = rng.permutation(len(y)), rng.permutation(len(y))
    half = x.reshape(-1, 8, 8)[:, ::2].reshape(-1, 32)
    return np.hstack([half[a], half[b]]), (y[a] + y[b]) % 2


def cancer(rng: np.random.Generator) -> tuple[Any, Any]:
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    return x, y


def wine(rng: np.random.Generator) -> tuple[Any, Any]:
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return x, y


SEEN: tuple[Callable[..., Any], ...] = (digits, clusters, network)
UNSEEN: tuple[Callable[..., Any], ...] = (spirals, halves, cancer, wine)


def drawn(makers: tuple[Callable[..., Any], ...], seed: int) -> Task:
    """A problem of one of the makers, drawn by the seed."""
    rng = np.random.default_rng(seed)
    make = makers[seed % len(makers)]
    x, y = make(rng)
    x = ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)).astype(np.float32)
    y, order = np.asarray(y).astype(np.int64), rng.permutation(len(y))
    valid, test = len(y) // 5, len(y) // 2
    parts = {"valid": order[:valid], "test": order[valid:test], "train": order[test:]}
    ys = {name: y[rows] for name, rows in parts.items()}
    if rng.random() < 0.25:  # wrong labels, but in the test part
        for name in ("train", "valid"):
            wrong = rng.random(len(ys[name])) < 0.3
            ys[name] = np.where(wrong, rng.integers(0, y.max() + 1, len(wrong)), ys[name])
    ops, width = Ops((x.shape[1],)), int(rng.choice([16, 32, 48]))
    last = ops.linear(-1, width)
    last = ops.act(last, "relu")
    if rng.random() < 0.5:
        last = ops.act(ops.linear(last, width), "relu")
    ops.linear(last, int(y.max()) + 1, name="head")
    off = 10 ** rng.uniform(-OFF, OFF)
    optimiser = AdamW(0.01 * off) if rng.random() < 0.7 else Sgd(0.1 * off)
    batch, schedule = int(rng.choice([32, 64])), str(rng.choice(["cosine", "linear"]))
    recipe = Recipe(optimiser, batch, schedule)  # type: ignore[arg-type]
    return Task(make.__name__, {k: x[i] for k, i in parts.items()}, ys, ops, recipe,
                int(rng.choice([120, 200, 320])), seed)  # fmt: skip


# -- learning --------------------------------------------------------------------------------------


def coached(task: Task, policies: Numbers) -> Numbers:
    """What each policy's network is worth at the end, `[n]`; policies `[n, moves, features]`."""
    n = len(policies)
    trainer = task.trainer(n)
    chance, factor = float(np.log(trainer.lessons.n_classes)), np.ones(n)
    decay = np.full(n, task.recipe.optimiser.decay)
    histories: list[list[Watch]] = [[] for _ in range(n)]
    done: list[list[dict[str, Any]]] = [[] for _ in range(n)]
    end = np.ones(n)  # the share at which a network was stopped
    kept = np.full(n, np.nan)
    score: Numbers | None = None
    piece = -(-task.total // PIECES)
    while trainer.step < task.total:
        trainer.factor = torch.tensor(factor, dtype=torch.float32)
        trainer.optimiser.decay = torch.tensor(decay, dtype=torch.float32)
        found = trainer.run(piece)
        share = trainer.step / task.total
        if len(histories[0]) % (PIECES // LOOKS) == PIECES // LOOKS - 1:
            score = right_share(trainer, task.x["valid"], task.y["valid"])
        for k in np.flatnonzero(np.isnan(kept)):
            first = histories[k][0].loss if histories[k] else float(found.loss[k])
            histories[k].append(Watch(
                trainer.step, share, trainer.step / trainer.per_epoch, found.steps,
                float(found.loss[k]), float(found.norm[k]), float(found.move[k]),
                int(found.bad[k]), max(first, chance), chance, float(trainer.optimiser.rate[k]),
                None if score is None else float(score[k]),
            ))  # fmt: skip
            if len(histories[k]) % EVERY or share >= 1:
                continue
            best = int(np.argmax(policies[k] @ features(histories[k], done[k])))
            _, kind, by = MOVES[best]
            if kind == "rate":
                factor[k] *= by
                done[k].append({"trigger": TRIGGER, "share": share,
                                "action": {"kind": kind, "value": by}})  # fmt: skip
            elif kind == "decay":
                decay[k] *= by
            elif kind == "stop":
                end[k], kept[k] = share, 0.0
                kept[k] = right_share(trainer, task.x["test"], task.y["test"])[k]
    last = right_share(trainer, task.x["test"], task.y["test"])
    return np.where(np.isnan(kept), last, kept) - STEP_COST * end


def right_share(trainer: Trainer, x: Any, y: Any) -> Numbers:
    """The mean share given to the right class, of each network; nothing where it is no number."""
    shares = trainer.answers(x)[:, np.arange(len(y)), y]
    return np.asarray(np.nan_to_num(shares, nan=0.0).mean(axis=1))


def train(generations: int, seed: int) -> Iterator[tuple[Numbers, dict[str, Any]]]:
    """The policy and its provenance, after every five generations."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((len(MOVES), len(FEATURES)))
    weights[0, 0] = 0.3  # it begins by leaving all as it is
    gains = []
    for number in range(generations):
        pushes = rng.normal(size=(PAIRS, *weights.shape))
        policies = np.concatenate([weights + SPREAD * pushes, weights - SPREAD * pushes,
                                   weights[None], np.zeros_like(weights)[None]])  # fmt: skip
        ranks = np.zeros(2 * PAIRS)
        for i in range(EACH):
            worth = coached(drawn(SEEN, 1000 * seed + EACH * number + i), policies)
            gains.append(float(worth[-2] - worth[-1]))
            ranks += worth[:-2].argsort().argsort() / (2 * PAIRS - 1) - 0.5
        push = ((ranks[:PAIRS] - ranks[PAIRS:])[:, None, None] * pushes).sum(axis=0)
        weights = (1 - 0.005) * weights + STEP * push / (PAIRS * EACH) / SPREAD
        if number % 5 == 4:
            late = np.mean(gains[-10 * EACH :])
            print(f"{number + 1}: {late:+.4f} over doing nothing", file=sys.stderr, flush=True)
            yield weights, _provenance(seed, number + 1, gains)


def _provenance(seed: int, generations: int, gains: list[float]) -> dict[str, Any]:
    late = np.array(gains[-20 * EACH :])
    return {
        "trained_by": "benchmarks/coach_policy.py: evolution strategies over stacked perceptrons",
        "problems": [make.__name__ for make in SEEN], "seed": seed, "generations": generations,
        "trainings": generations * EACH * (2 * PAIRS + 2),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "gain_over_nothing_while_learning": round(float(late.mean()), 4),
        "gain_is": "mean share given to the right class, less the cost of steps",
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }  # fmt: skip


# -- judging ---------------------------------------------------------------------------------------


def judge(n: int, first: int = 900_000) -> dict[str, Any]:
    """Accuracy of both coaches on problems of kinds that were not learned from, paired.

    A finished problem is a line of `ROWS`, and not trained again.
    """
    coaches: dict[str, Coach | None] = {
        "rules": Rules(), "learned": coach_learned.read_policy(FILE), "nothing": None,
    }  # fmt: skip
    policy = hashlib.sha256(FILE.read_bytes().split(b'"provenance"')[0]).hexdigest()[:12]
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    known = {row["problem"]: row for row in rows if row["policy"] == policy}
    for number in range(first, first + n):
        if number in known:
            continue
        task = drawn(UNSEEN, number)
        row = {"policy": policy, "problem": number, "kind": task.name}
        row |= {name: _accuracy(task, coach) for name, coach in coaches.items()}
        known[number] = row
        with ROWS.open("a") as file:
            file.write(json.dumps(row) + "\n")
    return told(list(known.values()), list(coaches))


def told(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Mean accuracies in percent, and paired differences of the policy with their intervals."""
    out: dict[str, Any] = {"problems": len(rows), "kinds": [make.__name__ for make in UNSEEN]}
    out |= {name: round(float(np.mean([row[name] for row in rows])), 2) for name in names}
    for other in ("rules", "nothing"):
        gaps = [(row["kind"], row["learned"] - row[other]) for row in rows]
        out[f"learned - {other}"] = [round(x, 2) for x in interval(gaps)]
    return out


def _accuracy(task: Task, coach: Coach | None) -> float:
    """Percent right of the test examples, after a training with that coach or none."""
    one = task.trainer()
    if coach is None:
        one.run(one.total)
    else:
        for _ in Guided(one, looker(one, task.x["valid"], task.y["valid"]), coach).train(LOOKS):
            pass
    right = one.answers(task.x["test"])[0].argmax(axis=1) == task.y["test"]
    return 100 * float(right.mean())


def main() -> None:
    about = argparse.ArgumentParser(description="Trains the coach's policy, or judges it.")
    about.add_argument("--generations", type=int, default=120)
    about.add_argument("--seed", type=int, default=1)
    about.add_argument("--judge", type=int, nargs="?", const=80, default=0, metavar="PROBLEMS")
    asked = about.parse_args()
    torch.set_num_threads(1)
    if not asked.judge:
        for weights, provenance in train(asked.generations, asked.seed):
            FILE.write_text(coach_learned.policy_json(weights, provenance), encoding="utf-8")
        return
    found = judge(asked.judge)
    print(json.dumps(found))
    data = json.loads(FILE.read_text(encoding="utf-8"))
    data["provenance"]["judged"] = found
    FILE.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
