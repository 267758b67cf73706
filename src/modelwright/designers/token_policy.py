"""What the designers with a network over tokens share: the rows they keep, and drawing designs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwright.core.keys import Key
from modelwright.core.view import Outcome
from modelwright.designers.batch import Batch
from modelwright.designers.pareto import ranked
from modelwright.designers.standing import standing
from modelwright.designers.token_net import NEVER, Net, log_softmax
from modelwright.designers.token_places import MAX_STEPS, Floats, Ints, Places

Steps = tuple[tuple[int, int], ...]

MEMORY = 256  # Outcomes remembered; the time of an update is proportional to it.
DRAWS = 16
LONGEST = 10 * MAX_STEPS  # Decisions; a draw that is longer is dropped.
TEMPERATURES = (1.0, 1.5, 2.5)  # Of the draws, until enough of them are new.


@dataclass(frozen=True)
class Rows:
    """The outcomes remembered, oldest first, and the decisions of their designs."""

    outcomes: tuple[Outcome, ...] = ()
    steps: tuple[Steps, ...] = ()

    def joined(self, places: Places, space: Any, outcomes: Sequence[Outcome], cap: int) -> Rows:
        """With new outcomes at the end; beyond `cap` the oldest go, the best quarter never.

        A design that was measured again at a higher rung takes the new score in its old place.
        """
        known, steps = list(self.outcomes), list(self.steps)
        for outcome in outcomes:
            if outcome.trial.promoted_from is not None and outcome.ok:
                name = outcome.trial.candidate.id
                same = [i for i, o in enumerate(known) if o.trial.candidate.id == name]
                if same:
                    known[same[0]] = outcome
                    continue
            known.append(outcome)
            steps.append(tuple(places.read(space.design(outcome.trial.candidate))))
        rows = Rows(tuple(known), tuple(steps))
        return rows if len(known) <= cap else rows._kept(cap)

    def _kept(self, cap: int) -> Rows:
        best = set(self.order()[: cap // 4])
        old = [i for i in range(len(self.outcomes)) if i not in best]
        gone = set(old[: len(self.outcomes) - cap])
        keep = [i for i in range(len(self.outcomes)) if i not in gone]
        return Rows(tuple(self.outcomes[i] for i in keep), tuple(self.steps[i] for i in keep))

    def order(self) -> list[int]:
        """Places of the outcomes, best first; by front and crowding where there are several goals.

        Failed trials come last, those outside the limits before them.
        """
        outcomes = self.outcomes
        if max((len(o.losses) for o in outcomes), default=0) > 1:
            places = {o.trial.number: i for i, o in enumerate(outcomes)}
            return [places[o.trial.number] for o, _, _ in ranked(outcomes)]
        return sorted(range(len(outcomes)), key=lambda i: standing(outcomes[i]))

    @property
    def best(self) -> Outcome | None:
        """The best outcome, if any is good."""
        i = next(iter(self.order()), None)
        return self.outcomes[i] if i is not None and self.outcomes[i].ok else None


@dataclass(frozen=True)
class Drawn:
    """Designs drawn from a network, each with the logarithm of how likely it was."""

    designs: tuple[Any, ...]
    log_p: Floats


@dataclass(frozen=True)
class Sampler:
    """Draws designs decision by decision, all `n` at once.

    With `guide` > 0 the logits are those under the conditions, pushed away by that factor from
    those under no conditions (classifier-free guidance, Ho and Salimans 2022).
    """

    net: Net
    flat: Floats
    guide: float = 0.0

    def draw(self, n: int, conditions: Floats, temperature: float, key: Key) -> Drawn:
        """`n` designs; `conditions` is [n, k]. They may break a constraint of their types.

        `log_p` is under the conditions, at temperature 1; with a guide, relative to no conditions.
        """
        net, twins = self.net, 2 if self.guide else 1
        walks = _Walks(net.places, n, key)
        parts = net.parts(self.flat)
        told = np.zeros((twins, n, net.hidden))
        told[0] = conditions @ parts["conditions"]
        state, total = np.zeros((twins, n, net.hidden)), np.zeros(n)
        for t in range(LONGEST):
            alive = walks.alive
            if not len(alive):
                break
            at, before = walks.at[alive], walks.before[alive]
            logits = np.where(net.places.offered[at], net.places.leaning[at], NEVER)[None]
            if t < MAX_STEPS:  # Further down it is drawn as in a sample.
                inner, found = net.step(
                    parts,
                    state[:, alive].reshape(-1, net.hidden),
                    np.tile(before, twins),
                    np.tile(at, twins),
                    told[:, alive].reshape(-1, net.hidden),
                )
                state[:, alive] = inner.reshape(twins, len(alive), -1)
                logits = found.reshape(twins, len(alive), -1)
            log_p = log_softmax(logits)
            picks = walks.go((log_p[0] + self.guide * (log_p[0] - log_p[-1])) / temperature)
            row = np.arange(len(alive))
            total[alive] += log_p[0, row, picks] - (log_p[-1, row, picks] if self.guide else 0.0)
        whole = np.setdiff1d(np.arange(n), walks.alive)
        return Drawn(tuple(walks.made[i] for i in whole), total[whole])


class _Walks:
    """`n` designs in the making: which are not complete (`alive`), and where each stands."""

    def __init__(self, places: Places, n: int, key: Key) -> None:
        values = key.child("values").random()
        self.places, self.noise = places, np.random.default_rng(key.seed(128))
        self.walks = [places.write(values) for _ in range(n)]
        self.at = np.zeros(n, dtype=np.intp)
        self.before = np.full(n, len(places.words), dtype=np.intp)
        self.made: list[Any] = [None] * n
        self.alive: Ints = np.array([i for i in range(n) if self._sent(i, None)], dtype=np.intp)

    def go(self, logits: Floats) -> Ints:
        """Draws an option for each that is alive, from logits [n_alive, n_options]."""
        alive = self.alive
        picks: Ints = (logits + self.noise.gumbel(size=logits.shape)).argmax(axis=1)
        self.before[alive] = self.places.options[self.at[alive], picks]
        pairs = zip(alive.tolist(), picks.tolist(), strict=True)
        self.alive = np.array([i for i, pick in pairs if self._sent(i, pick)], dtype=np.intp)
        return picks

    def _sent(self, i: int, pick: int | None) -> bool:
        try:
            # A generator that has not begun takes None, as `next` sends it.
            self.at[i] = next(self.walks[i]) if pick is None else self.walks[i].send(pick)
        except StopIteration as end:
            self.made[i] = end.value
            return False
        return True


def begun(batch: Batch, initial: int, draw: Callable[[], None] | None, key: Key) -> None:
    """Fills a batch: even points until `initial` trials are spent, then `draw`, then even points.

    `draw` is None where nothing can be drawn yet.
    """
    spent = batch.view.trials_spent
    while not batch.full and spent + len(batch.proposals) < initial:
        if not batch.scatter(key.child("even", len(batch.proposals))):
            return
    if draw and not batch.full:
        draw()
    while not batch.full and batch.scatter(key.child("even", len(batch.proposals))):
        pass


def offer_drawn(
    batch: Batch, sampler: Sampler, conditions: Floats, why: Callable[[float], str], key: Key
) -> None:
    """Offers designs in the order they are drawn, one for each row of conditions.

    When too few are new, as of a policy that has settled, it draws again at higher temperatures.
    `why` makes the reason from `Drawn.log_p`.
    """
    space = batch.view.space
    for i, temperature in enumerate(TEMPERATURES):
        drawn = sampler.draw(len(conditions), conditions, temperature, key.child(i))
        for design, log_p in zip(drawn.designs, drawn.log_p.tolist(), strict=True):
            if batch.full:
                return
            reason = why(log_p) + (f"; at temperature {temperature}" if i else "")
            batch.offer(space.repair(design), reason)
