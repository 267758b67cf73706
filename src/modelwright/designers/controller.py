"""A recurrent controller: a policy writes designs token by token and learns from their ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.batch import Batch
from modelwright.designers.token_net import Net, Sequences, Weights, chosen, minus_picks
from modelwright.designers.token_places import Floats, Places
from modelwright.designers.token_policy import (
    DRAWS,
    MEMORY,
    Rows,
    Sampler,
    begun,
    offer_drawn,
)

FADE = 0.8  # Of the baseline, with each outcome.
POWER = 3.0  # Of the share beaten: a step among the best counts more than one among the rest.
LEAST_SPREAD = 0.1  # Rewards of a block that hardly differ are not blown up further.


@dataclass(frozen=True)
class Policy:
    """The network and its weights, the rows remembered, and the baseline of their rewards."""

    space: Any
    net: Net
    weights: Weights
    rows: Rows = Rows()
    baseline: float = 1 / (1 + POWER)  # the mean reward when all ranks are equally likely


@dataclass(frozen=True)
class Controller:
    """Draws designs from a recurrent policy that is trained by REINFORCE.

    After `initial` evenly spread trials, a gated recurrent unit of width `hidden` chooses option
    after option among those that the space offers there. After each block its weights take `passes`
    steps of Adam along the policy gradient. The reward of an outcome is the cube of the share of
    remembered outcomes that it is not worse than, 0 when it failed; a fading mean is the baseline,
    the block's spread the scale. From the second pass on the ratio of the probabilities is clipped
    at 1 +- `clip`. `entropy` weighs a bonus for undecided options. Trials that others asked for
    teach in the same way, as if the policy had drawn them. With several goals outcomes rank by
    front and crowding.

    Zoph and Le, "Neural Architecture Search with Reinforcement Learning" (2017); the weighing
    against a moving average and the entropy bonus after Pham et al., "ENAS" (2018); clipping after
    Schulman et al., "Proximal Policy Optimization" (2017). What differs: budgets of a hundred
    trials rather than thousands, hence ranks as rewards, a small network and a high rate; no
    design is trained twice, so what the policy draws again is passed over; no weights are shared
    between designs; the even start.
    """

    initial: int = 10
    hidden: int = 32
    rate: float = 0.05
    passes: int = 1
    clip: float = 0.2
    entropy: float = 0.02

    name: ClassVar[str] = "controller"
    block: ClassVar[int] = 4

    def __post_init__(self) -> None:
        if min(self.initial, self.hidden, self.passes) < 1:
            raise InputError(f"initial, hidden and passes are at least 1; got {self}.")
        if not (self.rate > 0 and self.clip > 0 and self.entropy >= 0):
            raise InputError(f"rate and clip are over 0, entropy at least 0; got {self}.")

    def start(self, brief: Brief) -> Policy:
        """A policy to which all options are equally likely."""
        net = Net(Places(brief.space.root), self.hidden)
        flat = net.start(Key.of(brief.seed).child(self.name).seed(128))
        return Policy(brief.space, net, Weights.of(flat))

    def update(self, state: Policy, outcomes: Sequence[Outcome], key: Key) -> Policy:
        """The policy after its steps on this block, and the rows with the block at their end."""
        rows = state.rows.joined(state.net.places, state.space, outcomes, MEMORY)
        if not len(state.net.places):
            return replace(state, rows=rows)
        numbers = {o.trial.number for o in outcomes}
        new = [i for i, o in enumerate(rows.outcomes) if o.trial.number in numbers]
        rewards, baseline = rewards_of(rows)[new], state.baseline
        scale = max(LEAST_SPREAD, float(rewards.std()))
        given = Sequences.of(state.net.places, [rows.steps[i] for i in new])
        weights = self._taught(state, given, (rewards - baseline) / scale)
        for reward in rewards:
            baseline = FADE * baseline + (1 - FADE) * float(reward)
        return replace(state, rows=rows, weights=weights, baseline=baseline)

    def _taught(self, state: Policy, given: Sequences, advantages: Floats) -> Weights:
        net, weights = state.net, state.weights
        before = None
        for _ in range(self.passes):
            made = net.forward(weights.flat, given, np.zeros((len(advantages), 0)))
            taken = chosen(made.log_p, given)
            before = taken if before is None else before
            d_logits = self.slope(made.log_p, given, np.exp(taken - before), advantages)
            weights = weights.step(net.backward(weights.flat, made, d_logits), self.rate)
        return weights

    def slope(self, log_p: Floats, given: Sequences, ratio: Floats, advantages: Floats) -> Floats:
        """The derivative of the clipped policy loss by the logits, [n_steps, n_designs, n_options].

        The loss, per design, is minus the sum over its decisions of the lower of ratio * advantage
        and the same with the ratio clipped, minus `entropy` times the entropies of the decisions.
        `ratio` is [n_steps, n_designs], `advantages` [n_designs].
        """
        far = np.where(advantages > 0, ratio > 1 + self.clip, ratio < 1 - self.clip)
        pull = np.where(far | ~given.real, 0.0, ratio * advantages)
        p = np.exp(log_p)
        found = minus_picks(p * pull[..., None], given, pull)
        parts = np.where(p > 0, p * log_p, 0.0)
        spread = parts - p * parts.sum(axis=-1, keepdims=True)
        found += self.entropy * np.where(given.real[..., None], spread, 0.0)
        return found / len(advantages)

    def propose(self, state: Policy, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """Designs drawn from the policy; evenly spread points at the start."""
        batch, known = Batch(view, n, self.name), len(state.rows.outcomes)

        def draw() -> None:
            asked = np.zeros((max(DRAWS, 2 * n), 0))
            why = (
                f"drawn by the policy that {known} outcomes taught, which gives it the probability"
            )
            sampler = Sampler(state.net, state.weights.flat)
            offer_drawn(
                batch, sampler, asked, lambda log_p: f"{why} e^{log_p:.2f}", key.child("policy")
            )

        begun(batch, self.initial, draw if known and len(state.net.places) else None, key)
        return batch.proposals


def rewards_of(rows: Rows) -> Floats:
    """Each outcome's share of outcomes that it is not worse than, to the power 3; 0 when failed."""
    order, n = rows.order(), len(rows.outcomes)
    found = np.empty(n)
    found[order] = ((n - np.arange(n)) / n) ** POWER
    found[[not o.ok for o in rows.outcomes]] = 0.0
    return found
