"""Bayesian optimisation: a surrogate of the objective says where the next trial promises most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.acquisition import (
    log_chance_slopes,
    log_chance_within,
    log_expected_improvement,
    log_improvement_slopes,
)
from modelwright.designers.acquisition_search import search
from modelwright.designers.batch import Batch
from modelwright.designers.one_thread import one_thread
from modelwright.designers.standing import told
from modelwright.designers.surrogate_features import Encoder, encoder
from modelwright.designers.surrogate_gp import Process, first_guess, fit_theta
from modelwright.designers.surrogate_record import (
    Record,
    record_of,
    rows_at,
    rows_of_trials,
    with_fidelity,
)
from modelwright.designers.surrogate_targets import Targets, scalarised, targets

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

MIN_GOOD = 3  # scores without which nothing can be learned
N_AROUND = 12  # best designs that the acquisition is searched around
N_FITTED = 128  # trials that hyperparameters are fitted to
FIRST_STEPS, NEXT_STEPS = 40, 15
RESTART_EVERY = 4  # fits between fits that also start afresh


@dataclass(frozen=True)
class State:
    """What the designer carries from block to block.

    `theta` are the hyperparameters of the surrogate of the losses, `theta_side` of the one that
    tells designs within the limits from those outside or failed, once there are both. `n_seen`
    counts outcomes ever folded, `n_fitted` those at the last fit, `n_fits` the fits.
    """

    brief: Brief
    record: Record
    n_seen: int = 0
    n_fitted: int = 0
    n_fits: int = 0
    theta: Vector | None = None
    theta_side: Vector | None = None


@dataclass(frozen=True)
class Bayesian:
    """Proposes the design of greatest expected improvement under a Gaussian process.

    The first `initial` trials are the default and evenly spread points. Then a Gaussian process
    with one length scale per part of the design learns from all rungs, with the fidelity as an
    input, and predicts the full run. The acquisition is searched in bulk, in the unit cube around
    the best designs and everywhere, and its best numbers follow the slope; a space of few designs
    is listed. Running trials count as if they scored what is predicted for them. Of several goals
    a random mixture is improved in each proposal. Where there are limits or failures, a second
    process learns where designs are within, and its chance weighs the improvement. At most 256
    finished trials, the best and the newest, are used, so that time per proposal stays bounded.

    Snoek, Larochelle, Adams (2012) for the frame; Hvarfner et al. (2024) for the prior on length
    scales; Ament et al. (2023) for the acquisition. What differs: the targets (`targets`), the
    incumbent (best predicted mean, as scores are noisy) and the search of the acquisition.

    A design type may say more about its designs: see `surrogate_features.Encoder`.

    >>> from modelwright.designers import Bayesian
    >>> Bayesian(initial=8).initial
    8
    """

    initial: int = 5

    name: ClassVar[str] = "bayesian"
    block: ClassVar[int] = 4

    def __post_init__(self) -> None:
        if self.initial < 0:
            raise InputError(f"initial is a number of trials from 0; got {self.initial}.")

    def start(self, brief: Brief) -> State:
        """Nothing seen."""
        return State(brief, record_of((), encoder(brief.space), brief.rungs, len(brief.goals)))

    @one_thread()
    def update(self, state: State, outcomes: Sequence[Outcome], key: Key) -> State:
        """The state with the outcomes in its record, and from time to time a new fit.

        The fits become rarer as the record grows: one per twentieth more. `key` draws the mixture
        of several goals.
        """
        brief, coder = state.brief, encoder(state.brief.space)
        added = record_of(outcomes, coder, brief.rungs, len(brief.goals))
        record, n_seen = state.record.joined(added), state.n_seen + len(outcomes)
        state = replace(state, record=record, n_seen=n_seen)
        if record.n_good < MIN_GOOD or n_seen - state.n_fitted < n_seen // 20:
            return state
        groups, some = _groups(coder, brief), record.spread(N_FITTED)
        afresh = state.n_fits % RESTART_EVERY == 0

        def fitted(theta: Vector | None, values: Vector) -> Vector:
            starts = [] if theta is None else [theta]
            if afresh or theta is None:
                starts.append(first_guess(int(groups.max(initial=-1)) + 1))
            steps = FIRST_STEPS if theta is None else NEXT_STEPS
            return fit_theta(record.rows[some], values[some], groups, starts, steps)

        theta, side = fitted(state.theta, _taught(record, key).values), state.theta_side
        if 0 < record.within.sum() < len(record):
            side = fitted(side, record.sides)
        n_fits = state.n_fits + 1
        return replace(state, theta=theta, theta_side=side, n_fitted=n_seen, n_fits=n_fits)

    @one_thread()
    def propose(self, state: State, view: View, n: int, key: Key) -> Sequence[Proposal]:
        """The `n` most promising designs, each chosen as if the ones before it were running."""
        batch, coder = Batch(view, n, self.name), encoder(view.space)
        record, theta = _up_to_date(state, view, coder)
        planned: list[Any] = []
        while not batch.full:
            own = key.child(len(batch.proposals))
            started = view.trials_spent + len(batch.proposals) >= self.initial
            if theta is None or not started:
                if not batch.scatter(own):
                    break
            else:
                chosen = _Choice(view, coder, record, (theta, state.theta_side), planned, own)
                if not chosen.offer(batch) and not batch.draw(own.child("draw")):
                    break
            planned.append(view.space.design(batch.proposals[-1].candidate))
        return batch.proposals

    @one_thread()
    def recommend(self, state: State, view: View) -> Outcome | None:
        """The finished trial to trust: the best predicted mean of those at the full rung.

        Where scores are noisy the best score seen is lucky; the mean also knows its neighbours.
        Designs outside the limits come last. None when nothing has finished at the full rung.
        """
        coder = encoder(view.space)
        record, theta = _up_to_date(state, view, coder)
        good = np.isfinite(record.losses).all(1) & (record.rungs == view.rungs.top)
        if (good & record.within).any():
            good &= record.within
        if theta is None or not good.any():
            best = view.best(1)
            return best[0] if best else None
        taught = _taught(record, Key.of("recommend"))
        mean, _ = Process(record.rows, taught.values, _groups(coder, view.brief), theta).predict(
            record.rows
        )
        return view.outcome(record.numbers[int(np.argmin(np.where(good, mean, np.inf)))])


def _groups(coder: Encoder, brief: Brief) -> npt.NDArray[np.intp]:
    """The length scale of each column; the fidelity, where there is one, has its own."""
    if brief.rungs.top == 0:
        return coder.groups
    return np.append(coder.groups, coder.groups.max(initial=-1) + 1)


def _taught(record: Record, key: Key) -> Targets:
    """What the surrogate learns from a record; the key draws the mixture of several goals."""
    losses = record.losses[:, 0]
    if record.losses.shape[1] > 1:
        rng = np.random.default_rng(key.child("goals").seed(128))
        losses = scalarised(record.losses, rng.dirichlet(np.ones(record.losses.shape[1])))
    return targets(losses, record.within)


def _up_to_date(state: State, view: View, coder: Encoder) -> tuple[Record, Vector | None]:
    """The record with the outcomes that no full block holds yet, and hyperparameters if any."""
    newest = view.searched[state.n_seen :]
    record = state.record
    if newest:
        record = record.joined(record_of(newest, coder, view.rungs, len(view.goals)))
    if state.theta is None and record.n_good >= MIN_GOOD:
        groups = _groups(coder, view.brief)
        guess = first_guess(int(groups.max(initial=-1)) + 1)
        taught, some = _taught(record, Key.of("first")), record.spread(N_FITTED)
        theta = fit_theta(record.rows[some], taught.values[some], groups, [guess], FIRST_STEPS)
        return record, theta
    return record, state.theta


class _Choice:
    """One proposal in the making: the surrogate, the incumbent and what it must not repeat."""

    def __init__(
        self,
        view: View,
        coder: Encoder,
        record: Record,
        thetas: tuple[Vector, Vector | None],
        planned: Sequence[Any],
        key: Key,
    ) -> None:
        self.view, self.coder, self.record, self.key = view, coder, record, key
        self.taught, (theta, theta_side) = _taught(record, key), thetas
        groups = _groups(coder, view.brief)
        self.sides = None
        if theta_side is not None:
            self.sides = Process(record.rows, record.sides, groups, theta_side)
        running = view.pending
        self.busy = {coder.key(view.space.design(t.candidate)) for t in running}
        self.busy |= {coder.key(design) for design in planned} | set(record.keys)
        process = Process(record.rows, self.taught.values, groups, theta)
        at_top = with_fidelity(record.rows[:, : len(coder.groups)], view.rungs)
        self.means, _ = process.predict(at_top)
        waiting = np.vstack(
            [
                rows_of_trials(running, coder, view.rungs),
                rows_at(planned, coder, view.rungs, [0] * len(planned)),
            ]
        )
        if len(waiting):
            expected = np.concatenate([self.taught.values, process.predict(waiting)[0]])
            process = Process(np.vstack([record.rows, waiting]), expected, groups, theta)
        self.process = process
        self.order = self._order()
        self.best = float(self.means[self.order[0]])

    def _order(self) -> npt.NDArray[np.intp]:
        """Places in the record by predicted mean, those outside the limits or failed last."""
        return np.lexsort((self.means, ~self.record.within))

    def offer(self, batch: Batch) -> bool:
        """Puts the best new design into the batch; False when none was found."""
        view, numbers = self.view, self.record.numbers
        around = [
            view.space.design(view.trial(numbers[i]).candidate) for i in self.order[:N_AROUND]
        ]
        found = search(self.coder, around, self._score, self._slopes, self.key.child("search"))
        parent = view.trial(numbers[self.order[0]]).candidate.id
        for design, score in zip(found.designs, found.scores, strict=True):
            if self.coder.key(design) not in self.busy and batch.offer(
                design, partial(self._reason, design, float(score)), (parent,)
            ):
                return True
        return False

    def _score(self, rows: Matrix) -> Vector:
        rows = with_fidelity(rows, self.view.rungs)
        score = log_expected_improvement(*self.process.predict(rows), self.best)
        if self.sides is not None:
            score += log_chance_within(*self.sides.predict(rows))
        return score

    def _slopes(self, rows: Matrix, places: npt.NDArray[np.intp]) -> tuple[Vector, Matrix]:
        rows = with_fidelity(rows, self.view.rungs)
        score, slopes = log_improvement_slopes(*self.process.slopes(rows, places), self.best)
        if self.sides is not None:
            chance, more = log_chance_slopes(*self.sides.slopes(rows, places))
            score, slopes = score + chance, slopes + more
        return score, slopes

    def _reason(self, design: Any, score: float) -> str:
        """What is expected of the design, against the incumbent, and what is new in it."""
        view, scale = self.view, self.taught.scale
        row = rows_at([design], self.coder, view.rungs)
        mean, sd = (float(x[0]) for x in self.process.predict(row))
        incumbent = view.outcome(self.record.numbers[self.order[0]])
        assert incumbent is not None
        near = int(np.argmin(((self.record.rows - row) ** 2).sum(1)))
        known = view.trial(self.record.numbers[near])
        new = view.space.difference(view.space.design(known.candidate), design)
        weighed = " times the chance to be within the limits" if self.sides is not None else ""
        what = "loss" if len(view.goals) == 1 else "mixture of the goals"
        return (
            f"predicted {what} {mean * scale + self.taught.centre:.4g} ± {sd * scale:.2g}, "
            f"expected improvement{weighed} {np.exp(score) * scale:.2g} on {told(incumbent)}; "
            f"nearest to trial {known.number}: {new}"
        )
