"""A generative model of designs, told how each ranked and asked for one better than the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.batch import Batch
from modelwright.designers.token_net import Net, Sequences, Weights, minus_picks
from modelwright.designers.token_places import Floats, Places
from modelwright.designers.token_policy import DRAWS, MEMORY, Rows, Sampler, begun, offer_drawn

MINI_BATCH = 64
BITS = 3.0  # A rank in bits is divided by this, so that conditions are about 1.
LEAST_ROWS = 15  # A model with a prior is asked at least for the best of so many.
N_CONDITIONS = 4


@dataclass(frozen=True)
class Model:
    """The network and its weights, and the rows remembered."""

    space: Any
    net: Net
    weights: Weights
    rows: Rows = Rows()


@dataclass(frozen=True)
class Generator:
    """Draws designs from an autoregressive model, conditioned on being better than the best.

    A gated recurrent unit of width `hidden` learns the remembered designs by maximum likelihood,
    option after option, `steps` steps of Adam after each block. It is told how each ranked, in
    bits: the best of 15 has 4, the middle one 1. Where trials report one of `costs`, say
    `("params", "macs", "latency_ms")`, it is told how dear each was beside the others too, by the
    first that any reports; `seconds` is the time of a trial, and a study that looks at a measured
    time does not repeat. `costs` is empty as shipped: on tables of architectures telling the
    parameters found worse ones. A `drop` share of the designs is learned without being told
    anything. After `initial` evenly spread trials, designs are drawn for the
    rank of the best and `margin` bits more, and the cost of one of the best quarter, with the
    logits pushed away by `guide` from those of a design of which nothing is told. Failed trials
    and those outside the limits rank last; with several goals outcomes rank by front and crowding.

    `prior` holds weights to begin with, as `learned` makes them of earlier studies of the same
    space; empty begins with all options equally likely.

    Chen et al., "Decision Transformer" (2021), and Kumar and Levine, "Model Inversion Networks"
    (2020), for asking a conditional model for more than was seen; Ho and Salimans, "Classifier-Free
    Diffusion Guidance" (2022), for the push. What differs: a recurrent network of some thousand
    weights that goes on learning during the study, ranks instead of returns.
    """

    initial: int = 10
    hidden: int = 32
    rate: float = 0.01
    steps: int = 8
    guide: float = 3.0
    margin: float = 1.0
    drop: float = 0.25
    costs: tuple[str, ...] = ()
    prior: tuple[float, ...] = ()

    name: ClassVar[str] = "generator"
    block: ClassVar[int] = 4

    def __post_init__(self) -> None:
        if min(self.initial, self.hidden, self.steps) < 1:
            raise InputError(
                "initial, hidden and steps are at least 1; got "
                f"{self.initial}, {self.hidden} and {self.steps}."
            )
        if not (self.rate > 0 and self.guide >= 0 and 0 <= self.drop < 1):
            raise InputError(
                "rate is over 0, guide at least 0, drop from 0 to below 1; got "
                f"{self.rate}, {self.guide} and {self.drop}."
            )

    @classmethod
    def learned(
        cls, space: Any, studies: Iterable[Sequence[Outcome]], n_steps: int = 400, **fields: Any
    ) -> Generator:
        """A generator whose prior has learned the outcomes of earlier studies of this space.

        Each study's outcomes are ranked among themselves; the newest and best 256 count. `fields`
        are those of the generator. Equal calls give equal priors, rounded to five digits. Raises
        InputError when no study has an outcome.
        """
        self = cls(**fields)
        net = Net(Places(space.root), self.hidden, N_CONDITIONS)
        known = [Rows().joined(net.places, space, study, MEMORY) for study in studies]
        known = [rows for rows in known if rows.outcomes]
        if not known:
            raise InputError("a prior is learned from at least one finished trial; got none.")
        key, weights = Key.of("prior"), Weights.of(net.start(Key.of("prior").seed(128)))
        for i in range(n_steps if len(net.places) else 0):
            weights = self._taught(net, weights, known[i % len(known)], 1, key.child(i))
        return replace(self, prior=tuple(float(f"{x:.5g}") for x in weights.flat))

    def start(self, brief: Brief) -> Model:
        """The prior, or a model to which all options are equally likely.

        Raises InputError when the prior is of another space or width.
        """
        net = Net(Places(brief.space.root), self.hidden, N_CONDITIONS)
        flat = net.start(Key.of(brief.seed).child(self.name).seed(128))
        if self.prior and len(self.prior) != net.n_parameters:
            raise InputError(
                f"the prior has {len(self.prior)} weights, and this space with hidden="
                f"{self.hidden} has {net.n_parameters}; make one with Generator.learned."
            )
        return Model(brief.space, net, Weights.of(np.array(self.prior) if self.prior else flat))

    def update(self, state: Model, outcomes: Sequence[Outcome], key: Key) -> Model:
        """The model after its steps on what is remembered, the block included."""
        rows = state.rows.joined(state.net.places, state.space, outcomes, MEMORY)
        if not len(state.net.places):
            return replace(state, rows=rows)
        weights = self._taught(state.net, state.weights, rows, self.steps, key)
        return replace(state, rows=rows, weights=weights)

    def _taught(self, net: Net, weights: Weights, rows: Rows, n_steps: int, key: Key) -> Weights:
        rng = np.random.default_rng(key.seed(128))
        told = self.conditions(rows)
        for _ in range(n_steps):
            taken = rng.permutation(len(told))[:MINI_BATCH]
            given = Sequences.of(net.places, [rows.steps[i] for i in taken])
            kept = rng.random((len(taken), 1)) >= self.drop
            made = net.forward(weights.flat, given, told[taken] * kept)
            real = given.real.astype(np.float64)
            d_logits = minus_picks(np.exp(made.log_p) * real[..., None], given, real)
            weights = weights.step(
                net.backward(weights.flat, made, d_logits / len(taken)), self.rate
            )
        return weights

    def conditions(self, rows: Rows) -> Floats:
        """What the model is told of each outcome, [n, 4].

        1 (nothing told: all 0), the rank in bits / 3, the cost's place among the known costs from
        -1 to 1, and 1 when the cost is known.
        """
        order, n = rows.order(), len(rows.outcomes)
        found = np.zeros((n, N_CONDITIONS))
        found[:, 0] = 1
        found[order, 1] = np.log2((n + 1) / (np.arange(n) + 1)) / BITS
        cost = self._cost(rows)
        known = ~np.isnan(cost)
        if known.sum() > 1:
            place = np.searchsorted(np.sort(cost[known]), cost[known]) / (known.sum() - 1)
            found[known, 2] = 2 * place - 1
            found[known, 3] = 1
        return found

    def _cost(self, rows: Rows) -> Floats:
        """The cost of each outcome, NaN where it is not known."""
        for name in self.costs:
            costs = [_measured(outcome, name) for outcome in rows.outcomes]
            if not all(math.isnan(c) for c in costs):
                return np.array(costs)
        return np.full(len(rows.outcomes), math.nan)

    def propose(self, state: Model, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """Designs drawn for a rank above the best; evenly spread points at the start."""
        batch, known = Batch(view, n, self.name), len(state.rows.outcomes)

        def draw() -> None:
            asked, bits = self._asked(state, max(DRAWS, 2 * n), key)
            why = f"asked for a design of {bits:.1f} bits, where the best of {known} outcomes has "
            why += f"{math.log2(known + 1):.1f}; the model gives it the probability"
            sampler = Sampler(state.net, state.weights.flat, self.guide)
            offer_drawn(
                batch, sampler, asked, lambda log_p: f"{why} e^{log_p:.2f}", key.child("model")
            )

        ready = (known or self.prior) and len(state.net.places)
        begun(batch, self.initial, draw if ready else None, key)
        return batch.proposals

    def _asked(self, state: Model, n: int, key: Key) -> tuple[Floats, float]:
        """Conditions [n, 4] to draw designs under, and the bits they ask for."""
        rows = state.rows
        count = len(rows.outcomes)
        bits = math.log2(max(count, LEAST_ROWS if self.prior else 1) + 1) + self.margin
        asked = np.zeros((n, N_CONDITIONS))
        if count:
            rng = np.random.default_rng(key.child("asked").seed(128))
            good = rows.order()[: max(1, count // 4)]
            asked = self.conditions(rows)[rng.choice(good, size=n)]
        asked[:, :2] = 1, bits / BITS
        return asked, bits


def _measured(outcome: Outcome, name: str) -> float:
    """A cost that the evidence has under this name, or NaN."""
    evidence = outcome.evidence
    if name == "seconds":
        value = evidence.seconds
    else:
        value = evidence.scores.get(name, evidence.facts.get(name))
    real = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if real and value is not None else math.nan
