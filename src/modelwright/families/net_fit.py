"""From a plan and labelled rows to a trained net: what the net families share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelwright.families.base import Examples, present_classes
from modelwright.families.dummy import Dummy, FittedDummy
from modelwright.families.matrix import Scaling
from modelwright.families.net_fitted import FittedNet, NetTarget, load_net
from modelwright.families.net_input import NetInput
from modelwright.families.net_shape import Activation, NetLoss, NetShape, Numbers
from modelwright.families.net_start import first_weights

WORK = 1e12  # multiplications of a fit: about 20 s of one busy core, half of that of a quiet one


@dataclass(frozen=True)
class NetPlan:
    """Everything a net family decides before it sees rows; the words are those of `NetShape`.

    `epochs` are passes over the rows, fewer where `WORK` binds; `scale_speed` multiplies the
    learning rate of the scales, `spread` is the deviation of the waves' frequencies.
    """

    widths: tuple[int, ...]
    epochs: int
    learning_rate: float
    weight_decay: float = 0.0
    dropout: float = 0.0
    smoothing: float = 0.0
    members: int = 1
    activation: Activation = "silu"
    numbers: Numbers = "plain"
    number_parts: int = 16
    number_size: int = 3
    category_size: int = 8
    scale_speed: float = 1.0
    spread: float = 0.1
    scaling: Scaling = "robust"


class NetDesign:
    """What the net families share: a subclass is a frozen dataclass with a `name` and a plan."""

    name: ClassVar[str]
    contains_rows: ClassVar[bool] = False
    keeps_monotone: ClassVar[bool] = False

    def plan(self) -> NetPlan:
        """Everything that is decided before rows are seen."""
        raise NotImplementedError

    def fit(
        self,
        examples: Examples,
        *,
        threads: int = 1,
        seed: int = 0,
        validation: Examples | None = None,
        rounds: int | None = None,
    ) -> FittedNet | FittedDummy:
        """The net at its best epoch on `validation`, after `rounds` epochs, or after all.

        The same seed, threads and processor give the same net.
        """
        return fit_net(
            self.name, self.plan(), examples,
            threads=threads, seed=seed, validation=validation, rounds=rounds,
        )  # fmt: skip

    @staticmethod
    def load(folder: Path) -> FittedNet:
        """The fitted model that `export` wrote."""
        return load_net(folder)


def fit_net(
    family: str,
    plan: NetPlan,
    examples: Examples,
    *,
    threads: int,
    seed: int,
    validation: Examples | None,
    rounds: int | None,
) -> FittedNet | FittedDummy:
    """A net at its best round on `validation`, or after `rounds`, or after all of them.

    With one class, equal values or nothing to look at, the constant answer.
    """
    from modelwright.families.net_train import NetData, Recipe, train

    classes = present_classes(examples) if examples.n_classes else np.zeros(0, np.int64)
    seen = NetInput.fit(examples.X, plan.scaling)
    if seen.empty or (examples.n_classes > 0 and len(classes) < 2):
        return Dummy().fit(examples)
    target = _target(examples, classes)
    if target.scale <= 0:
        return Dummy().fit(examples)
    shape = _shape(plan, seen, max(1, len(classes)))
    w = examples.weight / examples.weight.mean()

    def data(part: Examples, weights: Any) -> NetData:
        dense, rows = seen.apply(part.X)
        return NetData(dense, rows, _labels(part, target), np.asarray(weights, np.float32))

    own = data(examples, w)
    head = _constant_answer(examples, target)
    numbers = own.dense[:, : seen.n_numbers]
    start = first_weights(shape, numbers, head, plan.scale_speed, plan.spread, seed)
    held = None if validation is None else _known(validation, target)
    looked = None if held is None or rounds is not None else data(held, held.weight)
    recipe = Recipe(
        plan.learning_rate, plan.weight_decay, plan.dropout, plan.smoothing,
        plan.epochs, batch_size(len(own.y)), WORK,
    )  # fmt: skip
    trained = train(
        shape, start, own, looked, recipe, _loss(examples),
        threads=threads, seed=seed, rounds=rounds,
    )  # fmt: skip
    best = min(trained, key=lambda t: t.loss) if looked is not None else trained[-1]
    others = {t.round: t.weights for t in trained if t is not best}
    return FittedNet(family, seen, shape, target, best.round, best.weights, others)


def _loss(examples: Examples) -> tuple[NetLoss, float]:
    if examples.n_classes:
        return "classes", 0.0
    return ("squared", 0.0) if examples.loss == "squared" else ("pinball", examples.level)


def batch_size(n: int) -> int:
    """Rows of a batch: about a 32nd of the rows, between 32 and 1,024, a power of two.

    >>> [batch_size(n) for n in (100, 4000, 15000, 10**6)]
    [32, 128, 256, 1024]
    """
    if n >= 10_000:
        return int(min(1024, max(256, 2 ** round(np.log2(n / 128)))))
    return int(min(256, max(32, 2 ** round(np.log2(n / 32)))))


def _shape(plan: NetPlan, seen: NetInput, n_outputs: int) -> NetShape:
    return NetShape(
        seen.matrix.width,
        seen.n_numbers,
        len(seen.large),
        seen.n_rows,
        n_outputs,
        plan.numbers,
        plan.number_parts,
        plan.number_size,
        plan.category_size,
        plan.members,
        plan.widths,
        plan.activation,
    )


def _target(examples: Examples, classes: Any) -> NetTarget:
    if examples.n_classes:
        return NetTarget(classes, examples.n_classes)
    y, w = examples.y.astype(float), examples.weight
    centre = float(np.average(y, weights=w))
    scale = float(np.sqrt(np.average((y - centre) ** 2, weights=w)))
    return NetTarget(classes, 0, centre, scale, float(y.min()), float(y.max()))


def _labels(examples: Examples, target: NetTarget) -> Any:
    if target.n_classes:
        return np.searchsorted(target.classes, examples.y).astype(np.int64)
    return ((examples.y.astype(float) - target.centre) / target.scale).astype(np.float32)


def _known(validation: Examples, target: NetTarget) -> Examples | None:
    """Validation rows of classes that were seen in training; None when there are none."""
    if not target.n_classes:
        return validation
    known = np.isin(validation.y, target.classes)
    if known.all():
        return validation
    return validation.take(np.flatnonzero(known)) if known.any() else None


def _constant_answer(examples: Examples, target: NetTarget) -> Any:
    """What the head starts from: log shares of the classes, or the level asked for."""
    if target.n_classes:
        labels = _labels(examples, target)
        shares = np.bincount(labels, examples.weight, minlength=len(target.classes))
        return np.log(np.maximum(shares / shares.sum(), 1e-6)).astype(np.float32)
    if examples.loss == "squared":
        return np.zeros(1, np.float32)
    return np.quantile(_labels(examples, target), [examples.level]).astype(np.float32)
