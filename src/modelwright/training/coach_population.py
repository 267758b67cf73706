"""Population-based training (Jaderberg et al. 2017): side by side, and the worst copy the best.

One network comes of it, with the schedule of settings that led to it, which `follow` repeats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.training.coach import Row
from modelwright.training.coach_orders import Order, answer, paused
from modelwright.training.coach_rules import Watch
from modelwright.training.population import drawn
from modelwright.training.recipe import Augment, Recipe, recipe_json, recipe_of
from modelwright.training.replay import Look, Numbers, paired
from modelwright.training.torch_net import TorchNet
from modelwright.training.trainer import Trainer

SIZE = 4  # members where nobody says how many
WIDE, NARROW = 3.0, (0.8, 1.25)  # factors of settings: at the start up to, and in an exploration
MOST_DROPOUT = 0.6
PLAIN = ("rows", "stopped", "spent", "score", "_next")


@dataclass
class Member:
    """One of the trainings: its state, settings, the values of its last look, and how it came here.

    `line` are the parts of its schedule: `until` a step, by a `recipe` and with `dropout` times the
    design's, of a `total`; `origin` is the member whose first weights they began with. `watch` is
    of the newest part. `copied` is the row and the member it was copied from, until that is judged.
    """

    state: dict[str, Any]
    recipe: Recipe
    dropout: float
    origin: int
    line: list[Row] = field(default_factory=list)
    values: Numbers = field(default_factory=lambda: np.array([-np.inf]))  # not looked at yet
    watch: Watch | None = None
    copied: tuple[int, int] | None = None


@dataclass
class Population:
    """Trains `size` networks of one design by settings of their own, and keeps one.

    They run one after the other between looks, on the same batches, in one `trainer`, which holds
    the best of them after each look. Then the worst quarter is compared with the best, paired on
    the validation examples: where the interval says that it is worse it takes over weights, memory
    of the optimiser and settings, and changes learning rate, decay, augmentation and dropout a
    little. That is a row; its verdict comes at the next look, from the difference to the member it
    was copied from, which went on by the old settings from the same weights on the same batches.

    A training of n steps costs `side` times as many. Unlike in the paper all members are
    judged at once and by an interval. A person may `pause` and `resume` the exchange.
    """

    trainer: Trainer
    look: Look
    orders: list[Order] = field(default_factory=list)
    side: int = SIZE
    rows: list[Row] = field(default_factory=list)
    history: list[Watch] = field(default_factory=list)
    stopped: str = ""
    spent: int = 0
    score: float | None = None
    members: list[Member] = field(default_factory=list)
    _next: int = 0  # the member that trains next
    _goal: float = 0.0

    @property
    def share(self) -> float:
        """How much of the training is over, 0 to 1, between looks that of the member at work."""
        return min(1.0, self.trainer.step / self.trainer.total)

    @property
    def schedule(self) -> list[Row]:
        """The settings that led to the best network, in order, as `follow` takes them."""
        return self.members[self._best()].line if self.members else []

    def pieces(self, looks: int = 8) -> Iterator[bool]:
        """Trains to the end; False after each member's part, True after all of them were seen."""
        if not self.members:
            self._begin()
        while self._next or self.trainer.step < self.trainer.total:
            if not self._goal:
                self._goal = min(1.0, (math.floor(self.share * looks + 1e-6) + 1) / looks)
            self._part(self.members[self._next])
            self._next += 1
            if self._next < len(self.members):
                yield False
                continue
            self._next, self._goal = 0, 0.0
            self._obey()
            self._judge()
            if self.trainer.step < self.trainer.total and not paused(self.orders):
                self._exchange()
            best = self.members[self._best()]
            self._enter(best)
            self.score = float(best.values.mean())
            assert best.watch is not None, "each has trained"
            self.history.append(replace(best.watch, score=self.score))
            yield True

    # -- training ----------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Members with weights of their own; the first has the given ones and their settings."""
        recipe = self.trainer.recipes[0]
        for place in range(self.side):
            rng = self._rng("start", place)
            factors = np.exp(rng.uniform(-1, 1, 4) * math.log(WIDE)) if place else np.ones(4)
            own, dropout = changed(recipe, 1.0, factors)
            if place:  # the first may have been given what a parent or a teacher learnt
                start_anew(self.trainer, place)
            self.members.append(Member(self.trainer.state(), own, dropout, place))

    def _part(self, member: Member) -> None:
        """One member trains up to the next look, and is looked at."""
        trainer = self.trainer
        self._enter(member)
        goal = max(trainer.step + 1, math.ceil(self._goal * trainer.total - 1e-6))
        found = trainer.run(goal - trainer.step)
        if self._next:
            self.spent += found.steps
        part = {"until": trainer.step, "total": trainer.total, "origin": member.origin,
                "recipe": recipe_json(member.recipe), "dropout": member.dropout}  # fmt: skip
        member.line.append(part)
        member.values = np.nan_to_num(self.look(), nan=-np.inf, neginf=-np.inf)
        member.state = trainer.state()
        if member.copied is not None:
            self.rows[member.copied[0]]["after"] = self.reading(member)
        chance = math.log(trainer.lessons.n_classes) if trainer.lessons.n_classes else 1.0
        member.watch = Watch(
            trainer.step, self.share, trainer.step / trainer.per_epoch, found.steps,
            float(found.loss[0]), float(found.norm[0]), float(found.move[0]), int(found.bad[0]),
            chance, chance, float(trainer.optimiser.rate[0]),
        )  # fmt: skip

    def _enter(self, member: Member) -> None:
        self.trainer.load(member.state)
        self.trainer.change([member.recipe])
        drop(self.trainer, member.dropout)

    def reading(self, member: Member) -> dict[str, Any]:
        """What the optimiser holds for the member at work, and its other settings."""
        trainer = self.trainer
        return {
            "rate": float(trainer.optimiser.rate[0]), "decay": float(trainer.optimiser.decay[0]),
            "augment": asdict(member.recipe.augment), "dropout": member.dropout,
            "step": trainer.step,
        }  # fmt: skip

    def _best(self) -> int:
        return int(np.argmax([float(member.values.mean()) for member in self.members]))

    def _rng(self, *names: str | int) -> np.random.Generator:
        return np.random.default_rng(Key.of(self.trainer.seed).child(*names).seed(128))

    # -- exploit and explore -----------------------------------------------------------------------

    def _exchange(self) -> None:
        """The worst quarter copies the best, where it is worse beyond chance, and changes a bit."""
        order = sorted(range(len(self.members)), key=lambda i: float(self.members[i].values.mean()))
        quarter = max(1, len(order) // 4)
        for place, worse in enumerate(order[:quarter]):
            better = order[-1 - place]
            loser, winner = self.members[worse], self.members[better]
            lost = not np.isfinite(loser.values).all()
            gain = (1.0, 1.0, 1.0) if lost else paired(loser.values, winner.values)
            if gain[1] <= 0:
                continue
            row = self._row(worse, better, gain)
            rng = self._rng("explore", self.trainer.step, worse)
            recipe, dropout = changed(winner.recipe, winner.dropout, rng.choice(NARROW, 4))
            self.rows.append(row)
            self.members[worse] = Member(
                winner.state, recipe, dropout, winner.origin, list(winner.line),
                winner.values, winner.watch, (len(self.rows) - 1, better),
            )  # fmt: skip

    def _row(self, worse: int, better: int, gain: Sequence[float]) -> Row:
        loser = self.members[worse]
        self._enter(loser)
        return {
            "at": self.trainer.step / self.trainer.per_epoch, "share": self.share,
            "step": self.trainer.step, "trigger": "population",
            "action": {"kind": "exploit", "value": f"member {worse} from member {better}",
                       "compared": True},
            "evidence": {"worse_by": gain[0], "at_least": gain[1], "members": len(self.members)},
            "alternatives": ["keep its own weights and settings"],
            "expected": "a copy of the better one, with settings a little changed, goes further",
            "before": self.reading(loser), "after": None, "kept": True, "verdict": "not judged",
            "interval": list(gain), "cost": 0,
        }  # fmt: skip

    def _judge(self) -> None:
        """What the changed settings were worth, beside the member that kept them."""
        for member in self.members:
            if member.copied is None:
                continue
            row, source = member.copied
            beside, own = self.members[source].values, member.values
            member.copied = None
            found = paired(beside, own) if np.isfinite(own).all() else (-1.0, -1.0, -1.0)
            word = "helped" if found[1] > 0 else "hurt" if found[2] < 0 else "neutral"
            self.rows[row]["verdict"] = word
            self.rows[row]["evidence"]["explored_gain"] = found[0]

    def _obey(self) -> None:
        """A row for each order of a person."""
        known = {row["order"] for row in self.rows if "order" in row}
        for order in self.orders:
            if order["n"] in known:
                continue
            about = answer(order)
            if order["do"] not in ("pause", "resume"):
                refused = "the members of a population have settings of their own; pause, resume"
                about |= {"refused": f"{refused} are what it takes.", "kept": False}
            held = self.reading(self.members[self._best()])
            self.rows.append({
                "at": self.trainer.step / self.trainer.per_epoch, "share": self.share,
                "step": self.trainer.step, "trigger": "a person",
                "action": {"kind": order["do"], "value": order.get("what"), "compared": False},
                "evidence": {}, "alternatives": [], "expected": "", "before": held, "after": held,
                "kept": True, "verdict": "not judged", "interval": None, "cost": 0, **about,
            })  # fmt: skip

    # -- resume ------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that an exact resume needs; between two results of `pieces`."""
        members = [
            {**vars(m), "recipe": recipe_json(m.recipe), "watch": m.watch and asdict(m.watch)}
            for m in self.members
        ]
        return {
            "trainer": self.trainer.state(), "total": self.trainer.total, "members": members,
            "goal": self._goal, "history": [asdict(watch) for watch in self.history],
            **{name: getattr(self, name) for name in PLAIN},
        }  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` gave."""
        self.trainer.load(state["trainer"])
        self.trainer.total, self._goal = int(state["total"]), float(state["goal"])
        self.history = [Watch(**watch) for watch in state["history"]]
        self.members = [
            Member(**{
                **m, "recipe": recipe_of(m["recipe"]), "watch": m["watch"] and Watch(**m["watch"])
            })
            for m in state["members"]
        ]  # fmt: skip
        for name in PLAIN:
            setattr(self, name, state[name])


def changed(
    recipe: Recipe, dropout: float, factors: Sequence[float] | Numbers
) -> tuple[Recipe, float]:
    """The recipe and dropout with rate, decay, augmentation and dropout times so much."""
    rate, decay, strength, drops = map(float, factors)
    old, how = recipe.optimiser, recipe.augment
    optimiser = replace(old, rate=old.rate * rate, decay=old.decay * decay)
    stronger = Augment(how.flip, min(0.25, how.shift * strength), min(0.5, how.cut * strength),
                       min(1.0, how.mix * strength))  # fmt: skip
    return replace(recipe, optimiser=optimiser, augment=stronger), dropout * drops


def drop(trainer: Trainer, factor: float) -> None:
    """Sets the dropout of all layers that have some to `factor` times the design's."""
    net = _of_operations(trainer)
    for layer, op in zip(net.layers, net.ops.steps, strict=True):
        if op.kind in ("dropout", "hide"):
            rate = min(MOST_DROPOUT, op.about["rate"] * factor)
            layer.about = {**op.about, "rate": rate}  # type: ignore[assignment]


def _of_operations(trainer: Trainer) -> TorchNet:
    """The trainer's network. InputError for a module of a person's own, which has no settings."""
    if not isinstance(trainer.net, TorchNet) or trainer.net.copies != 1:
        raise InputError("a population trains one network of the search's own; take another coach.")
    return trainer.net


def start_anew(trainer: Trainer, place: int) -> None:
    """Step 0 with weights drawn from the trainer's seed and the place, and nothing remembered."""
    state = trainer.state()
    tensors = state["optimiser"]["tensors"]
    weights = drawn(_of_operations(trainer).ops, trainer.seed, place)
    trainer.load({
        **state, "step": 0, "mean": {}, "net": weights,
        "remembered": torch.full_like(trainer.remembered, torch.nan),
        "optimiser": {"steps": 0,
                      "tensors": {k: torch.zeros_like(t) for k, t in tensors.items()}},
    })  # fmt: skip


def follow(trainer: Trainer, schedule: Sequence[Row]) -> None:
    """Trains the trainer's network by a schedule alone: the same weights as the population's best.

    The trainer has the design, the first weights, the lessons and the seed of the population's.
    """
    if schedule[0]["origin"]:
        start_anew(trainer, schedule[0]["origin"])
    for part in schedule:
        trainer.total = part["total"]
        trainer.change([recipe_of(part["recipe"])])
        drop(trainer, part["dropout"])
        trainer.run(part["until"] - trainer.step)
