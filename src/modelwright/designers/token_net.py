"""A small recurrent network over decisions, and its gradients by hand.

Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014): the gated recurrent
unit; the reset gate acts after the matrix, as in cuDNN. Options of equal name share their vectors
wherever they are offered, and every place has a vector and biases of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from modelwright.designers.token_places import Floats, Ints, Places

NEVER = -1e9  # The logit of an option that is not offered.


@dataclass(frozen=True)
class Sequences:
    """Decisions of several designs, [n_steps, n_designs] each.

    `before` holds the word chosen before each decision (the last word of the table at the first),
    `real` is False behind a design's end.
    """

    places: Ints
    picks: Ints
    before: Ints
    real: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, places: Places, designs: Sequence[Sequence[tuple[int, int]]]) -> Sequences:
        """The sequences of what `Places.read` gave."""
        shape = (max(1, max(map(len, designs), default=1)), len(designs))
        at, picks = np.zeros(shape, dtype=np.intp), np.zeros(shape, dtype=np.intp)
        real = np.zeros(shape, dtype=np.bool_)
        for j, steps in enumerate(designs):
            if steps:
                at[: len(steps), j], picks[: len(steps), j] = np.array(steps).T
                real[: len(steps), j] = True
        before = np.full(shape, len(places.words), dtype=np.intp)
        before[1:] = places.options[at, picks][:-1]
        return cls(at, picks, before, real)


@dataclass(frozen=True)
class Pass:
    """What a forward pass found, kept for the backward one.

    `log_p` is [n_steps, n_designs, n_options]; the rest are inner values.
    """

    log_p: Floats
    inputs: Floats
    states: Floats
    gates: tuple[Floats, Floats, Floats, Floats]
    given: Sequences
    conditions: Floats


@dataclass(frozen=True)
class Net:
    """The shape of a network: its `places`, the width of its state, the number of its conditions.

    Parameters are one flat vector, so that they can be kept, hashed and moved as plain numbers.
    """

    places: Places
    hidden: int
    n_conditions: int = 0

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of each part of the parameters, in their order."""
        h, n = self.hidden, len(self.places.words) + 1
        n_places, widest = self.places.options.shape
        return {
            "words": (n, h),
            "places": (n_places, h),
            "conditions": (self.n_conditions, h),
            "inward": (h, 3 * h),
            "inward_bias": (3 * h,),
            "across": (h, 3 * h),
            "outward": (n, h),
            "bias": (n_places, widest),
        }

    @cached_property
    def n_parameters(self) -> int:
        """The length of the flat vector."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def parts(self, flat: Floats) -> dict[str, Floats]:
        """Views of the flat vector."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            n = math.prod(shape)
            found[name] = flat[start : start + n].reshape(shape)
            start += n
        return found

    def start(self, seed: int) -> Floats:
        """Parameters whose options are all equally likely: what leads outward is zero."""
        rng, flat = np.random.default_rng(seed), np.zeros(self.n_parameters)
        parts = self.parts(flat)
        for name in ("words", "places", "conditions"):
            parts[name][...] = 0.5 * rng.standard_normal(parts[name].shape)
        for name in ("inward", "across"):
            parts[name][...] = rng.standard_normal(parts[name].shape) / math.sqrt(self.hidden)
        return flat

    def step(
        self, parts: Mapping[str, Floats], state: Floats, before: Ints, at: Ints, told: Floats
    ) -> tuple[Floats, Floats]:
        """The next state [n, hidden] and the logits [n, n_options] of one decision each.

        `told` is the conditions' part of the input, [n, hidden].
        """
        inputs = parts["words"][before] + parts["places"][at] + told
        state, *_ = self._cell(parts, inputs @ parts["inward"] + parts["inward_bias"], state)
        return state, self._logits(parts, state, at)

    def _cell(
        self, parts: Mapping[str, Floats], inward: Floats, state: Floats
    ) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        h = self.hidden
        across = state @ parts["across"]
        gates = 1 / (1 + np.exp(-(inward[:, : 2 * h] + across[:, : 2 * h])))
        keep, reset, old = gates[:, :h], gates[:, h:], across[:, 2 * h :]
        new = np.tanh(inward[:, 2 * h :] + reset * old)
        return new + keep * (state - new), keep, reset, old, new

    def _logits(self, parts: Mapping[str, Floats], state: Floats, at: Ints) -> Floats:
        places = self.places
        full = state @ parts["outward"].T
        logits = np.take_along_axis(full, places.options[at], axis=-1) + parts["bias"][at]
        return np.where(places.offered[at], logits + places.leaning[at], NEVER)

    def forward(self, flat: Floats, given: Sequences, conditions: Floats) -> Pass:
        """The log-probabilities of all options at every decision; `conditions` is [n, k]."""
        parts = self.parts(flat)
        told = conditions @ parts["conditions"]
        inputs = parts["words"][given.before] + parts["places"][given.places] + told
        inward = inputs @ parts["inward"] + parts["inward_bias"]
        n_steps, n = given.places.shape
        states = np.zeros((n_steps + 1, n, self.hidden))
        gates = tuple(np.empty((n_steps, n, self.hidden)) for _ in range(4))
        for t in range(n_steps):
            states[t + 1], *found = self._cell(parts, inward[t], states[t])
            for gate, value in zip(gates, found, strict=True):
                gate[t] = value
        keep, reset, old, new = gates
        logits = self._logits(parts, states[1:], given.places)
        return Pass(log_softmax(logits), inputs, states, (keep, reset, old, new), given, conditions)

    def backward(self, flat: Floats, made: Pass, d_logits: Floats) -> Floats:
        """The gradient of a loss whose derivative by the logits is `d_logits`, as a flat vector."""
        parts, slope = self.parts(flat), np.zeros(self.n_parameters)
        d, given, options = self.parts(slope), made.given, self.places.options
        np.add.at(d["bias"], given.places, d_logits)
        d_full = np.zeros((*given.places.shape, len(self.places.words) + 1))
        # What fills rows up shares one column; its derivative is nought.
        np.put_along_axis(d_full, options[given.places], d_logits, axis=-1)
        d["outward"][...] = np.einsum("tnw,tnh->wh", d_full, made.states[1:], optimize=True)
        d_inward, d_across = self._through_time(parts, made, d_full @ parts["outward"])
        d["across"][...] = _summed(made.states[:-1], d_across)
        d["inward"][...] = _summed(made.inputs, d_inward)
        d["inward_bias"][...] = d_inward.sum(axis=(0, 1))
        d_inputs = d_inward @ parts["inward"].T
        np.add.at(d["words"], given.before, d_inputs)
        np.add.at(d["places"], given.places, d_inputs)
        d["conditions"][...] = made.conditions.T @ d_inputs.sum(axis=0)
        return slope

    def _through_time(
        self, parts: Mapping[str, Floats], made: Pass, d_out: Floats
    ) -> tuple[Floats, Floats]:
        h, (keep, reset, old, new) = self.hidden, made.gates
        n_steps, n = made.given.places.shape
        d_inward, d_across = np.empty((2, n_steps, n, 3 * h))
        d_state, back = np.zeros((n, h)), parts["across"].T
        for t in reversed(range(n_steps)):
            d_state = d_state + d_out[t]
            z, r = keep[t], reset[t]
            d_new = d_state * (1 - z) * (1 - new[t] ** 2)
            d_inward[t, :, :h] = d_state * (made.states[t] - new[t]) * z * (1 - z)
            d_inward[t, :, h : 2 * h] = d_new * old[t] * r * (1 - r)
            d_inward[t, :, 2 * h :] = d_new
            d_across[t] = d_inward[t]
            d_across[t, :, 2 * h :] *= r
            d_state = d_state * z + d_across[t] @ back
        return d_inward, d_across


@dataclass(frozen=True)
class Weights:
    """Parameters on their way: the flat vector and Adam's two averages after `n` steps.

    Kingma and Ba, "Adam" (2015). `step` gives new weights; `decay` shrinks the parameters.
    """

    flat: Floats
    first: Floats
    second: Floats
    n: int = 0

    @classmethod
    def of(cls, flat: Floats) -> Weights:
        """Weights that have not moved yet."""
        return cls(flat, np.zeros_like(flat), np.zeros_like(flat))

    def step(self, slope: Floats, rate: float, decay: float = 0.0) -> Weights:
        """One step against the slope, whose length is cut at 1."""
        slope = slope / max(1.0, float(np.linalg.norm(slope)))
        n = self.n + 1
        first = 0.9 * self.first + 0.1 * slope
        second = 0.99 * self.second + 0.01 * slope**2
        moved = (first / (1 - 0.9**n)) / (np.sqrt(second / (1 - 0.99**n)) + 1e-8)
        return replace(
            self, flat=self.flat - rate * (moved + decay * self.flat), first=first, second=second,
            n=n,
        )  # fmt: skip


def log_softmax(logits: Floats) -> Floats:
    """Log-probabilities along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found


def chosen(log_p: Floats, given: Sequences) -> Floats:
    """The log-probability of each decision that was made, nought behind a design's end."""
    taken = np.take_along_axis(log_p, given.picks[..., None], axis=-1)[..., 0]
    return np.where(given.real, taken, 0.0)


def minus_picks(d_logits: Floats, given: Sequences, pull: Floats) -> Floats:
    """`d_logits` [n_steps, n_designs, n_options] less `pull` [n_steps, n_designs] at what was made.

    With `pull` times the probabilities as `d_logits` it is the derivative, by the logits, of minus
    `pull` times the log-probability of the decisions.
    """
    found, at = d_logits.copy(), given.picks[..., None]
    np.put_along_axis(found, at, np.take_along_axis(found, at, -1) - pull[..., None], -1)
    return found


def _summed(a: Floats, b: Floats) -> Floats:
    found: Floats = a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])
    return found
