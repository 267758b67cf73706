"""The training loop: segments of steps, exact resume, several networks of one shape at once."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from modelwright.core.keys import Key
from modelwright.training.augment import augmented, mixed
from modelwright.training.guide import Guide
from modelwright.training.lessons import Lessons
from modelwright.training.optimise import Optimiser, clip_, silence_
from modelwright.training.plain_net import OwnStep, PlainNet
from modelwright.training.recipe import Recipe, Sgd, recipe_json, recipe_of
from modelwright.training.speed import reseed
from modelwright.training.torch_net import TorchNet

AVERAGE = 0.98  # of the running mean of weights, at a tenth of the steps or later
ASKED = 512  # examples answered at a time
FRESH = 0.5  # of an example's newest loss in the one that is remembered


@dataclass(frozen=True)
class Segment:
    """What a stretch of training showed; one number for each network, `[copies]`.

    `loss` is the mean training loss, `norm` the mean norm of the gradients before clipping, `move`
    the norm of the last step over that of the weights, `bad` how many batches gave no finite loss
    or gradient (those change nothing, but where the step is the user's own).
    """

    steps: int
    loss: npt.NDArray[np.float64]
    norm: npt.NDArray[np.float64]
    move: npt.NDArray[np.float64]
    bad: npt.NDArray[np.int64]


@dataclass
class Trainer:
    """Trains the networks of one module, each by a recipe of its own, for `total` steps.

    Recipes of one module share batch size, augmentation and kind of optimiser. A batch larger than
    `at_once` goes through in parts: equal up to rounding where no norm looks at the batch and there
    is no dropout. All that is random
    (order, augmentation, dropout, blends) is drawn from `seed` and the number of the step, so that
    `state` needs no generators, and a run that goes on after `load` gives the same numbers as one
    that was not interrupted, on the same machine with the same number of threads.
    """

    net: TorchNet | PlainNet
    recipes: Sequence[Recipe]
    lessons: Lessons
    total: int
    seed: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    narrow: bool = False  # products in bfloat16
    at_once: int | None = None  # examples in memory: larger batches' gradients are added up
    own: OwnStep | None = None  # a step of the user's, in the place of loss, clipping and optimiser
    guide: Guide | None = None  # a teacher beside a single network
    step: int = 0
    loading: float = 0.0  # seconds in which batches were read, scaled and changed
    factor: Tensor = field(init=False)  # of the learning rates, for who steers
    mean: dict[str, Tensor] = field(init=False, default_factory=dict)
    remembered: Tensor = field(init=False)  # losses of examples in the last epochs, `[copies, n]`

    def __post_init__(self) -> None:
        self.net.to(self.device)
        self.factor = torch.ones(self.net.copies, device=self.device)
        self.learn(self.lessons)
        self._prepare()

    def learn(self, lessons: Lessons) -> None:
        """Goes on with other examples, of which nothing is remembered."""
        shape = (self.net.copies, len(lessons.y))
        self.lessons, self.remembered = lessons, torch.full(shape, torch.nan, device=self.device)

    def _prepare(self) -> None:
        """What follows from the recipes: an optimiser without memory, and numbers of each copy."""
        first, k = self.recipes[0], self.net.copies
        named = list(self.net.named_parameters())
        optimisers = [recipe.optimiser for recipe in self.recipes]
        momentum = [o.momentum for o in optimisers if isinstance(o, Sgd)]
        self.optimiser = Optimiser(
            [w for _, w in named], k,
            self._each([o.rate for o in optimisers]), self._each([o.decay for o in optimisers]),
            self._each(momentum) if momentum else None,
            [_exempt(self.net, name) for name, _ in named], _slow(self.net, [n for n, _ in named]),
        )  # fmt: skip
        self._smooth = self._each([r.smoothing for r in self.recipes])
        self._clip = self._each([r.clip for r in self.recipes])
        self._size = min(first.batch, len(self.lessons.y))

    def _each(self, numbers: Sequence[float]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=self.device)

    @property
    def per_epoch(self) -> int:
        """Steps in which every example is seen once."""
        return max(1, len(self.lessons.y) // self._size)

    def change(self, recipes: Sequence[Recipe]) -> None:
        """Goes on by other recipes.

        Another kind of optimiser starts without memory. Another batch size numbers the steps anew,
        done and to come, so that epochs and the schedule go on from where they are.
        """
        old, self.recipes, size = self.optimiser, list(recipes), self._size
        self._prepare()
        if (old.momentum is None) == (self.optimiser.momentum is None):
            self.optimiser.load(old.state())
        self.step = round(self.step * size / self._size)
        self.total = max(1, round(self.total * size / self._size))

    def run(self, steps: int, weights: npt.NDArray[np.float64] | None = None) -> Segment:
        """Trains on for so many steps, at most to the end.

        `weights` `[n]` make examples likelier to be drawn than others; without them each epoch sees
        every example once. With weights it sees each about as often as they say, most evenly.
        """
        self.net.train()
        until = min(self.total, self.step + steps)
        done, k = max(1, until - self.step), self.net.copies
        loss, norm, bad = (torch.zeros(k, device=self.device) for _ in range(3))
        before = [w.detach().clone() for w in self.net.parameters()] if until > self.step else []
        for rows in self._batches(until, weights):
            reseed(self.device, Key.of(self.seed).child("step", self.step).seed(63))
            kept = [b.clone() for b in self.net.buffers()]
            losses, norms, fine = self._learn(rows, kept)
            if self.guide is not None:
                self.guide.step()
            self.step += 1
            loss += torch.where(fine, losses.detach(), 0)
            norm += torch.where(fine, norms, 0)
            bad += ~fine
            self._average()
        good = (done - bad).clamp(min=1)
        return Segment(done, _plain(loss / good), _plain(norm / good), _plain(self._moved(before)),
                       bad.cpu().numpy().astype(np.int64))  # fmt: skip

    def _batches(
        self, until: int, weights: npt.NDArray[np.float64] | None
    ) -> Iterator[npt.NDArray[np.intp]]:
        n = len(self.lessons.y)
        epoch, order = -1, np.zeros(0, np.intp)
        while self.step < until:
            if self.step // self.per_epoch != epoch:
                epoch = self.step // self.per_epoch
                rng = np.random.default_rng(Key.of(self.seed).child("epoch", epoch).seed(128))
                order = rng.permutation(n)
                if weights is not None:
                    order = order[_evenly(weights[order], rng)][rng.permutation(n)]
            at = self.step % self.per_epoch * self._size
            yield order[at : at + self._size]

    def _learn(
        self, rows: npt.NDArray[np.intp], kept: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A step: losses, norms of the gradients, and whether all is finite, `[copies]` each."""
        if self.own is not None:
            x = self.lessons.batch(rows, self.device)
            if x.ndim == 4:
                x = augmented(x, self.recipes[0].augment)
            y = torch.from_numpy(np.ascontiguousarray(self.lessons.y[rows])).to(self.device)
            share = self.step / max(1, self.total)
            factor = float(self.factor[0]) * self.recipes[0].rate_at(share)
            losses, norms = self.own(x, y, factor)
            self.optimiser.rate = self._each([self.own.rate])
            return losses, norms, torch.isfinite(losses)
        losses = self._losses(rows)
        norms = clip_(self.net.parameters(), self.net.copies, self._clip)
        fine = torch.isfinite(losses.detach()) & torch.isfinite(norms)
        self._silence(fine, kept)
        self.optimiser.rate = self._rates()
        self.optimiser.step()
        return losses, norms, fine

    def _losses(self, rows: npt.NDArray[np.intp]) -> Tensor:
        """The mean loss of each network on a batch, `[copies]`; its gradients are there."""
        how, began = self.recipes[0].augment, time.perf_counter()
        x = self.lessons.batch(rows, self.device)
        if x.ndim == 4:
            x = augmented(x, how)
        partner = share = None
        if how.mix:
            x, partner, share = mixed(x, how.mix)
        y = torch.from_numpy(np.ascontiguousarray(self.lessons.y[rows])).to(self.device)
        other = None if partner is None else y[partner]
        told = self._told(rows, partner, share)
        self.loading += time.perf_counter() - began
        total = torch.zeros(self.net.copies, device=self.device)
        parts = -(-len(rows) // (self.at_once or len(rows)))
        for at in np.array_split(np.arange(len(rows)), parts):
            part = slice(int(at[0]), int(at[-1]) + 1)
            pair = None if other is None or share is None else (other[part], share[part, None])
            asked = None if told is None else told[part]
            own = self._part(rows[part], x[part], y[part], pair, asked)
            mean = own.mean(dim=0) * (len(own) / len(rows))
            mean.sum().backward()  # type: ignore[no-untyped-call]
            total += mean.detach()
        return total

    def _part(
        self, rows: npt.NDArray[np.intp], x: Tensor, y: Tensor,
        blended: tuple[Tensor, Tensor] | None, told: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """Losses `[batch, copies]` of what is in memory at a time."""
        guide, theirs = self.guide, list[Tensor]()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.narrow):
            out, maps = self.net.watch(x, () if guide is None else guide.watched)
            if guide is not None:
                told, theirs = guide.shares(x)
        out = out.float()
        own = self._loss(out, y)
        self._remember(rows, own.detach())
        if blended is not None:
            other, share = blended
            own = share * own + (1 - share) * self._loss(out, other)
        if told is not None:
            own = self._as_taught(out, own, told)
        if guide is not None and guide.watched:
            own = own + guide.apart(maps, theirs)[:, None]
        return own

    def _told(
        self, rows: npt.NDArray[np.intp], partner: Tensor | None, share: Tensor | None
    ) -> Tensor | None:
        """What a teacher said beforehand of a batch, `[batch, k]`; of blends the blend of it."""
        if self.lessons.taught is None or self.guide is not None:
            return None
        told = torch.from_numpy(self.lessons.taught[rows]).to(self.device)
        if partner is not None and share is not None:
            told = share[:, None] * told + (1 - share[:, None]) * told[partner]
        return told

    def _loss(self, out: Tensor, y: Tensor) -> Tensor:
        """Losses `[batch, copies]` of answers `[batch, copies, k]`."""
        if not self.lessons.n_classes:
            losses: Tensor = self.lessons.costs(out[:, :, 0], y[:, None])
            return losses
        logs = F.log_softmax(out, dim=2)
        hit = logs.gather(2, y.long()[:, None, None].expand(-1, self.net.copies, 1))[:, :, 0]
        return -(1 - self._smooth) * hit - self._smooth * logs.mean(dim=2)

    def _as_taught(self, out: Tensor, own: Tensor, told: Tensor) -> Tensor:
        """The loss with the teacher's part in it, where it was asked."""
        heat, trust = self.lessons.temperature, self.lessons.trust
        asked = told.isfinite().all(dim=1, keepdim=True)
        if not self.lessons.n_classes:  # what it says is one more value to come near to
            apart = self._loss(out, told.nan_to_num(0.0)[:, 0])
            return torch.where(asked, (1 - trust) * own + trust * apart, own)
        soft = told.nan_to_num(1.0).clamp(min=1e-8) ** (1 / heat)
        soft = soft / soft.sum(dim=1, keepdim=True)
        logs = F.log_softmax(out / heat, dim=2)
        apart = -(soft[:, None] * logs).sum(dim=2) * heat**2
        return torch.where(asked, (1 - trust) * own + trust * apart, own)

    def _remember(self, rows: npt.NDArray[np.intp], losses: Tensor) -> None:
        """Takes the losses `[batch, copies]` before the step into the running ones of the rows."""
        at = torch.from_numpy(rows).to(self.device)
        old, new = self.remembered[:, at], losses.T
        both = torch.where(old.isfinite(), old + FRESH * (new - old), new)
        self.remembered[:, at] = torch.where(new.isfinite(), both, old)

    def _silence(self, fine: Tensor, kept: Sequence[Tensor]) -> None:
        """No step for a network whose batch went wrong, nor a trace of it in what norms keep."""
        if bool(fine.all()):
            return
        for w in self.net.parameters():
            silence_(w, self.net.copies, fine)
        for buffer, before in zip(self.net.buffers(), kept, strict=True):
            k = self.net.copies
            buffer.view(k, -1)[~fine] = before.view(k, -1)[~fine]

    def _rates(self) -> Tensor:
        share = self.step / max(1, self.total)
        at = [r.optimiser.rate * r.rate_at(share) for r in self.recipes]
        return self._each(at) * self.factor

    def _average(self) -> None:
        """The running mean of the weights, where the recipe asks for it."""
        if not self.recipes[0].average or self.step < 0.1 * self.total:
            return
        if not self.mean:
            self.mean = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
            return
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():  # not a count of batches
                self.mean[name].lerp_(value.detach(), 1 - AVERAGE)

    def _moved(self, before: Sequence[Tensor]) -> Tensor:
        k = self.net.copies
        pairs = list(zip(before, self.net.parameters(), strict=bool(before)))
        if not pairs:
            return torch.zeros(k)
        moved = torch.stack([(w.detach() - b).view(k, -1).square().sum(1) for b, w in pairs]).sum(0)
        size = torch.stack([b.view(k, -1).square().sum(1) for b, _ in pairs]).sum(0)
        return (moved / size.clamp(min=1e-12)).sqrt()

    def answers(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Shares of classes `[copies, n, k]`, or values `[copies, n]`; by mean weights if any."""
        kept = None
        if self.mean:
            kept = {k: v.clone() for k, v in self.net.state_dict().items()}
            self.net.load_state_dict(self.mean)
        self.net.eval()
        parts = []
        lessons = Lessons(
            x, self.lessons.y, self.lessons.n_classes, self.lessons.shift, self.lessons.scale
        )
        with torch.inference_mode():
            for at in range(0, len(x), ASKED):
                rows = np.arange(at, min(len(x), at + ASKED))
                parts.append(self.net(lessons.batch(rows, self.device)).cpu().double())
            out = torch.cat(parts).transpose(0, 1)
            out = out.softmax(dim=2) if self.lessons.n_classes else out[:, :, 0]
        if kept is not None:
            self.net.load_state_dict(kept)
        return np.asarray(out.cpu().numpy())

    def state(self) -> dict[str, Any]:
        """All that an exact resume needs: tensors by name, and numbers."""
        return {
            "step": self.step,
            "recipes": [recipe_json(recipe) for recipe in self.recipes],
            "remembered": self.remembered.clone(),
            "net": {k: v.detach().clone() for k, v in self.net.state_dict().items()},
            "mean": {k: v.clone() for k, v in self.mean.items()},
            "factor": self.factor.clone(),
            "optimiser": self.optimiser.state(),
            "own": {} if self.own is None else self.own.state(),
            "guide": {} if self.guide is None else self.guide.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes back (or on) to what `state` gave."""
        self.change([recipe_of(data) for data in state["recipes"]])
        self.step = int(state["step"])
        self.remembered = state["remembered"].clone()
        self.net.load_state_dict(state["net"])
        self.mean = {k: v.clone() for k, v in state["mean"].items()}
        self.factor = state["factor"].clone()
        self.optimiser.load(state["optimiser"])
        if self.own is not None:
            self.own.load(state["own"])
        if self.guide is not None:
            self.guide.load(state["guide"])


def _slow(net: TorchNet | PlainNet, names: Sequence[str]) -> list[float]:
    """How much slower than the others each weight learns; empty where none does."""
    if isinstance(net, PlainNet) or not any(hasattr(layer, "slow") for layer in net.layers):
        return []
    return [float(getattr(net.layers[int(n.split(".")[1])], "slow", 1.0)) for n in names]


def _exempt(net: TorchNet | PlainNet, name: str) -> bool:
    """True for biases and the scales of norms: decay is for what multiplies inputs."""
    if isinstance(net, PlainNet):
        return net.exempt(name)
    number = int(name.split(".")[1])
    return name.endswith("bias") or net.ops.steps[number].kind == "norm"


def _evenly(weights: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """As many places as weights, each drawn as often as its weight says, give or take one.

    Systematic sampling (Madow 1949): less chance in it than in independent draws.
    """
    ends = np.cumsum(weights / weights.sum()) * len(weights)
    places = np.searchsorted(ends, np.arange(len(weights)) + rng.random(), side="right")
    return np.asarray(np.minimum(places, np.flatnonzero(weights)[-1]), np.intp)


def _plain(numbers: Tensor) -> npt.NDArray[np.float64]:
    return numbers.detach().cpu().double().numpy()  # MPS has no numbers of 64 bits


def steps_for(n_rows: int, batch: int, epochs: float) -> int:
    """The steps in so many epochs, at least one."""
    return max(1, math.ceil(epochs * max(1, n_rows // min(batch, n_rows))))
